//! The blind index of profiles: keyed tags of identifiers, so that a subject is found by e-mail address and no copy of the database
//! says whose address it is. Its keys have versions, so that they can be changed while reads go on: reads ask for every version
//! that there is, writes use the present one, and an old one goes when nothing has a tag of it any more.

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::hmac;
use domain::data_map::IdentifierKind;
use domain::identity::{
    IdentifierTag, NORMAL_VERSION, POSSIBLE_MATCH_KIND, normalise, possible_match_text,
};
use domain::profile::{AttributeNumber, PossibleMatchRule, Profile, Schema, SourceNumber};
use domain::sensitive::{Sealed, Sensitive};

use super::key_ring::KeyRing;
use super::rotation::KeyVersions;
use super::seal::VaultError;
use super::segment::{SegmentPlace, stored};
use super::subject_key::SubjectKey;

/// The key of one kind of identifier in one version, ready to make tags.
#[derive(Clone)]
pub struct IndexKey {
    version: u32,
    kind: IdentifierKind,
    key: Arc<hmac::Key>,
}

/// Keys that were derived before: one is derived in three passes of the hash, and every look-up needs one.
#[derive(Default)]
pub(super) struct DerivedKeys(RwLock<Vec<IndexKey>>);

/// Derived keys that are kept, at most; a schema has a few kinds of identifiers.
const MOST_DERIVED: usize = 64;

/// The keys of every kind of identifier that a schema knows, and of possible matches, in the versions that reads look for; made once
/// for a batch.
pub struct IndexKeys {
    present: u32,
    keys: Vec<IndexKey>,
}

/// What one record can be found by, and compared with others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordTags {
    /// Tags of identifiers.
    pub identifiers: Vec<SegmentTag>,
    /// Tags of name, birth date and address together, each with the version of the index key.
    pub possible_match: Vec<(u32, IdentifierTag)>,
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
        let base = self.index_keys.get(&version)?;
        if let Some(known) = self.derived_index_keys.get(version, kind) {
            return Some(known);
        }
        let base = hmac::Key::new(hmac::HMAC_SHA256, base.as_slice());
        let name = format!("privity profile index v1|{}", kind.0);
        let derived = hmac::sign(&base, name.as_bytes());
        let key = IndexKey {
            version,
            kind: kind.clone(),
            key: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())),
        };
        self.derived_index_keys.keep(&key);
        Some(key)
    }
}

impl DerivedKeys {
    fn get(&self, version: u32, kind: &IdentifierKind) -> Option<IndexKey> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let same = |key: &&IndexKey| key.version == version && key.kind == *kind;
        keys.iter().find(same).cloned()
    }

    fn keep(&self, key: &IndexKey) {
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() < MOST_DERIVED {
            keys.push(key.clone());
        }
    }
}

impl KeyRing {
    /// The keys to make and to look for tags with.
    pub fn index_keys(&self, schema: &Schema) -> IndexKeys {
        let versions = self.index_versions();
        let possible_match = IdentifierKind(POSSIBLE_MATCH_KIND.to_owned());
        let kinds = schema.identity().kinds.keys();
        let kinds: Vec<_> = kinds
            .chain(schema.possible_match().map(|_| &possible_match))
            .collect();
        let keys = std::iter::once(versions.present)
            .chain(versions.older)
            .flat_map(|version| {
                kinds
                    .iter()
                    .filter_map(move |kind| self.index_key(version, kind))
            })
            .collect();
        IndexKeys {
            present: versions.present,
            keys,
        }
    }
}

impl IndexKeys {
    /// The version that new tags get.
    pub const fn present(&self) -> u32 {
        self.present
    }

    /// The keys of one kind, the present one first.
    pub fn of_kind<'a>(&'a self, kind: &'a IdentifierKind) -> impl Iterator<Item = &'a IndexKey> {
        self.keys.iter().filter(move |key| key.kind == *kind)
    }

