//! Why a decision is as it is, in words for operators and for the subject: worked out again from facts and policies, so that no record needs
//! to hold it.
//!
//! Three denials are told apart: forbidden, a condition unmet, no policy; and each allowance names its basis. Law: 11 CCR 7024; GDPR Art. 15(1).

use std::collections::BTreeSet;
use std::fmt;

use domain::audit::{Action, Actor, NewRecord};
use domain::consent::{By, ConsentEvent, Matter, Question as ConsentQuestion};
use domain::data_map::RecipientKey;
use domain::id::SubjectId;
use domain::policy::{
    AgeBand, AttributeSlot, Cell, ChoiceFacts, Condition, ConjunctionNumber, Fact, PolicyNumber,
    Question, Reasons, Release, Seen, SubjectFacts, Table, UNKNOWN, Unusable, Why,
};
use domain::profile::AttributeKey;
use domain::purpose_of_use::{PurposeKey, UseKind};
use jiff::Timestamp;
use serde::Serialize;
use storage::Tx;

use super::facts::facts_at;
use super::impact::{attribute_name, in_words};
use super::lifecycle::needed;
use crate::consent::{History, read_histories};
use crate::{Privity, Problem};

/// What is to be explained.
#[derive(Clone, Debug)]
pub struct Asked {
    /// About whom.
    pub who: Who,
    /// By whom.
    pub recipient: RecipientKey,
    /// For what.
    pub purpose: PurposeKey,
    /// Which attributes; all when empty.
    pub attributes: Vec<AttributeKey>,
    /// By which version of the policies; the active one, if nothing is said.
    pub version: Option<u64>,
    /// At which moment: choices after it are not seen. Now, if nothing is said.
    pub on: Option<Timestamp>,
}

/// About whom.
#[derive(Clone, Debug)]
pub enum Who {
    /// A subject.
    Subject(SubjectId),
    /// Somebody of whom this is known.
    Hypothetical(Hypothetical),
}

/// What is known of somebody who need not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hypothetical {
    /// Where she lives; nobody knows, if nothing is said.
    pub jurisdiction: Option<String>,
    /// How old she is; nobody knows, if nothing is said.
    pub age: Option<AgeBand>,
    /// The facts that are so; all others are not.
    pub is: BTreeSet<Fact>,
    /// Facts that could not be found out.
    pub unknown: BTreeSet<Fact>,
}

/// The explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// By whom.
    pub recipient: String,
    /// For what.
    pub purpose: String,
    /// The version of the policies that decides.
    pub version: u64,
    /// The version of the facts; none for a question that nobody asked.
    pub facts_version: Option<u64>,
    /// What is known, in words.
    pub known: String,
    /// One for each attribute.
    pub lines: Vec<Line>,
}

/// Why one attribute goes out, or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its key.
    pub attribute: String,
    /// In which form it goes out.
    pub release: &'static str,
    /// Which of the ways it is.
    pub kind: Kind,
    /// The policy that decides, or of those that permit the one that misses least.
    pub policy: Option<PolicyShown>,
    /// The forbid that took a fuller form away.
    pub limited_by: Option<PolicyShown>,
    /// The conditions of that policy that count here.
    pub conditions: Vec<String>,
    /// What would have to be so.
    pub missing: Vec<String>,
    /// Where it can be asked for.
    pub where_to_ask: Option<String>,
    /// The choice or signal that decided.
    pub said: Option<Said>,
    /// In words, for an operator.
    pub for_operator: String,
    /// In words, for the subject.
    pub for_subject: String,
}

/// Which way a decision goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A permit allows it.
    Allowed,
    /// A policy forbids it.
    Forbidden,
    /// A permit is about it, and its conditions are not met.
    Unmet,
    /// No permit is about it.
    NoPolicy,
    /// What is known can't be decided on.
    Unusable,
}

/// A policy, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyShown {
    /// Its id.
    pub id: String,
    /// Its name.
    pub title: String,
    /// The law, contract or decision behind it.
    pub citation: String,
}

/// A recorded choice that decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// Its id.
    pub consent: String,
    /// What was chosen, e.g. `opted_out`.
    pub act: &'static str,
    /// Whether a signal said it.
    pub by_signal: bool,
    /// When.
    pub at: Timestamp,
    /// Where.
    pub place: String,
}

