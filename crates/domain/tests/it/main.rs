//! The domain's rules against the data that ships with them.

mod date_arithmetic;
mod gpp;
mod gpp_properties;
mod law;
mod scenarios;
