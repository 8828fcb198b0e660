//! The main job on real databases, with maps that nobody has reviewed: know and delete for three customers each, read again
//! to zero residue, and checked by searching every table of the database for what was hers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use domain::data_map::{IdentifierKind, SystemKey, SystemKind};
use domain::id::{OperatorId, RequestId};
use domain::privacy_request::{IntakeChannel, RequestKind, RequestState};
use domain::sensitive::Sensitive;
use governance::data_map::{DescribedSystem, FileText, connect, parse, suggest};
use governance::privacy_request::intake::{self, Intake};
use governance::privacy_request::{access, console};
use tokio::io::AsyncReadExt;

use crate::data_map::Words;
use crate::house::{House, sql};
use crate::real_data::folder;

/// A real database, and the statements that say what is a customer's: hers alone, and how many rows there are in all.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) emails: [&'static str; 3],
    /// Values that must be in her copy and nowhere after her deletion.
    pub(crate) hers: &'static str,
    /// Tables whose rows must not change at all.
    pub(crate) untouched: &'static [&'static str],
    /// Rows that go with each of the three, by hand-written SQL.
    pub(crate) rows: &'static str,
}

pub(crate) const CHINOOK: Case = Case {
    name: "chinook",
    emails: [
        "luisg@embraer.com.br",
        "leonekohler@surfeu.de",
        "puja_srivastava@yahoo.in",
    ],
    hers: "SELECT Email FROM Customer WHERE Email='{email}' UNION SELECT Phone FROM Customer WHERE Email='{email}' UNION SELECT Address FROM Customer WHERE Email='{email}'",
    untouched: &[
        "Employee",
        "Track",
        "Album",
        "Artist",
        "Playlist",
        "PlaylistTrack",
        "Genre",
        "MediaType",
    ],
    rows: "SELECT (SELECT count(*) FROM Customer WHERE Email='{email}')+(SELECT count(*) FROM Invoice JOIN Customer USING(CustomerId) WHERE Email='{email}')+(SELECT count(*) FROM InvoiceLine JOIN Invoice USING(InvoiceId) JOIN Customer USING(CustomerId) WHERE Email='{email}')",
};

const WHO: &str = "(SELECT business_entity_id FROM email_address WHERE email_address='{email}')";

pub(crate) const ADVENTUREWORKS: Case = Case {
    name: "adventureworks",
    // Chosen by the database itself, see `three_persons`.
    emails: ["", "", ""],
    hers: "SELECT email_address FROM email_address WHERE business_entity_id IN WHO UNION SELECT password_hash FROM password WHERE business_entity_id IN WHO UNION SELECT account_number FROM customer WHERE person_id IN WHO",
    untouched: &[
        "employee",
        "store",
        "sales_person",
        "address_type",
        "state_province",
        "country_region",
        "sales_territory",
        "contact_type",
        "phone_number_type",
    ],
    rows: "SELECT (SELECT count(*) FROM email_address WHERE business_entity_id IN WHO)+(SELECT count(*) FROM business_entity WHERE business_entity_id IN WHO)+(SELECT count(*) FROM person_phone WHERE business_entity_id IN WHO)+(SELECT count(*) FROM password WHERE business_entity_id IN WHO)+(SELECT count(*) FROM business_entity_address WHERE business_entity_id IN WHO)+(SELECT count(*) FROM address WHERE address_id IN (SELECT address_id FROM business_entity_address WHERE business_entity_id IN WHO))+(SELECT count(*) FROM person_credit_card WHERE business_entity_id IN WHO)+(SELECT count(*) FROM credit_card WHERE credit_card_id IN (SELECT credit_card_id FROM person_credit_card WHERE business_entity_id IN WHO))+(SELECT count(*) FROM customer WHERE person_id IN WHO)+(SELECT count(*) FROM business_entity_contact WHERE person_id IN WHO)",
};

pub(crate) fn fill(statement: &str, email: &str) -> String {
    statement
        .replace("WHO", WHO)
        .replace("{email}", &email.replace('\'', "''"))
}

