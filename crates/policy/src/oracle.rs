//! Cedar itself on the same policies: slow, and right by definition. Tables are compared with it, in tests and at every publish.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, Entities, EntityUid, PolicyId, PolicySet, Request, Response,
    RestrictedExpression, Schema,
};
use domain::data_map::RecipientKey;
use domain::policy::{
    AgeBand, AttributeSlot, Cell, Configuration, Effect, Fact, Layout, PolicyAttribute,
    PolicyPurpose, PolicyRecipient, Reasons, Release, Seen, Table, Why,
};
use domain::profile::AttributeKey;
use domain::purpose_of_use::PurposeKey;

use crate::model::{
    ACTION, AGE, ATTRIBUTE, JURISDICTION, LEAST_AGE, Model, PURPOSE_DECLARES_ATTRIBUTE,
    PURPOSE_DECLARES_RECIPIENT, RECIPIENT, RECIPIENT_DECLARES_ATTRIBUTE, cedar_uid, uid,
};
use crate::room::with_room;
use crate::source::Read;

/// Cedar with policies and entities.
#[derive(Debug)]
pub struct Oracle {
    permits: PolicySet,
    forbids: PolicySet,
    entities: Entities,
    effects: BTreeMap<String, Effect>,
    layout: Arc<Layout>,
    recipients: BTreeMap<RecipientKey, (EntityUid, PolicyRecipient)>,
    purposes: BTreeMap<PurposeKey, (EntityUid, PolicyPurpose)>,
    attributes: BTreeMap<AttributeKey, (EntityUid, PolicyAttribute)>,
}

/// What Cedar says of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Ids of the permits that hold, sorted.
    pub permits: Vec<String>,
    /// Ids of the forbids that hold, sorted.
    pub forbids: Vec<String>,
    /// What follows from them: [`Release::decide`].
    pub release: Release,
}

/// Cedar could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum OracleError {
    /// Something is not in the configuration.
    #[error("the configuration does not have this {0}")]
    NotThere(&'static str),
    /// Cedar knows no fact that is unknown.
    #[error("Cedar needs every fact, and `{0}` is unknown")]
    UnknownFact(&'static str),
    /// Cedar refused, or met an error in a policy.
    #[error("Cedar cannot decide: {0}")]
    Refused(String),
}

/// The table and Cedar do not say the same. Such a table is not published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the compiled table and Cedar differ on `{attribute}` for `{recipient}` and `{purpose}`: {compiled}, and Cedar says {cedar}; this is a fault of the compiler, please report it with the policies"
)]
pub struct Difference {
    /// By whom.
    pub recipient: String,
    /// For what.
    pub purpose: String,
    /// Which attribute.
    pub attribute: String,
    /// What the table says.
    pub compiled: String,
    /// What Cedar says.
    pub cedar: String,
}

impl Oracle {
    pub(crate) fn new(
        policies: &[Read],
        model: &Model,
        schema: &Schema,
        configuration: &Configuration,
        layout: Arc<Layout>,
    ) -> Result<Self, OracleError> {
        let set = |permits: bool| {
            let wanted = policies
                .iter()
                .filter(|read| matches!(read.policy.effect, Effect::Permit(_)) == permits);
            PolicySet::from_policies(wanted.map(|read| read.cedar.clone()))
                .map_err(|error| OracleError::Refused(error.to_string()))
        };
        let named = |kind, id: &str| cedar_uid(&uid(kind, id)).map_err(OracleError::Refused);
        let mut oracle = Self {
            permits: set(true)?,
            forbids: set(false)?,
            entities: model.entities(schema).map_err(OracleError::Refused)?,
            effects: policies
                .iter()
                .map(|read| (read.policy.id.clone(), read.policy.effect))
                .collect(),
            layout,
            recipients: BTreeMap::new(),
            purposes: BTreeMap::new(),
            attributes: BTreeMap::new(),
        };
        for one in &configuration.recipients {
            let known = (named(RECIPIENT, one.key.as_ref())?, one.clone());
            oracle.recipients.insert(one.key.clone(), known);
        }
        for one in &configuration.purposes {
            let known = (named(ACTION, one.key.as_ref())?, one.clone());
            oracle.purposes.insert(one.key.clone(), known);
        }
        for one in &configuration.attributes {
            let known = (named(ATTRIBUTE, one.key.as_ref())?, one.clone());
            oracle.attributes.insert(one.key.clone(), known);
        }
        Ok(oracle)
    }

    /// Asks Cedar about one attribute.
    ///
    /// # Errors
    /// A cell or attribute that the configuration does not have, a fact that is unknown, an error that Cedar meets.
    pub fn ask(
        &self,
        cell: Cell,
        attribute: AttributeSlot,
        seen: Seen,
    ) -> Result<Answer, OracleError> {
        self.answer(&self.request(cell, attribute, seen)?)
    }

