//! Whatever a business's schema looks like: who is forgotten is gone but for what the plan named as kept, and nobody else's
//! row changes. Random schemas and rows, real databases, the whole way through the use cases; the databases are looked at
//! with their own programs, and whose a row is is told by an oracle that shares no code with the traversal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::id::RequestId;
use domain::plan::{Plan, PlannedCollection};
use domain::privacy_request::{IntakeChannel, RequestKind, RequestState};
use domain::sensitive::Sensitive;
use domain::time::FixedClock;
use governance::Privity;
use governance::privacy_request::{console, intake, plan};
use governance::worker::run_until_idle;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::generated::map::{collection_key, map};
use crate::generated::model::{Model, Row, System, email, marker};
use crate::generated::oracle::{At, Fate, fates, is_overwritten, leads_to_detail, rows_of};
use crate::generated::place::Place;
use crate::generated::regression;
use crate::generated::spec::{FieldStrategy, PointerSpec, Spec, spec};
use crate::house::{mailbox::Mailbox, open};

#[test]
fn one_person_is_forgotten_whatever_the_schema_on_sqlite() {
    run(20, |spec| check(&spec, None, &[1]));
}

#[test]
fn several_people_are_forgotten_in_one_pass_whatever_the_schema_on_sqlite() {
    run(20, |spec| check(&spec, None, &[0, 2]));
}

#[test]
fn people_are_forgotten_whatever_the_schema_on_postgresql() {
    let Ok(server) = std::env::var("PRIVITY_TEST_POSTGRES") else {
        println!(
            "not run: PRIVITY_TEST_POSTGRES names no server, so random schemas were not tried on PostgreSQL"
        );
        return;
    };
    run(5, |spec| check(&spec, Some(&server), &[1]));
    run(5, |spec| check(&spec, Some(&server), &[0, 2]));
}

#[test]
fn of_two_rows_alike_the_plan_says_which_one_is_pointed_at() {
    again(&regression::one_of_two_alike_is_pointed_at());
}

#[test]
fn what_hangs_two_steps_below_a_shared_detail_stays() {
    again(&regression::what_hangs_two_steps_below_a_shared_detail());
}

#[test]
fn what_only_an_overwritten_reference_pointed_at_goes() {
    for seed in 0..3 {
        for pointer in [PointerSpec::Declared, PointerSpec::Redact] {
            again(&regression::an_overwritten_row_points_no_longer(
                pointer, seed,
            ));
        }
        again(&regression::a_row_kept_by_a_rule_gives_its_reference_up(
            seed,
        ));
    }
}

#[test]
fn a_chain_of_rows_lets_go_of_all_that_can_go() {
    for seed in 0..4 {
        for pointer in [
            PointerSpec::Null,
            PointerSpec::Declared,
            PointerSpec::Redact,
        ] {
            again(&regression::a_chain_lets_go(pointer, seed));
        }
    }
}

