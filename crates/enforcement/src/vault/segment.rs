//! Segments of a profile, sealed under the subject's own key and bound to where they are kept.
//!
//! The envelope is the vault's ([`super::seal`]); inside is [`domain::profile::body`], padded to steps of 64 bytes. Bound to it are table,
//! subject, segment, row version and schema version. Two ways lead in: opening, which takes a recorded permit and gives the attributes
//! that it allows, and changing, which gives nothing but sealed bytes again.

use std::collections::BTreeSet;

use domain::profile::body::{self, StoredValue};
use domain::profile::{AttributeNumber, AttributeValue, Profile, Schema, Segment, SourceNumber};
use domain::rng::Rng;
use domain::sensitive::Sealed;
use jiff::SignedDuration;
use zeroize::Zeroizing;

use super::open::{decrypt, unpadded_slice};
use super::seal::{VaultError, encrypt, padded};
use super::subject_key::SubjectKey;
use crate::permit::{RecordedPermit, Verdict};

/// Where a sealed segment is kept. It opens nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentPlace {
    /// Name of the table.
    pub table: &'static str,
    /// Which part of the profile.
    pub segment: Segment,
    /// Grows with every change of the row.
    pub row_version: u64,
    /// Version of the schema under which it was sealed.
    pub schema: u32,
}

/// What came out of a segment.
pub struct OpenedSegment {
    /// The values that the permit allows.
    pub profile: Profile,
    /// Attributes that are held and that the permit lets be described only; their values stayed inside.
    pub described: BTreeSet<AttributeNumber>,
}

/// What changes in a segment.
#[derive(Default)]
pub struct Amendment {
    /// Values to set, each in place of what the same source said before.
    pub set: Vec<(AttributeNumber, AttributeValue)>,
    /// Values to take out.
    pub remove: Vec<(AttributeNumber, SourceNumber)>,
}

impl SubjectKey {
    /// Seals the values of one segment.
    ///
    /// # Errors
    /// [`VaultError::WrongSubject`] when the values are another subject's, [`VaultError::Profile`] when one is too long.
    pub fn seal_segment(
        &self,
        rng: &dyn Rng,
        place: &SegmentPlace,
        profile: &Profile,
    ) -> Result<Sealed, VaultError> {
        if profile.subject() != self.subject {
            return Err(VaultError::WrongSubject);
        }
        let encoded = body::encode(profile)?;
        let mut inside = padded(encoded.expose())?;
        let data = self.segment_data(place);
        encrypt(&self.key, self.version, rng, &data, &mut inside).map(Sealed::from_envelope)
    }

    /// Opens a segment: of what is inside, only the attributes that the permit names come out.
    ///
    /// # Errors
    /// [`VaultError::WrongSubject`] when the permit is about another subject or a privacy request; [`VaultError::Damaged`] when the bytes
    /// were changed or belong elsewhere; [`VaultError::Profile`] when a newer version wrote them.
    pub fn open_segment(
        &self,
        permit: &RecordedPermit,
        schema: &Schema,
        place: &SegmentPlace,
        sealed: &Sealed,
    ) -> Result<OpenedSegment, VaultError> {
        if !permit.covers(self.subject) {
            return Err(VaultError::WrongSubject);
        }
        let inside = self.decrypt_segment(place, sealed)?;
        let values = stored(place, &inside)?;
        let mut opened = OpenedSegment {
            profile: Profile::with_capacity(self.subject, values.len()),
            described: BTreeSet::new(),
        };
        for value in values {
            let Some(rule) = schema.attribute(value.attribute) else {
                continue;
            };
            match permit.verdict_of(rule.number) {
                Some(Verdict::Allowed) => drop(opened.profile.set(rule.number, value.to_value())),
                Some(Verdict::Described { .. }) => drop(opened.described.insert(rule.number)),
                Some(Verdict::AgeOnly | Verdict::Null | Verdict::Changed(_)) | None => {}
            }
        }
        Ok(opened)
    }

    /// What may go out to a recipient as it is, and what is altered first: for [`crate::RecipientReading`], which lets nothing else out.
    pub(crate) fn open_for_recipient(
        &self,
        permit: &RecordedPermit,
        schema: &Schema,
        place: &SegmentPlace,
        sealed: &Sealed,
    ) -> Result<Profile, VaultError> {
        if !permit.covers(self.subject) {
            return Err(VaultError::WrongSubject);
        }
        let inside = self.decrypt_segment(place, sealed)?;
        let values = stored(place, &inside)?;
        let mut profile = Profile::with_capacity(self.subject, values.len());
        let is_needed = |number| {
            matches!(
                permit.verdict_of(number),
                Some(Verdict::Allowed | Verdict::Changed(_))
            )
        };
        for value in values {
            if schema.attribute(value.attribute).is_some() && is_needed(value.attribute) {
                drop(profile.set(value.attribute, value.to_value()));
            }
        }
        Ok(profile)
    }

