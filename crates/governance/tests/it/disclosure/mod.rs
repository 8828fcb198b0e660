//! What recipients get of the customers of a small shop, and what is remembered of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod credential;
mod ledger;
mod recipient;

use std::collections::BTreeMap;

use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::sensitive::Sensitive;
use governance::disclosure::{Caller, Door, Granted, SubjectAsked, disclose};
use storage::ledger::Entry;

use crate::policy::{on_each_engine, write};
use crate::profile_house::ProfileHouse;

pub(crate) const ALL: [&str; 8] = [
    "customer_number",
    "email",
    "first_name",
    "birth_date",
    "country",
    "state",
    "nuts",
    "shoe_size",
];

pub(crate) fn caller(recipient: &str, purpose: &str) -> Caller {
    Caller {
        asked_by: None,
        recipient: recipient.into(),
        purpose: purpose.into(),
        door: Door::ProfileApi,
        proven_by: None,
    }
}

pub(crate) fn by_email(value: &str) -> SubjectAsked {
    let kind = IdentifierKind("email".to_owned());
    SubjectAsked::Identifier(kind, Sensitive::new(value.to_owned()))
}

pub(crate) async fn ask(
    house: &ProfileHouse,
    caller: &Caller,
    subjects: &[SubjectAsked],
    attributes: &[&str],
) -> Vec<Granted> {
    let attributes: Vec<_> = attributes.iter().map(|key| (*key).into()).collect();
    disclose(&house.p, caller, subjects, &attributes)
        .await
        .unwrap_or_else(|problem| panic!("{problem}"))
}

/// What a recipient sees of one subject.
pub(crate) async fn seen(
    house: &ProfileHouse,
    caller: &Caller,
    subject: SubjectAsked,
) -> BTreeMap<String, serde_json::Value> {
    let granted = ask(house, caller, &[subject], &ALL).await;
    let profile = granted[0].profile().unwrap();
    profile.map_or_else(BTreeMap::new, |profile| {
        serde_json::from_value(serde_json::to_value(profile).unwrap()).unwrap()
    })
}

pub(crate) async fn ledger(house: &ProfileHouse, subject: SubjectId) -> Vec<Entry> {
    let database = house.p.database();
    let read = database.read("read ledger", move |tx| {
        storage::ledger::of_subjects(tx, &[subject].into())
    });
    read.await
        .unwrap_or_else(|error: storage::Error| panic!("{error}"))
}

pub(crate) async fn maya(house: &ProfileHouse) -> SubjectId {
    let values = [
        ("customer_number", "1"),
        ("email", "maya@example.org"),
        ("first_name", "Maya"),
        ("birth_date", "1990-05-20"),
        ("country", "US"),
        ("state", "CA"),
        ("nuts", "peanuts"),
    ];
    write(house, &values).await
}
