//! Resolution in one transaction: everything that shares an identifier or a merge with what was touched is read, the pure rules
//! ([`domain::identity::resolve`]) say who is who, and merges, withdrawn merges and questions to operators are stored with their records.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{Action, Actor, NewRecord};
use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::identity::{
    BlockedBy, Decided, History, IdentifierTag, IdentityEvent, Merge, MergeReason,
    POSSIBLE_MATCH_KIND, Resolution, Review, ReviewKind, ReviewState, SourceRecord, resolve,
};
use domain::profile::Schema;
use domain::rng::new_id;
use enforcement::vault::IndexKeys;
use storage::identity::StoredEvent;
use storage::profile_segment;
use storage::subject::{self, StoredSubject};
use storage::{Tx, identifier, identity};

use crate::profile::{Seed, place_of, subject_key};
use crate::{Privity, Problem};

/// Records that are looked at together, at most. More of them are linked by chains of identifiers only where something is wrong with
/// a source; whatever is beyond stays as it is.
const MOST_RECORDS: usize = 20_000;

/// Resolves whoever has one of these new tags together with somebody else. Most new tags are nobody else's, and cost one look each.
pub(crate) fn link(
    p: &Privity,
    tx: &mut Tx,
    schema: &Schema,
    keys: &IndexKeys,
    seeds: Vec<Seed>,
) -> Result<Vec<NewRecord>, Problem> {
    let links = |kind: &IdentifierKind| {
        kind.0 == POSSIBLE_MATCH_KIND
            || schema
                .identity()
                .kinds
                .get(kind)
                .is_some_and(|rule| rule.unique)
    };
    let seeds: BTreeSet<_> = seeds.iter().filter(|(kind, _, _)| links(kind)).collect();
    if seeds.is_empty() {
        return Ok(Vec::new());
    }
    // From here on one after another: of two transactions that bring the same identifier, the second sees what the first one stored.
    storage::audit::hold(tx, &p.log_name())?;
    let seeds: Vec<_> = seeds
        .into_iter()
        .map(|(kind, tag, subject)| (kind, *tag, *subject))
        .collect();
    let shared = identifier::shared(tx, &seeds)?;
    if shared.is_empty() {
        return Ok(Vec::new());
    }
    settle(
        p,
        tx,
        schema,
        keys,
        Touched {
            tags: shared,
            subjects: BTreeSet::new(),
        },
    )
}

/// Where a resolution begins.
#[derive(Default)]
pub(crate) struct Touched {
    pub(crate) tags: BTreeSet<(IdentifierKind, IdentifierTag)>,
    pub(crate) subjects: BTreeSet<SubjectId>,
}

/// Resolves everything that hangs together with what was touched. The caller holds the log.
pub(crate) fn settle(
    p: &Privity,
    tx: &mut Tx,
    schema: &Schema,
    keys: &IndexKeys,
    touched: Touched,
) -> Result<Vec<NewRecord>, Problem> {
    let gathered = gather(p, tx, schema, keys, touched)?;
    let history = History::of(gathered.events.into_iter().map(|stored| stored.event))
        .map_err(|error| Problem::internal("reading who is who", &error))?;
    let records: Vec<_> = gathered.records.into_values().collect();
    let resolution = resolve(schema.identity(), &records, &history);
    let mut written = Vec::new();
    store_merges(p, tx, &resolution, &mut written)?;
    store_withdrawn(p, tx, &resolution, &history, &mut written)?;
    store_canonical(tx, &resolution, &gathered.subjects)?;
    store_reviews(p, tx, &resolution, &records)?;
    Ok(written)
}

/// Everything that hangs together.
#[derive(Default)]
struct Gathered {
    subjects: BTreeMap<SubjectId, StoredSubject>,
    records: BTreeMap<SubjectId, SourceRecord>,
    events: Vec<StoredEvent>,
}

