//! The governed read of a recipient: facts are loaded, policies decide, the decision is in the audit log and in the ledger for good, and only
//! then does anything open or pass.
//!
//! Those who ask at the same time are decided together, from one state of our database, and recorded together: the thread that answers waits once
//! (docs/decisions/022-decided-together.md).
//!
//! Law: 11 CCR 7002, 7051, 7053; GDPR Art. 5(1)(b)-(c), 15(1)(c). An unknown subject, one of whom nothing goes out, and one whose facts are
//! not fresh look the same to the recipient, and make the same work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::audit::{Actor, Appended, Detail, NewRecord};
use domain::data_map::IdentifierKind;
use domain::disclosure::RecipientQuery;
use domain::id::SubjectId;
use domain::identity::IdentifierTag;
use domain::policy::{AttributeSet, SubjectFacts, Table};
use domain::profile::{AttributeKey, AttributeNumber, Schema};
use domain::purpose_of_use::PurposeKey;
use domain::recipient::RecipientRole;
use domain::rng::new_id;
use enforcement::json_filter::Effect;
use enforcement::{Denial, Lists, NotRecorded, Permit, decide_recipient};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use storage::ledger::{Noted, Sale};
use storage::profile::{AskedAbout, AskedBy};
use storage::{Tx, profile};

use super::caller::{Caller, SubjectAsked};
use super::granted::Granted;
use super::ledger::sale_of;
use super::pace::{self, ListPace};
use crate::policy::{InForce, Watched, facts_of};
use crate::profile::read::{Held, held, tags_of};
use crate::{Privity, Problem};

/// Subjects in one call, at most.
pub const MOST_SUBJECTS: usize = 256;

/// What records say for a purpose that nobody declared; its own text could be anything.
const UNKNOWN_PURPOSE: &str = "(unknown)";

/// Decides what a recipient may have of each subject, records it and enters it in the ledger in one durable append. One answer for each
/// subject, in order; it says nothing of why when it is empty.
///
/// # Errors
/// [`Problem`] when there are no profiles, a kind of identifier is unknown, there are too many subjects, for one call or for the minute, or our
/// database doesn't answer. None tells whether a subject exists.
pub async fn disclose(
    p: &Privity,
    caller: &Caller,
    subjects: &[SubjectAsked],
    attributes: &[AttributeKey],
) -> Result<Vec<Granted>, Problem> {
    check_count(subjects)?;
    pace::admit(p, caller, subjects.len()).await?;
    decide_and_record(p, caller, subjects, attributes).await
}

fn check_count(subjects: &[SubjectAsked]) -> Result<(), Problem> {
    if subjects.len() <= MOST_SUBJECTS {
        return Ok(());
    }
    let words =
        format!("one call is about at most {MOST_SUBJECTS} subjects; ask again for the others");
    Err(Problem::invalid("subjects", words))
}

/// The same for subjects who turn up in a list that the business's own system answers.
///
/// # Errors
/// As [`disclose`].
pub async fn disclose_listed(
    p: &Privity,
    caller: &Caller,
    list: &mut ListPace,
    subjects: &[SubjectAsked],
    attributes: &[AttributeKey],
) -> Result<Vec<Granted>, Problem> {
    check_count(subjects)?;
    list.admit(p, caller, subjects.len()).await?;
    decide_and_record(p, caller, subjects, attributes).await
}

/// A question about one subject among others.
pub struct Question {
    /// Who would get it.
    pub caller: Caller,
    /// About whom.
    pub subject: SubjectAsked,
    /// What of her.
    pub attributes: Vec<AttributeKey>,
}

/// The same for questions that have nothing in common but the call that they came in: they count at once, and each is decided and recorded by
/// itself. They wait for the disk together.
///
/// # Errors
/// As [`disclose`].
pub async fn disclose_each(p: &Privity, questions: &[Question]) -> Result<Vec<Granted>, Problem> {
    pace::admit_each(p, questions.iter().map(|one| (&one.caller, 1))).await?;
    let each = questions.iter().map(|one| {
        let subject = std::slice::from_ref(&one.subject);
        decide_and_record(p, &one.caller, subject, &one.attributes)
    });
    Ok(try_join_all(each).await?.into_iter().flatten().collect())
}

