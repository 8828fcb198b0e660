//! From checked records to rows: a new subject gets her key, her sealed segments and her tags; a known one gets the segments that change.
//!
//! Nothing that was sealed is opened on the way: the vault changes a segment inside and gives back sealed bytes and tags.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::audit::Hash;
use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::identity::{IdentifierTag, POSSIBLE_MATCH_KIND};
use domain::profile::{AttributeNumber, AttributeValue, Profile, Schema, Segment, SourceNumber};
use domain::rng::new_id;
use enforcement::vault::{
    Amendment, IndexKeys, RecordTags, SegmentPlace, SubjectKey, VaultError, WrappedSubjectKey,
};
use jiff::SignedDuration;
use storage::identifier::StoredIdentifier;
use storage::profile_segment::{self, StoredSegment};
use storage::source_record::StoredSourceRecord;
use storage::subject::{NewSubject, StoredKey, StoredSubject};

use super::given::{CheckedRecord, put};
use super::trace::row_hash;
use crate::consent::{Carried, CarriedKeys};
use crate::identity::Moved;
use crate::{Privity, Problem};

/// What is said again is seen again, but is written again only when the moment that is kept is older than this: a source that sends
/// everything every night must not rewrite a million profiles every night.
const REFRESH: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What records meet in our database.
#[derive(Default)]
pub(super) struct Known {
    pub(super) whose: BTreeMap<IdentifierTag, SubjectId>,
    pub(super) subjects: BTreeMap<SubjectId, StoredSubject>,
    pub(super) segments: BTreeMap<SubjectId, Vec<StoredSegment>>,
    /// Whether anything was chosen under an identifier before anybody knew whose it is.
    pub(super) chosen: bool,
}

/// What a batch changes.
#[derive(Default)]
pub(super) struct Changes {
    /// The records that this came of, by their place in the batch.
    pub(super) todo: Vec<usize>,
    pub(super) new: Vec<New>,
    pub(super) changed: Vec<Changed>,
    pub(super) unchanged: Vec<(SubjectId, Vec<usize>)>,
    /// Whether what records carry was reckoned for choices under identifiers, too.
    pub(super) chosen: bool,
}

/// A new subject.
pub(super) struct New {
    pub(super) places: Vec<usize>,
    pub(super) record: StoredSourceRecord,
    pub(super) subject: NewSubject,
    pub(super) segments: Vec<StoredSegment>,
    /// What the audit log says of each segment: made here, beside the database's writer.
    hashes: Vec<Hash>,
    pub(super) identifiers: Vec<StoredIdentifier>,
    /// What she may be known by to whoever records choices.
    carried: BTreeSet<Carried>,
    /// Her tags in older versions of the index key, to find others by.
    older: Vec<(IdentifierKind, IdentifierTag)>,
}

/// A subject that changes.
pub(super) struct Changed {
    pub(super) places: Vec<usize>,
    pub(super) subject: SubjectId,
    pub(super) segments: Vec<StoredSegment>,
    /// Whether it may say anew where she lives, how old she is, or who she is.
    pub(super) describes: bool,
    hashes: Vec<Hash>,
    /// Tags that she has no more.
    pub(super) gone: Vec<StoredIdentifier>,
    /// Tags that she has now.
    pub(super) come: Vec<StoredIdentifier>,
    carried: BTreeSet<Carried>,
    older: Vec<(IdentifierKind, IdentifierTag)>,
}

/// A tag that may be shared, and whose it is.
pub(crate) type Seed<'b> = (&'b IdentifierKind, IdentifierTag, SubjectId);

/// Which of the new subjects are stored, and not another writer's of the same records.
pub(super) enum Ours {
    All,
    These(BTreeSet<SubjectId>),
}

impl Ours {
    fn contains(&self, new: &New) -> bool {
        match self {
            Self::All => true,
            Self::These(subjects) => subjects.contains(&new.subject.id),
        }
    }
}

impl Changes {
    /// The new subjects that are stored.
    pub(super) fn ours<'b>(&'b self, ours: &'b Ours) -> impl Iterator<Item = &'b New> {
        self.new.iter().filter(|new| ours.contains(new))
    }

