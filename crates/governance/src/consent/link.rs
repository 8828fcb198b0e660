//! Links between records of profiles and what was chosen under the same identifiers before anybody knew whose they are: made in the
//! transaction that writes the record, so that a no holds for her from the moment at which she is known.
//!
//! A link leads to the record that carries the identifier, not to whoever stands for it: a merge shares it, and a split leaves it where the
//! identifier is. An identifier that several carry says a yes for none of them, and a no for each.
//! Law: 11 CCR 7025(c)(1). Decision: docs/decisions/011-a-no-travels-along-links.md.

use std::collections::{BTreeMap, BTreeSet};

use domain::consent::{Party, Tag};
use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::identity::{IdentifierRule, normalise};
use domain::profile::{AttributeNumber, AttributeValue, IdentifierUse, Schema};
use enforcement::vault::{BlindKey, KeyRing};
use storage::Tx;

use super::known::{Links, missing_links};
use super::{DEVICE, PSEUDONYM};
use crate::{Privity, Problem, policy};

/// A party with more subjects than this is one that everybody uses: it says nothing about any of them.
pub(crate) const MOST_SUBJECTS: usize = 50;

/// A party that a record may be known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Carried {
    party: Party,
    /// Linked though nothing was chosen yet: pages and apps name her by it without asking who she is.
    always: bool,
}

/// The keys for what records carry, made once for a batch.
pub(crate) struct CarriedKeys<'s> {
    schema: &'s Schema,
    kinds: BTreeMap<IdentifierKind, BlindKey>,
    pseudonym: BlindKey,
    device: BlindKey,
}

impl<'s> CarriedKeys<'s> {
    pub(crate) fn new(keys: &KeyRing, schema: &'s Schema) -> Self {
        let of = |kind: &str| keys.blind_key(&IdentifierKind(kind.to_owned()));
        let kinds = schema.identity().kinds.keys();
        Self {
            schema,
            kinds: kinds
                .map(|kind| (kind.clone(), keys.blind_key(kind)))
                .collect(),
            pseudonym: of(PSEUDONYM),
            device: of(DEVICE),
        }
    }

    /// The parties that these values of a record may be known by. Without `chosen` only those that are linked always: nothing was chosen
    /// under an identifier yet.
    pub(crate) fn of(
        &self,
        values: &[(AttributeNumber, AttributeValue)],
        chosen: bool,
    ) -> BTreeSet<Carried> {
        let mut carried = BTreeSet::new();
        for (number, value) in values {
            let rule = self.schema.attribute(*number);
            let Some(used) = rule.and_then(|rule| rule.identifier.as_ref()) else {
                continue;
            };
            if used.pseudonym {
                let tags = [
                    Party::Pseudonym(Tag(self.pseudonym.tag(&value.value))),
                    Party::Device(Tag(self.device.tag(&value.value))),
                ];
                carried.extend(tags.map(|party| Carried {
                    party,
                    always: true,
                }));
            }
            if chosen {
                carried.extend(self.of_identifier(used, value));
            }
        }
        carried
    }

    /// As it stands in the profile and as its rule writes it: whoever chose may have typed either.
    fn of_identifier(&self, used: &IdentifierUse, value: &AttributeValue) -> Vec<Carried> {
        let Some(key) = self.kinds.get(&used.kind) else {
            return Vec::new();
        };
        let mut tags = vec![key.tag(&value.value)];
        if used.rule != IdentifierRule::Verbatim {
            let country = self.schema.identity().default_country;
            let normal = normalise(used.rule, &value.value, country);
            tags.extend(normal.map(|normal| key.tag(&normal)));
        }
        let parties = tags.into_iter().map(|tag| Party::Pseudonym(Tag(tag)));
        parties
            .map(|party| Carried {
                party,
                always: false,
            })
            .collect()
    }
}

/// Links records with the parties that they carry.
pub(crate) fn link_carried(
    p: &Privity,
    tx: &mut Tx,
    carried: impl Iterator<Item = (SubjectId, Carried)>,
) -> Result<(), Problem> {
    let (mut links, mut may) = (Links::new(), Links::new());
    for (subject, carried) in carried {
        let link = (carried.party, Party::Subject(subject));
        if carried.always {
            links.insert(link);
        } else {
            may.insert(link);
        }
    }
    if !may.is_empty() && storage::consent::any_pseudonym(tx)? {
        // Whoever records a choice waits here: one of the two sees what the other one wrote.
        storage::audit::hold(tx, &p.log_name())?;
        links.extend(missing_links(tx, may)?);
    }
    insert(p, tx, links)
}

/// Stores links of parties to subjects, as far as nobody has too many.
pub(super) fn insert(p: &Privity, tx: &mut Tx, mut links: Links) -> Result<(), Problem> {
    if links.is_empty() {
        return Ok(());
    }
    let parties = links.iter().map(|(party, _)| party.clone()).collect();
    let there = storage::party_link::of_parties(tx, &parties)?;
    let mut subjects: BTreeMap<Party, usize> = BTreeMap::new();
    let known = there
        .iter()
        .filter(|(_, to)| matches!(to, Party::Subject(_)));
    for (party, _) in known {
        *subjects.entry(party.clone()).or_default() += 1;
    }
    links.retain(|link| {
        let count = subjects.entry(link.0.clone()).or_default();
        let is_new = !there.contains(link) && *count < MOST_SUBJECTS;
        *count += usize::from(is_new);
        is_new
    });
    if !links.is_empty() {
        storage::party_link::insert_many(tx, &links, p.now())?;
        policy::outdate(
            p,
            tx,
            links.into_iter().flat_map(|(one, other)| [one, other]),
        )?;
    }
    Ok(())
}
