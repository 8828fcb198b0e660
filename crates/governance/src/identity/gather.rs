//! Everything that hangs together with some subjects: whoever shares an identifier or a merge with one of them, and so on, until nothing
//! new comes. Only with all of it do the pure rules say the same as over all records.

use std::collections::{BTreeMap, BTreeSet};

use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::identity::{
    HeldIdentifier, History, IdentifierTag, IdentityEvent, MergeReason, POSSIBLE_MATCH_KIND,
    ReviewKind, SourceRecord,
};
use domain::profile::Schema;
use enforcement::vault::{IndexKeys, RecordTags};
use storage::identity::{EventId, StoredEvent};
use storage::subject::{self, StoredSubject};
use storage::{Tx, identifier, identity, profile_segment};

use super::resolve::Touched;
use crate::profile::{place_of, subject_key};
use crate::{Privity, Problem};

/// Records that are looked at together, at most. More of them hang together by chains of identifiers only where something is wrong with
/// a source; then the merges that stand are all that counts, until it is mended.
const MOST_RECORDS: usize = 5_000;

/// A tag of a kind of identifier.
pub(super) type Key = (IdentifierKind, IdentifierTag);

/// Everything that hangs together.
#[derive(Default)]
pub(super) struct Gathered {
    /// Whoever hangs together, as stored.
    pub(super) subjects: BTreeMap<SubjectId, StoredSubject>,
    /// What can be compared of them; and of others as much as it takes to say that an identifier is everybody's, or that two may be one.
    pub(super) records: BTreeMap<SubjectId, SourceRecord>,
    /// What happened to all of them.
    pub(super) events: Vec<StoredEvent>,
    /// Set when there was too much of it, and only merges were followed.
    pub(super) is_cut: bool,
}

/// Gathers what hangs together with these tags and subjects.
pub(super) fn gather(
    p: &Privity,
    tx: &mut Tx,
    schema: &Schema,
    keys: &IndexKeys,
    touched: Touched,
) -> Result<Gathered, Problem> {
    let mut gathering = Gathering {
        p,
        schema,
        keys,
        found: Gathered::default(),
        events: BTreeMap::new(),
        seen: BTreeSet::new(),
        present: BTreeMap::new(),
        alike: BTreeSet::new(),
    };
    let start = touched.subjects.clone();
    if gathering.follow(tx, touched)? {
        gathering.add_outsiders(tx)?;
    } else {
        tracing::warn!(
            records.most = MOST_RECORDS,
            "too many records hang together by their identifiers; merges that stand are kept, and nothing is linked, until a source is mended"
        );
        gathering.follow_merges(tx, start)?;
    }
    Ok(gathering.done())
}

struct Gathering<'a> {
    p: &'a Privity,
    schema: &'a Schema,
    keys: &'a IndexKeys,
    found: Gathered,
    events: BTreeMap<EventId, StoredEvent>,
    /// Tags that were asked for.
    seen: BTreeSet<Key>,
    /// Tags of all versions of the index key, by the one of the present version.
    present: BTreeMap<Key, IdentifierTag>,
    /// Tags of possible matches.
    alike: BTreeSet<Key>,
}