    /// What is new or gone of the tags of those kept: where who is who may change.
    pub(super) fn moved<'b>(&'b self, ours: &'b Ours) -> Moved<'b> {
        let mut moved = Moved::default();
        let mut add = |subject: SubjectId,
                       stored: &'b [StoredIdentifier],
                       older: &'b [(IdentifierKind, IdentifierTag)]| {
            let stored = stored.iter().map(|one| (&one.kind, one.tag));
            let older = older.iter().map(|(kind, tag)| (kind, *tag));
            let tags = stored.chain(older);
            moved
                .seeds
                .extend(tags.map(|(kind, tag)| (kind, tag, subject)));
        };
        for new in self.ours(ours) {
            add(new.subject.id, &new.identifiers, &new.older);
        }
        let changed = self.changed.iter();
        for one in changed.filter(|one| !(one.come.is_empty() && one.gone.is_empty())) {
            add(one.subject, &one.come, &one.older);
            add(one.subject, &one.gone, &[]);
        }
        let changed = self.changed.iter();
        let changed = changed.filter(|one| !(one.come.is_empty() && one.gone.is_empty()));
        moved.subjects = changed.map(|one| one.subject).collect();
        moved.new = self.ours(ours).flat_map(|new| &new.identifiers).collect();
        moved
    }

    /// What those kept may be known by to whoever records choices.
    pub(super) fn carried<'b>(
        &'b self,
        ours: &'b Ours,
    ) -> impl Iterator<Item = (SubjectId, Carried)> + 'b {
        let new = self.ours(ours).map(|new| (new.subject.id, &new.carried));
        let changed = self.changed.iter().map(|one| (one.subject, &one.carried));
        let each = |(id, carried): (SubjectId, &BTreeSet<Carried>)| {
            let carried = carried.iter().cloned();
            carried.map(move |one| (id, one)).collect::<Vec<_>>()
        };
        new.chain(changed).flat_map(each)
    }

    /// All segments that are stored.
    pub(super) fn segments<'b>(&'b self, ours: &'b Ours) -> Vec<(&'b StoredSegment, Hash)> {
        let new = self.ours(ours);
        let new = new.flat_map(|new| new.segments.iter().zip(new.hashes.iter().copied()));
        let changed = self.changed.iter();
        let changed = changed.flat_map(|one| one.segments.iter().zip(one.hashes.iter().copied()));
        new.chain(changed).collect()
    }
}

/// Seals the records at these places of a batch.
pub(super) fn seal(
    p: &Privity,
    schema: &Schema,
    keys: &IndexKeys,
    source: SourceNumber,
    records: &[CheckedRecord],
    todo: Vec<usize>,
    known: Known,
) -> Result<Changes, Problem> {
    let ring = p.keys();
    let work = Work {
        p,
        schema,
        keys,
        source,
        carried: CarriedKeys::new(&ring, schema),
        chosen: known.chosen,
    };
    let mut changes = Changes {
        chosen: known.chosen,
        ..Changes::default()
    };
    let by_key = by_key(records, &todo);
    let mut new = Vec::with_capacity(by_key.len());
    for places in by_key {
        let subject = key_tags(records, &places).find_map(|(_, tag)| known.whose.get(tag));
        let stored = subject.and_then(|subject| known.subjects.get(subject));
        // Who was erased between the look-ups has no key; her record of the source is gone with it, and the next round makes a new one.
        let Some((id, key)) = stored.and_then(|stored| Some((stored.id, stored.key.as_ref()?)))
        else {
            new.push(places);
            continue;
        };
        let segments = known.segments.get(&id).map_or(&[][..], Vec::as_slice);
        let folded = fold(records, places.clone());
        match work.amended(id, key, segments, folded)? {
            Some(changed) => changes.changed.push(changed),
            None => changes.unchanged.push((id, places)),
        }
    }
    // In the order in which they were given: who came first is the older one, and rows follow each other in their tables.
    let mut ids: Vec<SubjectId> = new.iter().map(|_| new_id(p.rng(), p.now())).collect();
    ids.sort_unstable();
    changes.new.reserve_exact(new.len());
    for (places, id) in new.into_iter().zip(ids) {
        let folded = fold(records, places);
        changes.new.push(work.new_subject(id, folded)?);
    }
    changes.todo = todo;
    Ok(changes)
}

