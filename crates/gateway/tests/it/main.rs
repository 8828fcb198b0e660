//! The gateway between a real client and real upstreams on this machine, which misbehave as they are told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod ext_authz;
mod headers;
mod house;
mod learn;
mod lists;
mod misbehave;
mod property;
mod read;
mod reload;
mod routes;
mod tls;
mod write;
