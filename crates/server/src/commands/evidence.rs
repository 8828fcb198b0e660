//! `privity evidence`: one file that proves a privacy request, and its check with nothing but the public key.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use domain::id::RequestId;
use governance::{Problem, evidence};
use serde_json::json;

use super::watch::Watch;
use super::{open, show};

/// Export and verify what proves that each step was done.
#[derive(Subcommand)]
pub(super) enum EvidenceCommand {
    /// Write the evidence of a privacy request to a file: every record about it, with proofs and a signed checkpoint.
    Export {
        /// The privacy request, `req_…`.
        request: RequestId,
        /// Where to; standard output if left out.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Check an evidence file offline. Exit code 0 if it holds, 1 if not.
    ///
    /// With --key the signature must be by that key, which you got by another way than the file
    /// (`privity evidence key`). Without it, the key inside the file is used, which proves only that nothing was changed since.
    Verify {
        /// The file.
        file: PathBuf,
        /// The public key, as `privity evidence key` prints it.
        #[arg(long, value_name = "KEY", env = "PRIVITY_EVIDENCE_KEY")]
        key: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Compare every sealed row of the profiles with what the audit log says was last written there. Exit code 1 if one differs.
    Reconcile {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the public key that verifies evidence of this installation.
    Key {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

impl EvidenceCommand {
    pub(super) async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        match self {
            Self::Export { request, out } => export(config, request, out.as_deref()).await,
            Self::Verify { file, key, json } => verify(&file, key, json).await,
            Self::Reconcile { json } => reconcile(config, json).await,
            Self::Key { json } => {
                let key = evidence::public_key(&open(config, &Watch::new(json)).await?)?;
                if json {
                    show::json(&json!({ "key": key }))
                } else {
                    show::text(&key)
                }?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

async fn reconcile(config: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let watch = Watch::new(json);
    let privity = open(config, &watch).await?;
    let comparing = governance::reconcile::reconcile(&privity);
    let done = watch
        .over("comparing rows with the audit log", comparing)
        .await?;
    if json {
        show::json(&done)?;
    } else {
        let rows = done.findings.iter().map(|finding| {
            vec![
                finding.subject.to_string(),
                finding.segment.clone(),
                finding.fault.words().to_owned(),
            ]
        });
        let none = format!(
            "{} rows are as they were last written, by {} records of the audit log.",
            done.rows, done.records
        );
        show::table(&["subject", "part", "finding"], rows.collect(), &none)?;
    }
    Ok(match done.findings.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(1),
    })
}

async fn export(config: &Path, request: RequestId, out: Option<&Path>) -> anyhow::Result<ExitCode> {
    let watch = Watch::new(false);
    let privity = open(config, &watch).await?;
    let gathered = evidence::export_watched(&privity, request, watch.progress());
    let file = watch.over("gathering records and proofs", gathered).await?;
    let Some(out) = out else {
        show::text(&String::from_utf8_lossy(&file))?;
        return Ok(ExitCode::SUCCESS);
    };
    let written = std::fs::File::create(out).and_then(|mut target| target.write_all(&file));
    written.map_err(|error| {
        Problem::new(
            "setup",
            500,
            format!(
                "cannot write `{}` ({error}); choose another file",
                out.display()
            ),
        )
    })?;
    show::aside(&format!(
        "Wrote `{}`. Anybody can check it: privity evidence verify {}",
        out.display(),
        out.display()
    ));
    Ok(ExitCode::SUCCESS)
}

async fn verify(path: &Path, key: Option<String>, as_json: bool) -> anyhow::Result<ExitCode> {
    let file = std::fs::read(path).map_err(|error| {
        Problem::new(
            "setup",
            500,
            format!("cannot read `{}` ({error})", path.display()),
        )
    })?;
    let watch = Watch::new(as_json);
    let progress = watch.progress().clone();
    // On a thread of its own: it computes without a pause.
    let verified = tokio::task::spawn_blocking(move || {
        evidence::verify_watched(&file, key.as_deref(), &progress)
    });
    match watch.over("verifying the evidence", verified).await? {
        Ok(lines) if as_json => show::json(&json!({"holds": true, "summary": lines}))?,
        Ok(lines) => show::text(&lines.join("\n"))?,
        Err(problem) if as_json => {
            show::json(&json!({"holds": false, "why": problem.title}))?;
            return Ok(ExitCode::from(1));
        }
        Err(problem) => return Err(problem.into()),
    }
    Ok(ExitCode::SUCCESS)
}
