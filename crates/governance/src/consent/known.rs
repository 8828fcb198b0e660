//! What profiles say about whom a choice is for: whose an identifier is, which records are one subject, and how old she is.

use std::collections::{BTreeMap, BTreeSet};

use domain::consent::{Age, Party};
use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::identity::{IdentifierTag, normalise};
use domain::profile::Schema;
use domain::sensitive::Sensitive;
use enforcement::vault::KeyRing;
use storage::Tx;

use crate::{Privity, Problem};

/// What is known of the ages of many subjects.
#[derive(Default)]
pub(super) struct Ages(BTreeMap<SubjectId, Age>);

impl Ages {
    /// The age of whom a choice is for. Of a device and a pseudonym nobody knows it.
    pub(super) fn of(&self, party: &Party) -> Age {
        match party {
            Party::Subject(id) => self.0.get(id).copied().unwrap_or(Age::Unknown),
            Party::Pseudonym(_) | Party::Device(_) => Age::Unknown,
        }
    }
}

/// The one place where consent asks how old somebody is. A birth date is sealed and opened only by a recorded decision; there is none for this
/// yet, so that every age is unknown.
pub(super) async fn ages_of(
    _p: &Privity,
    _subjects: &BTreeSet<SubjectId>,
) -> Result<Ages, Problem> {
    Ok(Ages::default())
}

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
    /// pseudonym before is linked to the subject. An identifier that several claim is nobody's.
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
        let Some(schema) = self.schema() else {
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
            let now = self.now();
            self.write_silently("link parties", move |tx| {
                storage::party_link::insert_many(tx, &links, now)?;
                Ok(((), Vec::new()))
            })
            .await?;
        }
        Ok(parties)
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
type Links = BTreeSet<(Party, Party)>;

fn find(
    tx: &mut Tx,
    pseudonyms: &[Party],
    tags: &[Option<Tags>],
) -> Result<(Vec<Party>, Links), Problem> {
    let (mut parties, mut found) = (Vec::with_capacity(tags.len()), Links::new());
    for (pseudonym, tags) in pseudonyms.iter().zip(tags) {
        let subject = match tags {
            Some((kind, tags)) => subject_with(tx, kind, tags)?,
            None => None,
        };
        let party = subject.map(Party::Subject);
        found.extend(party.clone().map(|party| (pseudonym.clone(), party)));
        parties.push(party.unwrap_or_else(|| pseudonym.clone()));
    }
    Ok((parties, missing_links(tx, found)?))
}

fn subject_with(
    tx: &mut Tx,
    kind: &IdentifierKind,
    tags: &[IdentifierTag],
) -> Result<Option<SubjectId>, Problem> {
    let holders = storage::identifier::find(tx, kind, tags)?;
    let holders = storage::subject::get_many(tx, &holders)?.into_iter();
    let there = holders.filter(|subject| subject.erased_at.is_none());
    let subjects: BTreeSet<SubjectId> = there.map(|subject| subject.stands_for()).collect();
    Ok(subjects.first().copied().filter(|_| subjects.len() == 1))
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
