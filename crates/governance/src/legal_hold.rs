//! Legal holds: named reasons that keep named data from deletion for now, placed and lifted by operators or named by the data map.
//!
//! A hold counts when a plan is made and again at the moment of erasing. What it keeps is no residue, and the subject is told
//! why something of hers stays. Lifting one undoes nothing by itself.
//! Law: Cal. Civ. Code 1798.105(d), 1798.145(a) (what may be kept, and why); 11 CCR 7022(f) (she is told).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::audit::{Action, Actor, NewRecord};
use domain::data_map::graph::SearchGraph;
use domain::data_map::{CollectionKey, KeepReason};
use domain::disclosure::{DisclosureRecipient, Purpose};
use domain::id::{OperatorId, RequestId};
use domain::plan::Plan;
use domain::rng::new_id;
use domain::traversal::Located;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use storage::Tx;
use storage::legal_hold::LegalHold;
use storage::privacy_request::StoredPrivacyRequest;

use crate::deciding::own;
use crate::disclosure::{Wanted, open};
use crate::privacy_request::{figures, intake, plan};
use crate::profile::{hold_together, is_held, is_index};
use crate::requester::{IDENTITY, Requester};
use crate::search::look_again;
use crate::view::{HoldLine, HoldOnRequest};
use crate::work::{Stop, Work, requester, seal_located};
use crate::{Privity, Problem, policy};

pub use storage::legal_hold::LegalHoldId;

/// The longest name of a hold, in characters.
const LONGEST_NAME: usize = 120;
/// The longest note, in characters.
const LONGEST_NOTE: usize = 2_000;
/// More collections than this are counted in the audit record and not named: it has room for so many.
const NAMED_IN_RECORD: usize = 500;

/// A hold to be placed.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its name, for operators.
    pub name: String,
    /// The code of an exception in law/reasons.yaml; its title is what the subject reads.
    pub reason_code: String,
    /// What operators should know; never a personal value.
    pub note: String,
    /// The collections whose rows stay.
    pub covers: BTreeSet<CollectionKey>,
    /// Only the rows of this privacy request's subject; everybody's when `None`.
    pub request: Option<RequestId>,
    /// The last day on which it holds; until lifted when `None`.
    pub until: Option<Date>,
}

/// Places a legal hold. It counts from now on, also for what was planned before.
pub async fn place(
    p: &Privity,
    operator: OperatorId,
    wanted: Place,
) -> Result<LegalHoldId, Problem> {
    check(p, &wanted)?;
    let subject_tags = match wanted.request {
        Some(request) => subject_tags(p, request, operator).await?,
        None => BTreeSet::new(),
    };
    let hold = LegalHold {
        id: new_id(p.rng(), p.now()),
        name: wanted.name.trim().to_owned(),
        reason_code: wanted.reason_code,
        note: wanted.note.trim().to_owned(),
        covers: wanted.covers,
        request: wanted.request,
        subject_tags,
        placed_by: operator,
        placed_at: p.now(),
        until: wanted.until,
        lifted_at: None,
    };
    let (id, record) = (hold.id, placed_record(p, &hold));
    let inside = p.clone();
    p.write("place legal hold", move |tx| {
        storage::legal_hold::insert(tx, &hold)?;
        policy::outdate_all(&inside, tx)?;
        Ok(((), vec![record.clone()]))
    })
    .await?;
    Ok(id)
}

fn check(p: &Privity, wanted: &Place) -> Result<(), Problem> {
    let length = wanted.name.trim().chars().count();
    if length == 0 || length > LONGEST_NAME {
        return Err(Problem::invalid(
            "name",
            "a legal hold needs a name of at most 120 characters, by which operators know it",
        ));
    }
    if wanted.note.chars().count() > LONGEST_NOTE {
        return Err(Problem::invalid(
            "note",
            "this note is too long; at most 2,000 characters fit",
        ));
    }
    for (field, text) in [("name", &wanted.name), ("note", &wanted.note)] {
        if text.contains('@') {
            return Err(Problem::invalid(
                field,
                "this looks like an e-mail address; write nobody's personal data here, it is kept in the open",
            ));
        }
    }
    check_scope(p, wanted)
}

