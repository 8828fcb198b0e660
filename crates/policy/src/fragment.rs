//! The fragment: what a condition may say so that it comes to a formula over finitely many inputs. Every expression is a condition, or a few
//! possible values with the condition under which each is the one; operators work on all pairs. What lies outside is refused by name.

use std::collections::BTreeSet;

use cedar_policy::pst::{
    ActionConstraint, BinaryOp, Clause, EntityOrSlot, EntityUID, Expr, Literal as Constant,
    PatternElem, PrincipalConstraint, ResourceConstraint, Template, UnaryOp, Var,
};
use domain::policy::{
    AgeBand, AttributeSet, Configuration, Fact, Layout, PolicyPurpose, PolicyRecipient,
};

use crate::formula::{Formula, Literal, Whole};
use crate::model::{
    ACTION, AGE, ATTRIBUTE, Atom, CATEGORY, JURISDICTION, LEAST_AGE, Model,
    PURPOSE_DECLARES_ATTRIBUTE, PURPOSE_DECLARES_RECIPIENT, RECIPIENT,
    RECIPIENT_DECLARES_ATTRIBUTE, ROLE, SENSITIVE_CATEGORY, Uid, uid,
};

/// Pairs of values that one operator may compare.
const MOST_PAIRS: usize = 65_536;
/// Expressions within expressions.
const MOST_DEEP: usize = 64;

/// Why a condition lies outside the fragment.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Outside {
    #[error(
        "uses {0}, which lies outside the fragment of docs/guides/policies.md; say it with ==, !=, in, contains, has, like, <, <=, >, >=, &&, || and !"
    )]
    Construct(&'static str),
    #[error("asks for `{0}`, which nothing has; the facts and attributes are in the schema")]
    NoAttribute(String),
    #[error("names {kind}::\"{id}\", which is not there; {near}")]
    NoEntity {
        kind: String,
        id: String,
        near: String,
    },
    #[error("compares {what} with \"{value}\", which it never is; it is one of {known}")]
    NeverEqual {
        what: &'static str,
        value: String,
        known: String,
    },
    #[error("puts {0} where a condition belongs")]
    NoCondition(&'static str),
    #[error("compares more values than can be told apart; say it more simply")]
    TooManyValues,
    #[error("has conditions within conditions more than {MOST_DEEP} deep; say it more simply")]
    TooDeep,
}

impl Outside {
    /// Whether Cedar could say it, and only the fragment can't; all else is a mistake.
    pub(crate) const fn is_more_than_the_fragment(&self) -> bool {
        matches!(
            self,
            Self::Construct(_) | Self::TooManyValues | Self::TooDeep
        )
    }
}

/// One recipient and one purpose, in which principal and action are constants.
pub(crate) struct CellView<'a> {
    pub(crate) model: &'a Model,
    pub(crate) configuration: &'a Configuration,
    pub(crate) layout: &'a Layout,
    pub(crate) whole: Whole,
    pub(crate) recipient: &'a PolicyRecipient,
    pub(crate) purpose: &'a PolicyPurpose,
}

/// What an expression is.
#[derive(Clone, Debug)]
enum Meaning {
    /// So where the formula holds.
    Condition(Formula),
    /// One of these, each where its formula holds.
    Values(Values),
    /// The context, of which only attributes can be asked.
    Context,
    /// A set written out.
    Set(Vec<Meaning>),
}

#[derive(Clone, Debug)]
struct Values {
    /// The fact that they are values of, where it is one that only takes some.
    of: Option<&'static str>,
    cases: Vec<(Atom, Formula)>,
}

type Found<T> = Result<T, Outside>;

