//! The subjects of a question side by side, with what differs marked: what an operator has to see before she says that two are one.
//!
//! Only what tells who somebody is; each profile by its own recorded decision.

use domain::audit::Actor;
use domain::id::OperatorId;
use domain::identity::ReviewId;
use domain::profile::{AttributeKey, AttributeRule, Schema, Sensitivity};

use super::review::{ReviewLine, review};
use crate::profile::read::{ReleasedAttribute, Shown, Viewer, WantedAttributes, show};
use crate::{Privity, Problem};

/// A question with the profiles that it is about.
pub struct Comparison {
    /// The question.
    pub line: ReviewLine,
    /// One profile, or two.
    pub sides: Vec<Shown>,
    /// The attributes that either has, in the order of the schema.
    pub attributes: Vec<ComparedAttribute>,
}

/// One attribute over both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedAttribute {
    /// Its key.
    pub key: AttributeKey,
    /// Its name for people.
    pub title: String,
    /// Whether both have it and say something else.
    pub differs: bool,
}

/// Shows an operator what a question is about. Each look is in the audit log before anything opens.
///
/// # Errors
/// 404 when there is no such question, or one of the subjects is gone.
pub async fn compare(
    p: &Privity,
    id: ReviewId,
    operator: OperatorId,
) -> Result<Comparison, Problem> {
    let line = review(p, id).await?;
    let schema = p.needed_schema()?;
    let wanted = schema.attributes().filter(|rule| tells_who(&schema, rule));
    let wanted = WantedAttributes::These(wanted.map(|rule| rule.key.clone()).collect());
    let (viewer, actor) = (Viewer::Operator(operator), Actor::Operator(operator));
    let mut sides = vec![show(p, line.one, &wanted, viewer, &actor).await?];
    if let Some(other) = line.other.filter(|other| *other != line.one) {
        sides.push(show(p, other, &wanted, viewer, &actor).await?);
    }
    let attributes = schema.attributes();
    let attributes = attributes
        .filter_map(|rule| compared(rule, &sides))
        .collect();
    Ok(Comparison {
        line,
        sides,
        attributes,
    })
}

/// Identifiers, names, and what makes a possible match; nothing sensitive.
fn tells_who(schema: &Schema, rule: &AttributeRule) -> bool {
    let matching = schema.possible_match().is_some_and(|possible| {
        possible.birth_date == rule.number
            || possible.name.contains(&rule.number)
            || possible.address.contains(&rule.number)
    });
    rule.sensitivity != Sensitivity::Sensitive
        && (rule.identifies || rule.identifier.is_some() || matching)
}

fn compared(rule: &AttributeRule, sides: &[Shown]) -> Option<ComparedAttribute> {
    let said: Vec<_> = sides
        .iter()
        .filter_map(|side| side.sources().attributes().get(&rule.key))
        .collect();
    let texts = said.iter().filter_map(|one| match one {
        ReleasedAttribute::Values(chosen, _) => Some(chosen.text()),
        ReleasedAttribute::Description(_) => None,
    });
    let texts: Vec<_> = texts.collect();
    (!said.is_empty()).then(|| ComparedAttribute {
        key: rule.key.clone(),
        title: rule.title.clone(),
        differs: texts.windows(2).any(|pair| pair.first() != pair.last()),
    })
}
