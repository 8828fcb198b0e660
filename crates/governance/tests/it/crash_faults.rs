//! What goes wrong around us: a column that is gone, a lock that somebody holds, a password that is wrong, a disk that is
//! full, ids that don't exist, and texts that would like to be programs. Nothing is lost, nothing is half done, and an
//! operator is told in words what to do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use domain::data_map::IdentifierKind;
use domain::id::{OperatorId, RequestId, TaskId};
use domain::privacy_request::{IntakeChannel, RequestKind, RequestState, Waiting};
use domain::rng::{Rng as _, new_id};
use domain::sensitive::Sensitive;
use domain::task::TaskState;
use domain::time::FixedClock;
use governance::Privity;
use governance::privacy_request::{console, intake, plan, take_answer, tracker};
use governance::worker::run_until_idle;

use crate::generated::place::psql;
use crate::house::{House, SeededRng, mailbox::Mailbox, open, sql};

const ALL: &str = "SELECT * FROM customer; SELECT * FROM address; SELECT * FROM orders; SELECT * FROM order_item; SELECT * FROM invoice; SELECT * FROM review;";

async fn operator(p: &Privity) -> OperatorId {
    governance::operator::add(p, "Robin").await.unwrap().0
}

/// The words of the one stuck task.
async fn stuck(p: &Privity, id: RequestId) -> (TaskId, String) {
    let detail = console::detail(p, id).await.unwrap();
    assert_eq!(
        detail.listed.waiting,
        Some(Waiting::Operator),
        "an operator is called: {:?}",
        detail.tasks
    );
    let stuck: Vec<_> = detail
        .tasks
        .into_iter()
        .filter(|task| task.state == TaskState::Stuck)
        .collect();
    assert_eq!(stuck.len(), 1, "{stuck:?}");
    (stuck[0].id, stuck[0].error.clone().unwrap())
}

async fn receive(
    p: &Privity,
    operator: OperatorId,
    email: &str,
    identifiers: Vec<(IdentifierKind, Sensitive<String>)>,
) -> Result<intake::Received, governance::Problem> {
    let asked = intake::Intake::Identified {
        kind: RequestKind::Delete,
        law: None,
        email: Sensitive::new(email.to_owned()),
        name: Some(Sensitive::new(
            "{{1234567*7}} ${1234567*7} <script>alert(1)</script> '; DROP TABLE customer; --"
                .to_owned(),
        )),
        identifiers,
        language: "en".to_owned(),
        channel: IntakeChannel::Api,
        since: None,
        verified_by: Some(operator),
        address: None,
    };
    intake::receive(p, asked).await
}

#[tokio::test]
async fn a_column_that_is_gone_before_the_search_stops_it_with_words_and_touches_nothing() {
    let house = House::new().await;
    sql(
        &house.shop(),
        "ALTER TABLE review RENAME COLUMN customer_id TO owner",
    );
    let before = sql(&house.shop(), ALL);
    let operator = operator(&house.p).await;
    let received = receive(&house.p, operator, "maya@example.org", Vec::new())
        .await
        .unwrap();
    house.work().await;
    let (task, words) = stuck(&house.p, received.id).await;
    assert!(
        words.contains("shop.review")
            && words.contains("not as the data map says")
            && words.contains("customer_id"),
        "{words}"
    );
    assert_eq!(
        plan::approve(&house.p, received.id, operator)
            .await
            .unwrap_err()
            .status,
        409,
        "without a plan nothing can be approved"
    );
    assert_eq!(sql(&house.shop(), ALL), before);
    sql(
        &house.shop(),
        "ALTER TABLE review RENAME COLUMN owner TO customer_id",
    );
    console::retry_task(&house.p, task, operator).await.unwrap();
    house.work().await;
    assert_eq!(
        console::detail(&house.p, received.id)
            .await
            .unwrap()
            .listed
            .waiting,
        Some(Waiting::Approval)
    );
}