fn check_scope(p: &Privity, wanted: &Place) -> Result<(), Problem> {
    if !p
        .law()
        .exceptions()
        .any(|reason| reason.reason == wanted.reason_code)
    {
        return Err(Problem::invalid(
            "reason_code",
            "choose one of the exceptions that the law knows; the subject reads it",
        ));
    }
    if wanted.covers.is_empty() {
        return Err(Problem::invalid(
            "covers",
            "choose at least one collection that must stay",
        ));
    }
    if let Some(unknown) = wanted
        .covers
        .iter()
        .find(|key| !p.map().collections.contains_key(*key))
    {
        return Err(Problem::invalid(
            "covers",
            format!("`{unknown}` is not in the data map; choose collections that are"),
        ));
    }
    if wanted.until.is_some_and(|until| until < today(p)) {
        return Err(Problem::invalid(
            "until",
            "this day is over; choose today or a later day, or none",
        ));
    }
    Ok(())
}

/// The keyed hashes by which the subject's other privacy requests are known. Opening her identifiers for them is recorded as the
/// operator's look.
async fn subject_tags(
    p: &Privity,
    request: RequestId,
    operator: OperatorId,
) -> Result<BTreeSet<String>, Problem> {
    let stored = p
        .read("read privacy request", move |tx| {
            storage::privacy_request::get(tx, request)?.ok_or_else(unknown_request)
        })
        .await?;
    let wanted = Wanted {
        recipient: DisclosureRecipient::Operator(operator),
        known: None,
        purpose: Purpose::ShowOperator,
        attributes: vec![own(IDENTITY, "user.contact.email", None)],
    };
    let opened = open(p, &stored, &wanted, Actor::Operator(operator)).await?;
    let requester = requester(&opened.key, &opened.permit, &stored)
        .map_err(|stop| Problem::internal("placing this legal hold", &format!("{stop:?}")))?;
    let tags = tags(p, &requester);
    if tags.is_empty() {
        return Err(Problem::invalid(
            "request",
            "this privacy request names no identifier, so nobody's data can be told by it; choose another, or hold the collections for everybody",
        ));
    }
    Ok(tags)
}

fn unknown_request() -> Problem {
    Problem::invalid(
        "request",
        "there is no such privacy request; copy its id from its page",
    )
}

fn tags(p: &Privity, requester: &Requester) -> BTreeSet<String> {
    let values = intake::named_values(requester).into_iter();
    values
        .map(|(kind, value)| {
            let tag = p.keys().blind_tag(&kind, &value);
            tag.iter().map(|byte| format!("{byte:02x}")).collect()
        })
        .collect()
}

fn placed_record(p: &Privity, hold: &LegalHold) -> NewRecord {
    let named = (hold.covers.len() <= NAMED_IN_RECORD).then(|| {
        let keys = hold.covers.iter();
        keys.map(ToString::to_string).collect::<Vec<_>>()
    });
    let until = hold.until.map(|until| until.to_string());
    let record = NewRecord::new(
        p.now(),
        Actor::Operator(hold.placed_by),
        Action::LegalHoldPlaced,
    )
    .with("legal_hold", hold.id.to_string())
    .with("reason", hold.reason_code.clone())
    .with("collections", hold.covers.len())
    .with("covers", named)
    .with("until", until);
    match hold.request {
        Some(request) => record.for_request(request),
        None => record,
    }
}

/// Lifts a legal hold. What it kept is not erased by that: whoever is still to be forgotten is, whoever was closed has to be
/// taken up again.
pub async fn lift(p: &Privity, id: LegalHoldId, operator: OperatorId) -> Result<(), Problem> {
    let now = p.now();
    let inside = p.clone();
    p.write("lift legal hold", move |tx| {
        let hold =
            storage::legal_hold::get(tx, id)?.ok_or_else(|| Problem::not_found("legal hold"))?;
        if !storage::legal_hold::lift(tx, id, now)? {
            return Err(Problem::conflict("this legal hold was lifted before"));
        }
        policy::outdate_all(&inside, tx)?;
        let record = NewRecord::new(now, Actor::Operator(operator), Action::LegalHoldLifted)
            .with("legal_hold", id.to_string());
        let record = match hold.request {
            Some(request) => record.for_request(request),
            None => record,
        };
        Ok(((), vec![record]))
    })
    .await?;
    Ok(())
}

