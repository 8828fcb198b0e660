//! Policies that their authors mark `@slow`: what their conditions say lies outside the fragment, so Cedar is asked. It is asked when they are
//! published, about every input that there can be, since a policy sees nothing but finitely many facts: slow is the publishing, and a disclosure is
//! decided by the table like every other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::{Policy, PolicyId, PolicySet, Schema};
use domain::policy::{
    AgeBand, AttributeSet, Cell, Configuration, Fact, Layout, PolicyPurpose, PolicyRecipient, Seen,
};
use serde_json::{Value, json};

use crate::formula::{Formula, Literal, Whole};
use crate::model::{
    AGE, JURISDICTION, LEAST_AGE, Model, PURPOSE_DECLARES_ATTRIBUTE, PURPOSE_DECLARES_RECIPIENT,
    RECIPIENT_DECLARES_ATTRIBUTE,
};
use crate::oracle::Oracle;
use crate::source::Read;

/// Questions to Cedar about one policy for one recipient and purpose: some tens of microseconds each.
const MOST_QUESTIONS: usize = if cfg!(fuzzing) { 400 } else { 40_000 };

/// Cedar, to be asked about conditions of single policies; remembers what it said.
pub(crate) struct Slow<'a> {
    /// None where no policy is slow.
    oracle: Option<Result<Oracle, String>>,
    layout: &'a Layout,
    whole: Whole,
    known: BTreeMap<(usize, Option<usize>, Option<usize>), Formula>,
}

/// What the conditions of a policy look at; anything that they might is taken as looked at.
struct Looks {
    conditions: Policy,
    facts: Vec<Fact>,
    at_age: bool,
    at_place: bool,
    at_recipient: bool,
    at_purpose: bool,
    at_attribute: bool,
}

/// One policy in one cell.
pub(crate) struct Slowly<'a> {
    pub(crate) number: usize,
    pub(crate) read: &'a Read,
    pub(crate) recipient: (usize, &'a PolicyRecipient),
    pub(crate) purpose: (usize, &'a PolicyPurpose),
}

/// Where the conditions hold: these facts are so and those are not, for these ages, places and attributes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    must: u32,
    must_not: u32,
    ages: u128,
    places: u128,
    attributes: AttributeSet,
}

impl<'a> Slow<'a> {
    pub(crate) fn new(
        policies: &[Read],
        model: &Model,
        schema: &Schema,
        configuration: &Configuration,
        layout: &'a Arc<Layout>,
    ) -> Self {
        let is_needed = policies.iter().any(Read::is_slow);
        let oracle = is_needed.then(|| {
            let oracle = Oracle::new(&[], model, schema, configuration, Arc::clone(layout));
            oracle.map_err(|error| error.to_string())
        });
        Self {
            oracle,
            whole: Whole::of(layout),
            layout,
            known: BTreeMap::new(),
        }
    }

    /// Where the conditions of a policy hold; its scope is read as that of any other.
    pub(crate) fn conditions(&mut self, one: &Slowly<'_>) -> Result<Formula, String> {
        let looks = Looks::of(one.read)?;
        let key = (
            one.number,
            looks.at_recipient.then_some(one.recipient.0),
            looks.at_purpose.then_some(one.purpose.0),
        );
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let parts = merged(self.ask(one, &looks)?, looks.facts.len());
        let formula = self.formula(&parts, &looks.facts);
        self.known.insert(key, formula.clone());
        Ok(formula)
    }

    /// Asks about every input that the conditions can tell apart.
    fn ask(&self, one: &Slowly<'_>, looks: &Looks) -> Result<BTreeSet<Part>, String> {
        let cell = Cell {
            recipient: self.layout.recipient(&one.recipient.1.key).ok_or(GONE)?,
            purpose: self.layout.purpose(&one.purpose.1.key).ok_or(GONE)?,
        };
        let all = self.whole.attributes;
        let oracle = self.oracle.as_ref().ok_or("is not marked `@slow`")?;
        let oracle = oracle.as_ref().map_err(Clone::clone)?;
        let attributes: Vec<_> = all
            .iter()
            .filter(|slot| oracle.has_attribute(*slot))
            .take(if looks.at_attribute { usize::MAX } else { 1 })
            .collect();
        let ages = AgeBand::ALL
            .len()
            .min(if looks.at_age { usize::MAX } else { 1 });
        let places = self.layout.jurisdictions();
        let places = places.get(..if looks.at_place { places.len() } else { 1 });
        let places = places.unwrap_or_default();
        let questions = (attributes.len() * ages * places.len()) << looks.facts.len();
        if questions > MOST_QUESTIONS {
            return Err(format!(
                "asks for so much at once that Cedar would have to be asked {questions} times for each recipient and purpose; write it as several policies"
            ));
        }
        let set = PolicySet::from_policies([looks.conditions.clone()]);
        let set = set.map_err(|error| error.to_string())?;
        let mut parts = BTreeSet::new();
        for bits in 0..1u32 << looks.facts.len() {
            let so = looks.facts.iter().enumerate();
            let so = so.filter(|(at, _)| bits >> at & 1 == 1);
            let so: Vec<Fact> = so.map(|(_, fact)| *fact).collect();
            // Attributes that are let through alike, by age, and in which places.
            let mut by_places: BTreeMap<(u128, AttributeSet), u128> = BTreeMap::new();
            for (age, band) in AgeBand::ALL.into_iter().take(ages).enumerate() {
                let mut alike: BTreeMap<AttributeSet, u128> = BTreeMap::new();
                for (place, name) in places.iter().enumerate() {
                    let seen = Seen::known(self.layout, &so, band, name);
                    let mut holds = AttributeSet::default();
                    for slot in &attributes {
                        let answer = oracle.holds(&set, cell, *slot, seen);
                        if answer.map_err(|error| error.to_string())? {
                            holds = holds.or(&[*slot].into_iter().collect());
                        }
                    }
                    *alike.entry(holds).or_default() |= 1 << place;
                }
                for (holds, places) in alike {
                    *by_places.entry((places, holds)).or_default() |= 1 << age;
                }
            }
            for ((places, holds), ages) in by_places {
                if holds.is_empty() {
                    continue;
                }
                parts.insert(Part {
                    must: bits,
                    must_not: !bits & ((1 << looks.facts.len()) - 1),
                    ages: if looks.at_age { ages } else { self.whole.ages },
                    places: if looks.at_place {
                        places
                    } else {
                        self.whole.places
                    },
                    attributes: if looks.at_attribute { holds } else { all },
                });
            }
        }
        Ok(parts)
    }

