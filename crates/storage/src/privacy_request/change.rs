//! Changes of a privacy request: its state under a version check, what its tasks found, and its end.

use std::collections::BTreeSet;

use domain::id::RequestId;
use domain::plan::Plan;
use domain::privacy_request::PrivacyRequest;
use domain::sensitive::Sealed;
use jiff::Timestamp;

use super::Package;
use super::row::request;
use crate::db::{Tx, Value};
use crate::error::Error;

/// Holds these privacy requests until the transaction ends, so that nobody else changes them, and answers them as they are now.
///
/// What several tasks decide together ("all the others are done, so go on") is decided under this lock.
pub fn lock(tx: &mut Tx, ids: &BTreeSet<RequestId>) -> Result<Vec<PrivacyRequest>, Error> {
    let sql = "-- lock privacy_request
        SELECT id, kind, law, state, waiting, channel, language, received_at, received_on, ack_by, respond_by, max_by, extended_to, closed_at, version
        FROM privacy_request WHERE id = ?1 /* for update */";
    let sets: Vec<_> = ids.iter().map(|id| vec![(*id).into()]).collect();
    tx.query_many(sql, &sets)?
        .iter()
        .flatten()
        .map(request)
        .collect()
}

/// Stores state, waiting reason, extension and closing of a changed copy, and answers it with its new version.
///
/// # Errors
/// [`Error::Changed`] when somebody changed it since the copy was read; nothing is stored then.
pub fn update(
    tx: &mut Tx,
    changed: &PrivacyRequest,
    reasons: &[String],
    at: Timestamp,
) -> Result<PrivacyRequest, Error> {
    update_many(tx, &[(changed, reasons)], at)?;
    Ok(PrivacyRequest {
        version: changed.version + 1,
        ..changed.clone()
    })
}

/// [`update`] for many; one that somebody else changed fails all.
pub fn update_many(
    tx: &mut Tx,
    changes: &[(&PrivacyRequest, &[String])],
    at: Timestamp,
) -> Result<(), Error> {
    let closings = changes.iter().map(|(changed, reasons)| Closing {
        changed,
        reasons,
        manifest: None,
    });
    close_many(tx, &closings.collect::<Vec<_>>(), at)
}

/// A changed privacy request, and what takes the place of its manifest.
#[derive(Debug, Clone, Copy)]
pub struct Closing<'a> {
    /// The changed copy.
    pub changed: &'a PrivacyRequest,
    /// Codes of law/reasons.yaml.
    pub reasons: &'a [String],
    /// Where her rows were, emptied because the work is done; `None` leaves it as it is.
    pub manifest: Option<&'a Sealed>,
}

/// [`update_many`], with the manifests emptied in the same statement: each statement writes the whole row anew.
///
/// # Errors
/// [`Error::Changed`] when somebody changed one of them since the copies were read; nothing is stored then.
pub fn close_many(tx: &mut Tx, closings: &[Closing<'_>], at: Timestamp) -> Result<(), Error> {
    let sql = "-- update privacy_request
        UPDATE privacy_request
        SET state = column3, waiting = column4, extended_to = column5, closed_at = column6, reasons = column7, updated_at = column8,
            version = version + 1, manifest = COALESCE(column9, manifest)
        FROM (VALUES (?1 /* TEXT */, ?2 /* BIGINT */, ?3 /* TEXT */, ?4 /* TEXT */, ?5 /* TEXT */, ?6 /* BIGINT */, ?7 /* TEXT */, ?8 /* BIGINT */, ?9 /* BYTEA */)) AS given
        WHERE id = column1 AND version = column2";
    let values = |closing: &Closing<'_>| {
        let changed = closing.changed;
        Ok(vec![
            changed.id.into(),
            changed.version.into(),
            changed.state.as_str().into(),
            changed.waiting.map(|waiting| waiting.as_str()).into(),
            changed.clock.extended_to.into(),
            changed.closed_at.into(),
            json("reasons", closing.reasons)?,
            at.into(),
            closing.manifest.into(),
        ])
    };
    let sets = closings
        .iter()
        .map(values)
        .collect::<Result<Vec<_>, Error>>()?;
    all_or_changed(
        tx.execute_many(sql, &sets)?,
        sets.len(),
        "update privacy_request",
    )
}

/// Stores what the search found (sealed) and what will be done (numbers).
pub fn save_plans(
    tx: &mut Tx,
    plans: &[(RequestId, Sealed, Plan)],
    at: Timestamp,
) -> Result<(), Error> {
    let sql = "-- save plan\nUPDATE privacy_request SET manifest = column2, plan = column3, updated_at = column4
        FROM (VALUES (?1 /* TEXT */, ?2 /* BYTEA */, ?3 /* TEXT */, ?4 /* BIGINT */)) AS given WHERE id = column1";
    let values = |(id, manifest, plan): &(RequestId, Sealed, Plan)| {
        Ok(vec![
            (*id).into(),
            manifest.into(),
            json("plan", plan)?,
            at.into(),
        ])
    };
    let sets = plans
        .iter()
        .map(values)
        .collect::<Result<Vec<_>, Error>>()?;
    all_or_missing(tx.execute_many(sql, &sets)?, sets.len(), "save plan")
}