impl Privity {
    /// Explains a decision, real or thought of. That somebody asked about a subject is recorded.
    ///
    /// # Errors
    /// No policies are in force; a recipient, purpose or attribute that there is not, or a subject; our database doesn't answer.
    pub async fn explain_decision(&self, asked: &Asked, by: Actor) -> Result<Explanation, Problem> {
        let in_force = needed(self)?;
        let (version, other) = match asked.version {
            Some(number) if number != in_force.version => {
                let stored = self.policy_version(number).await?;
                (number, Some(self.table_of(&stored).await?))
            }
            _ => (in_force.version, None),
        };
        let table = other.as_ref().unwrap_or(&in_force.table);
        let on = asked.on.unwrap_or_else(|| self.now());
        let cell = self.cell_of(table, asked)?;
        let wanted = attributes(table, &asked.attributes)?;
        let (facts, history) = match &asked.who {
            Who::Subject(id) => self.known_of(*id, &in_force, on, by).await?,
            Who::Hypothetical(who) => (hypothetical(table, cell, who)?, History::default()),
        };
        let mut reasons = Reasons::new();
        let set = wanted.iter().copied().collect();
        let question = Question {
            cell,
            facts: &facts,
            on,
            wanted: &set,
        };
        let decision = table.decide_with_reasons(&question, &mut reasons);
        let teller = Teller {
            p: self,
            table,
            asked,
            cell,
            facts: &facts,
            history: &history,
            on,
        };
        let lines = wanted
            .iter()
            .map(|slot| teller.line(*slot, decision.release(*slot), reasons.of(*slot)));
        let is_real = matches!(asked.who, Who::Subject(_));
        Ok(Explanation {
            recipient: asked.recipient.to_string(),
            purpose: asked.purpose.to_string(),
            version,
            facts_version: is_real.then(|| facts.version()),
            known: wanted
                .first()
                .map_or_else(String::new, |slot| in_words(table, facts.seen(cell, *slot))),
            lines: lines.collect(),
        })
    }

    fn cell_of(&self, table: &Table, asked: &Asked) -> Result<Cell, Problem> {
        let layout = table.layout();
        if layout.recipient(&asked.recipient).is_none() {
            let known = self.map().recipients.keys().map(ToString::to_string);
            return Err(unknown("recipient", known));
        }
        let cell = table.cell(&asked.recipient, &asked.purpose);
        cell.ok_or_else(|| {
            unknown(
                "purpose",
                self.purposes()
                    .iter()
                    .map(|purpose| purpose.key.to_string()),
            )
        })
    }

    pub(super) async fn known_of(
        &self,
        id: SubjectId,
        in_force: &super::InForce,
        on: Timestamp,
        by: Actor,
    ) -> Result<(SubjectFacts, History), Problem> {
        let (inside, layout) = (self.clone(), in_force.table.layout().clone());
        let is_past = on < self.now();
        let read = move |tx: &mut Tx| {
            let facts = facts_at(&inside, tx, &layout, id, is_past.then_some(on))?;
            let history = read_histories(tx, &[id].into())?.remove(&id);
            Ok(facts.zip(history))
        };
        let found = self.read("explain decision", read).await?;
        let (facts, history) = found.ok_or_else(|| Problem::not_found("subject"))?;
        let record = NewRecord::new(self.now(), by, Action::DecisionExplained)
            .with("subject", id.to_string());
        self.append(vec![record]).await?;
        Ok((facts, history))
    }
}

fn unknown(field: &'static str, known: impl Iterator<Item = String>) -> Problem {
    let known: Vec<_> = known.collect();
    Problem::invalid(
        field,
        format!(
            "there is no such {field}; choose one of {}",
            known.join(", ")
        ),
    )
}

fn attributes(table: &Table, keys: &[AttributeKey]) -> Result<Vec<AttributeSlot>, Problem> {
    let layout = table.layout();
    if keys.is_empty() {
        return Ok(layout.attributes().iter().collect());
    }
    let slot = |key: &AttributeKey| {
        layout.attribute(key.as_ref()).ok_or_else(|| {
            Problem::invalid(
                "attribute",
                "there is no such attribute; `privity profile schema` lists them",
            )
        })
    };
    keys.iter().map(slot).collect()
}

/// The facts of somebody who need not exist.
pub(super) fn hypothetical(
    table: &Table,
    cell: Cell,
    who: &Hypothetical,
) -> Result<SubjectFacts, Problem> {
    let layout = table.layout();
    let place = who.jurisdiction.as_deref().unwrap_or(UNKNOWN);
    if !layout.jurisdictions().iter().any(|known| known == place) {
        return Err(unknown(
            "jurisdiction",
            layout.jurisdictions().iter().cloned(),
        ));
    }
    let mut facts = SubjectFacts::unknown(layout, 0)
        .living_in(layout, place)
        .aged(who.age.unwrap_or(AgeBand::Unknown));
    let known = Fact::ALL
        .into_iter()
        .filter(|fact| !fact.is_of_purpose() && !who.unknown.contains(fact));
    for fact in known {
        facts = facts.with(fact, who.is.contains(&fact));
    }
    if who.unknown.iter().any(|fact| fact.is_of_purpose()) {
        return Ok(facts);
    }
    let choice = ChoiceFacts {
        allows: who.is.contains(&Fact::ChoiceAllows),
        consented: who.is.contains(&Fact::Consented),
        opted_out: who.is.contains(&Fact::OptedOut),
    };
    Ok(facts.choosing(cell.purpose, choice))
}

