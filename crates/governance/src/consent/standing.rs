//! What a party's history allows, read when somebody asks: her own choices, and the noes that were said under whatever is linked to her.
//!
//! A no goes along links: from a device to its pseudonyms and subjects, as the law has it, and from a subject to the devices and pseudonyms that are known
//! to be hers. A yes doesn't: what an unknown visitor agreed to says nothing about a known subject. It only lifts what was said under the same
//! device or pseudonym. Links are read with the history, so that a link that is made later carries every earlier no over.
//! Law: 11 CCR 7025(c)(1), (c)(7).

use std::collections::{BTreeMap, BTreeSet};

use domain::consent::{
    AttributeKey, ConsentEvent, Facts, Party, Question, Reason, Standing, Tag, standing,
};
use domain::data_map::RecipientKey;
use domain::id::SubjectId;
use domain::purpose_of_use::{PurposeKey, PurposeOfUse};
use jiff::Timestamp;
use storage::Tx;
use storage::consent::StoredConsent;
use storage::subject::StoredSubject;

use super::Ground;
use super::known::records_of;
use crate::{Privity, Problem};

/// Of whom something is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Whose choices.
    pub party: Party,
    /// The device that asks for her, if it isn't the party itself: its noes count even where nobody linked it yet.
    pub device: Option<Tag>,
    /// The law that protects her; the business's own, if nothing is said.
    pub law: Option<String>,
    /// At which moment; now, if nothing is said.
    pub on: Option<Timestamp>,
}

impl Asked {
    /// What holds for a party now, under the business's own law.
    pub const fn of(party: Party) -> Self {
        Self {
            party,
            device: None,
            law: None,
            on: None,
        }
    }
}

/// How a purpose stands for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurposeStanding {
    /// The purpose.
    pub purpose: PurposeKey,
    /// How it stands for the business itself.
    pub standing: Standing,
    /// Where the rule behind it stands, e.g. `Cal. Civ. Code 1798.120(a)`.
    pub citation: Option<String>,
    /// How it stands for each of its recipients.
    pub recipients: Vec<RecipientStanding>,
}

/// How a purpose stands for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientStanding {
    /// The recipient.
    pub recipient: RecipientKey,
    /// How it stands.
    pub standing: Standing,
    /// Where the rule behind it stands.
    pub citation: Option<String>,
}

/// Everything chosen by a party and by those linked to it.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The party's own choices, those of records that were merged with hers included, oldest first.
    pub own: Vec<StoredConsent>,
    /// The choices of each party that is linked to it.
    pub linked: BTreeMap<Party, Vec<StoredConsent>>,
}

impl Privity {
    /// How every purpose stands for somebody, by key.
    ///
    /// # Errors
    /// An unknown law; our database doesn't answer. A party of whom nothing is recorded has a standing like any other.
    pub async fn standings(&self, asked: &Asked) -> Result<Vec<PurposeStanding>, Problem> {
        let (history, ground) = self.gather(asked).await?;
        let age = self.age_for(&asked.party, &history, &ground, self.purposes().iter());
        let facts = ground.facts(age.await?);
        let all = self.purposes().iter();
        Ok(all
            .map(|purpose| self.of_purpose(&history, purpose, ground.on, &facts))
            .collect())
    }

    /// How one purpose stands for somebody, for a recipient and an attribute.
    ///
    /// # Errors
    /// As [`Privity::standings`], and an unknown purpose.
    pub async fn standing(
        &self,
        asked: &Asked,
        purpose: &PurposeKey,
        recipient: Option<&RecipientKey>,
        attribute: Option<&AttributeKey>,
    ) -> Result<Standing, Problem> {
        let known = self.purposes().get(purpose);
        let purpose = known.ok_or_else(|| Problem::not_found("purpose"))?;
        let (history, ground) = self.gather(asked).await?;
        let age = self.age_for(&asked.party, &history, &ground, std::iter::once(purpose));
        let age = age.await?;
        let question = Question {
            purpose,
            recipient,
            attribute,
        };
        Ok(history.standing(&question, ground.on, &ground.facts(age)))
    }

    /// Everything that somebody chose, as it was recorded.
    ///
    /// # Errors
    /// Our database doesn't answer.
    pub async fn consent_history(&self, asked: &Asked) -> Result<History, Problem> {
        let (party, device) = (asked.party.clone(), asked.device.map(Party::Device));
        self.read_few("read consents", move |tx| {
            read_history(tx, &party, device.as_ref())
        })
        .await
    }

    async fn gather(&self, asked: &Asked) -> Result<(History, Ground), Problem> {
        let ground = self.ground(asked.law.as_deref(), asked.on.unwrap_or_else(|| self.now()))?;
        Ok((self.consent_history(asked).await?, ground))
    }

