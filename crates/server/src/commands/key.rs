//! `privity key`: where the keys stand, and how they are changed while the program runs.

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use governance::key::{self, KeyKind, KeyState, KeyStatus, PATIENCE, Rotated};
use serde_json::json;

use super::watch::Watch;
use super::{open, show};
use crate::config as settings;

/// Change the keys that everything is sealed under, without stopping.
#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// Say which keys there are, which is present, and how many rows need each.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Add a key, promote it, wrap everything again, and destroy the old one; or finish what was cut off.
    Rotate(Which),
    /// Add a key that does nothing yet: the first step. Copy the key file to every machine then.
    Add(Which),
    /// Make the key that waits the present one, once every program has loaded it: the second step.
    Promote(Which),
    /// Wrap again what older keys wrap; with --index, make the tags of all identifiers anew: the third step.
    Rewrap(Which),
    /// Destroy a key that nothing needs any more: the last step. What only it opens is gone, in backups too.
    Destroy {
        /// Its number, as `privity key status` says it.
        version: u32,
        #[command(flatten)]
        which: Which,
    },
    /// Seal the key file under the key service that the settings name.
    Protect,
    /// Let the key file open by itself again; remove `key_service` from the settings then.
    Unprotect,
}

/// Which key.
#[derive(Args, Clone, Copy)]
pub(super) struct Which {
    /// The key of the index by which subjects are found, instead of the one that wraps their keys.
    #[arg(long)]
    index: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Which {
    const fn kind(self) -> KeyKind {
        match self.index {
            true => KeyKind::Index,
            false => KeyKind::Epoch,
        }
    }

    const fn name(self) -> &'static str {
        match self.index {
            true => "index key",
            false => "epoch key",
        }
    }
}