/// Tells why, attribute by attribute.
struct Teller<'a> {
    p: &'a Privity,
    table: &'a Table,
    asked: &'a Asked,
    cell: Cell,
    facts: &'a SubjectFacts,
    history: &'a History,
    on: Timestamp,
}

impl Teller<'_> {
    fn line(&self, slot: AttributeSlot, release: Release, why: Why) -> Line {
        let mut line = Line {
            attribute: attribute_name(self.table, slot),
            release: release.text(),
            kind: Kind::NoPolicy,
            policy: None,
            limited_by: None,
            conditions: Vec::new(),
            missing: Vec::new(),
            where_to_ask: None,
            said: None,
            for_operator: String::new(),
            for_subject: String::new(),
        };
        match why {
            Why::Allowed {
                permit, limited_by, ..
            } => self.allowed(&mut line, permit, limited_by),
            Why::Forbidden { forbid, conditions } => self.forbidden(&mut line, forbid, conditions),
            Why::Unmet { permit, conditions } => self.unmet(
                &mut line,
                permit,
                conditions,
                self.facts.seen(self.cell, slot),
            ),
            Why::NoPolicy | Why::NotAsked => self.no_policy(&mut line),
            Why::Unusable(why) => unusable(&mut line, why),
        }
        line
    }

    fn allowed(&self, line: &mut Line, permit: PolicyNumber, limited_by: Option<PolicyNumber>) {
        line.kind = Kind::Allowed;
        line.policy = self.shown(permit);
        line.limited_by = limited_by.and_then(|forbid| self.shown(forbid));
        let (operator, subject) = self.reasons(permit);
        let form = line.release;
        line.for_operator = format!("goes out as `{form}`: {}", self.by(permit, &operator));
        line.for_subject = subject;
        if let Some(forbid) = limited_by {
            let (operator, subject) = self.reasons(forbid);
            line.for_operator.push_str(&format!(
                "; no more than that: {}",
                self.by(forbid, &operator)
            ));
            line.for_subject = format!("{} {subject}", line.for_subject);
        }
    }

    fn forbidden(&self, line: &mut Line, forbid: PolicyNumber, conditions: ConjunctionNumber) {
        line.kind = Kind::Forbidden;
        line.policy = self.shown(forbid);
        let conditions = self.table.conditions(conditions);
        line.said = self.said(&conditions);
        line.conditions = conditions.iter().map(Condition::to_string).collect();
        let (operator, subject) = self.reasons(forbid);
        line.for_operator = format!("forbidden: {}", self.by(forbid, &operator));
        if !line.conditions.is_empty() {
            line.for_operator
                .push_str(&format!("; because: {}", line.conditions.join(", ")));
        }
        if let Some(said) = &line.said {
            line.for_operator.push_str(&format!("; decided by {said}"));
        }
        line.for_subject = subject;
    }

    fn unmet(
        &self,
        line: &mut Line,
        permit: PolicyNumber,
        conditions: ConjunctionNumber,
        seen: Seen,
    ) {
        line.kind = Kind::Unmet;
        line.policy = self.shown(permit);
        let missing = self.table.missing(conditions, seen);
        line.conditions = self
            .table
            .conditions(conditions)
            .iter()
            .map(Condition::to_string)
            .collect();
        line.said = self.said(&missing);
        line.where_to_ask = self.where_to_ask(&missing);
        line.missing = missing.iter().map(Condition::to_string).collect();
        let nearest = line
            .policy
            .as_ref()
            .map(|policy| policy.id.clone())
            .unwrap_or_default();
        line.for_operator = format!(
            "not permitted: `{nearest}` comes nearest, and this is missing: {}",
            line.missing.join(", ")
        );
        for more in [
            line.said.as_ref().map(|said| format!("decided by {said}")),
            line.where_to_ask.clone(),
        ]
        .into_iter()
        .flatten()
        {
            line.for_operator.push_str(&format!("; {more}"));
        }
        line.for_subject =
            "Not given: what you chose, or what we know, does not allow it.".to_owned();
    }

    fn no_policy(&self, line: &mut Line) {
        line.for_operator = format!(
            "no policy lets `{}` have it for `{}`; what no policy permits is withheld (data minimisation: 11 CCR 7002, GDPR Art. 5(1)(c))",
            self.asked.recipient, self.asked.purpose
        );
        line.for_subject = "Not given: it is not needed for this.".to_owned();
    }

    fn shown(&self, number: PolicyNumber) -> Option<PolicyShown> {
        let policy = self.table.policy(number)?;
        Some(PolicyShown {
            id: policy.id.clone(),
            title: policy.title.clone(),
            citation: policy.citation.clone(),
        })
    }

    fn reasons(&self, number: PolicyNumber) -> (String, String) {
        let policy = self.table.policy(number);
        policy.map_or_else(Default::default, |policy| {
            (
                policy.reason_operator.clone(),
                policy.reason_subject.clone(),
            )
        })
    }

    fn by(&self, number: PolicyNumber, reason: &str) -> String {
        self.table
            .policy(number)
            .map_or_else(String::new, |policy| {
                format!("`{}` ({}): {reason}", policy.id, policy.citation)
            })
    }

    /// The newest choice that one of these conditions rests on.
    fn said(&self, conditions: &[Condition]) -> Option<Said> {
        let facts = conditions.iter().filter_map(|condition| match condition {
            Condition::Fact { fact, .. } => Some(*fact),
            _ => None,
        });
        let facts: Vec<Fact> = facts.collect();
        let events = self.history.events().filter(|event| event.at <= self.on);
        let about = events.filter(|event| facts.iter().any(|fact| self.is_about(event, *fact)));
        about.max_by_key(|event| event.at).map(Said::of)
    }

    fn is_about(&self, event: &ConsentEvent, fact: Fact) -> bool {
        let is_no = event.act.assent().is_none();
        let names = |wanted: &[UseKind]| match &event.scope.of {
            Matter::Every(kinds) => is_no && wanted.iter().any(|kind| kinds.contains(kind)),
            Matter::Purpose(_) => false,
        };
        match fact {
            Fact::Signal => matches!(event.by, By::Signal { .. }),
            Fact::OptedOutOfSale => names(&[UseKind::Sale, UseKind::Sharing]),
            Fact::OptedOutOfTargetedAdvertising => names(&[UseKind::TargetedAdvertising]),
            Fact::Limited => names(&[UseKind::Sensitive]),
            Fact::ChoiceAllows | Fact::Consented | Fact::OptedOut => self.is_about_purpose(event),
            Fact::OnLegalHold | Fact::Restricted => false,
        }
    }

    fn is_about_purpose(&self, event: &ConsentEvent) -> bool {
        let Some(purpose) = self.p.purposes().get(&self.asked.purpose) else {
            return false;
        };
        let question = ConsentQuestion {
            purpose,
            recipient: Some(&self.asked.recipient),
            attribute: None,
        };
        let is_recipient = event
            .scope
            .recipient
            .as_ref()
            .is_none_or(|named| Some(named) == question.recipient);
        is_recipient
            && match &event.scope.of {
                Matter::Purpose(key) => *key == purpose.key,
                Matter::Every(kinds) => !kinds.is_disjoint(&purpose.uses),
            }
    }

    /// Where a consent that is missing can be asked for.
    fn where_to_ask(&self, missing: &[Condition]) -> Option<String> {
        let is_choice = |condition: &Condition| {
            matches!(
                condition,
                Condition::Fact {
                    fact: Fact::ChoiceAllows | Fact::Consented,
                    is: true
                }
            )
        };
        if !missing.iter().any(is_choice) {
            return None;
        }
        let notice = self
            .p
            .purposes()
            .get(&self.asked.purpose)?
            .notice
            .as_ref()?;
        Some(format!(
            "ask her with the notice `{}`, version {} or later, on the page of choices",
            notice.key, notice.from_version
        ))
    }
}

fn unusable(line: &mut Line, why: Unusable) {
    line.kind = Kind::Unusable;
    line.for_operator = match why {
        Unusable::Outdated => "what is known of her has had its time, and nothing is released on it; it is worked out anew".to_owned(),
        Unusable::OtherLayout => "what is known of her was written for other policies, and nothing is released on it; it is worked out anew".to_owned(),
    };
    line.for_subject = "Not given for now.".to_owned();
}

impl Said {
    fn of(event: &ConsentEvent) -> Self {
        Self {
            consent: event.id.to_string(),
            act: event.act.as_str(),
            by_signal: matches!(event.by, By::Signal { .. }),
            at: event.at,
            place: event.place.clone(),
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = if self.by_signal {
            "a signal"
        } else {
            "a choice"
        };
        write!(
            f,
            "{who} of {} at `{}` ({}, {})",
            self.at.strftime("%Y-%m-%d"),
            self.place,
            self.act,
            self.consent
        )
    }
}
