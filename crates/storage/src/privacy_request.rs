//! Privacy requests: kept in the database from the first byte until their retention ends, never in a cache with an expiry.
//!
//! Law: 11 CCR 7101 (records of requests for 24 months).

use std::collections::BTreeSet;

use domain::audit::{ChainHead, Hash};
use domain::id::RequestId;
use domain::plan::Plan;
use domain::privacy_request::{Clock, PrivacyRequest, RequestState};
use domain::sensitive::Sealed;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::db::{Row, Tx, Value};
use crate::error::Error;

/// A privacy request on its way into the database.
#[derive(Debug, Clone)]
pub struct NewPrivacyRequest {
    /// What everybody may see of it. Its `version` is stored as it is (1 by habit).
    pub request: PrivacyRequest,
    /// Where the law applies, e.g. `US-CA`.
    pub jurisdiction: String,
    /// Hash of the token in the tracker's link.
    pub tracker_tag: Vec<u8>,
    /// Its data key, wrapped.
    pub wrapped_key: Vec<u8>,
    /// Who asks, sealed; an opt-out may have none.
    pub identity: Option<Sealed>,
    /// When it was stored.
    pub created_at: Timestamp,
}

/// A privacy request with everything that is stored about it.
#[derive(Debug, Clone)]
pub struct StoredPrivacyRequest {
    /// What everybody may see of it.
    pub request: PrivacyRequest,
    /// Where the law applies.
    pub jurisdiction: String,
    /// Codes of law/reasons.yaml: why it was denied, or what stayed.
    pub reasons: Vec<String>,
    /// Its data key, wrapped; `None` once destroyed.
    pub wrapped_key: Option<Vec<u8>>,
    /// Who asks, sealed.
    pub identity: Option<Sealed>,
    /// What the search found, sealed.
    pub manifest: Option<Sealed>,
    /// What will be done, in numbers.
    pub plan: Option<Plan>,
    /// What the re-read found.
    pub confirmation: Option<serde_json::Value>,
    /// The access package, while there is one.
    pub package: Option<Package>,
    /// The end of its chain of audit records; `None` before the first.
    pub audit: Option<ChainHead>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// An access package that waits to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Where the file is.
    pub path: String,
    /// Hash of the token in its link.
    pub tag: Vec<u8>,
    /// When the link ends.
    pub expires_at: Timestamp,
    /// Bytes.
    pub size: u64,
}

/// Which privacy requests a list shows; the default shows all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only in this state.
    pub state: Option<RequestState>,
    /// Only those not closed.
    pub open: bool,
    /// Only those whose answer is due before this day.
    pub due_before: Option<Date>,
    /// Only those whose id contains this text.
    pub id_contains: Option<String>,
}

/// Stores a new privacy request.
pub fn insert(tx: &mut Tx, new: &NewPrivacyRequest) -> Result<(), Error> {
    insert_many(tx, std::slice::from_ref(new))
}

/// Stores new privacy requests.
pub fn insert_many(tx: &mut Tx, new: &[NewPrivacyRequest]) -> Result<(), Error> {
    let sql = "-- insert privacy_request
        INSERT INTO privacy_request (id, kind, law, jurisdiction, state, reasons, waiting, channel, language, received_at, received_on,
            ack_by, respond_by, max_by, extended_to, tracker_tag, wrapped_key, identity, audit_sequence, version, created_at, updated_at, closed_at)
        VALUES (?1, ?2, ?3, ?4, ?5, '[]', ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, 0, ?18, ?19, ?19, ?20)";
    let sets: Vec<_> = new.iter().map(insert_values).collect();
    tx.execute_many(sql, &sets).map(|_| ())
}

fn insert_values(new: &NewPrivacyRequest) -> Vec<Value> {
    let PrivacyRequest {
        id,
        kind,
        law,
        state,
        waiting,
        channel,
        language,
        received_at,
        clock,
        closed_at,
        version,
    } = &new.request;
    vec![
        (*id).into(),
        kind.as_str().into(),
        law.into(),
        (&new.jurisdiction).into(),
        state.as_str().into(),
        waiting.map(|waiting| waiting.as_str()).into(),
        channel.as_str().into(),
        language.into(),
        (*received_at).into(),
        clock.received_on.into(),
        clock.ack_by.into(),
        clock.respond_by.into(),
        clock.max_with_extension.into(),
        clock.extended_to.into(),
        new.tracker_tag.clone().into(),
        new.wrapped_key.clone().into(),
        new.identity.as_ref().into(),
        (*version).into(),
        new.created_at.into(),
        (*closed_at).into(),
    ]
}