    fn of_purpose(
        &self,
        history: &History,
        purpose: &PurposeOfUse,
        on: Timestamp,
        facts: &Facts<'_>,
    ) -> PurposeStanding {
        let ask = |recipient: Option<&RecipientKey>| {
            let question = Question {
                purpose,
                recipient,
                attribute: None,
            };
            history.standing(&question, on, facts)
        };
        let of_recipient = |recipient: &RecipientKey| {
            let standing = ask(Some(recipient));
            RecipientStanding {
                recipient: recipient.clone(),
                citation: self.citation(&standing, facts, on),
                standing,
            }
        };
        let standing = ask(None);
        PurposeStanding {
            purpose: purpose.key.clone(),
            citation: self.citation(&standing, facts, on),
            recipients: purpose.recipients.iter().map(of_recipient).collect(),
            standing,
        }
    }

    /// Where the rule behind an answer stands.
    fn citation(&self, standing: &Standing, facts: &Facts<'_>, on: Timestamp) -> Option<String> {
        let day = on.to_zoned(facts.time_zone.clone()).date();
        let found = self.law().citation(standing.rule.as_deref()?, day);
        found.map(|found| found.citation)
    }
}

impl History {
    /// Whether anybody in it ever said yes to something.
    pub(super) fn has_yes(&self) -> bool {
        let linked = self.linked.values().flatten();
        let mut all = self.own.iter().chain(linked);
        all.any(|stored| stored.event.act.assent().is_some())
    }

    /// Whether nobody ever chose anything in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.linked.values().all(Vec::is_empty)
    }

    /// Every choice in it.
    pub(crate) fn events(&self) -> impl Iterator<Item = &ConsentEvent> {
        let linked = self.linked.values().flatten();
        self.own.iter().chain(linked).map(|stored| &stored.event)
    }

    /// The same with some choices only.
    pub(crate) fn only(&self, is_wanted: impl Fn(&ConsentEvent) -> bool) -> Self {
        let some = |all: &Vec<StoredConsent>| {
            let wanted = all.iter().filter(|stored| is_wanted(&stored.event));
            wanted.cloned().collect()
        };
        Self {
            own: some(&self.own),
            linked: self
                .linked
                .iter()
                .map(|(party, all)| (party.clone(), some(all)))
                .collect(),
        }
    }

    /// What it allows.
    pub(crate) fn standing(
        &self,
        question: &Question<'_>,
        on: Timestamp,
        facts: &Facts<'_>,
    ) -> Standing {
        let mut events = events(&self.own);
        for linked in self.linked.values() {
            events.extend(noes_left(linked, question, on, facts));
        }
        standing(&events, question, on, facts)
    }
}

fn events(stored: &[StoredConsent]) -> Vec<ConsentEvent> {
    stored.iter().map(|stored| stored.event.clone()).collect()
}

/// The noes of a linked party, unless it has taken them back itself.
fn noes_left(
    stored: &[StoredConsent],
    question: &Question<'_>,
    on: Timestamp,
    facts: &Facts<'_>,
) -> Vec<ConsentEvent> {
    if stored.is_empty() {
        return Vec::new();
    }
    let mut events = events(stored);
    let there = standing(&events, question, on, facts);
    if matches!(there.reason, Reason::Consented | Reason::ConsentedAgain) {
        return Vec::new();
    }
    events.retain(|event| event.act.assent().is_none());
    events
}

/// Reads a party's choices and those of everybody linked to it.
pub(crate) fn read_history(
    tx: &mut Tx,
    party: &Party,
    device: Option<&Party>,
) -> Result<History, Problem> {
    let own = records_of(tx, party)?;
    let mut linked = linked_to(tx, &own, party)?;
    linked.extend(device.cloned());
    let mut whose: BTreeMap<Party, Party> = BTreeMap::new();
    for one in linked.difference(&own) {
        let records = records_of(tx, one)?.into_iter();
        whose.extend(records.map(|record| (record, one.clone())));
    }
    let all: Vec<Party> = own.iter().chain(whose.keys()).cloned().collect();
    let mut history = History::default();
    for stored in storage::consent::of_parties(tx, &all)? {
        match whose.get(&stored.event.party) {
            Some(one) if !own.contains(&stored.event.party) => {
                history.linked.entry(one.clone()).or_default().push(stored);
            }
            _ => history.own.push(stored),
        }
    }
    Ok(history)
}

