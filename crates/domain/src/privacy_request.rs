//! Privacy requests: a right exercised by a subject, and the few states that it can be in.
//!
//! The step that it is at lives in its tasks, the waiting reason beside the state; extension is data on it.
//! Law: Cal. Civ. Code 1798.105, .110, .115, .120, .130; 11 CCR 7020-7028.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::id::RequestId;

/// A privacy request without anything personal: what everybody who works on it may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivacyRequest {
    /// Its id.
    pub id: RequestId,
    /// The right that is exercised.
    pub kind: RequestKind,
    /// The law under which its clock runs, e.g. `ccpa`.
    pub law: String,
    /// Where it stands.
    pub state: RequestState,
    /// What it waits for, if for anything outside.
    pub waiting: Option<Waiting>,
    /// How it came in.
    pub channel: IntakeChannel,
    /// The language that the subject chose, BCP 47.
    pub language: String,
    /// When it came in.
    pub received_at: Timestamp,
    /// Its clock.
    pub clock: Clock,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Grows with every change; a change of an outdated copy is refused.
    pub version: i64,
}

/// The right that is exercised. Keys of law data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// Which categories of data, sources, purposes and recipients.
    KnowCategories,
    /// A copy of the data itself.
    KnowSpecific,
    /// Forget me.
    Delete,
    /// Stop selling and sharing.
    OptOutSaleShare,
}

impl RequestKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [
        Self::KnowCategories,
        Self::KnowSpecific,
        Self::Delete,
        Self::OptOutSaleShare,
    ];

    /// The key of the right in law data.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KnowCategories => "know_categories",
            Self::KnowSpecific => "know_specific",
            Self::Delete => "delete",
            Self::OptOutSaleShare => "opt_out_sale_share",
        }
    }

    /// Reads the key.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether the subject must show who she is; an opt-out must not ask (11 CCR 7060(b)).
    pub const fn needs_verification(self) -> bool {
        !matches!(self, Self::OptOutSaleShare)
    }
}

/// Where a privacy request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// It came in; identity is not shown yet.
    Received,
    /// The subject has shown who she is, or need not.
    Verified,
    /// Approved; work goes on.
    InProgress,
    /// All of it was done and proven.
    Fulfilled,
    /// Done but for what the reasons name.
    PartlyFulfilled,
    /// Refused, with a reason.
    Denied,
    /// The subject took it back.
    Withdrawn,
    /// The subject did not show who she is in time.
    Expired,
}

impl RequestState {
    /// All states.
    pub const ALL: [Self; 8] = [
        Self::Received,
        Self::Verified,
        Self::InProgress,
        Self::Fulfilled,
        Self::PartlyFulfilled,
        Self::Denied,
        Self::Withdrawn,
        Self::Expired,
    ];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Verified => "verified",
            Self::InProgress => "in_progress",
            Self::Fulfilled => "fulfilled",
            Self::PartlyFulfilled => "partly_fulfilled",
            Self::Denied => "denied",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
        }
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether nothing more will happen.
    pub const fn is_closed(self) -> bool {
        matches!(
            self,
            Self::Fulfilled
                | Self::PartlyFulfilled
                | Self::Denied
                | Self::Withdrawn
                | Self::Expired
        )
    }

    /// The state after `step`, or why the step isn't possible from here.
    pub const fn after(self, step: Step) -> Result<Self, InvalidStep> {
        match (self, step) {
            (Self::Received, Step::Verify) => Ok(Self::Verified),
            (Self::Verified, Step::Approve) => Ok(Self::InProgress),
            (Self::InProgress, Step::Fulfil) => Ok(Self::Fulfilled),
            (Self::InProgress, Step::FulfilPartly) => Ok(Self::PartlyFulfilled),
            // Nothing has been touched before approval, so it can still be refused or taken back.
            (Self::Received | Self::Verified, Step::Deny) => Ok(Self::Denied),
            (Self::Received | Self::Verified, Step::Withdraw) => Ok(Self::Withdrawn),
            (Self::Received, Step::Expire) => Ok(Self::Expired),
            (from, step) => Err(InvalidStep { from, step }),
        }
    }
}

/// What can happen to a privacy request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The subject showed who she is.
    Verify,
    /// An operator, or a rule, approved the plan.
    Approve,
    /// Everything was done and proven.
    Fulfil,
    /// Done but for what stays with a reason.
    FulfilPartly,
    /// Refused.
    Deny,
    /// Taken back.
    Withdraw,
    /// Not verified in time.
    Expire,
}

/// A step that is not possible from where the privacy request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a privacy request that is `{}` can't take this step", from.as_str())]
pub struct InvalidStep {
    /// Where it stands.
    pub from: RequestState,
    /// What was tried.
    pub step: Step,
}

/// What a privacy request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Waiting {
    /// The subject's code.
    Verification,
    /// An operator's approval.
    Approval,
    /// An operator's work by hand.
    ManualWork,
    /// Answers of recipients.
    Recipients,
    /// An operator, because a task is stuck.
    Operator,
}

impl Waiting {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Verification,
        Self::Approval,
        Self::ManualWork,
        Self::Recipients,
        Self::Operator,
    ];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verification => "verification",
            Self::Approval => "approval",
            Self::ManualWork => "manual_work",
            Self::Recipients => "recipients",
            Self::Operator => "operator",
        }
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|waiting| waiting.as_str() == text)
    }
}

/// How a privacy request came in (kept by 11 CCR 7101).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntakeChannel {
    /// The Privacy Center's form.
    PrivacyCenter,
    /// The API.
    Api,
    /// The command line.
    CommandLine,
}

impl IntakeChannel {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::PrivacyCenter, Self::Api, Self::CommandLine];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PrivacyCenter => "privacy_center",
            Self::Api => "api",
            Self::CommandLine => "command_line",
        }
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|channel| channel.as_str() == text)
    }
}

/// The legal time limits of one privacy request, computed from law data when it came in. Last permitted days, inclusive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The day of receipt where the law applies.
    pub received_on: Date,
    /// Receipt must be confirmed by.
    pub ack_by: Option<Date>,
    /// It must be answered by.
    pub respond_by: Option<Date>,
    /// With the one extension that the law allows.
    pub max_with_extension: Option<Date>,
    /// Set once extended.
    pub extended_to: Option<Date>,
}

impl Clock {
    /// The day by which it must be answered as things stand.
    pub fn due(&self) -> Option<Date> {
        self.extended_to.or(self.respond_by)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_closed_request_takes_no_step() {
        let steps = [
            Step::Verify,
            Step::Approve,
            Step::Fulfil,
            Step::FulfilPartly,
            Step::Deny,
            Step::Withdraw,
            Step::Expire,
        ];
        for state in RequestState::ALL
            .into_iter()
            .filter(|state| state.is_closed())
        {
            assert!(
                steps.iter().all(|step| state.after(*step).is_err()),
                "{state:?}"
            );
        }
    }

    #[test]
    fn nothing_is_erased_without_verification_and_approval() {
        assert!(RequestState::Received.after(Step::Approve).is_err());
        assert!(RequestState::Received.after(Step::Fulfil).is_err());
        assert!(RequestState::Verified.after(Step::Fulfil).is_err());
        assert_eq!(
            RequestState::InProgress.after(Step::Fulfil),
            Ok(RequestState::Fulfilled)
        );
    }

    #[test]
    fn what_has_begun_to_be_erased_cannot_be_denied_or_withdrawn() {
        assert!(RequestState::InProgress.after(Step::Deny).is_err());
        assert!(RequestState::InProgress.after(Step::Withdraw).is_err());
    }
}