/// From tags to whoever has them, from subjects to whom they were merged with and to their own tags, until nothing new comes.
fn gather(
    p: &Privity,
    tx: &mut Tx,
    schema: &Schema,
    keys: &IndexKeys,
    touched: Touched,
) -> Result<Gathered, Problem> {
    let mut gathered = Gathered::default();
    let (mut tags, mut subjects) = (touched.tags, touched.subjects);
    let mut seen_tags = BTreeSet::new();
    let mut seen_events = BTreeSet::new();
    let limit = schema.identity().most_subjects.saturating_add(1);
    while !(tags.is_empty() && subjects.is_empty()) && gathered.records.len() < MOST_RECORDS {
        subjects.extend(identifier::holders(tx, &tags, limit)?);
        seen_tags.append(&mut tags);
        subjects.retain(|id| !gathered.subjects.contains_key(id));
        let events = identity::events_of(tx, &subjects)?;
        let mut next: BTreeSet<SubjectId> = events
            .iter()
            .flat_map(|stored| [stored.subjects.0, stored.subjects.1])
            .collect();
        gathered.events.extend(
            events
                .into_iter()
                .filter(|stored| seen_events.insert(stored.id)),
        );
        for stored in subject::get_many(tx, &subjects)? {
            gathered.subjects.insert(stored.id, stored);
        }
        for record in source_records(p, tx, schema, keys, &gathered.subjects, &subjects)? {
            tags.extend(
                record
                    .all_tags
                    .into_iter()
                    .filter(|tag| !seen_tags.contains(tag)),
            );
            gathered
                .records
                .insert(record.record.subject, record.record);
        }
        next.retain(|id| !gathered.subjects.contains_key(id));
        subjects = next;
    }
    Ok(gathered)
}

struct ReadRecord {
    record: SourceRecord,
    /// Its tags in every version, to find others by.
    all_tags: Vec<(IdentifierKind, IdentifierTag)>,
}

/// What can be compared of these subjects, as the vault says it of their segments. Whoever was erased has nothing left.
fn source_records(
    p: &Privity,
    tx: &mut Tx,
    schema: &Schema,
    keys: &IndexKeys,
    known: &BTreeMap<SubjectId, StoredSubject>,
    wanted: &BTreeSet<SubjectId>,
) -> Result<Vec<ReadRecord>, Problem> {
    let mut segments: BTreeMap<SubjectId, Vec<_>> = BTreeMap::new();
    for segment in profile_segment::of_subjects(tx, wanted)? {
        segments.entry(segment.subject).or_default().push(segment);
    }
    let mut records = Vec::new();
    for id in wanted {
        let Some(stored) = known.get(id).and_then(|subject| subject.key.as_ref()) else {
            continue;
        };
        let key = subject_key(p, *id, stored)?;
        let own = segments.get(id).map_or(&[][..], Vec::as_slice);
        let places = own.iter().map(|one| (place_of(one), &one.sealed));
        let tags = key
            .record_tags(schema, keys, places)
            .map_err(|error| Problem::internal("comparing profiles", &error))?;
        records.push(compared(*id, keys.present(), tags, schema));
    }
    Ok(records)
}

fn compared(
    id: SubjectId,
    present: u32,
    tags: enforcement::vault::RecordTags,
    schema: &Schema,
) -> ReadRecord {
    let unique = |kind: &IdentifierKind| {
        schema
            .identity()
            .kinds
            .get(kind)
            .is_some_and(|rule| rule.unique)
    };
    let possible = IdentifierKind(POSSIBLE_MATCH_KIND.to_owned());
    let mut all_tags: Vec<_> = tags
        .identifiers
        .iter()
        .filter(|tag| unique(&tag.kind))
        .map(|tag| (tag.kind.clone(), tag.tag))
        .collect();
    all_tags.extend(
        tags.possible_match
            .iter()
            .map(|(_, tag)| (possible.clone(), *tag)),
    );
    let identifiers = tags
        .identifiers
        .into_iter()
        .filter(|tag| tag.version == present);
    let identifiers = identifiers.map(|tag| domain::identity::HeldIdentifier {
        kind: tag.kind,
        tag: tag.tag,
        verified: tag.verified,
    });
    let of_present = tags
        .possible_match
        .iter()
        .find(|(version, _)| *version == present);
    ReadRecord {
        record: SourceRecord {
            subject: id,
            identifiers: identifiers.collect(),
            possible_match: of_present.map(|(_, tag)| *tag),
        },
        all_tags,
    }
}

