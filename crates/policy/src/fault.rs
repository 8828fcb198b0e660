//! What is wrong with policies, said so that their author finds the place and knows what to do.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The policy's id, where it has one.
    pub policy: Option<String>,
    /// What is wrong and what to do.
    pub problem: String,
}

/// Everything that is wrong, in the order of files and lines. Nothing is published while anything is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if let Some(policy) = &self.policy {
            write!(f, "policy `{policy}` ")?;
        }
        f.write_str(&self.problem)
    }
}
