//! By what recipients are known: API keys and certificates, of which only hashes are kept.

use domain::data_map::RecipientKey;
use domain::id::CredentialId;
use domain::purpose_of_use::PurposeKey;
use jiff::Timestamp;

use crate::db::{Row, Tx};
use crate::error::Error;

/// What a tag is the hash of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CredentialKind {
    /// An API key.
    ApiKey,
    /// A client's certificate.
    Certificate,
}

impl CredentialKind {
    /// The stable text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Certificate => "certificate",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::ApiKey, Self::Certificate]
            .into_iter()
            .find(|kind| kind.text() == text)
    }
}

/// By what one recipient is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCredential {
    /// Its id.
    pub id: CredentialId,
    /// What it is.
    pub kind: CredentialKind,
    /// Its hash.
    pub tag: Vec<u8>,
    /// Whose it is.
    pub recipient: RecipientKey,
    /// The only purposes that it may be used for; `None` for all of the recipient's.
    pub purposes: Option<Vec<PurposeKey>>,
    /// When it ends by itself.
    pub ends_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Stores a new one.
///
/// # Errors
/// [`Error::AlreadyExists`] when another one has the tag.
pub fn insert(tx: &mut Tx, credential: &StoredCredential) -> Result<(), Error> {
    let sql = "-- insert credential
        INSERT INTO credential (id, kind, tag, recipient, purposes, ends_at, revoked_at, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let purposes = credential.purposes.as_ref();
    let purposes = purposes
        .map(serde_json::to_string)
        .transpose()
        .map_err(|_| Error::Column {
            column: "purposes".to_owned(),
            problem: "has no JSON form".to_owned(),
        })?;
    let values = [
        credential.id.into(),
        credential.kind.text().into(),
        credential.tag.clone().into(),
        credential.recipient.as_ref().into(),
        purposes.into(),
        credential.ends_at.into(),
        credential.revoked_at.into(),
        credential.created_at.into(),
    ];
    tx.execute(sql, &values).map(|_| ())
}

/// The one with a tag, revoked or ended ones included.
pub fn get_by_tag(
    tx: &mut Tx,
    kind: CredentialKind,
    tag: &[u8],
) -> Result<Option<StoredCredential>, Error> {
    let sql = "-- get credential by tag\nSELECT * FROM credential WHERE tag = ?1 AND kind = ?2";
    tx.query_optional(sql, &[tag.into(), kind.text().into()])?
        .as_ref()
        .map(credential)
        .transpose()
}

/// All of them, oldest first.
pub fn list(tx: &mut Tx) -> Result<Vec<StoredCredential>, Error> {
    let rows = tx.query(
        "-- list credential\nSELECT * FROM credential ORDER BY id",
        &[],
    )?;
    rows.iter().map(credential).collect()
}

/// Revokes one at once. `false` when there is none, or that had happened before.
pub fn revoke(tx: &mut Tx, id: CredentialId, at: Timestamp) -> Result<bool, Error> {
    let sql = "-- revoke credential\nUPDATE credential SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
    Ok(tx.execute(sql, &[id.into(), at.into()])? == 1)
}

fn credential(row: &Row) -> Result<StoredCredential, Error> {
    Ok(StoredCredential {
        id: row.parsed("id")?,
        kind: row.word("kind", CredentialKind::parse)?,
        tag: row.bytes("tag")?.to_vec(),
        recipient: row.text("recipient")?.into(),
        purposes: row.opt_json("purposes")?,
        ends_at: row.opt_time("ends_at")?,
        revoked_at: row.opt_time("revoked_at")?,
        created_at: row.time("created_at")?,
    })
}
