//! What the gateway costs: an answer that is passed on by the same libraries, one that is decided and recorded as well, one that is filtered
//! too; and nginx before the same upstream. Upstream, proxies and callers each run on a thread of their own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bench::figure::{Against, Figures};

use crate::authzen::free_port;
use crate::callers::{self, Call};
use crate::floor::Floor;
use crate::gateway_house::House;
use crate::peer::Server;
use crate::threads::{Thread, process_cpu_us};
use crate::{median, pass, upstream};

/// Rounds of which the median counts, since others use the machine too.
const ROUNDS: usize = 7;

/// What runs where.
struct Stage {
    upstream: Thread,
    callers: Thread,
    proxy: Thread,
    passing: SocketAddr,
    /// Passed on as well, after a durable record.
    floor: SocketAddr,
    gateway: SocketAddr,
    nginx: Option<(Server, SocketAddr)>,
    house: House,
    _folder: tempfile::TempDir,
}

/// What a call cost, in µs of processor time.
#[derive(Clone, Copy, Default)]
struct Cost {
    /// Of the thread that stands between.
    own: f64,
    /// With our database.
    all: f64,
    /// Of nginx.
    nginx: f64,
}

const UNIT: &str = "µs of CPU";

pub(crate) async fn measure(
    nginx: Option<&Path>,
    count: u32,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let stage = Stage::set(nginx).await?;
    for (size, name, aim) in [
        ("2", "2 KB", 10.0),
        ("50", "50 KB", 60.0),
        ("list", "50 KB, a list of 25", 60.0),
    ] {
        let [passed, floor, recorded, filtered, nginx] = stage.measure(size, count).await?;
        let mut add = |what: &str, value, aim| {
            let against = Against {
                aim,
                ..Against::default()
            };
            figures.add(format!("gateway, {name}, {what}"), value, UNIT, against);
        };
        if stage.nginx.is_some() {
            add("passed on by nginx", nginx.nginx, None);
        }
        add("passed on by the same libraries", passed.own, None);
        add(
            "the least that a durable record adds to that",
            floor.own - passed.own,
            None,
        );
        // A list has no subject in its path, and so no document.
        if size != "list" {
            add(
                "decided and recorded: the proxy's thread",
                recorded.own,
                None,
            );
            add("the filter alone", filtered.own - recorded.own, None);
        }
        let whole = "decided, recorded and filtered";
        add(&format!("{whole}: the proxy's thread"), filtered.own, None);
        add(&format!("{whole}: with our database"), filtered.all, None);
        let more = filtered.own - passed.own;
        add("more than passed on: the proxy's thread", more, Some(aim));
        add(
            "more than passed on: with our database",
            filtered.all - passed.all,
            None,
        );
    }
    Ok(())
}

impl Stage {
    async fn set(nginx: Option<&Path>) -> anyhow::Result<Self> {
        let upstream = Thread::start("upstream")?;
        let callers = Thread::start("callers")?;
        let proxy = Thread::start("proxy")?;
        let address = upstream::start(&upstream).await?;
        let house = House::start(address).await?;
        let folder = tempfile::tempdir()?;
        let nginx = match nginx {
            Some(program) => Some(start_nginx(program, folder.path(), address).await?),
            None => None,
        };
        Ok(Self {
            passing: pass::start(&proxy, address, None).await?,
            floor: pass::start(&proxy, address, Some(Floor::start()?)).await?,
            gateway: house.serve(&proxy).await?,
            nginx,
            upstream,
            callers,
            proxy,
            house,
            _folder: folder,
        })
    }

    /// What a call costs that is passed on; passed on after a bare durable record; decided, recorded and passed on as a document; decided, recorded
    /// and filtered; passed on by nginx.
    async fn measure(&self, size: &str, count: u32) -> anyhow::Result<[Cost; 5]> {
        let nginx = self.nginx.as_ref().map(|(_, address)| *address);
        let series = [
            (Some(self.passing), format!("/plain/{size}")),
            (Some(self.floor), format!("/plain/{size}")),
            (
                (size != "list").then_some(self.gateway),
                format!("/documents/{size}/7"),
            ),
            (Some(self.gateway), format!("/customers/{size}/7")),
            (nginx, format!("/plain/{size}")),
        ];
        let mut costs: [Vec<Cost>; 5] = Default::default();
        for _ in 0..ROUNDS {
            for ((address, path), costs) in series.iter().zip(&mut costs) {
                if let Some(address) = address {
                    costs.push(self.cost(*address, path, count).await?);
                }
            }
        }
        Ok(costs.map(|costs| Cost {
            own: median(costs.iter().map(|cost| cost.own).collect()),
            all: median(costs.iter().map(|cost| cost.all).collect()),
            nginx: median(costs.iter().map(|cost| cost.nginx).collect()),
        }))
    }

    async fn cost(&self, address: SocketAddr, path: &str, count: u32) -> anyhow::Result<Cost> {
        let calls: Arc<[Call]> = [Call::get(path, Some(&self.house.key))].into();
        let before = self.reading()?;
        callers::call(&self.callers, address, &calls, count, 100).await?;
        let after = self.reading()?;
        let each = |before: f64, after: f64| (after - before) / f64::from(count);
        Ok(Cost {
            own: each(before.own, after.own),
            all: each(before.all, after.all),
            nginx: each(before.nginx, after.nginx),
        })
    }

    /// What was used so far; callers and upstream are nobody's cost.
    fn reading(&self) -> anyhow::Result<Cost> {
        let others = self.callers.cpu_us()? + self.upstream.cpu_us()?;
        let nginx = self.nginx.as_ref();
        Ok(Cost {
            own: self.proxy.cpu_us()?,
            all: process_cpu_us()? - others,
            nginx: nginx.map_or(Ok(0.0), |(server, _)| server.cpu_us())?,
        })
    }
}

/// One process without a master, connections to the upstream kept, no log of calls.
async fn start_nginx(
    program: &Path,
    folder: &Path,
    upstream: SocketAddr,
) -> anyhow::Result<(Server, SocketAddr)> {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let base = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {base}/{kind};\n"))
        .concat();
    let settings = format!(
        "daemon off;\nmaster_process off;\npid {base}/nginx.pid;\nerror_log {base}/error.log;\nevents {{ worker_connections 1024; }}\nhttp {{\naccess_log off;\nkeepalive_requests 10000000;\n{temporary}upstream shop {{ server {upstream}; keepalive 256; keepalive_requests 10000000; }}\nserver {{ listen {address}; location / {{ proxy_pass http://shop; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}\n}}\n"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, settings)?;
    let (file, prefix) = (file.display().to_string(), base.to_string());
    let arguments = ["-c", &file, "-p", &prefix];
    Ok((Server::start(program, &arguments, address).await?, address))
}
