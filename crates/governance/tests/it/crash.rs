//! Each step run twice, and killed after each effect: before each batch our own database is kept aside, the batch is run,
//! and our own database is put back as it was, as if the machine had died when source systems and recipients had seen the
//! effect and we had not yet written it down. And once with a real `kill -9`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::id::RequestId;
use domain::outreach::Answer;
use domain::privacy_request::{IntakeChannel, RequestKind, RequestState};
use domain::sensitive::Sensitive;
use domain::task::TaskKind;
use domain::time::FixedClock;
use governance::Privity;
use governance::privacy_request::{access, console, intake, plan, take_answer};
use governance::worker::{Thread, run_next, run_until_idle};

use crate::house::{House, ask, mailbox::Mailbox, open_with, sql};

/// A house whose every batch of work is lost once after its effects.
struct Stumbling {
    house: House,
    p: Privity,
    generation: u32,
    ran: Vec<TaskKind>,
}

impl Stumbling {
    async fn new() -> Self {
        let house = House::new().await;
        let p = house.p.clone();
        Self {
            house,
            p,
            generation: 0,
            ran: Vec::new(),
        }
    }

    /// Works until nothing is due, each batch twice.
    async fn work(&mut self) {
        loop {
            let before = self.keep_aside();
            let Some((kind, count)) = run_next(&self.p).await.unwrap() else {
                return;
            };
            self.go_back_to(&before).await;
            assert_eq!(
                run_next(&self.p).await.unwrap(),
                Some((kind, count)),
                "what was lost is due again"
            );
            self.ran.push(kind);
        }
    }

    fn file(&self) -> String {
        if self.generation == 0 {
            "privity.db".to_owned()
        } else {
            format!("privity-{}.db", self.generation)
        }
    }

    fn keep_aside(&self) -> String {
        let kept = format!("privity-{}.db", self.generation + 1);
        for end in ["", "-wal"] {
            let from = self.house.dir.path().join(format!("{}{end}", self.file()));
            if from.exists() {
                std::fs::copy(from, self.house.dir.path().join(format!("{kept}{end}"))).unwrap();
            }
        }
        kept
    }

    async fn go_back_to(&mut self, kept: &str) {
        self.generation += 1;
        assert_eq!(self.file(), kept);
        let rng = Arc::new(crate::house::SeededRng::new(
            1_000_000 + u64::from(self.generation),
        ));
        self.p = open_with(
            self.house.dir.path(),
            kept,
            self.house.mailbox.port,
            &self.house.clock,
            rng,
            "",
        )
        .await;
    }

    async fn ask_verified(&mut self, kind: RequestKind, email: &str) -> intake::Received {
        let received = ask(&self.p, kind, email).await;
        self.work().await;
        governance::privacy_request::verify::confirm(
            &self.p,
            &received.tracker,
            &self.house.code(),
        )
        .await
        .unwrap();
        self.work().await;
        received
    }

    fn links(&self, address: &str) -> BTreeSet<String> {
        let link = |text: &str| {
            text.find("/outreach/").map(|start| {
                text[start + "/outreach/".len()..]
                    .chars()
                    .take_while(char::is_ascii_hexdigit)
                    .collect::<String>()
            })
        };
        self.house
            .mailbox
            .to(address)
            .iter()
            .filter_map(|mail| link(&mail.text))
            .collect()
    }
}

/// All rows of the source systems; hashes differ with the keys.
fn systems(house: &House) -> String {
    let shop = sql(
        &house.shop(),
        "SELECT customer_id, CASE WHEN email LIKE 'erased-%' THEN 'erased' ELSE email END, name, phone, address_id, card_number FROM customer; SELECT * FROM address; SELECT * FROM orders; SELECT * FROM order_item; SELECT * FROM invoice; SELECT * FROM review; SELECT * FROM product;",
    );
    shop + &sql(&house.crm(), "SELECT * FROM contact; SELECT * FROM call;")
}

fn count(records: &[governance::view::RecordLine], action: &str) -> usize {
    records
        .iter()
        .filter(|record| record.action == action)
        .count()
}