fn store_merges(
    p: &Privity,
    tx: &mut Tx,
    resolution: &Resolution,
    written: &mut Vec<NewRecord>,
) -> Result<(), Problem> {
    let now = p.now();
    let mut events = Vec::with_capacity(resolution.new_merges.len());
    for link in &resolution.new_merges {
        let merge = Merge {
            id: new_id(p.rng(), now),
            one: link.one,
            other: link.other,
            reason: MergeReason::Identifier(link.kind.clone(), link.tag),
        };
        written.push(
            NewRecord::new(now, Actor::System, Action::SubjectsMerged)
                .with("merge", merge.id.to_string())
                .with("one", link.one.to_string())
                .with("other", link.other.to_string())
                .with("identifier", link.kind.0.clone()),
        );
        events.push(StoredEvent {
            id: new_id(p.rng(), now),
            subjects: (link.one, link.other),
            event: IdentityEvent::Merged(merge),
            at: now,
        });
    }
    Ok(identity::insert_events(tx, &events)?)
}

fn store_withdrawn(
    p: &Privity,
    tx: &mut Tx,
    resolution: &Resolution,
    history: &History,
    written: &mut Vec<NewRecord>,
) -> Result<(), Problem> {
    let now = p.now();
    let standing: BTreeMap<_, _> = history.standing().map(|merge| (merge.id, merge)).collect();
    let mut events = Vec::new();
    for id in &resolution.withdrawn {
        let Some(merge) = standing.get(id) else {
            continue;
        };
        written.push(
            NewRecord::new(now, Actor::System, Action::MergeSplit)
                .with("merge", id.to_string())
                .with("one", merge.one.to_string())
                .with("other", merge.other.to_string())
                .with("reason", "identifier_of_too_many"),
        );
        events.push(StoredEvent {
            id: new_id(p.rng(), now),
            subjects: (merge.one, merge.other),
            event: IdentityEvent::Split {
                merge: *id,
                by: Decided::Rule,
            },
            at: now,
        });
    }
    Ok(identity::insert_events(tx, &events)?)
}

fn store_canonical(
    tx: &mut Tx,
    resolution: &Resolution,
    subjects: &BTreeMap<SubjectId, StoredSubject>,
) -> Result<(), Problem> {
    let mut changes = Vec::new();
    for (id, stored) in subjects {
        let Some(canonical) = resolution.groups.canonical(*id) else {
            continue;
        };
        let wanted = (canonical != *id).then_some(canonical);
        if stored.canonical != wanted {
            changes.push((*id, wanted));
        }
    }
    subject::set_canonical(tx, &changes)?;
    Ok(())
}

/// Asks operators what the rules can't answer, and closes what answered itself.
fn store_reviews(
    p: &Privity,
    tx: &mut Tx,
    resolution: &Resolution,
    records: &[SourceRecord],
) -> Result<(), Problem> {
    let now = p.now();
    let ask = |kind, one, other: Option<SubjectId>, identifier: Option<&IdentifierKind>| Review {
        id: new_id(p.rng(), now),
        kind,
        one,
        other,
        identifier: identifier.cloned(),
        state: ReviewState::Open,
        decided: None,
        created_at: now,
    };
    let mut reviews = Vec::new();
    for pair in &resolution.possible_matches {
        reviews.push(ask(
            ReviewKind::PossibleMatch,
            pair.one,
            Some(pair.other),
            None,
        ));
    }
    for blocked in &resolution.blocked {
        // What an operator keeps apart she has looked at.
        if let BlockedBy::Conflict(kind) = &blocked.by {
            let (one, other) = (blocked.link.one, blocked.link.other);
            reviews.push(ask(ReviewKind::Conflict, one, Some(other), Some(kind)));
        }
    }
    for contested in &resolution.contested {
        reviews.push(ask(
            ReviewKind::Contested,
            contested.subject,
            None,
            Some(&contested.kind),
        ));
    }
    for hub in &resolution.hubs {
        let has = |record: &&SourceRecord| {
            record
                .identifiers
                .iter()
                .any(|held| held.kind == hub.kind && held.tag == hub.tag)
        };
        if let Some(oldest) = records
            .iter()
            .filter(has)
            .map(|record| record.subject)
            .min()
        {
            reviews.push(ask(ReviewKind::Everybodys, oldest, None, Some(&hub.kind)));
        }
    }
    identity::insert_reviews(tx, &reviews)?;
    let subjects: BTreeSet<_> = records.iter().map(|record| record.subject).collect();
    let open = identity::open_reviews_between(tx, &subjects)?;
    let answered = |review: &&Review| {
        review
            .other
            .is_some_and(|other| resolution.groups.same(review.one, other))
    };
    let settled: Vec<_> = open
        .iter()
        .filter(answered)
        .map(|review| review.id)
        .collect();
    identity::close_reviews(tx, &settled, ReviewState::Settled, None)?;
    Ok(())
}
