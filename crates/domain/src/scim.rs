//! SCIM 2.0 (RFC 7643, RFC 7644) as far as it is pure: where a value stands in a resource, what a request changes, whom a filter finds.
//!
//! What SCIM calls a User is a record of one source to us. The word stays in the files that speak SCIM.

mod change;
mod condition;
mod filter;
mod members;
mod path;
mod settings;

pub use change::{Changes, patched, replaced};
pub use condition::{Condition, Operand, Operator, Order};
pub use filter::Filter;
pub use members::Members;
pub use path::Path;
pub use settings::{DEFAULTS, OnDelete, ScimText};

use crate::sensitive::Sensitive;

/// What is wrong with a request, as RFC 7644 3.12 tells it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct ScimError {
    /// The code under `scimType`.
    pub code: &'static str,
    /// In words, without values.
    pub detail: String,
}

impl ScimError {
    /// A path that can't be read, or leads nowhere.
    pub fn path(detail: impl Into<String>) -> Self {
        Self::new("invalidPath", detail)
    }

    /// A filter that can't be read, or that nobody can be found by.
    pub fn filter(detail: impl Into<String>) -> Self {
        Self::new("invalidFilter", detail)
    }

    /// A body that isn't as the RFC wants it.
    pub fn syntax(detail: impl Into<String>) -> Self {
        Self::new("invalidSyntax", detail)
    }

    /// A value that can't be taken.
    pub fn value(detail: impl Into<String>) -> Self {
        Self::new("invalidValue", detail)
    }

    /// Any other code of RFC 7644 3.12.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }
}

/// Whether two names are the same but for upper and lower case.
pub fn same_name(one: &Sensitive<String>, other: &Sensitive<String>) -> bool {
    one.expose().to_lowercase() == other.expose().to_lowercase()
}