#[tokio::test]
async fn a_deletion_whose_every_step_is_lost_once_ends_as_if_nothing_had_happened() {
    let undisturbed = House::new().await;
    let operator = governance::operator::add(&undisturbed.p, "Robin")
        .await
        .unwrap()
        .0;
    let received = undisturbed
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    plan::approve(&undisturbed.p, received.id, operator)
        .await
        .unwrap();
    undisturbed.work().await;

    let mut stumbling = Stumbling::new().await;
    let operator = governance::operator::add(&stumbling.p, "Robin")
        .await
        .unwrap()
        .0;
    let received = stumbling
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    plan::approve(&stumbling.p, received.id, operator)
        .await
        .unwrap();
    stumbling.work().await;
    assert_eq!(
        systems(&stumbling.house),
        systems(&undisturbed),
        "the source systems end the same"
    );

    for desk in ["desk@mill.example", "desk@leads.example"] {
        assert!(
            stumbling.house.mailbox.to(desk).len() >= 2,
            "the mail went out again, since nobody knew that it had gone"
        );
        let links = stumbling.links(desk);
        assert_eq!(links.len(), 1, "and it was the same outreach");
        let link = Sensitive::new(links.first().unwrap().clone());
        take_answer::answer(&stumbling.p, &link, Answer::Done, None, None)
            .await
            .unwrap();
    }
    stumbling.work().await;
    for kind in [
        TaskKind::SendCode,
        TaskKind::Acknowledge,
        TaskKind::Plan,
        TaskKind::Erase,
        TaskKind::SendOutreach,
        TaskKind::Confirm,
        TaskKind::Close,
    ] {
        assert!(stumbling.ran.contains(&kind), "{kind:?} was lost once");
    }

    let detail = console::detail(&stumbling.p, received.id).await.unwrap();
    assert_eq!(
        (
            detail.listed.state,
            detail.residue.map(|residue| residue.len())
        ),
        (RequestState::PartlyFulfilled, Some(0))
    );
    for (action, times) in [
        ("plan_made", 1),
        ("erased", 2),
        ("confirmed", 1),
        ("subject_told", 1),
        ("request_closed", 1),
    ] {
        assert_eq!(
            count(&detail.records, action),
            times,
            "{action} is recorded as often as it counts"
        );
    }
    let evidence = governance::evidence::export(&stumbling.p, received.id)
        .await
        .unwrap();
    governance::evidence::verify(
        &evidence,
        Some(&governance::evidence::public_key(&stumbling.p).unwrap()),
    )
    .unwrap();
    assert!(run_next(&stumbling.p).await.unwrap().is_none());
}

#[tokio::test]
async fn a_copy_whose_every_step_is_lost_once_can_be_fetched_and_leaves_nothing_behind() {
    let mut stumbling = Stumbling::new().await;
    let received = stumbling
        .ask_verified(RequestKind::KnowSpecific, "maya@example.org")
        .await;
    let package = access::fetch(&stumbling.p, &received.tracker)
        .await
        .unwrap();
    assert!(package.size > 0);
    let detail = console::detail(&stumbling.p, received.id).await.unwrap();
    assert_eq!(detail.listed.state, RequestState::Fulfilled);
    assert_eq!(count(&detail.records, "request_closed"), 1);
    let left = || {
        std::fs::read_dir(stumbling.house.dir.path().join("packages"))
            .unwrap()
            .count()
    };
    assert_eq!(left(), 1, "one package, not one for each attempt");
    stumbling
        .house
        .clock
        .advance(jiff::SignedDuration::from_hours(24 * 15));
    stumbling.work().await;
    assert_eq!(
        std::fs::read_dir(stumbling.house.dir.path().join("packages"))
            .unwrap()
            .count(),
        0,
        "it goes when its link ends"
    );
}

#[tokio::test]
async fn an_opt_out_whose_every_step_is_lost_once_tells_each_recipient_of_one_outreach() {
    let mut stumbling = Stumbling::new().await;
    let received = ask(
        &stumbling.p,
        RequestKind::OptOutSaleShare,
        "maya@example.org",
    )
    .await;
    stumbling.work().await;
    let links = stumbling.links("desk@leads.example");
    assert_eq!(links.len(), 1);
    take_answer::answer(
        &stumbling.p,
        &Sensitive::new(links.first().unwrap().clone()),
        Answer::Done,
        None,
        None,
    )
    .await
    .unwrap();
    stumbling.work().await;
    let detail = console::detail(&stumbling.p, received.id).await.unwrap();
    assert_eq!(
        (
            detail.listed.state,
            count(&detail.records, "request_closed")
        ),
        (RequestState::Fulfilled, 1)
    );
}

const DIR: &str = "PRIVITY_CRASH_TEST_DIR";
const ROUND: &str = "PRIVITY_CRASH_TEST_ROUND";
const PORT: &str = "PRIVITY_CRASH_TEST_MAIL_PORT";
/// Customers of the shop that the killed process works on, and how many of them are forgotten.
const CUSTOMERS: u64 = 1_000;
const FORGOTTEN: u64 = 30;
const ROUNDS: u64 = 8;
const RULES: &str = "approval: {automatic: [delete]}\n";