/// All legal holds: those of the data map first, then those placed by operators, newest first.
pub async fn list(p: &Privity) -> Result<Vec<HoldLine>, Problem> {
    let (placed, operators) = p
        .read("list legal holds", |tx| {
            Ok((storage::legal_hold::list(tx)?, storage::operator::list(tx)?))
        })
        .await?;
    let name = |id: OperatorId| {
        let operator = operators.iter().find(|operator| operator.id == id);
        operator.map(|operator| operator.name.clone())
    };
    let named = p.map().legal_holds.iter().map(|hold| named_line(p, hold));
    let placed = placed
        .iter()
        .map(|hold| placed_line(p, hold, name(hold.placed_by)));
    Ok(named.chain(placed).collect())
}

fn placed_line(p: &Privity, hold: &LegalHold, placed_by: Option<String>) -> HoldLine {
    HoldLine {
        id: Some(hold.id),
        name: hold.name.clone(),
        reason: plan::in_words(p, &hold.reason_code, None),
        citation: citation(p, &hold.reason_code),
        note: hold.note.clone(),
        covers: titles(p, &hold.covers),
        request: hold.request,
        placed_by,
        placed_at: Some(hold.placed_at),
        until: hold.until,
        lifted_at: hold.lifted_at,
        in_force: hold.lifted_at.is_none() && hold.until.is_none_or(|until| until >= today(p)),
    }
}

fn named_line(p: &Privity, hold: &domain::data_map::LegalHold) -> HoldLine {
    HoldLine {
        id: None,
        name: hold.name.clone(),
        reason: hold.reason.clone(),
        citation: citation(p, &hold.reason.code),
        note: String::new(),
        covers: titles(p, &hold.covers),
        request: None,
        placed_by: None,
        placed_at: None,
        until: hold.until,
        lifted_at: None,
        in_force: hold.until.is_none_or(|until| until >= today(p)),
    }
}

fn citation(p: &Privity, code: &str) -> Option<String> {
    p.law().reason(code).map(|reason| reason.citation.clone())
}

fn titles<'a>(
    p: &Privity,
    covers: impl IntoIterator<Item = &'a CollectionKey>,
) -> Vec<(CollectionKey, String)> {
    let title = |key: &CollectionKey| {
        let collection = p.map().collections.get(key);
        collection.map_or_else(|| key.to_string(), |collection| collection.title.clone())
    };
    covers
        .into_iter()
        .map(|key| (key.clone(), title(key)))
        .collect()
}

/// The collections that a hold can cover, with their titles, and the reasons that it can have.
pub fn choices(p: &Privity) -> (Vec<(CollectionKey, String)>, Vec<KeepReason>) {
    let kept_anyhow = |system: &domain::data_map::SystemKey| {
        p.map()
            .systems
            .get(system)
            .is_some_and(|system| system.kind == domain::data_map::SystemKind::Manual)
    };
    let collections = p.map().collections.values();
    let collections = collections
        .filter(|collection| !kept_anyhow(&collection.system) && !is_index(&collection.key));
    let reasons = p.law().exceptions().map(|reason| KeepReason {
        code: reason.reason.clone(),
        explanation: reason.title.clone(),
    });
    (
        collections
            .map(|collection| (collection.key.clone(), collection.title.clone()))
            .collect(),
        reasons.collect(),
    )
}