/// For whoever has counted the subjects already.
pub(super) async fn decide_and_record(
    p: &Privity,
    caller: &Caller,
    subjects: &[SubjectAsked],
    attributes: &[AttributeKey],
) -> Result<Vec<Granted>, Problem> {
    let asking = Asking::new(p, caller, attributes)?;
    let sought = subjects.iter().map(|one| sought(p, &asking.schema, one));
    let sought = sought.collect::<Result<_, _>>()?;
    let undecided = Arc::new(Undecided { asking, sought });
    let (decisions, proofs) = p.decide_and_append(Arc::clone(&undecided)).await?;
    undecided.granted(p, decisions, proofs)
}

/// What a caller would get of a subject: decided like everything else, and nothing opens, since the permit is dropped here. Counted by whoever asks.
pub(super) async fn effects_for(
    p: &Privity,
    caller: &Caller,
    subject: &SubjectAsked,
    attributes: &[AttributeKey],
) -> Result<BTreeMap<AttributeKey, Effect>, Problem> {
    let asking = Asking::new(p, caller, attributes)?;
    let sought: Arc<[Sought]> = [sought(p, &asking.schema, subject)?].into();
    let found = load(p, &asking, &sought).await?.pop().unwrap_or_default();
    let decided = asking.decide(p, found, p.now());
    asking.watch(&decided);
    let Ok(permit) = decided.decision else {
        return Ok(BTreeMap::new());
    };
    let rules = asking.attributes.iter();
    let rules = rules.filter_map(|key| asking.schema.attribute_of(key.as_ref()));
    let effects = rules.map(|rule| (rule.key.clone(), permit.effect_on(rule.number)));
    Ok(effects
        .filter(|(_, effect)| *effect != Effect::Drop)
        .collect())
}

/// What a caller would get of whoever has some facts: decided like everything else, of nobody, and nothing opens. For whoever copies decisions
/// and has to know which of them let more through than before: those are asked for by [`disclose`].
pub(crate) struct Foreseeing(Asking);

impl Foreseeing {
    /// For one caller, by the policies in force now.
    ///
    /// # Errors
    /// There are no profiles.
    pub(crate) fn new(
        p: &Privity,
        caller: &Caller,
        attributes: &[AttributeKey],
    ) -> Result<Self, Problem> {
        Ok(Self(Asking::new(p, caller, attributes)?))
    }

    /// The attributes that go out as they are of somebody of whom nothing is known yet.
    pub(super) fn kept_of_nobody(&self, p: &Privity) -> BTreeSet<AttributeKey> {
        let facts = SubjectFacts::unknown(self.0.table(p).layout(), 0);
        let effects = self.effects(p, &facts).into_iter();
        let kept = effects.filter(|(_, effect)| *effect == Effect::Keep);
        let rules = kept.filter_map(|(number, _)| self.0.schema.attribute(number));
        rules.map(|rule| rule.key.clone()).collect()
    }

    /// What becomes of the attributes, by number; those that are withheld are left out.
    pub(crate) fn effects(
        &self,
        p: &Privity,
        facts: &SubjectFacts,
    ) -> BTreeMap<AttributeNumber, Effect> {
        let nobody: SubjectId = new_id(p.rng(), p.now());
        let decided = self
            .0
            .decide_about(p, Some(nobody), [nobody].into(), facts.clone(), p.now());
        let Ok(permit) = decided else {
            return BTreeMap::new();
        };
        let rules = self.0.attributes.iter();
        let rules = rules.filter_map(|key| self.0.schema.attribute_of(key.as_ref()));
        let effects = rules.map(|rule| (rule.number, permit.effect_on(rule.number)));
        effects
            .filter(|(_, effect)| *effect != Effect::Drop)
            .collect()
    }
}

/// What a table's rules for a caller are about, whoever the subject is; nothing while no policies know it.
pub(super) fn reached(
    p: &Privity,
    caller: &Caller,
    reach: impl Fn(&Table, domain::policy::Cell) -> AttributeSet,
) -> Result<BTreeSet<AttributeKey>, Problem> {
    let asking = Asking::new(p, caller, &[])?;
    let table = asking.table(p);
    let Some(cell) = table.cell(&caller.recipient, &asking.purpose) else {
        return Ok(BTreeSet::new());
    };
    let layout = table.layout();
    let slots = reach(table, cell);
    let keys = slots.iter().filter_map(|slot| layout.attribute_key(slot));
    Ok(keys.cloned().collect())
}

