//! A choice's record for others to read: ISO/IEC TS 27560 with DPV terms, or a Kantara receipt; and an operator's look at what somebody
//! chose. Every export and every look is in the audit log.
//!
//! Law: GDPR Art. 7(1) and 11 CCR 7101 (a business shows what was chosen, when, how and on which words).

use domain::audit::{Action, Actor, NewRecord};
use domain::consent::{ConsentEvent, ConsentId, Matter, Party, Question};
use domain::data_map::RecipientKey;
use domain::purpose_of_use::{PurposeKey, PurposeOfUse};
use domain::receipt::{self, LegalEntity, RECORD_PROFILE};
use serde_json::Value;

use super::{Asked, Ground, History, PurposeStanding};
use crate::{Privity, Problem};

/// In which form a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordForm {
    /// ISO/IEC TS 27560 in JSON-LD.
    Iso27560,
    /// Kantara Consent Receipt 1.1; only a yes has one.
    Kantara,
}

impl RecordForm {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Iso27560 => "iso27560",
            Self::Kantara => "kantara",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Iso27560, Self::Kantara]
            .into_iter()
            .find(|form| form.as_str() == text)
    }
}

/// Which record is wanted.
#[derive(Clone, Debug)]
pub struct WantedRecord {
    /// In which form.
    pub form: RecordForm,
    /// In which language; the business's own, if nothing is said.
    pub language: Option<String>,
    /// For a no to everything of a sort: of which purpose the record speaks.
    pub purpose: Option<PurposeKey>,
    /// The law that protects the subject; the business's own, if nothing is said.
    pub law: Option<String>,
}

impl Privity {
    /// The record of one choice as JSON.
    ///
    /// # Errors
    /// No such choice; the form has no record of it; an unknown law; our database doesn't answer.
    pub async fn consent_record(
        &self,
        id: ConsentId,
        wanted: &WantedRecord,
        by: Actor,
    ) -> Result<Value, Problem> {
        let found = self
            .read("read consent", move |tx| {
                Ok(storage::consent::get_many(tx, &[id])?)
            })
            .await?;
        let stored = found.into_iter().next();
        let event = stored.ok_or_else(|| Problem::not_found("choice"))?.event;
        let desk = self.desk(&event.party, wanted).await?;
        let purpose = self.purpose_of(&event, wanted.purpose.as_ref())?;
        let record = desk.write(&event, purpose)?.ok_or_else(|| {
            Problem::conflict(
                "a Kantara receipt is written for a consent only; take `form=iso27560`",
            )
        })?;
        self.append(vec![self.exported(&[id], wanted, by)]).await?;
        Ok(record)
    }

    /// The records of everything that a party chose, oldest first; of a no to everything of a sort one for each of its purposes.
    ///
    /// # Errors
    /// An unknown law; our database doesn't answer.
    pub async fn consent_records(
        &self,
        party: &Party,
        wanted: &WantedRecord,
        by: Actor,
    ) -> Result<Vec<Value>, Problem> {
        let desk = self.desk(party, wanted).await?;
        let mut records = Vec::new();
        let mut ids = Vec::new();
        for stored in &desk.history.own {
            for purpose in self.purposes_of(&stored.event) {
                records.extend(desk.write(&stored.event, purpose)?);
            }
            ids.push(stored.event.id);
        }
        self.append(vec![self.exported(&ids, wanted, by)]).await?;
        Ok(records)
    }

    /// How every purpose stands for a party, and all that it chose, for an operator to look at. That she looked is recorded first.
    ///
    /// # Errors
    /// Our database doesn't answer; nothing is shown then.
    pub async fn look_at_consents(
        &self,
        party: &Party,
        by: Actor,
    ) -> Result<(Vec<PurposeStanding>, History), Problem> {
        let asked = Asked::of(party.clone());
        let (standings, history) = (
            self.standings(&asked).await?,
            self.consent_history(&asked).await?,
        );
        let linked = history.linked.values().flatten();
        let shown = history.own.iter().chain(linked);
        let ids: Vec<_> = shown.map(|stored| stored.event.id).collect();
        let mut record = self.of_consents(Action::ConsentShown, &ids, by);
        if let Party::Subject(subject) = party {
            record = record.with("subject", subject.to_string());
        }
        self.append(vec![record]).await?;
        Ok((standings, history))
    }

    fn exported(&self, ids: &[ConsentId], wanted: &WantedRecord, by: Actor) -> NewRecord {
        self.of_consents(Action::ConsentExported, ids, by)
            .with("form", wanted.form.as_str())
    }

    /// Ids only; with many, their number.
    fn of_consents(&self, action: Action, ids: &[ConsentId], by: Actor) -> NewRecord {
        const NAMED: usize = 500;
        let named = ids.iter().take(NAMED).map(|id| Value::from(id.to_string()));
        NewRecord::new(self.now(), by, action)
            .with("count", ids.len())
            .with("consents", named.collect::<Vec<_>>())
    }

