//! The policies as operators look at them: what decides now and by whom, whether the cases of their authors hold, and recipients × purposes ×
//! attributes for one subject or for somebody of whom only facts are given.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use domain::audit::Actor;
use domain::data_map::RecipientKey;
use domain::policy::{AgeBand, Cell, Fact, Question, Reasons, SubjectFacts, Table, Why};
use domain::purpose_of_use::PurposeKey;
use jiff::Timestamp;
use serde::Serialize;

use super::explain::{Hypothetical, Kind, PolicyShown, Who, hypothetical};
use super::impact::{attribute_name, cell_names, in_words};
use super::lifecycle::{needed, wrong};
use super::trial::{TestFile, Tested, run_tests};
use crate::{Privity, Problem};

/// What decides now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deciding {
    /// The version, counted from 1.
    pub version: u64,
    /// Packs that bind the business besides its own policies.
    pub packs: Vec<String>,
    /// All policies in force, in the order in which reasons name them.
    pub policies: Vec<PolicyShown>,
    /// What the cases beside the policies come to, asked of this version; none where the folder has no cases.
    pub cases: Option<Cases>,
}

/// What became of the cases beside the policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cases {
    /// They were asked.
    Asked(Tested),
    /// They can't be read, and why.
    Unreadable(String),
}

/// Who gets what for one subject, or for somebody of whom only facts are given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecidedMatrix {
    /// The version of the policies.
    pub version: u64,
    /// Recipients and purposes of which some policy speaks.
    pub lines: Vec<DecidedLine>,
}

/// What one recipient gets for one purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecidedLine {
    /// Who.
    pub recipient: String,
    /// What for.
    pub purpose: String,
    /// What is known, in words, as far as it counts here.
    pub known: String,
    /// Attributes that go out, or that a policy is about.
    pub cells: Vec<DecidedCell>,
}

/// What becomes of one attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecidedCell {
    /// Its key.
    pub attribute: String,
    /// In which form it goes out.
    pub release: &'static str,
    /// Which way the decision goes.
    pub kind: Kind,
    /// The policy that decides, or of those that permit the one that misses least.
    pub policy: Option<PolicyShown>,
    /// The forbid that took a fuller form away.
    pub limited_by: Option<PolicyShown>,
}

impl Privity {
    /// What decides now.
    ///
    /// # Errors
    /// No policies are in force.
    pub async fn deciding_policies(&self) -> Result<Deciding, Problem> {
        let in_force = needed(self)?;
        let folder = self.settings().policies.clone();
        let work = move || {
            let policies = in_force.table.policies().iter();
            Deciding {
                version: in_force.version,
                packs: Vec::new(),
                policies: policies
                    .map(|policy| PolicyShown {
                        id: policy.id.clone(),
                        title: policy.title.clone(),
                        citation: policy.citation.clone(),
                    })
                    .collect(),
                cases: folder.and_then(|folder| cases(&folder, &in_force.table)),
            }
        };
        let done = tokio::task::spawn_blocking(work).await;
        let deciding = done.map_err(|error| Problem::internal("asking cases", &error))?;
        Ok(Deciding {
            packs: self.settings().policy_packs.clone(),
            ..deciding
        })
    }

    /// Who gets what for somebody, and by which policies. That somebody looked at a subject is recorded.
    ///
    /// # Errors
    /// No policies are in force; a jurisdiction that there is not, or a subject; our database doesn't answer.
    pub async fn decided_matrix(&self, who: &Who, by: Actor) -> Result<DecidedMatrix, Problem> {
        let in_force = needed(self)?;
        let on = self.now();
        let subject = match who {
            Who::Subject(id) => Some(self.known_of(*id, &in_force, on, by).await?.0),
            Who::Hypothetical(_) => None,
        };
        let table = &in_force.table;
        let mut lines = Vec::new();
        for cell in table.cells() {
            let facts = match (&subject, who) {
                (None, Who::Hypothetical(who)) => hypothetical(table, cell, who)?,
                (Some(facts), _) => facts.clone(),
                (None, Who::Subject(_)) => continue,
            };
            lines.extend(line(table, cell, &facts, on));
        }
        Ok(DecidedMatrix {
            version: in_force.version,
            lines,
        })
    }
}

