//! A choice as callers send it.

use std::collections::BTreeSet;

use domain::audit::Hash;
use domain::consent::{AttributeKey, By, GuardianProof, How, Matter, Party, Scope, Steps};
use domain::data_map::{IdentifierKind, RecipientKey};
use domain::notice::{NoticeKey, Way};
use domain::purpose_of_use::UseKind;
use domain::sensitive::Sensitive;
use governance::consent::{MOST_CHOICES, NewChoice, Recorded, Said, ShownNotice, Yes};
use governance::{Privity, Problem};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::party::{Named, PartyId};

/// A choice to be recorded.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewConsent {
    /// Your own id of this choice, best a UUID: sent again with it, it is recorded once, for good.
    id: Option<String>,
    /// For whom it holds.
    party: PartyId,
    /// The purpose that it is about; leave it out to say no to everything of a sort, with `every`.
    purpose: Option<String>,
    /// For a no only: every purpose with one of these uses: `sale`, `sharing`, `targeted_advertising`, `sensitive`, `incentive`.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    every: BTreeSet<UseKind>,
    /// Only for this recipient of the data map.
    recipient: Option<String>,
    /// Only for these attributes of the profile.
    #[serde(default)]
    attributes: BTreeSet<String>,
    /// What was chosen: `given`, `opted_in_again`, `refused` (when asked), `withdrawn`, or `opted_out` (without having been asked).
    #[schema(value_type = String)]
    choice: ChoiceWord,
    /// What was shown. A yes needs it.
    shown: Option<ShownBody>,
    /// For a yes: whether it was said in `one` step, or said and then confirmed separately in `two`.
    #[serde(default = "one")]
    #[schema(value_type = String)]
    steps: Steps,
    /// For a yes of a known subject: the device whose signal she was told of when she said it (11 CCR 7025(c)(3)).
    #[schema(value_type = Option<String>)]
    despite_signal_of: Option<Sensitive<String>>,
    /// For a yes: when it ends, if earlier than the purpose says.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires: Option<Timestamp>,
    /// Who chose: `subject` (if left out), `guardian` or `agent`.
    #[serde(default)]
    #[schema(value_type = String)]
    by: ByWord,
    /// How the guardian was shown to be one: `signed_form`, `card_payment`, `call`, `video`, `in_person`, `government_id`.
    #[schema(value_type = Option<String>)]
    guardian_proof: Option<GuardianProof>,
    /// Whether the agent holds a power of attorney.
    #[serde(default)]
    power_of_attorney: bool,
    /// How it reached the business: `web`, `app`, `email`, `phone`, `paper`, `in_person`, `device`, `api` (if left out), or `imported` for what comes
    /// with data from elsewhere.
    #[serde(default)]
    #[schema(value_type = String)]
    how: HowWord,
    /// Where: the key of a site, an app or a desk, e.g. `shop_checkout`.
    place: String,
    /// When it was made; now, if left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// The law that protects her, e.g. `ccpa`; the business's default otherwise.
    law: Option<String>,
}