/// A house over a copy of a real database, with the map that `describe` suggests and nobody has touched.
async fn house(case: &Case, folder: &Path) -> House {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join(format!("{}.sqlite", case.name));
    std::fs::copy(folder.join(format!("{}.sqlite", case.name)), &copy).unwrap();
    let mut rights = std::fs::metadata(&copy).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut rights, 0o600);
    std::fs::set_permissions(&copy, rights).unwrap();
    std::fs::write(
        dir.path().join("map.yaml"),
        describe(case.name, &copy).await,
    )
    .unwrap();
    House::at(dir, "approval: {automatic: [know_specific, delete]}").await
}

async fn describe(name: &str, file: &Path) -> String {
    let bare = format!(
        "systems:\n  {name}: {{connection: {{kind: sqlite, path: {}}}}}\n",
        file.display()
    );
    let bare = FileText {
        name: "bare.yaml".to_owned(),
        folder: "/".into(),
        text: bare,
    };
    let loaded =
        parse(vec![bare], &|_| None, &Words::new()).unwrap_or_else(|findings| panic!("{findings}"));
    let description = connect(&loaded).unwrap()[&SystemKey::from(name)]
        .describe()
        .await
        .unwrap();
    suggest(
        &description,
        &DescribedSystem {
            key: name.into(),
            kind: SystemKind::Sqlite,
            reached_by: file.display().to_string(),
        },
        &Words::new(),
    )
}

pub(crate) async fn answer(
    house: &House,
    operator: OperatorId,
    kind: RequestKind,
    email: &str,
) -> (RequestId, Sensitive<String>) {
    let intake = Intake::Identified {
        kind,
        law: None,
        email: Sensitive::new(email.to_owned()),
        name: None,
        identifiers: Vec::<(IdentifierKind, Sensitive<String>)>::new(),
        language: "en".to_owned(),
        channel: IntakeChannel::CommandLine,
        since: None,
        verified_by: Some(operator),
        address: None,
    };
    let received = intake::receive(&house.p, intake)
        .await
        .unwrap_or_else(|problem| panic!("{problem}"));
    house.work().await;
    (received.id, received.tracker)
}

async fn know_and_delete(case: &Case, house: &House, email: &str, operator: OperatorId) {
    let file = house.dir.path().join(format!("{}.sqlite", case.name));
    let hers: Vec<String> = sql(&file, &fill(case.hers, email))
        .lines()
        .filter(|value| value.len() > 4)
        .map(str::to_owned)
        .collect();
    let rows: u64 = sql(&file, &fill(case.rows, email)).parse().unwrap();
    assert!(!hers.is_empty() && rows > 2, "{email}");

    let (_, tracker) = answer(house, operator, RequestKind::KnowSpecific, email).await;
    let copy = unpacked(house, &tracker).await;
    let in_copy = hers
        .iter()
        .filter(|value| copy.contains(value.as_str()))
        .count();
    assert!(in_copy >= 1, "her copy holds what is hers");

    let (id, _) = answer(house, operator, RequestKind::Delete, email).await;
    let detail = console::detail(&house.p, id).await.unwrap();
    assert!(
        matches!(
            detail.listed.state,
            RequestState::Fulfilled | RequestState::PartlyFulfilled
        ),
        "{:?}",
        detail.tasks
    );
    assert_eq!(detail.residue.map(|residue| residue.len()), Some(0));
    let plan = detail.plan.unwrap();
    assert_eq!(
        plan.rows(),
        rows,
        "{:?}",
        plan.collections
            .iter()
            .filter(|collection| collection.rows > 0)
            .map(|collection| (collection.collection.to_string(), collection.rows))
            .collect::<Vec<_>>()
    );
    assert_eq!(
        places(&file, &hers),
        "",
        "values of hers are still in the database"
    );
}