impl Gathering<'_> {
    /// From tags to whoever has them, from subjects to whom they are merged with and to their own tags. False when that is too many.
    fn follow(&mut self, tx: &mut Tx, touched: Touched) -> Result<bool, Problem> {
        let mut subjects = touched.subjects;
        // A possible match links nobody; but of those who shared one that somebody lost, few enough may be left to ask about.
        let (alike, mut tags) = (touched.tags.into_iter())
            .partition::<BTreeSet<_>, _>(|(kind, _)| kind.0 == POSSIBLE_MATCH_KIND);
        self.alike.extend(alike);
        let mut asked = BTreeSet::new();
        while !(subjects.is_empty() && tags.is_empty()) {
            if self.found.subjects.len() + subjects.len() > MOST_RECORDS {
                return Ok(false);
            }
            let mut next = self.merged_with(tx, &subjects)?;
            for stored in subject::get_many(tx, &subjects)? {
                self.found.subjects.insert(stored.id, stored);
            }
            tags.extend(self.read(tx, &subjects)?);
            next.extend(self.holders(tx, &tags)?);
            self.seen.append(&mut tags);
            asked.append(&mut subjects);
            next.retain(|id| !asked.contains(id));
            subjects = next;
        }
        Ok(true)
    }

    /// Whoever has these tags. Of an identifier that too many have, those whom it once merged; of the others as many as show that it is so.
    fn holders(
        &mut self,
        tx: &mut Tx,
        tags: &BTreeSet<Key>,
    ) -> Result<BTreeSet<SubjectId>, Problem> {
        let most = self.schema.identity().most_subjects;
        let mut holders: BTreeMap<Key, BTreeSet<SubjectId>> = BTreeMap::new();
        for (key, found) in identifier::holders_of_each(tx, tags, most.saturating_add(1))? {
            // Some records may have the tag of one version of the index key, and some that of another.
            let present = self.present.get(&key).copied().unwrap_or(key.1);
            holders.entry((key.0, present)).or_default().extend(found);
        }
        let mut everybody = BTreeSet::new();
        let mut everybodys = BTreeSet::new();
        let mut some = BTreeSet::new();
        for (key, found) in holders {
            if found.len() <= most {
                everybody.extend(found);
                continue;
            }
            for id in &found {
                self.add_holder(*id, &key);
            }
            some.extend(found);
            everybodys.insert(key);
        }
        if everybodys.is_empty() {
            return Ok(everybody);
        }
        // What was asked while fewer had it may answer itself now. Questions name the subject that a record stands for.
        let stored = subject::get_many(tx, &some)?;
        some.extend(stored.iter().map(StoredSubject::stands_for));
        let asked = identity::open_reviews_of(tx, &some)?;
        let asked = asked
            .iter()
            .filter(|review| review.kind == ReviewKind::Conflict);
        everybody.extend(
            asked
                .flat_map(|review| [Some(review.one), review.other])
                .flatten(),
        );
        let reasons: Vec<_> = self
            .every_version(&everybodys)
            .map(|(kind, tag)| MergeReason::Identifier(kind, tag))
            .collect();
        for stored in identity::merges_because_of(tx, &reasons)? {
            everybody.extend([stored.subjects.0, stored.subjects.1]);
        }
        Ok(everybody)
    }

    /// The same identifiers as every version of the index key says them.
    fn every_version<'k>(&'k self, keys: &'k BTreeSet<Key>) -> impl Iterator<Item = Key> + 'k {
        let versions = self.present.iter();
        let older = versions.filter(|((kind, tag), present)| {
            tag != *present && keys.contains(&(kind.clone(), **present))
        });
        keys.iter()
            .cloned()
            .chain(older.map(|(key, _)| key.clone()))
    }

    /// Somebody of whom no more is known than this identifier.
    fn add_holder(&mut self, id: SubjectId, key: &Key) {
        if self.found.subjects.contains_key(&id) {
            return;
        }
        let record = self.found.records.entry(id).or_insert_with(|| bare(id));
        record.identifiers.push(HeldIdentifier {
            kind: key.0.clone(),
            tag: key.1,
            verified: false,
        });
    }

    /// Whoever is one with these by a merge that stands.
    fn merged_with(
        &mut self,
        tx: &mut Tx,
        subjects: &BTreeSet<SubjectId>,
    ) -> Result<BTreeSet<SubjectId>, Problem> {
        let events = identity::events_of(tx, subjects)?;
        let history = History::of(events.iter().map(|stored| stored.event.clone()))
            .map_err(|error| Problem::internal("reading who is who", &error))?;
        let merged = history
            .standing()
            .flat_map(|merge| [merge.one, merge.other]);
        let merged = merged
            .filter(|id| !self.found.subjects.contains_key(id))
            .collect();
        self.events
            .extend(events.into_iter().map(|stored| (stored.id, stored)));
        Ok(merged)
    }

    /// What can be compared of these subjects, as the vault says it of their segments; answers their tags that nobody asked for yet.
    /// Whoever was erased has nothing left.
    fn read(
        &mut self,
        tx: &mut Tx,
        wanted: &BTreeSet<SubjectId>,
    ) -> Result<BTreeSet<Key>, Problem> {
        let mut segments: BTreeMap<SubjectId, Vec<_>> = BTreeMap::new();
        for segment in profile_segment::of_subjects(tx, wanted)? {
            segments.entry(segment.subject).or_default().push(segment);
        }
        let mut unseen = BTreeSet::new();
        for id in wanted {
            let stored = self.found.subjects.get(id);
            let Some(stored) = stored.and_then(|subject| subject.key.as_ref()) else {
                self.found.records.remove(id);
                continue;
            };
            let key = subject_key(self.p, *id, stored)?;
            let own = segments.get(id).map_or(&[][..], Vec::as_slice);
            let places = own.iter().map(|one| (place_of(one), &one.sealed));
            let tags = key
                .record_tags(self.schema, self.keys, places)
                .map_err(|error| Problem::internal("comparing profiles", &error))?;
            unseen.extend(self.compared(*id, tags));
        }
        unseen.retain(|key| !self.seen.contains(key));
        Ok(unseen)
    }

    /// Keeps what can be compared of a record; answers its tags in every version, to find others by.
    fn compared(&mut self, id: SubjectId, tags: RecordTags) -> Vec<Key> {
        let version = self.keys.present();
        let unique = |kind: &IdentifierKind| {
            let known = self.schema.identity().kinds.get(kind);
            known.is_some_and(|rule| rule.unique)
        };
        let mut all = Vec::new();
        for tag in tags.identifiers.iter().filter(|tag| unique(&tag.kind)) {
            let mut same = tags.identifiers.iter().filter(|other| {
                (other.attribute, other.source, &other.kind)
                    == (tag.attribute, tag.source, &tag.kind)
            });
            let present = same.find(|other| other.version == version);
            let key = (tag.kind.clone(), tag.tag);
            if let Some(present) = present {
                self.present.insert(key.clone(), present.tag);
            }
            all.push(key);
        }
        let possible = IdentifierKind(POSSIBLE_MATCH_KIND.to_owned());
        let alike = tags.possible_match.iter();
        self.alike
            .extend(alike.clone().map(|(_, tag)| (possible.clone(), *tag)));
        let alike = alike.clone().find(|(of, _)| *of == version);
        for (of, tag) in &tags.possible_match {
            if let Some((_, present)) = alike.filter(|_| *of != version) {
                self.present.insert((possible.clone(), *tag), *present);
            }
        }
        let present = tags
            .identifiers
            .into_iter()
            .filter(|tag| tag.version == version);
        let identifiers = present.map(|tag| HeldIdentifier {
            kind: tag.kind,
            tag: tag.tag,
            verified: tag.verified,
        });
        let record = SourceRecord {
            subject: id,
            identifiers: identifiers.collect(),
            possible_match: alike.map(|(_, tag)| *tag),
        };
        self.found.records.insert(id, record);
        all
    }

    /// Whoever has the same name, birth date and address as one of those found, as the subject that she is by now, with all her records:
    /// enough to tell whether an operator has answered for one of them.
    fn add_outsiders(&mut self, tx: &mut Tx) -> Result<(), Problem> {
        let most = self.schema.identity().most_subjects;
        let limit = most
            .saturating_add(1)
            .saturating_add(self.found.records.len());
        let mut outside: BTreeMap<SubjectId, BTreeSet<IdentifierTag>> = BTreeMap::new();
        for ((kind, tag), found) in identifier::subjects_of_each(tx, &self.alike, limit)? {
            let present = self.present.get(&(kind, tag)).copied().unwrap_or(tag);
            for id in found {
                if !self.found.subjects.contains_key(&id) {
                    outside.entry(id).or_default().insert(present);
                }
            }
        }
        if outside.is_empty() {
            return Ok(());
        }
        let members = subject::members(tx, &outside.keys().copied().collect())?;
        let mut ids = BTreeSet::new();
        for member in members {
            // Each record has one such tag at most, so there is a record for every tag of hers; which one has which doesn't matter.
            let tags = outside.get_mut(&member.stands_for());
            let record = self.found.records.entry(member.id);
            record.or_insert_with(|| bare(member.id)).possible_match =
                tags.and_then(BTreeSet::pop_first);
            ids.insert(member.id);
        }
        self.merged_with(tx, &ids).map(drop)
    }

    /// Only merges, where everything is too much.
    fn follow_merges(
        &mut self,
        tx: &mut Tx,
        mut subjects: BTreeSet<SubjectId>,
    ) -> Result<(), Problem> {
        self.found = Gathered {
            is_cut: true,
            ..Gathered::default()
        };
        self.events.clear();
        let mut asked = BTreeSet::new();
        while !subjects.is_empty() {
            for stored in subject::get_many(tx, &subjects)? {
                self.found.records.insert(stored.id, bare(stored.id));
                self.found.subjects.insert(stored.id, stored);
            }
            let mut next = self.merged_with(tx, &subjects)?;
            asked.append(&mut subjects);
            next.retain(|id| !asked.contains(id));
            subjects = next;
        }
        Ok(())
    }

    /// The tags behind merges as those of the present version.
    fn done(mut self) -> Gathered {
        let mut events: Vec<_> = self.events.into_values().collect();
        for stored in &mut events {
            let IdentityEvent::Merged(merge) = &mut stored.event else {
                continue;
            };
            if let MergeReason::Identifier(kind, tag) = &mut merge.reason
                && let Some(present) = self.present.get(&(kind.clone(), *tag))
            {
                *tag = *present;
            }
        }
        // Merges before what takes them apart.
        events.sort_by_key(|stored| !matches!(stored.event, IdentityEvent::Merged(_)));
        self.found.events = events;
        self.found
    }
}

const fn bare(subject: SubjectId) -> SourceRecord {
    SourceRecord {
        subject,
        identifiers: Vec::new(),
        possible_match: None,
    }
}
