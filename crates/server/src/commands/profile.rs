//! `privity profile`: the schema of attributes, imports from files, and an operator's look at one profile.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use domain::audit::Actor;
use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::profile::{AttributeKey, AttributeRule, Schema};
use domain::sensitive::Sensitive;
use governance::profile::import::{Format, Import, import};
use governance::profile::load_schema;
use governance::profile::read::{
    self, ReleasedAttribute, ReleasedValue, Shown, Viewer, WantedAttributes,
};
use governance::{Privity, Problem, law};
use serde_json::json;

use super::profile_sync::Sync;
use super::request::Key;
use super::watch::Watch;
use super::{open, show};
use crate::config as settings;

/// Fill profiles and look at them.
#[derive(Subcommand)]
pub(super) enum ProfileCommand {
    /// Check the schema of attributes and show it as a table.
    Schema(ShowSchema),
    /// Import profiles from a file, CSV or JSON Lines. Stopped at any moment, the same command goes on where it was.
    ///
    /// Example: privity profile import customers.csv --source shop --map "E-mail=email"
    Import(ImportFile),
    /// Fill profiles from source systems, by `sync` in the schema's file: what changed since the last time. Stopped at any moment, the same
    /// command goes on where it was.
    ///
    /// Example: privity profile sync shop
    Sync(Sync),
    /// Show one profile: what counts of each attribute, where it is from, and what other sources say. The look is recorded with your name.
    ///
    /// Example: echo maria@example.com | privity profile show --by email
    Show(Look),
}

