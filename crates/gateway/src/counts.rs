//! How often what happened on each route, since the program started; for metrics. Nothing here tells of a subject.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one route; they go on when routes are read again.
#[derive(Debug, Default)]
pub(crate) struct RouteCounts {
    counts: [AtomicU64; OUTCOMES],
}

const OUTCOMES: usize = 9;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The recipient got an answer, filtered.
    Served,
    /// Nothing of the subject may go out, or nobody knows her.
    Denied,
    /// The query names what may not be selected or sorted by, or what nobody listed.
    QueryRefused,
    /// The body holds what its sender may not write.
    WriteRefused,
    /// The upstream could not be reached, took too long, or answered with a fault of its own.
    UpstreamFailed,
    /// The upstream's answer was refused before anything of it left.
    BodyRefused,
    /// The upstream's answer was refused after part of it had left: the connection was broken off.
    Aborted,
    /// More calls at once than the route allows.
    Overloaded,
    /// The recipient asked about more subjects than it may in a minute.
    OverPace,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; OUTCOMES] = [
        Self::Served,
        Self::Denied,
        Self::QueryRefused,
        Self::WriteRefused,
        Self::UpstreamFailed,
        Self::BodyRefused,
        Self::Aborted,
        Self::Overloaded,
        Self::OverPace,
    ];

    /// The stable text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Denied => "denied",
            Self::QueryRefused => "query_refused",
            Self::WriteRefused => "write_refused",
            Self::UpstreamFailed => "upstream_failed",
            Self::BodyRefused => "body_refused",
            Self::Aborted => "aborted",
            Self::Overloaded => "overloaded",
            Self::OverPace => "over_pace",
        }
    }
}

/// What happened on a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The route's key.
    pub route: String,
    /// How calls ended, each outcome once.
    pub outcomes: Vec<(Outcome, u64)>,
}

impl RouteCounts {
    pub(crate) fn add(&self, outcome: Outcome) {
        if let Some(count) = self.counts.get(outcome as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> Vec<(Outcome, u64)> {
        let counts = self
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        Outcome::ALL.into_iter().zip(counts).collect()
    }
}
