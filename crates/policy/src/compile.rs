//! From files of policies and a configuration to a table: read, checked against the schema by Cedar, brought to masks cell by cell.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{PolicySet, Schema, ValidationMode, Validator};
use domain::policy::{
    AttributeSet, Configuration, Conjunction, Layout, RuleDraft, Table, TableDraft,
};

use crate::fault::{Fault, Faults};
use crate::formula::{Formula, MOST_TERMS, Term, Whole};
use crate::fragment::CellView;
use crate::model::Model;
use crate::oracle::Oracle;
use crate::room::with_room;
use crate::slow::{Slow, Slowly};
use crate::source::{PolicyFile, Read, read};

/// What compiling gives.
#[derive(Debug)]
pub struct Compiled {
    /// What decides.
    pub table: Table,
    /// Cedar on the same policies, to compare it with: see [`Oracle::compare`].
    pub oracle: Oracle,
}

/// Compiles. Policies keep the order of the files and of their lines; put those of laws first, so that reasons name them first. `before` is
/// the layout in force, so that facts which were written under it stay readable; none for the first table.
///
/// # Errors
/// [`Faults`], each with file, line and what to do: no Cedar, annotations that lack or repeat, names that the configuration doesn't
/// have, types that don't fit, what lies outside the fragment, a configuration that is too large.
pub fn compile(
    files: &[PolicyFile],
    configuration: &Configuration,
    before: Option<&Layout>,
) -> Result<Compiled, Faults> {
    let compiled = with_room(|| compile_here(files, configuration, before));
    compiled.unwrap_or_else(|| {
        let problem =
            "no thread could be started to compile on; try again when the machine has memory";
        Err(in_order(vec![of_configuration(problem.to_owned())]))
    })
}

fn compile_here(
    files: &[PolicyFile],
    configuration: &Configuration,
    before: Option<&Layout>,
) -> Result<Compiled, Faults> {
    let policies = read(files).map_err(in_order)?;
    let model = Model::of(configuration);
    let general = |error: String| in_order(vec![of_configuration(error)]);
    let layout = before.map_or_else(
        || Layout::of(configuration),
        |before| before.after(configuration),
    );
    let layout = Arc::new(layout.map_err(|error| general(error.to_string()))?);
    let schema = model
        .schema(configuration)
        .map_err(|error| general(error.to_string()))?;
    let rules = rules(&policies, &model, &schema, configuration, &layout);
    let rules = rules.map_err(in_order)?;
    validate(&policies, &schema).map_err(in_order)?;
    let draft = TableDraft {
        layout: Arc::clone(&layout),
        policies: policies.iter().map(|read| read.policy.clone()).collect(),
        rules,
    };
    let table = draft.build().map_err(|error| general(error.to_string()))?;
    let oracle = Oracle::new(&policies, &model, &schema, configuration, layout);
    let oracle = oracle.map_err(|error| general(error.to_string()))?;
    Ok(Compiled { table, oracle })
}

fn in_order(mut faults: Vec<Fault>) -> Faults {
    faults.sort();
    faults.dedup();
    Faults(faults)
}

fn of_configuration(problem: String) -> Fault {
    Fault {
        file: "configuration".to_owned(),
        line: 1,
        policy: None,
        problem,
    }
}

/// Cedar's own check of types, strict: what passes it never fails when it is evaluated.
fn validate(policies: &[Read], schema: &Schema) -> Result<(), Vec<Fault>> {
    let set = PolicySet::from_policies(policies.iter().map(|read| read.cedar.clone()));
    let set = set.map_err(|error| vec![of_configuration(error.to_string())])?;
    let checked = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    let by_id: BTreeMap<&str, &Read> = policies
        .iter()
        .map(|read| (read.policy.id.as_str(), read))
        .collect();
    let faults: Vec<_> = checked
        .validation_errors()
        .filter_map(|error| {
            let read = by_id.get(AsRef::<str>::as_ref(error.policy_id()))?;
            let error = DetailedError::from(error);
            let help = error
                .help
                .map_or_else(String::new, |help| format!("; {help}"));
            Some(read.fault(format!("does not fit the schema: {}{help}", error.message)))
        })
        .collect();
    if faults.is_empty() && !checked.validation_passed() {
        return Err(vec![of_configuration(
            "Cedar refuses the policies".to_owned(),
        )]);
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

/// What each policy does in each cell.
fn rules(
    policies: &[Read],
    model: &Model,
    schema: &Schema,
    configuration: &Configuration,
    layout: &Arc<Layout>,
) -> Result<Vec<RuleDraft>, Vec<Fault>> {
    let mut slow = Slow::new(policies, model, schema, configuration, layout);
    let mut rules = Vec::new();
    let mut faults = Vec::new();
    let whole = Whole::of(layout);
    let mut is_first = true;
    for (own, recipient) in configuration.recipients.iter().enumerate() {
        for (use_number, purpose) in configuration.purposes.iter().enumerate() {
            let view = CellView {
                model,
                configuration,
                layout,
                whole,
                recipient,
                purpose,
            };
            for (number, read) in policies.iter().enumerate() {
                let slowly = Slowly {
                    number,
                    read,
                    recipient: (own, recipient),
                    purpose: (use_number, purpose),
                };
                match rules_of(&view, &slowly, &mut slow, is_first) {
                    Ok(made) => rules.extend(made),
                    Err(problem) => faults.push(read.fault(problem)),
                }
            }
            is_first = false;
        }
    }
    if faults.is_empty() {
        Ok(rules)
    } else {
        Err(faults)
    }
}

fn rules_of(
    view: &CellView<'_>,
    one: &Slowly<'_>,
    slow: &mut Slow<'_>,
    reads_all: bool,
) -> Result<Vec<RuleDraft>, String> {
    let formula = match view.condition(&one.read.tree, reads_all) {
        Err(outside) if one.read.is_slow() && outside.is_more_than_the_fragment() => {
            slow_condition(view, one, slow)?
        }
        read => read.map_err(|outside| outside.to_string())?,
    };
    if formula == Formula::False {
        return Ok(Vec::new());
    }
    let terms = view.whole.terms(&formula).map_err(|_| {
        format!("comes to more than {MOST_TERMS} alternatives; write it as several policies")
    })?;
    let places = view
        .layout
        .recipient(&view.recipient.key)
        .zip(view.layout.purpose(&view.purpose.key));
    let Some((recipient, purpose)) = places else {
        return Ok(Vec::new());
    };
    let rule = |(attributes, conjunctions)| RuleDraft {
        recipient,
        purpose,
        policy: one.number,
        attributes,
        conjunctions,
    };
    Ok(by_attributes(&terms, view.layout)
        .into_iter()
        .map(rule)
        .collect())
}

/// Where a policy applies whose conditions Cedar has to be asked about.
fn slow_condition(
    view: &CellView<'_>,
    one: &Slowly<'_>,
    slow: &mut Slow<'_>,
) -> Result<Formula, String> {
    let scope = view.scope(&one.read.tree);
    let scope = scope.map_err(|outside| outside.to_string())?;
    if scope == Formula::False {
        return Ok(scope);
    }
    Ok(view.whole.all(vec![scope, slow.conditions(one)?]))
}

/// Terms that are about the same attributes make one rule.
fn by_attributes(terms: &[Term], layout: &Layout) -> BTreeMap<AttributeSet, Vec<Conjunction>> {
    let mut rules: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for term in terms {
        let conjunctions = rules.entry(term.attributes).or_default();
        conjunctions.push(term.whole_conjunction(layout));
    }
    rules
}