#[tokio::test]
async fn a_column_that_is_gone_before_the_erasure_leaves_the_whole_system_untouched() {
    let house = House::new().await;
    let operator = operator(&house.p).await;
    let received = receive(&house.p, operator, "maya@example.org", Vec::new())
        .await
        .unwrap();
    house.work().await;
    sql(
        &house.shop(),
        "ALTER TABLE customer RENAME COLUMN phone TO telephone",
    );
    let before = sql(&house.shop(), ALL);
    plan::approve(&house.p, received.id, operator)
        .await
        .unwrap();
    house.work().await;
    let (task, words) = stuck(&house.p, received.id).await;
    assert!(
        words.contains("shop.customer") && words.contains("phone"),
        "{words}"
    );
    assert_eq!(
        sql(&house.shop(), ALL),
        before,
        "orders that come before the customer in the order are not gone either"
    );
    sql(
        &house.shop(),
        "ALTER TABLE customer RENAME COLUMN telephone TO phone",
    );
    console::retry_task(&house.p, task, operator).await.unwrap();
    house.work().await;
    let detail = console::detail(&house.p, received.id).await.unwrap();
    assert_eq!(
        (
            detail.listed.waiting,
            detail.residue.map(|residue| residue.len())
        ),
        (Some(Waiting::Recipients), Some(0)),
        "{:?}",
        detail.tasks
    );
    assert_eq!(
        sql(
            &house.shop(),
            "SELECT count(*) FROM orders WHERE customer_id=1; SELECT name FROM customer WHERE customer_id=1"
        ),
        "0\n[erased]"
    );
}

#[tokio::test]
async fn texts_that_look_like_programs_find_nothing_and_change_nothing() {
    let house = House::new().await;
    let operator = operator(&house.p).await;
    let before = (
        sql(&house.shop(), ALL),
        sql(&house.crm(), "SELECT * FROM contact; SELECT * FROM call"),
    );
    let texts = [
        "1; DROP TABLE customer; --",
        "' OR '1'='1",
        "1' OR 1=1 --",
        "{{1234567*7}}",
        "${jndi:ldap://x}",
        "<script>alert(1)</script>",
        "%",
        "_",
        "*",
        "1 OR 1=1",
        "\u{202e}1",
        "[1,2]",
        "1e0",
        "1.",
        "0x1",
        "1-0",
        "１",
    ];
    for text in texts {
        let number = (
            IdentifierKind("customer_number".to_owned()),
            Sensitive::new(text.to_owned()),
        );
        let received = receive(&house.p, operator, "o'or'1'='1@example.org", vec![number])
            .await
            .unwrap();
        house.work().await;
        let detail = console::detail(&house.p, received.id).await.unwrap();
        assert_eq!(
            detail.plan.as_ref().map(domain::plan::Plan::rows),
            Some(0),
            "{text} finds nothing: {:?}",
            detail.tasks
        );
        plan::approve(&house.p, received.id, operator)
            .await
            .unwrap();
    }
    house.work().await;
    assert_eq!(
        (
            sql(&house.shop(), ALL),
            sql(&house.crm(), "SELECT * FROM contact; SELECT * FROM call")
        ),
        before
    );
    assert!(
        house
            .mailbox
            .all()
            .iter()
            .all(|mail| !mail.text.contains("8641969")),
        "no template was carried out"
    );
    let unknown = (
        IdentifierKind("'; DROP TABLE customer; --".to_owned()),
        Sensitive::new("1".to_owned()),
    );
    assert_eq!(
        receive(&house.p, operator, "maya@example.org", vec![unknown])
            .await
            .map(|_| ())
            .unwrap_err()
            .status,
        422
    );
    for email in [
        "maya@example.org' OR '1'='1",
        "<script>@example.org",
        "a@b",
        "@",
        "",
        "maya@example.org\r\nBcc: all@example.org",
    ] {
        let refused = receive(&house.p, operator, email, Vec::new())
            .await
            .map(|_| ())
            .unwrap_err();
        assert_eq!(refused.field, Some("email"), "{email}");
        assert!(
            !refused.title.contains("script") && !refused.title.contains("OR"),
            "what was typed is not repeated"
        );
    }
}

