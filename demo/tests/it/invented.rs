//! The generator: deterministic, and its rows hold together.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeSet;

use demo::claim::{Witness, changed, counts, texts_of};
use demo::customer::{Customers, MAYA, SPOUSE};
use demo::start_business;
use jiff::civil::date;

use crate::now;

#[test]
fn the_same_customers_are_invented_every_time_and_no_two_share_what_finds_them() {
    let (one, other) = (
        Customers::invent(6_000, date(2026, 11, 21)),
        Customers::invent(6_000, date(2026, 11, 21)),
    );
    assert_eq!(one.all, other.all);
    assert_eq!(one.addresses, other.addresses);
    let emails: BTreeSet<String> = one
        .all
        .iter()
        .map(|customer| customer.email.to_lowercase())
        .collect();
    let phones: BTreeSet<&String> = one.all.iter().map(|customer| &customer.phone).collect();
    let cards: BTreeSet<String> = one
        .all
        .iter()
        .map(|customer| demo::card_number(customer.number))
        .collect();
    assert_eq!(
        (emails.len(), phones.len(), cards.len()),
        (6_000, 6_000, 6_000)
    );
    assert!(
        one.all
            .iter()
            .all(|customer| customer.email.is_ascii() && customer.since < date(2026, 11, 21))
    );
}

#[test]
fn names_come_in_many_scripts_and_couples_share_an_address() {
    let customers = Customers::invent(6_000, date(2026, 11, 21));
    let names: String = customers
        .all
        .iter()
        .map(demo::customer::Customer::full_name)
        .collect();
    for range in [
        '\u{0370}'..'\u{0400}',
        '\u{0400}'..'\u{0500}',
        '\u{0530}'..'\u{0590}',
        '\u{0590}'..'\u{0600}',
        '\u{0600}'..'\u{0700}',
        '\u{0900}'..'\u{0980}',
        '\u{0e00}'..'\u{0e80}',
        '\u{10a0}'..'\u{1100}',
        '\u{1200}'..'\u{1380}',
        '\u{3040}'..'\u{30a0}',
        '\u{4e00}'..'\u{9fff}',
        '\u{ac00}'..'\u{d7a4}',
    ] {
        assert!(
            names.chars().any(|letter| range.contains(&letter)),
            "no name has a letter between {:?} and {:?}",
            range.start,
            range.end
        );
    }
    let shared = customers.all.len() - customers.addresses.len();
    assert!(
        (200..1_200).contains(&shared),
        "{shared} customers share an address"
    );
    let (maya, spouse) = (
        customers.by_number(MAYA).unwrap(),
        customers.by_number(SPOUSE).unwrap(),
    );
    assert_eq!(maya.address, spouse.address);
    assert_eq!(
        customers
            .all
            .iter()
            .filter(|customer| customer.address == maya.address)
            .count(),
        2
    );
    assert_eq!(
        customers
            .all
            .iter()
            .filter(|customer| customer.last_name == "Okafor")
            .count(),
        2
    );
}

#[test]
fn card_numbers_pass_the_check_of_their_last_digit() {
    for number in [1, 42, MAYA, 9_999] {
        let card = demo::card_number(number);
        let sum: u32 = card
            .bytes()
            .rev()
            .enumerate()
            .map(|(place, digit)| {
                let value = u32::from(digit - b'0') * if place % 2 == 1 { 2 } else { 1 };
                value / 10 + value % 10
            })
            .sum();
        assert_eq!((card.len(), sum % 10), (16, 0), "{card}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_businesses_are_alike_to_the_last_row_and_every_reference_leads_somewhere() {
    let (one_dir, other_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = start_business(one_dir.path(), 0, now()).await.unwrap();
    let other = start_business(other_dir.path(), 0, now()).await.unwrap();
    let (mine, theirs) = (
        Witness::new(&one).fingerprint().await.unwrap(),
        Witness::new(&other).fingerprint().await.unwrap(),
    );
    assert!(changed(&mine, &theirs).is_empty());
    assert!(
        mine.values().all(|rows| !rows.is_empty()),
        "a table is empty"
    );
    for path in [&one.shop, &one.crm] {
        let database = rusqlite::Connection::open(path).unwrap();
        let broken: i64 = database
            .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(broken, 0, "{}", path.display());
        let checked: String = database
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(checked, "ok");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn maya_is_in_every_place_that_the_story_speaks_of() {
    let dir = tempfile::tempdir().unwrap();
    let business = start_business(dir.path(), 0, now()).await.unwrap();
    let witness = Witness::new(&business);
    let rows = counts(&witness.rows_of(&business.maya).await.unwrap());
    assert_eq!(rows.len(), 16, "{rows:?}");
    assert_eq!(
        (
            rows["shop.invoice"],
            rows["shop.address"],
            rows["crm.contact"],
            rows["help_desk.tickets"]
        ),
        (5, 1, 1, 3)
    );
    let spouse = witness.rows_of(&business.spouse).await.unwrap();
    assert_eq!(
        spouse["shop.address"],
        witness.rows_of(&business.maya).await.unwrap()["shop.address"]
    );
    let traces = witness.traces(&texts_of(&business.maya)).await.unwrap();
    for place in [
        "shop.customer.email",
        "shop.newsletter.email",
        "shop.payment_card.card_number",
        "crm.contact.email",
        "crm.call.summary",
        "help_desk.messages",
    ] {
        assert!(
            traces.contains_key(place),
            "{place} is not among {traces:?}"
        );
    }
    assert_eq!(
        witness
            .shipments_of(&business.maya.email)
            .await
            .unwrap()
            .len(),
        1
    );
    assert!(witness.leads_of(&business.maya.email).await.unwrap()[0].may_sell);
}
