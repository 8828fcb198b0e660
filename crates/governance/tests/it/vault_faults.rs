//! A disk that is full in the middle of an import and of a rotation: clear words, nothing half done, and it goes on when there is room.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::audit::Actor;
use enforcement::vault::KeyRing;
use governance::Problem;
use governance::key::{self, KeyKind};
use governance::profile::import::{Format, Import, Imported, import};
use storage::{Error, Row};

use crate::profile_house::{ProfileHouse, is_found};

const CROWD: u64 = 6_000;
/// The most pages that SQLite knows.
const PLENTY: i64 = 1_073_741_823;

fn crowd(house: &ProfileHouse, count: u64) -> PathBuf {
    let mut text = "customer_number,email,first_name\n".to_owned();
    for number in 0..count {
        writeln!(text, "c{number},customer{number}@example.org,First{number}").unwrap();
    }
    let path = house.dir.path().join("crowd.csv");
    std::fs::write(&path, text).unwrap();
    path
}

async fn run(house: &ProfileHouse, path: &Path, again: bool) -> Result<Imported, Problem> {
    let wanted = Import {
        path: path.to_owned(),
        format: Format::Csv,
        source: "shop".to_owned(),
        columns: Default::default(),
        observed_at: None,
        again,
    };
    import(&house.p, &wanted, Actor::CommandLine).await
}

/// As if the disk had room for so many pages more than our database has now.
async fn leave_room(house: &ProfileHouse, more: i64) {
    let limit = house.p.database().write("limit", move |tx| {
        let pages: Row = tx.query_one("PRAGMA page_count", &[])?;
        let all = pages.int("page_count")?.saturating_add(more).min(PLENTY);
        tx.query(&format!("PRAGMA max_page_count = {all}"), &[])
            .map(drop)
    });
    limit.await.unwrap_or_else(|error: Error| panic!("{error}"));
}

/// Takes the room that is left inside our database's pages.
async fn use_up(house: &ProfileHouse) {
    for _ in 0..10_000 {
        if let Err(problem) = governance::operator::add(&house.p, "Robin").await {
            return told_clearly(&problem);
        }
    }
    panic!("the disk is never full");
}

fn told_clearly(problem: &Problem) {
    assert_eq!(
        (problem.code, problem.status),
        ("database_unavailable", 503),
        "{problem}"
    );
    assert!(problem.title.contains("nothing was lost") && problem.title.contains("try again"));
}

/// Every subject has all that belongs to her; answers how many there are.
async fn whole_subjects(house: &ProfileHouse) -> u64 {
    let subjects = house.count("subject").await;
    let parts = (
        house.count("source_record").await,
        house.count("identifier").await,
        house.count("profile_segment").await,
    );
    assert_eq!(parts, (subjects, 2 * subjects, 2 * subjects));
    subjects
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_stops_when_the_disk_is_full_and_goes_on_where_it_stopped() {
    let house = ProfileHouse::new(None).await;
    let path = crowd(&house, CROWD);
    let mut there = 0;
    for room in [0, 60, 300, 700] {
        leave_room(&house, room).await;
        told_clearly(&run(&house, &path, false).await.unwrap_err());
        let now = whole_subjects(&house).await;
        assert!(now >= there && now < CROWD, "{there}, {now}");
        there = now;
    }
    assert!(there > 0, "as much as there was room for");

    leave_room(&house, PLENTY).await;
    let last = run(&house, &path, false).await.unwrap();
    assert_eq!(
        (last.counts.records, last.counts.new, last.done_before),
        (CROWD, CROWD, there)
    );
    assert_eq!(whole_subjects(&house).await, CROWD);
    let again = run(&house, &path, true).await.unwrap();
    assert_eq!(again.counts.unchanged, CROWD, "every record is whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_stops_when_the_disk_is_full_and_is_finished_when_there_is_room() {
    for kind in KeyKind::ALL {
        let house = ProfileHouse::new(None).await;
        let path = crowd(&house, 2_500);
        run(&house, &path, false).await.unwrap();
        let mut stopped = 0;
        let mut room = 0;
        loop {
            leave_room(&house, room).await;
            if stopped == 0 {
                use_up(&house).await;
            }
            let rotated = key::rotate(&house.p, kind, Duration::ZERO).await;
            // Whoever looks is recorded, and that takes room as well.
            leave_room(&house, PLENTY).await;
            for number in (0..2_500).step_by(83) {
                assert!(is_found(&house.p, number).await, "{kind:?}: {number}");
            }
            match rotated {
                Ok(_) => break,
                Err(problem) => told_clearly(&problem),
            }
            stopped += 1;
            room = room * 2 + 1;
        }
        assert!(stopped >= 1, "{kind:?}: it was never stopped");
        let ring = KeyRing::open(&house.dir.path().join("privity.key")).unwrap();
        let versions = match kind {
            KeyKind::Epoch => ring.epoch_versions(),
            KeyKind::Index => ring.index_versions(),
        };
        assert_eq!(
            (versions.present, versions.older, versions.pending),
            (2, Vec::new(), None)
        );
        assert_eq!(whole_subjects(&house).await, 2_500);
        let again = run(&house, &path, true).await.unwrap();
        assert_eq!(again.counts.unchanged, 2_500, "everybody is known again");
    }
}
