//! The threat model of SECURITY.md, an attack a test: what each attacker gets, and what he does not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod backup;
mod copy;
mod tampering;

use std::path::Path;

use domain::id::SubjectId;
use enforcement::vault::{KeyRing, SegmentPlace, WrappedSubjectKey};
use storage::profile_segment::{self, StoredSegment};
use storage::{Database, Error, subject};

use crate::profile_house::ProfileHouse;

/// What is planted, in the form that each attribute takes.
pub(crate) const PLANTED: [(&str, &str); 5] = [
    ("customer_number", "8842201"),
    ("email", "zqcanary.maya@example.org"),
    ("first_name", "Zqcanarymaya"),
    ("card_number", "4111773039114"),
    ("phone", "+15107730391"),
];

async fn segments(database: &Database) -> Vec<StoredSegment> {
    let read = database.read("walk", |tx| profile_segment::walk(tx, None, 1_000));
    read.await.unwrap_or_else(|error: Error| panic!("{error}"))
}

/// Whether a stored segment opens with a key file, as the program would open it.
async fn opens(
    database: &Database,
    key_file: &Path,
    house: &ProfileHouse,
    row: &StoredSegment,
) -> bool {
    let (Ok(ring), id) = (KeyRing::open(key_file), row.subject) else {
        return false;
    };
    let read = database.read("read subject", move |tx| {
        subject::get_many(tx, &[id].into())
    });
    let stored = read.await.unwrap_or_else(|error: Error| panic!("{error}"));
    let Some(key) = stored.into_iter().next().and_then(|subject| subject.key) else {
        return false;
    };
    let wrapped = WrappedSubjectKey::from_parts(key.version, key.wrapped);
    let Ok(key) = ring.unwrap_subject_key(id, &wrapped) else {
        return false;
    };
    let place = SegmentPlace {
        table: profile_segment::TABLE,
        segment: row.segment,
        row_version: row.row_version,
        schema: row.schema_version,
    };
    key.segment_tags(house.p.schema().unwrap(), &[], &place, &row.sealed)
        .is_ok()
}

async fn all_open(house: &ProfileHouse, subject: SubjectId) -> bool {
    let database = house.p.database();
    let key_file = house.dir.path().join("privity.key");
    for row in segments(database).await {
        if row.subject == subject && !opens(database, &key_file, house, &row).await {
            return false;
        }
    }
    true
}
