//! What the audit log keeps of a batch of profiles: counts, a hash over everything that was sealed, and for each row that took another
//! one's place (or for all, where there are few) its version and hash, so that a row that somebody rolls back can be told.

use domain::audit::{Action, Actor, Hash, NewRecord};
use jiff::Timestamp;
use serde_json::Value;
use storage::profile_segment::StoredSegment;

use super::write::Written;

/// Batches of up to so many rows are listed row by row.
const LISTED: usize = 50;

/// Rows in one record: a record has at most 65,535 bytes.
const ROWS: usize = 500;

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
    let rows: Vec<Value> = hashed
        .iter()
        .filter(|(one, _)| one.row_version > 1 || hashed.len() <= LISTED)
        .map(|(one, hash)| row_text(one, hash).into())
        .collect();
    let mut record = NewRecord::new(at, actor.clone(), Action::ProfilesWritten)
        .about(source)
        .with("new", written.new - before.new)
        .with("changed", written.changed - before.changed)
        .with("unchanged", written.unchanged - before.unchanged)
        .with("refused", written.refused.len())
        .with("segments", hashed.len())
        .with("digest", Hash::of(&all).to_string());
    let mut rows = rows.chunks(ROWS);
    if let Some(first) = rows.next() {
        record = record.with("rows", first.to_vec());
    }
    let more = rows.map(|rows| {
        NewRecord::new(at, actor.clone(), Action::ProfilesWritten)
            .about(source)
            .with("rows", rows.to_vec())
    });
    std::iter::once(record).chain(more).collect()
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
