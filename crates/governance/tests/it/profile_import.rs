//! Imports: CSV and JSON Lines with everything in them that files have, twice, two at once, and killed in the middle; on both engines.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::audit::Actor;
use domain::progress::Progress;
use domain::time::FixedClock;
use governance::profile::import::{Counts, Format, Import, Imported, import};
use governance::{Privity, Problem};

use crate::profile_house::{self, ProfileHouse, holds, on_each_engine};

fn wanted(path: &Path, columns: &[(&str, &str)]) -> Import {
    let is_csv = path.extension().is_some_and(|ending| ending == "csv");
    Import {
        path: path.to_owned(),
        format: if is_csv {
            Format::Csv
        } else {
            Format::JsonLines
        },
        source: "shop".to_owned(),
        columns: columns
            .iter()
            .map(|(column, attribute)| ((*column).to_owned(), (*attribute).to_owned()))
            .collect(),
        observed_at: None,
        again: false,
    }
}

fn file(house: &ProfileHouse, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = house.dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

async fn run(p: &Privity, wanted: &Import) -> Result<Imported, Problem> {
    import(p, wanted, Actor::CommandLine).await
}

fn counts(records: u64, new: u64, changed: u64, unchanged: u64, refused: u64) -> Counts {
    Counts {
        records,
        new,
        changed,
        unchanged,
        refused,
    }
}

/// A file of so many customers.
fn customers(count: u32, round: &str) -> String {
    let mut text = "customer_number,email,first_name,last_name,city\n".to_owned();
    for number in 0..count {
        writeln!(
            text,
            "c{number},customer{number}@example.org,First{round},Last{number},\"Oakland, CA\""
        )
        .unwrap();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_with_whatever_csv_has_is_read() {
    on_each_engine(async |house| {
        let text = "\u{feff}Customer,email,first_name,delivery_note,Nothing\r\n1,a@example.org,\"Ada \"\"the\"\" first\",\"ring,\ntwice\",x\r\n\r\n2,,李,,y\n3,b@example.org,B,\"\",z";
        let path = file(house, "one.csv", text);
        let imported = run(&house.p, &wanted(&path, &[("Customer", "customer_number"), ("Nothing", "")])).await.unwrap();
        assert_eq!((imported.counts, imported.refused), (counts(3, 3, 0, 0, 0), Vec::new()));
        // Another tool's export of the same says the same.
        let lines = "{\"customer_number\": 1, \"email\": \"a@example.org\", \"first_name\": \"Ada \\\"the\\\" first\", \"delivery_note\": \"ring,\\ntwice\"}\n{\"customer_number\": \"2\", \"first_name\": \"李\", \"email\": null}\n";
        let path = file(house, "one.jsonl", lines);
        assert_eq!(run(&house.p, &wanted(&path, &[])).await.unwrap().counts, counts(2, 0, 0, 2, 0));
        let semicolons = file(house, "two.csv", "customer_number;city\n1;Fresno\n9;\"Bad; Homburg\"\n");
        assert_eq!(run(&house.p, &wanted(&semicolons, &[])).await.unwrap().counts, counts(2, 1, 1, 0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_refused_record_by_record_and_the_rest_goes_on() {
    on_each_engine(async |house| {
        let mut bytes = b"customer_number,first_name,birth_date\n1,zqnameA,1990-12-31\n2,zqname\xff\xfe,1990-12-31\n3,zqnameC\n4,zqnameD,31.12.1990\n,zqnameE,1990-12-31\n6,zqnameF,1990-12-31\n7,\"zqname".to_vec();
        bytes.extend(std::iter::repeat_n(b'x', 17 << 20));
        bytes.extend(b"\n8,zqnameH,1990-12-31\n");
        let path = file(house, "bad.csv", bytes);
        let imported = run(&house.p, &wanted(&path, &[])).await.unwrap();
        assert_eq!(imported.counts, counts(8, 3, 0, 0, 5));
        let said: Vec<_> = imported.refused.iter().map(|(number, reason)| format!("{number} {}", reason.split([';', ':']).next().unwrap())).collect();
        assert_eq!(
            said,
            [
                "2 field 2 is not UTF-8 text",
                "3 has 2 fields where the first line has 3",
                "4 `birth_date`",
                "5 `customer_number`, by which records of this source are found, is missing",
                "7 the record has more than 16777216 bytes",
            ]
        );
        assert!(!format!("{:?}", imported.refused).contains("zqname"));
        let lines = file(house, "bad.jsonl", "{\"customer_number\": \"1\", \"zqnamesecret\": 1}\n[1]\n{\"customer_number\": \"11\"\n{\"customer_number\": {\"a\": 1}}\n{\"customer_number\": \"12\"}\n");
        let imported = run(&house.p, &wanted(&lines, &[])).await.unwrap();
        assert_eq!(imported.counts, counts(5, 2, 0, 0, 3));
        assert!(!format!("{:?}", imported.refused).contains("zqname"));
        assert!(!holds(&house.everything_stored().await, "zqname"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_one_is_refused_before_anything_is_written() {
    on_each_engine(async |house| {
        let refused = async |name: &str, text: &str, columns: &[(&str, &str)]| {
            let path = file(house, name, text);
            run(&house.p, &wanted(&path, columns))
                .await
                .err()
                .unwrap()
                .title
        };
        let unknown = refused("a.csv", "customer_number,colour\n1,red\n", &[]).await;
        assert!(
            unknown.contains("`colour`") && unknown.contains("--map colour="),
            "{unknown}"
        );
        let data = refused("b.csv", "1,maya@example.org\n2,sam@example.org\n", &[]).await;
        assert!(
            !data.contains("maya") && data.contains("column 1 of the first line"),
            "{data}"
        );
        let twice = refused(
            "c.csv",
            "customer_number,email,mail\n",
            &[("mail", "email")],
        )
        .await;
        assert!(twice.contains("column 3 stands there twice"), "{twice}");
        let mapped = refused("d.csv", "customer_number,x\n", &[("x", "colour")]).await;
        assert!(mapped.contains("`colour` is no attribute"), "{mapped}");
        assert!(
            refused("e.csv", "", &[])
                .await
                .contains("no line that names its columns")
        );
        let gone = run(&house.p, &wanted(&house.dir.path().join("gone.csv"), &[]))
            .await
            .err()
            .unwrap();
        assert!(gone.title.contains("can't be read"));
        let path = file(house, "f.csv", "customer_number\n1\n");
        let source = Import {
            source: "till".to_owned(),
            ..wanted(&path, &[])
        };
        assert!(
            run(&house.p, &source)
                .await
                .err()
                .unwrap()
                .title
                .contains("it has shop, crm, help_desk, subject")
        );
        assert_eq!(house.count("subject").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_is_not_imported_twice_and_a_changed_one_changes_what_differs() {
    on_each_engine(async |house| {
        let path = file(house, "all.csv", customers(2_500, "A"));
        let first = run(&house.p, &wanted(&path, &[])).await.unwrap();
        assert_eq!(
            (first.counts.clone(), first.finished_before),
            (counts(2_500, 2_500, 0, 0, 0), false)
        );
        let again = run(&house.p, &wanted(&path, &[])).await.unwrap();
        assert_eq!((again.counts, again.finished_before), (first.counts, true));
        let anew = Import {
            again: true,
            ..wanted(&path, &[])
        };
        assert_eq!(
            run(&house.p, &anew).await.unwrap().counts,
            counts(2_500, 0, 0, 2_500, 0)
        );
        let mut changed = customers(2_500, "A")
            .replace("First", "Other")
            .replacen("OtherA", "FirstA", 1_000);
        changed.push_str("c9999,,,,\n");
        let path = file(house, "all.csv", changed);
        assert_eq!(
            run(&house.p, &wanted(&path, &[])).await.unwrap().counts,
            counts(2_501, 1, 1_500, 1_000, 0)
        );
        assert_eq!(house.count("subject").await, 2_501);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_imports_at_once_store_each_record_once() {
    on_each_engine(async |house| {
        let other = house.second().await;
        let one = file(house, "one.csv", customers(3_000, "A"));
        let two = file(house, "two.csv", customers(3_000, "B"));
        let (wanted_one, wanted_two) = (wanted(&one, &[]), wanted(&two, &[]));
        let (first, second) = tokio::join!(run(&house.p, &wanted_one), run(&other, &wanted_two));
        let (first, second) = (first.unwrap().counts, second.unwrap().counts);
        assert_eq!(first.new + second.new, 3_000, "{first:?} {second:?}");
        assert_eq!(first.changed + second.changed, 3_000);
        assert_eq!(
            (
                house.count("subject").await,
                house.count("identifier").await,
                house.count("source_record").await
            ),
            (3_000, 6_000, 3_000)
        );
        // The same file twice at once: one of them does all, the other gives way or finds it done.
        let three = wanted(&file(house, "three.csv", customers(3_000, "C")), &[]);
        let (first, second) = tokio::join!(run(&house.p, &three), run(&other, &three));
        let problems: Vec<_> = [first, second]
            .into_iter()
            .filter_map(Result::err)
            .collect();
        assert!(
            problems.len() <= 1
                && problems
                    .iter()
                    .all(|problem| problem.title.contains("another run")),
            "{problems:?}"
        );
        let last = run(&house.p, &three).await.unwrap();
        assert_eq!((last.counts.records, last.counts.changed), (3_000, 3_000));
    })
    .await;
}

const DIR: &str = "PRIVITY_IMPORT_DIR";
const STORAGE: &str = "PRIVITY_IMPORT_STORAGE";
const CROWD: u32 = 20_000;

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_goes_on_where_it_stopped_and_doubles_nothing() {
    on_each_engine(async |house| {
        let path = file(house, "crowd.csv", customers(CROWD, "A"));
        let mut killed = 0;
        for round in 0..6u64 {
            killed += u32::from(import_until_killed(
                house,
                Duration::from_millis(300 + round * 157),
            ));
        }
        assert!(killed > 0, "it was never killed in the middle");
        let last = run(&house.p, &wanted(&path, &[])).await.unwrap();
        assert_eq!(last.counts.records, u64::from(CROWD));
        assert_eq!(last.counts.refused, 0);
        let crowd = u64::from(CROWD);
        assert_eq!(
            (
                house.count("subject").await,
                house.count("source_record").await,
                house.count("identifier").await
            ),
            (crowd, crowd, 2 * crowd)
        );
        let anew = Import {
            again: true,
            ..wanted(&path, &[])
        };
        assert_eq!(
            run(&house.p, &anew).await.unwrap().counts,
            counts(crowd, 0, 0, crowd, 0),
            "every record is whole"
        );
    })
    .await;
}

/// Starts this test binary again as the importer, and kills it after a while; whether it was still at work.
fn import_until_killed(house: &ProfileHouse, after: Duration) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "profile_import::importer_for_the_crash_test",
            "--nocapture",
            "--ignored",
        ])
        .env(DIR, house.dir.path())
        .env(STORAGE, house.storage())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + after;
    while Instant::now() < until && child.try_wait().unwrap().is_none() {
        std::hint::spin_loop();
    }
    let at_work = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    at_work && !child.wait().unwrap().success()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by an_import_that_is_killed_goes_on_where_it_stopped_and_doubles_nothing, which kills it"]
async fn importer_for_the_crash_test() {
    let (Ok(dir), Ok(storage)) = (std::env::var(DIR), std::env::var(STORAGE)) else {
        return;
    };
    let dir = PathBuf::from(dir);
    let clock = Arc::new(FixedClock::at("2026-11-02T18:00:00Z".parse().unwrap()));
    let p = profile_house::open_with(
        &dir,
        &storage,
        &clock,
        governance::system_rng(),
        &Progress::unwatched(),
    )
    .await;
    run(&p, &wanted(&dir.join("crowd.csv"), &[])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_is_told_how_far_it_is() {
    let house = ProfileHouse::new(None).await;
    let path = file(&house, "all.csv", customers(2_000, "A"));
    let told: Arc<std::sync::Mutex<BTreeMap<u64, u64>>> = Arc::default();
    let heard = Arc::clone(&told);
    let progress = Progress::new(move |what, done, of| {
        if what == "KiB" {
            heard.lock().unwrap().insert(done, of);
        }
    });
    let p = profile_house::open_with(
        house.dir.path(),
        &house.storage(),
        &house.clock,
        governance::system_rng(),
        &progress,
    )
    .await;
    run(&p, &wanted(&path, &[])).await.unwrap();
    let told = told.lock().unwrap();
    let (done, of) = told.last_key_value().unwrap();
    assert!(told.len() > 1 && done == of);
}