#[tokio::test]
async fn ids_and_tokens_that_do_not_exist_are_not_found() {
    let house = House::new().await;
    let rng = SeededRng::new(77);
    let (request, task): (RequestId, TaskId) =
        (new_id(&rng, house.p.now()), new_id(&rng, house.p.now()));
    let operator = operator(&house.p).await;
    let mut bytes = [0u8; 16];
    rng.fill(&mut bytes);
    let token = Sensitive::new("f".repeat(64));
    let statuses = [
        console::detail(&house.p, request)
            .await
            .map(drop)
            .unwrap_err()
            .status,
        plan::approve(&house.p, request, operator)
            .await
            .unwrap_err()
            .status,
        plan::deny(
            &house.p,
            request,
            operator,
            "D8_legal_obligation",
            "no".to_owned(),
        )
        .await
        .unwrap_err()
        .status,
        console::retry_task(&house.p, task, operator)
            .await
            .unwrap_err()
            .status,
        console::reveal_requester(&house.p, request, operator)
            .await
            .map(drop)
            .unwrap_err()
            .status,
        tracker::view(&house.p, &token)
            .await
            .map(drop)
            .unwrap_err()
            .status,
        tracker::withdraw(&house.p, &token)
            .await
            .unwrap_err()
            .status,
        take_answer::page(&house.p, &token)
            .await
            .map(drop)
            .unwrap_err()
            .status,
        take_answer::page(&house.p, &Sensitive::new("' OR 1=1 --".to_owned()))
            .await
            .map(drop)
            .unwrap_err()
            .status,
        governance::evidence::export(&house.p, request)
            .await
            .map(drop)
            .unwrap_err()
            .status,
    ];
    assert_eq!(statuses, [404; 10]);
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_work_goes_on_when_there_is_room() {
    let house = House::new().await;
    let operator = operator(&house.p).await;
    let before = sql(&house.shop(), ALL);
    let limit = |pages: i64| {
        let statement = format!("PRAGMA max_page_count = {pages}");
        house
            .p
            .database()
            .write("limit", move |tx| tx.query(&statement, &[]).map(drop))
    };
    // No page more than there is.
    limit(1)
        .await
        .map_err(|error: storage::Error| error)
        .unwrap();
    let mut acknowledged = Vec::new();
    let refused = loop {
        match receive(&house.p, operator, "maya@example.org", Vec::new()).await {
            Ok(received) => acknowledged.push(received.id),
            Err(problem) => break problem,
        }
        assert!(acknowledged.len() < 1_000, "the disk is full some day");
    };
    assert!(refused.status >= 500, "{refused:?}");
    assert!(
        refused.title.contains("nothing was lost") && refused.title.contains("try again"),
        "{}",
        refused.title
    );
    // Work stops with an error, and nothing of it is lost.
    let _full = run_until_idle(&house.p).await;
    assert_eq!(sql(&house.shop(), ALL), before, "nothing is touched");
    limit(1_073_741_823)
        .await
        .map_err(|error: storage::Error| error)
        .unwrap();
    for _ in 0..3 {
        house.clock.advance(jiff::SignedDuration::from_hours(1));
        house.work().await;
    }
    let received = receive(&house.p, operator, "maya@example.org", Vec::new())
        .await
        .unwrap();
    house.work().await;
    for id in acknowledged.into_iter().chain([received.id]) {
        let detail = console::detail(&house.p, id).await.unwrap();
        assert_eq!(
            detail.listed.waiting,
            Some(Waiting::Approval),
            "{:?}",
            detail.tasks
        );
    }
}

const MAP: &str = "
systems:
  shop: {title: Shop, connection: {kind: postgres, url: \"URL\", statement_timeout_seconds: 1}}
datasets:
  shop:
    system: shop
    collections:
      customer:
        primary_key: [customer_id]
        fields:
          customer_id: {category: user.unique_id, type: integer}
          email: {category: user.contact.email, identity: email, nullable: false, unique: true}
";

async fn on_postgres(url: &str) -> (tempfile::TempDir, Mailbox, Arc<FixedClock>, Privity) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("map.yaml"), MAP.replace("URL", url)).unwrap();
    let mailbox = Mailbox::start().await;
    let clock = Arc::new(FixedClock::at("2026-11-02T18:00:00Z".parse().unwrap()));
    let p = open(dir.path(), mailbox.port, &clock, "").await;
    (dir, mailbox, clock, p)
}

#[tokio::test]
async fn an_unreachable_database_is_tried_again_and_then_calls_the_operator() {
    // Nobody listens on the port of a listener that has gone.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (_dir, _mailbox, clock, p) = on_postgres(&format!(
        "postgresql://privity:hunter2secret@127.0.0.1:{port}/shop?sslmode=disable"
    ))
    .await;
    let operator = operator(&p).await;
    let received = receive(&p, operator, "maya@example.org", Vec::new())
        .await
        .unwrap();
    run_until_idle(&p).await.unwrap();
    let first = console::detail(&p, received.id).await.unwrap();
    let task = first
        .tasks
        .iter()
        .find(|task| task.error.is_some())
        .unwrap();
    assert_eq!(
        (task.state, task.attempts),
        (TaskState::Ready, 1),
        "tried again later"
    );
    for _ in 0..10 {
        clock.advance(jiff::SignedDuration::from_hours(2));
        run_until_idle(&p).await.unwrap();
    }
    let (_, words) = stuck(&p, received.id).await;
    assert!(
        words.contains("`shop` can't be reached") && words.contains("check host, port"),
        "{words}"
    );
    assert!(!words.contains("hunter2secret"));
}

