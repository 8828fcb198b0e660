//! How purposes stand for somebody and what she chose, as answers tell it.

use domain::consent::{By, Conflict, Matter, Party, Standing};
use domain::signal::Signal;
use governance::consent::{History, PurposeStanding, StoredConsent};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::party::PartyView;

/// How purposes stand for somebody, and what she chose.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct ConsentState {
    /// Of whom it is told.
    party: PartyView,
    /// Every purpose that the business declares, by key.
    purposes: Vec<PurposeState>,
    /// What she chose, oldest first, and what was chosen under devices, pseudonyms and subjects that are linked to her. Of the latter a no counts, a yes doesn't.
    choices: Vec<ChosenConsent>,
}

/// How a purpose stands.
#[derive(Serialize, ToSchema)]
struct PurposeState {
    /// Its key.
    purpose: String,
    #[serde(flatten)]
    state: State,
    /// How it stands for each recipient.
    recipients: Vec<RecipientState>,
}

/// How a purpose stands for a recipient.
#[derive(Serialize, ToSchema)]
struct RecipientState {
    /// Its key.
    recipient: String,
    #[serde(flatten)]
    state: State,
}

/// An answer and its ground.
#[derive(Serialize, ToSchema)]
struct State {
    /// Whether the data may be used.
    allowed: bool,
    /// Why, in one word, e.g. `consented`, `not_opted_out`, `withdrawn`, `signal`, `expired`.
    reason: &'static str,
    /// Where that stands, e.g. `Civ. Code 1798.120(a)`; absent where only the business's own word is behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    citation: Option<String>,
    /// When the choice was made that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Until when it stands at least, if nothing new is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// While a no stands: the first day on which she may be asked again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    may_ask_again_from: Option<Date>,
    /// When only a signal stands against it: `earlier_consent` or `incentive`, of which she may be told at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict: Option<&'static str>,
}

/// A choice that was made.
#[derive(Serialize, ToSchema)]
struct ChosenConsent {
    /// Its id, `cns_…`.
    id: String,
    /// Under which id it was made.
    party: PartyView,
    /// The purpose; absent for a no to everything of a sort.
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<String>,
    /// The uses that a no is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    every: Vec<Value>,
    /// Only for this recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<String>,
    /// Only for these attributes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<String>,
    /// What was chosen.
    choice: &'static str,
    /// What was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    shown: Option<ShownView>,
    /// Who chose: `subject`, `guardian`, `agent` or `signal`.
    by: &'static str,
    /// Which signal: `gpc`, or `gpp` and the section.
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<String>,
    /// Where.
    place: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// When it reached us.
    #[schema(value_type = String, format = DateTime)]
    recorded_at: Timestamp,
}

/// The notice that was shown.
#[derive(Serialize, ToSchema)]
struct ShownView {
    /// Its key.
    notice: String,
    /// Its version.
    version: u32,
    /// The language.
    language: String,
    /// SHA-256 of the text.
    digest: String,
}

impl ConsentState {
    pub(super) fn of(party: &Party, standings: Vec<PurposeStanding>, history: &History) -> Self {
        let mut choices: Vec<_> = history
            .own
            .iter()
            .chain(history.linked.values().flatten())
            .collect();
        choices.sort_by_key(|stored| (stored.event.at, stored.event.id));
        Self {
            party: PartyView::of(party),
            purposes: standings.into_iter().map(PurposeState::of).collect(),
            choices: choices.into_iter().map(ChosenConsent::of).collect(),
        }
    }
}

impl PurposeState {
    fn of(standing: PurposeStanding) -> Self {
        let of_recipient = |one: governance::consent::RecipientStanding| RecipientState {
            recipient: one.recipient.to_string(),
            state: State::of(&one.standing, one.citation),
        };
        Self {
            purpose: standing.purpose.to_string(),
            state: State::of(&standing.standing, standing.citation),
            recipients: standing.recipients.into_iter().map(of_recipient).collect(),
        }
    }
}

impl State {
    fn of(standing: &Standing, citation: Option<String>) -> Self {
        Self {
            allowed: standing.allowed,
            reason: standing.reason.as_str(),
            citation,
            since: standing.since,
            until: standing.until,
            may_ask_again_from: standing.may_ask_again.as_ref().map(|again| again.from),
            conflict: standing.conflict.map(|conflict| match conflict {
                Conflict::EarlierConsent => "earlier_consent",
                Conflict::Incentive => "incentive",
            }),
        }
    }
}

impl ChosenConsent {
    fn of(stored: &StoredConsent) -> Self {
        let event = &stored.event;
        let (purpose, every) = match &event.scope.of {
            Matter::Purpose(key) => (Some(key.to_string()), Vec::new()),
            Matter::Every(kinds) => {
                let words = kinds
                    .iter()
                    .filter_map(|kind| serde_json::to_value(kind).ok());
                (None, words.collect())
            }
        };
        let (by, signal) = match &event.by {
            By::Subject => ("subject", None),
            By::Guardian { .. } => ("guardian", None),
            By::Agent { .. } => ("agent", None),
            By::Signal { signal, .. } => ("signal", Some(name(signal))),
        };
        Self {
            id: event.id.to_string(),
            party: PartyView::of(&event.party),
            purpose,
            every,
            recipient: event.scope.recipient.as_ref().map(ToString::to_string),
            attributes: event
                .scope
                .attributes
                .iter()
                .map(|key| key.as_ref().to_owned())
                .collect(),
            choice: event.act.as_str(),
            shown: event.act.shown().map(|shown| ShownView {
                notice: shown.notice.to_string(),
                version: shown.version,
                language: shown.language.clone(),
                digest: shown.digest.to_string(),
            }),
            by,
            signal,
            place: event.place.clone(),
            at: event.at,
            recorded_at: stored.recorded_at,
        }
    }
}

fn name(signal: &Signal) -> String {
    match signal {
        Signal::Gpc => "gpc".to_owned(),
        Signal::Gpp { section, .. } => format!("gpp/{section}"),
    }
}
