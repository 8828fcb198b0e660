//! `privity ledger`: who has what of whom, and what is asked for without need.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use domain::audit::Actor;
use governance::disclosure::{LedgerLine, Minimisation, minimise, of_subject};

use super::watch::Watch;
use super::{open, show};
use crate::ledger_file::{LedgerFile, LedgerFormat};

/// Ask the ledger of disclosures.
#[derive(Subcommand)]
pub(super) enum LedgerCommand {
    /// Show who has what of a subject.
    Show {
        /// The subject, `sub_…`; any of her records.
        subject: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write the whole ledger into a file: ids, keys, names and counts, no value.
    Export {
        /// The file; it must not be there yet.
        #[arg(long, value_name = "FILE", visible_alias = "to")]
        out: PathBuf,
        /// JSON Lines, or Parquet for analytics.
        #[arg(long, value_enum, default_value = "jsonl")]
        format: LedgerFormat,
    },
    /// Say which attributes nobody asks for, who asks for more than they get, and which purposes are not used.
    Minimise {
        /// So many days back, today among them.
        #[arg(long, default_value_t = 90)]
        days: u32,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

impl LedgerCommand {
    pub(super) async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        match self {
            Self::Show { subject, json } => {
                let privity = open(config, &Watch::new(json)).await?;
                let subject = subject.parse().context("no id of a subject")?;
                let lines = of_subject(&privity, subject, Actor::CommandLine).await?;
                if json {
                    show::json(&lines)?;
                } else {
                    print(&lines)?;
                }
            }
            Self::Export { out, format } => {
                let privity = open(config, &Watch::new(false)).await?;
                let count = export(&privity, &out, format).await?;
                show::aside(&format!("Wrote {count} lines to {}.", out.display()));
            }
            Self::Minimise { days, json } => {
                let privity = open(config, &Watch::new(json)).await?;
                let found = minimise(&privity, days).await?;
                if json {
                    show::json(&found)?;
                } else {
                    show::text(&in_words(&found))?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print(lines: &[LedgerLine]) -> anyhow::Result<()> {
    let rows = lines.iter().map(|line| {
        let forms = line.attributes.iter();
        let forms: Vec<_> = forms
            .map(|(form, names)| format!("{form}: {}", names.join(", ")))
            .collect();
        let sale = match (line.sold, line.shared) {
            (true, _) => "sold",
            (false, true) => "shared",
            (false, false) => "",
        };
        vec![
            line.recipient.to_string(),
            line.purpose.to_string(),
            forms.join("; "),
            line.times.to_string(),
            line.last_at.to_string(),
            sale.to_owned(),
        ]
    });
    show::table(
        &["Recipient", "Purpose", "Got", "Times", "Last", ""],
        rows.collect(),
        "Nobody got anything of her.",
    )
}

async fn export(
    privity: &governance::Privity,
    out: &Path,
    format: LedgerFormat,
) -> anyhow::Result<u64> {
    let file = std::fs::File::create_new(out).with_context(|| {
        format!(
            "`{}` can't be made; choose a file that is not there yet",
            out.display()
        )
    })?;
    let mut file = std::io::BufWriter::new(file);
    let mut ledger = LedgerFile::begin(privity, format, Actor::CommandLine).await?;
    while let Some(piece) = ledger.next().await? {
        file.write_all(&piece).context("cannot write the file")?;
    }
    file.flush().context("cannot write the file")?;
    Ok(ledger.lines())
}

fn in_words(found: &Minimisation) -> String {
    let list = |keys: Vec<String>| {
        if keys.is_empty() {
            "none".to_owned()
        } else {
            keys.join(", ")
        }
    };
    let mut words = format!("Since {}\n", found.since);
    let never_asked = found.never_asked.iter().map(ToString::to_string);
    words += &format!(
        "Attributes that nobody asked for: {}\n",
        list(never_asked.collect())
    );
    let never_given = found.never_given.iter().map(ToString::to_string);
    words += &format!(
        "Attributes that were asked for and never went out: {}\n",
        list(never_given.collect())
    );
    let purposes = found.unused_purposes.iter().map(ToString::to_string);
    words += &format!(
        "Purposes for which nothing went out: {}\n",
        list(purposes.collect())
    );
    let recipients = found.unused_recipients.iter().map(ToString::to_string);
    words += &format!(
        "Recipients that got nothing: {}\n",
        list(recipients.collect())
    );
    for one in &found.asks_for_more {
        words += &format!(
            "{} asked {} times for {} and never got: {}\n",
            one.recipient,
            one.times,
            one.purpose,
            one.withheld.join(", ")
        );
    }
    words
}
