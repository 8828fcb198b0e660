//! `privity data-map`: a first draft from a live database or from Fideslang, and a check of what the map forgets.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use domain::law::LawBook;
use governance::data_map::{self, Finding, Findings, Severity};
use governance::law;
use serde::Serialize;

use super::watch::Watch;

/// The data map: where personal data lives, and to whom it goes.
#[derive(Debug, Subcommand)]
pub enum DataMapCommand {
    /// Draft a data map from a live database: every column with a suggested category, every foreign key with its meaning.
    Describe(Describe),
    /// Turn Fideslang dataset and system files into a data map.
    ImportFides(ImportFides),
    /// Tell what a data map forgets, and with --live how it differs from the systems as they are. Exit code 1 on errors.
    Check(Check),
    /// Print the JSON Schema of data map files, for editors.
    Schema,
}

/// Arguments of `privity data-map describe`.
#[derive(Debug, Args)]
pub struct Describe {
    /// What to describe: sqlite:PATH, postgres://ROLE@HOST/DATABASE or mysql://ACCOUNT@HOST/DATABASE. The environment variable
    /// keeps a password out of the shell's history and the list of processes.
    #[arg(env = "PRIVITY_DESCRIBE", hide_env_values = true)]
    connection: String,
    /// The system's key in the map; the database's name if left out.
    #[arg(long, value_name = "NAME")]
    system: Option<String>,
    /// Only the tables of this schema (PostgreSQL).
    #[arg(long, value_name = "NAME")]
    schema: Option<String>,
    /// Read up to 20 values of each column to guess better; they are looked at and dropped at once.
    #[arg(long)]
    samples: bool,
    /// Write the map to this file; it must not exist yet.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    law: LawFolder,
}

/// Arguments of `privity data-map import-fides`.
#[derive(Debug, Args)]
pub struct ImportFides {
    /// A Fideslang file with datasets, systems or both.
    file: PathBuf,
    /// Write the map to this file; it must not exist yet.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Arguments of `privity data-map check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The folder of the data map, or one file.
    path: PathBuf,
    /// Also reach the systems and tell how they differ from the map.
    #[arg(long)]
    live: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    law: LawFolder,
}

/// Which law data says what data categories and reasons there are.
#[derive(Debug, Args)]
pub struct LawFolder {
    /// Folder with law files of your own.
    #[arg(long, value_name = "FOLDER", env = "PRIVITY_LAW")]
    law_folder: Option<PathBuf>,
}

/// What `privity data-map check --json` prints.
#[derive(Serialize)]
struct CheckView<'a> {
    errors: usize,
    warnings: usize,
    notes: usize,
    findings: &'a [Finding],
}

impl DataMapCommand {
    /// Runs the command and prints its answer.
    ///
    /// # Errors
    /// A system or file that can't be read, or an output that can't be written.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Describe(describe) => describe.run().await,
            Self::ImportFides(import) => import.run(),
            Self::Check(check) => check.run().await,
            Self::Schema => print(&data_map::json_schema()).map(|()| ExitCode::SUCCESS),
        }
    }
}

impl LawFolder {
    fn book(&self) -> anyhow::Result<LawBook> {
        Ok(law::load(self.law_folder.as_deref())?)
    }
}

impl Describe {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let law = self.law.book()?;
        let wanted = data_map::Describe {
            connection: self.connection,
            system: self.system,
            schema: self.schema,
            with_samples: self.samples,
        };
        let watch = Watch::new(false);
        let described = data_map::describe_watched(&wanted, &law, watch.progress());
        let drafted = watch.over("describing the live schema", described).await?;
        hand_out(self.out.as_deref(), &drafted.yaml)?;
        let mut told = format!(
            "{} collections described; look at the places marked `look:` first",
            drafted.collections
        );
        if let Some(variable) = &drafted.variable {
            told.push_str(&format!(
                "; set `{variable}` to the connection's URL before you use the map"
            ));
        }
        tell(&told)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl ImportFides {
    fn run(self) -> anyhow::Result<ExitCode> {
        let name = self.file.display().to_string();
        let text = std::fs::read_to_string(&self.file)
            .with_context(|| format!("`{name}` can't be read"))?;
        let imported = data_map::import_fides(&name, &text)?;
        hand_out(self.out.as_deref(), &imported.yaml)?;
        for remark in &imported.remarks {
            tell(remark)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Check {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let law = self.law.book()?;
        let findings = match data_map::load(&self.path, &environment, &law) {
            Ok(loaded) if self.live => {
                let watch = Watch::new(self.json);
                let checked = data_map::check_live_watched(&loaded, watch.progress());
                watch.over("asking the live systems", checked).await
            }
            Ok(loaded) => data_map::check(&loaded, None),
            Err(Findings(findings)) => findings,
        };
        let view = CheckView::of(&findings);
        let text = if self.json {
            serde_json::to_string_pretty(&view)?
        } else {
            view.describe()
        };
        print(&format!("{}\n", text.trim_end()))?;
        Ok(if view.errors == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

impl<'a> CheckView<'a> {
    fn of(findings: &'a [Finding]) -> Self {
        let count = |severity: Severity| {
            findings
                .iter()
                .filter(|finding| finding.severity == severity)
                .count()
        };
        Self {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
            findings,
        }
    }

    fn describe(&self) -> String {
        let told: String = self
            .findings
            .iter()
            .map(|finding| format!("{finding}\n\n"))
            .collect();
        if self.findings.is_empty() {
            return "nothing is wrong with this data map".to_owned();
        }
        format!(
            "{told}errors: {}, warnings: {}, notes: {}",
            self.errors, self.warnings, self.notes
        )
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Writes a draft to a new file, or prints it. What somebody has reviewed is never overwritten.
fn hand_out(file: Option<&Path>, text: &str) -> anyhow::Result<()> {
    let Some(path) = file else { return print(text) };
    let shown = path.display();
    let mut file = match std::fs::File::create_new(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => anyhow::bail!(
            "`{shown}` exists already and may hold somebody's review; name another file"
        ),
        Err(error) => return Err(error).with_context(|| format!("`{shown}` can't be made")),
    };
    file.write_all(text.as_bytes())
        .with_context(|| format!("`{shown}` can't be written"))?;
    tell(&format!("written to {shown}"))
}

fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads the first lines only (`| head`) has what they wanted.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write the answer"),
    }
}

/// Remarks go beside the answer, so that the answer can be redirected into a file.
fn tell(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stderr().lock(), "{text}").context("cannot write to the terminal")
}
