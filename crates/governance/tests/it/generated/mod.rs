//! Random businesses: schemas, people's rows in them, a data map that describes them, and an independent opinion of whose
//! each row is and what an erasure must do to it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

pub(crate) mod map;
pub(crate) mod model;
pub(crate) mod oracle;
pub(crate) mod place;
pub(crate) mod regression;
pub(crate) mod spec;