    /// Whether any of other policies holds.
    pub(crate) fn holds(
        &self,
        policies: &PolicySet,
        cell: Cell,
        attribute: AttributeSlot,
        seen: Seen,
    ) -> Result<bool, OracleError> {
        let request = self.request(cell, attribute, seen)?;
        let response = Authorizer::new().is_authorized(&request, policies, &self.entities);
        Ok(!ids(&response)?.is_empty())
    }

    /// Whether the configuration still has an attribute.
    pub(crate) fn has_attribute(&self, attribute: AttributeSlot) -> bool {
        let key = self.layout.attribute_key(attribute);
        key.is_some_and(|key| self.attributes.contains_key(key))
    }

    fn request(
        &self,
        cell: Cell,
        attribute: AttributeSlot,
        seen: Seen,
    ) -> Result<Request, OracleError> {
        let recipient = self.layout.recipients().get(usize::from(cell.recipient.0));
        let recipient = recipient.and_then(|key| self.recipients.get(key));
        let (principal, recipient) = recipient.ok_or(OracleError::NotThere("recipient"))?;
        let purpose = self.layout.purposes().get(usize::from(cell.purpose.0));
        let purpose = purpose.and_then(|key| self.purposes.get(key));
        let (action, purpose) = purpose.ok_or(OracleError::NotThere("purpose"))?;
        let attribute = self.layout.attribute_key(attribute);
        let attribute = attribute.and_then(|key| self.attributes.get(key));
        let (resource, attribute) = attribute.ok_or(OracleError::NotThere("attribute"))?;
        let context = self.context(seen, recipient, purpose, attribute)?;
        let request = Request::new(
            principal.clone(),
            action.clone(),
            resource.clone(),
            context,
            None,
        );
        request.map_err(|error| OracleError::Refused(error.to_string()))
    }

    /// Permits and forbids are asked apart, since Cedar names no permit where a forbid holds.
    fn answer(&self, request: &Request) -> Result<Answer, OracleError> {
        let authorizer = Authorizer::new();
        let ask = |set| ids(&authorizer.is_authorized(request, set, &self.entities));
        let (permits, forbids) = (ask(&self.permits)?, ask(&self.forbids)?);
        let releases = |ids: &[String]| -> Vec<_> {
            let effects = ids.iter().filter_map(|id| self.effects.get(id));
            effects
                .map(|effect| match effect {
                    Effect::Permit(release) | Effect::Forbid(release) => *release,
                })
                .collect()
        };
        Ok(Answer {
            release: Release::decide(&releases(&permits), &releases(&forbids)),
            permits,
            forbids,
        })
    }

    fn context(
        &self,
        seen: Seen,
        recipient: &PolicyRecipient,
        purpose: &PolicyPurpose,
        attribute: &PolicyAttribute,
    ) -> Result<Context, OracleError> {
        let age = seen.age().ok_or(OracleError::UnknownFact(AGE))?;
        let place = seen.jurisdiction(&self.layout);
        let place = place.ok_or(OracleError::UnknownFact(JURISDICTION))?;
        let declared = [
            (PURPOSE_DECLARES_ATTRIBUTE, purpose.declares(attribute)),
            (
                PURPOSE_DECLARES_RECIPIENT,
                purpose.recipients.contains(&recipient.key),
            ),
            (RECIPIENT_DECLARES_ATTRIBUTE, recipient.declares(attribute)),
        ];
        let mut pairs = text_facts(age, place);
        pairs.extend(
            declared.map(|(name, is)| (name.to_owned(), RestrictedExpression::new_bool(is))),
        );
        for fact in Fact::ALL {
            let is = seen.is(fact).ok_or(OracleError::UnknownFact(fact.text()))?;
            pairs.push((fact.text().to_owned(), RestrictedExpression::new_bool(is)));
        }
        Context::from_pairs(pairs).map_err(|error| OracleError::Refused(error.to_string()))
    }

    /// Compares a table with Cedar on inputs that try each condition of each cell, `most` questions at the most, spread evenly; gives
    /// how many were asked.
    ///
    /// # Errors
    /// The first [`Difference`].
    pub fn compare(&self, table: &Table, most: usize) -> Result<usize, Box<Difference>> {
        let compared = with_room(|| self.compare_here(table, most));
        compared.unwrap_or_else(|| self.compare_here(table, most))
    }

