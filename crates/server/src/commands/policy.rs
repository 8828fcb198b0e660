//! `privity policy`: check and test policies, publish and activate versions, say what a change would do, and why a decision is as it is.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use domain::audit::Actor;
use domain::id::SubjectId;
use domain::policy::{AgeBand, Fact};
use governance::Problem;
use governance::policy::{
    Activation, Asked, Difference, Explanation, Hypothetical, Impact, PackProof, Proof, TestFile,
    Who, check_files, run_tests,
};
use jiff::Timestamp;
use serde_json::json;

use super::policy_views::{CompileCommand, PostgresCommand};
use super::watch::Watch;
use super::{open, show};
use crate::config as settings;

/// Say who may have which attribute for what, and why.
#[derive(Subcommand)]
pub(super) enum PolicyCommand {
    /// Check the files that the setting `policies` names, and compare what they compile to with Cedar. Exit code 1 if something is wrong.
    Check {
        /// Also prove that they never allow what a pack forbids.
        #[arg(long)]
        prove: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Ask the files the cases that you wrote down, and say which policies decide none of them. Exit code 1 if a case fails.
    Test {
        /// Files of cases (docs/guides/policies.md).
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Publish the files as a new version, which decides nothing until it is activated.
    Publish(Publish),
    /// Let a version decide.
    Activate(Activate),
    /// Go back to the version that decided before.
    Rollback {
        /// The version to take back: if another one decides by now, nothing changes. The one that decides, if left out.
        version: Option<u64>,
    },
    /// Let a version decide beside the active one, and count what it would change; `--end` ends it.
    Shadow {
        /// Its number.
        #[arg(required_unless_present = "end")]
        version: Option<u64>,
        /// End it.
        #[arg(long, conflicts_with = "version")]
        end: bool,
    },
    /// List the versions.
    Versions {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show which policies differ between two versions, or between one and the files.
    Diff {
        /// The one version.
        one: u64,
        /// The other; the files as they are now, if left out.
        other: Option<u64>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say what a version, or the files as they are now, would change: for which inputs, and for how many subjects.
    Impact {
        /// The version; the files as they are now, if left out.
        #[arg(long)]
        version: Option<u64>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say who can get what at all.
    Matrix {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say why a decision is as it is, about a subject or about somebody of whom only facts are given.
    Explain(Box<Explain>),
    /// Print what the active policies are elsewhere.
    #[command(subcommand)]
    Compile(CompileCommand),
    /// Write, fill and check views for recipients in a PostgreSQL database of your own.
    #[command(subcommand)]
    Postgres(PostgresCommand),
}

/// Arguments of `privity policy publish`.
#[derive(Args)]
pub(super) struct Publish {
    /// Why, in words without personal data.
    #[arg(long, default_value = "")]
    note: String,
    /// Let it decide at once.
    #[arg(long)]
    activate: bool,
}

/// Arguments of `privity policy activate`.
#[derive(Args)]
pub(super) struct Activate {
    /// The version.
    version: u64,
    /// From this moment on, e.g. `2027-01-01T00:00:00Z`; now, if left out.
    #[arg(long, value_name = "MOMENT")]
    at: Option<Timestamp>,
    /// The version that you compared it with: if another one decides by now, nothing changes. Any, if left out.
    #[arg(long, value_name = "VERSION")]
    instead_of: Option<u64>,
}

/// Arguments of `privity policy explain`.
#[derive(Args)]
pub(super) struct Explain {
    /// The subject, `sub_…`. That you asked is recorded.
    #[arg(long, value_name = "ID", conflicts_with_all = ["jurisdiction", "age", "is", "unknown"])]
    subject: Option<SubjectId>,
    /// The recipient.
    #[arg(long)]
    recipient: String,
    /// The purpose of use.
    #[arg(long)]
    purpose: String,
    /// The attribute; all if left out. May be given several times.
    #[arg(long = "attribute")]
    attributes: Vec<String>,
    /// By this version of the policies; the active one if left out.
    #[arg(long, value_name = "VERSION")]
    at: Option<u64>,
    /// As it was at this moment.
    #[arg(long, value_name = "MOMENT")]
    on: Option<Timestamp>,
    /// Without a subject: where she lives, e.g. US-CA.
    #[arg(long)]
    jurisdiction: Option<String>,
    /// Without a subject: `under_13`, `13_to_15`, `16_17`, `adult`.
    #[arg(long, value_parser = age)]
    age: Option<AgeBand>,
    /// Without a subject: a fact that is so, e.g. `choice_allows`. May be given several times.
    #[arg(long, value_name = "FACT", value_parser = fact)]
    is: Vec<Fact>,
    /// Without a subject: a fact that nobody could find out. May be given several times.
    #[arg(long, value_name = "FACT", value_parser = fact)]
    unknown: Vec<Fact>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn age(text: &str) -> Result<AgeBand, String> {
    AgeBand::parse(text).ok_or_else(|| {
        format!(
            "choose one of {}",
            AgeBand::ALL.map(AgeBand::text).join(", ")
        )
    })
}

fn fact(text: &str) -> Result<Fact, String> {
    Fact::parse(text)
        .ok_or_else(|| format!("choose one of {}", Fact::ALL.map(Fact::text).join(", ")))
}

const BY: Actor = Actor::CommandLine;

impl PolicyCommand {
    pub(super) async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        match self {
            Self::Check { prove, json } => return check(config, prove, json),
            Self::Test { files, json } => return test(config, &files, json),
            Self::Publish(publish) => publish.run(config).await?,
            Self::Activate(activate) => activate.run(config).await?,
            Self::Rollback { version } => {
                let number = open(config, &Watch::new(false))
                    .await?
                    .roll_back_policies(version, BY)
                    .await?;
                show::text(&format!("Version {number} decides again."))?;
            }
            Self::Shadow { version, .. } => {
                let privity = open(config, &Watch::new(false)).await?;
                privity.shadow_policies(version, BY).await?;
                show::text(&version.map_or_else(
                    || "No version decides beside the active one any more.".to_owned(),
                    |number| format!("Version {number} decides beside the active one. Each node counts what it would change: GET /api/v1/policies/shadow."),
                ))?;
            }
            Self::Versions { json } => versions(config, json).await?,
            Self::Diff { one, other, json } => diff(config, one, other, json).await?,
            Self::Impact { version, json } => impact(config, version, json).await?,
            Self::Matrix { json } => matrix(config, json).await?,
            Self::Explain(explain) => explain.run(config).await?,
            Self::Compile(compile) => return compile.run(config).await,
            Self::Postgres(postgres) => return postgres.run(config).await,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn check(config: &Path, prove: bool, as_json: bool) -> anyhow::Result<ExitCode> {
    let checked = match check_files(&settings::load(config)?) {
        Ok(checked) => checked,
        Err(problem) if problem.status < 500 || problem.code == "policies_differ" => {
            if as_json {
                show::json(&json!({"ok": false, "why": problem.title}))?;
            } else {
                show::text(&problem.title)?;
            }
            return Ok(ExitCode::from(1));
        }
        Err(problem) => return Err(problem.into()),
    };
    let proof = prove.then(|| checked.prove(&solver()));
    let (table, compared) = (&checked.table, checked.compared);
    if as_json {
        let proven = proof.as_ref().map(|proof| match proof {
            Ok(proof) => json!({"broken": is_broken(proof), "packs": packs(proof)}),
            Err(error) => json!({"why_not": error.to_string()}),
        });
        let is_ok = !matches!(&proof, Some(Err(_)))
            && !matches!(&proof, Some(Ok(proof)) if is_broken(proof));
        show::json(
            &json!({"ok": is_ok, "policies": table.policies().len(), "table": table.hash().to_string(), "compared": compared, "proof": proven}),
        )?;
    } else {
        show::text(&format!(
            "{} policies for {} recipients and {} purposes; {compared} answers were compared with Cedar's and agree.\nTable {}",
            table.policies().len(),
            table.layout().recipients().len(),
            table.layout().purposes().len(),
            table.hash()
        ))?;
        match &proof {
            Some(Ok(proof)) => show::text(&proof_in_words(proof))?,
            Some(Err(error)) => show::aside(&format!("Not proven: {error}")),
            None => {}
        }
    }
    Ok(match proof {
        Some(Ok(proof)) if !is_broken(&proof) => ExitCode::SUCCESS,
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::from(1),
    })
}

/// cvc5, where it is said to be or on the path.
fn solver() -> PathBuf {
    std::env::var_os("CVC5").map_or_else(|| PathBuf::from("cvc5"), PathBuf::from)
}

fn is_broken(proof: &Proof) -> bool {
    proof.packs.iter().any(|pack| !pack.broken_for.is_empty())
}

fn packs(proof: &Proof) -> Vec<serde_json::Value> {
    let pack = |pack: &PackProof| json!({"pack": pack.file, "forbids": pack.forbids, "broken_for": pack.broken_for, "needed_for": pack.needed_for});
    proof.packs.iter().map(pack).collect()
}

fn proof_in_words(proof: &Proof) -> String {
    let mut lines = Vec::new();
    for pack in &proof.packs {
        let file = &pack.file;
        if pack.broken_for.is_empty() {
            lines.push(format!(
                "Proven: for none of {} purposes anything is allowed that the {} withholding policies of {file} forbid.",
                proof.purposes, pack.forbids
            ));
        } else {
            lines.push(format!(
                "BROKEN: for {} something is allowed that {file} forbids. No forbid can be overridden, so this is a fault of Cedar or of this program: do not publish, and report it.",
                pack.broken_for.join(", ")
            ));
        }
        if !pack.needed_for.is_empty() {
            lines.push(format!(
                "  Without {file} your own policies would allow something of it for {}.",
                pack.needed_for.join(", ")
            ));
        }
    }
    lines.join("\n")
}

fn test(config: &Path, files: &[PathBuf], as_json: bool) -> anyhow::Result<ExitCode> {
    let checked = check_files(&settings::load(config)?)?;
    let mut cases = Vec::new();
    for path in files {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Problem::new(
                "setup",
                500,
                format!("cannot read `{name}` ({error}); name a file of cases"),
            )
        })?;
        cases.push(TestFile::parse(&name, &text)?);
    }
    let tested = run_tests(&checked.table, &cases);
    if as_json {
        show::json(&tested)?;
    } else {
        let mut lines: Vec<String> = tested
            .failed
            .iter()
            .map(|failed| format!("FAILED  {failed}"))
            .collect();
        lines.push(format!(
            "{} answers as expected, {} not.",
            tested.passed,
            tested.failed.len()
        ));
        if !tested.untried.is_empty() {
            lines.push(format!(
                "{} of {} policies decide no case: {}",
                tested.untried.len(),
                checked.table.policies().len(),
                tested.untried.join(", ")
            ));
        }
        show::text(&lines.join("\n"))?;
    }
    Ok(ExitCode::from(u8::from(!tested.failed.is_empty())))
}

impl Publish {
    async fn run(self, config: &Path) -> anyhow::Result<()> {
        let privity = open(config, &Watch::new(false)).await?;
        let published = privity.publish_policies(&self.note, BY).await?;
        let number = published.number;
        if self.activate {
            privity
                .activate_policies(Activation::of(number), BY)
                .await?;
            return show::text(&format!("Version {number} is published and decides."));
        }
        show::text(&format!(
            "Version {number} is published and decides nothing yet; {} answers were compared with Cedar's and agree.\nNext: privity policy impact --version {number}, then privity policy activate {number}",
            published.compared
        ))
    }
}

impl Activate {
    async fn run(self, config: &Path) -> anyhow::Result<()> {
        let privity = open(config, &Watch::new(false)).await?;
        let number = self.version;
        let activation = Activation::of(number)
            .at(self.at)
            .instead_of(self.instead_of);
        privity.activate_policies(activation, BY).await?;
        show::text(&match self.at {
            Some(at) => format!("Version {number} decides from {at} on."),
            None => format!(
                "Version {number} decides; `privity policy rollback {number}` takes it back."
            ),
        })
    }
}

async fn versions(config: &Path, as_json: bool) -> anyhow::Result<()> {
    let versions = open(config, &Watch::new(as_json))
        .await?
        .policy_versions()
        .await?;
    if as_json {
        return show::json(&versions);
    }
    let rows = versions.iter().map(|version| {
        let since = match (version.activates_at, version.activated_at) {
            (Some(at), _) => format!("from {at}"),
            (None, Some(at)) => at.to_string(),
            (None, None) => String::new(),
        };
        vec![
            version.number.to_string(),
            version.state.to_owned(),
            since,
            version.author.clone(),
            version.note.clone(),
        ]
    });
    show::table(
        &["version", "state", "active since", "published by", "note"],
        rows.collect(),
        "no versions; set `policies` and start the program",
    )
}

async fn diff(config: &Path, one: u64, other: Option<u64>, as_json: bool) -> anyhow::Result<()> {
    let difference = open(config, &Watch::new(as_json))
        .await?
        .policy_diff(one, other)
        .await?;
    if as_json {
        return show::json(&difference);
    }
    show::text(&diff_text(&difference))
}

fn diff_text(difference: &Difference) -> String {
    let mut lines = Vec::new();
    for (mark, policies) in [
        ("+", &difference.added),
        ("-", &difference.removed),
        ("~", &difference.changed),
    ] {
        for policy in policies {
            lines.push(format!("{mark} {}: {}", policy.id, policy.title));
            let with = |mark: &str, text: &Option<String>| -> Vec<String> {
                let text = text.as_deref().unwrap_or_default();
                text.lines()
                    .map(|line| format!("    {mark} {line}"))
                    .collect()
            };
            lines.extend(with("-", &policy.before));
            lines.extend(with("+", &policy.after));
        }
    }
    if lines.is_empty() {
        return "no policy differs".to_owned();
    }
    lines.join("\n")
}

async fn impact(config: &Path, version: Option<u64>, as_json: bool) -> anyhow::Result<()> {
    let watch = Watch::new(as_json);
    let privity = open(config, &watch).await?;
    let impact = watch
        .over("working out facts", privity.policy_impact(version))
        .await?;
    if as_json {
        return show::json(&impact);
    }
    let candidate = version.map_or_else(
        || "the files".to_owned(),
        |number| format!("version {number}"),
    );
    show::text(&format!(
        "{candidate} beside version {}: {} subjects in {} kinds.",
        impact.active, impact.subjects, impact.vectors
    ))?;
    if impact.unknown > 0 {
        show::aside(&format!(
            "Of {} more nothing can be said: what is known of them is of another version of this program, or a record of theirs is damaged.",
            impact.unknown
        ));
    }
    if impact.outdated > 0 {
        show::aside(&format!(
            "{} wait to be worked out anew, by another node or since this one has other files than the running ones; they are counted by what was known before.",
            impact.outdated
        ));
    }
    cells_table(&impact)?;
    heads_table(&impact)
}

fn cells_table(impact: &Impact) -> anyhow::Result<()> {
    let rows = impact.cells.iter().flat_map(|cell| {
        cell.attributes.iter().map(|one| {
            vec![
                cell.recipient.clone(),
                cell.purpose.clone(),
                one.attribute.clone(),
                format!("{} → {}", one.before, one.after),
                format!("{} of {}", one.inputs, cell.inputs),
                one.example.clone(),
            ]
        })
    });
    show::table(
        &[
            "recipient",
            "purpose",
            "attribute",
            "changes",
            "inputs",
            "for example",
        ],
        rows.collect(),
        "no answer changes, whatever is known",
    )
}

fn heads_table(impact: &Impact) -> anyhow::Result<()> {
    let rows = impact.heads.iter().map(|heads| {
        vec![
            heads.recipient.clone(),
            heads.purpose.clone(),
            heads.attribute.clone(),
            heads.gained.to_string(),
            heads.lost.to_string(),
            heads.changed.to_string(),
        ]
    });
    show::table(
        &[
            "recipient",
            "purpose",
            "attribute",
            "gained by",
            "lost by",
            "other form for",
        ],
        rows.collect(),
        "no answer changes for any subject that there is",
    )
}

async fn matrix(config: &Path, as_json: bool) -> anyhow::Result<()> {
    let matrix = open(config, &Watch::new(as_json)).await?.policy_matrix()?;
    if as_json {
        return show::json(&matrix);
    }
    let rows = matrix.iter().map(|line| {
        let attributes = line.attributes.iter().map(|(key, form)| match *form {
            "keep" => key.clone(),
            form => format!("{key} ({form})"),
        });
        vec![
            line.recipient.clone(),
            line.purpose.clone(),
            attributes.collect::<Vec<_>>().join(", "),
        ]
    });
    show::table(
        &["recipient", "purpose", "what can go out at all"],
        rows.collect(),
        "nobody gets anything",
    )
}

impl Explain {
    async fn run(self, config: &Path) -> anyhow::Result<()> {
        let who = match self.subject {
            Some(id) => Who::Subject(id),
            None => Who::Hypothetical(Hypothetical {
                jurisdiction: self.jurisdiction,
                age: self.age,
                is: self.is.into_iter().collect(),
                unknown: self.unknown.into_iter().collect(),
            }),
        };
        let asked = Asked {
            who,
            recipient: self.recipient.as_str().into(),
            purpose: self.purpose.as_str().into(),
            attributes: self
                .attributes
                .iter()
                .map(|key| key.as_str().into())
                .collect(),
            version: self.at,
            on: self.on,
        };
        let privity = open(config, &Watch::new(self.json)).await?;
        let explained = privity.explain_decision(&asked, BY).await?;
        if self.json {
            return show::json(&explained);
        }
        show::text(&explain_text(&explained))
    }
}

fn explain_text(explained: &Explanation) -> String {
    let mut lines = vec![
        format!(
            "{} for {}, by version {} of the policies",
            explained.recipient, explained.purpose, explained.version
        ),
        format!("Known: {}", explained.known),
    ];
    for line in &explained.lines {
        lines.push(String::new());
        lines.push(format!("{}  {}", line.attribute, line.release));
        lines.push(format!("    {}", line.for_operator));
        lines.push(format!("    To her: {}", line.for_subject));
    }
    lines.join("\n")
}
