//! `privity identity`: which records are one subject's, for whoever likes a terminal. No value of anybody's is shown here.

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use domain::id::SubjectId;
use domain::identity::{MergeId, ReviewId};
use governance::Privity;
use governance::identity::{self, DecidedBy, EventLine, Page, ReviewLine, SubjectHistory};
use serde_json::{Value, json};

use super::request::Key;
use super::watch::Watch;
use super::{open, show};

/// Say which records are one subject's.
#[derive(Subcommand)]
pub(super) enum IdentityCommand {
    /// List what the rules leave to you: possible matches, identifiers that two claim or too many have. The Console shows them side by side.
    Reviews(Reviews),
    /// Say that two subjects are one. No record changes by it, and it can be taken apart again.
    Merge(Two),
    /// Take one merge apart, for good: no rule puts the two together again.
    Split(Split),
    /// Say that two subjects are two, whatever they have in common.
    KeepApart(Two),
    /// Show a subject's records, and by what they became one.
    History(OneSubject),
}

/// Arguments of `privity identity reviews`.
#[derive(Args)]
pub(super) struct Reviews {
    /// Go on after this one.
    #[arg(long, value_name = "ID")]
    after: Option<ReviewId>,
    /// At most this many.
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Two subjects.
#[derive(Args)]
pub(super) struct Two {
    /// One of them, `sub_…`, by any of her records.
    one: SubjectId,
    /// The other.
    other: SubjectId,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    key: Key,
}

/// Arguments of `privity identity split`.
#[derive(Args)]
pub(super) struct Split {
    /// The merge, `mrg_…`, as `privity identity history` lists it.
    merge: MergeId,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    key: Key,
}

/// Arguments that name one subject.
#[derive(Args)]
pub(super) struct OneSubject {
    /// The subject, `sub_…`, by any of her records.
    subject: SubjectId,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl IdentityCommand {
    pub(super) async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        let privity = open(config, &Watch::new(self.is_for_program())).await?;
        match self {
            Self::Reviews(reviews) => reviews.run(&privity).await?,
            Self::Merge(two) => two.merge(&privity).await?,
            Self::Split(split) => split.run(&privity).await?,
            Self::KeepApart(two) => two.keep_apart(&privity).await?,
            Self::History(one) => one.run(&privity).await?,
        }
        Ok(ExitCode::SUCCESS)
    }

    const fn is_for_program(&self) -> bool {
        match self {
            Self::Reviews(reviews) => reviews.json,
            Self::Merge(two) | Self::KeepApart(two) => two.json,
            Self::Split(split) => split.json,
            Self::History(one) => one.json,
        }
    }
}

impl Reviews {
    async fn run(self, privity: &Privity) -> anyhow::Result<()> {
        let page = Page {
            after: self.after,
            limit: self.limit,
        };
        let list = identity::reviews(privity, page).await?;
        if self.json {
            let items: Vec<_> = list.reviews.iter().map(review_json).collect();
            return show::json(&json!({"items": items, "open": list.open, "next": list.next}));
        }
        let rows = list.reviews.iter().map(review_row).collect();
        show::table(
            &["question", "about", "one", "other", "since"],
            rows,
            "Nothing waits for you.",
        )?;
        if let Some(next) = list.next {
            show::aside(&format!(
                "{} are open; go on with --after {next}",
                list.open
            ));
        }
        Ok(())
    }
}

fn review_json(line: &ReviewLine) -> Value {
    json!({
        "id": line.review.id, "kind": line.review.kind, "one": line.one, "other": line.other,
        "identifier": line.review.identifier, "created_at": line.review.created_at.to_string(),
    })
}

fn review_row(line: &ReviewLine) -> Vec<String> {
    let about = line.review.identifier.as_ref();
    let about = about.map_or_else(String::new, |kind| format!(" ({})", kind.0));
    vec![
        line.review.id.to_string(),
        format!("{}{about}", line.review.kind.text()),
        line.one.to_string(),
        line.other.map(|id| id.to_string()).unwrap_or_default(),
        line.review.created_at.strftime("%Y-%m-%d").to_string(),
    ]
}

impl Two {
    async fn merge(self, privity: &Privity) -> anyhow::Result<()> {
        let operator = self.key.operator(privity).await?;
        let id = identity::merge(privity, self.one, self.other, operator).await?;
        if self.json {
            return show::json(&json!({"id": id}));
        }
        show::text(&id.to_string())?;
        show::aside("They are one now. `privity identity split` with this id takes them apart.");
        Ok(())
    }

    async fn keep_apart(self, privity: &Privity) -> anyhow::Result<()> {
        let operator = self.key.operator(privity).await?;
        identity::keep_apart(privity, self.one, self.other, operator).await?;
        if self.json {
            return show::json(&json!({"one": self.one, "other": self.other}));
        }
        show::aside("They stay two, whatever they have in common.");
        Ok(())
    }
}

impl Split {
    async fn run(self, privity: &Privity) -> anyhow::Result<()> {
        let operator = self.key.operator(privity).await?;
        let split = identity::split(privity, self.merge, operator).await?;
        if self.json {
            let (one, other) = split.subjects;
            let answer = json!({"one": one, "other": other, "still_one": split.still_one});
            return show::json(&answer);
        }
        show::aside(if split.still_one {
            "That merge is taken apart. The two are still one by others; `privity identity history` lists them."
        } else {
            "They are two again, and stay so."
        });
        Ok(())
    }
}

impl OneSubject {
    async fn run(self, privity: &Privity) -> anyhow::Result<()> {
        let history = identity::history(privity, self.subject).await?;
        if self.json {
            return show::json(&history_json(&history));
        }
        show::aside(&format!(
            "{}: {} in all",
            history.canonical,
            match history.records.len() {
                1 => "1 record".to_owned(),
                many => format!("{many} records"),
            }
        ));
        let rows = history.events.iter().map(event_row).collect();
        show::table(
            &["when", "what", "one", "other", "why", "merge"],
            rows,
            "Nothing was merged, taken apart or kept apart.",
        )
    }
}

fn history_json(history: &SubjectHistory) -> Value {
    let records: Vec<_> = history.records.iter().map(|one| json!({"id": one.id, "created_at": one.created_at.to_string(), "erased_at": one.erased_at.map(|at| at.to_string())})).collect();
    let events: Vec<_> = history.events.iter().map(|one| json!({"kind": one.kind.text(), "merge": one.merge, "one": one.one, "other": one.other, "why": why(one), "at": one.at.to_string(), "stands": one.stands})).collect();
    json!({"id": history.canonical, "records": records, "events": events})
}

fn event_row(line: &EventLine) -> Vec<String> {
    let merge = line.merge.map(|id| id.to_string()).unwrap_or_default();
    let gone = line.kind == identity::EventKind::Merged && !line.stands;
    vec![
        line.at.strftime("%Y-%m-%d %H:%M").to_string(),
        line.kind.text().to_owned(),
        line.one.to_string(),
        line.other.to_string(),
        why(line),
        if gone {
            format!("{merge} (taken apart)")
        } else {
            merge
        },
    ]
}

fn why(line: &EventLine) -> String {
    match &line.by {
        DecidedBy::Operator(id, name) => name.clone().unwrap_or_else(|| id.to_string()),
        DecidedBy::Identifier(kind) => format!("same {}", kind.0),
        DecidedBy::Rule => "too many have the identifier".to_owned(),
    }
}