impl CellView<'_> {
    /// Where the policy applies. What its clauses say is read in one cell at least, also where its scope leaves the cell out: a fault is
    /// found whatever the configuration.
    pub(crate) fn condition(&self, policy: &Template, reads_all: bool) -> Found<Formula> {
        let scope = self.scope(policy)?;
        if !reads_all && scope == Formula::False {
            return Ok(Formula::False);
        }
        let mut parts = vec![scope];
        for clause in policy.clauses() {
            let part = match clause {
                Clause::When(expr) => self.is_so(expr, 0)?,
                Clause::Unless(expr) => self.whole.negation(&self.is_so(expr, 0)?),
            };
            parts.push(part);
        }
        Ok(self.whole.all(parts))
    }

    /// What stands between the brackets of `permit` and `forbid`.
    pub(crate) fn scope(&self, policy: &Template) -> Found<Formula> {
        Ok(self.whole.all(vec![
            self.principal(&policy.principal)?,
            self.action(&policy.action)?,
            self.resource(&policy.resource)?,
        ]))
    }

    fn principal(&self, scope: &PrincipalConstraint) -> Found<Formula> {
        let own = self.principal_value();
        match scope {
            PrincipalConstraint::Any => Ok(Formula::True),
            PrincipalConstraint::Eq(entity) => self.equal(&own, &self.scoped(entity)?),
            PrincipalConstraint::In(entity) => self.within(&own, &self.scoped(entity)?),
            PrincipalConstraint::Is(kind) => Ok(truth(kind.to_string() == RECIPIENT)),
            PrincipalConstraint::IsIn(kind, entity) => {
                let within = self.within(&own, &self.scoped(entity)?)?;
                Ok(self
                    .whole
                    .all(vec![truth(kind.to_string() == RECIPIENT), within]))
            }
        }
    }

    fn action(&self, scope: &ActionConstraint) -> Found<Formula> {
        let own = self.action_value();
        match scope {
            ActionConstraint::Any => Ok(Formula::True),
            ActionConstraint::Eq(entity) => self.equal(&own, &self.entity(entity)?),
            ActionConstraint::In(entities) => {
                let groups: Vec<_> = entities
                    .iter()
                    .map(|entity| self.entity(entity))
                    .collect::<Result<_, _>>()?;
                self.within(&own, &Meaning::Set(groups))
            }
        }
    }

    fn resource(&self, scope: &ResourceConstraint) -> Found<Formula> {
        let own = self.resource_values();
        match scope {
            ResourceConstraint::Any => Ok(Formula::True),
            ResourceConstraint::Eq(entity) => self.equal(&own, &self.scoped(entity)?),
            ResourceConstraint::In(entity) => self.within(&own, &self.scoped(entity)?),
            ResourceConstraint::Is(kind) => Ok(truth(kind.to_string() == ATTRIBUTE)),
            ResourceConstraint::IsIn(kind, entity) => {
                let within = self.within(&own, &self.scoped(entity)?)?;
                Ok(self
                    .whole
                    .all(vec![truth(kind.to_string() == ATTRIBUTE), within]))
            }
        }
    }

    fn scoped(&self, entity: &EntityOrSlot) -> Found<Meaning> {
        match entity {
            EntityOrSlot::Entity(entity) => self.entity(entity),
            EntityOrSlot::Slot(_) => Err(Outside::Construct("a slot of a template")),
        }
    }

    /// An entity that a policy names; it has to be there.
    fn entity(&self, entity: &EntityUID) -> Found<Meaning> {
        let kind = entity.ty.to_string();
        let known = [
            RECIPIENT,
            ROLE,
            ATTRIBUTE,
            CATEGORY,
            SENSITIVE_CATEGORY,
            ACTION,
        ];
        let named = known
            .into_iter()
            .find(|name| **name == kind)
            .map(|kind| uid(kind, &entity.eid));
        match named {
            Some(named) if self.model.knows(&named) => Ok(constant(Atom::Entity(named))),
            named => Err(Outside::NoEntity {
                near: named.map_or_else(
                    || "its type is none of the schema's".to_owned(),
                    |named| near(&named.id, &self.model.ids(named.kind)),
                ),
                id: entity.eid.to_string(),
                kind,
            }),
        }
    }

    fn is_so(&self, expr: &Expr, deep: usize) -> Found<Formula> {
        match self.meaning(expr, deep)? {
            Meaning::Condition(formula) => Ok(formula),
            Meaning::Values(_) => Err(Outside::NoCondition("a value")),
            Meaning::Context => Err(Outside::NoCondition("the context")),
            Meaning::Set(_) => Err(Outside::NoCondition("a set")),
        }
    }

    fn meaning(&self, expr: &Expr, deep: usize) -> Found<Meaning> {
        if deep > MOST_DEEP {
            return Err(Outside::TooDeep);
        }
        let deep = deep + 1;
        match expr {
            Expr::Literal(literal) => self.literal(literal),
            Expr::Var(var) => Ok(match var {
                Var::Principal => self.principal_value(),
                Var::Action => self.action_value(),
                Var::Resource => self.resource_values(),
                Var::Context => Meaning::Context,
            }),
            Expr::UnaryOp { op, expr } => self.unary(*op, expr, deep),
            Expr::BinaryOp { op, left, right } => self.binary(*op, left, right, deep),
            Expr::GetAttr { expr, attr } => self.attribute(&self.meaning(expr, deep)?, attr),
            Expr::HasAttr { expr, attrs } => self.has(&self.meaning(expr, deep)?, attrs.iter()),
            Expr::Like { expr, pattern } => self.like(&self.meaning(expr, deep)?, pattern),
            Expr::Is {
                expr,
                entity_type,
                in_expr,
            } => {
                let own = self.meaning(expr, deep)?;
                let mut parts = vec![self.is_kind(&own, &entity_type.to_string())?];
                if let Some(above) = in_expr {
                    parts.push(self.within(&own, &self.meaning(above, deep)?)?);
                }
                Ok(Meaning::Condition(self.whole.all(parts)))
            }
            Expr::IfThenElse {
                cond,
                then_expr,
                else_expr,
            } => self.choice(cond, then_expr, else_expr, deep),
            Expr::Set(items) => {
                let items = items.iter().map(|item| self.meaning(item, deep));
                Ok(Meaning::Set(items.collect::<Result<_, _>>()?))
            }
            Expr::Slot(_) => Err(Outside::Construct("a slot of a template")),
            Expr::Record(_) => Err(Outside::Construct("a record")),
            _ => Err(Outside::Construct("an expression that it does not know")),
        }
    }

    fn literal(&self, literal: &Constant) -> Found<Meaning> {
        Ok(match literal {
            Constant::Bool(is) => Meaning::Condition(truth(*is)),
            Constant::Long(number) => constant(Atom::Long(*number)),
            Constant::String(text) => constant(Atom::Text(text.to_string())),
            Constant::EntityUID(entity) => self.entity(entity)?,
            _ => return Err(Outside::Construct("a literal that it does not know")),
        })
    }

    fn unary(&self, op: UnaryOp, expr: &Expr, deep: usize) -> Found<Meaning> {
        let condition = match op {
            UnaryOp::Not => self.whole.negation(&self.is_so(expr, deep)?),
            UnaryOp::IsEmpty => match self.meaning(expr, deep)? {
                Meaning::Set(items) => truth(items.is_empty()),
                _ => return Err(Outside::Construct("isEmpty of what is no set written out")),
            },
            UnaryOp::Neg => return Err(Outside::Construct("arithmetic")),
            _ => {
                return Err(Outside::Construct(
                    "a function of an extension (ip, decimal, datetime, duration)",
                ));
            }
        };
        Ok(Meaning::Condition(condition))
    }

    fn binary(&self, op: BinaryOp, left: &Expr, right: &Expr, deep: usize) -> Found<Meaning> {
        if let BinaryOp::And | BinaryOp::Or = op {
            let parts = chain(op, left, right).into_iter();
            let parts: Vec<_> = parts
                .map(|part| self.is_so(part, deep))
                .collect::<Result<_, _>>()?;
            let joined = if op == BinaryOp::And {
                self.whole.all(parts)
            } else {
                self.whole.any(parts)
            };
            return Ok(Meaning::Condition(joined));
        }
        let (left, right) = (self.meaning(left, deep)?, self.meaning(right, deep)?);
        let condition = match op {
            BinaryOp::Eq => self.equal(&left, &right)?,
            BinaryOp::NotEq => self.whole.negation(&self.equal(&left, &right)?),
            BinaryOp::Less => self.ordered(&left, &right, |one, other| one < other)?,
            BinaryOp::LessEq => self.ordered(&left, &right, |one, other| one <= other)?,
            BinaryOp::Greater => self.ordered(&left, &right, |one, other| one > other)?,
            BinaryOp::GreaterEq => self.ordered(&left, &right, |one, other| one >= other)?,
            BinaryOp::In => self.within(&left, &right)?,
            BinaryOp::Contains => self.contains(&left, &right)?,
            BinaryOp::ContainsAll => self.of_sets(&left, &right, Whole::all)?,
            BinaryOp::ContainsAny => self.of_sets(&left, &right, Whole::any)?,
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul => {
                return Err(Outside::Construct("arithmetic"));
            }
            BinaryOp::GetTag | BinaryOp::HasTag => return Err(Outside::Construct("tags")),
            _ => {
                return Err(Outside::Construct(
                    "a function of an extension (ip, decimal, datetime, duration)",
                ));
            }
        };
        Ok(Meaning::Condition(condition))
    }

    fn choice(&self, cond: &Expr, then: &Expr, other: &Expr, deep: usize) -> Found<Meaning> {
        let cond = self.is_so(cond, deep)?;
        let not = self.whole.negation(&cond);
        match (self.meaning(then, deep)?, self.meaning(other, deep)?) {
            (Meaning::Condition(then), Meaning::Condition(other)) => {
                let then = self.whole.all(vec![cond, then]);
                let other = self.whole.all(vec![not, other]);
                Ok(Meaning::Condition(self.whole.any(vec![then, other])))
            }
            (Meaning::Values(then), Meaning::Values(other)) => {
                let under = |guard: &Formula, values: Values| -> Vec<_> {
                    let cases = values.cases.into_iter();
                    cases
                        .map(|(atom, own)| (atom, self.whole.all(vec![guard.clone(), own])))
                        .collect()
                };
                let mut cases = under(&cond, then);
                cases.extend(under(&not, other));
                Ok(Meaning::Values(Values { of: None, cases }))
            }
            _ => Err(Outside::Construct("if with sets or records")),
        }
    }

    fn principal_value(&self) -> Meaning {
        constant(Atom::Entity(uid(RECIPIENT, self.recipient.key.as_ref())))
    }

    fn action_value(&self) -> Meaning {
        constant(Atom::Entity(uid(ACTION, self.purpose.key.as_ref())))
    }

    fn resource_values(&self) -> Meaning {
        let attributes = self.configuration.attributes.iter();
        let cases = attributes.filter_map(|attribute| {
            let slot = self.layout.attribute(attribute.key.as_ref())?;
            let literal = Literal::Attribute([slot].into_iter().collect());
            let atom = Atom::Entity(uid(ATTRIBUTE, attribute.key.as_ref()));
            Some((atom, self.whole.literal(literal)))
        });
        Meaning::Values(Values {
            of: None,
            cases: cases.collect(),
        })
    }

    fn attribute(&self, of: &Meaning, name: &str) -> Found<Meaning> {
        let unknown = || Outside::NoAttribute(name.to_owned());
        match of {
            Meaning::Context => self.fact(name).ok_or_else(unknown),
            Meaning::Values(values) => {
                let mut cases = Vec::new();
                for (atom, guard) in &values.cases {
                    let Atom::Entity(entity) = atom else {
                        return Err(unknown());
                    };
                    let value = self.model.attribute(entity, name).ok_or_else(unknown)?;
                    cases.push((value.clone(), guard.clone()));
                }
                Ok(self.joined(cases))
            }
            _ => Err(unknown()),
        }
    }

    /// Values that came from attributes: a condition where they are so or not.
    fn joined(&self, cases: Vec<(Atom, Formula)>) -> Meaning {
        let is_bool = |(atom, _): &(Atom, Formula)| matches!(atom, Atom::Bool(_));
        if !cases.is_empty() && cases.iter().all(is_bool) {
            let so = cases
                .into_iter()
                .filter(|(atom, _)| *atom == Atom::Bool(true));
            let so = so.map(|(_, guard)| guard).collect();
            return Meaning::Condition(self.whole.any(so));
        }
        Meaning::Values(Values { of: None, cases })
    }

    fn fact(&self, name: &str) -> Option<Meaning> {
        if let Some(fact) = Fact::parse(name) {
            let literal = Literal::Fact(fact, true);
            return Some(Meaning::Condition(self.whole.literal(literal)));
        }
        let declared = |is: &dyn Fn(&domain::policy::PolicyAttribute) -> bool| {
            let attributes = self.configuration.attributes.iter();
            let declared = attributes.filter(|attribute| is(attribute));
            let slots = declared.filter_map(|one| self.layout.attribute(one.key.as_ref()));
            let slots: AttributeSet = slots.collect();
            Meaning::Condition(self.whole.literal(Literal::Attribute(slots)))
        };
        match name {
            PURPOSE_DECLARES_ATTRIBUTE => Some(declared(&|one| self.purpose.declares(one))),
            RECIPIENT_DECLARES_ATTRIBUTE => Some(declared(&|one| self.recipient.declares(one))),
            PURPOSE_DECLARES_RECIPIENT => {
                let is = self.purpose.recipients.contains(&self.recipient.key);
                Some(Meaning::Condition(truth(is)))
            }
            JURISDICTION => Some(self.jurisdiction()),
            AGE => Some(self.ages("age", |band| Atom::Text(band.text().to_owned()))),
            LEAST_AGE => Some(self.ages("least_age", |band| Atom::Long(band.least_years()))),
            _ => None,
        }
    }

    fn jurisdiction(&self) -> Meaning {
        let names = (0u32..).zip(self.layout.jurisdictions());
        let cases = names.map(|(bit, name)| {
            let literal = self.whole.literal(Literal::Place(1 << bit));
            (Atom::Text(name.clone()), literal)
        });
        Meaning::Values(Values {
            of: Some("the jurisdiction"),
            cases: cases.collect(),
        })
    }

    fn ages(&self, of: &'static str, value: impl Fn(AgeBand) -> Atom) -> Meaning {
        let bands = (0u32..).zip(AgeBand::ALL);
        let cases =
            bands.map(|(bit, band)| (value(band), self.whole.literal(Literal::Age(1 << bit))));
        Meaning::Values(Values {
            of: (of == AGE).then_some("the age"),
            cases: cases.collect(),
        })
    }

    fn has<'n>(
        &self,
        of: &Meaning,
        names: impl Iterator<Item = impl AsRef<str> + 'n>,
    ) -> Found<Meaning> {
        let names: Vec<_> = names.collect();
        let [name] = names.as_slice() else {
            return Err(Outside::Construct("has with a path"));
        };
        // Every fact is always there, and so is every attribute of its type; asking for another one is a mistake that Cedar answers with false.
        self.attribute(of, name.as_ref())?;
        Ok(Meaning::Condition(Formula::True))
    }

    fn like(&self, of: &Meaning, pattern: &[PatternElem]) -> Found<Meaning> {
        let Meaning::Values(values) = of else {
            return Err(Outside::Construct("like on what is no text"));
        };
        let mut so = Vec::new();
        for (atom, guard) in &values.cases {
            let Atom::Text(text) = atom else {
                return Err(Outside::Construct("like on what is no text"));
            };
            let text: Vec<char> = text.chars().collect();
            if matches(&text, pattern) {
                so.push(guard.clone());
            }
        }
        Ok(Meaning::Condition(self.whole.any(so)))
    }

    fn is_kind(&self, of: &Meaning, kind: &str) -> Found<Formula> {
        let Meaning::Values(values) = of else {
            return Err(Outside::Construct("is on what is no entity"));
        };
        let so = values
            .cases
            .iter()
            .filter(|(atom, _)| matches!(atom, Atom::Entity(entity) if entity.kind == kind));
        Ok(self.whole.any(so.map(|(_, guard)| guard.clone()).collect()))
    }

    fn equal(&self, left: &Meaning, right: &Meaning) -> Found<Formula> {
        match (left, right) {
            (Meaning::Condition(left), Meaning::Condition(right)) => {
                let not = |one: &Formula| self.whole.negation(one);
                let both = self.whole.all(vec![left.clone(), right.clone()]);
                let neither = self.whole.all(vec![not(left), not(right)]);
                Ok(self.whole.any(vec![both, neither]))
            }
            (Meaning::Values(left), Meaning::Values(right)) => {
                check_known(left, right)?;
                check_known(right, left)?;
                self.pairs(left, right, |one, other| Ok(one == other))
            }
            _ => Err(Outside::Construct("== between what is not of one kind")),
        }
    }

    fn ordered(
        &self,
        left: &Meaning,
        right: &Meaning,
        is_so: fn(i64, i64) -> bool,
    ) -> Found<Formula> {
        let (Meaning::Values(left), Meaning::Values(right)) = (left, right) else {
            return Err(Outside::Construct("an order between what are no numbers"));
        };
        self.pairs(left, right, |one, other| match (one, other) {
            (Atom::Long(one), Atom::Long(other)) => Ok(is_so(*one, *other)),
            _ => Err(Outside::Construct("an order between what are no numbers")),
        })
    }

    fn within(&self, left: &Meaning, right: &Meaning) -> Found<Formula> {
        if let Meaning::Set(groups) = right {
            let each = groups.iter().map(|group| self.within(left, group));
            return Ok(self.whole.any(each.collect::<Result<_, _>>()?));
        }
        let (Meaning::Values(left), Meaning::Values(right)) = (left, right) else {
            return Err(Outside::Construct("in between what are no entities"));
        };
        self.pairs(left, right, |one, other| match (one, other) {
            (Atom::Entity(one), Atom::Entity(other)) => Ok(self.is_in(one, other)),
            _ => Err(Outside::Construct("in between what are no entities")),
        })
    }

    fn is_in(&self, one: &Uid, other: &Uid) -> bool {
        self.model.is_in(one, other)
    }

    fn contains(&self, set: &Meaning, item: &Meaning) -> Found<Formula> {
        let Meaning::Set(items) = set else {
            return Err(Outside::Construct("contains of what is no set written out"));
        };
        let each = items.iter().map(|one| self.equal(one, item));
        Ok(self.whole.any(each.collect::<Result<_, _>>()?))
    }

    fn of_sets(
        &self,
        set: &Meaning,
        items: &Meaning,
        join: fn(&Whole, Vec<Formula>) -> Formula,
    ) -> Found<Formula> {
        let Meaning::Set(items) = items else {
            return Err(Outside::Construct(
                "containsAll or containsAny with what is no set written out",
            ));
        };
        let each = items.iter().map(|item| self.contains(set, item));
        Ok(join(&self.whole, each.collect::<Result<_, _>>()?))
    }

    /// Where a pair of values is as asked.
    fn pairs(
        &self,
        left: &Values,
        right: &Values,
        is_so: impl Fn(&Atom, &Atom) -> Found<bool>,
    ) -> Found<Formula> {
        if left.cases.len() * right.cases.len() > MOST_PAIRS {
            return Err(Outside::TooManyValues);
        }
        let mut so = Vec::new();
        for (one, when) in &left.cases {
            for (other, and_when) in &right.cases {
                if is_so(one, other)? {
                    so.push(self.whole.all(vec![when.clone(), and_when.clone()]));
                }
            }
        }
        Ok(self.whole.any(so))
    }
}