    fn purposes_of(&self, event: &ConsentEvent) -> Vec<&PurposeOfUse> {
        let is_about = |purpose: &&PurposeOfUse| match &event.scope.of {
            Matter::Purpose(key) => purpose.key == *key,
            Matter::Every(kinds) => !kinds.is_disjoint(&purpose.uses),
        };
        self.purposes().iter().filter(is_about).collect()
    }

    fn purpose_of(
        &self,
        event: &ConsentEvent,
        named: Option<&PurposeKey>,
    ) -> Result<&PurposeOfUse, Problem> {
        let mut all = self.purposes_of(event);
        all.retain(|purpose| named.is_none_or(|named| *named == purpose.key));
        match all.as_slice() {
            [purpose] => Ok(purpose),
            [] => Err(Problem::conflict(
                "this choice is about no purpose that is declared today; declare it again to get its record",
            )),
            _ => Err(Problem {
                field: Some("purpose"),
                ..Problem::conflict(
                    "this choice is about every purpose of a sort; name one with `purpose`",
                )
            }),
        }
    }

    async fn desk(&self, party: &Party, wanted: &WantedRecord) -> Result<Desk<'_>, Problem> {
        let ground = self.ground(wanted.law.as_deref(), self.now())?;
        let history = self.consent_history(&Asked::of(party.clone())).await?;
        let age = self.age_for(party, &history, &ground, self.purposes().iter());
        let age = age.await?;
        let law = wanted.law.as_deref();
        let law = law.unwrap_or(&self.settings().business.default_law);
        let law = self.law().law(law);
        let language = wanted.language.clone();
        Ok(Desk {
            p: self,
            form: wanted.form,
            language: language.unwrap_or_else(|| self.settings().business.language.clone()),
            history,
            jurisdiction: law.map(|law| law.jurisdiction.clone()).unwrap_or_default(),
            business: self.business(),
            ground,
            age,
        })
    }

    fn business(&self) -> receipt::Business {
        let settings = self.settings();
        let business = &settings.business;
        let contact = business.privacy_contact.clone().unwrap_or_default();
        let page = |path: &str| format!("{}{path}", settings.base_url);
        receipt::Business {
            entity: LegalEntity {
                id: business.website.clone().unwrap_or_else(|| page("")),
                name: business.name.clone(),
                address: business.postal_address.clone().unwrap_or_default(),
                contact: format!("Privacy, {}", business.name),
                email: if contact.contains('@') {
                    contact
                } else {
                    String::new()
                },
                phone: business.toll_free_number.clone().unwrap_or_default(),
                url: business.website.clone().unwrap_or_else(|| page("")),
            },
            policy_url: business.privacy_policy.clone().unwrap_or_default(),
            withdraw_url: page("/choices"),
            storage_locations: business.data_locations.clone(),
            service: business.name.clone(),
        }
    }

    /// A recipient as the data map knows it. How it is reached stays between the business and it.
    fn entity(&self, key: &RecipientKey) -> LegalEntity {
        let title = self
            .map()
            .recipients
            .get(key)
            .map(|known| known.title.clone());
        LegalEntity {
            id: key.to_string(),
            name: title.unwrap_or_else(|| key.to_string()),
            address: String::new(),
            contact: String::new(),
            email: String::new(),
            phone: String::new(),
            url: String::new(),
        }
    }
}

/// Everything that the records of one party rest on.
struct Desk<'p> {
    p: &'p Privity,
    form: RecordForm,
    language: String,
    history: History,
    jurisdiction: String,
    business: receipt::Business,
    ground: Ground,
    age: domain::consent::Age,
}

impl Desk<'_> {
    /// One record; none where the form has none.
    fn write(
        &self,
        event: &ConsentEvent,
        purpose: &PurposeOfUse,
    ) -> Result<Option<Value>, Problem> {
        let question = Question {
            purpose,
            recipient: event.scope.recipient.as_ref(),
            attribute: event.scope.attributes.first(),
        };
        let facts = self.ground.facts(self.age);
        let standing = self.history.standing(&question, self.ground.on, &facts);
        let named = event.scope.recipient.iter().collect::<Vec<_>>();
        let all = purpose.recipients.iter().collect::<Vec<_>>();
        let keys = if named.is_empty() { all } else { named };
        let recipients: Vec<_> = keys.into_iter().map(|key| self.p.entity(key)).collect();
        let months = purpose.consent_lasts_months;
        let retention = months.map_or_else(
            || "until withdrawn".to_owned(),
            |months| format!("P{months}M"),
        );
        let recorded = receipt::Recorded {
            event,
            standing: &standing,
            purpose,
            business: &self.business,
            recipients: &recipients,
            retention: &retention,
            jurisdiction: &self.jurisdiction,
            language: &self.language,
        };
        let written = match self.form {
            RecordForm::Iso27560 => {
                serde_json::to_value(receipt::iso_27560(&recorded, RECORD_PROFILE)).map(Some)
            }
            RecordForm::Kantara => receipt::kantara(&recorded)
                .map(serde_json::to_value)
                .transpose(),
        };
        written.map_err(|error| Problem::internal("writing a record", &error))
    }
}
