//! What a schema and law data say of some attributes for one purpose, whoever the subject is: worked out once, shared by every disclosure
//! that asks for the same.
//!
//! Nothing about a subject is in it, so that it is no cache of decisions: each disclosure is decided with her own facts, and recorded.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use domain::audit::Hash;
use domain::disclosure::{
    AttributeName, NeverDisclosed, ProfileFacts, ProfileQuery, Purpose, Withheld, WithholdReason,
};
use domain::profile::{AttributeKey, AttributeNumber, AttributeRule, Schema, Segment, Sensitivity};

use crate::decide::strictest_rule;
use crate::permit::{Names, Verdict, Verdicts, digest_of_verdicts};

/// Judgements that are kept: the ways in which one program asks for profiles are few.
const MOST: usize = 32;

/// Judgements that were made, for the next disclosure that asks for the same.
#[derive(Default)]
pub struct Judgements(Mutex<Vec<Known>>);

/// A judgement, and what it was made of.
struct Known {
    rests_on: RestsOn,
    attributes: Arc<[AttributeKey]>,
    judgement: Arc<Judgement>,
}

/// What may be said of some attributes for one purpose.
#[derive(Debug)]
pub(crate) struct Judgement {
    pub(crate) verdicts: Verdicts,
    /// The same by number: `None` for what is withheld.
    by_number: Vec<Option<Verdict>>,
    pub(crate) withheld: Vec<Withheld>,
    /// Over all verdicts.
    pub(crate) digest: Hash,
    /// The names, as one record lists them for all.
    pub(crate) names: Names,
    /// Where what is allowed or described is kept.
    pub(crate) segments: Vec<Segment>,
}

/// The facts that are the same for every subject; shared ones are told apart by where they are, and held, so that nothing else takes
/// their place.
#[derive(Clone, Debug)]
struct RestsOn {
    purpose: Purpose,
    operator_sees_sensitive: bool,
    schema: Arc<Schema>,
    known_categories: Arc<BTreeSet<String>>,
    never_disclosed: Arc<[NeverDisclosed]>,
}

impl Judgements {
    pub(crate) fn of(&self, query: &ProfileQuery, facts: &ProfileFacts) -> Arc<Judgement> {
        let rests_on = RestsOn::of(query, facts);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same =
            |one: &&Known| one.rests_on.is_same(&rests_on) && one.attributes == query.attributes;
        if let Some(found) = known.iter().find(same) {
            return Arc::clone(&found.judgement);
        }
        let made = Arc::new(Judgement::of(query, facts));
        if known.len() >= MOST {
            known.remove(0);
        }
        known.push(Known {
            rests_on,
            attributes: Arc::clone(&query.attributes),
            judgement: Arc::clone(&made),
        });
        made
    }
}

impl RestsOn {
    fn of(query: &ProfileQuery, facts: &ProfileFacts) -> Self {
        Self {
            purpose: query.purpose,
            operator_sees_sensitive: facts.operator_sees_sensitive,
            schema: Arc::clone(&facts.schema),
            known_categories: Arc::clone(&facts.known_categories),
            never_disclosed: Arc::clone(&facts.never_disclosed),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        (self.purpose, self.operator_sees_sensitive)
            == (other.purpose, other.operator_sees_sensitive)
            && Arc::ptr_eq(&self.schema, &other.schema)
            && Arc::ptr_eq(&self.known_categories, &other.known_categories)
            && Arc::ptr_eq(&self.never_disclosed, &other.never_disclosed)
    }
}

impl PartialEq for Judgement {
    fn eq(&self, other: &Self) -> bool {
        (self.digest, self.names.list().0) == (other.digest, other.names.list().0)
    }
}

impl Eq for Judgement {}

/// What becomes of each attribute, while a judgement is made.
#[derive(Default)]
pub(crate) struct Sorted {
    pub(crate) verdicts: Verdicts,
    pub(crate) withheld: Vec<Withheld>,
    by_number: Vec<Option<Verdict>>,
    segments: BTreeSet<Segment>,
}

impl Sorted {
    pub(crate) fn put(
        &mut self,
        key: &AttributeKey,
        rule: Option<&AttributeRule>,
        judged: Result<Verdict, Refusal>,
    ) {
        let attribute = name(key, rule);
        match judged {
            Ok(verdict) => {
                if let Some(rule) = rule {
                    place(&mut self.by_number, rule.number, &verdict);
                    if !matches!(verdict, Verdict::AgeOnly | Verdict::Null) {
                        self.segments.insert(rule.segment);
                    }
                }
                self.verdicts.insert(attribute, verdict);
            }
            Err((reason, citation)) => self.withheld.push(Withheld {
                attribute,
                reason,
                citation,
            }),
        }
    }

