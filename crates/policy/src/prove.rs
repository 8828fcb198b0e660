//! Proof with a solver that nothing is allowed which the pack of a law forbids: Cedar's own translation of policies to SMT (SymCC, verified in Lean) and cvc5,
//! over every request there can be and not only over those that our facts can tell apart. A second opinion that shares no code with the compiler.

use std::path::Path;

use cedar_policy::{Policy, PolicyId, PolicySet, RequestEnv, Schema};
use cedar_policy_symcc::solver::LocalSolver;
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicySet};
use domain::policy::{Configuration, Effect, Release};
use tokio::process::Command;

use crate::fault::Faults;
use crate::model::Model;
use crate::room::with_room;
use crate::source::{Origin, PolicyFile, Read, read};

/// A solver has so long for one question, in milliseconds.
const MOST_MS: u32 = 60_000;

/// What was proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Packs, each with what the solver said of it.
    pub packs: Vec<PackProof>,
    /// Purposes: for each the solver was asked anew.
    pub purposes: usize,
}

/// What the solver says of one pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackProof {
    /// Its file.
    pub file: String,
    /// Its policies that withhold: what is proven is about these. Those that leave a weaker form are compared with Cedar, as everything is.
    pub forbids: usize,
    /// Purposes for which the policies allow something that it forbids. Proven to be none, unless there is a fault in Cedar or in us.
    pub broken_for: Vec<String>,
    /// Purposes for which the policies of the business alone would allow something that it forbids: there the pack does its work.
    pub needed_for: Vec<String>,
}

/// Nothing was proven.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The policies are wrong.
    #[error("{0}")]
    Wrong(Faults),
    /// There is no pack, so that nothing is forbidden by a law.
    #[error("no pack binds the business, so there is nothing to prove; `policy_packs` names them")]
    NoPacks,
    /// The solver can't be started, or doesn't answer.
    #[error("the solver does not answer: {0}; install cvc5 (Debian: cvc5) or name it in CVC5")]
    Solver(String),
}

/// Proves it with the solver at `solver`.
///
/// # Errors
/// Policies that don't fit the schema, no packs, a solver that can't be had or gives up.
pub fn prove(
    files: &[PolicyFile],
    configuration: &Configuration,
    solver: &Path,
) -> Result<Proof, ProofError> {
    let proven = with_room(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| ProofError::Solver(error.to_string()))?;
        runtime.block_on(Prover::new(files, configuration)?.prove(solver))
    });
    let no_thread = || ProofError::Solver("no thread could be started".to_owned());
    proven.ok_or_else(no_thread)?
}

struct Prover {
    schema: Schema,
    packs: Vec<(String, Vec<Policy>)>,
    company: Vec<Policy>,
}

impl Prover {
    fn new(files: &[PolicyFile], configuration: &Configuration) -> Result<Self, ProofError> {
        let wrong = |problem: String| ProofError::Solver(problem);
        let model = Model::of(configuration);
        let schema = model.schema(configuration);
        let policies_of = |file: &PolicyFile| {
            let read = read(std::slice::from_ref(file));
            read.map_err(|faults| ProofError::Wrong(Faults(faults)))
        };
        let mut packs = Vec::new();
        let mut company = Vec::new();
        for file in files {
            let policies = policies_of(file)?;
            match file.origin {
                Origin::Statute => packs.push((file.name.clone(), withholding(policies))),
                Origin::Company => company.extend(policies.into_iter().filter(counts).map(cedar)),
            }
        }
        packs.retain(|(_, forbids)| !forbids.is_empty());
        if packs.is_empty() {
            return Err(ProofError::NoPacks);
        }
        Ok(Self {
            schema: schema.map_err(|error| wrong(error.to_string()))?,
            packs,
            company,
        })
    }

    async fn prove(&self, solver: &Path) -> Result<Proof, ProofError> {
        let command = &mut Command::new(solver);
        let command = command.args(["--lang", "smt", &format!("--tlimit={MOST_MS}")]);
        let started = LocalSolver::from_command(command.kill_on_drop(true));
        let started = started.map_err(|error| ProofError::Solver(error.to_string()))?;
        let compiler = CedarSymCompiler::new(started);
        let mut compiler = compiler.map_err(|error| ProofError::Solver(error.to_string()))?;
        let environments: Vec<_> = self.schema.request_envs().collect();
        let mut proof = Proof {
            purposes: environments.len(),
            packs: Vec::new(),
        };
        let statutes = self.packs.iter().flat_map(|(_, forbids)| forbids);
        let all = set(self.company.iter().chain(statutes))?;
        let company = set(self.company.iter())?;
        for (file, forbids) in &self.packs {
            let permit = Policy::parse(
                Some(PolicyId::new("everything")),
                "permit (principal, action, resource);",
            );
            let permit = permit.map_err(|error| ProofError::Solver(error.to_string()))?;
            let bound = set(forbids.iter().chain([&permit]))?;
            let mut one = PackProof {
                file: file.clone(),
                forbids: forbids.len(),
                broken_for: Vec::new(),
                needed_for: Vec::new(),
            };
            for environment in &environments {
                let purpose = || {
                    let action: &str = environment.action().id().as_ref();
                    action.to_owned()
                };
                if !self
                    .implies(&mut compiler, &all, &bound, environment)
                    .await?
                {
                    one.broken_for.push(purpose());
                }
                if !self
                    .implies(&mut compiler, &company, &bound, environment)
                    .await?
                {
                    one.needed_for.push(purpose());
                }
            }
            proof.packs.push(one);
        }
        Ok(proof)
    }

    /// Whether whatever the one set allows, the other allows, too.
    async fn implies(
        &self,
        compiler: &mut CedarSymCompiler<LocalSolver>,
        one: &PolicySet,
        other: &PolicySet,
        environment: &RequestEnv,
    ) -> Result<bool, ProofError> {
        let said = |error: cedar_policy_symcc::err::Error| ProofError::Solver(error.to_string());
        let compiled = |set| {
            let compiled = CompiledPolicySet::compile(set, environment, &self.schema);
            compiled.map_err(said)
        };
        let (one, other) = (compiled(one)?, compiled(other)?);
        let implies = compiler.check_implies_opt(&one, &other).await;
        implies.map_err(said)
    }
}

/// A permit, or a forbid that withholds: what takes only a fuller form away is neither yes nor no.
fn counts(read: &Read) -> bool {
    matches!(
        read.policy.effect,
        Effect::Permit(_) | Effect::Forbid(Release::Withhold)
    )
}

fn withholding(policies: Vec<Read>) -> Vec<Policy> {
    let forbids = policies.into_iter().filter(counts).map(cedar);
    forbids.collect()
}

fn cedar(read: Read) -> Policy {
    read.cedar
}

fn set<'p>(policies: impl Iterator<Item = &'p Policy>) -> Result<PolicySet, ProofError> {
    let set = PolicySet::from_policies(policies.cloned());
    set.map_err(|error| ProofError::Solver(error.to_string()))
}
