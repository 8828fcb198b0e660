//! Connectors and channels against real engines and services.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod channel_email;
mod channel_guide;
mod channel_opendsr;
mod channel_support;
mod channel_webhook;
mod engine;
mod http_connector;
mod http_desk;
mod http_server;
mod key_service_kms;
mod key_service_transit;
mod scan;
mod shop;
mod sql;
mod transit_fake;
