//! The attacker writes into the database: he moves sealed rows, cuts them short, exchanges keys, puts old rows back.

use domain::audit::Actor;
use domain::id::SubjectId;
use governance::profile::forget;
use governance::reconcile::{RowFault, reconcile};
use storage::profile_segment::StoredSegment;
use storage::{Error, Value};

use super::{PLANTED, all_open, segments};
use crate::profile_house::{ProfileHouse, SHOP, on_each_engine};

const SAM: [(&str, &str); 5] = [
    ("customer_number", "2"),
    ("email", "sam@example.org"),
    ("first_name", "Sam"),
    ("card_number", "4222222222222"),
    ("phone", "+15107730392"),
];

async fn two(house: &ProfileHouse) -> (SubjectId, SubjectId) {
    let written = house.write(SHOP, &[&PLANTED, &SAM]).await;
    let (maya, sam) = (written.subjects[0].unwrap(), written.subjects[1].unwrap());
    assert!(all_open(house, maya).await && all_open(house, sam).await);
    (maya, sam)
}

async fn run(house: &ProfileHouse, sql: &'static str, values: Vec<Value>) {
    let written = house
        .p
        .database()
        .write("attack", move |tx| tx.execute(sql, &values));
    assert!(
        written
            .await
            .unwrap_or_else(|error: Error| panic!("{error}"))
            >= 1
    );
}

async fn rows_of(house: &ProfileHouse, subject: SubjectId) -> Vec<StoredSegment> {
    let all = segments(house.p.database()).await;
    all.into_iter()
        .filter(|row| row.subject == subject)
        .collect()
}

async fn put(house: &ProfileHouse, at: &StoredSegment, sealed: &[u8]) {
    let sql =
        "-- put\nUPDATE profile_segment SET sealed = ?3 WHERE subject_id = ?1 AND segment = ?2";
    run(
        house,
        sql,
        vec![
            Value::id(at.subject),
            at.segment.text().into(),
            sealed.into(),
        ],
    )
    .await;
}

