//! The words and rules of Privity: no I/O, no async, no clock, no randomness.
//!
//! Each noun of the glossary is a file. Everything here can be tested without a database, a network or a moment in time.

pub mod audit;
pub mod body_shape;
pub mod consent;
pub mod data_map;
pub mod disclosure;
pub mod fate;
pub mod gpp;
pub mod id;
pub mod identity;
pub mod key_service;
pub mod law;
pub mod notice;
pub mod outreach;
pub mod plan;
pub mod policy;
pub mod privacy_request;
pub mod profile;
pub mod progress;
pub mod purpose_of_use;
pub mod receipt;
pub mod recipient;
pub mod rng;
pub mod row;
pub mod scim;
pub mod sensitive;
pub mod signal;
pub mod task;
pub mod time;
pub mod traversal;
pub mod wording;
