//! Files of policies as they are read: what each policy says of itself, where it stands, and its syntax tree.

use std::collections::BTreeMap;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{PolicyId, PolicySet, pst};
use domain::policy::{Effect, Policy, Release};

use crate::fault::{Fault, Faults};
use crate::room::too_deep;

/// A file of policies.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// Its name, as faults and reasons show it.
    pub name: String,
    /// What is in it.
    pub text: String,
    /// Who answers for it.
    pub origin: Origin,
}

/// Who answers for a file of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A law: its policies forbid and never permit, so that no other policy weakens them.
    Statute,
    /// The business.
    Company,
}

/// A policy that was read.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) policy: Policy,
    pub(crate) line: usize,
    pub(crate) cedar: cedar_policy::Policy,
    pub(crate) tree: pst::Template,
}

impl Read {
    /// Whether its author knows that it goes beyond the fragment.
    pub(crate) fn is_slow(&self) -> bool {
        self.cedar.annotation("slow").is_some()
    }

    pub(crate) fn fault(&self, problem: String) -> Fault {
        Fault {
            file: self.policy.file.clone(),
            line: self.line,
            policy: Some(self.policy.id.clone()),
            problem,
        }
    }
}

/// What every policy has to say of itself.
const REQUIRED: [&str; 5] = [
    "id",
    "citation",
    "title",
    "reason_subject",
    "reason_operator",
];
/// What else it may say. `confidence` is for lawyers: how far the citation was checked; `slow` says why the policy goes beyond the fragment.
const OPTIONAL: [&str; 4] = ["release", "leaves", "confidence", "slow"];

/// One policy as its author wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyText {
    /// Its id.
    pub id: String,
    /// Its file.
    pub file: String,
    /// Its line, counted from 1.
    pub line: usize,
    /// Its name for people.
    pub title: String,
    /// Its text.
    pub text: String,
}

/// The policies of files one by one, in order: what two versions are compared by.
///
/// # Errors
/// What can't be read, with file and line.
pub fn texts(files: &[PolicyFile]) -> Result<Vec<PolicyText>, Faults> {
    let read = read(files).map_err(Faults)?.into_iter();
    let text = |read: Read| PolicyText {
        text: read.cedar.to_cedar().unwrap_or_default(),
        id: read.policy.id,
        file: read.policy.file,
        line: read.line,
        title: read.policy.title,
    };
    Ok(read.map(text).collect())
}

/// Reads files, each in the order of its lines.
pub(crate) fn read(files: &[PolicyFile]) -> Result<Vec<Read>, Vec<Fault>> {
    let mut all = Vec::new();
    let mut faults = Vec::new();
    for file in files {
        match parse(file) {
            Err(fault) => faults.push(fault),
            Ok(policies) => {
                for (line, policy) in policies {
                    match Annotated::new(file, line, policy).read() {
                        Ok(read) => all.push(read),
                        Err(wrong) => faults.extend(wrong),
                    }
                }
            }
        }
    }
    faults.extend(repeated(&all));
    if faults.is_empty() {
        Ok(all)
    } else {
        Err(faults)
    }
}

/// The policies of a file with their lines.
fn parse(file: &PolicyFile) -> Result<Vec<(usize, cedar_policy::Policy)>, Fault> {
    if let Some((at, problem)) = too_deep(&file.text) {
        return Err(in_file(file, line_of(&file.text, at), problem));
    }
    let set: PolicySet = file.text.parse().map_err(|error| syntax(file, &error))?;
    if set.templates().next().is_some() {
        let problem = "holds a template; write out each policy, since a template's slots are filled where nobody reads them";
        return Err(in_file(file, 1, problem.to_owned()));
    }
    let mut policies: Vec<_> = set.policies().cloned().collect();
    policies.sort_by_key(|policy| number(policy.id()));
    let mut from = 0;
    let mut placed = Vec::new();
    for policy in policies {
        // A policy keeps its text, and the policies of a file are numbered as they come: so the place of each is found from the one before.
        let text = policy.to_cedar().unwrap_or_default();
        let rest = file.text.get(from..).unwrap_or_default();
        let at = from + rest.find(&text).unwrap_or_default();
        from = at + text.len();
        placed.push((line_of(&file.text, at), policy));
    }
    Ok(placed)
}