/// None where no policy is about anything.
fn line(table: &Table, cell: Cell, facts: &SubjectFacts, on: Timestamp) -> Option<DecidedLine> {
    let wanted = table.layout().attributes();
    let question = Question {
        cell,
        facts,
        on,
        wanted: &wanted,
    };
    let mut reasons = Reasons::new();
    let decision = table.decide_with_reasons(&question, &mut reasons);
    let shown = |number| {
        table.policy(number).map(|policy| PolicyShown {
            id: policy.id.clone(),
            title: policy.title.clone(),
            citation: policy.citation.clone(),
        })
    };
    let mut cells = Vec::new();
    for (slot, why) in reasons.iter() {
        let (kind, policy, limited_by) = match why {
            Why::Allowed {
                permit, limited_by, ..
            } => (Kind::Allowed, shown(permit), limited_by.and_then(shown)),
            Why::Forbidden { forbid, .. } => (Kind::Forbidden, shown(forbid), None),
            Why::Unmet { permit, .. } => (Kind::Unmet, shown(permit), None),
            Why::Unusable(_) => (Kind::Unusable, None, None),
            Why::NoPolicy | Why::NotAsked => continue,
        };
        cells.push(DecidedCell {
            attribute: attribute_name(table, slot),
            release: decision.release(slot).text(),
            kind,
            policy,
            limited_by,
        });
    }
    // What is forbidden whoever asks says nothing about a recipient that nobody permitted anything.
    let is_told = cells.iter().any(|cell| cell.kind != Kind::Forbidden);
    let first = wanted.iter().next()?;
    let (recipient, purpose) = cell_names(table, cell);
    is_told.then(|| DecidedLine {
        recipient,
        purpose,
        known: in_words(table, facts.seen(cell, first)),
        cells,
    })
}

/// The cases in the folder of the policies, `*.yaml`, asked of a table.
fn cases(folder: &Path, table: &Table) -> Option<Cases> {
    match files(folder).and_then(|paths| paths.iter().map(|path| read(path)).collect()) {
        Ok(files) => {
            let files: Vec<TestFile> = files;
            (!files.is_empty()).then(|| Cases::Asked(run_tests(table, &files)))
        }
        Err(problem) => Some(Cases::Unreadable(problem.title)),
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    let unreadable = |error: std::io::Error| wrong(&format!("cannot read the cases: {error}"));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<TestFile, Problem> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let text = std::fs::read_to_string(path)
        .map_err(|error| wrong(&format!("cannot read the cases in `{name}`: {error}")))?;
    TestFile::parse(&name, &text)
}

/// Why a recipient got something for a purpose, in the words that a subject is shown: the reasons of the permits in force by which grown-ups
/// who agreed are given these attributes, wherever they live.
pub(crate) fn reasons_for_subject(
    p: &Privity,
    recipient: &RecipientKey,
    purpose: &PurposeKey,
    attributes: &BTreeSet<String>,
) -> Vec<String> {
    let Some(in_force) = p.policies() else {
        return Vec::new();
    };
    let table = &in_force.table;
    let Some(cell) = table.cell(recipient, purpose) else {
        return Vec::new();
    };
    let slots = attributes.iter();
    let wanted = slots
        .filter_map(|key| table.layout().attribute(key))
        .collect();
    let mut told: Vec<String> = Vec::new();
    for place in table.layout().jurisdictions() {
        let who = Hypothetical {
            jurisdiction: Some(place.clone()),
            age: Some(AgeBand::Adult),
            is: [Fact::ChoiceAllows, Fact::Consented].into(),
            unknown: BTreeSet::new(),
        };
        let Ok(facts) = hypothetical(table, cell, &who) else {
            continue;
        };
        let question = Question {
            cell,
            facts: &facts,
            on: p.now(),
            wanted: &wanted,
        };
        let mut reasons = Reasons::new();
        table.decide_with_reasons(&question, &mut reasons);
        for (_, why) in reasons.iter() {
            let Why::Allowed { permit, .. } = why else {
                continue;
            };
            let reason = table.policy(permit).map(|policy| &policy.reason_subject);
            told.extend(reason.filter(|reason| !told.contains(*reason)).cloned());
        }
    }
    told
}
