//! The suppression list: keyed hashes of identifiers that must not be collected or sold again.
//!
//! Law: 11 CCR 7022(d) (a record of the request may be kept to make sure the data stays deleted), 7026(f).

use std::collections::BTreeSet;

use domain::data_map::IdentifierKind;
use domain::id::RequestId;
use jiff::Timestamp;

use crate::db::{Tx, Value};
use crate::error::Error;

/// Why an identifier is on the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SuppressionReason {
    /// The subject was forgotten.
    Deleted,
    /// The subject opted out of sale and sharing.
    OptedOut,
}

impl SuppressionReason {
    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::OptedOut => "opted_out",
        }
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Deleted, Self::OptedOut]
            .into_iter()
            .find(|reason| reason.as_str() == text)
    }
}

/// One identifier on the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// The kind of identifier, e.g. `email`.
    pub kind: String,
    /// Keyed hash of the identifier.
    pub tag: Vec<u8>,
    /// Why.
    pub reason: SuppressionReason,
    /// Since which privacy request.
    pub request: RequestId,
    /// Since when.
    pub created_at: Timestamp,
}

/// Puts identifiers on the list; those on it for the same reason stay as they are. Answers how many were new.
pub fn insert_many(tx: &mut Tx, suppressions: &[Suppression]) -> Result<u64, Error> {
    let sql = "-- insert suppression
        INSERT INTO suppression (kind, tag, reason, request_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (kind, tag, reason) DO NOTHING";
    let values = |entry: &Suppression| -> Vec<Value> {
        vec![
            (&entry.kind).into(),
            entry.tag.clone().into(),
            entry.reason.as_str().into(),
            entry.request.into(),
            entry.created_at.into(),
        ]
    };
    tx.execute_many(sql, &suppressions.iter().map(values).collect::<Vec<_>>())
}

/// Why an identifier is on the list: at most one entry per reason, none when it is not.
pub fn find(tx: &mut Tx, kind: &str, tag: &[u8]) -> Result<Vec<Suppression>, Error> {
    let sql = "-- find suppression\nSELECT reason, request_id, created_at FROM suppression WHERE kind = ?1 AND tag = ?2 ORDER BY reason";
    let rows = tx.query(sql, &[kind.into(), tag.into()])?;
    let entry = |row: &crate::db::Row| {
        Ok(Suppression {
            kind: kind.to_owned(),
            tag: tag.to_vec(),
            reason: row.word("reason", SuppressionReason::parse)?,
            request: row.parsed("request_id")?,
            created_at: row.time("created_at")?,
        })
    };
    rows.iter().map(entry).collect()
}

/// Whether anybody is on the list for this reason.
pub fn any(tx: &mut Tx, reason: SuppressionReason) -> Result<bool, Error> {
    let sql = "-- find any suppression\nSELECT kind FROM suppression WHERE reason = ?1 LIMIT 1";
    Ok(tx.query_optional(sql, &[reason.as_str().into()])?.is_some())
}

/// Which of these identifiers are on the list for this reason.
pub fn find_many(
    tx: &mut Tx,
    tags: &BTreeSet<(IdentifierKind, [u8; 16])>,
    reason: SuppressionReason,
) -> Result<BTreeSet<(IdentifierKind, [u8; 16])>, Error> {
    let sql = "-- find suppressed
        SELECT s.kind, s.tag FROM (VALUES (?1 /* TEXT */, ?2 /* BYTEA */, ?3 /* TEXT */)) AS given
        JOIN suppression s ON s.kind = column1 AND s.tag = column2 AND s.reason = column3";
    let values = |(kind, tag): &(IdentifierKind, [u8; 16])| {
        vec![
            kind.0.as_str().into(),
            (*tag).into(),
            reason.as_str().into(),
        ]
    };
    let rows = tx.query_given(sql, &tags.iter().map(values).collect::<Vec<_>>())?;
    rows.iter()
        .map(|row| {
            let kind = IdentifierKind(row.text("kind")?.to_owned());
            Ok((kind, crate::identifier::tag_of(row)?.0))
        })
        .collect()
}

/// Takes an identifier off the list for one reason: the subject has opted in again.
pub fn remove(
    tx: &mut Tx,
    kind: &str,
    tag: &[u8],
    reason: SuppressionReason,
) -> Result<bool, Error> {
    let sql = "-- remove suppression\nDELETE FROM suppression WHERE kind = ?1 AND tag = ?2 AND reason = ?3";
    Ok(tx.execute(sql, &[kind.into(), tag.into(), reason.as_str().into()])? == 1)
}