/// Cedar numbers the policies of a text: `policy0`, `policy1`.
fn number(id: &PolicyId) -> usize {
    let text: &str = id.as_ref();
    let digits = text.trim_start_matches("policy");
    digits.parse().unwrap_or(usize::MAX)
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

fn syntax(file: &PolicyFile, error: &cedar_policy::ParseErrors) -> Fault {
    let error = DetailedError::from(error);
    let place = error.source_locations.first();
    let line = place.map_or(1, |place| line_of(&file.text, place.loc.start));
    let help = error
        .help
        .map_or_else(String::new, |help| format!("; {help}"));
    in_file(file, line, format!("is no Cedar: {}{help}", error.message))
}

fn in_file(file: &PolicyFile, line: usize, problem: String) -> Fault {
    Fault {
        file: file.name.clone(),
        line,
        policy: None,
        problem,
    }
}

/// Ids that are there twice.
fn repeated(all: &[Read]) -> Vec<Fault> {
    let mut first: BTreeMap<&str, &Read> = BTreeMap::new();
    let mut faults = Vec::new();
    for read in all {
        if let Some(other) = first.get(read.policy.id.as_str()) {
            let place = format!("{}:{}", other.policy.file, other.line);
            faults.push(read.fault(format!(
                "has the id of the policy in {place}; give each an id of its own"
            )));
        }
        first.entry(&read.policy.id).or_insert(read);
    }
    faults
}

/// A policy whose annotations are being read.
struct Annotated<'f> {
    file: &'f PolicyFile,
    line: usize,
    policy: cedar_policy::Policy,
    faults: Vec<String>,
}

impl<'f> Annotated<'f> {
    const fn new(file: &'f PolicyFile, line: usize, policy: cedar_policy::Policy) -> Self {
        Self {
            file,
            line,
            policy,
            faults: Vec::new(),
        }
    }

    fn read(mut self) -> Result<Read, Vec<Fault>> {
        let required = REQUIRED.map(|name| self.required(name));
        self.check_names();
        let effect = self.effect();
        let tree = self.policy.to_pst().map(|tree| tree.body().clone());
        let tree = tree.map_err(|error| {
            self.faults.push(format!(
                "has a syntax tree that Cedar does not give: {error}"
            ));
        });
        let id = required.first().cloned().flatten();
        let (
            Some(effect),
            Ok(tree),
            [
                Some(id),
                Some(citation),
                Some(title),
                Some(subject),
                Some(operator),
            ],
            true,
        ) = (effect, tree, required, self.faults.is_empty())
        else {
            return Err(self.into_faults(id));
        };
        let policy = Policy {
            file: self.file.name.clone(),
            citation,
            title,
            reason_subject: subject,
            reason_operator: operator,
            effect,
            id,
        };
        Ok(Read {
            cedar: self.policy.new_id(PolicyId::new(&policy.id)),
            line: self.line,
            policy,
            tree,
        })
    }

    fn required(&mut self, name: &str) -> Option<String> {
        let text = self.policy.annotation(name).unwrap_or_default().trim();
        if text.is_empty() {
            self.faults
                .push(format!("lacks the annotation `@{name}(\"…\")`; write one"));
            return None;
        }
        Some(text.to_owned())
    }

    fn check_names(&mut self) {
        let names = self.policy.annotations().map(|(name, _)| name);
        let unknown: Vec<_> = names
            .filter(|name| !REQUIRED.contains(name) && !OPTIONAL.contains(name))
            .map(|name| format!("has the annotation `@{name}`, which means nothing here; leave it out or correct its name"))
            .collect();
        self.faults.extend(unknown);
        if self
            .policy
            .annotation("slow")
            .is_some_and(|why| why.trim().is_empty())
        {
            self.faults
                .push("has `@slow` without a word; say why Cedar has to be asked".to_owned());
        }
    }

    fn effect(&mut self) -> Option<Effect> {
        let (release, leaves) = (self.form("release"), self.form("leaves"));
        match self.policy.effect() {
            cedar_policy::Effect::Permit => {
                self.refuse_if(
                    leaves.is_some(),
                    "permits and has `@leaves`; a permit says with `@release` what it gives",
                );
                self.refuse_if(
                    self.file.origin == Origin::Statute,
                    "permits, and stands in the file of a law; what a business permits stands in files of its own, so that no law is weakened",
                );
                let release = release.unwrap_or(Release::Keep);
                self.refuse_if(
                    release == Release::Withhold,
                    "permits and releases nothing; leave it out, or forbid",
                );
                Some(Effect::Permit(release))
            }
            cedar_policy::Effect::Forbid => {
                self.refuse_if(
                    release.is_some(),
                    "forbids and has `@release`; a forbid says with `@leaves` what it leaves",
                );
                let leaves = leaves.unwrap_or(Release::Withhold);
                self.refuse_if(
                    leaves == Release::Keep,
                    "forbids and leaves everything; leave it out",
                );
                Some(Effect::Forbid(leaves))
            }
        }
    }

    fn form(&mut self, name: &str) -> Option<Release> {
        let text = self.policy.annotation(name)?;
        let form = Release::parse(text);
        if form.is_none() {
            let known = Release::ALL.map(Release::text).join(", ");
            self.faults.push(format!(
                "has `@{name}(\"{text}\")`, which is no form of release; choose one of {known}"
            ));
        }
        form
    }

    fn refuse_if(&mut self, is_wrong: bool, problem: &str) {
        if is_wrong {
            self.faults.push(problem.to_owned());
        }
    }

    fn into_faults(self, id: Option<String>) -> Vec<Fault> {
        let Self {
            file, line, faults, ..
        } = self;
        let fault = |problem| Fault {
            policy: id.clone(),
            ..in_file(file, line, problem)
        };
        faults.into_iter().map(fault).collect()
    }
}
