//! Views that follow policies, beside the bare table that they show: written and filled by the product, read in SQL by the recipient's role.
//!
//! What counts is the processor time of the backend that answers, and how many times the bare table's it is, in rounds that take turns.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use bench::figure::{Against, Figures, Peer};
use domain::audit::Actor;
use futures_util::TryStreamExt as _;
use governance::policy::{apply_views, fill_views};
use governance::profile::sync;
use tokio_postgres::{Client, NoTls, Statement};

use crate::threads::other_cpu_us;
use crate::{median, world};

const ROUNDS: usize = 5;
const DATABASE: &str = "bench_views";
const ROLE: &str = "privity_recipient_0";
const VIEW: &str = "privity_recipient_0__purpose_1.customer";
/// Of nine jurisdictions, those of whom content and devices stay here.
const STATES: [&str; 9] = ["CA", "VA", "CO", "TX", "CT", "UT", "OR", "MT", "NJ"];

/// A view written by hand over the same kind of table, in times the bare table's (deciding PostgreSQL 15: mask once per row to conditions per column).
const POINT: Peer = Peer(2.0, 3.5);
const SCAN: Peer = Peer(2.2, 3.7);

/// `postgres` is a server without the database; `rows` the table's, each about a subject of her own.
pub(crate) async fn measure(
    postgres: &str,
    rows: usize,
    calls: u32,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let url = format!("{postgres}/{DATABASE}");
    make_table(postgres, &url, rows).await?;
    let folder = tempfile::tempdir()?;
    let privity = privity(folder.path(), &url).await?;
    sync(&privity, None, true, &Actor::CommandLine).await?;
    apply_views(&privity, "shop").await?;
    let filled = fill_views(&privity, "shop").await?;
    ensure!(filled.unknown == 0, "rows are about nobody");
    let disclosed = usize::try_from(filled.disclosed)?;
    ensure!(disclosed == rows, "{disclosed} disclosures of {rows} rows");
    let (bare, view) = (
        Backend::open(&url, None).await?,
        Backend::open(&url, Some(ROLE)).await?,
    );
    bare.client.batch_execute("VACUUM ANALYZE").await?;
    same_rows(&bare, &view, rows).await?;
    let asked = [
        (
            "point look-up by key",
            "SELECT * FROM $t WHERE attribute_0 = $1",
            calls,
            POINT,
        ),
        (
            "full scan of 2 columns",
            "SELECT attribute_1, attribute_2 FROM $t",
            3,
            SCAN,
        ),
        (
            "aggregate by state",
            "SELECT attribute_4, count(*), count(attribute_6), max(attribute_5) FROM $t GROUP BY 1",
            3,
            SCAN,
        ),
    ];
    for (what, sql, times, peer) in asked {
        let own = bare.prepare(sql, "customer").await?;
        let theirs = view.prepare(sql, VIEW).await?;
        let (mut costs, mut ratios) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let plain = bare.cpu_us(&own, times, rows).await?;
            let shown = view.cpu_us(&theirs, times, rows).await?;
            costs.push(shown);
            ratios.push(shown / plain);
        }
        figures.add(
            format!("PostgreSQL views: {what}"),
            median(costs),
            "µs of CPU",
            Against::default(),
        );
        let against = Against {
            peer: Some(peer),
            ..Against::default()
        };
        figures.add(
            format!("PostgreSQL views: {what}, beside the bare table"),
            median(ratios),
            "times",
            against,
        );
    }
    Ok(())
}

/// One session, and the process that answers it.
struct Backend {
    client: Client,
    process: u32,
}

impl Backend {
    async fn open(url: &str, role: Option<&str>) -> anyhow::Result<Self> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        // All of the work in the one process whose time is read; plans as a session that lives long comes to have.
        let settings = "SET max_parallel_workers_per_gather = 0; SET jit = off";
        client.batch_execute(settings).await?;
        if let Some(role) = role {
            client.batch_execute(&format!("SET ROLE {role}")).await?;
        }
        let row = client.query_one("SELECT pg_backend_pid()", &[]).await?;
        let process = u32::try_from(row.get::<_, i32>(0))?;
        Ok(Self { client, process })
    }

    async fn prepare(&self, sql: &str, table: &str) -> anyhow::Result<Statement> {
        Ok(self.client.prepare(&sql.replace("$t", table)).await?)
    }

    /// Of one run of the statement; a look-up takes another key each time.
    async fn cpu_us(&self, statement: &Statement, times: u32, rows: usize) -> anyhow::Result<f64> {
        let is_look_up = !statement.params().is_empty();
        let before = other_cpu_us(self.process)?;
        for time in 0..times {
            let key = i32::try_from(time as usize * 7_919 % rows + 1)?;
            if is_look_up {
                let found = self.client.query(statement, &[&key]).await?;
                ensure!(found.len() == 1, "a key was not found");
            } else {
                let none: [i32; 0] = [];
                let read = self.client.query_raw(statement, none).await?;
                let read = read.try_fold(0_usize, |count, _| async move { Ok(count + 1) });
                ensure!(read.await? > 0, "nothing was read");
            }
        }
        Ok((other_cpu_us(self.process)? - before) / f64::from(times))
    }
}

