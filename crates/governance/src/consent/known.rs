//! What profiles say about whom a choice is for: whose an identifier is, and which records are one subject.

use std::collections::{BTreeMap, BTreeSet};

use domain::consent::Party;
use domain::data_map::IdentifierKind;
use domain::identity::{IdentifierTag, normalise};
use domain::profile::Schema;
use domain::sensitive::Sensitive;
use enforcement::vault::KeyRing;
use storage::Tx;
use storage::subject::StoredSubject;

use super::link;
use crate::{Privity, Problem};

/// The party with, if it is a subject, all records that were merged with hers.
pub(super) fn records_of(tx: &mut Tx, party: &Party) -> Result<BTreeSet<Party>, Problem> {
    let mut all = BTreeSet::from([party.clone()]);
    let Party::Subject(subject) = party else {
        return Ok(all);
    };
    let found = storage::subject::get_many(tx, &BTreeSet::from([*subject]))?.pop();
    if let Some(found) = found {
        let members = storage::subject::members(tx, &BTreeSet::from([found.stands_for()]))?;
        all.extend(members.into_iter().map(|member| Party::Subject(member.id)));
    }
    Ok(all)
}

impl Privity {
    /// Kinds of identifier by which choices may name somebody: those of the data map and of profiles.
    pub fn party_kinds(&self) -> BTreeSet<IdentifierKind> {
        let mut kinds = self.identifier_kinds();
        let schema = self.schema().into_iter();
        kinds.extend(schema.flat_map(|schema| schema.identity().kinds.keys().cloned()));
        kinds
    }

    /// For whom choices hold that come with identifiers, in the order given: the subject whose it is, else its pseudonym. What was chosen under the
    /// pseudonym before is linked to the records that carry it. An identifier that several claim is nobody's; a no under it holds for each.
    ///
    /// # Errors
    /// Our database doesn't answer.
    pub async fn parties_of(
        &self,
        identifiers: &[(IdentifierKind, Sensitive<String>)],
    ) -> Result<Vec<Party>, Problem> {
        let tag = |(kind, value): &(IdentifierKind, Sensitive<String>)| {
            Party::Pseudonym(self.pseudonym_tag(kind, value))
        };
        let pseudonyms: Vec<Party> = identifiers.iter().map(tag).collect();
        let Some(schema) = self.schema().filter(|_| !identifiers.is_empty()) else {
            return Ok(pseudonyms);
        };
        let keys = self.keys();
        let mut index = Index::new(schema, &keys);
        let tags: Vec<_> = identifiers
            .iter()
            .map(|(kind, value)| index.tags(kind, value))
            .collect();
        let wanted = pseudonyms.clone();
        let (parties, links) = self
            .read_few("find parties", move |tx| find(tx, &wanted, &tags))
            .await?;
        if !links.is_empty() {
            let inside = self.clone();
            self.write_silently("link parties", move |tx| {
                link::insert(&inside, tx, links.clone())?;
                Ok(((), Vec::new()))
            })
            .await?;
        }
        Ok(parties)
    }

    /// Links what was just chosen under these identifiers to whoever carries them by now: a profile may have come between asking whose they are and
    /// recording the choice.
    ///
    /// # Errors
    /// Our database doesn't answer; naming one of them again makes up for it.
    pub async fn link_chosen(
        &self,
        identifiers: &[(IdentifierKind, Sensitive<String>)],
    ) -> Result<(), Problem> {
        self.parties_of(identifiers).await.map(drop)
    }

    /// One of them, as [`Privity::parties_of`].
    ///
    /// # Errors
    /// The same.
    pub async fn party_of(
        &self,
        kind: &IdentifierKind,
        identifier: &Sensitive<String>,
    ) -> Result<Party, Problem> {
        let one = [(kind.clone(), identifier.clone())];
        let party = self.parties_of(&one).await?.pop();
        Ok(party.unwrap_or_else(|| Party::Pseudonym(self.pseudonym_tag(kind, identifier))))
    }
}

/// The tags of one identifier under every version of the index key.
type Tags = (IdentifierKind, Vec<IdentifierTag>);
pub(super) type Links = BTreeSet<(Party, Party)>;