/// The privacy request with this id.
pub fn get(tx: &mut Tx, id: RequestId) -> Result<Option<StoredPrivacyRequest>, Error> {
    let sql = "-- get privacy_request\nSELECT * FROM privacy_request WHERE id = ?1";
    tx.query_optional(sql, &[id.into()])?
        .as_ref()
        .map(stored)
        .transpose()
}

/// The privacy requests with these ids, in this order; ids that do not exist are left out.
pub fn get_many(tx: &mut Tx, ids: &[RequestId]) -> Result<Vec<StoredPrivacyRequest>, Error> {
    let sql = "-- get privacy_request\nSELECT * FROM privacy_request WHERE id = ?1";
    let sets: Vec<_> = ids.iter().map(|id| vec![(*id).into()]).collect();
    tx.query_many(sql, &sets)?
        .iter()
        .flatten()
        .map(stored)
        .collect()
}

/// The privacy request whose tracker link carries the token with this hash.
pub fn get_by_tracker_tag(tx: &mut Tx, tag: &[u8]) -> Result<Option<StoredPrivacyRequest>, Error> {
    let sql =
        "-- get privacy_request by tracker\nSELECT * FROM privacy_request WHERE tracker_tag = ?1";
    tx.query_optional(sql, &[tag.into()])?
        .as_ref()
        .map(stored)
        .transpose()
}

/// The privacy request whose package link carries the token with this hash. Whether the link still holds is the caller's question.
pub fn get_by_package_tag(tx: &mut Tx, tag: &[u8]) -> Result<Option<StoredPrivacyRequest>, Error> {
    let sql =
        "-- get privacy_request by package\nSELECT * FROM privacy_request WHERE package_tag = ?1";
    tx.query_optional(sql, &[tag.into()])?
        .as_ref()
        .map(stored)
        .transpose()
}

/// Newest first, at most `limit`; `after` is the last id of the page before.
pub fn list(
    tx: &mut Tx,
    filter: &Filter,
    after: Option<RequestId>,
    limit: u32,
) -> Result<Vec<PrivacyRequest>, Error> {
    let sql = "-- list privacy_request
        SELECT id, kind, law, state, waiting, channel, language, received_at, received_on, ack_by, respond_by, max_by, extended_to, closed_at, version
        FROM privacy_request
        WHERE (CAST(?1 AS TEXT) IS NULL OR state = ?1)
            AND (?2 = 0 OR closed_at IS NULL)
            AND (CAST(?3 AS TEXT) IS NULL OR COALESCE(extended_to, respond_by) < ?3)
            AND (CAST(?4 AS TEXT) IS NULL OR id LIKE ?4 ESCAPE '!')
            AND (CAST(?5 AS TEXT) IS NULL OR id < ?5)
        ORDER BY id DESC LIMIT ?6";
    let values = [
        filter.state.map(RequestState::as_str).into(),
        filter.open.into(),
        filter.due_before.into(),
        filter.id_contains.as_deref().map(containing).into(),
        after.into(),
        limit.into(),
    ];
    tx.query(sql, &values)?.iter().map(request).collect()
}

/// A LIKE pattern for texts that contain `part`, whatever signs it holds.
fn containing(part: &str) -> String {
    format!(
        "%{}%",
        part.replace('!', "!!")
            .replace('%', "!%")
            .replace('_', "!_")
    )
}

/// Open privacy requests whose answer is due on `until` or before, the most urgent first.
pub fn due_within(tx: &mut Tx, until: Date, limit: u32) -> Result<Vec<PrivacyRequest>, Error> {
    let sql = "-- list privacy_request due
        SELECT id, kind, law, state, waiting, channel, language, received_at, received_on, ack_by, respond_by, max_by, extended_to, closed_at, version
        FROM privacy_request
        WHERE closed_at IS NULL AND COALESCE(extended_to, respond_by) <= ?1
        ORDER BY COALESCE(extended_to, respond_by), id LIMIT ?2";
    tx.query(sql, &[until.into(), limit.into()])?
        .iter()
        .map(request)
        .collect()
}

/// How many are in each state; states without any are left out.
pub fn counts_by_state(tx: &mut Tx) -> Result<Vec<(RequestState, u64)>, Error> {
    let sql = "-- count privacy_request by state\nSELECT state, COUNT(*) AS requests FROM privacy_request GROUP BY state ORDER BY state";
    tx.query(sql, &[])?
        .iter()
        .map(|row| {
            Ok((
                row.word("state", RequestState::parse)?,
                row.count("requests")?,
            ))
        })
        .collect()
}