/// The parts of `a && b && c`, which Cedar nests to the left: a long list is not deep.
fn chain<'e>(op: BinaryOp, left: &'e Expr, right: &'e Expr) -> Vec<&'e Expr> {
    let mut parts = vec![right];
    let mut rest = left;
    while let Expr::BinaryOp {
        op: same,
        left,
        right,
    } = rest
        && *same == op
    {
        parts.push(right);
        rest = left;
    }
    parts.push(rest);
    parts.reverse();
    parts
}

fn constant(atom: Atom) -> Meaning {
    Meaning::Values(Values {
        of: None,
        cases: vec![(atom, Formula::True)],
    })
}

const fn truth(is: bool) -> Formula {
    if is { Formula::True } else { Formula::False }
}

/// A text that a fact never is would make a policy that never applies: a mistake that nobody would notice.
fn check_known(values: &Values, constant: &Values) -> Found<()> {
    let (Some(what), [(Atom::Text(text), Formula::True)]) = (values.of, constant.cases.as_slice())
    else {
        return Ok(());
    };
    let names = values.cases.iter().filter_map(|(atom, _)| match atom {
        Atom::Text(name) => Some(name.as_str()),
        _ => None,
    });
    let names: Vec<_> = names.collect();
    if names.contains(&text.as_str()) {
        return Ok(());
    }
    Err(Outside::NeverEqual {
        what,
        value: text.clone(),
        known: names.join(", "),
    })
}

/// Whether a text fits a pattern.
fn matches(text: &[char], pattern: &[PatternElem]) -> bool {
    let mut reached: BTreeSet<usize> = [0].into();
    for element in pattern {
        reached = match element {
            PatternElem::Char(wanted) => reached
                .into_iter()
                .filter(|at| text.get(*at) == Some(wanted))
                .map(|at| at + 1)
                .collect(),
            PatternElem::Wildcard => {
                let first = reached.first().copied();
                first.map_or_else(BTreeSet::new, |first| (first..=text.len()).collect())
            }
        };
    }
    reached.contains(&text.len())
}

/// What may have been meant.
fn near(id: &str, known: &[&str]) -> String {
    let alike = |name: &&&str| {
        let (short, long) = if name.len() < id.len() {
            (**name, id)
        } else {
            (id, **name)
        };
        long.contains(short) || name.get(..3).is_some_and(|head| id.starts_with(head))
    };
    let alike: Vec<_> = known.iter().filter(alike).take(5).copied().collect();
    if !alike.is_empty() {
        return format!("did you mean {}?", alike.join(" or "));
    }
    if known.len() <= 12 {
        return format!("known are {}", known.join(", "));
    }
    "the schema names all that are".to_owned()
}