    /// The tags of a record whose values are still open, on their way in. A value that is no identifier by the present rules has none.
    pub fn tags_of(&self, schema: &Schema, profile: &Profile) -> RecordTags {
        let values = profile.values();
        let values: Vec<_> = values
            .filter(|(attribute, _)| schema.is_compared(*attribute))
            .map(|(attribute, value)| Held {
                attribute,
                source: value.source,
                verified: value.verified,
                text: value.value.clone(),
            })
            .collect();
        self.tags(schema, &values)
    }

    fn tags(&self, schema: &Schema, values: &[Held]) -> RecordTags {
        let mut tags = RecordTags::default();
        for held in values {
            let rule = schema.attribute(held.attribute);
            let Some(used) = rule.and_then(|rule| rule.identifier.as_ref()) else {
                continue;
            };
            let country = schema.identity().default_country;
            let Ok(normal) = normalise(used.rule, &held.text, country) else {
                continue;
            };
            tags.identifiers
                .extend(self.of_kind(&used.kind).map(|key| SegmentTag {
                    attribute: held.attribute,
                    source: held.source,
                    kind: used.kind.clone(),
                    version: key.version,
                    tag: key.tag(&normal),
                    verified: held.verified,
                }));
        }
        if let Some(text) = schema
            .possible_match()
            .and_then(|rule| possible_match(rule, values))
        {
            let kind = IdentifierKind(POSSIBLE_MATCH_KIND.to_owned());
            let keys = self.of_kind(&kind);
            tags.possible_match = keys.map(|key| (key.version, key.tag(&text))).collect();
        }
        tags
    }
}

/// A value for as long as its tag is made.
struct Held {
    attribute: AttributeNumber,
    source: SourceNumber,
    verified: bool,
    text: Sensitive<String>,
}

fn possible_match(rule: &PossibleMatchRule, values: &[Held]) -> Option<Sensitive<String>> {
    let one = |number: &AttributeNumber| values.iter().find(|held| held.attribute == *number);
    let joined = |numbers: &[AttributeNumber]| {
        let parts = numbers.iter().filter_map(one);
        let parts: Vec<&str> = parts.map(|held| held.text.expose().as_str()).collect();
        Sensitive::new(parts.join(" "))
    };
    let birth_date = one(&rule.birth_date)?.text.expose().parse().ok()?;
    possible_match_text(&joined(&rule.name), birth_date, &joined(&rule.address))
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

    /// The suppression list's tags ([`KeyRing::blind_tag`]) of whatever surely names the subject of a segment, so that nobody who was
    /// forgotten is collected again; nothing that could be read comes out.
    ///
    /// # Errors
    /// [`VaultError::Damaged`], [`VaultError::Profile`].
    pub fn suppression_tags(
        &self,
        ring: &KeyRing,
        schema: &Schema,
        place: &SegmentPlace,
        sealed: &Sealed,
    ) -> Result<Vec<(IdentifierKind, [u8; 16])>, VaultError> {
        let inside = self.decrypt_segment(place, sealed)?;
        let values = stored(place, &inside)?.into_iter();
        Ok(values
            .filter_map(|value| {
                let kind = schema.sure_identifier(value.attribute, value.source, value.verified)?;
                let text = Sensitive::new(value.text.to_owned());
                Some((kind.clone(), ring.blind_tag(kind, &text)))
            })
            .collect())
    }

    /// The tags of a whole record, from all of its segments; nothing that could be read comes out.
    ///
    /// # Errors
    /// [`VaultError::Damaged`], [`VaultError::Profile`].
    pub fn record_tags<'a>(
        &self,
        schema: &Schema,
        keys: &IndexKeys,
        segments: impl IntoIterator<Item = (SegmentPlace, &'a Sealed)>,
    ) -> Result<RecordTags, VaultError> {
        let mut values = Vec::new();
        for (place, sealed) in segments {
            let inside = self.decrypt_segment(&place, sealed)?;
            let found = stored(&place, &inside)?;
            let found = found
                .into_iter()
                .filter(|value| schema.is_compared(value.attribute));
            values.extend(found.map(|value| Held {
                attribute: value.attribute,
                source: value.source,
                verified: value.verified,
                text: Sensitive::new(value.text.to_owned()),
            }));
        }
        Ok(keys.tags(schema, &values))
    }
}
