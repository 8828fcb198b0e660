//! The whole way of a deletion, of a copy and of an opt-out with our own storage on PostgreSQL, over a shop on PostgreSQL and
//! a CRM on MariaDB that are joined by the customer number alone; for many subjects at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::id::{OperatorId, RequestId};
use domain::outreach::Answer;
use domain::privacy_request::{IntakeChannel, RequestKind, RequestState, Waiting};
use domain::rng::Rng;
use domain::sensitive::Sensitive;
use domain::time::{Clock, FixedClock};
use governance::Privity;
use governance::privacy_request::{console, intake, plan, take_answer, tracker, verify};

use crate::house::{House, MAP, SeededRng, mailbox::Mailbox};
use crate::real_deletion::unpacked;
use crate::server::{Engine, Store, engine};

/// Customers 4 to 43 are alike: each has a contact, two calls, an order with two lines, and an invoice of ten years ago.
const CROWD: std::ops::RangeInclusive<u32> = 4..=43;
/// Of the crowd, these ask to be forgotten.
const LEAVING: std::ops::RangeInclusive<u32> = 4..=33;

const SHOP: &str = "
CREATE TABLE address (address_id BIGINT PRIMARY KEY, line TEXT NOT NULL, city TEXT);
CREATE TABLE customer (customer_id BIGINT PRIMARY KEY, email VARCHAR(200) NOT NULL UNIQUE, name TEXT NOT NULL, phone TEXT, address_id BIGINT REFERENCES address, card_number TEXT);
CREATE TABLE product (product_id BIGINT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE orders (order_id BIGINT PRIMARY KEY, customer_id BIGINT NOT NULL REFERENCES customer, ordered_at TIMESTAMPTZ NOT NULL, note TEXT);
CREATE TABLE order_item (order_id BIGINT NOT NULL REFERENCES orders, line INTEGER NOT NULL, product_id BIGINT NOT NULL REFERENCES product, gift_text TEXT, PRIMARY KEY (order_id, line));
CREATE TABLE invoice (invoice_id BIGINT PRIMARY KEY, customer_id BIGINT NOT NULL REFERENCES customer, issued_on DATE NOT NULL, total NUMERIC(12,2) NOT NULL, billed_to TEXT NOT NULL);
CREATE TABLE review (review_id BIGINT PRIMARY KEY, customer_id BIGINT REFERENCES customer, text TEXT);
CREATE INDEX ON orders (customer_id); CREATE INDEX ON invoice (customer_id); CREATE INDEX ON review (customer_id);
INSERT INTO address VALUES (1,'1 Rye Lane','Oakland'),(2,'2 Oat Road','Fresno');
INSERT INTO customer VALUES (1,'Maya@Example.org','Maya Okafor','+15550001',1,'4111111111111111'),(2,'sam@example.org','Sam Okafor','+15550002',1,'4222222222222222'),(3,'李@example.org','李 小龙','+15550003',2,NULL);
INSERT INTO product VALUES (1,'Rye flour'),(2,'Salt');
INSERT INTO orders VALUES (10,1,'2025-03-01','ring twice'),(11,1,'2026-05-05',NULL),(20,2,'2026-01-01','leave it at the door'),(30,3,'2026-02-02',NULL);
INSERT INTO order_item VALUES (10,1,1,'for Ada'),(10,2,2,NULL),(11,1,1,NULL),(20,1,2,'for Maya'),(30,1,1,NULL);
INSERT INTO invoice VALUES (100,1,'2026-05-06',1200.50,'Maya Okafor, 1 Rye Lane'),(101,1,'2015-05-06',900,'Maya Okafor, 1 Rye Lane'),(200,2,'2026-01-02',700,'Sam Okafor');
INSERT INTO review VALUES (1,1,'lovely rye'),(2,2,'too salty');
INSERT INTO customer SELECT n, 'person' || n || '@example.org', 'Person ' || n, NULL, NULL, NULL FROM generate_series(4,43) AS n;
INSERT INTO orders SELECT 1000 + n, n, '2026-01-01', 'note of ' || n FROM generate_series(4,43) AS n;
INSERT INTO order_item SELECT 1000 + n, line, 1, NULL FROM generate_series(4,43) AS n, generate_series(1,2) AS line;
INSERT INTO invoice SELECT 1000 + n, n, '2015-01-01', n, 'Person ' || n FROM generate_series(4,43) AS n;";

fn crm() -> String {
    let crowd = CROWD.map(|n| format!("INSERT INTO contact VALUES ('c-{n}',{n},'Person {n}','notes on {n}'); INSERT INTO `call` VALUES ({n}1,'c-{n}','first of {n}'),({n}2,'c-{n}','second of {n}');"));
    format!(
        "CREATE TABLE contact (contact_id VARCHAR(40) PRIMARY KEY, shop_number BIGINT, full_name VARCHAR(200), notes LONGTEXT, KEY (shop_number)) CHARACTER SET utf8mb4;
        CREATE TABLE `call` (call_id BIGINT PRIMARY KEY, contact_id VARCHAR(40), summary TEXT, FOREIGN KEY (contact_id) REFERENCES contact (contact_id)) CHARACTER SET utf8mb4;
        INSERT INTO contact VALUES ('c-1',1,'Maya Okafor','asked about rye'),('c-2',2,'Sam Okafor','likes salt'),('c-3',3,'李 小龙','tea');
        INSERT INTO `call` VALUES (1,'c-1','furious about letters'),(2,'c-2','happy');{}",
        crowd.collect::<String>()
    )
}

/// The same business as everywhere in these tests, on servers.
struct Servers {
    house: House,
    ours: Store,
    shop: Store,
    crm: Store,
}

impl Servers {
    async fn new() -> Option<Self> {
        let (ours, shop, crm_store) = (
            engine(Engine::Postgres)?,
            engine(Engine::Postgres)?,
            engine(Engine::Mariadb)?,
        );
        shop.run(SHOP);
        crm_store.run(&crm());
        let dir = tempfile::tempdir().unwrap();
        let map = MAP
            .replace("{kind: sqlite, path: shop.sqlite}", &shop.connection())
            .replace("{kind: sqlite, path: crm.sqlite}", &crm_store.connection())
            .replace(
                "ordered_at: {category: user.behavior.purchase_history, type: text}",
                "ordered_at: {category: user.behavior.purchase_history, type: timestamp}",
            );
        assert!(
            map.contains("kind: postgres") && map.contains("kind: mysql"),
            "{map}"
        );
        std::fs::write(dir.path().join("map.yaml"), map).unwrap();
        let mailbox = Mailbox::start().await;
        let clock = Arc::new(FixedClock::at("2026-11-02T18:00:00Z".parse().unwrap()));
        let p = start(dir.path(), &ours, mailbox.port, &clock, 1).await;
        Some(Self {
            house: House {
                dir,
                p,
                clock,
                mailbox,
            },
            ours,
            shop,
            crm: crm_store,
        })
    }

    /// Another process of the same installation: same database, same key file.
    async fn second(&self) -> Privity {
        start(
            self.house.dir.path(),
            &self.ours,
            self.house.mailbox.port,
            &self.house.clock,
            2,
        )
        .await
    }

    async fn vouched(
        &self,
        operator: OperatorId,
        kind: RequestKind,
        email: &str,
    ) -> intake::Received {
        let asked = intake::Intake::Identified {
            kind,
            law: None,
            email: Sensitive::new(email.to_owned()),
            name: None,
            identifiers: Vec::new(),
            language: "en".to_owned(),
            channel: IntakeChannel::Api,
            since: None,
            verified_by: Some(operator),
            address: None,
        };
        intake::receive(&self.house.p, asked)
            .await
            .unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// Every row that doesn't belong to those who leave.
    fn others(&self) -> (String, String) {
        let leaving = format!(
            "(customer_id IN (1,3) OR customer_id BETWEEN {} AND {})",
            LEAVING.start(),
            LEAVING.end()
        );
        let shop = format!(
            "SELECT * FROM customer WHERE NOT {leaving} ORDER BY 1; SELECT * FROM orders WHERE NOT {leaving} ORDER BY 1; SELECT * FROM invoice WHERE NOT {leaving} ORDER BY 1; SELECT * FROM review WHERE NOT {leaving} ORDER BY 1; SELECT * FROM product ORDER BY 1; SELECT * FROM address WHERE address_id=1;
            SELECT * FROM order_item WHERE order_id IN (20) OR order_id > 1000 + {} ORDER BY 1, 2",
            LEAVING.end()
        );
        let crm = format!(
            "SELECT * FROM contact WHERE shop_number=2 OR shop_number>{0} ORDER BY 1; SELECT * FROM `call` WHERE contact_id='c-2' OR contact_id IN (SELECT contact_id FROM contact WHERE shop_number>{0}) ORDER BY 1",
            LEAVING.end()
        );
        (self.shop.run(&shop), self.crm.run(&crm))
    }

    async fn state(&self, id: RequestId) -> (RequestState, Option<Waiting>) {
        let listed = console::detail(&self.house.p, id).await.unwrap().listed;
        (listed.state, listed.waiting)
    }

    /// All links that a recipient was sent, in the order in which they came.
    fn links(&self, address: &str) -> Vec<Sensitive<String>> {
        let link = |text: String| {
            let start = text.find("/outreach/").expect("a link") + "/outreach/".len();
            Sensitive::new(
                text[start..]
                    .chars()
                    .take_while(char::is_ascii_hexdigit)
                    .collect(),
            )
        };
        self.house
            .mailbox
            .to(address)
            .into_iter()
            .map(|mail| link(mail.text))
            .collect()
    }
}

async fn start(
    dir: &std::path::Path,
    ours: &Store,
    mail_port: u16,
    clock: &Arc<FixedClock>,
    seed: u64,
) -> Privity {
    let base = dir.display();
    let yaml = format!(
        "business: {{name: Hearth & Crumb, privacy_contact: privacy@hearth.example}}\nbase_url: https://privacy.hearth.example\nstorage: \"{}\"\nkey_file: {base}/privity.key\npackages_dir: {base}/packages\ndata_map: {base}/map.yaml\nmail: {{url: \"smtp://127.0.0.1:{mail_port}\", tls: none, from: \"privacy@hearth.example\"}}\n",
        ours.url()
    );
    let settings = serde_saphyr::from_str(&yaml).unwrap();
    let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) =
        (clock.clone(), Arc::new(SeededRng::new(seed << 32)));
    governance::start(settings, clock, rng)
        .await
        .unwrap_or_else(|problem| panic!("{problem}"))
}

async fn operator(p: &Privity) -> OperatorId {
    governance::operator::add(p, "Robin").await.unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_forgotten_at_once_by_two_workers_over_three_databases() {
    let Some(servers) = Servers::new().await else {
        return;
    };
    let house = &servers.house;
    let operator = operator(&house.p).await;
    let before = servers.others();

    let maya = house
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    let li = servers
        .vouched(operator, RequestKind::Delete, "李@example.org")
        .await;
    let mut crowd = Vec::new();
    for number in LEAVING {
        crowd.push(
            servers
                .vouched(
                    operator,
                    RequestKind::Delete,
                    &format!("PERSON{number}@example.org"),
                )
                .await
                .id,
        );
    }
    house.work().await;
    let planned = console::detail(&house.p, maya.id)
        .await
        .unwrap()
        .plan
        .expect("a plan");
    let rows = |collection: &str| {
        planned
            .collections
            .iter()
            .find(|planned| planned.collection.to_string() == collection)
            .map(|planned| (planned.rows, planned.delete, planned.redact))
    };
    assert_eq!(
        [
            rows("crm.contact"),
            rows("crm.call"),
            rows("shop.invoice"),
            rows("shop.customer")
        ],
        [
            Some((1, 1, 0)),
            Some((1, 1, 0)),
            Some((2, 1, 0)),
            Some((1, 0, 1))
        ],
        "the customer number leads into the CRM"
    );
    assert_eq!(
        servers.shop.run("SELECT count(*) FROM orders"),
        "44",
        "nothing is touched before approval"
    );

    let all: Vec<RequestId> = crowd.iter().copied().chain([maya.id, li.id]).collect();
    for id in &all {
        assert_eq!(
            servers.state(*id).await,
            (RequestState::Verified, Some(Waiting::Approval)),
            "{id}"
        );
        plan::approve(&house.p, *id, operator).await.unwrap();
    }
    let second = servers.second().await;
    let (one, two) = tokio::join!(
        governance::worker::run_until_idle(&house.p),
        governance::worker::run_until_idle(&second)
    );
    assert!(one.unwrap() + two.unwrap() > 0);
    house.work().await;

    let leaving = format!("BETWEEN {} AND {}", LEAVING.start(), LEAVING.end());
    assert_eq!(servers.shop.run(&format!("SELECT count(*) FROM customer WHERE customer_id {leaving} OR customer_id=3; SELECT count(*) FROM orders WHERE customer_id {leaving} OR customer_id IN (1,3); SELECT count(*) FROM invoice WHERE customer_id {leaving}; SELECT count(*) FROM order_item WHERE order_id IN (10,11,30)")), "0\n0\n0\n0");
    assert_eq!(servers.shop.run("SELECT email LIKE 'erased-%', name, phone, card_number FROM customer WHERE customer_id=1; SELECT invoice_id FROM invoice WHERE customer_id=1"), "t|[erased]||\n100", "what tax law wants stays, and says nothing of her");
    assert_eq!(servers.crm.run(&format!("SELECT count(*) FROM contact WHERE shop_number {leaving} OR shop_number IN (1,3); SELECT count(*) FROM `call` WHERE contact_id NOT IN (SELECT contact_id FROM contact)")), "0\n0");
    assert_eq!(servers.others(), before, "nobody else's rows changed");

    for desk in ["desk@mill.example", "desk@leads.example"] {
        let links = servers.links(desk);
        assert_eq!(
            (links.len(), links.iter().collect::<BTreeSet<_>>().len()),
            (all.len(), all.len()),
            "each is told once of each"
        );
        for link in links {
            take_answer::answer(&second, &link, Answer::Done, None, None)
                .await
                .unwrap();
        }
    }
    house.work().await;
    let key = governance::evidence::public_key(&house.p).unwrap();
    for id in all {
        let detail = console::detail(&house.p, id).await.unwrap();
        let expected = if id == maya.id {
            RequestState::PartlyFulfilled
        } else {
            RequestState::Fulfilled
        };
        assert_eq!(
            (
                detail.listed.state,
                detail.residue.map(|residue| residue.len())
            ),
            (expected, Some(0)),
            "{:?} {:?}",
            detail.reasons,
            detail.tasks
        );
        governance::evidence::verify(
            &governance::evidence::export(&second, id).await.unwrap(),
            Some(&key),
        )
        .unwrap();
    }
    assert_eq!(servers.ours.run("SELECT count(*) FROM task WHERE state <> 'done' AND run_at <= (SELECT max(run_at) FROM task WHERE state = 'done')"), "0", "no task is left behind");
}

#[tokio::test]
async fn a_copy_comes_from_three_databases_and_outlives_a_restart() {
    let Some(mut servers) = Servers::new().await else {
        return;
    };
    let received = servers
        .house
        .ask(RequestKind::KnowSpecific, "maya@example.org")
        .await;
    servers.house.work().await;
    let code = servers.house.code();
    servers.house.p = servers.second().await;
    verify::confirm(&servers.house.p, &received.tracker, &code)
        .await
        .unwrap();
    servers.house.work().await;
    assert_eq!(
        tracker::view(&servers.house.p, &received.tracker)
            .await
            .unwrap()
            .state,
        RequestState::Fulfilled,
        "{:?}",
        console::detail(&servers.house.p, received.id)
            .await
            .unwrap()
            .tasks
    );
    servers.house.p = servers.second().await;
    let copy = unpacked(&servers.house, &received.tracker).await;
    for expected in [
        "Maya Okafor",
        "ring twice",
        "for Ada",
        "lovely rye",
        "furious about letters",
        "asked about rye",
        "1 Rye Lane",
        "1200.50",
        "2025-03-01",
        "2026-05-06",
    ] {
        assert!(copy.contains(expected), "{expected}");
    }
    for forbidden in [
        "4111111111111111",
        "Sam",
        "for Maya",
        "too salty",
        "leave it at the door",
        "likes salt",
        "Person",
    ] {
        assert!(!copy.contains(forbidden), "{forbidden}");
    }
    let tables = servers.ours.run("SELECT string_agg(format('SELECT coalesce(string_agg(t::text, chr(10)), %L) FROM %I AS t', '', table_name), '; ') FROM information_schema.tables WHERE table_schema = 'public'");
    let everything = servers.ours.run(&tables);
    assert!(
        everything.contains(&received.id.to_string()),
        "the whole of our database is read"
    );
    for value in [
        "maya@example.org",
        "Maya",
        "Okafor",
        "ring twice",
        "lovely rye",
    ] {
        assert!(
            !everything.to_lowercase().contains(&value.to_lowercase()),
            "our own database holds `{value}` in the open"
        );
    }
}

#[tokio::test]
async fn an_opt_out_finds_the_customer_number_and_tells_who_bought() {
    let Some(servers) = Servers::new().await else {
        return;
    };
    let house = &servers.house;
    let asked = [
        house
            .ask(RequestKind::OptOutSaleShare, "maya@example.org")
            .await,
        house
            .ask(RequestKind::OptOutSaleShare, "Person7@Example.org")
            .await,
    ];
    house.work().await;
    for received in &asked {
        let tracker = tracker::view(&house.p, &received.tracker).await.unwrap();
        assert_eq!(
            tracker
                .recipients
                .iter()
                .map(|line| line.recipient.to_string())
                .collect::<Vec<_>>(),
            ["leads"],
            "only who bought is told"
        );
        assert_eq!(
            received.clock.respond_by,
            Some("2026-11-24".parse().unwrap())
        );
    }
    let links = servers.links("desk@leads.example");
    let mut numbers = BTreeSet::new();
    for link in &links {
        numbers.extend(take_answer::page(&house.p, link).await.unwrap().identifiers);
    }
    let number = |value: &str| ("customer_number".to_owned(), value.to_owned());
    assert_eq!(
        numbers,
        BTreeSet::from([number("1"), number("7")]),
        "it knows customers by their number, which the shop's database tells"
    );
    for link in &links {
        take_answer::answer(&house.p, link, Answer::Done, None, None)
            .await
            .unwrap();
    }
    house.work().await;
    for received in asked {
        assert_eq!(
            tracker::view(&house.p, &received.tracker)
                .await
                .unwrap()
                .state,
            RequestState::Fulfilled
        );
    }
    assert_eq!(
        servers.shop.run("SELECT count(*) FROM customer"),
        "43",
        "an opt-out erases nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_placed_after_approval_keeps_one_subjects_rows_on_both_servers() {
    let Some(servers) = Servers::new().await else {
        return;
    };
    let house = &servers.house;
    let operator = operator(&house.p).await;
    let mut all = Vec::new();
    for email in ["maya@example.org", "PERSON4@example.org"] {
        let asked = servers
            .vouched(operator, RequestKind::Delete, email)
            .await
            .id;
        all.push(asked);
    }
    house.work().await;
    for asked in &all {
        plan::approve(&house.p, *asked, operator).await.unwrap();
    }
    let wanted = governance::legal_hold::Place {
        name: "Recall".to_owned(),
        reason_code: "X8_legal_claims".to_owned(),
        note: String::new(),
        covers: ["shop.orders".into(), "crm.call".into()].into(),
        request: Some(all[0]),
        until: None,
    };
    governance::legal_hold::place(&house.p, operator, wanted)
        .await
        .unwrap_or_else(|problem| panic!("{problem}"));
    house.work().await;
    assert_eq!(
        servers.shop.run("SELECT order_id, note FROM orders WHERE customer_id IN (1,4) ORDER BY 1; SELECT count(*) FROM review WHERE customer_id=1; SELECT customer_id, name FROM customer WHERE customer_id IN (1,4)"),
        "10|ring twice\n11|\n0\n1|[erased]"
    );
    assert_eq!(
        servers.crm.run("SELECT summary FROM `call` WHERE contact_id IN ('c-1','c-4'); SELECT contact_id, full_name IS NULL, notes IS NULL FROM contact WHERE contact_id IN ('c-1','c-4')").replace('\t', "|"),
        "furious about letters\nc-1|1|1"
    );
    for id in all {
        let detail = console::detail(&house.p, id).await.unwrap();
        assert_eq!(
            detail.residue.map(|residue| residue.len()),
            Some(0),
            "{:?}",
            detail.tasks
        );
    }
}