/// Looks again at what once went wrong, for one person and for several in one pass.
fn again(spec: &Spec) {
    for forgotten in [&[1][..], &[0, 2]] {
        check(spec, None, forgotten).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// The same schemas on every run, so that a change is judged by itself; `PROPTEST_CASES=300` looks at as many new ones.
fn run(cases: u32, check: impl Fn(Spec) -> Result<(), TestCaseError>) {
    let wanted = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    let config = Config {
        cases: wanted.unwrap_or(cases),
        max_shrink_iters: 150,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = if wanted.is_some() {
        TestRunner::new(config)
    } else {
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    };
    runner
        .run(&spec(), check)
        .unwrap_or_else(|error| panic!("{error}"));
}

struct Business {
    model: Model,
    main: Place,
    aside: Place,
}

type Dump = BTreeMap<usize, BTreeMap<Vec<Option<String>>, Row>>;

impl Business {
    fn dump(&self) -> Dump {
        let both = self
            .main
            .dump(&self.model, System::Main)
            .into_iter()
            .chain(self.aside.dump(&self.model, System::Aside));
        both.map(|(number, rows)| {
            (
                number,
                rows.into_iter()
                    .map(|row| (self.key(number, &row), row))
                    .collect(),
            )
        })
        .collect()
    }

    fn key(&self, table: usize, row: &Row) -> Vec<Option<String>> {
        self.model.tables[table]
            .primary_key
            .iter()
            .map(|field| row[*field].clone())
            .collect()
    }
}

fn check(spec: &Spec, server: Option<&str>, forgotten: &[usize]) -> Result<(), TestCaseError> {
    let model = Model::build(spec);
    let dir = tempfile::tempdir().unwrap();
    let main = server.map_or_else(|| Place::sqlite(dir.path(), "main.sqlite"), Place::postgres);
    let aside = Place::sqlite(dir.path(), "aside.sqlite");
    main.make(&model, System::Main);
    aside.make(&model, System::Aside);
    std::fs::write(
        dir.path().join("map.yaml"),
        map(&model, &main.connection(), &aside.connection()),
    )
    .unwrap();
    let business = Business { model, main, aside };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mailbox = Mailbox::start().await;
        let clock = Arc::new(FixedClock::at("2026-11-02T18:00:00Z".parse().unwrap()));
        let p = open(dir.path(), mailbox.port, &clock, "").await;
        let before = business.dump();
        let plans = forget(&p, &business, forgotten).await?;
        let after = business.dump();
        let fates = fates(&business.model, forgotten);
        compare_rows(&business, &fates, &before, &after)?;
        look_for_markers(&business, &fates, forgotten, &after)?;
        for (subject, plan) in forgotten.iter().zip(&plans) {
            compare_plan(&business, &fates, *subject, plan)?;
        }
        let again = forget(&p, &business, forgotten).await?;
        prop_assert_eq!(
            &business.dump(),
            &after,
            "a second deletion finds nothing to erase"
        );
        for planned in again.iter().flat_map(|plan| &plan.collections) {
            prop_assert_eq!(
                planned.delete,
                0,
                "a second plan deletes nothing in {}",
                planned.collection
            );
        }
        Ok(())
    })
}

/// Intake, plan, approval, erasure, confirmation, end; answers the plans.
async fn forget(
    p: &Privity,
    business: &Business,
    subjects: &[usize],
) -> Result<Vec<Plan>, TestCaseError> {
    let (operator, _) = governance::operator::add(p, "Robin").await.unwrap();
    let before = business.dump();
    let mut requests: Vec<RequestId> = Vec::new();
    for subject in subjects {
        let asked = intake::Intake::Identified {
            kind: RequestKind::Delete,
            law: None,
            email: Sensitive::new(email(*subject).to_uppercase()),
            name: None,
            identifiers: Vec::new(),
            language: "en".to_owned(),
            channel: IntakeChannel::Api,
            since: None,
            verified_by: Some(operator),
            address: None,
        };
        requests.push(intake::receive(p, asked).await.unwrap().id);
    }
    run_until_idle(p).await.unwrap();
    prop_assert_eq!(
        &business.dump(),
        &before,
        "nothing is touched before approval"
    );
    let mut plans = Vec::new();
    for request in &requests {
        let detail = console::detail(p, *request).await.unwrap();
        prop_assert!(detail.plan.is_some(), "no plan: {:?}", detail.tasks);
        plans.push(detail.plan.unwrap());
        plan::approve(p, *request, operator).await.unwrap();
    }
    run_until_idle(p).await.unwrap();
    for request in &requests {
        let detail = console::detail(p, *request).await.unwrap();
        prop_assert!(
            matches!(
                detail.listed.state,
                RequestState::Fulfilled | RequestState::PartlyFulfilled
            ),
            "{:?}: {:?}",
            detail.listed.state,
            detail.tasks
        );
        prop_assert!(
            detail.residue.as_ref().is_some_and(Vec::is_empty),
            "residue: {:?}",
            detail.residue
        );
        let partly = detail.plan.as_ref().is_some_and(|plan| {
            plan.collections
                .iter()
                .any(|planned| !planned.kept.is_empty())
        });
        prop_assert_eq!(
            detail.listed.state == RequestState::PartlyFulfilled,
            partly,
            "kept rows make it partly fulfilled, and nothing else does"
        );
    }
    Ok(plans)
}

/// What the plan says against what the oracle says, table by table.
fn compare_plan(
    business: &Business,
    fates: &BTreeMap<At, Fate>,
    subject: usize,
    plan: &Plan,
) -> Result<(), TestCaseError> {
    let hers = rows_of(&business.model, subject);
    for (number, table) in business.model.tables.iter().enumerate() {
        let key = collection_key(table);
        let count = |wanted: Fate| {
            hers.iter()
                .filter(|at| at.0 == number && fates[*at] == wanted)
                .count() as u64
        };
        let said = plan
            .collections
            .iter()
            .find(|planned| planned.collection.as_ref() == key);
        let kept =
            |planned: &PlannedCollection| planned.kept.iter().map(|kept| kept.rows).sum::<u64>();
        let said = said.map_or((0, 0, 0, 0), |planned| {
            (planned.rows, planned.delete, planned.redact, kept(planned))
        });
        let rows = hers.iter().filter(|at| at.0 == number).count() as u64;
        prop_assert_eq!(said.0, rows, "rows of {} that are hers", &key);
        prop_assert_eq!(
            said,
            (
                rows,
                count(Fate::Deleted),
                count(Fate::Redacted),
                count(Fate::Kept) + count(Fate::Shared)
            ),
            "(rows, deleted, redacted, kept) of {}",
            &key
        );
    }
    Ok(())
}

/// Every row, against what must have become of it.
fn compare_rows(
    business: &Business,
    fates: &BTreeMap<At, Fate>,
    before: &Dump,
    after: &Dump,
) -> Result<(), TestCaseError> {
    for (number, table) in business.model.tables.iter().enumerate() {
        for (place, row) in table.rows.iter().enumerate() {
            let key = business.key(number, row);
            prop_assert_eq!(
                Some(row),
                before[&number].get(&key),
                "the database holds the model"
            );
            let left = after[&number].get(&key);
            let expected = fates.get(&(number, place));
            match (expected, left) {
                (None | Some(Fate::Shared), left) => prop_assert_eq!(
                    left,
                    Some(row),
                    "nobody else's row changes: {} {:?}",
                    table.key,
                    expected
                ),
                (Some(Fate::Deleted), left) => {
                    prop_assert!(left.is_none(), "a row of {} should be gone", table.key)
                }
                (Some(fate), Some(left)) => compare_fields(business, number, *fate, row, left)?,
                (Some(fate), None) => {
                    prop_assert!(false, "a row of {} should stay: {:?}", table.key, fate)
                }
            }
        }
        prop_assert!(after[&number].len() <= table.rows.len(), "no rows come up");
    }
    Ok(())
}

fn compare_fields(
    business: &Business,
    number: usize,
    fate: Fate,
    row: &Row,
    left: &Row,
) -> Result<(), TestCaseError> {
    let table = &business.model.tables[number];
    for (place, field) in table.fields.iter().enumerate() {
        if !is_overwritten(table, place, fate) {
            prop_assert_eq!(
                &left[place],
                &row[place],
                "{}.{} stays as it is ({:?})",
                table.key,
                &field.name,
                fate
            );
        } else if row[place].is_some() {
            prop_assert_ne!(
                &left[place],
                &row[place],
                "{}.{} is overwritten ({:?})",
                table.key,
                &field.name,
                fate
            );
            let emptied = field.strategy == FieldStrategy::Null
                || (field.strategy == FieldStrategy::Unsaid && leads_to_detail(table, place));
            prop_assert!(
                !emptied || left[place].is_none(),
                "{}.{} is emptied",
                table.key,
                &field.name
            );
        }
    }
    Ok(())
}

/// No value of the forgotten stands anywhere but in rows and fields that the plan named as kept.
fn look_for_markers(
    business: &Business,
    fates: &BTreeMap<At, Fate>,
    forgotten: &[usize],
    after: &Dump,
) -> Result<(), TestCaseError> {
    let markers: Vec<String> = forgotten.iter().map(|subject| marker(*subject)).collect();
    for (number, table) in business.model.tables.iter().enumerate() {
        let kept: BTreeSet<Vec<Option<String>>> = fates
            .iter()
            .filter(|(at, fate)| at.0 == number && matches!(fate, Fate::Kept | Fate::Shared))
            .map(|(at, _)| business.key(number, &table.rows[at.1]))
            .collect();
        for (key, row) in after[&number]
            .iter()
            .filter(|(key, _)| !kept.contains(*key))
        {
            for (field, value) in table.fields.iter().zip(row) {
                let found = value.as_ref().is_some_and(|value| {
                    markers
                        .iter()
                        .any(|marker| value.to_lowercase().contains(marker))
                });
                prop_assert!(
                    !found || field.strategy == FieldStrategy::Keep,
                    "a value survives in {}.{} of row {:?}",
                    table.key,
                    &field.name,
                    key
                );
            }
        }
    }
    Ok(())
}
