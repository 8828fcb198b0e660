//! What a solver says of policies. Needs cvc5; where it is missing, the test says so and proves nothing.

#![allow(
    clippy::print_stdout,
    reason = "the test runner says in words what could not run"
)]

use std::path::Path;
use std::process::Command;

use policy::{Origin, PolicyFile, ProofError, prove};

use crate::small::{annotated, configuration, file};

fn solver() -> Option<&'static Path> {
    let path = Path::new("cvc5");
    let is_here = Command::new(path).arg("--version").output().is_ok();
    if !is_here {
        println!("not run: there is no cvc5 here to prove with (apt-get install cvc5)");
    }
    is_here.then_some(path)
}

fn pack(rule: &str) -> PolicyFile {
    PolicyFile {
        name: "law.cedar".to_owned(),
        text: annotated("law", rule),
        origin: Origin::Statute,
    }
}

const LAW: &str =
    "forbid (principal, action in Action::\"sale\", resource) when { context.opted_out_of_sale };";

#[test]
fn with_a_pack_nothing_is_allowed_that_it_forbids_and_where_it_is_needed_is_said() {
    let Some(solver) = solver() else { return };
    let own = annotated(
        "own",
        "permit (principal, action, resource) when { context.choice_allows };",
    );
    let proof = prove(&[pack(LAW), file(&own)], &configuration(), solver).unwrap();
    assert_eq!(proof.purposes, 3);
    let law = &proof.packs[0];
    assert_eq!((law.file.as_str(), law.forbids), ("law.cedar", 1));
    assert_eq!(law.broken_for, [""; 0]);
    assert_eq!(law.needed_for, ["ads"], "the only purpose that is a sale");
}

#[test]
fn policies_that_heed_the_law_by_themselves_need_no_pack() {
    let Some(solver) = solver() else { return };
    let own = annotated(
        "own",
        "permit (principal, action, resource) unless { context.opted_out_of_sale || context.signal };",
    );
    let proof = prove(&[pack(LAW), file(&own)], &configuration(), solver).unwrap();
    assert_eq!(proof.packs[0].needed_for, [""; 0]);
}

#[test]
fn without_a_pack_or_a_solver_nothing_is_proven() {
    let own = file(&annotated("own", "permit (principal, action, resource);"));
    let none = prove(
        std::slice::from_ref(&own),
        &configuration(),
        Path::new("cvc5"),
    );
    assert!(matches!(none, Err(ProofError::NoPacks)));
    let nowhere = Path::new("/nowhere/cvc5");
    let none = prove(&[pack(LAW), own], &configuration(), nowhere);
    assert!(matches!(none, Err(ProofError::Solver(_))), "{none:?}");
}