/// What is the same for every subject of a call.
struct Asking {
    caller: Caller,
    role: RecipientRole,
    purpose: PurposeKey,
    attributes: Arc<[AttributeKey]>,
    schema: Arc<Schema>,
    in_force: Option<Arc<InForce>>,
}

impl Asking {
    fn new(p: &Privity, caller: &Caller, attributes: &[AttributeKey]) -> Result<Self, Problem> {
        let schema = p.needed_schema()?;
        // What nobody declared is not even named in a record: its text could be anything.
        let known = attributes.iter();
        let known = known.filter_map(|key| Some((schema.attribute_of(key.as_ref())?.number, key)));
        let mut known: Vec<_> = known.collect();
        known.sort_unstable_by_key(|(number, _)| *number);
        known.dedup_by_key(|(number, _)| *number);
        let attributes = known.into_iter().map(|(_, key)| key.clone());
        let recipient = p.map().recipients.get(&caller.recipient);
        let role = recipient.map(domain::recipient::Recipient::effective_role);
        let purpose = p.purposes().get(&caller.purpose);
        Ok(Self {
            role: role.unwrap_or(RecipientRole::ThirdParty),
            purpose: purpose.map_or_else(|| UNKNOWN_PURPOSE.into(), |purpose| purpose.key.clone()),
            attributes: attributes.collect(),
            in_force: p.policies().filter(|one| knows(one, caller, role)),
            caller: caller.clone(),
            schema,
        })
    }

    fn table<'p>(&'p self, p: &'p Privity) -> &'p Table {
        let in_force = self.in_force.as_ref();
        in_force.map_or_else(|| p.parts.deciding.no_policies(), |one| &one.table)
    }

    fn decide(&self, p: &Privity, found: Found, now: Timestamp) -> Decided {
        let (members, facts) = match (&found.held, found.facts) {
            (Some(held), Some(facts)) => (records_of(held), facts),
            _ => (
                BTreeSet::new(),
                SubjectFacts::unknown(self.table(p).layout(), 0),
            ),
        };
        let has_shadow = self
            .in_force
            .as_ref()
            .is_some_and(|one| one.shadow.is_some());
        let seen = has_shadow.then(|| Seen {
            facts: facts.clone(),
            on: now,
            is_known: !members.is_empty(),
        });
        let canonical = found.held.as_ref().map(|held| held.canonical);
        Decided {
            decision: self.decide_about(p, canonical.or(found.asked), members, facts, now),
            held: found.held,
            seen,
        }
    }

    /// Shows a decision to the version that decides beside the active one.
    fn watch(&self, decided: &Decided) {
        let (Some(in_force), Some(seen)) = (&self.in_force, &decided.seen) else {
            return;
        };
        in_force.watch(&Watched {
            recipient: &self.caller.recipient,
            purpose: &self.purpose,
            attributes: &self.attributes,
            facts: &seen.facts,
            on: seen.on,
            is_known: seen.is_known,
        });
    }

