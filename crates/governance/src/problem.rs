//! What went wrong, for whoever asked: a stable code and words that say what to do. Never a value, never a chain of causes.

/// A problem as pages, API (RFC 9457) and command line show it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{title}")]
pub struct Problem {
    /// Stable, snake_case; each has a page in docs/errors.
    pub code: &'static str,
    /// The HTTP status that fits.
    pub status: u16,
    /// What is wrong and what to do.
    pub title: String,
    /// The field of the form or body that it is about.
    pub field: Option<&'static str>,
    /// Seconds after which asking again may help, where that is known.
    pub wait_seconds: Option<u32>,
}

impl Problem {
    /// Any problem.
    pub fn new(code: &'static str, status: u16, title: impl Into<String>) -> Self {
        Self {
            code,
            status,
            title: title.into(),
            field: None,
            wait_seconds: None,
        }
    }

    /// A value that can't be accepted.
    pub fn invalid(field: &'static str, title: impl Into<String>) -> Self {
        Self {
            field: Some(field),
            ..Self::new("invalid_value", 422, title)
        }
    }

    /// Something that isn't there, or that the asker may not know of: the two look the same.
    pub fn not_found(what: &str) -> Self {
        Self::new(
            "not_found",
            404,
            format!(
                "there is no {what} here; check the address, or start again from the first page"
            ),
        )
    }

    /// A step that isn't possible as things stand.
    pub fn conflict(title: impl Into<String>) -> Self {
        Self::new("not_possible_now", 409, title)
    }

    /// A fault of ours. The cause goes to the log, not to the asker.
    pub fn internal(attempted: &'static str, cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(attempted, cause = %cause, "could not go on");
        Self::new(
            "internal",
            500,
            format!("{attempted} failed on our side; nothing was lost, please try again later"),
        )
    }
}

impl From<storage::Error> for Problem {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::NotFound { .. } => Self::not_found("such thing"),
            storage::Error::Changed { .. } => {
                Self::conflict("somebody else changed this meanwhile; look at it again and repeat")
            }
            storage::Error::Busy { .. }
            | storage::Error::Unreachable { .. }
            | storage::Error::DiskFull => {
                tracing::error!(cause = %error, "our database can't take this now");
                Self::new(
                    "database_unavailable",
                    503,
                    "our own database can't take this now; nothing was lost, please try again in a minute",
                )
            }
            other => Self::internal("storing this", &other),
        }
    }
}

impl From<domain::privacy_request::InvalidStep> for Problem {
    fn from(step: domain::privacy_request::InvalidStep) -> Self {
        Self::conflict(format!("{step}; look at where it stands now"))
    }
}
