//! What an audit record says was done. The texts are stored for years: never change one, only add.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What was done. Text form: snake case, e.g. `request_received`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A privacy request came in.
    RequestReceived,
    /// The subject was told that it came in.
    Acknowledged,
    /// A code was sent to prove who asks.
    CodeSent,
    /// A wrong, used or expired code was refused.
    CodeRefused,
    /// The subject proved who they are.
    Verified,
    /// The time to verify ran out, or nobody answered.
    VerificationExpired,
    /// A source system was searched.
    Located,
    /// The plan was made: what goes, what stays and why.
    PlanMade,
    /// An operator or a rule approved the plan.
    Approved,
    /// A privacy request was denied, with its reason code.
    Denied,
    /// A decision let named attributes out to a named recipient; written before they leave.
    Disclosed,
    /// Attributes were listed for the records that name them by their hash.
    AttributesNamed,
    /// A decision withheld everything.
    DisclosureDenied,
    /// Rows of a source system were erased or redacted.
    Erased,
    /// A collection was read again and nothing was found.
    Confirmed,
    /// A collection was read again and something was found.
    ResidueFound,
    /// A recipient was told.
    OutreachSent,
    /// A recipient answered.
    OutreachAnswered,
    /// A recipient refused, or the channel did.
    OutreachRefused,
    /// A recipient was reminded.
    OutreachReminded,
    /// A recipient did not answer in time and an operator was told.
    OutreachEscalated,
    /// The access package was made.
    PackageMade,
    /// The subject fetched the access package.
    PackageFetched,
    /// The access package was destroyed because its time was over.
    PackageExpired,
    /// A mail went to the subject.
    SubjectTold,
    /// A task cannot go on by itself.
    TaskStuck,
    /// An operator let a stuck task try again.
    TaskRetried,
    /// An operator attached evidence of work done by hand.
    EvidenceAttached,
    /// A clock was extended and the subject told why.
    Extended,
    /// The subject withdrew the privacy request.
    Withdrawn,
    /// A privacy request reached its end.
    RequestClosed,
    /// The subject opted out of sale and sharing.
    OptedOut,
    /// An identifier went on the suppression list.
    Suppressed,
    /// The key of a privacy request was destroyed; what it sealed cannot be read any more.
    KeyDestroyed,
    /// The tree's root was signed.
    Checkpoint,
    /// An operator was added.
    OperatorAdded,
    /// An operator was removed.
    OperatorRemoved,
    /// An operator signed in.
    OperatorSignedIn,
    /// A sign-in was refused.
    SignInRefused,
    /// The data map was changed.
    DataMapChanged,
    /// A legal hold was placed.
    LegalHoldPlaced,
    /// A legal hold was lifted.
    LegalHoldLifted,
    /// Evidence was exported.
    EvidenceExported,
    /// Profiles were filled: by an import, a synchronisation or an application; with counts and a hash.
    ProfilesWritten,
    /// The keys of a subject's records were destroyed and her identifiers forgotten.
    ProfileErased,
    /// Two subjects turned out to be one.
    SubjectsMerged,
    /// A merge was taken apart again.
    MergeSplit,
    /// An operator said that two subjects are two.
    KeptApart,
    /// An operator looked at a question about who is who, and left it as it is.
    IdentityReviewed,
    /// A subject's choice was recorded, with the notice that was shown.
    ConsentRecorded,
    /// A version of the policies was published.
    PoliciesPublished,
    /// A version of the policies began to decide, or a moment was set at which it will.
    PoliciesActivated,
    /// A version of the policies began, or ended, to decide beside the active one.
    PoliciesShadowed,
    /// Somebody asked why a decision about a subject is as it is.
    DecisionExplained,
    /// An opt-out preference signal was honoured.
    SignalHonoured,
    /// Staff were shown that somebody is a child's parent or guardian.
    GuardianConfirmed,
    /// Records of consent were exported.
    ConsentExported,
    /// An operator looked at what somebody chose.
    ConsentShown,
    /// An operator looked at who has what of a subject.
    LedgerShown,
    /// The ledger of disclosures was taken away as a file.
    LedgerExported,
    /// A new key was made and waits.
    KeyAdded,
    /// A key that waited is the present one.
    KeyPromoted,
    /// Keys were wrapped, or identifiers tagged, under the present key.
    KeysRewrapped,
    /// An old key was destroyed; what only it opened is gone, in backups too.
    OldKeyDestroyed,
    /// The key file opens with a key service from now on.
    KeyFileProtected,
    /// The key file opens by itself from now on.
    KeyFileUnprotected,
    /// Decisions were asked for without data: who might have what of a subject.
    DisclosureEvaluated,
    /// A recipient got a credential.
    CredentialAdded,
    /// A recipient's credential was revoked.
    CredentialRevoked,
    /// A recipient asked about more subjects than it may in a minute; once for each minute in which it did.
    RecipientStopped,
}

/// A text that is no action of this version.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is not an action that this version of privity knows; use the version that wrote the record, or a newer one"
)]
pub struct UnknownAction(String);

