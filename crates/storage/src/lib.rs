//! Our own state in our own database: SQL lives here and nowhere else, one file per noun, values sealed before they arrive.

pub mod db;
mod error;

pub use db::{Database, Row, Tx, Value};
pub use error::Error;