/// The places of records by their key, in the order in which the keys come first.
fn by_key(records: &[CheckedRecord], todo: &[usize]) -> Vec<Vec<usize>> {
    let mut places: Vec<Vec<usize>> = Vec::with_capacity(todo.len());
    let mut seen: HashMap<IdentifierTag, usize> = HashMap::with_capacity(todo.len());
    for place in todo {
        let record = records.get(*place);
        let Some((_, tag)) = record.and_then(|record| record.key_tags.first()) else {
            continue;
        };
        let at = *seen.entry(*tag).or_insert(places.len());
        match places.get_mut(at) {
            Some(same) => same.push(*place),
            None => places.push(vec![*place]),
        }
    }
    places
}

/// The tags of the key that the records at these places have.
fn key_tags<'r>(
    records: &'r [CheckedRecord],
    places: &[usize],
) -> std::slice::Iter<'r, (u32, IdentifierTag)> {
    let first = places.first().and_then(|place| records.get(*place));
    first.map_or(&[][..], |record| &record.key_tags).iter()
}

/// One or several records with the same key, the later over the earlier.
struct Folded {
    places: Vec<usize>,
    key_tags: Vec<(u32, IdentifierTag)>,
    set: Vec<(AttributeNumber, AttributeValue)>,
    remove: BTreeSet<AttributeNumber>,
}

/// Folds the records of one key. Only when it is their turn: a copy of all values of a batch would be as large as the batch.
fn fold(records: &[CheckedRecord], places: Vec<usize>) -> Folded {
    let mut all = places.iter().filter_map(|place| records.get(*place));
    let first = all.next();
    let mut folded = Folded {
        key_tags: first.map_or_else(Vec::new, |record| record.key_tags.clone()),
        set: first.map_or_else(Vec::new, |record| record.set.clone()),
        remove: first.map_or_else(BTreeSet::new, |record| {
            record.remove.iter().copied().collect()
        }),
        places: Vec::new(),
    };
    for record in all {
        for (number, value) in &record.set {
            folded.remove.remove(number);
            put(&mut folded.set, *number, value.clone());
        }
        for number in &record.remove {
            folded.set.retain(|(known, _)| known != number);
            folded.remove.insert(*number);
        }
    }
    folded.places = places;
    folded
}

struct Work<'a> {
    p: &'a Privity,
    schema: &'a Schema,
    keys: &'a IndexKeys,
    source: SourceNumber,
    carried: CarriedKeys<'a>,
    chosen: bool,
}

