//! The reference monitor: everything that stands between personal values and whoever wants them, in one small crate.
//!
//! **No decision and no record, no data.** [`decide()`] is the only source of a [`Permit`]; a permit opens nothing until it becomes a
//! [`RecordedPermit`], which takes the proof that the audit log holds its record; opening the vault and releasing rows demand one.
//!
//! The cheats below do not compile. Each stands next to its honest twin, which does, so that a cheat fails for its own reason and
//! not for a misspelt name.
//!
//! # A permit comes from a decision
//! ```
//! use domain::disclosure::{Facts, Query};
//! use enforcement::{Denial, Permit, decide};
//!
//! fn honest(query: &Query, facts: &Facts) -> Result<Permit, Denial> {
//!     decide(query, facts)
//! }
//! ```
//! and cannot be made by hand,
//! ```compile_fail,E0624
//! use domain::disclosure::{Facts, Query};
//! use enforcement::{Denial, Permit, decide};
//!
//! fn forge(query: &Query, facts: &Facts) -> Result<Permit, Denial> {
//!     Ok(Permit::new(query, Default::default(), Vec::new()))
//! }
//! ```
//! nor from another one,
//! ```compile_fail,E0451
//! use domain::disclosure::{Facts, Query};
//! use enforcement::{Denial, Permit, decide};
//!
//! fn forge(query: &Query, facts: &Facts) -> Result<Permit, Denial> {
//!     Ok(Permit { ..decide(query, facts)? })
//! }
//! ```
//! nor be widened afterwards.
//! ```compile_fail,E0616
//! use domain::disclosure::{Facts, Query};
//! use enforcement::{Denial, Permit, decide};
//!
//! fn forge(query: &Query, facts: &Facts) -> Result<Permit, Denial> {
//!     let mut permit = decide(query, facts)?;
//!     permit.decided = decide(query, facts)?.decided;
//!     Ok(permit)
//! }
//! ```
//!
//! # A recorded permit comes from a permit and the proof of its record
//! ```
//! use domain::audit::Appended;
//! use enforcement::{NotRecorded, Permit, RecordedPermit};
//!
//! fn honest(permit: Permit, proof: Appended) -> Result<RecordedPermit, NotRecorded> {
//!     permit.record(proof)
//! }
//! ```
//! and cannot be made by hand,
//! ```compile_fail,E0451
//! use domain::audit::Appended;
//! use enforcement::{NotRecorded, Permit, RecordedPermit};
//!
//! fn forge(permit: Permit, proof: Appended) -> Result<RecordedPermit, NotRecorded> {
//!     Ok(RecordedPermit { permit, sequence: proof.record().sequence, leaf: proof.leaf() })
//! }
//! ```
//! nor can one record serve two permits.
//! ```compile_fail,E0382
//! use domain::audit::Appended;
//! use enforcement::{NotRecorded, Permit, RecordedPermit};
//!
//! fn forge(first: Permit, second: Permit, proof: Appended) -> Result<[RecordedPermit; 2], NotRecorded> {
//!     Ok([first.record(proof)?, second.record(proof)?])
//! }
//! ```
//!
//! # The proof comes from appending
//! ```
//! use domain::audit::{AppendError, Appended, ChainHeads, LogState, NewRecord, append};
//!
//! fn honest(state: &LogState, record: NewRecord) -> Result<Vec<Appended>, AppendError> {
//!     let pending = append(state, &ChainHeads::new(), vec![record])?;
//!     // storage commits the transaction here
//!     Ok(pending.durable())
//! }
//! ```
//! and cannot be made by hand.
//! ```compile_fail,E0451
//! use domain::audit::{AppendError, Appended, ChainHeads, LogState, NewRecord, append};
//!
//! fn forge(state: &LogState, record: NewRecord) -> Result<Vec<Appended>, AppendError> {
//!     let pending = append(state, &ChainHeads::new(), vec![record])?;
//!     let entry = pending.entries()[0].clone();
//!     Ok(vec![Appended { record: entry.record, leaf: entry.leaf }])
//! }
//! ```
//!
//! # The vault opens with a recorded permit
//! ```
//! use domain::sensitive::{Sealed, Sensitive};
//! use enforcement::RecordedPermit;
//! use enforcement::vault::{Place, RequestKey, VaultError};
//!
//! fn honest(key: &RequestKey, permit: &RecordedPermit, place: &Place<'_>, sealed: &Sealed) -> Result<Sensitive<Vec<u8>>, VaultError> {
//!     key.open(permit, place, sealed)
//! }
//! ```
//! not with one that nobody recorded,
//! ```compile_fail,E0308
//! use domain::sensitive::{Sealed, Sensitive};
//! use enforcement::Permit;
//! use enforcement::vault::{Place, RequestKey, VaultError};
//!
//! fn cheat(key: &RequestKey, permit: &Permit, place: &Place<'_>, sealed: &Sealed) -> Result<Sensitive<Vec<u8>>, VaultError> {
//!     key.open(permit, place, sealed)
//! }
//! ```
//! not without one,
//! ```compile_fail,E0061
//! use domain::sensitive::{Sealed, Sensitive};
//! use enforcement::vault::{Place, RequestKey, VaultError};
//!
//! fn cheat(key: &RequestKey, place: &Place<'_>, sealed: &Sealed) -> Result<Sensitive<Vec<u8>>, VaultError> {
//!     key.open(place, sealed)
//! }
//! ```
//! and nobody gets at the bare key.
//! ```compile_fail,E0616
//! use enforcement::vault::RequestKey;
//!
//! fn cheat(key: &RequestKey) -> [u8; 32] {
//!     *key.key
//! }
//! ```
//!
//! # A profile opens with a recorded permit about its subject
//! ```
//! use domain::disclosure::{ProfileFacts, ProfileQuery};
//! use enforcement::{Denial, Judgements, Permit, decide_profile};
//!
//! fn honest(query: &ProfileQuery, facts: &ProfileFacts, judgements: &Judgements) -> Result<Permit, Denial> {
//!     decide_profile(query, facts, judgements)
//! }
//! ```
//! which nobody makes by hand,
//! ```compile_fail,E0624
//! use domain::disclosure::{ProfileFacts, ProfileQuery};
//! use enforcement::{Denial, Permit, decide_profile};
//!
//! fn forge(query: &ProfileQuery, facts: &ProfileFacts) -> Result<Permit, Denial> {
//!     Ok(Permit::for_profile(query, facts, unreachable!()))
//! }
//! ```
//! and which opens what it names,
//! ```
//! use domain::profile::Schema;
//! use domain::sensitive::Sealed;
//! use enforcement::RecordedPermit;
//! use enforcement::vault::{OpenedSegment, SegmentPlace, SubjectKey, VaultError};
//!
//! fn honest(key: &SubjectKey, permit: &RecordedPermit, schema: &Schema, place: &SegmentPlace, sealed: &Sealed) -> Result<OpenedSegment, VaultError> {
//!     key.open_segment(permit, schema, place, sealed)
//! }
//! ```
//! not when nobody recorded it,
//! ```compile_fail,E0308
//! use domain::profile::Schema;
//! use domain::sensitive::Sealed;
//! use enforcement::Permit;
//! use enforcement::vault::{OpenedSegment, SegmentPlace, SubjectKey, VaultError};
//!
//! fn cheat(key: &SubjectKey, permit: &Permit, schema: &Schema, place: &SegmentPlace, sealed: &Sealed) -> Result<OpenedSegment, VaultError> {
//!     key.open_segment(permit, schema, place, sealed)
//! }
//! ```
//! not without one,
//! ```compile_fail,E0061
//! use domain::profile::Schema;
//! use domain::sensitive::Sealed;
//! use enforcement::vault::{OpenedSegment, SegmentPlace, SubjectKey, VaultError};
//!
//! fn cheat(key: &SubjectKey, schema: &Schema, place: &SegmentPlace, sealed: &Sealed) -> Result<OpenedSegment, VaultError> {
//!     key.open_segment(schema, place, sealed)
//! }
//! ```
//! and not by the way that changes a segment, of which only sealed bytes come out.
//! ```
//! use domain::sensitive::Sealed;
//! use enforcement::vault::{Amendment, SegmentPlace, SubjectKey, VaultError};
//!
//! fn honest(key: &SubjectKey, rng: &dyn domain::rng::Rng, from: (&SegmentPlace, &Sealed), to: &SegmentPlace) -> Result<Sealed, VaultError> {
//!     key.amend_segment(rng, from, to, Amendment::default())
//! }
//! ```
//! ```compile_fail,E0624
//! use domain::profile::Profile;
//! use domain::sensitive::Sealed;
//! use enforcement::vault::{SegmentPlace, SubjectKey, VaultError};
//!
//! fn cheat(key: &SubjectKey, place: &SegmentPlace, sealed: &Sealed) -> Result<Profile, VaultError> {
//!     key.whole_segment(place, sealed)
//! }
//! ```
//! The bare key stays inside here, too.
//! ```
//! use enforcement::vault::SubjectKey;
//!
//! fn honest(key: &SubjectKey) -> u32 {
//!     key.version()
//! }
//! ```
//! ```compile_fail,E0616
//! use enforcement::vault::SubjectKey;
//!
//! fn cheat(key: &SubjectKey) -> [u8; 32] {
//!     *key.key
//! }
//! ```
//! And values that came out are released through the permit,
//! ```
//! use std::collections::BTreeSet;
//!
//! use domain::profile::{AttributeNumber, MergedProfile, Schema};
//! use enforcement::{RecordedPermit, release_profile};
//!
//! fn honest(permit: &RecordedPermit, schema: &Schema, profile: &MergedProfile<'_>, held: &BTreeSet<AttributeNumber>) -> serde_json::Result<String> {
//!     serde_json::to_string(&release_profile(permit, schema, profile, held))
//! }
//! ```
//! not past it.
//! ```compile_fail,E0277
//! use domain::profile::MergedProfile;
//!
//! fn cheat(profile: &MergedProfile<'_>) -> serde_json::Result<String> {
//!     serde_json::to_string(profile)
//! }
//! ```
//!
//! # What a recipient gets is decided by policies
//! ```
//! use domain::disclosure::{RecipientQuery, RecipientQueryFacts};
//! use domain::policy::Table;
//! use enforcement::{Denial, Permit, RecipientJudgements, decide_recipient};
//!
//! fn honest(query: &RecipientQuery, facts: &RecipientQueryFacts, table: &Table, judgements: &RecipientJudgements) -> Result<Permit, Denial> {
//!     decide_recipient(query, facts, table, judgements)
//! }
//! ```
//! and by nothing else,
//! ```compile_fail,E0624
//! use std::collections::BTreeSet;
//!
//! use domain::disclosure::RecipientQuery;
//! use domain::id::SubjectId;
//! use enforcement::{Decider, Permit};
//!
//! fn forge(query: &RecipientQuery, subject: SubjectId, members: &BTreeSet<SubjectId>, decider: Decider) -> Permit {
//!     Permit::for_recipient(query, subject, members, decider, unreachable!())
//! }
//! ```
//! and is read, altered and released in one place, through a recorded permit,
//! ```
//! use std::sync::Arc;
//!
//! use domain::profile::Schema;
//! use domain::sensitive::Sealed;
//! use enforcement::vault::{SegmentPlace, SubjectKey};
//! use enforcement::{Alteration, RecipientReading, RecordedPermit, ReleasedProfile};
//!
//! fn honest(permit: &RecordedPermit, schema: Arc<Schema>, key: &SubjectKey, place: &SegmentPlace, sealed: &Sealed, alteration: &Alteration) -> ReleasedProfile {
//!     let mut reading = RecipientReading::new(permit, schema);
//!     reading.open(key, place, sealed).unwrap();
//!     reading.release(alteration, jiff::Timestamp::UNIX_EPOCH)
//! }
//! ```
//! not through one that nobody recorded,
//! ```compile_fail,E0308
//! use std::sync::Arc;
//!
//! use domain::profile::Schema;
//! use enforcement::{Permit, RecipientReading};
//!
//! fn cheat(permit: &Permit, schema: Arc<Schema>) -> RecipientReading<'_> {
//!     RecipientReading::new(permit, schema)
//! }
//! ```
//! and what goes out only in part comes out whole nowhere,
//! ```compile_fail,E0616
//! use domain::profile::Profile;
//! use enforcement::RecipientReading;
//!
//! fn cheat<'r>(reading: &'r RecipientReading<'_>) -> &'r [Profile] {
//!     &reading.profiles
//! }
//! ```
//! neither past the reading.
//! ```compile_fail,E0624
//! use domain::profile::{Profile, Schema};
//! use domain::sensitive::Sealed;
//! use enforcement::RecordedPermit;
//! use enforcement::vault::{SegmentPlace, SubjectKey, VaultError};
//!
//! fn cheat(key: &SubjectKey, permit: &RecordedPermit, schema: &Schema, place: &SegmentPlace, sealed: &Sealed) -> Result<Profile, VaultError> {
//!     key.open_for_recipient(permit, schema, place, sealed)
//! }
//! ```
//!
//! # A row leaves through a recorded permit
//! ```
//! use domain::row::FoundRow;
//! use enforcement::{RecordedPermit, release};
//!
//! fn honest(permit: &RecordedPermit, row: FoundRow) -> serde_json::Result<String> {
//!     serde_json::to_string(&release(permit, row))
//! }
//! ```
//! not through one that nobody recorded,
//! ```compile_fail,E0308
//! use domain::row::FoundRow;
//! use enforcement::{Permit, release};
//!
//! fn cheat(permit: &Permit, row: FoundRow) -> serde_json::Result<String> {
//!     serde_json::to_string(&release(permit, row))
//! }
//! ```
//! not past it,
//! ```compile_fail,E0277
//! use domain::row::FoundRow;
//! use enforcement::RecordedPermit;
//!
//! fn cheat(permit: &RecordedPermit, row: FoundRow) -> serde_json::Result<String> {
//!     serde_json::to_string(&row.values)
//! }
//! ```
//! and a value cannot be printed on the way.
//! ```compile_fail,E0277
//! use domain::sensitive::Sensitive;
//!
//! fn cheat(value: &Sensitive<String>) -> String {
//!     format!("{value:?}")
//! }
//! ```
//! ```
//! use domain::sensitive::Sealed;
//!
//! fn honest(value: &Sealed) -> String {
//!     format!("{value:?}")
//! }
//! ```
//! Neither can keys.
//! ```compile_fail,E0277
//! use enforcement::vault::KeyRing;
//!
//! fn cheat(keys: &KeyRing) -> String {
//!     format!("{keys:?}")
//! }
//! ```
//! ```
//! use enforcement::vault::KeyRing;
//!
//! fn honest(keys: &KeyRing) -> String {
//!     format!("{:?}", keys.key_check())
//! }
//! ```
//!
//! # A JSON body leaves through a recorded permit
//! ```
//! use std::sync::Arc;
//!
//! use domain::body_shape::BodyShape;
//! use enforcement::RecordedPermit;
//! use enforcement::json_filter::{FilteredJson, JsonFilter, Limits, Refused, Unaltered};
//!
//! fn honest(shape: &Arc<BodyShape>, permit: &RecordedPermit, body: &[u8]) -> Result<FilteredJson, Refused> {
//!     let mut filter = JsonFilter::for_subject(shape, permit, Arc::new(Unaltered), Limits::default());
//!     filter.push(body)?;
//!     Ok(filter.finish()?.0)
//! }
//! ```
//! not through one that nobody recorded,
//! ```compile_fail,E0308
//! use std::sync::Arc;
//!
//! use domain::body_shape::BodyShape;
//! use enforcement::Permit;
//! use enforcement::json_filter::{FilteredJson, JsonFilter, Limits, Refused, Unaltered};
//!
//! fn cheat(shape: &Arc<BodyShape>, permit: &Permit, body: &[u8]) -> Result<FilteredJson, Refused> {
//!     let mut filter = JsonFilter::for_subject(shape, permit, Arc::new(Unaltered), Limits::default());
//!     filter.push(body)?;
//!     Ok(filter.finish()?.0)
//! }
//! ```
//! neither for one subject of several,
//! ```
//! use enforcement::RecordedPermit;
//! use enforcement::json_filter::{JsonFilter, Refused};
//!
//! fn honest(filter: &mut JsonFilter, permit: &RecordedPermit) -> Result<(), Refused> {
//!     filter.answer(&[Some(permit), None])
//! }
//! ```
//! ```compile_fail,E0308
//! use enforcement::Permit;
//! use enforcement::json_filter::{JsonFilter, Refused};
//!
//! fn cheat(filter: &mut JsonFilter, permit: &Permit) -> Result<(), Refused> {
//!     filter.answer(&[Some(permit), None])
//! }
//! ```
//! and nobody makes filtered JSON of bytes by hand,
//! ```compile_fail,E0451
//! use enforcement::json_filter::FilteredJson;
//!
//! fn cheat(bytes: Vec<u8>) -> FilteredJson {
//!     FilteredJson { bytes }
//! }
//! ```
//! nor says what a permit grants.
//! ```compile_fail,E0624
//! use enforcement::json_filter::{JsonFilter, Refused};
//!
//! fn cheat(filter: &mut JsonFilter) -> Result<(), Refused> {
//!     filter.answer_with(&[None::<&enforcement::RecordedPermit>])
//! }
//! ```

pub mod alteration;
pub mod decide;
pub mod decide_profile;
pub mod decide_recipient;
pub mod evidence;
pub mod json_filter;
pub mod judgement;
pub mod note;
pub mod permit;
pub mod profile_release;
pub mod recipient_judgement;
pub mod recipient_reading;
pub mod release;
pub mod vault;

pub use alteration::Alteration;
pub use decide::decide;
pub use decide_profile::decide_profile;
pub use decide_recipient::decide_recipient;
pub use judgement::Judgements;
pub use permit::{Decider, Denial, DenialReason, Lists, NotRecorded, Permit, RecordedPermit};
pub use profile_release::{
    ReleasedAttribute, ReleasedProfile, ReleasedSources, ReleasedValue, json as json_value,
    release_profile, release_sources,
};
pub use recipient_judgement::RecipientJudgements;
pub use recipient_reading::RecipientReading;
pub use release::{Released, ReleasedRow, release};