    /// With the list of their names as records have it.
    pub(crate) fn judgement(self, names: Names) -> Judgement {
        Judgement {
            digest: digest_of_verdicts(&self.verdicts),
            names,
            segments: self.segments.into_iter().collect(),
            verdicts: self.verdicts,
            by_number: self.by_number,
            withheld: self.withheld,
        }
    }
}

impl Judgement {
    fn of(query: &ProfileQuery, facts: &ProfileFacts) -> Self {
        let mut sorted = Sorted::default();
        for key in query.attributes.iter() {
            let rule = facts.schema.attribute_of(key.as_ref());
            sorted.put(key, rule, judge(rule, query, facts));
        }
        let names = Names::of(&sorted.verdicts, &sorted.withheld);
        sorted.judgement(names)
    }

    pub(crate) fn verdict(&self, number: AttributeNumber) -> Option<&Verdict> {
        self.by_number.get(usize::from(number.0))?.as_ref()
    }
}

fn place(by_number: &mut Vec<Option<Verdict>>, number: AttributeNumber, verdict: &Verdict) {
    let place = usize::from(number.0);
    if by_number.len() <= place {
        by_number.resize(place + 1, None);
    }
    if let Some(slot) = by_number.get_mut(place) {
        *slot = Some(verdict.clone());
    }
}

/// The schema's name of an attribute; number 0 is nobody's.
fn name(key: &AttributeKey, rule: Option<&AttributeRule>) -> AttributeName {
    let number = rule.map_or(AttributeNumber(0), |rule| rule.number);
    AttributeName::Profile(number, key.clone())
}

/// Why an attribute is withheld, with the law behind it.
pub(crate) type Refusal = (WithholdReason, Option<String>);

/// One attribute: declared, of a known category, open to the operator's role, and not of a kind that never leaves.
fn judge(
    rule: Option<&AttributeRule>,
    query: &ProfileQuery,
    facts: &ProfileFacts,
) -> Result<Verdict, Refusal> {
    let Some(rule) = rule else {
        return Err((WithholdReason::UnknownAttribute, None));
    };
    if !facts.known_categories.contains(&rule.category) {
        return Err((WithholdReason::UnknownCategory, None));
    }
    if query.purpose == Purpose::KnowWhoMayConsent {
        return judge_for_age(rule, facts);
    }
    let operator = query.purpose == Purpose::ShowOperator;
    if operator && rule.sensitivity == Sensitivity::Sensitive && !facts.operator_sees_sensitive {
        return Err((WithholdReason::SensitiveForRole, None));
    }
    match strictest_rule(&rule.category, &facts.never_disclosed) {
        None => Ok(Verdict::Allowed),
        Some(never) if query.purpose == Purpose::GiveAccess => Ok(Verdict::Described {
            text: never.description.clone(),
            citation: never.citation.clone(),
        }),
        Some(never) => Err((WithholdReason::NeverDisclosed, Some(never.citation.clone()))),
    }
}

/// Of the birth date the vault may say what follows for who may consent; of everything else nothing does.
fn judge_for_age(rule: &AttributeRule, facts: &ProfileFacts) -> Result<Verdict, Refusal> {
    let birth_date = facts
        .schema
        .birth_date()
        .map(|birth_date| birth_date.number);
    if birth_date == Some(rule.number) {
        return Ok(Verdict::AgeOnly);
    }
    Err((WithholdReason::NotForThisPurpose, None))
}