    fn formula(&self, parts: &BTreeSet<Part>, facts: &[Fact]) -> Formula {
        let each = parts.iter().map(|part| {
            let of = |bits: u32, is: bool| {
                let named = facts.iter().enumerate();
                let named = named.filter(move |(at, _)| bits >> at & 1 == 1);
                named.map(move |(_, fact)| Formula::Literal(Literal::Fact(*fact, is)))
            };
            let mut all: Vec<_> = of(part.must, true)
                .chain(of(part.must_not, false))
                .collect();
            for literal in [
                Literal::Age(part.ages),
                Literal::Place(part.places),
                Literal::Attribute(part.attributes),
            ] {
                all.push(self.whole.literal(literal));
            }
            self.whole.all(all)
        });
        self.whole.any(each.collect())
    }
}

const GONE: &str = "is about a recipient or a purpose that the layout does not have";

impl Looks {
    fn of(read: &Read) -> Result<Self, String> {
        let mut tree = read.cedar.to_json().map_err(|error| error.to_string())?;
        if let Some(members) = tree.as_object_mut() {
            for scope in ["principal", "action", "resource"] {
                members.insert(scope.to_owned(), json!({"op": "All"}));
            }
            // It is asked whether the conditions hold, not what follows from it.
            members.insert("effect".to_owned(), json!("permit"));
        }
        let mut names = BTreeSet::new();
        let conditions = tree.get("conditions").unwrap_or(&Value::Null);
        gather(conditions, &mut names);
        let has = |wanted: &[&str]| wanted.iter().any(|one| names.contains(*one));
        let declares = [PURPOSE_DECLARES_ATTRIBUTE, RECIPIENT_DECLARES_ATTRIBUTE];
        Ok(Self {
            facts: Fact::ALL
                .into_iter()
                .filter(|fact| has(&[fact.text()]))
                .collect(),
            at_age: has(&[AGE, LEAST_AGE]),
            at_place: has(&[JURISDICTION]),
            at_recipient: has(&[
                "principal",
                PURPOSE_DECLARES_RECIPIENT,
                RECIPIENT_DECLARES_ATTRIBUTE,
            ]),
            at_purpose: has(&[
                "action",
                PURPOSE_DECLARES_ATTRIBUTE,
                PURPOSE_DECLARES_RECIPIENT,
            ]),
            at_attribute: has(&["resource"]) || has(&declares),
            conditions: Policy::from_json(Some(PolicyId::new("conditions")), tree)
                .map_err(|error| error.to_string())?,
        })
    }
}

/// Every text in a tree, as it reads without escapes: what is not among them is not looked at.
fn gather(tree: &Value, names: &mut BTreeSet<String>) {
    match tree {
        Value::String(text) => {
            names.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, names)),
        Value::Object(members) => {
            for (name, value) in members {
                names.insert(name.clone());
                gather(value, names);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Parts that differ in nothing but one fact are one part that doesn't look at it, fact by fact until none is left.
fn merged(mut parts: BTreeSet<Part>, facts: usize) -> BTreeSet<Part> {
    loop {
        let mut covered = BTreeSet::new();
        let mut wider = BTreeSet::new();
        for part in &parts {
            for bit in (0..facts).map(|at| 1u32 << at) {
                let other = Part {
                    must: part.must & !bit,
                    must_not: part.must_not | bit,
                    ..*part
                };
                if part.must & bit != 0 && parts.contains(&other) {
                    covered.extend([*part, other]);
                    wider.insert(Part {
                        must: part.must & !bit,
                        ..*part
                    });
                }
            }
        }
        if wider.is_empty() {
            return parts;
        }
        parts.retain(|part| !covered.contains(part));
        parts.extend(wider);
    }
}
