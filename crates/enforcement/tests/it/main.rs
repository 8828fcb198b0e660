//! The reference monitor from outside: what it lets out, what it refuses, and what anybody can verify.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "the tests stand in for storage, which says when a record is durable"
)]

mod ages;
mod decisions;
mod evidence_files;
mod independent_verifier;
mod json_filter;
mod json_filter_cost;
mod key_files;
mod key_rotation;
mod log;
mod merkle_vectors;
mod note_vectors;
mod profile_cost;
mod profile_decisions;
mod profile_vault;
mod profile_vectors;
mod profiles;
mod recipient_decisions;
mod sealed_streams;
mod sealing;