impl Work<'_> {
    fn new_subject(&self, id: SubjectId, folded: Folded) -> Result<New, Problem> {
        let (rng, now) = (self.p.rng(), self.p.now());
        let (key, wrapped) = self.p.keys().new_subject_key(id, 1, rng).map_err(sealing)?;
        let carried = self.carried.of(&folded.set, self.chosen);
        let mut profile = Profile::new(id);
        profile.extend(folded.set);
        let tags = self.keys.tags_of(self.schema, &profile);
        let mut segments = Vec::with_capacity(4);
        for (segment, part) in profile.split(self.schema) {
            let place = self.place(segment, 1);
            let sealed = key.seal_segment(rng, &place, &part).map_err(sealing)?;
            segments.push(self.stored(id, &place, sealed));
        }
        let tag = folded.key_tags.first().copied();
        let (key_version, tag) = tag.ok_or_else(|| sealing_failed(&"a record without a key"))?;
        let (identifiers, older) = self.identifiers(id, &tags);
        Ok(New {
            places: folded.places,
            record: StoredSourceRecord {
                source: self.source,
                tag,
                subject: id,
                key_version,
            },
            subject: NewSubject {
                id,
                key: stored_key(&wrapped)?,
                created_at: now,
            },
            hashes: segments.iter().map(row_hash).collect(),
            segments,
            identifiers,
            carried,
            older,
        })
    }

    /// The segments of a known subject that a record changes, and what becomes of her tags; `None` when it says nothing new.
    fn amended(
        &self,
        id: SubjectId,
        key: &StoredKey,
        stored: &[StoredSegment],
        folded: Folded,
    ) -> Result<Option<Changed>, Problem> {
        let wrapped = WrappedSubjectKey::from_parts(key.version, key.wrapped.clone());
        let key = self
            .p
            .keys()
            .unwrap_subject_key(id, &wrapped)
            .map_err(sealing)?;
        let moves_tags = self.touches_tags(&folded);
        let describes = moves_tags || self.describes(&folded);
        let carried = self.carried.of(&folded.set, self.chosen);
        let mut segments = Vec::new();
        for (segment, amendment) in self.amendments(folded.set, folded.remove) {
            let known = stored.iter().find(|one| one.segment == segment);
            segments.extend(self.amend(&key, known, segment, amendment)?);
        }
        if segments.is_empty() {
            return Ok(None);
        }
        let mut changed = Changed {
            places: folded.places,
            subject: id,
            describes,
            hashes: segments.iter().map(row_hash).collect(),
            segments,
            gone: Vec::new(),
            come: Vec::new(),
            carried,
            older: Vec::new(),
        };
        if moves_tags {
            self.move_tags(&key, stored, &mut changed)?;
        }
        Ok(Some(changed))
    }

    fn amend(
        &self,
        key: &SubjectKey,
        known: Option<&StoredSegment>,
        segment: Segment,
        amendment: Amendment,
    ) -> Result<Option<StoredSegment>, Problem> {
        let rng = self.p.rng();
        let Some(known) = known else {
            let mut profile = Profile::new(key.subject());
            profile.extend(amendment.set);
            if profile.is_empty() {
                return Ok(None);
            }
            let place = self.place(segment, 1);
            let sealed = key.seal_segment(rng, &place, &profile).map_err(sealing)?;
            return Ok(Some(self.stored(key.subject(), &place, sealed)));
        };
        let from = place_of(known);
        let place = self.place(segment, known.row_version.saturating_add(1));
        let sealed = key
            .amend_if_changed(rng, (&from, &known.sealed), &place, amendment, REFRESH)
            .map_err(sealing)?;
        Ok(sealed.map(|sealed| self.stored(key.subject(), &place, sealed)))
    }

    /// Compares the tags of the segments as they were with those as they will be.
    fn move_tags(
        &self,
        key: &SubjectKey,
        stored: &[StoredSegment],
        changed: &mut Changed,
    ) -> Result<(), Problem> {
        let untouched = stored.iter().filter(|one| {
            changed
                .segments
                .iter()
                .all(|new| new.segment != one.segment)
        });
        let after: Vec<_> = untouched.chain(&changed.segments).collect();
        let (gone, come, older) = {
            let tags = |segments: &mut dyn Iterator<Item = &StoredSegment>| {
                let places: Vec<_> = segments.map(|one| (place_of(one), &one.sealed)).collect();
                key.record_tags(self.schema, self.keys, places)
                    .map_err(sealing)
            };
            let before = tags(&mut stored.iter())?;
            let after = tags(&mut after.iter().copied())?;
            let (had, had_older) = self.every_identifier(key.subject(), &before);
            let (has, has_older) = self.every_identifier(key.subject(), &after);
            let all: BTreeSet<_> = has.iter().chain(&has_older).map(place_of_tag).collect();
            let gone: Vec<_> = had
                .iter()
                .chain(&had_older)
                .filter(|one| !all.contains(&place_of_tag(one)))
                .cloned()
                .collect();
            let before: BTreeSet<_> = had.into_iter().collect();
            let come: Vec<_> = has
                .into_iter()
                .filter(|one| !before.contains(one))
                .collect();
            let older = has_older
                .into_iter()
                .map(|one| (one.kind, one.tag))
                .collect();
            (gone, come, older)
        };
        changed.gone = gone;
        changed.come = come;
        changed.older = older;
        Ok(())
    }

    /// Tags to store, and those of older versions to look for.
    fn identifiers(
        &self,
        id: SubjectId,
        tags: &RecordTags,
    ) -> (Vec<StoredIdentifier>, Vec<(IdentifierKind, IdentifierTag)>) {
        let (present, older) = self.every_identifier(id, tags);
        let older = older.into_iter().map(|one| (one.kind, one.tag)).collect();
        (present, older)
    }

    /// All tags as rows: of the present version of the index key, and of older ones.
    fn every_identifier(
        &self,
        id: SubjectId,
        tags: &RecordTags,
    ) -> (Vec<StoredIdentifier>, Vec<StoredIdentifier>) {
        identifier_rows(id, self.source, tags)
            .into_iter()
            .partition(|one| one.key_version == self.keys.present())
    }

    fn describes(&self, folded: &Folded) -> bool {
        let mut rules = self.schema.describing();
        let is_touched = |number: AttributeNumber| {
            folded.set.iter().any(|(set, _)| *set == number) || folded.remove.contains(&number)
        };
        rules.any(|rule| is_touched(rule.number))
    }

    fn touches_tags(&self, folded: &Folded) -> bool {
        let counts = |number: &AttributeNumber| self.schema.is_compared(*number);
        let set = folded.set.iter().map(|(number, _)| number);
        set.chain(&folded.remove).any(counts)
    }

    fn amendments(
        &self,
        set: Vec<(AttributeNumber, AttributeValue)>,
        remove: BTreeSet<AttributeNumber>,
    ) -> BTreeMap<Segment, Amendment> {
        let mut amendments: BTreeMap<Segment, Amendment> = BTreeMap::new();
        let segment = |number| self.schema.attribute(number).map(|rule| rule.segment);
        for (number, value) in set {
            if let Some(segment) = segment(number) {
                amendments
                    .entry(segment)
                    .or_default()
                    .set
                    .push((number, value));
            }
        }
        for number in remove {
            if let Some(segment) = segment(number) {
                amendments
                    .entry(segment)
                    .or_default()
                    .remove
                    .push((number, self.source));
            }
        }
        amendments
    }

    fn place(&self, segment: Segment, row_version: u64) -> SegmentPlace {
        SegmentPlace {
            table: profile_segment::TABLE,
            segment,
            row_version,
            schema: self.schema.version(),
        }
    }

    fn stored(
        &self,
        subject: SubjectId,
        place: &SegmentPlace,
        sealed: domain::sensitive::Sealed,
    ) -> StoredSegment {
        StoredSegment {
            subject,
            segment: place.segment,
            row_version: place.row_version,
            schema_version: place.schema,
            sealed,
            updated_at: self.p.now(),
        }
    }
}