    #[expect(
        clippy::disallowed_methods,
        clippy::result_large_err,
        reason = "the one place for recipients: whatever the decision is, it is recorded before it is handed on; a denial is as frequent as a permit"
    )]
    fn decide_about(
        &self,
        p: &Privity,
        subject: Option<SubjectId>,
        members: BTreeSet<SubjectId>,
        facts: SubjectFacts,
        now: Timestamp,
    ) -> Result<Permit, Denial> {
        let query = RecipientQuery {
            id: new_id(p.rng(), now),
            subject,
            recipient: self.caller.recipient.clone(),
            role: self.role,
            purpose: self.purpose.clone(),
            attributes: Arc::clone(&self.attributes),
        };
        let deciding = &p.parts.deciding;
        let facts = deciding.recipient_facts(Arc::clone(&self.schema), members, facts, now);
        let judgements = deciding.recipient_judgements();
        decide_recipient(&query, &facts, self.table(p), judgements)
    }

    fn record_of(&self, decided: &Decided, sought: &Sought, now: Timestamp) -> NewRecord {
        let actor = Actor::Recipient(self.caller.recipient.clone());
        let record = match &decided.decision {
            Ok(permit) => permit.new_record(now, actor),
            Err(denial) => denial.new_record(now, actor),
        };
        let record = record.with("door", Detail::Word(self.caller.door.text()));
        let record = match &self.caller.proven_by {
            Some(proven_by) => proven_by.named_in(record),
            None => record,
        };
        match sought {
            Sought::Id(_) => record,
            Sought::Tags(kind, _) | Sought::Nobody(kind) => record.with("found_by", kind.0.clone()),
        }
    }

    /// What the ledger is told of a decision, but for its place among the records.
    fn noted(&self, decided: &Decided, is_new: bool, sale: &Sale, now: Timestamp) -> Option<Noted> {
        let (attributes, lists) = decided.attribute_set()?;
        let went_out = decided.decision.is_ok();
        Some(Noted {
            record: 0,
            subject: decided
                .held
                .as_ref()
                .filter(|_| went_out)
                .map(|held| held.canonical),
            recipient: self.caller.recipient.clone(),
            purpose: self.purpose.clone(),
            attributes,
            written: is_new.then(|| serde_json::Value::Object(lists.clone()).to_string()),
            sale: sale.clone(),
            at: now,
        })
    }

    fn granted(&self, p: &Privity, decided: Decided, proof: Appended) -> Result<Granted, Problem> {
        let Decided { decision, held, .. } = decided;
        let (Ok(permit), Some(held)) = (decision, held) else {
            return Ok(Granted::nothing());
        };
        let permit = permit.record(proof).map_err(unrecorded)?;
        Ok(Granted::of(
            p,
            &self.caller.recipient,
            &self.schema,
            permit,
            held,
        ))
    }
}

/// What a recipient asks, to be decided with what others ask at the same time.
pub(crate) struct Undecided {
    asking: Asking,
    sought: Box<[Sought]>,
}

/// The decisions about it in order, each with whether a list of names was recorded before it.
pub(crate) struct Decisions(Vec<(Decided, bool)>);

impl Undecided {
    /// About how many subjects it is.
    pub(crate) fn count(&self) -> usize {
        self.sought.len()
    }

    /// What stands for all those that read the same way, so that they read together.
    fn reads_as(&self) -> (Option<*const InForce>, bool) {
        let in_force = self.asking.in_force.as_ref().map(Arc::as_ptr);
        (in_force, self.asking.caller.door.opens_profiles())
    }

    /// Decides, and adds the records that must be appended whatever the decisions are.
    pub(crate) fn decide(
        &self,
        p: &Privity,
        found: Vec<Found>,
        records: &mut Vec<NewRecord>,
        noted: &mut Vec<Noted>,
    ) -> Decisions {
        let asking = &self.asking;
        let sale = sale_of(p, &asking.caller.recipient, &asking.purpose);
        // One moment for all, so that lists which are the same are.
        let (now, first) = (p.now(), records.len());
        let decided = found.into_iter().zip(&self.sought).map(|(found, sought)| {
            let one = asking.decide(p, found, now);
            // Most of them are named alike.
            let own = records.get(first..).unwrap_or_default();
            let names = one.names(now).filter(|names| !own.contains(names));
            let is_new = names.is_some();
            records.extend(names);
            let note = asking.noted(&one, is_new, &sale, now);
            noted.extend(note.map(|note| Noted {
                record: records.len(),
                ..note
            }));
            records.push(asking.record_of(&one, sought, now));
            (one, is_new)
        });
        Decisions(decided.collect())
    }

    /// What the decisions grant, now that their records are durable.
    fn granted(
        &self,
        p: &Privity,
        decisions: Decisions,
        proofs: Vec<Appended>,
    ) -> Result<Vec<Granted>, Problem> {
        let mut proofs = proofs.into_iter();
        let decided = decisions.0.into_iter();
        decided
            .map(|(one, has_names)| {
                self.asking.watch(&one);
                if has_names {
                    one.names_recorded(&next(&mut proofs)?)
                        .map_err(unrecorded)?;
                }
                self.asking.granted(p, one, next(&mut proofs)?)
            })
            .collect()
    }
}

