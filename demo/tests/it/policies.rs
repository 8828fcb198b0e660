//! The demo's policies compile over its own data map, schema and purposes, and say what their cases want.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use demo::start_business;
use governance::policy::{TestFile, check_files, run_tests};

use crate::now;

const CASES: &str = include_str!("../../policies/tests.yaml");

#[tokio::test(flavor = "multi_thread")]
async fn the_policies_answer_their_cases_as_written() {
    let dir = tempfile::tempdir().unwrap();
    let business = start_business(dir.path(), 0, now()).await.unwrap();
    let settings = demo::settings::settings(&business, "http://127.0.0.1:1").unwrap();
    let checked = check_files(&settings).unwrap_or_else(|problem| panic!("{problem}"));
    assert!(checked.compared > 1_000);
    let cases = TestFile::parse("tests.yaml", CASES).unwrap_or_else(|problem| panic!("{problem}"));
    let tested = run_tests(&checked.table, &[cases]);
    assert!(tested.failed.is_empty(), "{}", tested.failed.join("\n"));
    assert_eq!(tested.passed, 23);
    assert!(
        tested.untried.contains(&"hearth.own-use".to_owned()),
        "the demo has no recipient of its own"
    );
}

#[test]
fn a_case_that_comes_out_otherwise_and_one_about_nothing_are_told() {
    let wrong =
        "cases:\n  - {case: odd, recipient: a, purpose: b, attributes: [c], expect: everything}\n";
    let problem = TestFile::parse("tests.yaml", wrong).unwrap_err();
    assert!(
        problem.title.starts_with("tests.yaml:2: "),
        "{}",
        problem.title
    );
}
