//! One record of the audit log and its canonical bytes. Ids, names of attributes, counts, reason codes and hashes; never a value.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::actor::Actor;
use super::canonical::{CanonicalError, write_count, write_string};
use super::detail::{Detail, Details};
use super::hash::Hash;
use crate::id::RequestId;

/// The most bytes that one entry may have, since entry bundles count them in 16 bits (C2SP tlog-tiles).
pub const MAX_ENTRY_BYTES: usize = 65_535;

/// What somebody wants recorded; [`super::append`] gives it its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// When it was done.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// What was done.
    pub action: Action,
    /// The privacy request that it belongs to.
    pub request: Option<RequestId>,
    /// Key of the source system or the recipient that it is about.
    pub subject_of: Option<String>,
    /// What else there is to say; shared, since a record is handed on several times before it is written.
    pub details: Arc<Details>,
}

impl NewRecord {
    /// A record without a privacy request and without details.
    pub fn new(at: Timestamp, actor: Actor, action: Action) -> Self {
        Self {
            at,
            actor,
            action,
            request: None,
            subject_of: None,
            details: Arc::default(),
        }
    }

    /// The same, as part of a privacy request's chain.
    #[must_use]
    pub fn for_request(self, request: RequestId) -> Self {
        Self {
            request: Some(request),
            ..self
        }
    }

    /// The same, about a source system or a recipient, by its key.
    #[must_use]
    pub fn about(self, key: impl Into<String>) -> Self {
        Self {
            subject_of: Some(key.into()),
            ..self
        }
    }

    /// The same with one more detail: an id, a name, a count, a reason code or a hash, never a value.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, detail: impl Into<Detail>) -> Self {
        Arc::make_mut(&mut self.details).put(name.into(), detail.into());
        self
    }
}

/// One record in its place in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Version of this form: 1.
    pub v: u8,
    /// Which log (the checkpoint's origin).
    pub log: String,
    /// Place in the log, from 0, without a gap.
    pub sequence: u64,
    /// When it was done.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// What was done.
    pub action: Action,
    /// Its place among the records of its privacy request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestLink>,
    /// Key of the source system or the recipient that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_of: Option<String>,
    /// What else there is to say.
    #[serde(default, with = "shared", skip_serializing_if = "shared::is_empty")]
    pub details: Arc<Details>,
}

/// Details as JSON, whoever else holds them.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::Details;

    pub(super) fn serialize<S: Serializer>(
        details: &Arc<Details>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        details.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<Details>, D::Error> {
        Details::deserialize(deserializer).map(Arc::new)
    }

    pub(super) fn is_empty(details: &Arc<Details>) -> bool {
        details.is_empty()
    }
}

/// A record's place among the records of its privacy request: numbered, and tied to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestLink {
    /// The privacy request.
    pub id: RequestId,
    /// From 0, without a gap.
    pub sequence: u64,
    /// Leaf hash of the record before; absent on the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Hash>,
}

/// Bytes that are no record, or a record that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRecord {
    /// Not JSON, or members are missing, unknown or of the wrong kind.
    #[error("this is not an audit record that this version of privity can read")]
    Unreadable(#[source] serde_json::Error),
    /// A version from the future.
    #[error(
        "this audit record has the form {0}; this version of privity reads form 1, use a newer one"
    )]
    Version(u8),
    /// The same record has other canonical bytes.
    #[error(
        "the bytes of this audit record are not in canonical form; they were not written by privity or were changed"
    )]
    NotCanonical,
    /// A number that has no single exact text.
    #[error("this audit record cannot be written")]
    Canonical(#[from] CanonicalError),
    /// More than [`MAX_ENTRY_BYTES`].
    #[error(
        "this audit record has {0} bytes, at most 65,535 fit; write a count and a hash instead of a list"
    )]
    TooLong(usize),
    /// A detail that looks like an e-mail address.
    #[error(
        "the detail `{0}` of this audit record holds an `@` and may be a personal value; write a commitment or a reason code instead"
    )]
    LooksPersonal(String),
}

impl Record {
    /// The canonical bytes: the entry of the log.
    ///
    /// # Errors
    /// [`InvalidRecord`] when a number is not exact, a detail looks like an address, or it is too long.
    pub fn to_entry(&self) -> Result<Vec<u8>, InvalidRecord> {
        if let Some(name) = self.details.personal() {
            return Err(InvalidRecord::LooksPersonal(name.replace('@', "?")));
        }
        let bytes = self.canonical()?.into_bytes();
        if bytes.len() > MAX_ENTRY_BYTES {
            return Err(InvalidRecord::TooLong(bytes.len()));
        }
        Ok(bytes)
    }

    // Written member by member in the order of RFC 8785: a tree of values first would cost four times as much, and records are
    // most of what a privacy request writes. A property test holds this against the tree.
    fn canonical(&self) -> Result<String, CanonicalError> {
        let Self {
            v,
            log,
            sequence,
            at,
            actor,
            action,
            request,
            subject_of,
            details,
        } = self;
        let mut text = String::with_capacity(512);
        text.push_str("{\"action\":");
        write_string(&mut text, action.text());
        text.push_str(",\"actor\":");
        write_string(&mut text, &actor.to_string());
        text.push_str(",\"at\":");
        write_string(&mut text, &at.to_string());
        if !details.is_empty() {
            text.push_str(",\"details\":");
            details.write(&mut text)?;
        }
        text.push_str(",\"log\":");
        write_string(&mut text, log);
        if let Some(link) = request {
            text.push_str(",\"request\":");
            link.write(&mut text)?;
        }
        text.push_str(",\"sequence\":");
        write_count(&mut text, *sequence)?;
        if let Some(key) = subject_of {
            text.push_str(",\"subject_of\":");
            write_string(&mut text, key);
        }
        text.push_str(",\"v\":");
        write_count(&mut text, u64::from(*v))?;
        text.push('}');
        Ok(text)
    }

