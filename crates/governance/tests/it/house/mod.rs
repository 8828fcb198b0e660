//! A small house for tests: a shop and a CRM in SQLite, a mail server, Privity with a clock that stands still and seeded randomness.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "tests"
)]

pub(crate) mod mailbox;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use domain::data_map::IdentifierKind;
use domain::privacy_request::{IntakeChannel, RequestKind};
use domain::rng::Rng;
use domain::sensitive::Sensitive;
use domain::time::{Clock, FixedClock};
use governance::Privity;
use governance::privacy_request::intake::{self, Intake, Received};
use governance::settings::Settings;
use mailbox::Mailbox;

/// Everything that a test needs, in a temp dir that goes with it.
pub(crate) struct House {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) p: Privity,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) mailbox: Mailbox,
}

/// Bytes that look random and are the same on every run.
pub(crate) struct SeededRng(Mutex<u64>);

impl SeededRng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Rng for SeededRng {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for byte in bytes {
            // splitmix64: good enough to keep ids apart.
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *byte = (z ^ (z >> 31)).to_le_bytes()[0];
        }
    }
}

static SEED: AtomicU64 = AtomicU64::new(1);

impl House {
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// A house whose settings end with `more` (YAML).
    pub(crate) async fn with(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        make_sources(dir.path());
        std::fs::write(dir.path().join("map.yaml"), MAP).unwrap();
        Self::at(dir, more).await
    }

    /// A house with more files in its folder, which its settings name as `$DIR`.
    pub(crate) async fn with_files(files: &[(&str, &str)], more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        make_sources(dir.path());
        for (name, text) in files.iter().chain(&[("map.yaml", MAP)]) {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let more = more.replace("$DIR", &dir.path().display().to_string());
        Self::at(dir, &more).await
    }

    /// A house over the `map.yaml` that lies in `dir`.
    pub(crate) async fn at(dir: tempfile::TempDir, more: &str) -> Self {
        let mailbox = Mailbox::start().await;
        let clock = Arc::new(FixedClock::at("2026-11-02T18:00:00Z".parse().unwrap()));
        let p = open(dir.path(), mailbox.port, &clock, more).await;
        Self {
            dir,
            p,
            clock,
            mailbox,
        }
    }

    pub(crate) fn shop(&self) -> PathBuf {
        self.dir.path().join("shop.sqlite")
    }

    pub(crate) fn crm(&self) -> PathBuf {
        self.dir.path().join("crm.sqlite")
    }

    pub(crate) async fn ask(&self, kind: RequestKind, email: &str) -> Received {
        ask(&self.p, kind, email).await
    }

    pub(crate) async fn work(&self) {
        governance::worker::run_until_idle(&self.p).await.unwrap();
    }

    /// The code in the newest mail.
    pub(crate) fn code(&self) -> Sensitive<String> {
        code_in(&self.mailbox.last().expect("a mail with a code").text)
    }

    /// The code in the newest mail to this address, whatever was mailed to others since.
    pub(crate) fn code_for(&self, address: &str) -> Sensitive<String> {
        let mails = self.mailbox.to(address);
        code_in(&mails.last().expect("a mail with a code").text)
    }

    /// Asks and shows who she is.
    pub(crate) async fn ask_verified(&self, kind: RequestKind, email: &str) -> Received {
        let received = self.ask(kind, email).await;
        self.work().await;
        let code = self.code_for(email);
        governance::privacy_request::verify::confirm(&self.p, &received.tracker, &code)
            .await
            .unwrap();
        self.work().await;
        received
    }
}

pub(crate) fn code_in(text: &str) -> Sensitive<String> {
    let line = text.lines().find(|line| {
        line.trim().len() == 6 && line.trim().bytes().all(|byte| byte.is_ascii_digit())
    });
    Sensitive::new(line.expect("a line with six digits").trim().to_owned())
}

/// Opens (again) what lies in a folder.
pub(crate) async fn open(
    dir: &Path,
    mail_port: u16,
    clock: &Arc<FixedClock>,
    more: &str,
) -> Privity {
    let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(SEED.fetch_add(1, Ordering::Relaxed)));
    open_with(dir, "privity.db", mail_port, clock, rng, more).await
}

/// The same with our own database in a file of another name, and other randomness.
pub(crate) async fn open_with(
    dir: &Path,
    database: &str,
    mail_port: u16,
    clock: &Arc<FixedClock>,
    rng: Arc<dyn Rng>,
    more: &str,
) -> Privity {
    let base = dir.display();
    let yaml = format!(
        "business: {{name: Hearth & Crumb, privacy_contact: privacy@hearth.example}}\nbase_url: https://privacy.hearth.example\nstorage: \"sqlite:{base}/{database}\"\nkey_file: {base}/privity.key\npackages_dir: {base}/packages\ndata_map: {base}/map.yaml\nmail: {{url: \"smtp://127.0.0.1:{mail_port}\", tls: none, from: \"privacy@hearth.example\"}}\n{more}"
    );
    let settings: Settings = serde_saphyr::from_str(&yaml).unwrap();
    let clock: Arc<dyn Clock> = clock.clone();
    governance::start(settings, clock, rng)
        .await
        .unwrap_or_else(|problem| panic!("{problem}"))
}

