//! Decides what each foreign key says about whose row it is, so that a map which nobody has reviewed finds all rows of a subject
//! and none of anybody else's.
//!
//! The cases, each with its test in `tests/it/data_map_relations.rs`:
//!
//! | foreign key | for example | relation |
//! |---|---|---|
//! | to the same table | employee → employee it reports to | link |
//! | from or to choices and organisations | phone → phone type, customer → store | link |
//! | named for a role (support, created by, manager, ...) outside the key | customer → support employee | link |
//! | from an identifier's table to the persons it names, one to one | e-mail address → business entity | same_subject |
//! | both have identifiers of their own | customer → employee | link, unless one to one or a purchase and its buyer |
//! | the best of several to persons or to what is theirs | contact → person (not → its store), order → customer (not → clerk) | owned_by |
//! | from a subject's row to personal data that nobody owns yet | address link → address, card link → card | detail |
//! | anything else | order line → product, order → clerk | link |

use std::collections::BTreeSet;

use connectors::{DescribedCollection, DescribedReference};
use domain::data_map::Relation;

use super::category::{About, PERSONS, STAFF, about};
use super::words::tokens;

/// What a foreign key means, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) relation: Relation,
    /// In words, for whoever reviews.
    pub(super) why: &'static str,
    /// Whether a person should look.
    pub(super) is_doubtful: bool,
}

/// A table as far as relations ask.
pub(super) struct Table<'a> {
    pub(super) described: &'a DescribedCollection,
    /// Whether one of its columns finds a subject.
    pub(super) has_identity: bool,
    /// Whether a column other than keys is personal.
    pub(super) is_personal: bool,
    /// The number of the table that each foreign key leads to, where it is among them.
    pub(super) targets: Vec<Option<usize>>,
}

/// A foreign key: the numbers of its table and of itself there.
type Key = (usize, usize);

/// Decides all foreign keys of all tables, in their order.
pub(super) fn decide(tables: &[Table<'_>]) -> Vec<Vec<Decision>> {
    let mut state = Deciding::new(tables);
    state.merge_identifiers();
    state.grow();
    state.decisions()
}

/// What a foreign key shows.
struct Facts {
    here: About,
    there: About,
    role: Role,
    /// All its columns belong to the primary key.
    is_in_key: bool,
    /// Each row there has at most one row here.
    is_unique: bool,
    is_nullable: bool,
    /// Rows pointed at, by rows that point; `None` without rows.
    spread: Option<f64>,
    /// The part of rows here that point anywhere; `None` without rows.
    coverage: Option<f64>,
    /// The table here is named after the table there.
    is_part_by_name: bool,
}

/// What the columns' name says of the row pointed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The person.
    Person,
    /// Somebody who does something for the business, or with the row.
    Staff,
    /// Just the other table's name.
    Plain,
    /// Anything else.
    Other,
}

/// Words for somebody who isn't the one whom a row is about.
const ROLES: &[&str] = &[
    "created",
    "creator",
    "updated",
    "modified",
    "changed",
    "deleted",
    "approved",
    "approver",
    "assigned",
    "assignee",
    "support",
    "rep",
    "manager",
    "supervisor",
    "report",
    "seller",
    "handled",
    "handler",
    "processed",
    "reviewed",
    "sales",
    "salesperson",
    "agent",
    "referred",
    "referrer",
    "invited",
    "inviter",
    "parent",
    "recipient",
    "receiver",
    "emergency",
    "staff",
    "employee",
    "clerk",
    "cashier",
    "by",
    "to",
];

