//! Resolution: from records, their identifiers and the history to who is who, and what an operator has to look at.
//!
//! The same records and the same history give the same answer in whatever order they come. Where two links cannot both hold, the
//! one between the older records does: whoever comes later is who has to wait for an operator.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::country::Country;
use super::history::{Groups, History, Joined, MergeId, MergeReason, pair};
use super::normal::IdentifierRule;
use crate::data_map::IdentifierKind;
use crate::id::SubjectId;

/// More subjects than this with one identifier, and it is nobody's: the address of a till, a family's telephone.
const MOST_SUBJECTS: usize = 10;

/// A keyed hash of a normalised identifier: equal for equal identifiers, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdentifierTag(pub [u8; 16]);

/// How subjects are told to be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityRules {
    /// What each kind of identifier can prove.
    pub kinds: BTreeMap<IdentifierKind, LinkRule>,
    /// An identifier that more subjects than this have links nobody.
    pub most_subjects: usize,
    /// Country of phone numbers that are written without one.
    pub default_country: Option<Country>,
}

impl Default for IdentityRules {
    fn default() -> Self {
        Self {
            kinds: BTreeMap::new(),
            most_subjects: MOST_SUBJECTS,
            default_country: None,
        }
    }
}

/// What a kind of identifier can prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkRule {
    /// Two records with the same verified one are about the same subject.
    pub unique: bool,
    /// Nobody has two of them, so two different ones are two subjects.
    pub one_per_subject: bool,
    /// How it is brought to one form.
    pub rule: IdentifierRule,
}

/// One record, and what can be compared of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRecord {
    /// The record's own subject.
    pub subject: SubjectId,
    /// Its identifiers.
    pub identifiers: Vec<HeldIdentifier>,
    /// Tags of its name, birth date and address together (see [`super::possible_match_text`]).
    pub possible_match: Option<IdentifierTag>,
}

/// One identifier of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeldIdentifier {
    /// Which kind.
    pub kind: IdentifierKind,
    /// Its tag.
    pub tag: IdentifierTag,
    /// Whether somebody proved that it is hers. Only verified ones merge.
    pub verified: bool,
}

/// Who is who, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Who is who, once the merges below are recorded and the withdrawn ones split.
    pub groups: Groups,
    /// Merges to record.
    pub new_merges: Vec<NewMerge>,
    /// Merges to split by rule, since the identifier behind them is everybody's.
    pub withdrawn: Vec<MergeId>,
    /// Identifiers that link nobody.
    pub hubs: Vec<Hub>,
    /// Links that were not made, for an operator to look at.
    pub blocked: Vec<Blocked>,
    /// Subjects with more than one identifier of a kind of which nobody has two, for an operator to look at.
    pub contested: Vec<Contested>,
    /// Subjects that may be the same, for an operator to look at; never merged by rule.
    pub possible_matches: Vec<PossibleMatch>,
}

/// A merge that the rules ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NewMerge {
    /// The older record.
    pub one: SubjectId,
    /// The younger.
    pub other: SubjectId,
    /// The identifier that both have.
    pub kind: IdentifierKind,
    /// Its tag.
    pub tag: IdentifierTag,
}

/// An identifier that links nobody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hub {
    /// Which kind.
    pub kind: IdentifierKind,
    /// Its tag.
    pub tag: IdentifierTag,
    /// How many records have it.
    pub subjects: usize,
}

/// A link that was not made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blocked {
    /// The link.
    pub link: NewMerge,
    /// What stood against it.
    pub by: BlockedBy,
}

/// What stands against a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlockedBy {
    /// Both have an identifier of this kind, of which nobody has two, and they differ.
    Conflict(IdentifierKind),
    /// An operator took two of their records apart, or keeps them apart.
    KeptApart,
}

/// A subject that has two of what nobody has two of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contested {
    /// The canonical subject.
    pub subject: SubjectId,
    /// The kind of identifier.
    pub kind: IdentifierKind,
}

/// Two subjects with the same name, birth date and address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PossibleMatch {
    /// The older canonical subject.
    pub one: SubjectId,
    /// The younger.
    pub other: SubjectId,
}

