//! A story that can't be told to its end does not pass for one that was.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::process::ExitCode;

use demo::{Options, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_privity_that_stops_makes_the_demo_fail_and_its_folder_stays_where_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        play_only: true,
        dir: Some(folder.path().to_owned()),
        ..Options::default()
    };
    let code = run(options, |privity, listener| {
        drop((privity, listener));
        async { anyhow::bail!("it has a reason") }
    })
    .await
    .unwrap();
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::FAILURE));
    assert!(folder.path().join("shop.sqlite").exists());
}