#[tokio::test(flavor = "multi_thread")]
async fn thirty_deletions_survive_kill_9_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    make_large_shop(&dir.path().join("shop.sqlite"));
    std::fs::write(dir.path().join("map.yaml"), LARGE_MAP).unwrap();
    let mailbox = Mailbox::start().await;
    let others = |dir: &Path| {
        sql(
            &dir.join("shop.sqlite"),
            &format!(
                "SELECT * FROM customer WHERE customer_id > {FORGOTTEN}; SELECT * FROM orders WHERE customer_id > {FORGOTTEN}; SELECT * FROM order_item WHERE order_id > {FORGOTTEN} * 10;"
            ),
        )
    };
    let before = others(dir.path());

    let mut acknowledged: BTreeMap<u64, RequestId> = BTreeMap::new();
    let mut killed = 0;
    for round in 0..ROUNDS {
        let (port, path) = (mailbox.port, dir.path().to_owned());
        let (received, was_killed) =
            tokio::task::spawn_blocking(move || work_until_killed(&path, port, round))
                .await
                .unwrap();
        acknowledged.extend(received);
        killed += u64::from(was_killed);
    }
    assert!(
        killed >= 5,
        "the process was killed in the middle of its work, {killed} times"
    );

    let p = reopen(dir.path(), mailbox.port, ROUNDS + 1).await;
    let operator = governance::operator::add(&p, "Robin").await.unwrap().0;
    for number in (1..=FORGOTTEN)
        .filter(|number| !acknowledged.contains_key(number))
        .collect::<Vec<_>>()
    {
        acknowledged.insert(number, receive(&p, operator, number).await);
    }
    run_until_idle(&p).await.unwrap();

    let listed = console::list(
        &p,
        console::Filter {
            limit: 500,
            ..console::Filter::default()
        },
    )
    .await
    .unwrap();
    let ids: BTreeSet<RequestId> = listed.iter().map(|listed| listed.id).collect();
    assert_eq!(
        acknowledged.values().filter(|id| !ids.contains(id)).count(),
        0,
        "every acknowledged privacy request is there"
    );
    let key = governance::evidence::public_key(&p).unwrap();
    for id in ids {
        let detail = console::detail(&p, id).await.unwrap();
        assert_eq!(
            detail.listed.state,
            RequestState::Fulfilled,
            "{:?}",
            detail.tasks
        );
        assert_eq!(detail.residue.map(|residue| residue.len()), Some(0));
        assert_eq!(count(&detail.records, "request_closed"), 1, "closed once");
        assert_eq!(count(&detail.records, "request_received"), 1);
        assert_eq!(
            detail.outreach.len(),
            1,
            "one outreach, however often it was mailed"
        );
        governance::evidence::verify(
            &governance::evidence::export(&p, id).await.unwrap(),
            Some(&key),
        )
        .unwrap();
    }
    assert_eq!(others(dir.path()), before, "nobody else's rows changed");
    assert_eq!(
        sql(
            &dir.path().join("shop.sqlite"),
            "SELECT count(*) FROM customer; SELECT count(*) FROM orders; SELECT count(*) FROM order_item"
        ),
        "970\n2910\n5820",
        "everything of the forgotten is gone"
    );
}

/// Starts this test binary again as the worker, kills it in the middle, and answers which privacy requests it had
/// acknowledged and whether it was still at work.
fn work_until_killed(dir: &Path, port: u16, round: u64) -> (Vec<(u64, RequestId)>, bool) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::worker_for_the_crash_test",
            "--nocapture",
            "--ignored",
        ])
        .env(DIR, dir)
        .env(ROUND, round.to_string())
        .env(PORT, port.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut received = Vec::new();
    let mut lines_left = 2 + round * 3 % 11;
    let mut killed = false;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(Ok(line)) = lines.next() {
        if let Some((number, id)) = line
            .strip_prefix("received ")
            .and_then(|rest| rest.split_once(' '))
        {
            received.push((number.parse().unwrap(), id.parse().unwrap()));
        }
        lines_left = lines_left.saturating_sub(u64::from(
            line.starts_with("received") || line.starts_with("ran"),
        ));
        if lines_left == 0 && !killed {
            // Some way into what comes next.
            let until = Instant::now() + Duration::from_micros(round * 7_919 % 23_000);
            while Instant::now() < until && child.try_wait().unwrap().is_none() {
                std::hint::spin_loop();
            }
            killed = child.try_wait().unwrap().is_none();
            child.kill().unwrap();
        }
    }
    let ended = child.wait().unwrap();
    (received, killed && !ended.success())
}