/// The same on a database server.
pub(crate) async fn open_on(house: &House, url: &str, more: &str) -> Privity {
    let base = house.dir.path().display().to_string();
    let port = house.mailbox.port;
    let yaml = format!(
        "business: {{name: Hearth & Crumb, privacy_contact: privacy@hearth.example}}\nbase_url: https://privacy.hearth.example\nstorage: \"{url}\"\nkey_file: {base}/server.key\npackages_dir: {base}/packages\ndata_map: {base}/map.yaml\nmail: {{url: \"smtp://127.0.0.1:{port}\", tls: none, from: \"privacy@hearth.example\"}}\n{}",
        more.replace("$DIR", &base)
    );
    let settings: Settings = serde_saphyr::from_str(&yaml).unwrap();
    let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(SEED.fetch_add(1, Ordering::Relaxed)));
    let clock: Arc<dyn Clock> = house.clock.clone();
    governance::start(settings, clock, rng)
        .await
        .unwrap_or_else(|problem| panic!("{problem}"))
}

pub(crate) async fn ask(p: &Privity, kind: RequestKind, email: &str) -> Received {
    let email = Sensitive::new(email.to_owned());
    let asked = if kind == RequestKind::OptOutSaleShare {
        Intake::OptOut {
            law: None,
            locate: vec![(IdentifierKind::email(), email)],
            language: "en".to_owned(),
            channel: IntakeChannel::PrivacyCenter,
            address: None,
        }
    } else {
        Intake::Identified {
            kind,
            law: None,
            email,
            name: None,
            identifiers: Vec::new(),
            language: "en".to_owned(),
            channel: IntakeChannel::PrivacyCenter,
            since: None,
            verified_by: None,
            address: None,
        }
    };
    intake::receive(p, asked)
        .await
        .unwrap_or_else(|problem| panic!("{problem}"))
}