impl Facts {
    fn of(
        here: &DescribedCollection,
        reference: &DescribedReference,
        there: &DescribedCollection,
    ) -> Self {
        let is_in_key = !reference.fields.is_empty()
            && reference
                .fields
                .iter()
                .all(|field| here.primary_key.contains(field));
        let columns = || {
            here.fields
                .iter()
                .filter(|field| reference.fields.contains(&field.name))
        };
        let is_whole_key = is_in_key && reference.fields.len() == here.primary_key.len();
        Self {
            // A table whose key holds another's rows assigns choices to somebody; it doesn't list them.
            here: if is_in_key && about(&here.table) == About::Choices {
                About::Things
            } else {
                about(&here.table)
            },
            there: about(&there.table),
            role: role(reference, there),
            is_in_key,
            is_unique: is_whole_key
                || (reference.fields.len() == 1 && columns().all(|column| column.unique)),
            is_nullable: columns().any(|column| column.nullable) && !is_in_key,
            spread: share(reference.distinct_targets, reference.pointing_rows),
            coverage: share(reference.pointing_rows, here.rows),
            is_part_by_name: is_part(&tokens(&here.table), &tokens(&there.table)),
        }
    }

    /// Whether rows here and there pair off, as far as the figures show; small tables show nothing.
    fn is_one_to_one(&self, pointing: u64) -> bool {
        self.is_unique || (pointing >= 20 && self.spread.is_some_and(|spread| spread >= 0.95))
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share of rows needs no more precision"
    )]
    let share = |part: u64, whole: u64| part as f64 / whole as f64;
    (whole > 0).then(|| share(part, whole))
}

fn role(reference: &DescribedReference, there: &DescribedCollection) -> Role {
    let words: BTreeSet<String> = reference
        .fields
        .iter()
        .flat_map(|field| tokens(field))
        .filter(|word| !["id", "code", "number", "key", "uuid"].contains(&word.as_str()))
        .collect();
    let target: BTreeSet<String> = tokens(&there.table).into_iter().collect();
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    if reference.fields == reference.to_fields && !has(STAFF) {
        return if has(PERSONS) {
            Role::Person
        } else {
            Role::Plain
        };
    }
    if has(ROLES) || has(STAFF) {
        Role::Staff
    } else if has(PERSONS) {
        Role::Person
    } else if !words.is_empty() && words.is_subset(&target) {
        Role::Plain
    } else {
        Role::Other
    }
}

/// `invoice line` is part of `invoice`.
fn is_part(here: &[String], there: &[String]) -> bool {
    !there.is_empty()
        && here.len() > there.len()
        && (here.starts_with(there) || there.iter().all(|word| here.contains(word)))
}

struct Deciding<'t> {
    tables: &'t [Table<'t>],
    facts: Vec<Vec<Option<Facts>>>,
    decided: std::collections::BTreeMap<Key, Decision>,
    /// Tables whose rows are known to be some subject's.
    reached: BTreeSet<usize>,
    /// Tables that stand for subjects, without identifiers of their own.
    hubs: BTreeSet<usize>,
    details: BTreeSet<usize>,
}