/// Who is who, from these records. Whoever asks about a part of all records has to give every record that shares an identifier or a
/// merge with one of them.
pub fn resolve(rules: &IdentityRules, records: &[SourceRecord], history: &History) -> Resolution {
    let holders = Holders::of(rules, records);
    let hubs = holders.hubs();
    let everybodys: BTreeSet<_> = hubs.iter().map(|hub| (&hub.kind, hub.tag)).collect();
    let (standing, withdrawn): (Vec<_>, Vec<_>) =
        history.standing().partition(|merge| match &merge.reason {
            MergeReason::Identifier(kind, tag) => !everybodys.contains(&(kind, *tag)),
            MergeReason::Operator(_) => true,
        });

    let mut state = State::of(rules, records, history);
    for merge in standing {
        state.join(merge.one, merge.other);
    }
    let mut new_merges = Vec::new();
    let links = holders.links(&everybodys);
    for link in &links {
        if state.link(link) {
            new_merges.push(link.clone());
        }
    }
    // Said of whom all are by now, so that the same is said when somebody asks again.
    let blocked = links.into_iter().filter_map(|link| {
        let by = state.against(&link)?;
        Some(Blocked { link, by })
    });
    let blocked = blocked.collect();
    let contested = state.contested();
    let groups = state.joined.groups();
    Resolution {
        possible_matches: possible_matches(rules, records, history, &groups),
        groups,
        new_merges,
        withdrawn: withdrawn.into_iter().map(|merge| merge.id).collect(),
        hubs,
        blocked,
        contested,
    }
}