/// The notice that was shown.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShownBody {
    /// Its key.
    notice: String,
    /// Its version.
    version: u32,
    /// The language that it was shown in.
    language: String,
    /// SHA-256 of the text, as `/choices.json` told it. Left out, you vouch for having shown the published text.
    #[schema(value_type = Option<String>)]
    digest: Option<Hash>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ChoiceWord {
    Given,
    OptedInAgain,
    Refused,
    Withdrawn,
    OptedOut,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ByWord {
    #[default]
    Subject,
    Guardian,
    Agent,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HowWord {
    Web,
    App,
    Email,
    Phone,
    Paper,
    InPerson,
    Device,
    #[default]
    Api,
    Imported,
}

const fn one() -> Steps {
    Steps::One
}

/// Identifiers that are nobody's yet.
pub(super) type Unclaimed = Vec<(IdentifierKind, Sensitive<String>)>;

/// Choices read, with their positions.
pub(super) struct ReadMany {
    pub(super) choices: Vec<(usize, NewChoice)>,
    /// What can't be read.
    pub(super) refused: Vec<(usize, Recorded)>,
    pub(super) unclaimed: Unclaimed,
}

/// Reads many choices. What can't be read is refused by its position; the rest goes on.
///
/// # Errors
/// There are too many; our database doesn't answer.
pub(super) async fn read_many(p: &Privity, items: &[Box<RawValue>]) -> Result<ReadMany, Problem> {
    if items.len() > MOST_CHOICES {
        return Err(Problem::new(
            "too_many_choices",
            413,
            format!("at most {MOST_CHOICES} choices fit in one call; send the others in another"),
        ));
    }
    let (mut read, mut refused) = (Vec::with_capacity(items.len()), Vec::new());
    for (position, item) in items.iter().enumerate() {
        match read_one(p, item) {
            Ok((consent, named)) => read.push((position, consent, named)),
            Err(problem) => refused.push((position, Recorded::Refused(problem))),
        }
    }
    let (parties, unclaimed) = look_up(p, &read).await?;
    let mut choices = Vec::with_capacity(read.len());
    for ((position, consent, _), party) in read.into_iter().zip(parties) {
        match consent.choice(p, party) {
            Ok(choice) => choices.push((position, choice)),
            Err(problem) => refused.push((position, Recorded::Refused(problem))),
        }
    }
    Ok(ReadMany {
        choices,
        refused,
        unclaimed,
    })
}

fn read_one(p: &Privity, item: &RawValue) -> Result<(NewConsent, Named), Problem> {
    let read: NewConsent = serde_json::from_str(item.get()).map_err(|_| {
        Problem::new(
            "unreadable",
            400,
            "this choice has a field that is unknown, missing or of another type; compare it with /openapi.json",
        )
    })?;
    let named = read.party.named(p)?;
    Ok((read, named))
}

/// All parties at once: those that are named by identifiers are looked up together.
async fn look_up(
    p: &Privity,
    read: &[(usize, NewConsent, Named)],
) -> Result<(Vec<Party>, Unclaimed), Problem> {
    let identifiers = read.iter().filter_map(|(_, _, named)| match named {
        Named::Identifier(kind, value) => Some((kind.clone(), value.clone())),
        Named::Party(_) => None,
    });
    let identifiers: Vec<_> = identifiers.collect();
    let found = p.parties_of(&identifiers).await?;
    let unclaimed = identifiers.into_iter().zip(&found);
    let unclaimed = unclaimed.filter(|(_, party)| !matches!(party, Party::Subject(_)));
    let unclaimed = unclaimed.map(|(identifier, _)| identifier).collect();
    let mut found = found.into_iter();
    let party = |(_, _, named): &(usize, NewConsent, Named)| match named {
        Named::Party(party) => Some(party.clone()),
        Named::Identifier(..) => found.next(),
    };
    Ok((read.iter().filter_map(party).collect(), unclaimed))
}

impl NewConsent {
    /// The choice that it says.
    ///
    /// # Errors
    /// Something in it contradicts something else, or is missing; our database doesn't answer.
    pub(super) async fn look_up(self, p: &Privity) -> Result<(NewChoice, Unclaimed), Problem> {
        let named = self.party.named(p)?;
        let one = [(0, self, named)];
        let (mut parties, unclaimed) = look_up(p, &one).await?;
        let [(_, consent, _)] = one;
        let party = parties.pop().ok_or_else(crate::failure::unexpected)?;
        Ok((consent.choice(p, party)?, unclaimed))
    }

    fn choice(self, p: &Privity, party: Party) -> Result<NewChoice, Problem> {
        Ok(NewChoice {
            scope: self.scope()?,
            said: self.said(p)?,
            by: self.by(),
            how: self.how(),
            id: self.id,
            party,
            place: self.place,
            at: self.at,
            law: self.law,
        })
    }

    fn scope(&self) -> Result<Scope, Problem> {
        let of = match (&self.purpose, self.every.is_empty()) {
            (Some(purpose), true) => Matter::Purpose(purpose.as_str().into()),
            (None, false) => Matter::Every(self.every.clone()),
            _ => {
                return Err(Problem::invalid(
                    "purpose",
                    "name a `purpose`, or for a no `every` use that it is about; not both",
                ));
            }
        };
        let attributes = self.attributes.iter();
        Ok(Scope {
            of,
            recipient: self.recipient.as_deref().map(RecipientKey::from),
            attributes: attributes
                .map(|key| AttributeKey::from(key.as_str()))
                .collect(),
        })
    }

    fn said(&self, p: &Privity) -> Result<Said, Problem> {
        let shown = self.shown.as_ref().map(|shown| ShownNotice {
            notice: NoticeKey::from(shown.notice.as_str()),
            version: shown.version,
            language: shown.language.clone(),
            digest: shown.digest,
        });
        let despite = self.despite_signal_of.as_ref();
        let yes = |shown: Option<ShownNotice>| {
            let shown = shown.ok_or_else(|| {
                Problem::invalid(
                    "shown",
                    "a consent rests on what was shown; send the notice's key, version and language",
                )
            })?;
            Ok::<_, Problem>(Yes {
                shown,
                steps: self.steps,
                despite_signal_of: despite.map(|device| p.device_tag(device)),
                expires: self.expires,
            })
        };
        Ok(match self.choice {
            ChoiceWord::Given => Said::Given(yes(shown)?),
            ChoiceWord::OptedInAgain => Said::OptedInAgain(yes(shown)?),
            ChoiceWord::Refused => Said::Refused(shown),
            ChoiceWord::Withdrawn => Said::Withdrawn(shown),
            ChoiceWord::OptedOut => Said::OptedOut(shown),
        })
    }

    const fn by(&self) -> By {
        match self.by {
            ByWord::Subject => By::Subject,
            ByWord::Guardian => By::Guardian {
                proof: self.guardian_proof,
            },
            ByWord::Agent => By::Agent {
                power_of_attorney: self.power_of_attorney,
            },
        }
    }

    const fn how(&self) -> How {
        match self.how {
            HowWord::Web => How::Told(Way::Web),
            HowWord::App => How::Told(Way::App),
            HowWord::Email => How::Told(Way::Email),
            HowWord::Phone => How::Told(Way::Phone),
            HowWord::Paper => How::Told(Way::Paper),
            HowWord::InPerson => How::Told(Way::InPerson),
            HowWord::Device => How::Told(Way::Device),
            HowWord::Api => How::Api,
            HowWord::Imported => How::Imported,
        }
    }
}