impl<'t> Deciding<'t> {
    fn new(tables: &'t [Table<'t>]) -> Self {
        let facts = tables.iter().map(|table| {
            let described = table.described;
            described
                .references
                .iter()
                .zip(&table.targets)
                .map(|(reference, target)| {
                    Some(Facts::of(
                        described,
                        reference,
                        tables.get((*target)?)?.described,
                    ))
                })
                .collect()
        });
        let reached = (0..tables.len())
            .filter(|number| tables.get(*number).is_some_and(|table| table.has_identity))
            .collect();
        Self {
            tables,
            facts: facts.collect(),
            decided: std::collections::BTreeMap::new(),
            reached,
            hubs: BTreeSet::new(),
            details: BTreeSet::new(),
        }
    }

    fn keys(&self) -> Vec<Key> {
        self.tables
            .iter()
            .enumerate()
            .flat_map(|(table, of)| (0..of.targets.len()).map(move |key| (table, key)))
            .collect()
    }

    fn fact(&self, (table, key): Key) -> Option<(&Facts, &'t DescribedReference, usize)> {
        let target = (*self.tables.get(table)?.targets.get(key)?)?;
        let facts = self.facts.get(table)?.get(key)?.as_ref()?;
        Some((
            facts,
            self.tables.get(table)?.described.references.get(key)?,
            target,
        ))
    }

    fn has_identity(&self, table: usize) -> bool {
        self.tables
            .get(table)
            .is_some_and(|table| table.has_identity)
    }

    fn is_personal(&self, table: usize) -> bool {
        self.tables
            .get(table)
            .is_some_and(|table| table.is_personal)
    }

    /// Personal data that hangs on something else, such as an address or a card.
    fn is_detail_like(&self, table: usize) -> bool {
        let about = self
            .tables
            .get(table)
            .map(|table| about(&table.described.table));
        self.is_personal(table)
            && !self.has_identity(table)
            && !self.hubs.contains(&table)
            && !matches!(about, Some(About::Persons | About::Staff))
    }

    fn set(&mut self, key: Key, relation: Relation, why: &'static str, is_doubtful: bool) {
        self.decided.insert(
            key,
            Decision {
                relation,
                why,
                is_doubtful,
            },
        );
    }

    /// An identifier's table and the table of those whom it names are about the same subjects.
    fn merge_identifiers(&mut self) {
        for key in self.keys() {
            let Some((facts, reference, target)) = self.fact(key) else {
                continue;
            };
            let never = !self.has_identity(key.0)
                || self.has_identity(target)
                || key.0 == target
                || facts.role == Role::Staff
                || matches!(
                    facts.there,
                    About::Choices | About::Organizations | About::Staff
                );
            if never || matches!(facts.here, About::Organizations) {
                continue;
            }
            let spread = facts
                .spread
                .unwrap_or(if facts.is_unique { 1.0 } else { 0.5 });
            let names_persons = facts.there == About::Persons
                && (facts.is_in_key || facts.role != Role::Other)
                && !matches!(facts.here, About::Purchases);
            let pairs =
                facts.is_one_to_one(reference.pointing_rows) && !self.is_detail_like(target);
            if (spread >= 0.3
                && (names_persons || (facts.is_in_key && !self.is_detail_like(target))))
                || (pairs && facts.role != Role::Other)
            {
                self.hubs.insert(target);
                self.reached.insert(target);
                self.set(
                    key,
                    Relation::SameSubject,
                    "holds an identifier of whom it points at",
                    false,
                );
            }
        }
    }

    /// From the tables that are reached to those that belong to them and to their details, until nothing is added.
    fn grow(&mut self) {
        let possible = self.possible();
        self.decide_identified();
        loop {
            let grown = self.add_owned(&possible, true)
                || self.add_details(&possible, false)
                || self.add_owned(&possible, false)
                || self.add_details(&possible, true);
            if !grown {
                return;
            }
        }
    }

    /// Tables that may turn out to be a subject's, by any chain of foreign keys; only these are worth waiting for.
    fn possible(&self) -> BTreeSet<usize> {
        let mut possible = self.reached.clone();
        loop {
            let before = possible.len();
            for key in self.keys() {
                let Some((_, _, target)) = self.fact(key) else {
                    continue;
                };
                if possible.contains(&target)
                    && self.score(key, true).is_some_and(|score| score > 0)
                {
                    possible.insert(key.0);
                }
                if possible.contains(&key.0) && self.may_be_detail(key) {
                    possible.insert(target);
                }
            }
            if possible.len() == before {
                return possible;
            }
        }
    }

    /// Tables with identifiers of their own don't need an owner to be found, and mostly point at somebody else.
    fn decide_identified(&mut self) {
        for key in self.keys() {
            let Some((facts, reference, target)) = self.fact(key) else {
                continue;
            };
            let never = !self.has_identity(key.0)
                || self.decided.contains_key(&key)
                || key.0 == target
                || matches!(facts.there, About::Choices | About::Organizations)
                || facts.here == About::Organizations;
            let is_subject = self.has_identity(target) || self.hubs.contains(&target);
            if never || !is_subject || (facts.role == Role::Staff && !facts.is_in_key) {
                continue;
            }
            let pairs = facts.is_one_to_one(reference.pointing_rows)
                || (facts.is_in_key && facts.spread.is_none_or(|spread| spread >= 0.3));
            let is_purchase = !matches!(facts.here, About::Persons | About::Staff)
                && facts.there != About::Staff
                && matches!(facts.role, Role::Person | Role::Plain);
            if pairs && self.hubs.contains(&target) && facts.role != Role::Other {
                self.set(
                    key,
                    Relation::SameSubject,
                    "one row for each that it points at, with an identifier of its own",
                    false,
                );
            } else if pairs && (facts.there != About::Staff || facts.is_in_key) {
                self.set(
                    key,
                    Relation::OwnedBy,
                    "one row for each that it points at",
                    false,
                );
            } else if is_purchase {
                self.set(
                    key,
                    Relation::OwnedBy,
                    "belongs to whom it points at, and has an identifier of its own",
                    false,
                );
            } else {
                self.set(
                    key,
                    Relation::Link,
                    "both have identifiers of their own",
                    true,
                );
            }
        }
    }

    /// How much speaks for it that the row here belongs to the row there; `None` when it can't.
    fn score(&self, key: Key, is_only: bool) -> Option<i32> {
        let (facts, _, target) = self.fact(key)?;
        if key.0 == target
            || matches!(facts.here, About::Choices | About::Organizations)
            || matches!(facts.there, About::Choices | About::Organizations)
        {
            return None;
        }
        let mut score = match facts.role {
            Role::Person => 4,
            Role::Plain => 2,
            Role::Other => 0,
            Role::Staff if facts.is_in_key => 0,
            Role::Staff => -6,
        };
        let mut add = |holds: bool, points: i32| score += if holds { points } else { 0 };
        add(facts.is_in_key, 2);
        add(facts.is_part_by_name, 3);
        add(!facts.is_nullable, 1);
        add(facts.coverage.is_some_and(|coverage| coverage >= 0.99), 1);
        add(facts.coverage.is_some_and(|coverage| coverage < 0.5), -2);
        add(facts.spread.is_some_and(|spread| spread >= 0.95), 1);
        add(self.has_identity(target) || self.hubs.contains(&target), 1);
        add(facts.there == About::Staff && !facts.is_in_key, -3);
        add(self.is_detail_like(target), -3);
        add(is_only && self.is_personal(key.0), 4);
        Some(score)
    }

    /// Gives tables their owners; with `only_best`, tables whose best owner isn't reached yet wait.
    fn add_owned(&mut self, possible: &BTreeSet<usize>, only_best: bool) -> bool {
        let mut grown = false;
        for table in 0..self.tables.len() {
            if self.reached.contains(&table) {
                continue;
            }
            let mut candidates = self.candidates(table, possible);
            if !only_best {
                candidates.retain(|(_, key)| {
                    self.fact(*key)
                        .is_some_and(|(_, _, target)| self.reached.contains(&target))
                });
            }
            let Some(&(_, best)) = candidates.first() else {
                continue;
            };
            if self
                .fact(best)
                .is_some_and(|(_, _, target)| self.reached.contains(&target))
            {
                self.own(table, best, &candidates);
                grown = true;
            }
        }
        grown
    }

    fn own(&mut self, table: usize, best: Key, candidates: &[(i32, Key)]) {
        let is_tied = candidates
            .get(1)
            .zip(candidates.first())
            .is_some_and(|(second, first)| second.0 == first.0);
        self.reached.insert(table);
        self.set(
            best,
            Relation::OwnedBy,
            "belongs to whom or what it points at",
            is_tied,
        );
        let is_partial = self
            .fact(best)
            .is_some_and(|(facts, _, _)| facts.coverage.is_some_and(|coverage| coverage < 0.99));
        for (_, other) in candidates.iter().filter(|(_, key)| *key != best) {
            let Some((facts, _, target)) = self.fact(*other) else {
                continue;
            };
            if is_partial && facts.is_part_by_name && self.reached.contains(&target) {
                self.set(
                    *other,
                    Relation::OwnedBy,
                    "belongs to what it is a part of; the other owner isn't always known",
                    true,
                );
            } else if self.reached.contains(&target) {
                self.set(
                    *other,
                    Relation::Link,
                    "another reference says whose row it is",
                    true,
                );
            }
        }
    }

    /// Foreign keys that may lead to the owner, best first.
    fn candidates(&self, table: usize, possible: &BTreeSet<usize>) -> Vec<(i32, Key)> {
        let keys = self.keys().into_iter().filter(|key| key.0 == table);
        let to_subjects: Vec<Key> = keys
            .filter(|key| {
                self.fact(*key)
                    .is_some_and(|(_, _, target)| possible.contains(&target) && target != table)
            })
            .collect();
        let is_only = to_subjects.len() == 1;
        let mut scored: Vec<(i32, Key)> = to_subjects
            .into_iter()
            .filter_map(|key| {
                self.score(key, is_only)
                    .filter(|score| *score > 0)
                    .map(|score| (score, key))
            })
            .collect();
        scored.sort_by_key(|(score, key)| (std::cmp::Reverse(*score), *key));
        scored
    }

    fn may_be_detail(&self, key: Key) -> bool {
        self.fact(key).is_some_and(|(facts, _, target)| {
            self.is_personal(target)
                && !self.has_identity(target)
                && !self.hubs.contains(&target)
                && key.0 != target
                && facts.role != Role::Staff
                && facts.here != About::Organizations
                && !matches!(
                    facts.there,
                    About::Choices | About::Organizations | About::Staff
                )
                && facts.spread.is_none_or(|spread| spread >= 0.3)
        })
    }

    /// Adds what rows of subjects point at; with `even_ownable`, also tables that might have had an owner.
    fn add_details(&mut self, possible: &BTreeSet<usize>, even_ownable: bool) -> bool {
        let mut grown = false;
        for key in self.keys() {
            let Some((_, _, target)) = self.fact(key) else {
                continue;
            };
            let is_open = !self.decided.contains_key(&key)
                && self.reached.contains(&key.0)
                && (!self.reached.contains(&target) || self.details.contains(&target));
            let is_unowned = even_ownable || self.candidates(target, possible).is_empty();
            if is_open && is_unowned && self.may_be_detail(key) {
                self.set(
                    key,
                    Relation::Detail,
                    "a detail; it goes only when nobody else's row points at it",
                    false,
                );
                self.details.insert(target);
                grown |= self.reached.insert(target);
            }
        }
        grown
    }

    fn decisions(&self) -> Vec<Vec<Decision>> {
        let decide = |key: Key| {
            self.decided
                .get(&key)
                .cloned()
                .unwrap_or_else(|| self.link(key))
        };
        self.tables
            .iter()
            .enumerate()
            .map(|(table, of)| {
                (0..of.targets.len())
                    .map(|number| decide((table, number)))
                    .collect()
            })
            .collect()
    }

    fn link(&self, key: Key) -> Decision {
        let (why, is_doubtful) = match self.fact(key) {
            Some((_, _, target)) if target == key.0 => ("points at its own kind", false),
            Some((facts, _, _)) if facts.there == About::Choices => {
                ("one of several choices", false)
            }
            Some((facts, _, _))
                if facts.there == About::Organizations || facts.here == About::Organizations =>
            {
                ("an organisation's, not a subject's", false)
            }
            Some((facts, _, target)) if self.reached.contains(&target) => (
                if facts.role == Role::Staff {
                    "somebody else than the subject"
                } else {
                    "only a pointer"
                },
                true,
            ),
            _ => ("only a pointer", false),
        };
        Decision {
            relation: Relation::Link,
            why,
            is_doubtful,
        }
    }
}
