//! Our own state in our own database: SQL lives here and nowhere else, one file per noun, values sealed before they arrive.
//!
//! A noun's functions take a [`Tx`], which [`Database::write`] and [`Database::read`] hand to a closure.

pub mod attachment;
pub mod audit;
pub mod consent;
pub mod credential;
pub mod db;
mod error;
pub mod idempotency;
pub mod identifier;
pub mod identity;
pub mod key_holder;
pub mod ledger;
pub mod legal_hold;
pub mod meta;
pub mod operator;
pub mod outreach;
mod own_data_map;
pub mod party_link;
pub mod policy_version;
pub mod privacy_request;
pub mod profile;
pub mod profile_call;
pub mod profile_import;
pub mod profile_segment;
pub mod rate_limit;
pub mod session;
pub mod source_record;
pub mod subject;
pub mod subject_facts;
pub mod suppression;
pub mod task;
pub mod verification;
pub mod workload;
pub mod wrapped_key;

pub use db::{Database, Row, Tx, Value};
pub use error::Error;
pub use own_data_map::{OwnColumn, own_data_map};