/// The legal holds in force that concern one privacy request.
pub(crate) async fn on_request(
    p: &Privity,
    stored: &StoredPrivacyRequest,
) -> Result<Vec<HoldOnRequest>, Problem> {
    let day = today(p);
    let placed = p
        .read("read legal holds", move |tx| {
            Ok(storage::legal_hold::in_force(tx, day)?)
        })
        .await?;
    let tags = known_tags(&placed, stored.request.id);
    let placed = placed
        .iter()
        .filter(|hold| is_for(hold, stored.request.id, &tags))
        .map(|hold| placed_line(p, hold, None));
    let named = p.map().legal_holds.iter().map(|hold| named_line(p, hold));
    let lines = named.filter(|line| line.in_force).chain(placed);
    Ok(lines
        .filter_map(|line| concerning(line, stored.plan.as_ref()))
        .collect())
}

/// Without opening anything, the tags of this privacy request's subject are known from holds that name it.
fn known_tags(placed: &[LegalHold], request: RequestId) -> BTreeSet<String> {
    let own = placed.iter().filter(|hold| hold.request == Some(request));
    own.flat_map(|hold| hold.subject_tags.iter().cloned())
        .collect()
}

/// What a hold keeps of this privacy request; `None` when it covers nothing that was found.
fn concerning(line: HoldLine, plan: Option<&Plan>) -> Option<HoldOnRequest> {
    let found: Vec<(String, u64)> = match plan {
        None => Vec::new(),
        Some(plan) => {
            let found = plan.collections.iter().filter(|planned| planned.rows > 0);
            found
                .filter(|planned| {
                    line.covers
                        .iter()
                        .any(|(key, _)| *key == planned.collection)
                })
                .map(|planned| (planned.title.clone(), planned.rows))
                .collect()
        }
    };
    let counted = plan.is_some_and(|plan| {
        let mut held = line.covers.iter();
        held.any(|(key, _)| plan.held.contains(key))
    });
    (!found.is_empty() || (plan.is_none() && line.request.is_some())).then_some(HoldOnRequest {
        hold: line,
        found,
        counted,
    })
}

fn is_for(hold: &LegalHold, request: RequestId, tags: &BTreeSet<String>) -> bool {
    hold.request
        .is_none_or(|named| named == request || !hold.subject_tags.is_disjoint(tags))
}

/// Whose profiles are kept by a legal hold at this moment, as far as facts ask for it: those of everybody where a hold covers profiles, and
/// of the subjects whom one names.
pub(crate) struct HeldProfiles {
    everybody: (bool, Option<Date>),
    /// By the keyed hash of an identifier, in hexadecimal, with the last day.
    named: BTreeMap<String, Option<Date>>,
}

impl HeldProfiles {
    pub(crate) fn read(p: &Privity, tx: &mut Tx) -> Result<Self, Problem> {
        let day = today(p);
        let mut held = Self {
            everybody: (false, None),
            named: BTreeMap::new(),
        };
        let of_map = p.map().legal_holds.iter();
        for hold in of_map.filter(|hold| hold.until.is_none_or(|until| until >= day)) {
            let covers = is_held(&|key: &CollectionKey| hold.covers.contains(key));
            held.take_in(covers, hold.until);
        }
        for hold in storage::legal_hold::in_force(tx, day)? {
            if hold.request.is_none() {
                let covers = is_held(&|key: &CollectionKey| hold.covers.contains(key));
                held.take_in(covers, hold.until);
            }
            let tags = hold.subject_tags.into_iter();
            held.named.extend(tags.map(|tag| (tag, hold.until)));
        }
        Ok(held)
    }

    fn take_in(&mut self, is_held: bool, until: Option<Date>) {
        if is_held {
            self.everybody = (true, self.everybody.1.into_iter().chain(until).min());
        }
    }

    /// Whether everybody's profile is held, and until which day at the least.
    pub(crate) const fn everybody(&self) -> (bool, Option<Date>) {
        self.everybody
    }

    /// Whether a hold names single subjects.
    pub(crate) fn names_subjects(&self) -> bool {
        !self.named.is_empty()
    }

    /// Whether one names whoever has this identifier, by its keyed hash.
    pub(crate) fn of(&self, tag: &[u8; 16]) -> (bool, Option<Date>) {
        let tag: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        self.named
            .get(&tag)
            .map_or((false, None), |until| (true, *until))
    }
}