impl KeyCommand {
    pub(super) async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        match self {
            Self::Status { json } => status(config, json).await?,
            Self::Rotate(which) => rotate(config, which).await?,
            Self::Add(which) => add(config, which).await?,
            Self::Promote(which) => promote(config, which).await?,
            Self::Rewrap(which) => rewrap(config, which).await?,
            Self::Destroy { version, which } => destroy(config, version, which).await?,
            Self::Protect => protect(config).await?,
            Self::Unprotect => unprotect(config).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn status(config: &Path, json: bool) -> anyhow::Result<()> {
    let privity = open(config, &Watch::new(json)).await?;
    let status = key::status(&privity).await?;
    if json {
        return show::json(&status);
    }
    show::table(
        &["key", "number", "stage", "since", "needed by"],
        status.keys.iter().map(row).collect(),
        "There is no key.",
    )?;
    show::aside(&around(&status));
    Ok(())
}

fn row(state: &KeyState) -> Vec<String> {
    let since = state
        .destroyed_at
        .or(state.promoted_at)
        .or(state.added_at)
        .map(|at| at.strftime("%Y-%m-%d %H:%M").to_string());
    vec![
        match state.kind {
            KeyKind::Epoch => "epoch".to_owned(),
            KeyKind::Index => "index".to_owned(),
        },
        state.version.to_string(),
        state.stage.text().to_owned(),
        since.unwrap_or_default(),
        format!("{} rows", state.needed_by),
    ]
}

fn around(status: &KeyStatus) -> String {
    let opened = status.key_service.as_ref().map_or_else(
        || "by itself".to_owned(),
        |service| format!("with {service}"),
    );
    format!(
        "{} opens {opened}; {} running programs write with these keys.",
        status.key_file, status.programs
    )
}

async fn rotate(config: &Path, which: Which) -> anyhow::Result<()> {
    let watch = Watch::new(which.json);
    let privity = open(config, &watch).await?;
    let rotating = key::rotate(&privity, which.kind(), PATIENCE);
    let rotated = watch.over("changing keys", rotating).await;
    key::let_go(&privity).await;
    let rotated = rotated?;
    if which.json {
        return show::json(&rotated);
    }
    show::text(&words_of(which, &rotated))
}

fn words_of(which: Which, rotated: &Rotated) -> String {
    let Rotated {
        present, rewrapped, ..
    } = rotated;
    let name = which.name();
    let mut words = match rotated.finished_earlier {
        true => format!("Finished the change to {name} {present}, which had been cut off."),
        false => format!("The {name} is now number {present}."),
    };
    words.push_str(&match which.index {
        true => format!(" Tags of {} subjects were made anew.", rewrapped.subjects),
        false => format!(
            " Keys of {} subjects and {} privacy requests were wrapped again.",
            rewrapped.subjects, rewrapped.privacy_requests
        ),
    });
    for old in &rotated.destroyed {
        words.push_str(&format!(" Number {old} is destroyed."));
    }
    if rewrapped.unreadable > 0 {
        words.push_str(&format!(" {} could not be opened.", rewrapped.unreadable));
    }
    words
}

async fn add(config: &Path, which: Which) -> anyhow::Result<()> {
    let privity = open(config, &Watch::new(which.json)).await?;
    let added = key::add(&privity, which.kind()).await;
    key::let_go(&privity).await;
    let version = added?;
    let name = which.name();
    told(
        which,
        version,
        &format!(
            "Added {name} {version}; it waits. Copy the key file to every machine, then `privity key promote`."
        ),
    )
}

async fn promote(config: &Path, which: Which) -> anyhow::Result<()> {
    let watch = Watch::new(which.json);
    let privity = open(config, &watch).await?;
    let promoting = key::promote(&privity, which.kind(), PATIENCE);
    let promoted = watch
        .over("waiting until every program has loaded the key", promoting)
        .await;
    key::let_go(&privity).await;
    let version = promoted?;
    let name = which.name();
    told(
        which,
        version,
        &format!(
            "The {name} is now number {version}. Copy the key file to every machine, then `privity key rewrap`."
        ),
    )
}

async fn rewrap(config: &Path, which: Which) -> anyhow::Result<()> {
    let watch = Watch::new(which.json);
    let privity = open(config, &watch).await?;
    let rewrapping = key::rewrap(&privity, which.kind());
    let done = watch.over("wrapping again", rewrapping).await;
    key::let_go(&privity).await;
    let done = done?;
    if which.json {
        return show::json(&done);
    }
    let rotated = Rotated {
        present: key::present(&privity, which.kind()),
        rewrapped: done,
        ..Rotated::default()
    };
    show::text(&words_of(which, &rotated))
}

async fn destroy(config: &Path, version: u32, which: Which) -> anyhow::Result<()> {
    let watch = Watch::new(which.json);
    let privity = open(config, &watch).await?;
    let destroying = key::destroy(&privity, which.kind(), version, PATIENCE);
    let destroyed = watch
        .over("waiting until no program uses the key", destroying)
        .await;
    key::let_go(&privity).await;
    destroyed?;
    let name = which.name();
    told(
        which,
        version,
        &format!(
            "Destroyed {name} {version}. Remove it from copies of the key file as well: copy the key file anew."
        ),
    )
}

fn told(which: Which, version: u32, words: &str) -> anyhow::Result<()> {
    match which.json {
        true => show::json(&json!({"kind": which.kind(), "version": version})),
        false => show::text(words),
    }
}

async fn protect(config: &Path) -> anyhow::Result<()> {
    let settings = settings::load(config)?;
    let (clock, rng) = (governance::system_clock(), governance::system_rng());
    let service = key::protect(&settings, clock, rng).await?;
    show::text(&format!(
        "{} opens with {service} alone now. Destroy older copies of it, restart the program, then run `privity key rotate`: whoever kept a copy can't open what is sealed from then on.",
        settings.key_file.display()
    ))
}

async fn unprotect(config: &Path) -> anyhow::Result<()> {
    let settings = settings::load(config)?;
    let (clock, rng) = (governance::system_clock(), governance::system_rng());
    let service = key::unprotect(&settings, clock, rng).await?;
    show::text(&format!(
        "{} opens without {service} now. Remove `key_service` from the settings, and restart the program.",
        settings.key_file.display()
    ))
}
