//! Identity: which source records are about the same subject, by rules that say the same whenever and in whatever order they are asked.
//!
//! Identifiers are brought to one form by versioned rules ([`normalise`]) and compared by their keyed tags. [`resolve`] is a pure
//! function of the records and the [`History`] of merges and splits: verified unique identifiers merge, everything doubtful becomes
//! an operator's review, and every merge can be taken apart again. No record is ever changed by a merge.

mod country;
mod history;
mod normal;
mod possible_match;
mod resolve;
mod review;

pub use country::Country;
pub use history::{
    Decided, Groups, History, HistoryError, IdentityEvent, Merge, MergeId, MergeReason,
};
pub use normal::{IdentifierRule, InvalidIdentifier, NORMAL_VERSION, normalise};
pub use possible_match::{POSSIBLE_MATCH_KIND, possible_match_text};
pub use resolve::{
    Blocked, BlockedBy, Contested, HeldIdentifier, Hub, IdentifierTag, IdentityRules, LinkRule,
    NewMerge, PossibleMatch, Resolution, SourceRecord, resolve,
};
pub use review::{Review, ReviewId, ReviewKind, ReviewState};
