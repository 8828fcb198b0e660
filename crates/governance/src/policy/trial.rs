//! Policies tried before anything is published: checked, compared with Cedar, and asked the cases that their authors wrote down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ::policy::{Proof, ProofError};
use domain::data_map::RecipientKey;
use domain::policy::{
    AgeBand, Configuration, Fact, PolicyNumber, Question, Reasons, Release, Table, Why,
};
use domain::purpose_of_use::PurposeKey;
use serde::{Deserialize, Serialize};

use super::explain::{Hypothetical, hypothetical};
use super::lifecycle::{COMPARED, wrong};
use super::load::{Sources, check_settings, compile_sources, configuration};
use super::shadow::policy;
use crate::settings::Settings;
use crate::{Privity, Problem, consent, data_map, law, profile};

/// Policies that were checked.
#[derive(Debug)]
pub struct Checked {
    /// What they compile to.
    pub table: Table,
    /// How many answers of the table were compared with Cedar's.
    pub compared: usize,
    sources: Sources,
    configuration: Configuration,
}

impl Checked {
    /// Has a solver prove that nothing is allowed which a pack forbids. Blocks for as long as the solver thinks.
    ///
    /// # Errors
    /// No pack binds the business; there is no such solver, or it gives up.
    pub fn prove(&self, solver: &Path) -> Result<Proof, ProofError> {
        ::policy::prove(&self.sources.files(), &self.configuration, solver)
    }
}

/// A file of cases.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestFile {
    cases: Vec<Case>,
}

/// One case: a question, and what has to come of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What it says, as a sentence.
    case: String,
    recipient: String,
    purpose: String,
    /// The attributes that all have to come out so.
    attributes: Vec<String>,
    #[serde(default)]
    jurisdiction: Option<String>,
    #[serde(default)]
    age: Option<AgeBand>,
    /// Facts that are so.
    #[serde(default)]
    is: BTreeSet<Fact>,
    /// Facts that could not be found out.
    #[serde(default)]
    unknown: BTreeSet<Fact>,
    /// In which form they go out.
    expect: Release,
    /// The policy that decides it; any, where none is named.
    #[serde(default)]
    policy: Option<String>,
}

/// What came of cases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tested {
    /// Questions that came out as expected.
    pub passed: usize,
    /// What did not, in words.
    pub failed: Vec<String>,
    /// Policies that decided no case: nobody would notice if they were gone.
    pub untried: Vec<String>,
}

/// Checks the policies that the settings name, without a database.
///
/// # Errors
/// Everything that is wrong, with file and line; a table that differs from Cedar.
pub fn check_files(settings: &Settings) -> Result<Checked, Problem> {
    let setup = |error: &dyn std::fmt::Display| Problem::new("setup", 500, error.to_string());
    check_settings(settings).map_err(|error| wrong(&error))?;
    let sources = Sources::of(settings).map_err(|error| wrong(&error))?;
    let sources = sources.ok_or_else(super::lifecycle::no_policies)?;
    let law = law::load(settings.law.as_deref()).map_err(|error| setup(&error))?;
    let environment = |name: &str| std::env::var(name).ok();
    let loaded =
        data_map::load(&settings.data_map, &environment, &law).map_err(|error| setup(&error))?;
    let missing = |what: &str| Problem::new("setup", 500, format!("`{what}` is not set"));
    let schema = settings
        .profile
        .as_deref()
        .ok_or_else(|| missing("profile"))?;
    let schema = profile::load_schema(schema, &law).map_err(|error| setup(&error))?;
    let folder = settings
        .consent
        .as_deref()
        .ok_or_else(|| missing("consent"))?;
    let book = consent::load(folder, &loaded.map, &law).map_err(|error| setup(&error))?;
    let configuration = configuration(&schema.schema, &law, book.purposes(), &loaded.map);
    let compiled =
        compile_sources(&sources, &configuration, None).map_err(|faults| wrong(&faults))?;
    let compared = compiled.oracle.compare(&compiled.table, COMPARED);
    let compared = compared
        .map_err(|difference| Problem::new("policies_differ", 500, difference.to_string()))?;
    Ok(Checked {
        table: compiled.table,
        compared,
        sources,
        configuration,
    })
}

impl TestFile {
    /// Reads cases.
    ///
    /// # Errors
    /// What can't be read, with its line.
    pub fn parse(name: &str, text: &str) -> Result<Self, Problem> {
        serde_saphyr::from_str(text).map_err(|error| {
            let line = error.location().map_or(1, |place| place.line());
            let words = error.without_snippet().to_string();
            let words = words.lines().next().unwrap_or_default().to_owned();
            Problem::new("policies_wrong", 422, format!("{name}:{line}: {words}"))
        })
    }
}

