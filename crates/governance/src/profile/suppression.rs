//! Whoever was forgotten is not collected again: before her key is destroyed, what surely names her goes on the suppression list, and a
//! record that would bring her back is refused, until she comes back by herself.
//!
//! Law: 11 CCR 7022(d) (what may be kept to make sure that she stays deleted).

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{Action, Actor, NewRecord};
use domain::data_map::IdentifierKind;
use domain::id::{RequestId, SubjectId};
use domain::profile::{Schema, SourceNumber};
use domain::sensitive::Sensitive;
use domain::traversal::Located;
use storage::Tx;
use storage::suppression::{Suppression, SuppressionReason};

use super::given::CheckedRecord;
use super::read::held;
use super::seal::{place_of, subject_key};
use super::source_system::located_subjects;
use crate::{Privity, Problem};

/// A tag of the suppression list.
type Tag = (IdentifierKind, [u8; 16]);

/// Puts on the suppression list whatever surely names the subjects of these privacy requests in our own vault. To be called before they
/// are erased; repeating it changes nothing.
pub(crate) async fn suppress(
    p: &Privity,
    requests: Vec<(RequestId, &Located)>,
) -> Result<(), Problem> {
    let requests: Vec<_> = requests
        .into_iter()
        .map(|(request, located)| (request, located_subjects(located)))
        .filter(|(_, subjects)| !subjects.is_empty())
        .collect();
    let (inside, schema) = (p.clone(), p.needed_schema()?);
    p.write_silently("suppress forgotten", move |tx| {
        let mut entries = Vec::new();
        for (request, subjects) in &requests {
            for (kind, tag) in tags_of(&inside, tx, &schema, subjects)? {
                entries.push(Suppression {
                    kind: kind.0,
                    tag: tag.to_vec(),
                    reason: SuppressionReason::Deleted,
                    request: *request,
                    created_at: inside.now(),
                });
            }
        }
        let new = storage::suppression::insert_many(tx, &entries)?;
        let record = NewRecord::new(inside.now(), Actor::System, Action::Suppressed)
            .about("privity")
            .with("identifiers", new);
        Ok(((), (new > 0).then_some(record).into_iter().collect()))
    })
    .await?;
    Ok(())
}

fn tags_of(
    p: &Privity,
    tx: &mut Tx,
    schema: &Schema,
    subjects: &BTreeSet<SubjectId>,
) -> Result<BTreeSet<Tag>, Problem> {
    let (ring, mut tags) = (p.keys(), BTreeSet::new());
    for held in held(tx, subjects)? {
        for record in &held.records {
            let Some(key) = record
                .key
                .as_ref()
                .and_then(|key| subject_key(p, record.id, key).ok())
            else {
                continue;
            };
            for segment in held.segments.iter().filter(|one| one.subject == record.id) {
                // A damaged segment names nobody any more; it goes all the same.
                let found =
                    key.suppression_tags(&ring, schema, &place_of(segment), &segment.sealed);
                tags.extend(found.unwrap_or_default());
            }
        }
    }
    Ok(tags)
}

/// Of these new records of a batch, those that name somebody who was forgotten, each with the kind of identifier that says so.
pub(super) fn suppressed<'r>(
    p: &Privity,
    tx: &mut Tx,
    schema: &Schema,
    source: SourceNumber,
    records: impl Iterator<Item = (usize, &'r CheckedRecord)>,
) -> Result<BTreeMap<usize, IdentifierKind>, Problem> {
    // Most businesses have a list that is empty, and then nothing has to be reckoned.
    if !storage::suppression::any(tx, SuppressionReason::Deleted)? {
        return Ok(BTreeMap::new());
    }
    let ring = p.keys();
    let mut tagged: Vec<(usize, Tag)> = Vec::new();
    for (place, record) in records {
        for (attribute, value) in &record.set {
            if let Some(kind) = schema.sure_identifier(*attribute, source, value.verified) {
                tagged.push((place, (kind.clone(), ring.blind_tag(kind, &value.value))));
            }
        }
    }
    let tags = tagged.iter().map(|(_, tag)| tag.clone()).collect();
    let found = storage::suppression::find_many(tx, &tags, SuppressionReason::Deleted)?;
    let refused = tagged.into_iter().filter(|(_, tag)| found.contains(tag));
    Ok(refused.map(|(place, (kind, _))| (place, kind)).collect())
}

/// Takes identifiers off the suppression list, since the subject who was forgotten has come back by herself: she made an account again, or
/// bought something. Answers how many were on it.
///
/// # Errors
/// [`Problem`] when our database can't take it.
pub async fn take_back(
    p: &Privity,
    identifiers: Vec<(IdentifierKind, Sensitive<String>)>,
    actor: Actor,
) -> Result<u64, Problem> {
    let ring = p.keys();
    let tags: Vec<Tag> = identifiers
        .iter()
        .map(|(kind, value)| (kind.clone(), ring.blind_tag(kind, value)))
        .collect();
    let now = p.now();
    let (taken, _) = p
        .write_silently("take back suppressed", move |tx| {
            let mut taken = 0;
            for (kind, tag) in &tags {
                let reason = SuppressionReason::Deleted;
                taken += u64::from(storage::suppression::remove(tx, &kind.0, tag, reason)?);
            }
            let record = NewRecord::new(now, actor.clone(), Action::Suppressed)
                .about("privity")
                .with("taken_back", taken);
            Ok((taken, (taken > 0).then_some(record).into_iter().collect()))
        })
        .await?;
    Ok(taken)
}