/// What the comparison with the audit log says of a subject.
async fn faults(house: &ProfileHouse, subject: SubjectId) -> Vec<RowFault> {
    let done = reconcile(&house.p).await.unwrap();
    let own = done
        .findings
        .into_iter()
        .filter(|finding| finding.subject == subject);
    own.map(|finding| finding.fault).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_moved_to_another_subject_does_not_open_and_is_found() {
    on_each_engine(async |house| {
        let (maya, sam) = two(house).await;
        let (hers, his) = (rows_of(house, maya).await, rows_of(house, sam).await);
        let same = |row: &&StoredSegment| row.segment == hers[0].segment;
        put(
            house,
            his.iter().find(same).unwrap(),
            hers[0].sealed.envelope(),
        )
        .await;
        assert!(all_open(house, maya).await && !all_open(house, sam).await);
        assert_eq!(faults(house, sam).await, [RowFault::Altered]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_moved_to_another_part_of_the_same_profile_does_not_open_and_is_found() {
    on_each_engine(async |house| {
        let (maya, sam) = two(house).await;
        let hers = rows_of(house, maya).await;
        assert!(hers.len() >= 2);
        put(house, &hers[0], hers[1].sealed.envelope()).await;
        put(house, &hers[1], hers[0].sealed.envelope()).await;
        assert!(!all_open(house, maya).await && all_open(house, sam).await);
        assert_eq!(
            faults(house, maya).await,
            [RowFault::Altered, RowFault::Altered]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_cut_short_anywhere_or_changed_in_any_byte_does_not_open() {
    let house = ProfileHouse::new(None).await;
    let (maya, _) = two(&house).await;
    let row = rows_of(&house, maya).await.remove(0);
    let whole = row.sealed.envelope().to_vec();
    let key_file = house.dir.path().join("privity.key");
    for length in 0..whole.len() {
        let mut cut = row.clone();
        cut.sealed = domain::sensitive::Sealed::from_envelope(whole[..length].to_vec());
        assert!(
            !super::opens(house.p.database(), &key_file, &house, &cut).await,
            "{length}"
        );
    }
    for position in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[position] ^= 1;
        let mut changed = row.clone();
        changed.sealed = domain::sensitive::Sealed::from_envelope(bytes);
        assert!(
            !super::opens(house.p.database(), &key_file, &house, &changed).await,
            "{position}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exchanged_keys_of_two_subjects_open_neither() {
    on_each_engine(async |house| {
        let (maya, sam) = two(house).await;
        let sql = "-- exchange\nUPDATE subject SET wrapped_key = (SELECT wrapped_key FROM subject s WHERE s.id = ?2) WHERE id = ?1";
        run(house, sql, vec![Value::id(maya), Value::id(sam)]).await;
        assert!(!all_open(house, maya).await && all_open(house, sam).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_put_back_as_it_was_is_found_by_the_audit_log() {
    on_each_engine(async |house| {
        let (maya, sam) = two(house).await;
        let before = rows_of(house, maya).await;
        house.write(SHOP, &[&[("customer_number", "8842201"), ("first_name", "May")]]).await;
        let after = rows_of(house, maya).await;
        let (old, new) = before.iter().zip(&after).find(|(old, new)| old.row_version != new.row_version).unwrap();
        assert_eq!(faults(house, maya).await, []);

        // The whole row, with its version: it opens as it did then, which is what the vault alone can't tell.
        let sql = "-- roll back\nUPDATE profile_segment SET sealed = ?3, row_version = ?4, schema_version = ?5 WHERE subject_id = ?1 AND segment = ?2";
        let values = vec![Value::id(maya), old.segment.text().into(), old.sealed.envelope().into(), old.row_version.into(), old.schema_version.into()];
        run(house, sql, values).await;
        assert!(all_open(house, maya).await);
        assert_eq!(faults(house, maya).await, [RowFault::RolledBack]);
        assert_eq!(faults(house, sam).await, []);

        // With the newest version's number it doesn't even open.
        put(house, new, old.sealed.envelope()).await;
        let sql = "-- relabel\nUPDATE profile_segment SET row_version = ?3 WHERE subject_id = ?1 AND segment = ?2";
        run(house, sql, vec![Value::id(maya), old.segment.text().into(), new.row_version.into()]).await;
        assert!(!all_open(house, maya).await);
        assert_eq!(faults(house, maya).await, [RowFault::Altered]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_nobody_recorded_and_one_that_is_gone_are_found() {
    on_each_engine(async |house| {
        let (maya, sam) = two(house).await;
        let row = rows_of(house, maya).await.remove(0);
        let sql = "-- raise\nUPDATE profile_segment SET row_version = 9 WHERE subject_id = ?1 AND segment = ?2";
        run(house, sql, vec![Value::id(maya), row.segment.text().into()]).await;
        assert_eq!(faults(house, maya).await, [RowFault::Unrecorded]);
        let row = rows_of(house, sam).await.remove(0);
        let sql = "-- remove\nDELETE FROM profile_segment WHERE subject_id = ?1 AND segment = ?2";
        run(house, sql, vec![Value::id(sam), row.segment.text().into()]).await;
        assert_eq!(faults(house, sam).await, [RowFault::Missing]);
    })
    .await;
}

/// More records at once than the audit log lists row by row.
async fn crowd(house: &ProfileHouse) -> Vec<SubjectId> {
    let records = (0..80).map(|number| {
        house.record(&[
            ("customer_number", &format!("c{number}")),
            ("email", &format!("customer{number}@example.org")),
            ("first_name", &format!("First{number}")),
        ])
    });
    let written = house.write_given(SHOP, records.collect()).await;
    written.subjects.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_large_import_that_vanish_or_change_are_found_one_by_one() {
    on_each_engine(async |house| {
        let all = crowd(house).await;
        // Some changed since, and one was erased: that is as it should be.
        house
            .write(
                SHOP,
                &[&[("customer_number", "c1"), ("first_name", "Other")]],
            )
            .await;
        forget(&house.p, [all[2]].into(), Actor::CommandLine)
            .await
            .unwrap();
        let done = reconcile(&house.p).await.unwrap();
        assert_eq!((done.rows, done.findings), (158, Vec::new()));

        // One part of a profile, a whole subject, one who is said to be erased, and one whose changed row is gone.
        let part = rows_of(house, all[10]).await.remove(0);
        let sql = "-- remove\nDELETE FROM profile_segment WHERE subject_id = ?1 AND segment = ?2";
        run(
            house,
            sql,
            vec![Value::id(all[10]), part.segment.text().into()],
        )
        .await;
        for gone in [all[11], all[12], all[1]] {
            let sql = "-- remove\nDELETE FROM profile_segment WHERE subject_id = ?1";
            run(house, sql, vec![Value::id(gone)]).await;
        }
        run(
            house,
            "-- remove\nDELETE FROM subject WHERE id = ?1",
            vec![Value::id(all[11])],
        )
        .await;
        let sql = "-- pretend\nUPDATE subject SET erased_at = 1, wrapped_key = NULL WHERE id = ?1";
        run(house, sql, vec![Value::id(all[12])]).await;
        // One row with a byte changed, and one of somebody else's in its place.
        let row = rows_of(house, all[13]).await.remove(0);
        let mut bytes = row.sealed.envelope().to_vec();
        bytes[30] ^= 1;
        put(house, &row, &bytes).await;
        let other = rows_of(house, all[14]).await;
        let other = other.iter().find(|one| one.segment == row.segment).unwrap();
        put(house, other, row.sealed.envelope()).await;

        let done = reconcile(&house.p).await.unwrap();
        let mut found: Vec<_> = done
            .findings
            .into_iter()
            .map(|finding| (finding.subject, finding.fault))
            .collect();
        found.sort_by_key(|(subject, _)| all.iter().position(|one| one == subject));
        let (missing, altered) = (RowFault::Missing, RowFault::Altered);
        assert_eq!(
            found,
            [
                (all[1], missing),
                (all[1], missing),
                (all[10], missing),
                (all[11], missing),
                (all[11], missing),
                (all[12], missing),
                (all[12], missing),
                (all[13], altered),
                (all[14], altered),
            ]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_an_erased_subject_that_is_put_back_is_found() {
    on_each_engine(async |house| {
        let all = crowd(house).await;
        let before = rows_of(house, all[5]).await.remove(0);
        forget(&house.p, [all[5]].into(), Actor::CommandLine)
            .await
            .unwrap();
        let put_back = before.clone();
        let written = house.p.database().write("put back", move |tx| {
            storage::profile_segment::insert_many(tx, [&put_back])
        });
        written
            .await
            .unwrap_or_else(|error: Error| panic!("{error}"));
        assert_eq!(faults(house, all[5]).await, [RowFault::Unrecorded]);
        assert!(!all_open(house, all[5]).await, "and nobody opens it");
    })
    .await;
}