/// Who has which identifier.
struct Holders<'a> {
    most: usize,
    all: BTreeMap<(&'a IdentifierKind, IdentifierTag), BTreeSet<SubjectId>>,
    verified: BTreeMap<(&'a IdentifierKind, IdentifierTag), BTreeSet<SubjectId>>,
}

impl<'a> Holders<'a> {
    fn of(rules: &IdentityRules, records: &'a [SourceRecord]) -> Self {
        let (mut all, mut verified): (BTreeMap<_, BTreeSet<_>>, BTreeMap<_, BTreeSet<_>>) =
            Default::default();
        for record in records {
            for held in &record.identifiers {
                if !rules.kinds.get(&held.kind).is_some_and(|kind| kind.unique) {
                    continue;
                }
                all.entry((&held.kind, held.tag))
                    .or_default()
                    .insert(record.subject);
                if held.verified {
                    verified
                        .entry((&held.kind, held.tag))
                        .or_default()
                        .insert(record.subject);
                }
            }
        }
        Self {
            most: rules.most_subjects,
            all,
            verified,
        }
    }

    fn hubs(&self) -> Vec<Hub> {
        let shared = self
            .all
            .iter()
            .filter(|(_, subjects)| subjects.len() > self.most);
        let hub = |((kind, tag), subjects): (&(&IdentifierKind, _), &BTreeSet<_>)| Hub {
            kind: (*kind).clone(),
            tag: *tag,
            subjects: subjects.len(),
        };
        shared.map(hub).collect()
    }

    /// Every pair that a verified identifier links, the oldest records first.
    fn links(&self, everybodys: &BTreeSet<(&IdentifierKind, IdentifierTag)>) -> Vec<NewMerge> {
        let mut links = Vec::new();
        for ((kind, tag), subjects) in &self.verified {
            if everybodys.contains(&(*kind, *tag)) {
                continue;
            }
            for (place, other) in subjects.iter().enumerate() {
                links.extend(subjects.iter().take(place).map(|one| NewMerge {
                    one: *one,
                    other: *other,
                    kind: (*kind).clone(),
                    tag: *tag,
                }));
            }
        }
        links.sort_by(|a, b| {
            (a.other, a.one, &a.kind, a.tag).cmp(&(b.other, b.one, &b.kind, b.tag))
        });
        links
    }
}

/// What is known of each set of records while they are joined.
struct State {
    joined: Joined,
    sets: BTreeMap<SubjectId, Set>,
}

#[derive(Default)]
struct Set {
    members: BTreeSet<SubjectId>,
    /// Whom an operator keeps apart from one of the members.
    apart: BTreeSet<SubjectId>,
    /// Verified identifiers of kinds of which nobody has two.
    only: BTreeMap<IdentifierKind, BTreeSet<IdentifierTag>>,
}

impl State {
    fn of(rules: &IdentityRules, records: &[SourceRecord], history: &History) -> Self {
        let mut sets: BTreeMap<SubjectId, Set> = BTreeMap::new();
        for record in records {
            let set = sets.entry(record.subject).or_default();
            set.members.insert(record.subject);
            for held in record.identifiers.iter().filter(|held| held.verified) {
                if rules
                    .kinds
                    .get(&held.kind)
                    .is_some_and(|kind| kind.one_per_subject)
                {
                    set.only
                        .entry(held.kind.clone())
                        .or_default()
                        .insert(held.tag);
                }
            }
        }
        for (one, other) in history.kept_apart() {
            for (one, other) in [(one, other), (other, one)] {
                if let Some(set) = sets.get_mut(one) {
                    set.apart.insert(*other);
                }
            }
        }
        Self {
            joined: Joined::of(sets.keys().copied()),
            sets,
        }
    }

    /// Joins without asking.
    fn join(&mut self, one: SubjectId, other: SubjectId) {
        let Some((stays, goes)) = self.joined.join(one, other) else {
            return;
        };
        let gone = self.sets.remove(&goes).unwrap_or_default();
        let set = self.sets.entry(stays).or_default();
        set.members.extend(gone.members);
        set.apart.extend(gone.apart);
        for (kind, tags) in gone.only {
            set.only.entry(kind).or_default().extend(tags);
        }
    }

    /// Joins unless something stands against it; whether that changed anything.
    fn link(&mut self, link: &NewMerge) -> bool {
        let is_new = self.joined.find(link.one) != self.joined.find(link.other);
        let is_free = is_new && self.against(link).is_none();
        if is_free {
            self.join(link.one, link.other);
        }
        is_free
    }

    /// What stands against joining these. Sets only grow, so whatever does stays.
    fn against(&mut self, link: &NewMerge) -> Option<BlockedBy> {
        let (one, other) = (self.joined.find(link.one), self.joined.find(link.other));
        if one == other {
            return None;
        }
        let (a, b) = (self.sets.get(&one)?, self.sets.get(&other)?);
        if a.apart.intersection(&b.members).next().is_some() {
            return Some(BlockedBy::KeptApart);
        }
        let differs = |(kind, tags): &(&IdentifierKind, &BTreeSet<_>)| {
            b.only
                .get(*kind)
                .is_some_and(|others| tags.union(others).count() > 1)
        };
        let (kind, _) = a.only.iter().find(differs)?;
        Some(BlockedBy::Conflict(kind.clone()))
    }

    fn contested(&self) -> Vec<Contested> {
        let sets = self.sets.iter();
        let twice = sets.flat_map(|(subject, set)| {
            let kinds = set.only.iter().filter(|(_, tags)| tags.len() > 1);
            kinds.map(|(kind, _)| Contested {
                subject: *subject,
                kind: kind.clone(),
            })
        });
        twice.collect()
    }
}

fn possible_matches(
    rules: &IdentityRules,
    records: &[SourceRecord],
    history: &History,
    groups: &Groups,
) -> Vec<PossibleMatch> {
    let mut alike: BTreeMap<IdentifierTag, BTreeSet<SubjectId>> = BTreeMap::new();
    for record in records {
        if let (Some(tag), Some(canonical)) =
            (record.possible_match, groups.canonical(record.subject))
        {
            alike.entry(tag).or_default().insert(canonical);
        }
    }
    let settled: BTreeSet<_> = (history.kept_apart().iter())
        .filter_map(|(one, other)| Some(pair(groups.canonical(*one)?, groups.canonical(*other)?)))
        .collect();
    let mut found = BTreeSet::new();
    // What too many share says nothing; a list of all its pairs would only bury the others.
    for subjects in alike
        .values()
        .filter(|subjects| subjects.len() <= rules.most_subjects)
    {
        for (place, other) in subjects.iter().enumerate() {
            let pairs = subjects.iter().take(place).map(|one| pair(*one, *other));
            found.extend(pairs.filter(|pair| !settled.contains(pair)));
        }
    }
    found
        .into_iter()
        .map(|(one, other)| PossibleMatch { one, other })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use proptest::prelude::*;

    use super::super::history::{Decided, IdentityEvent, Merge};
    use super::*;
    use crate::id::{Id, OperatorId};

    fn id<N: crate::id::Noun>(number: u128) -> Id<N> {
        Id::from_uuid(uuid::Uuid::from_u128(number))
    }

    fn operator() -> OperatorId {
        id(99)
    }

    fn rules() -> IdentityRules {
        let kind = |name: &str, unique, one_per_subject| {
            let rule = LinkRule {
                unique,
                one_per_subject,
                rule: IdentifierRule::Verbatim,
            };
            (IdentifierKind(name.to_owned()), rule)
        };
        IdentityRules {
            kinds: [
                kind("email", true, false),
                kind("account", true, true),
                kind("postcode", false, false),
            ]
            .into(),
            most_subjects: 4,
            default_country: None,
        }
    }

    fn held(kind: &str, tag: u8, verified: bool) -> HeldIdentifier {
        HeldIdentifier {
            kind: IdentifierKind(kind.to_owned()),
            tag: IdentifierTag([tag; 16]),
            verified,
        }
    }

    fn record(number: u128, identifiers: &[(&str, u8)]) -> SourceRecord {
        SourceRecord {
            subject: id(number),
            identifiers: identifiers
                .iter()
                .map(|(kind, tag)| held(kind, *tag, true))
                .collect(),
            possible_match: None,
        }
    }

    fn merged(number: u128, one: u128, other: u128) -> IdentityEvent {
        IdentityEvent::Merged(Merge {
            id: id(number),
            one: id(one),
            other: id(other),
            reason: MergeReason::Operator(operator()),
        })
    }

    fn split(number: u128) -> IdentityEvent {
        IdentityEvent::Split {
            merge: id(number),
            by: Decided::Operator(operator()),
        }
    }

    /// The history with what the resolution asks for recorded, as storage does.
    fn recorded(history: &History, resolution: &Resolution, first: u128) -> History {
        let mut history = history.clone();
        for (number, link) in (first..).zip(&resolution.new_merges) {
            let merge = Merge {
                id: id(number),
                one: link.one,
                other: link.other,
                reason: MergeReason::Identifier(link.kind.clone(), link.tag),
            };
            history.add(IdentityEvent::Merged(merge)).unwrap();
        }
        for merge in &resolution.withdrawn {
            history
                .add(IdentityEvent::Split {
                    merge: *merge,
                    by: Decided::Rule,
                })
                .unwrap();
        }
        history
    }

    fn sizes(groups: &Groups) -> Vec<usize> {
        groups.iter().map(|(_, members)| members.len()).collect()
    }

    #[test]
    fn verified_unique_identifiers_merge_and_nothing_else_does() {
        let mut unproven = record(3, &[]);
        unproven.identifiers.push(held("email", 1, false));
        let records = [
            record(1, &[("email", 1)]),
            record(2, &[("email", 1), ("postcode", 7)]),
            unproven,
            record(4, &[("postcode", 7)]),
        ];
        let resolution = resolve(&rules(), &records, &History::default());
        assert_eq!(sizes(&resolution.groups), [2, 1, 1]);
        assert_eq!(resolution.groups.canonical(id(2)), Some(id(1)));
        assert_eq!(resolution.new_merges.len(), 1);
        let again = resolve(
            &rules(),
            &records,
            &recorded(&History::default(), &resolution, 1),
        );
        assert_eq!(
            (again.groups, again.new_merges),
            (resolution.groups, Vec::new())
        );
    }

    #[test]
    fn an_identifier_that_too_many_share_links_nobody_and_what_it_linked_is_withdrawn() {
        let mut records: Vec<_> = (1..=4)
            .map(|number| record(number, &[("email", 1)]))
            .collect();
        let before = resolve(&rules(), &records, &History::default());
        assert_eq!(sizes(&before.groups), [4]);
        let history = recorded(&History::default(), &before, 1);
        records.push(record(5, &[("email", 1)]));
        let after = resolve(&rules(), &records, &history);
        assert_eq!(sizes(&after.groups), [1; 5]);
        assert_eq!(
            (
                after.hubs[0].subjects,
                after.withdrawn.len(),
                after.new_merges.len()
            ),
            (5, 3, 0)
        );
        let settled = resolve(&rules(), &records, &recorded(&history, &after, 9));
        assert_eq!(
            (&settled.groups, settled.withdrawn.len()),
            (&after.groups, 0)
        );
        // It was never an operator who kept them apart, so they meet again when the fifth is gone.
        let fewer = resolve(&rules(), &records[..4], &recorded(&history, &after, 9));
        assert_eq!(sizes(&fewer.groups), [4]);
    }

    #[test]
    fn conflicting_strong_identifiers_block_a_merge_and_the_older_link_stands() {
        let records = [
            record(1, &[("email", 1), ("account", 1)]),
            record(2, &[("email", 1)]),
            record(3, &[("email", 1), ("account", 2)]),
        ];
        let resolution = resolve(&rules(), &records, &History::default());
        assert!(resolution.groups.same(id(1), id(2)));
        assert!(!resolution.groups.same(id(1), id(3)));
        assert!(
            resolution
                .blocked
                .iter()
                .all(|blocked| blocked.by == BlockedBy::Conflict(IdentifierKind("account".into())))
        );
        assert_eq!(
            resolution.blocked.len(),
            2,
            "with each of the two that are one already"
        );
        // An operator knows better, and what she merged is shown as contested.
        let history = History::of([merged(1, 1, 3)]).unwrap();
        let resolution = resolve(&rules(), &records, &history);
        assert_eq!(sizes(&resolution.groups), [3]);
        assert_eq!(
            resolution.contested,
            [Contested {
                subject: id(1),
                kind: IdentifierKind("account".into())
            }]
        );
    }

    #[test]
    fn what_an_operator_took_apart_no_rule_puts_together_again() {
        let records: Vec<_> = (1..=3)
            .map(|number| record(number, &[("email", 1)]))
            .collect();
        let first = resolve(&rules(), &records, &History::default());
        let mut history = recorded(&History::default(), &first, 1);
        let wrong = first
            .new_merges
            .iter()
            .position(|link| link.other == id(3))
            .unwrap();
        history.add(split(1 + wrong as u128)).unwrap();
        let after = resolve(&rules(), &records, &history);
        assert!(
            after.groups.same(id(1), id(2)) && !after.groups.same(id(2), id(3)),
            "not by way of the second record either"
        );
        assert!(
            after
                .blocked
                .iter()
                .all(|blocked| blocked.by == BlockedBy::KeptApart)
        );
        // Until she says otherwise.
        history.add(merged(50, 3, 2)).unwrap();
        assert_eq!(sizes(&resolve(&rules(), &records, &history).groups), [3]);
    }

    #[test]
    fn possible_matches_are_reviewed_and_never_merged() {
        let alike = |number| SourceRecord {
            possible_match: Some(IdentifierTag([5; 16])),
            ..record(number, &[])
        };
        let records = [alike(2), alike(1), record(3, &[])];
        let resolution = resolve(&rules(), &records, &History::default());
        assert_eq!(
            resolution.possible_matches,
            [PossibleMatch {
                one: id(1),
                other: id(2)
            }]
        );
        assert_eq!(sizes(&resolution.groups), [1; 3]);
        let apart = IdentityEvent::KeptApart {
            one: id(2),
            other: id(1),
            by: operator(),
        };
        let settled = resolve(&rules(), &records, &History::of([apart]).unwrap());
        assert!(settled.possible_matches.is_empty());
        let one = resolve(&rules(), &records, &History::of([merged(1, 1, 2)]).unwrap());
        assert!(one.possible_matches.is_empty());
    }

    #[test]
    fn a_history_that_cannot_be_is_refused() {
        use super::super::history::HistoryError::{
            MergedTwice, SplitTwice, UnknownMerge, WithItself,
        };
        for (events, error) in [
            (vec![merged(1, 1, 1)], WithItself(id(1))),
            (vec![merged(1, 1, 2), merged(1, 1, 3)], MergedTwice(id(1))),
            (vec![split(1)], UnknownMerge(id(1))),
            (vec![merged(1, 1, 2), split(1), split(1)], SplitTwice(id(1))),
        ] {
            assert_eq!(History::of(events).err(), Some(error));
        }
    }

    const SUBJECTS: std::ops::Range<u128> = 1..9;

    fn any_merges() -> impl Strategy<Value = Vec<(u128, u128)>> {
        proptest::collection::vec(
            (SUBJECTS, SUBJECTS).prop_filter("two", |(one, other)| one != other),
            0..12,
        )
    }

    fn any_records() -> impl Strategy<Value = Vec<SourceRecord>> {
        let kind = prop_oneof![Just("email"), Just("account"), Just("postcode")];
        let identifier = (kind, 0u8..4, any::<bool>())
            .prop_map(|(kind, tag, verified)| held(kind, tag, verified));
        let identifiers = proptest::collection::vec(identifier, 0..4);
        proptest::collection::vec((identifiers, proptest::option::of(0u8..3)), 0..8).prop_map(
            |records| {
                let numbered = SUBJECTS.zip(records);
                numbered
                    .map(|(number, (identifiers, alike))| SourceRecord {
                        subject: id(number),
                        identifiers,
                        possible_match: alike.map(|tag| IdentifierTag([tag; 16])),
                    })
                    .collect()
            },
        )
    }

    fn events(merges: &[(u128, u128)]) -> Vec<IdentityEvent> {
        let numbered = (100u128..).zip(merges);
        numbered
            .map(|(number, (one, other))| merged(number, *one, *other))
            .collect()
    }

    proptest! {
        #[test]
        fn merges_give_the_same_subjects_in_any_order(
            (merges, shuffled) in any_merges().prop_flat_map(|merges| (Just(events(&merges)), Just(events(&merges)).prop_shuffle())),
        ) {
            let groups = |events| History::of(events).unwrap().groups(SUBJECTS.map(id));
            prop_assert_eq!(groups(merges), groups(shuffled));
        }

        #[test]
        fn all_merges_taken_apart_in_any_order_give_back_the_start(
            (count, merges, order) in any_merges().prop_flat_map(|merges| {
                let numbers: Vec<u128> = (100..100 + merges.len() as u128).collect();
                (Just(merges.len()), Just(merges), Just(numbers).prop_shuffle())
            }),
        ) {
            let mut history = History::of(events(&merges)).unwrap();
            for (undone, number) in (1..).zip(order) {
                history.add(split(number)).unwrap();
                // One merge apart, and every other one as it was.
                prop_assert_eq!(history.standing().count(), count - undone);
                let rest: Vec<_> = history.standing().cloned().map(IdentityEvent::Merged).collect();
                prop_assert_eq!(history.groups(SUBJECTS.map(id)), History::of(rest).unwrap().groups(SUBJECTS.map(id)));
            }
            prop_assert_eq!(history.groups(SUBJECTS.map(id)), History::default().groups(SUBJECTS.map(id)));
        }

        #[test]
        fn the_order_of_records_does_not_matter(
            (records, shuffled) in any_records().prop_flat_map(|records| (Just(records.clone()), Just(records).prop_shuffle())),
            merges in any_merges(),
        ) {
            let history = History::of(events(&merges)).unwrap();
            prop_assert_eq!(resolve(&rules(), &records, &history), resolve(&rules(), &shuffled, &history));
        }

        #[test]
        fn what_is_recorded_says_the_same_as_the_resolution_and_asks_for_nothing_more(
            records in any_records(), merges in any_merges(), splits in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut history = History::of(events(&merges)).unwrap();
            for round in 0..4u128 {
                let resolution = resolve(&rules(), &records, &history);
                history = recorded(&history, &resolution, 1000 * (round + 1));
                prop_assert_eq!(history.groups(records.iter().map(|record| record.subject)), resolution.groups.clone());
                let settled = resolve(&rules(), &records, &history);
                prop_assert_eq!((settled.groups, settled.new_merges.len(), settled.withdrawn.len()), (resolution.groups, 0, 0));
                prop_assert_eq!((settled.blocked, settled.contested), (resolution.blocked, resolution.contested));
                prop_assert_eq!(settled.possible_matches, resolution.possible_matches);
                let standing: Vec<_> = history.standing().map(|merge| merge.id).collect();
                if let (Some(at), false) = (splits.get(round as usize), standing.is_empty()) {
                    let merge = standing[at.index(standing.len())];
                    history.add(IdentityEvent::Split { merge, by: Decided::Operator(operator()) }).unwrap();
                }
            }
        }

        #[test]
        fn no_rule_joins_what_an_operator_keeps_apart_or_two_different_accounts(
            records in any_records(), apart in any_merges(),
        ) {
            let kept = apart.iter().map(|(one, other)| IdentityEvent::KeptApart { one: id(*one), other: id(*other), by: operator() });
            let resolution = resolve(&rules(), &records, &History::of(kept).unwrap());
            for (one, other) in apart {
                prop_assert!(!resolution.groups.same(id(one), id(other)));
            }
            for (_, members) in resolution.groups.iter().filter(|(_, members)| members.len() > 1) {
                let accounts: BTreeSet<_> = records.iter().filter(|record| members.contains(&record.subject))
                    .map(|record| record.identifiers.iter().filter(|held| held.verified && held.kind.0 == "account").map(|held| held.tag).collect::<BTreeSet<_>>())
                    .filter(|accounts| !accounts.is_empty()).collect();
                prop_assert!(accounts.len() <= 1);
            }
        }
    }
}
