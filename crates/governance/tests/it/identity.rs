//! Operators' words on who is who: merging, taking apart, keeping apart; two at once, beside imports, and killed in the middle.
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

use domain::audit::{Action, Actor};
use domain::data_map::IdentifierKind;
use domain::id::{OperatorId, SubjectId};
use domain::identity::{ReviewId, ReviewKind};
use domain::progress::Progress;
use domain::time::FixedClock;
use governance::identity::{
    DecidedBy, Decision, EventKind, Page, ReviewLine, decide, history, keep_apart, merge, reviews,
    split,
};
use governance::profile::write;
use governance::{Privity, Problem};
use storage::{Error, subject};

use crate::profile_house::{self, CRM, HELP_DESK, ProfileHouse, SHOP, on_each_engine};

const ALIKE: [(&str, &str); 5] = [
    ("first_name", "Maya"),
    ("last_name", "Okafor"),
    ("birth_date", "1990-12-31"),
    ("street", "1 Rye Lane"),
    ("postal_code", "94601"),
];

async fn operator(p: &Privity, name: &str) -> OperatorId {
    governance::operator::add(p, name).await.unwrap().0
}

/// Subjects of the shop, by customer number and e-mail address.
async fn subjects(house: &ProfileHouse, records: &[(&str, &str)]) -> Vec<SubjectId> {
    let values: Vec<_> = records
        .iter()
        .map(|(number, email)| [("customer_number", *number), ("email", *email)])
        .collect();
    let values: Vec<_> = values.iter().map(<[_; 2]>::as_slice).collect();
    let written = house.write(SHOP, &values).await;
    written.subjects.into_iter().map(Option::unwrap).collect()
}

/// Two subjects that the rules take for one possibly.
async fn possible_match(house: &ProfileHouse) -> ([SubjectId; 2], ReviewId) {
    let record = |number| {
        let mut values = vec![("customer_number", number)];
        values.extend(ALIKE);
        values
    };
    let (one, other) = (record("1"), record("2"));
    let written = house.write(SHOP, &[&one, &other]).await;
    let ids: Vec<_> = written.subjects.into_iter().map(Option::unwrap).collect();
    let open = open(&house.p).await;
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].review.kind, ReviewKind::PossibleMatch);
    ([ids[0], ids[1]], open[0].review.id)
}

async fn open(p: &Privity) -> Vec<ReviewLine> {
    let page = Page {
        after: None,
        limit: 100,
    };
    reviews(p, page).await.unwrap().reviews
}

async fn canonical(p: &Privity, id: SubjectId) -> SubjectId {
    history(p, id).await.unwrap().canonical
}

async fn are_one(p: &Privity, one: SubjectId, other: SubjectId) -> bool {
    canonical(p, one).await == canonical(p, other).await
}

