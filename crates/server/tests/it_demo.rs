//! `privity demo --play-only`, the main job as a newcomer sees it first: the built binary plays one customer's story with real
//! databases, servers and mail, and every claim is looked up where it happened.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::process::Command;

#[test]
fn every_claim_of_the_demos_story_holds_and_nothing_is_left_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_privity"))
        .args(["demo", "--play-only"])
        .env("TMPDIR", temporary.path())
        .env("NO_COLOR", "1")
        .current_dir(temporary.path())
        .output()
        .unwrap();
    let (told, log) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(output.status.success(), "{told}\n{log}");
    assert!(!told.contains('✗') && !told.contains('\u{1b}'), "{told}");
    assert!(told.matches('✓').count() > 40, "{told}");
    for secret in [
        "maya.okafor@example.com",
        "okafor-design",
        "400000000004217",
    ] {
        assert!(
            !log.contains(secret),
            "a personal value is in the log: {log}"
        );
    }
    let left: Vec<_> = std::fs::read_dir(temporary.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_folder_that_is_not_empty_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.sqlite"), "mine").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_privity"))
        .args(["demo", "--play-only", "--dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("is not empty"), "{words}");
    assert_eq!(
        std::fs::read_to_string(folder.path().join("shop.sqlite")).unwrap(),
        "mine"
    );
}
