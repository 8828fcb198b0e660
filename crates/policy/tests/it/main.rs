//! Policies from text to decisions: what is refused, what the packs say, and that a table says what Cedar says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod demo;
mod generated;
mod matrix;
mod packs;
mod prove;
mod refused;
mod small;