/// Holds these privacy requests until the transaction ends, so that nobody else changes them, and answers them as they are now.
///
/// What several tasks decide together ("all the others are done, so go on") is decided under this lock.
pub fn lock(tx: &mut Tx, ids: &BTreeSet<RequestId>) -> Result<Vec<PrivacyRequest>, Error> {
    let sql = "-- lock privacy_request
        UPDATE privacy_request SET version = version WHERE id = ?1
        RETURNING id, kind, law, state, waiting, channel, language, received_at, received_on, ack_by, respond_by, max_by, extended_to, closed_at, version";
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
    let sql = "-- update privacy_request
        UPDATE privacy_request
        SET state = ?3, waiting = ?4, extended_to = ?5, closed_at = ?6, reasons = ?7, updated_at = ?8, version = version + 1
        WHERE id = ?1 AND version = ?2";
    let values = |(changed, reasons): &(&PrivacyRequest, &[String])| {
        Ok(vec![
            changed.id.into(),
            changed.version.into(),
            changed.state.as_str().into(),
            changed.waiting.map(|waiting| waiting.as_str()).into(),
            changed.clock.extended_to.into(),
            changed.closed_at.into(),
            json("reasons", reasons)?,
            at.into(),
        ])
    };
    let sets = changes
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
pub fn save_plan(
    tx: &mut Tx,
    id: RequestId,
    manifest: &Sealed,
    plan: &Plan,
    at: Timestamp,
) -> Result<(), Error> {
    save_plans(tx, &[(id, manifest.clone(), plan.clone())], at)
}

/// [`save_plan`] for many.
pub fn save_plans(
    tx: &mut Tx,
    plans: &[(RequestId, Sealed, Plan)],
    at: Timestamp,
) -> Result<(), Error> {
    let sql = "-- save plan\nUPDATE privacy_request SET manifest = ?2, plan = ?3, updated_at = ?4 WHERE id = ?1";
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
    let sql = "-- save confirmation\nUPDATE privacy_request SET confirmation = ?2, updated_at = ?3 WHERE id = ?1";
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
    let sql = "-- destroy key\nUPDATE privacy_request SET wrapped_key = NULL, identity = NULL, manifest = NULL, updated_at = ?2 WHERE id = ?1";
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

fn request(row: &Row) -> Result<PrivacyRequest, Error> {
    Ok(PrivacyRequest {
        id: row.parsed("id")?,
        kind: row.word("kind", domain::privacy_request::RequestKind::parse)?,
        law: row.text("law")?.to_owned(),
        state: row.word("state", RequestState::parse)?,
        waiting: row.opt_word("waiting", domain::privacy_request::Waiting::parse)?,
        channel: row.word("channel", domain::privacy_request::IntakeChannel::parse)?,
        language: row.text("language")?.to_owned(),
        received_at: row.time("received_at")?,
        clock: Clock {
            received_on: row.parsed("received_on")?,
            ack_by: row.opt_parsed("ack_by")?,
            respond_by: row.opt_parsed("respond_by")?,
            max_with_extension: row.opt_parsed("max_by")?,
            extended_to: row.opt_parsed("extended_to")?,
        },
        closed_at: row.opt_time("closed_at")?,
        version: row.int("version")?,
    })
}

fn stored(row: &Row) -> Result<StoredPrivacyRequest, Error> {
    Ok(StoredPrivacyRequest {
        request: request(row)?,
        jurisdiction: row.text("jurisdiction")?.to_owned(),
        reasons: row.json("reasons")?,
        wrapped_key: row.opt_bytes("wrapped_key")?.map(<[u8]>::to_vec),
        identity: row.opt_sealed("identity")?,
        manifest: row.opt_sealed("manifest")?,
        plan: row.opt_json("plan")?,
        confirmation: row.opt_json("confirmation")?,
        package: package(row)?,
        audit: chain_head(row)?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

fn package(row: &Row) -> Result<Option<Package>, Error> {
    let Some(path) = row.opt_text("package_path")? else {
        return Ok(None);
    };
    Ok(Some(Package {
        path: path.to_owned(),
        tag: row.bytes("package_tag")?.to_vec(),
        expires_at: row.time("package_expires_at")?,
        size: row.count("package_size")?,
    }))
}

pub(crate) fn chain_head(row: &Row) -> Result<Option<ChainHead>, Error> {
    if row.opt_bytes("audit_previous")?.is_none() {
        return Ok(None);
    }
    Ok(Some(ChainHead {
        records: row.count("audit_sequence")?,
        last: Hash(row.hash("audit_previous")?),
    }))
}
