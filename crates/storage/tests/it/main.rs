//! Storage on real engines: a SQLite file always, PostgreSQL when `PRIVITY_TEST_POSTGRES` names a server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests"
)]

mod audit;
mod cost;
mod crash;
mod engine;
mod idempotency;
mod identity;
mod key;
mod ledger;
mod other_nouns;
mod outreach;
mod own_data_map;
mod place;
mod privacy_request;
mod profile;
mod sample;
mod task;
mod together;
mod workload;
