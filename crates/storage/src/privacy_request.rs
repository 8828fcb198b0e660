//! Privacy requests: kept in the database from the first byte until their retention ends, never in a cache with an expiry.
//!
//! Law: 11 CCR 7101 (records of requests for 24 months).

mod change;
mod filter;
mod identity;
mod row;

use domain::id::RequestId;
use domain::plan::Plan;
use domain::privacy_request::{PrivacyRequest, RequestState};
use domain::sensitive::Sealed;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::db::{Tx, Value};
use crate::error::Error;

pub use change::{
    Closing, close_many, closed_before, destroy_keys, lock, remove_many, save_confirmation,
    save_confirmations, save_package, save_plans, update, update_many,
};
pub use filter::{DueDays, Filter, count, list};
pub use identity::count_of_identity;
use row::{request, standing, stored};

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
    /// Keyed hash of the address of whoever asks to know.
    pub identity_tag: Option<Vec<u8>>,
    /// The day from which she asked to know; `None` for everything.
    pub look_back: Option<Date>,
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
    /// Keyed hash of the address of whoever asks to know.
    pub identity_tag: Option<Vec<u8>>,
    /// The day from which she asked to know; `None` for everything.
    pub look_back: Option<Date>,
    /// What the search found, sealed.
    pub manifest: Option<Sealed>,
    /// What will be done, in numbers.
    pub plan: Option<Plan>,
    /// What the re-read found.
    pub confirmation: Option<serde_json::Value>,
    /// The access package, while there is one.
    pub package: Option<Package>,
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

/// Stores a new privacy request.
pub fn insert(tx: &mut Tx, new: &NewPrivacyRequest) -> Result<(), Error> {
    insert_many(tx, std::slice::from_ref(new))
}

/// Stores new privacy requests.
pub fn insert_many(tx: &mut Tx, new: &[NewPrivacyRequest]) -> Result<(), Error> {
    let sql = "-- insert privacy_request
        INSERT INTO privacy_request (id, kind, law, jurisdiction, state, reasons, waiting, channel, language, received_at, received_on,
            ack_by, respond_by, max_by, extended_to, tracker_tag, wrapped_key, identity, version, created_at, updated_at, closed_at,
            identity_tag, look_back)
        VALUES (?1, ?2, ?3, ?4, ?5, '[]', ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?19, ?20, ?21, ?22)";
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
        new.identity_tag.clone().into(),
        new.look_back.into(),
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

/// How a privacy request stands, without what is held for it and what was found.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What everybody may see of it.
    pub request: PrivacyRequest,
    /// Codes of law/reasons.yaml.
    pub reasons: Vec<String>,
    /// What the re-read found.
    pub confirmation: Option<serde_json::Value>,
    /// The access package, while there is one.
    pub package: Option<Package>,
}

/// How the privacy requests with these ids stand, in this order; ids that do not exist are left out.
pub fn standings(tx: &mut Tx, ids: &[RequestId]) -> Result<Vec<Standing>, Error> {
    let sql = "-- get privacy_request standing
        SELECT id, kind, law, state, waiting, channel, language, received_at, received_on, ack_by, respond_by, max_by, extended_to, closed_at, version,
            reasons, confirmation, package_path, package_tag, package_expires_at, package_size
        FROM privacy_request WHERE id = ?1";
    let sets: Vec<_> = ids.iter().map(|id| vec![(*id).into()]).collect();
    tx.query_many(sql, &sets)?
        .iter()
        .flatten()
        .map(standing)
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