/// The view has every row, and of each either the table's own value or none, as policies say.
async fn same_rows(bare: &Backend, view: &Backend, rows: usize) -> anyhow::Result<()> {
    let sql = "SELECT count(*), count(attribute_0), count(attribute_7), coalesce(sum(hashtext(attribute_1)), 0) FROM $t";
    let read = async |backend: &Backend, table: &str| {
        let row = backend
            .client
            .query_one(&sql.replace("$t", table), &[])
            .await?;
        let of = |at: usize| row.get::<_, i64>(at);
        anyhow::Ok((of(0), of(1), of(2), of(3)))
    };
    let (own, shown) = (read(bare, "customer").await?, read(view, VIEW).await?);
    ensure!(
        (own.0, own.1, own.3) == (shown.0, shown.1, shown.3),
        "the view shows other rows than the table has"
    );
    let kept = bare.client.query_one(
        "SELECT count(*) FROM customer WHERE attribute_4 <> 'TX'",
        &[],
    );
    let kept: i64 = kept.await?.get(0);
    ensure!(
        shown.2 == kept && kept < i64::try_from(rows)?,
        "the view shows other values than policies let out"
    );
    Ok(())
}

async fn make_table(postgres: &str, url: &str, rows: usize) -> anyhow::Result<()> {
    let (server, connection) =
        tokio_postgres::connect(&format!("{postgres}/postgres"), NoTls).await?;
    tokio::spawn(connection);
    server
        .batch_execute(&format!("CREATE DATABASE {DATABASE}"))
        .await?;
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    let (mut columns, mut values) = (String::new(), String::new());
    for number in 1..world::ATTRIBUTES {
        let _ = write!(columns, ", {} text", world::attribute(number));
        let value = match number {
            3 => "'US'".to_owned(),
            4 => format!(
                "(ARRAY['{}'])[n % {} + 1]",
                STATES.join("', '"),
                STATES.len()
            ),
            number => format!("'value {number} of ' || lpad(n::text, 8, '0')"),
        };
        let _ = write!(values, ", {value}");
    }
    client
        .batch_execute(&format!(
            "CREATE TABLE customer (attribute_0 integer PRIMARY KEY{columns}); INSERT INTO customer SELECT n{values} FROM generate_series(1, {rows}) AS n"
        ))
        .await
        .context("filling the table")
}

async fn privity(base: &Path, url: &str) -> anyhow::Result<governance::Privity> {
    let (mut fields, mut synced) = (String::new(), Vec::new());
    for number in 0..world::ATTRIBUTES {
        let kind = if number == 0 {
            ", type: integer, nullable: false"
        } else {
            ""
        };
        let (name, category) = (world::attribute(number), world::category(number));
        let _ = writeln!(fields, "          {name}: {{ category: {category}{kind} }}");
        synced.push(format!("{name}: {name}"));
    }
    let map = format!(
        "systems:\n  shop: {{ title: Shop, connection: {{ kind: postgres, url: \"{url}?sslmode=disable\" }} }}\ndatasets:\n  shop:\n    system: shop\n    collections:\n      customer:\n        primary_key: [attribute_0]\n        fields:\n{fields}recipients:\n  recipient_0: {{ title: Analysts, role: internal, categories: [user], purpose: a benchmark, known_by: [email], required_level: delivered, channel: {{ kind: email, to: privacy@analysts.example }} }}\n"
    );
    let profile = format!(
        "{}sync:\n  - source: shop\n    collection: shop.customer\n    fields: {{ {} }}\n",
        world::profile_yaml(),
        synced.join(", ")
    );
    let purposes = "purposes:\n  purpose_1: { title: { en: Purpose }, description: { en: A benchmark. }, categories: [user], choice: opt_out, collected_by: [web], recipients: [recipient_0] }\n";
    let says = "@citation(\"a benchmark\")\n@title(\"Nobody's\")\n@reason_subject(\"None.\")\n@reason_operator(\"None.\")";
    let cedar = format!(
        "@id(\"all\")\n{says}\npermit (principal == Recipient::\"recipient_0\", action == Action::\"purpose_1\", resource) when {{ context.choice_allows }};\n\
         @id(\"texas\")\n{says}\nforbid (principal, action, resource) when {{ context.jurisdiction == \"US-TX\" && resource in [Category::\"user.content\", Category::\"user.device\"] }};\n"
    );
    for folder in ["consent", "policies"] {
        std::fs::create_dir(base.join(folder))?;
    }
    for (name, text) in [
        ("profile.yaml", profile.as_str()),
        ("map.yaml", &map),
        ("consent/purposes.yaml", purposes),
        ("policies/company.cedar", &cedar),
    ] {
        std::fs::write(base.join(name), text)?;
    }
    let base = base.display();
    // Nobody fills them anew while they are measured.
    let settings = serde_saphyr::from_str(&format!(
        "business: {{name: Bench, privacy_contact: privacy@bench.example}}\nbase_url: https://privacy.bench.example\nstorage: \"sqlite:{base}/privity.db\"\nkey_file: {base}/privity.key\npackages_dir: {base}/packages\ndata_map: {base}/map.yaml\nprofile: {base}/profile.yaml\nconsent: {base}/consent\npolicies: {base}/policies\nmail: {{url: \"smtp://127.0.0.1:1\", tls: none, from: privacy@bench.example}}\nviews:\n  - {{ system: shop, stale_after_seconds: 86400 }}\n"
    ))?;
    let (clock, rng) = (governance::system_clock(), governance::system_rng());
    Ok(governance::start(settings, clock, rng).await?)
}