/// Loads what all of these rest on.
///
/// # Errors
/// [`Problem`] when our database doesn't answer.
pub(crate) fn find_for(
    p: &Privity,
    tx: &mut Tx,
    all: &[&Undecided],
) -> Result<Vec<Vec<Found>>, Problem> {
    let mut found: Vec<Vec<Found>> = all.iter().map(|_| Vec::new()).collect();
    let kinds: BTreeSet<_> = all.iter().map(|one| one.reads_as()).collect();
    for kind in kinds {
        let alike = || all.iter().filter(|one| one.reads_as() == kind);
        let sought: Vec<&Sought> = alike().flat_map(|one| &one.sought).collect();
        let in_force = alike().find_map(|one| one.asking.in_force.as_deref());
        let mut loaded = load_in(p, tx, in_force, &sought, kind.1)?.into_iter();
        let places = all.iter().zip(&mut found);
        for (one, found) in places.filter(|(one, _)| one.reads_as() == kind) {
            found.extend(loaded.by_ref().take(one.count()));
        }
    }
    Ok(found)
}

/// Policies that were written for another role of the recipient than it has now decide nothing for it.
fn knows(in_force: &InForce, caller: &Caller, role: Option<RecipientRole>) -> bool {
    let mut known = in_force.configuration.recipients.iter();
    known.any(|one| one.key == caller.recipient && Some(one.role) == role)
}

/// One decision, and the records that it is about.
struct Decided {
    decision: Result<Permit, Denial>,
    held: Option<Arc<Held>>,
    /// Where a version decides beside the active one: what that is shown.
    seen: Option<Seen>,
}

/// What a decision rested on.
struct Seen {
    facts: SubjectFacts,
    on: Timestamp,
    is_known: bool,
}

impl Decided {
    fn names(&self, now: Timestamp) -> Option<NewRecord> {
        match &self.decision {
            Ok(permit) => permit.names(now),
            Err(denial) => denial.names(now),
        }
    }

    fn names_recorded(&self, proof: &Appended) -> Result<(), NotRecorded> {
        match &self.decision {
            Ok(permit) => permit.names_recorded(proof),
            Err(denial) => denial.names_recorded(proof),
        }
    }

    fn attribute_set(&self) -> Option<(domain::audit::Hash, &Lists)> {
        match &self.decision {
            Ok(permit) => permit.attribute_set(),
            Err(denial) => denial.attribute_set(),
        }
    }
}

fn next(proofs: &mut impl Iterator<Item = Appended>) -> Result<Appended, Problem> {
    let proof = proofs.next();
    proof.ok_or_else(|| Problem::internal("recording the disclosure", &"no record came back"))
}

fn unrecorded(error: NotRecorded) -> Problem {
    Problem::internal("recording the disclosure", &error)
}

/// By what a subject is looked up.
enum Sought {
    Id(SubjectId),
    Tags(IdentifierKind, Vec<IdentifierTag>),
    /// By what is no identifier of its kind, and so nobody's.
    Nobody(IdentifierKind),
}

impl Sought {
    fn by(&self) -> impl Iterator<Item = AskedBy<'_>> {
        let (id, (kind, tags)) = match self {
            Self::Id(id) => (Some(AskedBy::Id(*id)), ("", &[][..])),
            Self::Tags(kind, tags) => (None, (kind.0.as_str(), tags.as_slice())),
            Self::Nobody(kind) => (None, (kind.0.as_str(), &[][..])),
        };
        let tags = tags.iter().map(move |tag| AskedBy::Tag(kind, *tag));
        id.into_iter().chain(tags)
    }
}

fn sought(p: &Privity, schema: &Schema, asked: &SubjectAsked) -> Result<Sought, Problem> {
    match asked {
        SubjectAsked::Id(id) => Ok(Sought::Id(*id)),
        SubjectAsked::Identifier(kind, value) => match tags_of(p, schema, (kind, value)) {
            Ok(tags) => Ok(Sought::Tags(kind.clone(), tags)),
            Err(problem) if problem.field == Some("value") => Ok(Sought::Nobody(kind.clone())),
            Err(problem) => Err(problem),
        },
    }
}

/// What was found of whom was sought.
#[derive(Clone, Default)]
pub(crate) struct Found {
    /// The id that was asked for.
    asked: Option<SubjectId>,
    held: Option<Arc<Held>>,
    facts: Option<SubjectFacts>,
}