/// The histories of many subjects, read together; those that are not there, or were erased, are left out. Each says the same as
/// [`read_history`] of her.
pub(crate) fn read_histories(
    tx: &mut Tx,
    subjects: &BTreeSet<SubjectId>,
) -> Result<BTreeMap<SubjectId, History>, Problem> {
    let mut found = storage::subject::get_many(tx, subjects)?;
    found.retain(|subject| subject.erased_at.is_none());
    let canonical: BTreeSet<_> = found.iter().map(StoredSubject::stands_for).collect();
    let mut own: BTreeMap<SubjectId, BTreeSet<Party>> = BTreeMap::new();
    for member in storage::subject::members(tx, &canonical)? {
        let parties = own.entry(member.stands_for()).or_default();
        parties.insert(Party::Subject(member.id));
    }
    let linked = linked_to_each(tx, &own)?;
    let mut whose = BTreeMap::new();
    for one in linked.values().flatten().collect::<BTreeSet<_>>() {
        whose.insert(one.clone(), records_of(tx, one)?);
    }
    let all = own.values().flatten().chain(whose.values().flatten());
    let all: BTreeSet<Party> = all.cloned().collect();
    let mut events: BTreeMap<Party, Vec<StoredConsent>> = BTreeMap::new();
    for stored in storage::consent::of_parties(tx, &all.into_iter().collect::<Vec<_>>())? {
        events
            .entry(stored.event.party.clone())
            .or_default()
            .push(stored);
    }
    let said = |parties: &BTreeSet<Party>| -> Vec<StoredConsent> {
        let mut all: Vec<_> = parties
            .iter()
            .filter_map(|party| events.get(party))
            .flatten()
            .cloned()
            .collect();
        all.sort_by_key(|stored| (stored.event.at, stored.recorded_at, stored.event.id));
        all
    };
    let history = |id: &SubjectId| {
        let own = own.get(id)?;
        let linked = linked.get(id).into_iter().flatten();
        let linked = linked.filter_map(|one| {
            let records: BTreeSet<_> = whose.get(one)?.difference(own).cloned().collect();
            Some((one.clone(), said(&records))).filter(|(_, said)| !said.is_empty())
        });
        Some(History {
            own: said(own),
            linked: linked.collect(),
        })
    };
    let found = found.iter();
    Ok(found
        .filter_map(|subject| Some((subject.id, history(&subject.stands_for())?)))
        .collect())
}

/// [`linked_to`] of many subjects, by whoever stands for them.
fn linked_to_each(
    tx: &mut Tx,
    own: &BTreeMap<SubjectId, BTreeSet<Party>>,
) -> Result<BTreeMap<SubjectId, BTreeSet<Party>>, Problem> {
    let records: BTreeSet<Party> = own.values().flatten().cloned().collect();
    let near = by_first(storage::party_link::of_parties(tx, &records)?);
    let between = near
        .values()
        .flatten()
        .filter(|one| matches!(one, Party::Pseudonym(_)));
    let between: BTreeSet<Party> = between.cloned().collect();
    let far = if between.is_empty() {
        BTreeMap::new()
    } else {
        by_first(storage::party_link::of_parties(tx, &between)?)
    };
    let mut linked = BTreeMap::new();
    for (id, parties) in own {
        let mut all: BTreeSet<Party> = parties
            .iter()
            .filter_map(|party| near.get(party))
            .flatten()
            .cloned()
            .collect();
        let beyond: Vec<_> = all
            .iter()
            .filter_map(|one| far.get(one))
            .flatten()
            .cloned()
            .collect();
        all.extend(
            beyond
                .into_iter()
                .filter(|far| matches!(far, Party::Device(_))),
        );
        linked.insert(*id, all.difference(parties).cloned().collect());
    }
    Ok(linked)
}

fn by_first(pairs: BTreeSet<(Party, Party)>) -> BTreeMap<Party, BTreeSet<Party>> {
    let mut by: BTreeMap<Party, BTreeSet<Party>> = BTreeMap::new();
    for (one, other) in pairs {
        by.entry(one).or_default().insert(other);
    }
    by
}

/// Everybody linked to a party: devices, pseudonyms and subjects; over a pseudonym also what lies behind it. Not from a subject over a shared device to
/// another subject: her own choices are not the other's.
fn linked_to(
    tx: &mut Tx,
    own: &BTreeSet<Party>,
    party: &Party,
) -> Result<BTreeSet<Party>, Problem> {
    let near = storage::party_link::of_parties(tx, own)?;
    let mut linked: BTreeSet<Party> = near.into_iter().map(|(_, linked)| linked).collect();
    let between = linked
        .iter()
        .filter(|one| matches!(one, Party::Pseudonym(_)));
    let between: BTreeSet<Party> = between.cloned().collect();
    if between.is_empty() {
        return Ok(linked);
    }
    let is_beyond = |far: &Party| {
        matches!(
            (party, far),
            (Party::Subject(_), Party::Device(_)) | (Party::Device(_), Party::Subject(_))
        )
    };
    let far = storage::party_link::of_parties(tx, &between)?.into_iter();
    linked.extend(far.map(|(_, far)| far).filter(is_beyond));
    Ok(linked)
}