    fn compare_here(&self, table: &Table, most: usize) -> Result<usize, Box<Difference>> {
        let cells: Vec<_> = table.cells().filter(|cell| self.has(*cell)).collect();
        let inputs: Vec<_> = cells
            .iter()
            .flat_map(|cell| table.witnesses(*cell).into_iter().map(|seen| (*cell, seen)))
            .collect();
        let each = self.attributes.len().max(1);
        let step = (inputs.len() * each).div_ceil(most.max(1)).max(1);
        let mut asked = 0;
        for (cell, seen) in inputs.into_iter().step_by(step) {
            asked += self.compare_input(table, cell, seen)?;
        }
        Ok(asked)
    }

    fn has(&self, cell: Cell) -> bool {
        let recipient = self.layout.recipients().get(usize::from(cell.recipient.0));
        let purpose = self.layout.purposes().get(usize::from(cell.purpose.0));
        recipient.is_some_and(|key| self.recipients.contains_key(key))
            && purpose.is_some_and(|key| self.purposes.contains_key(key))
    }

    /// Compares all attributes on one input: the release, and that the reason names a policy that holds.
    ///
    /// # Errors
    /// The first [`Difference`].
    pub fn compare_input(
        &self,
        table: &Table,
        cell: Cell,
        seen: Seen,
    ) -> Result<usize, Box<Difference>> {
        let wanted = table.layout().attributes();
        let mut reasons = Reasons::new();
        let decision = table.decide_seen_with_reasons(cell, seen, &wanted, &mut reasons);
        let mut asked = 0;
        for key in self.attributes.keys() {
            let Some(slot) = self.layout.attribute(key.as_ref()) else {
                continue;
            };
            let (release, why) = (decision.release(slot), reasons.of(slot));
            let answer = self.ask(cell, slot, seen);
            let is_same = answer
                .as_ref()
                .is_ok_and(|answer| answer.release == release && self.agrees(table, why, answer));
            if !is_same {
                return Err(self.difference(table, (cell, key), (release, why), &answer));
            }
            asked += 1;
        }
        Ok(asked)
    }

    /// Whether a reason names what Cedar says holds.
    fn agrees(&self, table: &Table, why: Why, answer: &Answer) -> bool {
        let id = |number| table.policy(number).map(|policy| policy.id.clone());
        let holds = |ids: &[String], number| id(number).is_some_and(|id| ids.contains(&id));
        match why {
            Why::Allowed {
                release,
                permit,
                limited_by,
            } => {
                release == answer.release
                    && holds(&answer.permits, permit)
                    && limited_by.is_none_or(|forbid| holds(&answer.forbids, forbid))
            }
            Why::Forbidden { forbid, .. } => {
                let effect = id(forbid).and_then(|id| self.effects.get(&id).copied());
                holds(&answer.forbids, forbid) && effect == Some(Effect::Forbid(Release::Withhold))
            }
            Why::Unmet { permit, .. } => {
                answer.permits.is_empty() && !holds(&answer.permits, permit)
            }
            Why::NoPolicy => answer.permits.is_empty(),
            Why::NotAsked | Why::Unusable(_) => false,
        }
    }

    fn difference(
        &self,
        table: &Table,
        (cell, attribute): (Cell, &AttributeKey),
        (release, why): (Release, Why),
        answer: &Result<Answer, OracleError>,
    ) -> Box<Difference> {
        let recipients = table.layout().recipients();
        let purposes = table.layout().purposes();
        let recipient = recipients.get(usize::from(cell.recipient.0));
        let purpose = purposes.get(usize::from(cell.purpose.0));
        Box::new(Difference {
            recipient: recipient.map(ToString::to_string).unwrap_or_default(),
            purpose: purpose.map(ToString::to_string).unwrap_or_default(),
            attribute: attribute.to_string(),
            compiled: format!("{release} ({why:?})"),
            cedar: match answer {
                Ok(answer) => format!("{answer:?}"),
                Err(error) => error.to_string(),
            },
        })
    }
}

fn text_facts(age: AgeBand, place: &str) -> Vec<(String, RestrictedExpression)> {
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    vec![
        (AGE.to_owned(), text(age.text())),
        (JURISDICTION.to_owned(), text(place)),
        (
            LEAST_AGE.to_owned(),
            RestrictedExpression::new_long(age.least_years()),
        ),
    ]
}

/// The policies that hold. An error in one would leave it out without a word, so it ends the question.
fn ids(response: &Response) -> Result<Vec<String>, OracleError> {
    if let Some(error) = response.diagnostics().errors().next() {
        return Err(OracleError::Refused(error.to_string()));
    }
    // As it was given: to display one is to escape it.
    let given = |id: &PolicyId| AsRef::<str>::as_ref(id).to_owned();
    let mut ids: Vec<_> = response.diagnostics().reason().map(given).collect();
    ids.sort();
    Ok(ids)
}