    /// Changes a segment without letting anything out: opened, changed and sealed again for its new place (a new row version, and
    /// the present schema's). Attributes that the schema doesn't know any more stay.
    ///
    /// # Errors
    /// As [`SubjectKey::seal_segment`], and [`VaultError::Damaged`].
    pub fn amend_segment(
        &self,
        rng: &dyn Rng,
        from: (&SegmentPlace, &Sealed),
        to: &SegmentPlace,
        amendment: Amendment,
    ) -> Result<Sealed, VaultError> {
        let mut profile = self.whole_segment(from.0, from.1)?;
        for (attribute, source) in amendment.remove {
            profile.remove(attribute, source);
        }
        profile.extend(amendment.set);
        self.seal_segment(rng, to, &profile)
    }

    /// As [`SubjectKey::amend_segment`], and `None` when that would change nothing worth a write: the same texts, as sure and as proven as
    /// before, and none of them seen later than `refresh` after the moment that is kept.
    ///
    /// # Errors
    /// As [`SubjectKey::amend_segment`].
    pub fn amend_if_changed(
        &self,
        rng: &dyn Rng,
        from: (&SegmentPlace, &Sealed),
        to: &SegmentPlace,
        amendment: Amendment,
        refresh: SignedDuration,
    ) -> Result<Option<Sealed>, VaultError> {
        let mut profile = self.whole_segment(from.0, from.1)?;
        let mut changed = false;
        for (attribute, source) in amendment.remove {
            changed |= profile.remove(attribute, source).is_some();
        }
        for (attribute, value) in amendment.set {
            let same = |old: &AttributeValue| {
                old.value == value.value
                    && (old.confidence, old.verified) == (value.confidence, value.verified)
                    && value.observed_at.duration_since(old.observed_at) <= refresh
            };
            if !profile.get(attribute, value.source).is_some_and(same) {
                profile.set(attribute, value);
                changed = true;
            }
        }
        if !changed {
            return Ok(None);
        }
        self.seal_segment(rng, to, &profile).map(Some)
    }

    /// Seals a segment again under another key of the same subject, when the old one may be known to somebody.
    ///
    /// # Errors
    /// As [`SubjectKey::amend_segment`]; [`VaultError::WrongSubject`] when the new key is another subject's.
    pub fn reseal_segment(
        &self,
        rng: &dyn Rng,
        from: (&SegmentPlace, &Sealed),
        to: &SegmentPlace,
        new_key: &Self,
    ) -> Result<Sealed, VaultError> {
        new_key.seal_segment(rng, to, &self.whole_segment(from.0, from.1)?)
    }

    fn whole_segment(&self, place: &SegmentPlace, sealed: &Sealed) -> Result<Profile, VaultError> {
        let inside = self.decrypt_segment(place, sealed)?;
        let mut profile = Profile::new(self.subject);
        let values = stored(place, &inside)?;
        profile.extend(
            values
                .into_iter()
                .map(|value| (value.attribute, value.to_value())),
        );
        Ok(profile)
    }

    pub(super) fn decrypt_segment(
        &self,
        place: &SegmentPlace,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let data = self.segment_data(place);
        decrypt(&self.key, self.version, &data, sealed.envelope()).ok_or_else(|| damaged(place))
    }

    /// What binds a segment to its place: fixed widths, and names behind their length, so that no part can borrow from the next.
    fn segment_data(&self, place: &SegmentPlace) -> Vec<u8> {
        let mut data = Vec::with_capacity(96);
        data.extend_from_slice(b"privity segment v1");
        for name in [place.table, place.segment.text()] {
            data.extend_from_slice(&(name.len() as u64).to_be_bytes());
            data.extend_from_slice(name.as_bytes());
        }
        data.extend_from_slice(self.subject.uuid().as_bytes());
        data.extend_from_slice(&place.row_version.to_be_bytes());
        data.extend_from_slice(&place.schema.to_be_bytes());
        data
    }
}

/// The values inside an opened body.
pub(super) fn stored<'a>(
    place: &SegmentPlace,
    inside: &'a [u8],
) -> Result<Vec<StoredValue<'a>>, VaultError> {
    let body = unpadded_slice(inside).ok_or_else(|| damaged(place))?;
    Ok(body::decode(body)?)
}

fn damaged(place: &SegmentPlace) -> VaultError {
    VaultError::Damaged(format!("profile:{}", place.segment.text()))
}