/// Everything that the decisions rest on, in one read.
async fn load(p: &Privity, asking: &Asking, sought: &Arc<[Sought]>) -> Result<Vec<Found>, Problem> {
    let (inside, sought) = (p.clone(), Arc::clone(sought));
    let in_force = asking.in_force.clone();
    let with_profile = asking.caller.door.opens_profiles();
    p.read_few("load facts for recipient", move |tx| {
        let sought: Vec<_> = sought.iter().collect();
        load_in(&inside, tx, in_force.as_deref(), &sought, with_profile)
    })
    .await
}

fn load_in(
    p: &Privity,
    tx: &mut Tx,
    in_force: Option<&InForce>,
    sought: &[&Sought],
    with_profile: bool,
) -> Result<Vec<Found>, Problem> {
    let mut asked: Vec<AskedBy<'_>> = sought.iter().flat_map(|one| one.by()).collect();
    asked.sort_unstable();
    asked.dedup();
    let about = profile::ask_about(tx, &asked, with_profile)?;
    let known = known(p, tx, in_force, about)?;
    let found = sought.iter().map(|sought| {
        let places = sought.by().filter_map(|by| asked.binary_search(&by).ok());
        let records = places.filter_map(|place| known.get(place)).flatten();
        let one = only_one(records);
        Found {
            asked: match sought {
                Sought::Id(id) => Some(*id),
                Sought::Tags(..) | Sought::Nobody(_) => None,
            },
            facts: one.and_then(|one| one.facts.clone()),
            held: one.map(|one| Arc::clone(&one.held)),
        }
    });
    Ok(found.collect())
}

/// A record that was found: whose it is, and what is known of her.
struct Known {
    held: Arc<Held>,
    facts: Option<SubjectFacts>,
}

/// Whose records these are, in their order; those erased are left out.
fn known(
    p: &Privity,
    tx: &mut Tx,
    in_force: Option<&InForce>,
    mut about: Vec<Vec<AskedAbout>>,
) -> Result<Vec<Vec<Known>>, Problem> {
    for all in &mut about {
        all.retain(|one| one.found.subject.erased_at.is_none() && one.found.subject.key.is_some());
    }
    let kept: Vec<_> = about
        .iter()
        .flatten()
        .map(|one| (one.found.subject.stands_for(), one.facts.as_ref()))
        .collect();
    let facts = match in_force {
        Some(in_force) => facts_of(p, tx, in_force, &kept)?,
        None => Vec::new(),
    };
    let merged = merged(tx, &about)?;
    // Without policies in force, nothing is known of anybody.
    let mut facts = facts.into_iter();
    let known = about.into_iter().map(|all| {
        let known = all.into_iter().filter_map(|one| {
            let (facts, record) = (facts.next().flatten(), one.found.subject);
            let stands_for = record.stands_for();
            let held = if one.found.has_others {
                Arc::clone(merged.get(&record.id)?)
            } else {
                Arc::new(Held {
                    canonical: record.id,
                    records: vec![record],
                    segments: one.found.segments,
                })
            };
            let facts = facts.filter(|_| held.canonical == stands_for);
            Some(Known { held, facts })
        });
        known.collect()
    });
    Ok(known.collect())
}

/// Everything of those who have other records as well, by each of their records.
fn merged(
    tx: &mut Tx,
    about: &[Vec<AskedAbout>],
) -> Result<BTreeMap<SubjectId, Arc<Held>>, Problem> {
    let merged = about.iter().flatten().filter(|one| one.found.has_others);
    let merged: BTreeSet<_> = merged.map(|one| one.found.subject.id).collect();
    if merged.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut by_record = BTreeMap::new();
    for one in held(tx, &merged)? {
        let one = Arc::new(one);
        let ids = one.records.iter().map(|record| record.id);
        by_record.extend(ids.map(|id| (id, Arc::clone(&one))));
    }
    Ok(by_record)
}

/// An identifier that several subjects share finds none of them.
fn only_one<'k>(mut found: impl Iterator<Item = &'k Known>) -> Option<&'k Known> {
    let first = found.next()?;
    found
        .all(|other| other.held.canonical == first.held.canonical)
        .then_some(first)
}

fn records_of(held: &Held) -> BTreeSet<SubjectId> {
    held.records.iter().map(|record| record.id).collect()
}
