//! What the audit log keeps of a batch of profiles: counts, a hash over everything that was sealed, for each row that took another one's
//! place (or for all, where there are few) its version and hash, so that a row that somebody rolls back can be told, and of the new rows
//! of a large batch whose they are and which parts, in 23 bytes a subject, so that those that vanish can be told.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::audit::{Action, Actor, Hash, NewRecord};
use domain::id::SubjectId;
use domain::profile::Segment;
use jiff::Timestamp;
use serde_json::Value;
use storage::profile_segment::StoredSegment;

use super::write::Written;

/// Batches of up to so many rows are listed row by row.
const LISTED: usize = 50;

/// Rows in one record: a record has at most 65,535 bytes.
const ROWS: usize = 500;

/// Subjects in one record that have new rows which are not listed.
const SUBJECTS: usize = 2_000;

/// Sets of segments as one character each.
const PARTS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// Characters of a subject's id in [`URL_SAFE_NO_PAD`].
const ID: usize = 22;

/// The records of one round of a batch; none when nothing was stored.
pub(super) fn trace(
    at: Timestamp,
    actor: &Actor,
    source: &str,
    written: &Written,
    before: &Written,
    hashed: &[(&StoredSegment, Hash)],
) -> Vec<NewRecord> {
    if hashed.is_empty() {
        return Vec::new();
    }
    let mut all = Vec::with_capacity(hashed.len() * 32);
    for (_, hash) in hashed {
        all.extend_from_slice(hash.as_bytes());
    }
    let is_listed =
        |(one, _): &&(&StoredSegment, Hash)| one.row_version > 1 || hashed.len() <= LISTED;
    let rows: Vec<Value> = hashed
        .iter()
        .filter(is_listed)
        .map(|(one, hash)| row_text(one, hash).into())
        .collect();
    let new = hashed.iter().filter(|one| !is_listed(one));
    let new = parts_of(new.map(|(one, _)| *one));
    let record = NewRecord::new(at, actor.clone(), Action::ProfilesWritten)
        .about(source)
        .with("new", written.new - before.new)
        .with("changed", written.changed - before.changed)
        .with("unchanged", written.unchanged - before.unchanged)
        .with("refused", written.refused.len())
        .with("segments", hashed.len())
        .with("digest", Hash::of(&all).to_string());
    let rows = rows.chunks(ROWS).map(|rows| ("rows", rows.to_vec().into()));
    let new = new
        .chunks(SUBJECTS)
        .map(|new| (NEW_ROWS, Value::from(new_rows_text(new))));
    let mut lists = rows.chain(new);
    let first = lists.next();
    let record = first
        .into_iter()
        .fold(record, |record, (name, list)| record.with(name, list));
    let more = lists.map(|(name, list)| {
        NewRecord::new(at, actor.clone(), Action::ProfilesWritten)
            .about(source)
            .with(name, list)
    });
    std::iter::once(record).chain(more).collect()
}

/// Under which name [`new_rows_text`] stands in a record.
pub(crate) const NEW_ROWS: &str = "new_rows";

/// Some parts of a profile, a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts(u8);

impl Parts {
    const fn bit(segment: Segment) -> u8 {
        match segment {
            Segment::Core => 1,
            Segment::Contact => 2,
            Segment::Sensitive => 4,
            Segment::Preferences => 8,
            Segment::Events => 16,
        }
    }

    pub(crate) const fn insert(&mut self, segment: Segment) {
        self.0 |= Self::bit(segment);
    }

    pub(crate) const fn remove(&mut self, segment: Segment) {
        self.0 &= !Self::bit(segment);
    }

    pub(crate) fn segments(self) -> impl Iterator<Item = Segment> {
        let all = Segment::ALL.into_iter();
        all.filter(move |segment| self.0 & Self::bit(*segment) != 0)
    }

    pub(crate) const fn extend(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Rows of one subject stand together; this runs where the database's writer waits.
fn parts_of<'a>(rows: impl Iterator<Item = &'a StoredSegment>) -> Vec<(SubjectId, Parts)> {
    let mut all: Vec<(SubjectId, Parts)> = Vec::new();
    for row in rows {
        match all.last_mut() {
            Some((subject, parts)) if *subject == row.subject => parts.insert(row.segment),
            _ => {
                let mut parts = Parts::default();
                parts.insert(row.segment);
                all.push((row.subject, parts));
            }
        }
    }
    all
}

/// For each subject the 22 characters of her id and one for her new parts, without anything in between.
fn new_rows_text(new: &[(SubjectId, Parts)]) -> String {
    let mut text = String::with_capacity(new.len() * (ID + 1));
    for (subject, parts) in new {
        URL_SAFE_NO_PAD.encode_string(subject.uuid().as_bytes(), &mut text);
        let letter = PARTS.get(usize::from(parts.0)).copied().unwrap_or(b'0');
        text.push(char::from(letter));
    }
    text
}

/// Reads [`new_rows_text`].
pub(crate) fn new_rows(text: &str) -> impl Iterator<Item = (SubjectId, Parts)> {
    text.as_bytes().chunks_exact(ID + 1).filter_map(|one| {
        let (id, letter) = one.split_at_checked(ID)?;
        let id: [u8; 16] = URL_SAFE_NO_PAD.decode(id).ok()?.try_into().ok()?;
        let parts = PARTS.iter().position(|known| letter == [*known])?;
        let parts = Parts(u8::try_from(parts).ok()?);
        Some((SubjectId::from_uuid(uuid::Uuid::from_bytes(id)), parts))
    })
}

/// SHA-256 of a row: whose, which part, which version, under which schema, and the sealed bytes.
pub fn row_hash(row: &StoredSegment) -> Hash {
    let sealed = row.sealed.envelope();
    let mut bytes = Vec::with_capacity(sealed.len() + 48);
    bytes.extend_from_slice(row.subject.uuid().as_bytes());
    bytes.push(u8::try_from(row.segment.text().len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(row.segment.text().as_bytes());
    bytes.extend_from_slice(&row.row_version.to_be_bytes());
    bytes.extend_from_slice(&row.schema_version.to_be_bytes());
    bytes.extend_from_slice(sealed);
    Hash::of(&bytes)
}

/// How a row stands in the audit log: `SUBJECT.SEGMENT.VERSION.HASH`, the subject's 32 digits and the first 32 of the hash.
pub fn row_text(row: &StoredSegment, hash: &Hash) -> String {
    let hash = hash.to_string();
    format!(
        "{}.{}.{}.{}",
        row.subject.uuid().simple(),
        row.segment.text(),
        row.row_version,
        hash.get(..32).unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]
    use super::*;

    #[test]
    fn new_rows_read_back_as_they_were_told() {
        let mut new = Vec::new();
        for (number, segments) in [
            (1, &Segment::ALL[..2]),
            (u128::MAX, &[Segment::Events]),
            (7, &Segment::ALL),
        ] {
            let mut parts = Parts::default();
            segments.iter().for_each(|segment| parts.insert(*segment));
            assert!(parts.segments().eq(segments.iter().copied()));
            new.push((SubjectId::from_uuid(uuid::Uuid::from_u128(number)), parts));
        }
        let text = new_rows_text(&new);
        assert!(new_rows(&text).eq(new.iter().copied()));
        assert!(!text.contains('@') && text.len() == 3 * 23);
        let most = new_rows_text(&vec![new[2]; SUBJECTS]);
        assert!(most.len() < domain::audit::MAX_ENTRY_BYTES - 1_000);
        assert_eq!(new_rows("short").count(), 0);
    }
}
