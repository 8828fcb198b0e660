//! Thirty questions in one AuthZEN call, beside an empty answer of the same HTTP libraries, and beside Cerbos on the same policies.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use bench::figure::{Against, Figures, Peer};
use bytes::Bytes;
use serde_json::json;
use tokio::net::TcpListener;

use crate::callers::{self, Call};
use crate::floor::Floor;
use crate::house::House;
use crate::peer::Server;
use crate::threads::{Thread, process_cpu_us};
use crate::{median, world};

const ROUNDS: usize = 5;
const PROFILES: usize = 2_000;

pub(crate) async fn measure(
    cerbos: Option<&Path>,
    count: u32,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let (empty, door) = (Thread::start("empty")?, Thread::start("door")?);
    let people = Thread::start("people")?;
    let house = House::start(None, PROFILES).await?;
    let ours = house.serve(&door).await?;
    let nothing = nothing(&empty).await?;
    let calls: Arc<[Call]> = house
        .subjects
        .iter()
        .map(|id| evaluations(&id.to_string(), house.key.expose()))
        .collect();
    let plain: Arc<[Call]> = [Call::get("/", None)].into();
    let recorded: Arc<[Call]> = [Call::get("/recorded", None)].into();
    let (mut empties, mut floors) = (Vec::new(), Vec::new());
    let (mut owns, mut alls) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = empty.cpu_us()?;
        callers::call(&people, nothing, &plain, count, 0).await?;
        empties.push((empty.cpu_us()? - before) / f64::from(count));
        let before = empty.cpu_us()?;
        callers::call(&people, nothing, &recorded, count, 0).await?;
        floors.push((empty.cpu_us()? - before) / f64::from(count));
        let (own, all, theirs) = (door.cpu_us()?, process_cpu_us()?, people.cpu_us()?);
        callers::call(&people, ours, &calls, count, 500).await?;
        owns.push((door.cpu_us()? - own) / f64::from(count));
        let all = process_cpu_us()? - all - (people.cpu_us()? - theirs);
        alls.push(all / f64::from(count));
    }
    house.stop();
    let (empty, floor) = (median(empties), median(floors));
    let (own, all) = (median(owns), median(alls));
    let cerbos = match cerbos {
        Some(cerbos) => Some(by_cerbos(cerbos, &people, count / 40).await?),
        None => None,
    };
    let peer = cerbos.map(|us| Peer(us, us));
    let mut add = |figure: &str, value, unit, aim, peer| {
        let against = Against {
            aim,
            peer,
            more_is_better: false,
        };
        figures.add(figure.to_owned(), value, unit, against);
    };
    add(
        "an empty answer of the same HTTP libraries",
        empty,
        US,
        None,
        None,
    );
    add(
        "the least that a durable record adds to that",
        floor - empty,
        US,
        None,
        None,
    );
    add(
        "AuthZEN, thirty questions: the thread that answers",
        own,
        US,
        None,
        None,
    );
    add(
        "AuthZEN, thirty questions: with our database, recorded durably",
        all,
        US,
        None,
        peer,
    );
    add(
        "AuthZEN, thirty questions over an empty answer",
        own / empty,
        "times",
        Some(3.0),
        None,
    );
    if let Some(us) = cerbos {
        add("Cerbos, thirty actions", us, US, None, None);
    }
    Ok(())
}

const US: &str = "µs of CPU";

/// An empty answer, and one after a bare durable record.
async fn nothing(thread: &Thread) -> anyhow::Result<SocketAddr> {
    let floor = Floor::start()?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    thread.handle.spawn(async move {
        if let Ok(listener) = TcpListener::from_std(listener) {
            let recorded = || async move {
                let done = floor.record().await;
                done.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
            };
            let router: Router = Router::new()
                .route("/", get(|| async {}))
                .route("/recorded", get(recorded));
            let _ = axum::serve(listener, router).await;
        }
    });
    Ok(address)
}

fn evaluations(subject: &str, key: &str) -> Call {
    let questions: Vec<_> = (0..world::ATTRIBUTES)
        .map(|one| json!({"resource": {"type": "attribute", "id": world::attribute(one), "properties": {"subject": subject}}}))
        .collect();
    let body = json!({
        "subject": {"type": "recipient", "id": world::recipient(world::READER)},
        "action": {"name": world::purpose(world::READS_FOR)},
        "evaluations": questions,
    });
    Call {
        path: "/access/v1/evaluations".to_owned(),
        body: Some(Bytes::from(body.to_string())),
        key: Some(key.to_owned()),
    }
}

/// µs of CPU for thirty actions on one resource.
async fn by_cerbos(program: &Path, people: &Thread, count: u32) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let base = folder.path();
    let policies = base.join("policies");
    std::fs::create_dir(&policies)?;
    for (number, policy) in world::cerbos().iter().enumerate() {
        std::fs::write(policies.join(format!("{number}.json")), policy.to_string())?;
    }
    let port = free_port()?;
    let grpc = free_port()?;
    let settings = json!({
        "server": {"httpListenAddr": format!("127.0.0.1:{port}"), "grpcListenAddr": format!("127.0.0.1:{grpc}")},
        "storage": {"driver": "disk", "disk": {"directory": policies, "watchForChanges": false}},
        "audit": {"enabled": false},
        "telemetry": {"disabled": true},
    });
    let config = base.join("cerbos.json");
    std::fs::write(&config, settings.to_string())?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let config = format!("--config={}", config.display());
    let server = Server::start(program, &["server", &config, "--log-level=error"], address).await?;
    let mut facts = world::told(world::READER, world::READS_FOR);
    if let Some(members) = facts.as_object_mut() {
        for name in [
            "consented",
            "opted_out",
            "opted_out_of_sale",
            "signal",
            "limited",
        ] {
            members.insert(name.to_owned(), json!(false));
        }
        members.insert("choice_allows".to_owned(), json!(true));
        members.insert("jurisdiction".to_owned(), json!("US-CA"));
        members.insert("age".to_owned(), json!("unknown"));
    }
    let actions: Vec<_> = (0..world::ATTRIBUTES).map(world::attribute).collect();
    let body = json!({
        "requestId": "bench",
        "principal": {"id": world::recipient(world::READER), "roles": [world::recipient(world::READER)]},
        "resources": [{"actions": actions, "resource": {"kind": world::purpose(world::READS_FOR), "id": "one", "attr": facts}}],
    });
    let call = Call {
        path: "/api/check/resources".to_owned(),
        body: Some(Bytes::from(body.to_string())),
        key: None,
    };
    let calls: Arc<[Call]> = [call].into();
    let allowed = server.answer(&calls, people).await?;
    let given = allowed.matches("EFFECT_ALLOW").count();
    anyhow::ensure!(
        given == world::ATTRIBUTES,
        "Cerbos allows {given} of thirty attributes: {allowed}"
    );
    let mut costs = Vec::new();
    for _ in 0..ROUNDS {
        let before = server.cpu_us()?;
        callers::call(people, address, &calls, count, 600).await?;
        costs.push((server.cpu_us()? - before) / f64::from(count));
    }
    Ok(median(costs))
}

pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("no port is free")?;
    Ok(listener.local_addr()?.port())
}