/// Which collections are held for whom in a batch, and why.
pub(crate) struct Holds {
    of: Vec<BTreeMap<CollectionKey, KeepReason>>,
    graph: Arc<SearchGraph>,
}

impl Holds {
    /// Those in force now, for each of a batch in its order.
    pub(crate) async fn of(p: &Privity, batch: &[Work]) -> Result<Self, Stop> {
        let day = today(p);
        let placed = p
            .read("read legal holds", move |tx| {
                Ok(storage::legal_hold::in_force(tx, day)?)
            })
            .await?;
        let mut everybody = BTreeMap::new();
        let named = p.map().legal_holds.iter();
        for hold in named.filter(|hold| hold.until.is_none_or(|until| until >= day)) {
            for key in &hold.covers {
                everybody
                    .entry(key.clone())
                    .or_insert_with(|| hold.reason.clone());
            }
        }
        let of_single = placed.iter().any(|hold| hold.request.is_some());
        let mut of = Vec::with_capacity(batch.len());
        for work in batch {
            let tags = if of_single {
                tags(p, &work.requester(p)?)
            } else {
                BTreeSet::new()
            };
            let mut held: BTreeMap<CollectionKey, KeepReason> = everybody.clone();
            for hold in placed.iter().filter(|hold| is_for(hold, work.id(), &tags)) {
                for key in &hold.covers {
                    held.entry(key.clone())
                        .or_insert_with(|| plan::in_words(p, &hold.reason_code, None));
                }
            }
            hold_together(&mut held);
            of.push(held);
        }
        Ok(Self {
            of,
            graph: graph(p, &placed),
        })
    }

    /// The graph in which what is held keeps what it points at.
    pub(crate) fn graph(&self) -> &Arc<SearchGraph> {
        &self.graph
    }

    /// Why a subject's rows in a collection stay, if they do; she is named by her place in the batch.
    pub(crate) fn reason(&self, subject: usize, key: &CollectionKey) -> Option<&KeepReason> {
        self.of.get(subject)?.get(key)
    }
}

/// What is held stays and points; the data map's own graph knows only the holds that the data map names.
fn graph(p: &Privity, placed: &[LegalHold]) -> Arc<SearchGraph> {
    let covered: BTreeSet<CollectionKey> = placed
        .iter()
        .flat_map(|hold| hold.covers.iter().cloned())
        .collect();
    if covered.is_empty() {
        return Arc::clone(p.graph());
    }
    Arc::new(SearchGraph::holding(p.map(), &covered))
}

/// A batch as it stands now that the holds in force are minded.
pub(crate) struct Minded {
    /// The holds.
    pub(crate) holds: Holds,
    /// Where the rows are.
    pub(crate) located: Vec<Located>,
    /// The plans, made anew where other holds are in force than when they were made.
    pub(crate) plans: Vec<Option<Plan>>,
}

/// Looks which holds are in force at this moment, and makes the plans say so.
pub(crate) async fn mind(
    p: &Privity,
    batch: &[Work],
    mut located: Vec<Located>,
) -> Result<Minded, Stop> {
    let holds = Holds::of(p, batch).await?;
    let mut plans: Vec<Option<Plan>> = batch.iter().map(|work| work.stored.plan.clone()).collect();
    let stale = |(subject, plan): (usize, &Option<Plan>)| {
        plan.as_ref()
            .is_some_and(|plan| held_now(&holds, subject, plan) != plan.held)
            .then_some(subject)
    };
    let stale: Vec<usize> = plans.iter().enumerate().filter_map(stale).collect();
    if stale.is_empty() {
        return Ok(Minded {
            holds,
            located,
            plans,
        });
    }
    let found = look_again(p, &located, &holds).await?;
    let mut changed = Vec::with_capacity(stale.len());
    for subject in stale {
        let (Some(work), Some(found), Some(known), Some(Some(plan))) = (
            batch.get(subject),
            found.get(subject),
            located.get_mut(subject),
            plans.get_mut(subject),
        ) else {
            continue;
        };
        let fresh = figures::plan(p, work.stored.request.kind, found, subject, &holds);
        known.extend(found.located.clone());
        refigure(plan, fresh);
        plan.held = held_now(&holds, subject, plan);
        let sealed = seal_located(p, &work.key(p)?, work.id(), known)?;
        changed.push((work.stored.request.clone(), sealed, plan.clone()));
    }
    let q = p.clone();
    p.write("legal holds minded", move |tx| {
        let plans: Vec<_> = changed
            .iter()
            .map(|(request, sealed, plan)| (request.id, sealed.clone(), plan.clone()))
            .collect();
        storage::privacy_request::save_plans(tx, &plans, q.now())?;
        let records = changed.iter().map(|(request, _, plan)| {
            plan::plan_record(&q, request, plan).with("because", "legal_hold")
        });
        Ok(((), records.collect()))
    })
    .await?;
    Ok(Minded {
        holds,
        located,
        plans,
    })
}

