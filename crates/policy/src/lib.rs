//! Central policies as their authors write them: Cedar text, its schema, the compiler to [`domain::policy::Table`], and Cedar itself as the
//! oracle that every table is compared with.
//!
//! The only crate that names Cedar. What decides a disclosure is the table; this crate is needed where policies are published.

mod compile;
mod fault;
mod formula;
mod fragment;
mod model;
mod oracle;
mod pack;
mod prove;
mod room;
mod slow;
mod source;

pub use compile::{Compiled, compile};
pub use fault::{Fault, Faults};
pub use model::cedar_schema;
pub use oracle::{Answer, Difference, Oracle, OracleError};
pub use pack::{Pack, packs};
pub use prove::{PackProof, Proof, ProofError, prove};
pub use source::{Origin, PolicyFile, PolicyText, texts};