/// Whoever stands for somebody stands for herself, and whoever is one is so by merges that stand, and the other way round.
async fn assert_whole(p: &Privity) {
    let read = p.database().read("read subjects", |tx| {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = subject::walk_keys(tx, after, 100)?;
            let Some((last, _)) = page.last() else {
                break;
            };
            after = Some(*last);
            let ids = page.iter().map(|(id, _)| *id).collect();
            all.extend(subject::get_many(tx, &ids)?);
        }
        Ok(all)
    });
    let all = read.await.unwrap_or_else(|error: Error| panic!("{error}"));
    let stands_for: BTreeMap<_, _> = all.iter().map(|one| (one.id, one.stands_for())).collect();
    let mut joined: BTreeMap<_, _> = stands_for.keys().map(|id| (*id, *id)).collect();
    for id in stands_for.keys() {
        for event in history(p, *id).await.unwrap().events {
            if event.stands {
                let (one, other) = (joined[&event.one], joined[&event.other]);
                let stays = one.min(other);
                for above in joined.values_mut() {
                    if *above == one || *above == other {
                        *above = stays;
                    }
                }
            }
        }
    }
    assert_eq!(stands_for, joined);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_makes_one_of_two_and_a_split_makes_two_again_for_good() {
    on_each_engine(async |house| {
        let p = &house.p;
        let robin = operator(p, "Robin").await;
        let ids = subjects(house, &[("1", "a@example.org"), ("2", "b@example.org")]).await;
        let id = merge(p, ids[1], ids[0], robin).await.unwrap();
        assert!(are_one(p, ids[0], ids[1]).await);
        assert_eq!(canonical(p, ids[1]).await, ids[0].min(ids[1]));
        let again = merge(p, ids[0], ids[1], robin).await.unwrap_err();
        assert!(
            again.status == 409 && again.title.contains("one already"),
            "{again}"
        );
        let apart = keep_apart(p, ids[0], ids[1], robin).await.unwrap_err();
        assert!(
            apart.status == 409 && apart.title.contains("take the merge"),
            "{apart}"
        );

        assert!(!split(p, id, robin).await.unwrap().still_one);
        assert!(!are_one(p, ids[0], ids[1]).await);
        let again = split(p, id, robin).await.unwrap_err();
        assert!(again.title.contains("taken apart before"), "{again}");
        // The same address for both would merge them by rule, had she not taken them apart.
        house
            .write(
                SHOP,
                &[&[("customer_number", "2"), ("email", "a@example.org")]],
            )
            .await;
        assert!(!are_one(p, ids[0], ids[1]).await);

        let told = history(p, ids[1]).await.unwrap();
        let said: Vec<_> = told
            .events
            .iter()
            .map(|event| (event.kind, event.merge, event.stands, event.by.clone()))
            .collect();
        let by = DecidedBy::Operator(robin, Some("Robin".to_owned()));
        assert_eq!(
            said,
            [
                (EventKind::Merged, Some(id), false, by.clone()),
                (EventKind::Split, Some(id), false, by)
            ]
        );
        assert_eq!(house.records(Action::SubjectsMerged).await.len(), 1);
        let record = &house.records(Action::MergeSplit).await[0];
        assert_eq!(
            (record.actor.clone(), record.details["merge"].as_str()),
            (Actor::Operator(robin), Some(&*id.to_string()))
        );
        assert_whole(p).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_merges_taken_apart_leaves_the_others_and_says_so() {
    on_each_engine(async |house| {
        let p = &house.p;
        let robin = operator(p, "Robin").await;
        let shop = subjects(house, &[("1", "a@example.org")]).await[0];
        let crm = house
            .write(CRM, &[&[("customer_number", "1")]])
            .await
            .subjects[0]
            .unwrap();
        assert!(are_one(p, shop, crm).await, "by the customer number");
        let other = subjects(house, &[("2", "b@example.org")]).await[0];
        let by_hand = merge(p, other, crm, robin).await.unwrap();
        assert!(are_one(p, shop, other).await);
        let by_rule = history(p, shop)
            .await
            .unwrap()
            .events
            .iter()
            .find(|event| {
                event.by == DecidedBy::Identifier(IdentifierKind("customer_number".to_owned()))
            })
            .unwrap()
            .merge
            .unwrap();
        assert!(!split(p, by_hand, robin).await.unwrap().still_one);
        assert!(are_one(p, shop, crm).await && !are_one(p, shop, other).await);
        assert!(!split(p, by_rule, robin).await.unwrap().still_one);
        house
            .write(CRM, &[&[("customer_number", "1"), ("first_name", "Maya")]])
            .await;
        assert!(
            !are_one(p, shop, crm).await,
            "not by what made them one before"
        );
        assert_whole(p).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn erased_and_unknown_subjects_are_nobody_to_merge() {
    on_each_engine(async |house| {
        let p = &house.p;
        let robin = operator(p, "Robin").await;
        let ids = subjects(
            house,
            &[
                ("1", "a@example.org"),
                ("2", "b@example.org"),
                ("3", "c@example.org"),
            ],
        )
        .await;
        let merged = merge(p, ids[0], ids[1], robin).await.unwrap();
        let gone = ids[1];
        let now = p.now();
        let erase = p.database().write("erase", move |tx| {
            storage::identity::forget(tx, &[gone].into())?;
            subject::erase(tx, &[gone].into(), now)
        });
        erase.await.unwrap_or_else(|error: Error| panic!("{error}"));
        for refused in [
            merge(p, gone, ids[2], robin).await.map(drop),
            keep_apart(p, ids[2], gone, robin).await,
        ] {
            let problem = refused.unwrap_err();
            assert!(
                problem.status == 409 && problem.title.contains("erased"),
                "{problem}"
            );
        }
        assert_eq!(
            split(p, merged, robin).await.unwrap_err().status,
            404,
            "the merge went with her"
        );
        let unknown = SubjectId::from_uuid(uuid::Uuid::from_u128(7));
        assert_eq!(
            merge(p, ids[0], unknown, robin).await.unwrap_err().status,
            404
        );
        assert_eq!(history(p, unknown).await.unwrap_err().status, 404);
        assert_eq!(
            merge(p, ids[0], ids[0], robin).await.unwrap_err().status,
            422
        );
        assert!(
            history(p, gone).await.unwrap().records[0]
                .erased_at
                .is_some()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_operators_who_answer_at_once_one_decides_and_the_other_is_told() {
    on_each_engine(async |house| {
        let second = house.second().await;
        let (robin, sam) = (
            operator(&house.p, "Robin").await,
            operator(&house.p, "Sam").await,
        );
        let ([one, other], review) = possible_match(house).await;
        let answers = tokio::join!(
            decide(&house.p, review, Decision::Merge, robin),
            decide(&second, review, Decision::KeepApart, sam)
        );
        let told: Problem = match &answers {
            (Ok(merge), Err(told)) => {
                assert!(merge.is_some() && are_one(&house.p, one, other).await);
                told.clone()
            }
            (Err(told), Ok(merge)) => {
                assert!(merge.is_none() && !are_one(&house.p, one, other).await);
                told.clone()
            }
            both => panic!("one decides: {both:?}"),
        };
        assert_eq!(told.status, 409, "{told}");
        let left = open(&house.p).await;
        assert!(
            left.iter()
                .all(|line| line.review.kind == ReviewKind::Contested),
            "a merge of two customer numbers is asked about anew, and nothing else is"
        );
        let decided = house.records(Action::SubjectsMerged).await.len()
            + house.records(Action::KeptApart).await.len();
        assert_eq!(decided, 1);
        let late = decide(&house.p, review, Decision::Leave, robin)
            .await
            .unwrap_err();
        assert!(late.title.contains("answered before by "), "{late}");
        assert_whole(&house.p).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_who_merge_or_split_the_same_at_once_do_it_once() {
    on_each_engine(async |house| {
        let second = house.second().await;
        let robin = operator(&house.p, "Robin").await;
        let ids = subjects(
            house,
            &[
                ("1", "a@example.org"),
                ("2", "b@example.org"),
                ("3", "c@example.org"),
            ],
        )
        .await;
        let merges = tokio::join!(
            merge(&house.p, ids[0], ids[1], robin),
            merge(&second, ids[1], ids[0], robin)
        );
        assert!(merges.0.is_ok() != merges.1.is_ok(), "{merges:?}");
        let id = merges.0.or(merges.1).unwrap();
        // A chain in both directions at once.
        let (apart, more) = tokio::join!(
            split(&house.p, id, robin),
            merge(&second, ids[1], ids[2], robin)
        );
        assert!(apart.is_ok() && more.is_ok(), "{apart:?} {more:?}");
        assert!(
            !are_one(&house.p, ids[0], ids[1]).await && are_one(&house.p, ids[1], ids[2]).await
        );
        let id = more.unwrap();
        let splits = tokio::join!(split(&house.p, id, robin), split(&second, id, robin));
        assert!(splits.0.is_ok() != splits.1.is_ok(), "{splits:?}");
        assert_whole(&house.p).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn merges_beside_imports_leave_nothing_half_done() {
    on_each_engine(async |house| {
        let second = house.second().await;
        let robin = operator(&house.p, "Robin").await;
        let numbers: Vec<_> = (0..12)
            .map(|number| (format!("{number}"), format!("p{number}@example.org")))
            .collect();
        let records: Vec<_> = numbers
            .iter()
            .map(|(number, email)| (number.as_str(), email.as_str()))
            .collect();
        let ids = subjects(house, &records).await;
        let importing = async {
            for round in 0..8 {
                // The same customers under other numbers, and once more from the sales team: each meets one that is being merged.
                let given = (0..12).map(|number| {
                    let (key, email) = (
                        format!("{}", 100 + round * 12 + number),
                        format!("p{number}@example.org"),
                    );
                    house.record(&[("customer_number", &key), ("email", &email)])
                });
                write(&second, SHOP, given.collect(), Actor::CommandLine)
                    .await
                    .unwrap();
                let given = (0..12)
                    .map(|number| house.record(&[("customer_number", &format!("{number}"))]));
                write(&second, CRM, given.collect(), Actor::CommandLine)
                    .await
                    .unwrap();
            }
        };
        let deciding = async {
            for round in 0..8 {
                for pair in ids.chunks(2) {
                    match merge(&house.p, pair[0], pair[1], robin).await {
                        Ok(id) if round % 2 == 0 => drop(split(&house.p, id, robin).await.unwrap()),
                        Ok(_) => {}
                        Err(problem) => assert_eq!(problem.status, 409, "{problem}"),
                    }
                }
            }
        };
        tokio::join!(importing, deciding);
        assert_whole(&house.p).await;
        for pair in ids.chunks(2) {
            assert!(are_one(&house.p, pair[0], pair[1]).await);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identifier_that_two_people_claim_waits_for_an_operator_whose_word_can_be_taken_back() {
    on_each_engine(async |house| {
        let p = &house.p;
        let robin = operator(p, "Robin").await;
        let ids = subjects(
            house,
            &[("1", "till@example.org"), ("2", "till@example.org")],
        )
        .await;
        assert!(!are_one(p, ids[0], ids[1]).await);
        let asked = open(p).await;
        assert_eq!(
            (asked.len(), asked[0].review.kind),
            (1, ReviewKind::Conflict)
        );
        let merged = decide(p, asked[0].review.id, Decision::Merge, robin)
            .await
            .unwrap()
            .unwrap();
        assert!(are_one(p, ids[0], ids[1]).await);
        let record = &house.records(Action::SubjectsMerged).await[0];
        assert_eq!(
            record.details["review"].as_str(),
            Some(&*asked[0].review.id.to_string())
        );
        let contested = open(p).await;
        assert_eq!(
            (contested.len(), contested[0].review.kind),
            (1, ReviewKind::Contested),
            "one subject with two customer numbers"
        );
        let alone = decide(p, contested[0].review.id, Decision::Merge, robin)
            .await
            .unwrap_err();
        assert_eq!(alone.status, 422, "{alone}");

        split(p, merged, robin).await.unwrap();
        assert!(
            open(p).await.is_empty(),
            "what was asked about her is so no more"
        );
        house
            .write(HELP_DESK, &[&[("email", "till@example.org")]])
            .await;
        assert!(!are_one(p, ids[0], ids[1]).await);
        assert_whole(p).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_too_many_share_merges_nobody_and_is_asked_once() {
    on_each_engine(async |house| {
        let p = &house.p;
        let robin = operator(p, "Robin").await;
        // Ten who agree become one, as nothing but the address is known of them.
        let source = crate::profile_house::SUBJECT;
        let first = house
            .write(source, &[&[("email", "till@example.org")]])
            .await
            .subjects[0]
            .unwrap();
        let mut ids = vec![first];
        for number in 0..30 {
            ids.extend(subjects(house, &[(&format!("{number}"), "till@example.org")]).await);
            assert_whole(p).await;
        }
        let canonical_of: BTreeSet<_> = {
            let mut all = BTreeSet::new();
            for id in &ids {
                all.insert(canonical(p, *id).await);
            }
            all
        };
        assert_eq!(canonical_of.len(), ids.len(), "nobody is one with anybody");
        let asked: Vec<_> = open(p)
            .await
            .into_iter()
            .map(|line| line.review.kind)
            .collect();
        assert_eq!(asked, [ReviewKind::Everybodys]);
        let withdrawn = history(p, first).await.unwrap();
        assert!(
            withdrawn
                .events
                .iter()
                .any(|event| event.by == DecidedBy::Rule && event.kind == EventKind::Split)
        );
        let review = open(p).await[0].review.id;
        decide(p, review, Decision::Leave, robin).await.unwrap();
        subjects(house, &[("99", "till@example.org")]).await;
        assert!(open(p).await.is_empty(), "once seen, it is not asked again");
        assert_eq!(house.records(Action::IdentityReviewed).await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_too_many_shared_is_asked_about_once_few_enough_are_left() {
    on_each_engine(async |house| {
        let shop = |number: usize, alike: [(&'static str, &'static str); 5]| {
            let mut values = vec![("customer_number", format!("{number}"))];
            values.extend(alike.map(|(key, value)| (key, value.to_owned())));
            values
        };
        let write = async |number, alike| {
            let values = shop(number, alike);
            let values: Vec<_> = values
                .iter()
                .map(|(key, value)| (*key, value.as_str()))
                .collect();
            house.write(SHOP, &[&values]).await.subjects[0].unwrap()
        };
        let mut ids = BTreeSet::new();
        for number in 0..11 {
            ids.insert(write(number, ALIKE).await);
        }
        let pairs = |lines: Vec<ReviewLine>| -> BTreeSet<_> {
            let pairs = lines.into_iter();
            pairs
                .map(|line| BTreeSet::from([line.one, line.other.unwrap()]))
                .collect()
        };
        let newcomer = *ids.iter().max().unwrap();
        // Of ten each pair was asked about; the eleventh made them too many, and nobody asks about her.
        let asked = pairs(open(&house.p).await);
        assert!(asked.iter().all(|pair| !pair.contains(&newcomer)));
        let elsewhere = {
            let mut moved = ALIKE;
            moved[3].1 = "2 Rye Lane";
            moved
        };
        ids.remove(&write(0, elsewhere).await);
        let expected: BTreeSet<_> = ids
            .iter()
            .flat_map(|one| ids.range(..one).map(|other| BTreeSet::from([*one, *other])))
            .collect();
        assert_eq!(pairs(open(&house.p).await), expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_kept_apart_is_asked_about_no_more() {
    on_each_engine(async |house| {
        let robin = operator(&house.p, "Robin").await;
        let ([one, other], review) = possible_match(house).await;
        keep_apart(&house.p, one, other, robin).await.unwrap();
        keep_apart(&house.p, other, one, robin).await.unwrap();
        assert_eq!(
            house.records(Action::KeptApart).await.len(),
            1,
            "saying it again changes nothing"
        );
        let line = governance::identity::review(&house.p, review)
            .await
            .unwrap();
        assert_eq!(line.decided_by.as_deref(), Some("Robin"));
        // Each gets a record of the sales team; the groups are others, the question is the same.
        let given: [&[(&str, &str)]; 2] =
            [&[("customer_number", "1")], &[("customer_number", "2")]];
        house.write(CRM, &given).await;
        assert!(open(&house.p).await.is_empty());
        let mut third = vec![("customer_number", "3")];
        third.extend(ALIKE);
        house.write(SHOP, &[&third]).await;
        assert_eq!(open(&house.p).await.len(), 2, "with each of the two");
    })
    .await;
}

const DIR: &str = "PRIVITY_IDENTITY_CRASH_DIR";
const ROUNDS: u64 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn merges_and_splits_survive_kill_9_at_any_moment() {
    let house = ProfileHouse::new(None).await;
    let numbers: Vec<_> = (0..6).map(|number| format!("{number}")).collect();
    let records: Vec<_> = numbers.iter().map(|number| (number.as_str(), "")).collect();
    subjects(&house, &records).await;
    operator(&house.p, "Robin").await;
    let before = house.count("profile_segment").await;
    let dir = house.dir;
    drop(house.p);
    let mut killed = 0;
    for round in 0..ROUNDS {
        killed += u64::from(decide_until_killed(dir.path(), round));
        let p = reopen(dir.path()).await;
        assert_whole(&p).await;
        let events = rows(&p, "identity_event").await;
        let recorded = rows(&p, "audit_entry WHERE CAST(entry AS TEXT) LIKE '%\"subjects_merged\"%' OR CAST(entry AS TEXT) LIKE '%\"merge_split\"%'").await;
        assert_eq!(
            events, recorded,
            "each that happened is in the log, and nothing else"
        );
        assert_eq!(rows(&p, "profile_segment").await, before);
    }
    assert!(killed > ROUNDS / 2, "killed at work: {killed}");
    assert!(rows(&reopen(dir.path()).await, "identity_event").await > ROUNDS);
}

async fn rows(p: &Privity, of: &str) -> u64 {
    let sql = format!("-- count\nSELECT COUNT(*) AS there FROM {of}");
    let read = p
        .database()
        .read("count", move |tx| tx.query_one(&sql, &[])?.count("there"));
    read.await.unwrap_or_else(|error: Error| panic!("{error}"))
}

async fn reopen(dir: &Path) -> Privity {
    let clock = Arc::new(FixedClock::at("2026-11-02T18:00:00Z".parse().unwrap()));
    let storage = format!("sqlite:{}/privity.db", dir.display());
    profile_house::open(dir, &storage, &clock).await
}

/// Starts this test binary again, kills it some way into its work, and answers whether it was still at it.
fn decide_until_killed(dir: &Path, round: u64) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "identity::operator_of_the_crash_test",
            "--nocapture",
            "--ignored",
        ])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut left = 1 + round * 3 % 7;
    while let Some(Ok(line)) = lines.next() {
        left -= u64::from(line.starts_with("decided"));
        if left == 0 {
            break;
        }
    }
    let until = Instant::now() + Duration::from_micros(round * 1_733 % 6_000);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    let at_work = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    at_work
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by merges_and_splits_survive_kill_9_at_any_moment, which kills it"]
async fn operator_of_the_crash_test() {
    let Ok(dir) = std::env::var(DIR) else {
        return;
    };
    let p = reopen_at_random(Path::new(&dir)).await;
    let (robin, ids) = known(&p).await;
    for round in 0..10_000usize {
        let (one, other) = (ids[round % ids.len()], ids[(round * 5 + 1) % ids.len()]);
        let merged = merge(&p, one, other, robin).await;
        let events = history(&p, one).await.unwrap().events;
        let standing = events.iter().find(|event| event.stands);
        if let (false, Some(standing)) = (round % 3 == 0 && merged.is_ok(), standing) {
            split(&p, standing.merge.unwrap(), robin).await.unwrap();
        }
        writeln!(std::io::stdout(), "decided {round}").unwrap();
    }
}

/// Ids that were made before must not come again.
async fn reopen_at_random(dir: &Path) -> Privity {
    let storage = format!("sqlite:{}/privity.db", dir.display());
    let clock = Arc::new(FixedClock::at("2026-11-02T18:00:00Z".parse().unwrap()));
    profile_house::open_with(
        dir,
        &storage,
        &clock,
        governance::system_rng(),
        &Progress::unwatched(),
    )
    .await
}

async fn known(p: &Privity) -> (OperatorId, Vec<SubjectId>) {
    let read = p.database().read("read ids", |tx| {
        let operators = storage::operator::list(tx)?;
        let subjects = subject::walk_keys(tx, None, 100)?;
        Ok((
            operators[0].id,
            subjects.into_iter().map(|(id, _)| id).collect(),
        ))
    });
    read.await.unwrap_or_else(|error: Error| panic!("{error}"))
}