fn held_now(holds: &Holds, subject: usize, plan: &Plan) -> BTreeSet<CollectionKey> {
    let found = plan.collections.iter().filter(|planned| planned.rows > 0);
    found
        .filter(|planned| holds.reason(subject, &planned.collection).is_some())
        .map(|planned| planned.collection.clone())
        .collect()
}

/// Puts what is there now in the place of what was planned; what was there and is not any more has been erased as planned.
fn refigure(plan: &mut Plan, fresh: Plan) {
    plan.made_at = fresh.made_at;
    for mut now in fresh.collections {
        let Some(planned) = plan
            .collections
            .iter_mut()
            .find(|planned| planned.collection == now.collection)
        else {
            plan.collections.push(now);
            continue;
        };
        let gone = planned.rows.saturating_sub(now.rows);
        let deleted = gone.min(planned.delete);
        now.rows += gone;
        now.delete += deleted;
        now.redact += gone - deleted;
        *planned = now;
    }
}

/// The day that counts for holds: that of the business's own law, so that the last day lasts until its midnight.
pub(crate) fn today(p: &Privity) -> Date {
    let law = p.law().law(&p.settings().business.default_law);
    let zone = law.map_or(TimeZone::UTC, |law| law.time_zone().clone());
    p.now().to_zoned(zone).date()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use domain::plan::{Kept, PlannedCollection};

    use super::*;

    fn planned(rows: u64, delete: u64, redact: u64, kept: u64) -> PlannedCollection {
        let kept = (kept > 0).then(|| Kept {
            rows: kept,
            reason: KeepReason {
                code: "X8_legal_claims".to_owned(),
                explanation: "claims".to_owned(),
            },
        });
        PlannedCollection {
            collection: "shop.orders".into(),
            system: "shop".into(),
            title: "Orders".to_owned(),
            rows,
            delete,
            redact,
            kept: kept.into_iter().collect(),
            categories: BTreeSet::new(),
        }
    }

    fn plan(line: PlannedCollection) -> Plan {
        Plan {
            made_at: jiff::Timestamp::UNIX_EPOCH,
            collections: vec![line],
            manual: Vec::new(),
            disclosed: Vec::new(),
            held: BTreeSet::new(),
        }
    }

    fn after(before: PlannedCollection, now: PlannedCollection) -> PlannedCollection {
        let mut known = plan(before);
        refigure(&mut known, plan(now));
        known.collections[0].clone()
    }

    #[test]
    fn rows_that_went_before_a_hold_was_placed_are_not_called_kept() {
        // Ten were to go, six did, then the rest was held.
        assert_eq!(
            after(planned(10, 10, 0, 0), planned(4, 0, 0, 4)),
            planned(10, 6, 0, 4)
        );
        // All went before.
        assert_eq!(
            after(planned(3, 3, 0, 0), planned(0, 0, 0, 0)),
            planned(3, 3, 0, 0)
        );
        // What was overwritten can't be found by what was overwritten.
        assert_eq!(
            after(planned(3, 1, 2, 0), planned(1, 0, 0, 1)),
            planned(3, 1, 1, 1)
        );
        // Lifted: it goes.
        assert_eq!(
            after(planned(4, 0, 0, 4), planned(4, 4, 0, 0)),
            planned(4, 4, 0, 0)
        );
    }
}