/// Stores what the re-read found: counts and names, no values.
pub fn save_confirmation(
    tx: &mut Tx,
    id: RequestId,
    confirmation: &serde_json::Value,
    at: Timestamp,
) -> Result<(), Error> {
    save_confirmations(tx, &[(id, confirmation.clone())], at)
}

/// [`save_confirmation`] for many.
pub fn save_confirmations(
    tx: &mut Tx,
    confirmations: &[(RequestId, serde_json::Value)],
    at: Timestamp,
) -> Result<(), Error> {
    let sql = "-- save confirmation\nUPDATE privacy_request SET confirmation = column2, updated_at = column3
        FROM (VALUES (?1 /* TEXT */, ?2 /* TEXT */, ?3 /* BIGINT */)) AS given WHERE id = column1";
    let sets: Vec<_> = confirmations
        .iter()
        .map(|(id, found)| vec![(*id).into(), found.to_string().into(), at.into()])
        .collect();
    all_or_missing(
        tx.execute_many(sql, &sets)?,
        sets.len(),
        "save confirmation",
    )
}

/// Stores where the access package is; `None` when it is no more.
pub fn save_package(
    tx: &mut Tx,
    id: RequestId,
    package: Option<&Package>,
    at: Timestamp,
) -> Result<(), Error> {
    let sql = "-- save package
        UPDATE privacy_request SET package_path = ?2, package_tag = ?3, package_expires_at = ?4, package_size = ?5, updated_at = ?6 WHERE id = ?1";
    let values = [
        id.into(),
        package.map(|package| &package.path).into(),
        package.map(|package| package.tag.clone()).into(),
        package.map(|package| package.expires_at).into(),
        package.map(|package| package.size).into(),
        at.into(),
    ];
    all_or_missing(tx.execute(sql, &values)?, 1, "save package")
}

/// Destroys the data keys and what they sealed: identity, manifest, notes and attachments can't be read again by anyone.
/// Call [`crate::Database::scrub`] once the transaction is committed.
pub fn destroy_keys(tx: &mut Tx, ids: &[RequestId], at: Timestamp) -> Result<(), Error> {
    let sql = "-- destroy key\nUPDATE privacy_request SET wrapped_key = NULL, identity = NULL, manifest = NULL, updated_at = column2
        FROM (VALUES (?1 /* TEXT */, ?2 /* BIGINT */)) AS given WHERE id = column1";
    let sets: Vec<_> = ids.iter().map(|id| vec![(*id).into(), at.into()]).collect();
    all_or_missing(tx.execute_many(sql, &sets)?, ids.len(), "destroy key")?;
    let forget_note = "-- forget note\nUPDATE outreach SET note = NULL WHERE request_id = ?1";
    let forget_file = "-- forget attachment\nDELETE FROM attachment WHERE request_id = ?1";
    let sets: Vec<_> = ids.iter().map(|id| vec![(*id).into()]).collect();
    tx.execute_many(forget_note, &sets)?;
    tx.execute_many(forget_file, &sets)?;
    Ok(())
}

/// Privacy requests that were closed before `before`, the oldest first: those whose retention may have ended.
pub fn closed_before(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<Vec<RequestId>, Error> {
    let sql = "-- list closed privacy_request
        SELECT id FROM privacy_request WHERE closed_at < ?1 ORDER BY closed_at, id LIMIT ?2";
    tx.query(sql, &[before.into(), limit.into()])?
        .iter()
        .map(|row| row.parsed("id"))
        .collect()
}

/// Removes privacy requests whose retention has ended, with all that hangs on them. Their audit records stay: they hold no values.
pub fn remove_many(tx: &mut Tx, ids: &[RequestId]) -> Result<(), Error> {
    let sets: Vec<_> = ids.iter().map(|id| vec![(*id).into()]).collect();
    for sql in [
        "-- remove attachment of request\nDELETE FROM attachment WHERE request_id = ?1",
        "-- remove outreach of request\nDELETE FROM outreach WHERE request_id = ?1",
        "-- remove task of request\nDELETE FROM task WHERE request_id = ?1",
        "-- remove verification of request\nDELETE FROM verification WHERE request_id = ?1",
        "-- remove privacy_request\nDELETE FROM privacy_request WHERE id = ?1",
    ] {
        tx.execute_many(sql, &sets)?;
    }
    Ok(())
}

fn all_or_changed(changed: u64, wanted: usize, statement: &str) -> Result<(), Error> {
    if changed == wanted as u64 {
        Ok(())
    } else {
        Err(Error::Changed {
            statement: statement.to_owned(),
        })
    }
}

fn all_or_missing(changed: u64, wanted: usize, statement: &str) -> Result<(), Error> {
    if changed == wanted as u64 {
        Ok(())
    } else {
        Err(Error::NotFound {
            statement: statement.to_owned(),
        })
    }
}

fn json(column: &str, value: &(impl serde::Serialize + ?Sized)) -> Result<Value, Error> {
    let problem = |_| Error::Column {
        column: column.to_owned(),
        problem: "it has no JSON form".to_owned(),
    };
    serde_json::to_string(value)
        .map(Value::Text)
        .map_err(problem)
}
