//! `privity doctor`: what stands between this installation and its work.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use governance::Privity;
use governance::doctor::{self, Finding};

use super::watch::Watch;
use super::{open, show};

/// Say what stands between this installation and its work, and what to do.
#[derive(Args)]
pub(super) struct Doctor {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        let watch = Watch::new(self.json);
        let privity = open(config, &watch).await?;
        let mut findings = watch
            .over(
                "looking at database, systems, recipients and mail",
                doctor::check(&privity),
            )
            .await;
        findings.extend(gateway_routes(&privity));
        findings.extend(gateway_certificate(&privity));
        let ok = findings.iter().all(|finding| finding.ok);
        if self.json {
            show::json(&serde_json::json!({"ok": ok, "findings": findings}))?;
        } else {
            show::table(
                &["", "what", "finding"],
                findings.iter().map(row).collect(),
                "There is nothing to look at.",
            )?;
        }
        Ok(if ok {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(1)
        })
    }
}

/// The gateway's routes, where there is one.
fn gateway_routes(privity: &Privity) -> Option<Finding> {
    let what = "gateway".to_owned();
    let bad = |words: String| Finding {
        what: what.clone(),
        ok: false,
        words,
        what_to_do: Some(
            "correct its routes; until then those in force stay, and after a start there are none"
                .to_owned(),
        ),
    };
    match gateway::check(privity) {
        Ok(None) => None,
        Ok(Some(Ok(routes))) => Some(Finding {
            what,
            ok: true,
            words: format!("{routes} routes can be used"),
            what_to_do: None,
        }),
        Ok(Some(Err(findings))) => Some(bad(findings.to_string())),
        Err(problem) => Some(bad(problem.title)),
    }
}

/// Its own certificate, where it ends TLS itself.
fn gateway_certificate(privity: &Privity) -> Option<Finding> {
    let (ends, words) = match gateway::check_certificate(privity) {
        Ok(None) => return None,
        Ok(Some(ends)) => (Some(ends), format!("its certificate ends at {ends}")),
        Err(problem) => (None, problem.title),
    };
    let ok = ends.is_some_and(|ends| ends > privity.now());
    Some(Finding {
        what: "gateway's certificate".to_owned(),
        ok,
        words,
        what_to_do: (!ok).then(|| {
            "put one that is valid now in its place; a gateway that runs takes it up within a second"
                .to_owned()
        }),
    })
}

fn row(finding: &Finding) -> Vec<String> {
    let words = finding.what_to_do.as_ref().map_or_else(
        || finding.words.clone(),
        |todo| format!("{}\n→ {todo}", finding.words),
    );
    vec![
        if finding.ok { "ok" } else { "TO DO" }.to_owned(),
        finding.what.clone(),
        words,
    ]
}