fn server() -> Option<String> {
    let server = std::env::var("PRIVITY_TEST_POSTGRES").ok();
    if server.is_none() {
        println!(
            "not run: PRIVITY_TEST_POSTGRES names no server, so faults of a PostgreSQL server were not tried"
        );
    }
    server
}

#[tokio::test]
async fn a_login_that_postgresql_refuses_calls_the_operator_at_once() {
    let Some(server) = server() else { return };
    let host = server.split_once('@').unwrap().1.split_once('/').unwrap().0;
    for (login, expected) in [
        (
            format!(
                "postgresql://nobody_{}:hunter2secret@{host}/postgres",
                std::process::id()
            ),
            "role",
        ),
        (
            format!("{}/no_such_database", server.rsplit_once('/').unwrap().0),
            "database",
        ),
    ] {
        let (_dir, _mailbox, _clock, p) = on_postgres(&format!("{login}?sslmode=disable")).await;
        let operator = operator(&p).await;
        let received = receive(&p, operator, "maya@example.org", Vec::new())
            .await
            .unwrap();
        run_until_idle(&p).await.unwrap();
        let (_, words) = stuck(&p, received.id).await;
        assert!(
            words.contains("`shop` refuses")
                && words.contains(expected)
                && words.contains("correct"),
            "{words}"
        );
        assert!(!words.contains("hunter2secret"));
    }
}

#[tokio::test]
async fn a_lock_that_somebody_holds_is_waited_for_and_the_erasure_done_when_it_goes() {
    let Some(server) = server() else { return };
    let name = format!("locked_{}", std::process::id());
    psql(&server, &format!("CREATE DATABASE {name}"));
    let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
    psql(
        &url,
        "CREATE TABLE customer (customer_id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE); INSERT INTO customer VALUES (1, 'Maya@example.org'), (2, 'sam@example.org')",
    );
    let (_dir, _mailbox, clock, p) = on_postgres(&format!("{url}?sslmode=disable")).await;
    let operator = operator(&p).await;
    let received = receive(&p, operator, "maya@example.org", Vec::new())
        .await
        .unwrap();
    run_until_idle(&p).await.unwrap();
    plan::approve(&p, received.id, operator).await.unwrap();

    let mut session = Command::new("psql")
        .args(["-X", "-q", "-A", "-t", &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = session.stdin.take().unwrap();
    stdin
        .write_all(b"BEGIN; SELECT 'held' FROM customer WHERE customer_id = 1 FOR UPDATE;\n")
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(session.stdout.as_mut().unwrap()),
        &mut line,
    )
    .unwrap();
    assert_eq!(line.trim(), "held");

    run_until_idle(&p).await.unwrap();
    let detail = console::detail(&p, received.id).await.unwrap();
    let erase = detail
        .tasks
        .iter()
        .find(|task| task.error.is_some())
        .expect("an erasure that waits");
    assert_eq!(erase.state, TaskState::Ready, "{erase:?}");
    assert!(
        erase
            .error
            .as_ref()
            .unwrap()
            .contains("`shop` did not finish in time"),
        "{erase:?}"
    );
    assert_eq!(psql(&url, "SELECT count(*) FROM customer").trim(), "2");

    stdin.write_all(b"ROLLBACK;\n").unwrap();
    drop(stdin);
    session.wait().unwrap();
    clock.advance(jiff::SignedDuration::from_mins(1));
    run_until_idle(&p).await.unwrap();
    let detail = console::detail(&p, received.id).await.unwrap();
    assert_eq!(
        detail.listed.state,
        RequestState::Fulfilled,
        "{:?}",
        detail.tasks
    );
    assert_eq!(
        psql(&url, "SELECT email FROM customer").trim(),
        "sam@example.org"
    );
    drop(p);
    psql(&server, &format!("DROP DATABASE {name} WITH (FORCE)"));
}
