//! The domain's rules against the data that ships with them.

mod date_arithmetic;
mod law;
mod scenarios;
