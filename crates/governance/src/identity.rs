//! Who is who: records that are one subject's, by verified identifiers or by an operator's word, and what the rules leave to her.
//!
//! Records never change by a merge; what changes is which of them stands for all. So every merge can be taken apart again.
//! Decision: docs/decisions/004-vault.md.

mod comparison;
mod gather;
mod history;
mod merge;
mod resolve;
mod review;

pub use comparison::{ComparedAttribute, Comparison, compare};
pub use history::{DecidedBy, EventKind, EventLine, MemberLine, SubjectHistory, history};
pub use merge::{Split, keep_apart, merge, split};
pub(crate) use resolve::{Moved, link};
pub use review::{
    Decision, MOST_REVIEWS, Page, ReviewLine, ReviewList, count_open, decide, is_about_two, review,
    reviews,
};
