//! The domain's rules against the data that ships with them.

mod consent;
mod date_arithmetic;
mod gpp;
mod gpp_properties;
mod law;
mod policy_table;
mod purpose_and_notice;
mod receipt;
mod scenarios;
mod signal;