impl Action {
    /// Every action, for lists and for reading texts back.
    pub const ALL: [Self; 70] = [
        Self::RequestReceived,
        Self::Acknowledged,
        Self::CodeSent,
        Self::CodeRefused,
        Self::Verified,
        Self::VerificationExpired,
        Self::Located,
        Self::PlanMade,
        Self::Approved,
        Self::Denied,
        Self::Disclosed,
        Self::DisclosureDenied,
        Self::Erased,
        Self::Confirmed,
        Self::ResidueFound,
        Self::OutreachSent,
        Self::OutreachAnswered,
        Self::OutreachRefused,
        Self::OutreachReminded,
        Self::OutreachEscalated,
        Self::PackageMade,
        Self::PackageFetched,
        Self::PackageExpired,
        Self::SubjectTold,
        Self::TaskStuck,
        Self::TaskRetried,
        Self::EvidenceAttached,
        Self::Extended,
        Self::Withdrawn,
        Self::RequestClosed,
        Self::OptedOut,
        Self::Suppressed,
        Self::KeyDestroyed,
        Self::Checkpoint,
        Self::OperatorAdded,
        Self::OperatorRemoved,
        Self::OperatorSignedIn,
        Self::SignInRefused,
        Self::DataMapChanged,
        Self::LegalHoldPlaced,
        Self::LegalHoldLifted,
        Self::EvidenceExported,
        Self::ProfilesWritten,
        Self::ProfileErased,
        Self::SubjectsMerged,
        Self::MergeSplit,
        Self::KeptApart,
        Self::IdentityReviewed,
        Self::ConsentRecorded,
        Self::PoliciesPublished,
        Self::PoliciesActivated,
        Self::PoliciesShadowed,
        Self::DecisionExplained,
        Self::SignalHonoured,
        Self::GuardianConfirmed,
        Self::ConsentExported,
        Self::ConsentShown,
        Self::LedgerShown,
        Self::LedgerExported,
        Self::KeyAdded,
        Self::KeyPromoted,
        Self::KeysRewrapped,
        Self::OldKeyDestroyed,
        Self::KeyFileProtected,
        Self::KeyFileUnprotected,
        Self::AttributesNamed,
        Self::DisclosureEvaluated,
        Self::CredentialAdded,
        Self::CredentialRevoked,
        Self::RecipientStopped,
    ];

    /// The stable text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::RequestReceived => "request_received",
            Self::Acknowledged => "acknowledged",
            Self::CodeSent => "code_sent",
            Self::CodeRefused => "code_refused",
            Self::Verified => "verified",
            Self::VerificationExpired => "verification_expired",
            Self::Located => "located",
            Self::PlanMade => "plan_made",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Disclosed => "disclosed",
            Self::AttributesNamed => "attributes_named",
            Self::DisclosureDenied => "disclosure_denied",
            Self::Erased => "erased",
            Self::Confirmed => "confirmed",
            Self::ResidueFound => "residue_found",
            Self::OutreachSent => "outreach_sent",
            Self::OutreachAnswered => "outreach_answered",
            Self::OutreachRefused => "outreach_refused",
            Self::OutreachReminded => "outreach_reminded",
            Self::OutreachEscalated => "outreach_escalated",
            Self::PackageMade => "package_made",
            Self::PackageFetched => "package_fetched",
            Self::PackageExpired => "package_expired",
            Self::SubjectTold => "subject_told",
            Self::TaskStuck => "task_stuck",
            Self::TaskRetried => "task_retried",
            Self::EvidenceAttached => "evidence_attached",
            Self::Extended => "extended",
            Self::Withdrawn => "withdrawn",
            Self::RequestClosed => "request_closed",
            Self::OptedOut => "opted_out",
            Self::Suppressed => "suppressed",
            Self::KeyDestroyed => "key_destroyed",
            Self::Checkpoint => "checkpoint",
            Self::OperatorAdded => "operator_added",
            Self::OperatorRemoved => "operator_removed",
            Self::OperatorSignedIn => "operator_signed_in",
            Self::SignInRefused => "sign_in_refused",
            Self::DataMapChanged => "data_map_changed",
            Self::LegalHoldPlaced => "legal_hold_placed",
            Self::LegalHoldLifted => "legal_hold_lifted",
            Self::EvidenceExported => "evidence_exported",
            Self::ProfilesWritten => "profiles_written",
            Self::ProfileErased => "profile_erased",
            Self::SubjectsMerged => "subjects_merged",
            Self::MergeSplit => "merge_split",
            Self::KeptApart => "kept_apart",
            Self::IdentityReviewed => "identity_reviewed",
            Self::ConsentRecorded => "consent_recorded",
            Self::PoliciesPublished => "policies_published",
            Self::PoliciesActivated => "policies_activated",
            Self::PoliciesShadowed => "policies_shadowed",
            Self::DecisionExplained => "decision_explained",
            Self::SignalHonoured => "signal_honoured",
            Self::GuardianConfirmed => "guardian_confirmed",
            Self::ConsentExported => "consent_exported",
            Self::ConsentShown => "consent_shown",
            Self::LedgerShown => "ledger_shown",
            Self::LedgerExported => "ledger_exported",
            Self::KeyAdded => "key_added",
            Self::KeyPromoted => "key_promoted",
            Self::KeysRewrapped => "keys_rewrapped",
            Self::OldKeyDestroyed => "old_key_destroyed",
            Self::KeyFileProtected => "key_file_protected",
            Self::KeyFileUnprotected => "key_file_unprotected",
            Self::DisclosureEvaluated => "disclosure_evaluated",
            Self::CredentialAdded => "credential_added",
            Self::CredentialRevoked => "credential_revoked",
            Self::RecipientStopped => "recipient_stopped",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        Self::ALL
            .into_iter()
            .find(|action| action.text() == text)
            .ok_or_else(|| UnknownAction(text.to_owned()))
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_action_reads_back_and_no_two_share_a_text() {
        let texts: BTreeSet<_> = Action::ALL.into_iter().map(Action::text).collect();
        assert_eq!(texts.len(), Action::ALL.len());
        for action in Action::ALL {
            assert_eq!(action.text().parse(), Ok(action));
        }
        assert!("made_coffee".parse::<Action>().is_err());
    }
}