/// Arguments of `privity profile schema`.
#[derive(Args)]
pub(super) struct ShowSchema {
    /// The schema's file; the one of the settings if left out.
    file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `privity profile import`.
#[derive(Args)]
pub(super) struct ImportFile {
    /// The file. An empty field takes out what the source said before.
    file: PathBuf,
    /// Key of the source in the schema.
    #[arg(long, value_name = "KEY")]
    source: String,
    /// How the file is written; by its ending if left out.
    #[arg(long)]
    format: Option<FormatWord>,
    /// A column that is called otherwise than its attribute; `COLUMN=` leaves it out. May come several times.
    #[arg(long, value_name = "COLUMN=ATTRIBUTE")]
    map: Vec<String>,
    /// The column that says when a record was seen, e.g. 2026-01-31T12:00:00Z; now otherwise.
    #[arg(long, value_name = "COLUMN")]
    observed_at: Option<String>,
    /// Begin again with a file that was imported to its end.
    #[arg(long)]
    again: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How a file is written, as it is typed.
#[derive(Clone, Copy, ValueEnum)]
enum FormatWord {
    /// Comma-separated values (also with semicolons or tabs), the first line naming the columns.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// Arguments of `privity profile show`.
#[derive(Args)]
pub(super) struct Look {
    /// The subject, `sub_…`; or --by.
    subject: Option<SubjectId>,
    /// The kind of identifier, e.g. email; the identifier itself is read from standard input, where no history and no list of processes
    /// keeps it.
    #[arg(
        long,
        value_name = "KIND",
        conflicts_with = "subject",
        required_unless_present = "subject"
    )]
    by: Option<String>,
    /// Only these attributes. May come several times.
    #[arg(long, value_name = "KEY")]
    attribute: Vec<String>,
    /// Sensitive attributes, too.
    #[arg(long, conflicts_with = "attribute")]
    sensitive: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    key: Key,
}

impl ProfileCommand {
    pub(super) async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        match self {
            Self::Schema(schema) => schema.run(config)?,
            Self::Import(file) => return file.run(config).await,
            Self::Sync(sync) => return sync.run(config).await,
            Self::Show(look) => look.run(config).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl ShowSchema {
    fn run(self, config: &Path) -> anyhow::Result<()> {
        // A file on its own can be checked before there are any settings.
        let (file, law) = match self.file {
            Some(file) => (file, law::load(None)?),
            None => {
                let settings = settings::load(config)?;
                let file = settings.profile.ok_or_else(|| {
                    Problem::new(
                        "no_profile_schema",
                        409,
                        "the settings name no schema; set `profile` to its file, or name one here",
                    )
                })?;
                (file, law::load(settings.law.as_deref())?)
            }
        };
        let schema = load_schema(&file, &law)?.schema;
        if self.json {
            return show::json(&as_json(&schema));
        }
        let rows = schema.attributes().map(|rule| row(&schema, rule)).collect();
        let head = [
            "no.",
            "attribute",
            "kind",
            "category",
            "kept as",
            "sources",
            "finds",
            "kept for",
        ];
        show::table(&head, rows, "The schema has no attributes.")?;
        show::table(
            &["no.", "source", "title", "records found by", "proves"],
            sources(&schema),
            "",
        )
    }
}

fn row(schema: &Schema, rule: &AttributeRule) -> Vec<String> {
    let sources = rule
        .sources
        .iter()
        .filter_map(|number| schema.source(*number));
    let sources: Vec<_> = sources.map(|source| source.key.to_string()).collect();
    let finds = rule.identifier.as_ref().map(|used| {
        let unique = schema
            .identity()
            .kinds
            .get(&used.kind)
            .is_some_and(|rule| rule.unique);
        format!(
            "{}{}",
            used.kind.0,
            if unique { ", one subject" } else { "" }
        )
    });
    vec![
        rule.number.0.to_string(),
        rule.key.to_string(),
        word(&rule.kind),
        rule.category.clone(),
        format!("{}, {}", word(&rule.sensitivity), rule.segment.text()),
        sources.join(", "),
        finds.unwrap_or_default(),
        rule.retention
            .as_ref()
            .map(|rule| format!("{:#}", rule.keep_for.0))
            .unwrap_or_default(),
    ]
}

fn sources(schema: &Schema) -> Vec<Vec<String>> {
    let key = |number| {
        schema
            .attribute(number)
            .map(|rule| rule.key.to_string())
            .unwrap_or_default()
    };
    let row = |(number, source): (domain::profile::SourceNumber, &domain::profile::Source)| {
        let proves: Vec<_> = source.proves.iter().map(|number| key(*number)).collect();
        vec![
            number.0.to_string(),
            source.key.to_string(),
            source.title.clone(),
            source.record.map(key).unwrap_or_default(),
            proves.join(", "),
        ]
    };
    schema.sources().map(row).collect()
}

fn as_json(schema: &Schema) -> serde_json::Value {
    let attributes = schema.attributes().map(|rule| {
        let row = row(schema, rule);
        json!({"number": rule.number, "attribute": rule.key, "title": rule.title, "kind": rule.kind, "category": rule.category, "sensitivity": rule.sensitivity, "segment": rule.segment, "sources": row.get(5), "finds": rule.identifier.as_ref().map(|used| &used.kind)})
    });
    json!({"version": schema.version(), "attributes": attributes.collect::<Vec<_>>()})
}

/// The word under which an enum of the domain stands in files.
fn word(value: &impl serde::Serialize) -> String {
    let word = serde_json::to_value(value).ok();
    word.and_then(|word| word.as_str().map(str::to_owned))
        .unwrap_or_default()
}

impl ImportFile {
    async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        let as_json = self.json;
        let watch = Watch::new(as_json);
        let wanted = self.wanted()?;
        let privity = open(config, &watch).await?;
        let work = import(&privity, &wanted, Actor::CommandLine);
        let imported = watch.over("importing profiles", work).await?;
        if as_json {
            show::json(&imported)?;
        } else {
            let counts = &imported.counts;
            for (number, reason) in &imported.refused {
                show::text(&format!("record {number}: {reason}"))?;
            }
            if imported.finished_before {
                show::aside("This file was imported to its end before; --again begins anew.");
            } else if imported.done_before > 0 {
                show::aside(&format!("Went on after record {}.", imported.done_before));
            }
            show::aside(&format!(
                "{} records: {} new, {} changed, {} the same, {} refused.",
                counts.records, counts.new, counts.changed, counts.unchanged, counts.refused
            ));
        }
        let code = u8::from(imported.counts.refused > 0);
        Ok(ExitCode::from(code))
    }

    fn wanted(self) -> Result<Import, Problem> {
        let ending = self
            .file
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default()
            .to_ascii_lowercase();
        let format = match (self.format, ending.as_str()) {
            (Some(FormatWord::Csv), _) | (None, "csv" | "tsv" | "txt") => Format::Csv,
            (Some(FormatWord::Jsonl), _) | (None, "jsonl" | "ndjson") => Format::JsonLines,
            (None, _) => {
                return Err(Problem::invalid(
                    "format",
                    "the file's ending does not say how it is written; say --format csv or --format jsonl",
                ));
            }
        };
        let mut columns = BTreeMap::new();
        for pair in &self.map {
            let (column, attribute) = pair.split_once('=').ok_or_else(|| {
                Problem::invalid(
                    "map",
                    "write --map COLUMN=ATTRIBUTE, or --map COLUMN= to leave the column out",
                )
            })?;
            columns.insert(column.to_owned(), attribute.to_owned());
        }
        Ok(Import {
            path: self.file,
            format,
            source: self.source,
            columns,
            observed_at: self.observed_at,
            again: self.again,
        })
    }
}

impl Look {
    async fn run(self, config: &Path) -> anyhow::Result<()> {
        let privity = open(config, &Watch::new(self.json)).await?;
        let as_json = self.json;
        let shown = self.look(&privity).await?;
        if as_json {
            let all: Vec<_> = shown.iter().map(|one| json!({"id": one.subject, "records": one.records, "attributes": one.sources(), "withheld": one.withheld()})).collect();
            return show::json(&all);
        }
        if shown.is_empty() {
            return Err(Problem::not_found("profile").into());
        }
        for one in &shown {
            print(one)?;
        }
        Ok(())
    }