    /// Reads an entry of the log back.
    ///
    /// # Errors
    /// [`InvalidRecord`] when the bytes are not exactly what [`Record::to_entry`] writes.
    pub fn from_entry(bytes: &[u8]) -> Result<Self, InvalidRecord> {
        let record: Self = serde_json::from_slice(bytes).map_err(InvalidRecord::Unreadable)?;
        if record.v != 1 {
            return Err(InvalidRecord::Version(record.v));
        }
        if record.to_entry()? != bytes {
            return Err(InvalidRecord::NotCanonical);
        }
        Ok(record)
    }
}

impl RequestLink {
    fn write(&self, text: &mut String) -> Result<(), CanonicalError> {
        text.push_str("{\"id\":");
        write_string(text, &self.id.to_string());
        if let Some(previous) = self.previous {
            text.push_str(",\"previous\":");
            write_string(text, &previous.to_string());
        }
        text.push_str(",\"sequence\":");
        write_count(text, self.sequence)?;
        text.push('}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::super::canonical::canonical_json;
    use super::*;

    fn record() -> Record {
        let mut details = Details::default();
        details.put("rows".into(), 3.into());
        details.put("collection".into(), "shop.customer".into());
        Record {
            v: 1,
            log: "privity.example/audit".into(),
            sequence: 12,
            at: "2026-11-21T10:00:00.000123Z".parse().unwrap(),
            actor: Actor::System,
            action: Action::Erased,
            request: Some(RequestLink {
                id: RequestId::from_uuid(uuid::Uuid::from_u128(5)),
                sequence: 1,
                previous: Some(Hash::of(b"before")),
            }),
            subject_of: Some("shop".into()),
            details: Arc::new(details),
        }
    }

    #[test]
    fn the_canonical_bytes_of_a_record_never_change_between_versions() {
        let expected = format!(
            "{}{}{}",
            r#"{"action":"erased","actor":"system","at":"2026-11-21T10:00:00.000123Z","details":{"collection":"shop.customer","rows":3},"#,
            r#""log":"privity.example/audit","request":{"id":"req_00000000000000000000000000000005","#,
            r#""previous":"PREVIOUS","sequence":1},"sequence":12,"subject_of":"shop","v":1}"#,
        )
        .replace("PREVIOUS", &Hash::of(b"before").to_string());
        assert_eq!(
            String::from_utf8(record().to_entry().unwrap()).unwrap(),
            expected
        );
        assert_eq!(Record::from_entry(expected.as_bytes()).unwrap(), record());
    }

    #[test]
    fn bytes_that_mean_the_same_but_are_not_the_same_are_refused() {
        let bytes = record().to_entry().unwrap();
        let spaced = String::from_utf8(bytes)
            .unwrap()
            .replace("\"rows\":3", "\"rows\": 3");
        assert!(matches!(
            Record::from_entry(spaced.as_bytes()),
            Err(InvalidRecord::NotCanonical)
        ));
    }

    #[test]
    fn an_address_in_the_details_is_refused_and_not_repeated() {
        let mut with_address = record();
        Arc::make_mut(&mut with_address.details).put(
            "whom".into(),
            serde_json::json!([{"mail": "ada@example.com"}]).into(),
        );
        let error = with_address.to_entry().unwrap_err();
        assert!(matches!(&error, InvalidRecord::LooksPersonal(name) if name == "whom"));
        assert!(!error.to_string().contains("ada"));
    }

    #[test]
    fn a_record_longer_than_a_bundle_can_count_is_refused() {
        let mut long = record();
        Arc::make_mut(&mut long.details).put("list".into(), "x".repeat(MAX_ENTRY_BYTES).into());
        assert!(matches!(long.to_entry(), Err(InvalidRecord::TooLong(_))));
    }

    proptest! {
        #[test]
        fn what_is_written_member_by_member_is_the_canonical_json_of_the_record(
            (log, subject_of) in (".*", proptest::option::of(".*")),
            (sequence, chained) in (0..1u64 << 53, proptest::option::of((0..1u64 << 53, any::<bool>()))),
            details in proptest::collection::btree_map("[^@]*", "[^@]*", 0..4),
        ) {
            let request = chained.map(|(sequence, first)| RequestLink {
                id: RequestId::from_uuid(uuid::Uuid::from_u128(5)),
                sequence,
                previous: (!first).then(|| Hash::of(b"before")),
            });
            let details: serde_json::Map<_, _> = details.into_iter().map(|(name, detail)| (name, detail.into())).collect();
            let details = Arc::new(details.into());
            let record = Record { log, sequence, request, subject_of, details, ..record() };
            let tree = serde_json::to_value(&record).unwrap();
            prop_assert_eq!(String::from_utf8(record.to_entry().unwrap()).unwrap(), canonical_json(&tree).unwrap());
        }
    }
}