/// Where a stored segment is, as it was sealed.
pub(crate) const fn place_of(stored: &StoredSegment) -> SegmentPlace {
    SegmentPlace {
        table: profile_segment::TABLE,
        segment: stored.segment,
        row_version: stored.row_version,
        schema: stored.schema_version,
    }
}

/// The key of a subject, from what storage keeps.
pub(crate) fn subject_key(
    p: &Privity,
    id: SubjectId,
    key: &StoredKey,
) -> Result<SubjectKey, Problem> {
    let wrapped = WrappedSubjectKey::from_parts(key.version, key.wrapped.clone());
    p.keys().unwrap_subject_key(id, &wrapped).map_err(sealing)
}

/// The rows that tags are kept as, those of possible matches among them; none of them twice.
pub(crate) fn identifier_rows(
    id: SubjectId,
    source: SourceNumber,
    tags: &RecordTags,
) -> Vec<StoredIdentifier> {
    let mut rows: BTreeMap<_, StoredIdentifier> = BTreeMap::new();
    for tag in &tags.identifiers {
        let row = StoredIdentifier {
            kind: tag.kind.clone(),
            tag: tag.tag,
            subject: id,
            source: tag.source,
            key_version: tag.version,
            verified: tag.verified,
        };
        // Two attributes of one kind may say the same; if one of them is proven, it is.
        rows.entry((tag.kind.clone(), tag.tag, tag.source))
            .and_modify(|known| known.verified |= tag.verified)
            .or_insert(row);
    }
    let kind = IdentifierKind(POSSIBLE_MATCH_KIND.to_owned());
    let mut rows: Vec<_> = rows.into_values().collect();
    rows.extend(
        tags.possible_match
            .iter()
            .map(|(version, tag)| StoredIdentifier {
                kind: kind.clone(),
                tag: *tag,
                subject: id,
                source,
                key_version: *version,
                verified: false,
            }),
    );
    rows
}

fn place_of_tag(one: &StoredIdentifier) -> (IdentifierKind, IdentifierTag, SourceNumber) {
    (one.kind.clone(), one.tag, one.source)
}

fn stored_key(wrapped: &WrappedSubjectKey) -> Result<StoredKey, Problem> {
    Ok(StoredKey {
        version: wrapped.version,
        epoch: wrapped
            .epoch()
            .ok_or_else(|| sealing_failed(&"a key without an epoch"))?,
        wrapped: wrapped.as_bytes().to_vec(),
    })
}

fn sealing(error: VaultError) -> Problem {
    sealing_failed(&error)
}

fn sealing_failed(error: &dyn std::fmt::Display) -> Problem {
    Problem::internal("sealing a profile", error)
}
