//! Where a test's database is: a file in a temporary folder, and a database of its own on a PostgreSQL server.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt as _;
use storage::Database;
use tokio_postgres::NoTls;

/// Runs `test` on a fresh database of each engine that is there.
pub(crate) async fn on_each_engine(test: impl AsyncFn(&Database)) {
    on_each_place(async |url| {
        let database = Database::open(url).await.unwrap();
        test(&database).await;
        database.close().await;
    })
    .await;
}

/// Runs `test` with the URL of a fresh place of each engine that is there.
pub(crate) async fn on_each_place(test: impl AsyncFn(&str)) {
    let folder = tempfile::tempdir().unwrap();
    test(folder.path().join("privity.db").to_str().unwrap()).await;
    on_postgres(test).await;
}

/// Runs `test` with the URL of a fresh database on the PostgreSQL server, and drops it afterwards.
pub(crate) async fn on_postgres(test: impl AsyncFn(&str)) {
    let Ok(server) = std::env::var("PRIVITY_TEST_POSTGRES") else {
        eprintln!("not run on PostgreSQL: PRIVITY_TEST_POSTGRES names no server");
        return;
    };
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "privity_test_{}_{}",
        std::process::id(),
        NUMBER.fetch_add(1, Ordering::Relaxed)
    );
    // A killed run may have left one of the same name behind.
    run_on_server(
        &server,
        &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
    )
    .await;
    run_on_server(&server, &format!("CREATE DATABASE {name}")).await;
    let result = AssertUnwindSafe(test(&url_of(&server, &name)))
        .catch_unwind()
        .await;
    run_on_server(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

/// The server's URL with another database name.
fn url_of(server: &str, name: &str) -> String {
    let (base, query) = server
        .split_once('?')
        .map_or((server, String::new()), |(base, query)| {
            (base, format!("?{query}"))
        });
    let (host, _) = base.rsplit_once('/').unwrap();
    format!("{host}/{name}{query}")
}

/// Runs a statement on the server, outside of any transaction.
pub(crate) async fn run_on_server(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
}
