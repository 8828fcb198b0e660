//! The blind index of profiles: keyed tags of identifiers, so that a subject is found by e-mail address and no copy of the database
//! says whose address it is. Its keys have versions, so that they can be changed while reads go on: reads ask for every version
//! that there is, writes use the present one, and an old one goes when nothing has a tag of it any more.

use aws_lc_rs::hmac;
use domain::data_map::IdentifierKind;
use domain::identity::{IdentifierTag, NORMAL_VERSION, normalise};
use domain::profile::{AttributeNumber, Schema, SourceNumber};
use domain::sensitive::{Sealed, Sensitive};

use super::key_ring::KeyRing;
use super::rotation::KeyVersions;
use super::seal::VaultError;
use super::segment::{SegmentPlace, stored};
use super::subject_key::SubjectKey;

/// The key of one kind of identifier in one version, ready to make tags.
pub struct IndexKey {
    version: u32,
    kind: IdentifierKind,
    key: hmac::Key,
}

/// A tag of a value that a segment holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentTag {
    /// Of which attribute.
    pub attribute: AttributeNumber,
    /// From which source.
    pub source: SourceNumber,
    /// Which identifier it is.
    pub kind: IdentifierKind,
    /// Version of the index key.
    pub version: u32,
    /// The tag.
    pub tag: IdentifierTag,
    /// Whether the value was proven.
    pub verified: bool,
}

impl KeyRing {
    /// Versions of the index keys: which one new tags get, and which others may still be found.
    pub fn index_versions(&self) -> KeyVersions {
        KeyVersions::of(&self.index_keys, self.indexing)
    }

    /// The key of one kind of identifier; `None` when there is no such version (any more).
    pub fn index_key(&self, version: u32, kind: &IdentifierKind) -> Option<IndexKey> {
        let base = hmac::Key::new(hmac::HMAC_SHA256, self.index_keys.get(&version)?.as_slice());
        let name = format!("privity profile index v1|{}", kind.0);
        let derived = hmac::sign(&base, name.as_bytes());
        Some(IndexKey {
            version,
            kind: kind.clone(),
            key: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()),
        })
    }
}

impl IndexKey {
    /// Its version.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Its kind of identifier.
    pub const fn kind(&self) -> &IdentifierKind {
        &self.kind
    }

    /// The tag of a normalised identifier (see [`domain::identity::normalise`]), or of what
    /// [`domain::identity::possible_match_text`] gave: the first 16 bytes of HMAC-SHA-256.
    pub fn tag(&self, normal: &Sensitive<String>) -> IdentifierTag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&[NORMAL_VERSION]);
        context.update(normal.expose().as_bytes());
        let tag = context.sign();
        IdentifierTag(tag.as_ref().first_chunk().copied().unwrap_or_default())
    }
}

impl SubjectKey {
    /// The tags of all identifiers in a segment under the given keys: what filling the index anew needs, and nothing that could be
    /// read. A value that is no identifier by the present rules has no tag.
    ///
    /// # Errors
    /// [`VaultError::Damaged`], [`VaultError::Profile`].
    pub fn segment_tags(
        &self,
        schema: &Schema,
        keys: &[IndexKey],
        place: &SegmentPlace,
        sealed: &Sealed,
    ) -> Result<Vec<SegmentTag>, VaultError> {
        let inside = self.decrypt_segment(place, sealed)?;
        let mut tags = Vec::new();
        for value in stored(place, &inside)? {
            let Some(used) = schema
                .attribute(value.attribute)
                .and_then(|rule| rule.identifier.as_ref())
            else {
                continue;
            };
            let text = Sensitive::new(value.text.to_owned());
            let Ok(normal) = normalise(used.rule, &text, schema.identity().default_country) else {
                continue;
            };
            tags.extend(
                keys.iter()
                    .filter(|key| key.kind == used.kind)
                    .map(|key| SegmentTag {
                        attribute: value.attribute,
                        source: value.source,
                        kind: used.kind.clone(),
                        version: key.version,
                        tag: key.tag(&normal),
                        verified: value.verified,
                    }),
            );
        }
        Ok(tags)
    }
}