async fn reopen(dir: &Path, port: u16, round: u64) -> Privity {
    // Whoever was killed still holds its leases; by the next round they have ended.
    let start: jiff::Timestamp = "2026-11-02T18:00:00Z".parse().unwrap();
    let clock = Arc::new(FixedClock::at(
        start + jiff::SignedDuration::from_mins(i64::try_from(11 * round).unwrap()),
    ));
    open_with(
        dir,
        "privity.db",
        port,
        &clock,
        governance::system_rng(),
        RULES,
    )
    .await
}

async fn receive(p: &Privity, operator: domain::id::OperatorId, number: u64) -> RequestId {
    let asked = intake::Intake::Identified {
        kind: RequestKind::Delete,
        law: None,
        email: Sensitive::new(format!("Customer{number}@Example.org")),
        name: None,
        identifiers: Vec::new(),
        language: "en".to_owned(),
        channel: IntakeChannel::Api,
        since: None,
        verified_by: Some(operator),
        address: None,
    };
    intake::receive(p, asked).await.unwrap().id
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by thirty_deletions_survive_kill_9_at_any_moment, which kills it"]
async fn worker_for_the_crash_test() {
    let (Ok(dir), Ok(round), Ok(port)) = (
        std::env::var(DIR),
        std::env::var(ROUND),
        std::env::var(PORT),
    ) else {
        return;
    };
    let round: u64 = round.parse().unwrap();
    let p = reopen(Path::new(&dir), port.parse().unwrap(), round).await;
    let operator = governance::operator::add(&p, "Robin").await.unwrap().0;
    let each = FORGOTTEN / (ROUNDS - 2);
    for number in (round * each + 1)..=((round + 1) * each).min(FORGOTTEN) {
        let id = receive(&p, operator, number).await;
        writeln!(std::io::stdout(), "received {number} {id}").unwrap();
    }
    if round.is_multiple_of(2) {
        while let Some((kind, tasks)) = run_next(&p).await.unwrap() {
            writeln!(std::io::stdout(), "ran {} {tasks}", kind.as_str()).unwrap();
        }
    } else {
        work_and_tick(p).await;
    }
}

/// As `privity serve` works, each step going on with the next, while lines tell that time goes by.
async fn work_and_tick(p: Privity) {
    let thread = Thread::start().unwrap();
    let mut work = thread.spawn(async move { run_until_idle(&p).await.unwrap() });
    let mut out = std::io::stdout();
    loop {
        tokio::select! {
            _ = &mut work => return,
            () = tokio::time::sleep(Duration::from_millis(4)) => writeln!(out, "ran on").unwrap(),
        }
    }
}

fn make_large_shop(file: &Path) {
    sql(
        file,
        &format!(
            "CREATE TABLE customer (customer_id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL);
            CREATE TABLE orders (order_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer, note TEXT);
            CREATE TABLE order_item (order_id INTEGER NOT NULL REFERENCES orders, line INTEGER NOT NULL, gift_text TEXT, PRIMARY KEY (order_id, line));
            CREATE INDEX orders_customer ON orders (customer_id);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {CUSTOMERS}) INSERT INTO customer SELECT i, 'customer' || i || '@example.org', 'Customer ' || i FROM n;
            INSERT INTO orders SELECT customer_id * 10 - o.value, customer_id, 'note of ' || customer_id FROM customer, json_each('[0,1,2]') AS o;
            INSERT INTO order_item SELECT order_id, l.value, 'gift of ' || customer_id FROM orders, json_each('[1,2]') AS l;"
        ),
    );
}

const LARGE_MAP: &str = "
systems:
  shop: {title: Online shop, connection: {kind: sqlite, path: shop.sqlite}}
datasets:
  shop:
    system: shop
    collections:
      customer:
        primary_key: [customer_id]
        fields:
          customer_id: {category: user.unique_id, type: integer}
          email: {category: user.contact.email, identity: email, nullable: false, unique: true}
          name: {category: user.name, nullable: false}
      orders:
        primary_key: [order_id]
        fields:
          order_id: {category: system.operations, type: integer}
          customer_id: {category: user.unique_id, type: integer, references: {to: shop.customer.customer_id, relation: owned_by}}
          note: {category: user.content}
      order_item:
        primary_key: [order_id, line]
        fields:
          order_id: {category: system.operations, type: integer, references: {to: shop.orders.order_id, relation: owned_by}}
          line: {category: system.operations, type: integer}
          gift_text: {category: user.content}
recipients:
  mill:
    title: Paper Mill
    role: service_provider
    contract_compliant: true
    categories: [user.name]
    purpose: prints our letters
    known_by: [email]
    required_level: sent
    channel: {kind: email, to: desk@mill.example}
";