/// In which columns of which tables any of these values stands.
fn places(file: &Path, values: &[String]) -> String {
    const SCRIPT: &str = "import json, sqlite3, sys\n\
        path, values = json.load(sys.stdin)\n\
        database, values = sqlite3.connect(path), set(values)\n\
        for (table,) in database.execute(\"SELECT name FROM sqlite_master WHERE type='table'\").fetchall():\n\
        \x20   cursor = database.execute(f'SELECT * FROM \"{table}\"')\n\
        \x20   for row in cursor:\n\
        \x20       for column, value in zip(cursor.description, row):\n\
        \x20           if isinstance(value, str) and value in values: print(table, column[0])";
    let piped = std::process::Stdio::piped;
    let mut python = std::process::Command::new("python3")
        .args(["-c", SCRIPT])
        .stdin(piped())
        .stdout(piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(python.stdin.take().unwrap(), &(file, values)).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "Python could not read the database"
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub(crate) async fn unpacked(house: &House, tracker: &Sensitive<String>) -> String {
    let mut bytes = Vec::new();
    access::fetch(&house.p, tracker)
        .await
        .unwrap_or_else(|problem| panic!("{problem}"))
        .file
        .read_to_end(&mut bytes)
        .await
        .unwrap();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut whole = String::new();
    for index in 0..archive.len() {
        archive
            .by_index(index)
            .unwrap()
            .read_to_string(&mut whole)
            .unwrap();
    }
    whole
}

fn counts(file: &Path, tables: &[&str]) -> BTreeMap<String, String> {
    tables
        .iter()
        .map(|table| {
            (
                (*table).to_owned(),
                sql(file, &format!("SELECT * FROM \"{table}\"")),
            )
        })
        .collect()
}

#[tokio::test]
async fn three_customers_of_the_music_shop_get_their_copy_and_are_forgotten() {
    let Some(folder) = folder() else { return };
    let house = house(&CHINOOK, &folder).await;
    let operator = governance::operator::add(&house.p, "Robin")
        .await
        .unwrap()
        .0;
    let file = house.dir.path().join("chinook.sqlite");
    let before = counts(&file, CHINOOK.untouched);
    let others = "SELECT count(*) FROM Customer";
    for email in CHINOOK.emails {
        know_and_delete(&CHINOOK, &house, email, operator).await;
    }
    assert_eq!(counts(&file, CHINOOK.untouched), before);
    assert_eq!(sql(&file, others), "56");
}

#[tokio::test]
async fn three_persons_of_the_bicycle_maker_get_their_copy_and_are_forgotten() {
    let Some(folder) = folder() else { return };
    let house = house(&ADVENTUREWORKS, &folder).await;
    let operator = governance::operator::add(&house.p, "Robin")
        .await
        .unwrap()
        .0;
    let file = house.dir.path().join("adventureworks.sqlite");
    let before = counts(&file, ADVENTUREWORKS.untouched);
    let emails = three_persons(&file);
    for email in &emails {
        know_and_delete(&ADVENTUREWORKS, &house, email, operator).await;
    }
    assert_eq!(counts(&file, ADVENTUREWORKS.untouched), before);
    assert_eq!(sql(&file, "SELECT count(*) FROM email_address"), "19969");
}

/// A customer with a card, one who is also a store's contact, and one of the newest.
pub(crate) fn three_persons(file: &Path) -> [String; 3] {
    [
        "SELECT email_address FROM email_address JOIN person_credit_card USING(business_entity_id) JOIN customer ON customer.person_id=email_address.business_entity_id ORDER BY 1 LIMIT 1",
        "SELECT email_address FROM email_address JOIN business_entity_contact ON business_entity_contact.person_id=email_address.business_entity_id JOIN customer ON customer.person_id=email_address.business_entity_id ORDER BY 1 DESC LIMIT 1",
        "SELECT email_address FROM email_address JOIN customer ON customer.person_id=email_address.business_entity_id ORDER BY email_address.business_entity_id DESC LIMIT 1",
    ]
    .map(|statement| sql(file, statement))
}
