//! Storage on real engines: a SQLite file always, PostgreSQL when `PRIVITY_TEST_POSTGRES` names a server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod crash;
mod engine;
mod place;