fn find(
    tx: &mut Tx,
    pseudonyms: &[Party],
    tags: &[Option<Tags>],
) -> Result<(Vec<Party>, Links), Problem> {
    let (mut parties, mut found) = (Vec::with_capacity(tags.len()), Links::new());
    for (pseudonym, tags) in pseudonyms.iter().zip(tags) {
        let holders = match tags {
            Some((kind, tags)) => holders(tx, kind, tags)?,
            None => Vec::new(),
        };
        let records = holders.iter().map(|holder| Party::Subject(holder.id));
        found.extend(records.map(|record| (pseudonym.clone(), record)));
        let subjects: BTreeSet<_> = holders.iter().map(StoredSubject::stands_for).collect();
        let subject = subjects.first().filter(|_| subjects.len() == 1);
        parties.push(subject.map_or_else(|| pseudonym.clone(), |id| Party::Subject(*id)));
    }
    Ok((parties, missing_links(tx, found)?))
}

/// The records that carry an identifier, but for those erased.
fn holders(
    tx: &mut Tx,
    kind: &IdentifierKind,
    tags: &[IdentifierTag],
) -> Result<Vec<StoredSubject>, Problem> {
    let holders = storage::identifier::find(tx, kind, tags)?;
    let mut holders = storage::subject::get_many(tx, &holders)?;
    holders.retain(|subject| subject.erased_at.is_none());
    Ok(holders)
}

/// Links what was chosen under identifiers, inside the transaction that recorded it, to the records that carry them.
pub(crate) fn link_holders(
    p: &Privity,
    tx: &mut Tx,
    identifiers: &[(IdentifierKind, Sensitive<String>)],
) -> Result<(), Problem> {
    let Some(schema) = p.schema().filter(|_| !identifiers.is_empty()) else {
        return Ok(());
    };
    // Whoever writes a profile waits here: one of the two sees what the other one wrote.
    storage::audit::hold(tx, &p.log_name())?;
    let keys = p.keys();
    let mut index = Index::new(schema, &keys);
    let mut found = Links::new();
    for (kind, value) in identifiers {
        let Some((_, tags)) = index.tags(kind, value) else {
            continue;
        };
        let pseudonym = Party::Pseudonym(p.pseudonym_tag(kind, value));
        let holders = holders(tx, kind, &tags)?.into_iter();
        found.extend(holders.map(|holder| (pseudonym.clone(), Party::Subject(holder.id))));
    }
    let missing = missing_links(tx, found)?;
    link::insert(p, tx, missing)
}

/// Of pseudonyms and whose they turned out to be: those under which something was chosen that isn't linked to her yet.
pub(crate) fn missing_links(tx: &mut Tx, mut pairs: Links) -> Result<Links, Problem> {
    if pairs.is_empty() {
        return Ok(pairs);
    }
    let pseudonyms = pairs
        .iter()
        .map(|(pseudonym, _)| pseudonym.clone())
        .collect();
    let chosen = storage::consent::with_choices(tx, &pseudonyms)?;
    pairs.retain(|(pseudonym, _)| chosen.contains(pseudonym));
    if !pairs.is_empty() {
        let there = storage::party_link::of_parties(tx, &chosen)?;
        pairs.retain(|pair| !there.contains(pair));
    }
    Ok(pairs)
}

/// Makes the tags by which profiles find identifiers.
struct Index<'a> {
    schema: &'a Schema,
    keys: &'a KeyRing,
    ready: BTreeMap<IdentifierKind, Vec<enforcement::vault::IndexKey>>,
}

impl<'a> Index<'a> {
    const fn new(schema: &'a Schema, keys: &'a KeyRing) -> Self {
        Self {
            schema,
            keys,
            ready: BTreeMap::new(),
        }
    }

    /// None when profiles find nobody by it.
    fn tags(&mut self, kind: &IdentifierKind, value: &Sensitive<String>) -> Option<Tags> {
        let mut uses = self
            .schema
            .attributes()
            .filter_map(|rule| rule.identifier.as_ref());
        let rule = uses.find(|used| used.kind == *kind)?.rule;
        let country = self.schema.identity().default_country;
        let normal = normalise(rule, value, country).ok()?;
        let keys = self.keys;
        let ready = self.ready.entry(kind.clone()).or_insert_with(|| {
            let versions = keys.index_versions();
            let all = std::iter::once(versions.present)
                .chain(versions.older)
                .chain(versions.pending);
            all.filter_map(|version| keys.index_key(version, kind))
                .collect()
        });
        Some((
            kind.clone(),
            ready.iter().map(|key| key.tag(&normal)).collect(),
        ))
    }
}
