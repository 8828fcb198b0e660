//! `privity profile sync`: fills profiles from the collections that profile.yaml names under `sync`, and says what came of it.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use domain::audit::Actor;
use governance::profile::{Synced, sync};
use serde_json::json;

use super::open;
use super::show;
use super::watch::Watch;

/// Arguments of `privity profile sync`.
#[derive(Args)]
pub(super) struct Sync {
    /// Key of a source in the schema; all that have collections if left out.
    source: Option<String>,
    /// Read every row again, and count the profiles of the source that no row is about.
    #[arg(long)]
    full: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Sync {
    pub(super) async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        let watch = Watch::new(self.json);
        let privity = open(config, &watch).await?;
        let work = sync(
            &privity,
            self.source.as_deref(),
            self.full,
            &Actor::CommandLine,
        );
        let synced = watch.over("filling profiles", work).await?;
        if self.json {
            show::json(&synced.iter().map(as_json).collect::<Vec<_>>())?;
        } else {
            synced.iter().try_for_each(say)?;
        }
        let refused = synced.iter().any(|one| one.counts.refused_in_all() > 0);
        Ok(ExitCode::from(u8::from(refused)))
    }
}

fn say(synced: &Synced) -> anyhow::Result<()> {
    for (place, reason) in &synced.refused_at {
        show::text(&format!("row {place}: {reason}"))?;
    }
    let counts = &synced.counts;
    for (reason, rows) in &counts.refused {
        show::aside(&format!("{rows} rows were refused: {reason}."));
    }
    let reading = if synced.whole {
        "all rows"
    } else {
        "what changed"
    };
    show::aside(&format!(
        "{} from {} ({reading}): {} rows read, {} new, {} changed, {} the same, {} refused.",
        synced.source,
        synced.collection,
        counts.read,
        counts.new,
        counts.changed,
        counts.unchanged,
        counts.refused_in_all()
    ));
    if let Some(unseen) = synced.unseen.filter(|unseen| *unseen > 0) {
        show::aside(&format!(
            "{unseen} profiles of {} have no row there any more; they stay until their retention ends or they are erased.",
            synced.source
        ));
    }
    Ok(())
}

fn as_json(synced: &Synced) -> serde_json::Value {
    let refused_at = synced.refused_at.iter();
    let refused_at = refused_at.map(|(row, reason)| json!({"row": row, "reason": reason}));
    json!({
        "source": synced.source.to_string(),
        "collection": synced.collection.to_string(),
        "whole": synced.whole,
        "finished": synced.finished,
        "counts": synced.counts,
        "refused_at": refused_at.collect::<Vec<_>>(),
        "unseen": synced.unseen,
    })
}