    async fn look(self, privity: &Privity) -> anyhow::Result<Vec<Shown>> {
        let wanted = match (self.attribute.is_empty(), self.sensitive) {
            (false, _) => WantedAttributes::These(
                self.attribute
                    .iter()
                    .map(|key| AttributeKey::from(key.as_str()))
                    .collect(),
            ),
            (true, true) => WantedAttributes::All,
            (true, false) => WantedAttributes::Plain,
        };
        let operator = self.key.operator(privity).await?;
        let (viewer, actor) = (Viewer::Operator(operator), Actor::Operator(operator));
        if let Some(subject) = self.subject {
            return Ok(vec![
                read::show(privity, subject, &wanted, viewer, &actor).await?,
            ]);
        }
        let kind = IdentifierKind(self.by.unwrap_or_default());
        let identifier = typed()?;
        Ok(read::find(privity, (&kind, &identifier), &wanted, viewer, &actor).await?)
    }
}

/// The identifier from standard input.
fn typed() -> Result<Sensitive<String>, Problem> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|_| {
        Problem::invalid(
            "by",
            "standard input can't be read; pipe the identifier into it",
        )
    })?;
    let typed = Sensitive::new(line.trim().to_owned());
    drop(Sensitive::new(line));
    Ok(typed)
}

fn print(shown: &Shown) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for (key, attribute) in shown.sources().attributes() {
        match attribute {
            ReleasedAttribute::Description(text) => rows.push(vec![
                key.to_string(),
                format!("({text})"),
                String::new(),
                String::new(),
                String::new(),
            ]),
            ReleasedAttribute::Values(chosen, others) => {
                rows.push(line(key.as_ref(), chosen));
                let differs = others.iter().filter(|other| other.conflicts);
                rows.extend(differs.map(|other| line("  says otherwise", other)));
            }
        }
    }
    let records = if shown.records.len() == 1 {
        String::new()
    } else {
        format!(", {} records", shown.records.len())
    };
    show::aside(&format!("{}{records}", shown.subject));
    show::table(
        &["attribute", "value", "source", "seen", "proven"],
        rows,
        "Nothing of it may be shown.",
    )?;
    if !shown.withheld().is_empty() {
        show::aside(&format!(
            "{} attributes were withheld.",
            shown.withheld().len()
        ));
    }
    Ok(())
}

fn line(key: &str, value: &ReleasedValue) -> Vec<String> {
    vec![
        key.to_owned(),
        value.text(),
        value.source.clone(),
        value.observed_at.to_string(),
        if value.verified {
            "yes".to_owned()
        } else {
            String::new()
        },
    ]
}