/// Asks a table every case of these files.
pub fn run_tests(table: &Table, files: &[TestFile]) -> Tested {
    let mut tested = Tested::default();
    let mut tried: BTreeSet<PolicyNumber> = BTreeSet::new();
    for case in files.iter().flat_map(|file| &file.cases) {
        match case.run(table, &mut tried) {
            Ok(passed) => tested.passed += passed,
            Err(failed) => tested.failed.extend(
                failed
                    .into_iter()
                    .map(|why| format!("{}: {why}", case.case)),
            ),
        }
    }
    let all = (0..).map(PolicyNumber).zip(table.policies());
    let untried = all.filter(|(number, _)| !tried.contains(number));
    tested.untried = untried.map(|(_, policy)| policy.id.clone()).collect();
    tested
}

impl Case {
    fn run(&self, table: &Table, tried: &mut BTreeSet<PolicyNumber>) -> Result<usize, Vec<String>> {
        let (recipient, purpose) = (
            RecipientKey::from(self.recipient.as_str()),
            PurposeKey::from(self.purpose.as_str()),
        );
        let cell = table.cell(&recipient, &purpose).ok_or_else(|| {
            vec![format!("there is no recipient `{recipient}` or no purpose `{purpose}`; the data map and purposes.yaml list them")]
        })?;
        let who = Hypothetical {
            jurisdiction: self.jurisdiction.clone(),
            age: self.age,
            is: self.is.clone(),
            unknown: self.unknown.clone(),
        };
        let facts = hypothetical(table, cell, &who).map_err(|problem| vec![problem.title])?;
        let mut failed = Vec::new();
        for key in &self.attributes {
            let Some(slot) = table.layout().attribute(key) else {
                failed.push(format!("there is no attribute `{key}`"));
                continue;
            };
            let wanted = [slot].into_iter().collect();
            let question = Question {
                cell,
                facts: &facts,
                on: jiff::Timestamp::UNIX_EPOCH,
                wanted: &wanted,
            };
            let mut reasons = Reasons::new();
            let release = table
                .decide_with_reasons(&question, &mut reasons)
                .release(slot);
            let why = reasons.of(slot);
            take_in(tried, why);
            failed.extend(self.judge(table, key, release, why));
        }
        if failed.is_empty() {
            Ok(self.attributes.len())
        } else {
            Err(failed)
        }
    }

    fn judge(&self, table: &Table, key: &str, release: Release, why: Why) -> Option<String> {
        let by = policy(why).and_then(|number| Some(table.policy(number)?.id.clone()));
        let named = by.as_deref().unwrap_or("no policy");
        if release != self.expect {
            return Some(format!(
                "`{key}` goes out as `{release}` (by {named}), and `{}` was expected",
                self.expect
            ));
        }
        let wanted = self
            .policy
            .as_ref()
            .filter(|wanted| Some(*wanted) != by.as_ref());
        wanted.map(|wanted| format!("`{key}` is decided by {named}, and `{wanted}` was expected"))
    }
}

fn take_in(tried: &mut BTreeSet<PolicyNumber>, why: Why) {
    if let Why::Allowed { permit, .. } = why {
        tried.insert(permit);
    }
    tried.extend(policy(why));
}

/// The policies in force as a table that people read: for each recipient and purpose the attributes that can go out at all, with the
/// fullest form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatrixLine {
    /// By whom.
    pub recipient: String,
    /// For what.
    pub purpose: String,
    /// Attributes by the fullest form in which one can go out.
    pub attributes: BTreeMap<String, &'static str>,
}

impl Privity {
    /// Who can get what at all, whoever it is about.
    ///
    /// # Errors
    /// No policies are in force.
    pub fn policy_matrix(&self) -> Result<Vec<MatrixLine>, Problem> {
        let in_force = super::lifecycle::needed(self)?;
        let table = &in_force.table;
        let wanted = table.layout().attributes();
        let line = |cell| {
            let mut fullest: BTreeMap<String, Release> = BTreeMap::new();
            for seen in table.inputs(table, cell) {
                let decision = table.decide_seen(cell, seen, &wanted);
                for slot in decision.released().iter() {
                    let name = super::impact::attribute_name(table, slot);
                    let best = fullest.entry(name).or_insert(Release::Withhold);
                    *best = (*best).max(decision.release(slot));
                }
            }
            let (recipient, purpose) = super::impact::cell_names(table, cell);
            MatrixLine {
                recipient,
                purpose,
                attributes: fullest
                    .into_iter()
                    .map(|(key, form)| (key, form.text()))
                    .collect(),
            }
        };
        let all = table.cells().map(line);
        Ok(all.filter(|line| !line.attributes.is_empty()).collect())
    }
}
