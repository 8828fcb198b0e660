//! The whole system through HTTP: a real SQLite file, a real SMTP server, a clock that is moved by hand and repeatable randomness.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod api;
mod attachment;
mod bad_input;
mod choices;
mod command_line;
mod consent;
mod deletion;
mod disclosures_page;
mod gateway;
mod identity;
mod know;
mod office;
mod policies_api;
mod policies_page;
mod policy_views;
mod proven;
mod recipient;
mod recipient_scim;
mod recipient_token;
mod repeat;
mod scenarios;
mod scim;
mod scim_tool;
mod who_may;