/// Runs statements through Python's own SQLite; the tests look at source systems without a line of ours in between.
/// One line a row, columns separated by `|`.
pub(crate) fn sql(file: &Path, statements: &str) -> String {
    const SCRIPT: &str = r"
import sqlite3, sys
path, statements = sys.argv[1], sys.stdin.read()
database = sqlite3.connect(path, isolation_level=None, timeout=30)
statement = ''
for piece in statements.replace(';', ';\0').split('\0'):
    statement += piece
    if sqlite3.complete_statement(statement) or not piece.endswith(';'):
        for row in database.execute(statement):
            print('|'.join('' if value is None else str(value) for value in row))
        statement = ''
";
    use std::io::Write as _;
    let piped = std::process::Stdio::piped;
    let mut python = std::process::Command::new("python3")
        .arg("-c")
        .arg(SCRIPT)
        .arg(file)
        .stdin(piped())
        .stdout(piped())
        .stderr(piped())
        .spawn()
        .expect("python3 is installed");
    python
        .stdin
        .take()
        .unwrap()
        .write_all(statements.as_bytes())
        .unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The shop and the CRM, for a house with a data map of its own.
pub(crate) fn make_sources(dir: &Path) {
    make_shop(&dir.join("shop.sqlite"));
    make_crm(&dir.join("crm.sqlite"));
}

fn make_shop(file: &Path) {
    sql(
        file,
        "PRAGMA foreign_keys=ON;
        CREATE TABLE address (address_id INTEGER PRIMARY KEY, line TEXT NOT NULL, city TEXT);
        CREATE TABLE customer (customer_id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, phone TEXT, address_id INTEGER REFERENCES address, card_number TEXT);
        CREATE TABLE product (product_id INTEGER PRIMARY KEY, name TEXT NOT NULL);
        CREATE TABLE orders (order_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer, ordered_at TEXT NOT NULL, note TEXT);
        CREATE TABLE order_item (order_id INTEGER NOT NULL REFERENCES orders, line INTEGER NOT NULL, product_id INTEGER NOT NULL REFERENCES product, gift_text TEXT, PRIMARY KEY (order_id, line));
        CREATE TABLE invoice (invoice_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer, issued_on TEXT NOT NULL, total INTEGER NOT NULL, billed_to TEXT NOT NULL);
        CREATE TABLE review (review_id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customer, text TEXT);
        INSERT INTO address VALUES (1,'1 Rye Lane','Oakland'),(2,'2 Oat Road','Fresno');
        INSERT INTO customer VALUES (1,'Maya@Example.org','Maya Okafor','+15550001',1,'4111111111111111'),(2,'sam@example.org','Sam Okafor','+15550002',1,'4222222222222222'),(3,'李@example.org','李 小龙','+15550003',2,NULL);
        INSERT INTO product VALUES (1,'Rye flour'),(2,'Salt');
        INSERT INTO orders VALUES (10,1,'2025-03-01','ring twice'),(11,1,'2026-05-05',NULL),(20,2,'2026-01-01','leave it at the door'),(30,3,'2026-02-02',NULL);
        INSERT INTO order_item VALUES (10,1,1,'for Ada'),(10,2,2,NULL),(11,1,1,NULL),(20,1,2,'for Maya'),(30,1,1,NULL);
        INSERT INTO invoice VALUES (100,1,'2026-05-06',1200,'Maya Okafor, 1 Rye Lane'),(101,1,'2015-05-06',900,'Maya Okafor, 1 Rye Lane'),(200,2,'2026-01-02',700,'Sam Okafor');
        INSERT INTO review VALUES (1,1,'lovely rye'),(2,2,'too salty');",
    );
}

fn make_crm(file: &Path) {
    sql(
        file,
        "CREATE TABLE contact (contact_id TEXT PRIMARY KEY, shop_number INTEGER, full_name TEXT, notes TEXT);
        CREATE TABLE call (call_id INTEGER PRIMARY KEY, contact_id TEXT REFERENCES contact, summary TEXT);
        INSERT INTO contact VALUES ('c-1',1,'Maya Okafor','asked about rye'),('c-2',2,'Sam Okafor','likes salt');
        INSERT INTO call VALUES (1,'c-1','furious about letters'),(2,'c-2','happy');",
    );
}

/// The data map of the shop and the CRM.
pub(crate) const MAP: &str = "
systems:
  shop: {title: Online shop, connection: {kind: sqlite, path: shop.sqlite}}
  crm: {title: Customer care, connection: {kind: sqlite, path: crm.sqlite}}
datasets:
  shop:
    system: shop
    collections:
      address:
        title: Addresses
        primary_key: [address_id]
        fields: {address_id: {category: system.operations, type: integer, nullable: false}, line: {category: user.contact.address.street, nullable: false}, city: {category: user.contact.address.city}}
      customer:
        title: Customer records
        primary_key: [customer_id]
        fields:
          customer_id: {category: user.unique_id, type: integer, identity: customer_number, nullable: false}
          email: {category: user.contact.email, identity: email, ignore_case: true, nullable: false, unique: true}
          name: {category: user.name, nullable: false}
          phone: {category: user.contact.phone_number}
          address_id: {category: system.operations, type: integer, references: {to: shop.address.address_id, relation: detail}}
          card_number: {category: user.financial.credit_card}
      product:
        primary_key: [product_id]
        fields: {product_id: {category: system.operations, type: integer}, name: {category: system.operations}}
      orders:
        title: Orders
        primary_key: [order_id]
        fields:
          order_id: {category: system.operations, type: integer}
          customer_id: {category: user.unique_id, type: integer, references: {to: shop.customer.customer_id, relation: owned_by}}
          ordered_at: {category: user.behavior.purchase_history, type: text}
          note: {category: user.content}
      order_item:
        title: Order lines
        primary_key: [order_id, line]
        fields:
          order_id: {category: system.operations, type: integer, references: {to: shop.orders.order_id, relation: owned_by}}
          line: {category: system.operations, type: integer}
          product_id: {category: user.behavior.purchase_history, type: integer, references: {to: shop.product.product_id, relation: link}}
          gift_text: {category: user.content}
      invoice:
        title: Invoices
        primary_key: [invoice_id]
        retention: {keep_for: 7 years, since: issued_on, reason: {code: D8_legal_obligation, explanation: tax law wants invoices for seven years}}
        fields:
          invoice_id: {category: system.operations, type: integer}
          customer_id: {category: user.unique_id, type: integer, references: {to: shop.customer.customer_id, relation: owned_by}}
          issued_on: {category: system.operations, type: date}
          total: {category: user.behavior.purchase_history, type: integer}
          billed_to: {category: user.name, nullable: false}
      review:
        title: Reviews
        primary_key: [review_id]
        fields:
          review_id: {category: system.operations, type: integer}
          customer_id: {category: user.unique_id, type: integer, references: {to: shop.customer.customer_id, relation: owned_by}}
          text: {category: user.content}
  crm:
    system: crm
    collections:
      contact:
        title: Contacts
        primary_key: [contact_id]
        fields:
          contact_id: {category: user.unique_id, nullable: false}
          shop_number: {category: user.unique_id, type: integer, references: {to: shop.customer.customer_id, relation: owned_by}}
          full_name: {category: user.name}
          notes: {category: user.content}
      call:
        title: Calls
        primary_key: [call_id]
        fields:
          call_id: {category: system.operations, type: integer}
          contact_id: {category: user.unique_id, references: {to: crm.contact.contact_id, relation: owned_by}}
          summary: {category: user.content}
recipients:
  mill:
    title: Paper Mill
    role: service_provider
    contract_compliant: true
    categories: [user.name, user.contact.address.street]
    purpose: prints our letters
    known_by: [email]
    required_level: attested
    channel: {kind: email, to: desk@mill.example}
  leads:
    title: Sweet Leads
    role: third_party
    sold: true
    categories: [user.contact.email]
    purpose: bought our list
    known_by: [customer_number]
    required_level: attested
    channel: {kind: email, to: desk@leads.example}
";
