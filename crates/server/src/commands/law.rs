//! `privity law`: what the law data says, and whether a changed copy of it is sound.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use domain::law::{Clocks, Law, LawBook, Received, Right, Row, RowText};
use governance::law;
use jiff::civil::Date;
use serde::Serialize;

/// Dates, rights and citations of the law data.
#[derive(Debug, Subcommand)]
pub enum LawCommand {
    /// Compute by when a privacy request must be confirmed and answered.
    Due(Due),
    /// List the laws and their rights.
    List(List),
    /// Show the rights and rows of one law with their citations.
    Show(Show),
    /// Check a folder of law files and tell every fault with its file and line.
    Check(Check),
}

/// Which law data to use.
#[derive(Debug, Args)]
pub struct Folder {
    /// Folder with law files of your own; a file named like one inside the program replaces it.
    #[arg(long, value_name = "FOLDER", env = "PRIVITY_LAW")]
    law_folder: Option<PathBuf>,
}

/// Arguments of `privity law due`.
#[derive(Debug, Args)]
pub struct Due {
    /// The law, e.g. ccpa, gdpr, vcdpa; `privity law list` names all.
    #[arg(long)]
    law: String,
    /// The right, e.g. delete, know_specific, opt_out_sale_share.
    #[arg(long)]
    right: String,
    /// When it was received: a date (2026-11-02), or a moment with its offset (2026-11-02T23:50:00-08:00).
    #[arg(long, value_name = "DATE|MOMENT")]
    received: Received,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    folder: Folder,
}

/// Arguments of `privity law list`.
#[derive(Debug, Args)]
pub struct List {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    folder: Folder,
}

/// Arguments of `privity law show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The law, e.g. ccpa.
    law: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    folder: Folder,
}

/// Arguments of `privity law check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The folder; files that it lacks are taken from inside the program.
    folder: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What `privity law due --json` prints.
#[derive(Debug, Serialize)]
struct DueView<'a> {
    law: &'a str,
    right: &'a str,
    received_on: Date,
    ack_by: Option<Date>,
    respond_by: Option<Date>,
    max_with_extension: Option<Date>,
    citations: Vec<CitationView<'a>>,
    confidence: &'static str,
}

/// One row behind the dates.
#[derive(Debug, Serialize)]
struct CitationView<'a> {
    rule: &'a str,
    clock: &'a str,
    citation: &'a str,
    confidence: &'static str,
    source: Option<&'a str>,
}

/// What `privity law list --json` prints of each law.
#[derive(Debug, Serialize)]
struct LawView<'a> {
    law: &'a str,
    title: &'a str,
    jurisdiction: &'a str,
    citation: &'a str,
    time_zone: &'a str,
    calendar: &'a str,
    rights: &'a [Right],
}

/// What `privity law show --json` prints.
#[derive(Debug, Serialize)]
struct LawRowsView<'a> {
    #[serde(flatten)]
    law: LawView<'a>,
    rows: Vec<&'a RowText>,
}

/// What `privity law check --json` prints.
#[derive(Debug, Serialize)]
struct CheckView {
    laws: usize,
    rows: usize,
    rows_from_memory: usize,
    data_categories: usize,
    reasons: usize,
    messages: usize,
}

/// The clocks that the law itself sets; targets and silences of the house are not part of the machine-readable answer.
const SHOWN: [&str; 4] = ["ack_by", "respond_by", "max_with_extension", "right"];

impl LawCommand {
    /// Runs the command and prints its answer.
    ///
    /// # Errors
    /// Unknown law or right, law files that can't be used, or an output that can't be written.
    pub fn run(self) -> anyhow::Result<()> {
        let text = match self {
            Self::Due(due) => due.answer()?,
            Self::List(list) => list.answer()?,
            Self::Show(show) => show.answer()?,
            Self::Check(check) => check.answer()?,
        };
        match writeln!(std::io::stdout().lock(), "{}", text.trim_end()) {
            // Whoever reads the first lines only (`| head`) has what they wanted.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written.context("cannot write the answer"),
        }
    }
}

impl Folder {
    fn book(&self) -> anyhow::Result<LawBook> {
        Ok(law::load(self.law_folder.as_deref())?)
    }
}

impl Due {
    fn answer(&self) -> anyhow::Result<String> {
        let clocks = self
            .folder
            .book()?
            .due(&self.law, &self.right, &self.received)?;
        if self.json {
            return Ok(serde_json::to_string_pretty(&DueView::of(&clocks))?);
        }
        Ok(describe(&clocks))
    }
}

impl List {
    fn answer(&self) -> anyhow::Result<String> {
        let book = self.folder.book()?;
        if self.json {
            let laws: Vec<LawView<'_>> = book.laws().map(LawView::of).collect();
            return Ok(serde_json::to_string_pretty(&laws)?);
        }
        Ok(list(&book))
    }
}

impl Show {
    fn answer(&self) -> anyhow::Result<String> {
        let book = self.folder.book()?;
        let law = book.law(&self.law)?;
        if self.json {
            let rows = law.rows.iter().map(|row| &row.text).collect();
            return Ok(serde_json::to_string_pretty(&LawRowsView {
                law: LawView::of(law),
                rows,
            })?);
        }
        Ok(show_law(law))
    }
}

impl Check {
    fn answer(&self) -> anyhow::Result<String> {
        let book = law::load(Some(&self.folder))?;
        let rows: Vec<&Row> = book.laws().flat_map(|law| &law.rows).collect();
        let sound = CheckView {
            laws: book.laws().count(),
            rows: rows.len(),
            rows_from_memory: rows
                .iter()
                .filter(|row| row.text.confidence.is_from_memory())
                .count(),
            data_categories: book.categories().count(),
            reasons: book.reasons().len(),
            messages: book.messages().len(),
        };
        if self.json {
            return Ok(serde_json::to_string_pretty(&sound)?);
        }
        let CheckView {
            laws,
            rows,
            rows_from_memory,
            data_categories,
            reasons,
            messages,
        } = sound;
        Ok(format!(
            "{laws} laws, {rows} rows, {data_categories} data categories, {reasons} reasons and {messages} messages are sound; \
             {rows_from_memory} rows are from memory and need a check"
        ))
    }
}

impl<'a> LawView<'a> {
    fn of(law: &'a Law) -> Self {
        Self {
            law: &law.key,
            title: &law.title,
            jurisdiction: &law.jurisdiction,
            citation: &law.citation,
            time_zone: law.time_zone().iana_name().unwrap_or("UTC"),
            calendar: law.calendar(),
            rights: &law.rights,
        }
    }
}

impl<'a> DueView<'a> {
    fn of(clocks: &'a Clocks) -> Self {
        let shown = clocks
            .rows
            .iter()
            .filter(|row| SHOWN.contains(&row.clock.as_str()));
        let citations: Vec<CitationView<'a>> = shown
            .clone()
            .map(|row| CitationView {
                rule: &row.rule,
                clock: &row.clock,
                citation: &row.citation,
                confidence: row.confidence.as_str(),
                source: row.source.as_deref(),
            })
            .collect();
        let weakest = shown
            .map(|row| row.confidence)
            .max()
            .unwrap_or_else(|| clocks.confidence());
        Self {
            law: &clocks.law,
            right: &clocks.right,
            received_on: clocks.received_on,
            ack_by: clocks.ack_by,
            respond_by: clocks.respond_by,
            max_with_extension: clocks.max_with_extension,
            citations,
            confidence: weakest.as_str(),
        }
    }
}

fn describe(clocks: &Clocks) -> String {
    let mut text = format!(
        "{} under {}, received on {}\n\n",
        clocks.right, clocks.law, clocks.received_on
    );
    let dates = [
        ("confirm receipt by", "ack_by", clocks.ack_by),
        ("answer by", "respond_by", clocks.respond_by),
        (
            "answer by, if extended",
            "max_with_extension",
            clocks.max_with_extension,
        ),
        ("own target", "internal_target", clocks.internal_target),
        (
            "do not ask again before",
            "no_reask_before",
            clocks.no_reask_before,
        ),
    ];
    for (words, clock, date) in dates {
        let Some(date) = date else { continue };
        let row = clocks.rows.iter().find(|row| row.clock == clock);
        let citation = row.map_or("", |row| &row.citation);
        let mark = row.map_or("", |row| mark(row.confidence.is_from_memory()));
        // Writing to a String can't fail.
        let _ = writeln!(text, "  {words:<24} {date}  {citation}{mark}");
    }
    if dates.iter().all(|(.., date)| date.is_none()) {
        let citation = clocks.rows.first().map_or("", |row| &row.citation);
        let _ = writeln!(text, "  the law sets no time limit for it ({citation})");
    }
    if clocks
        .rows
        .iter()
        .any(|row| row.confidence.is_from_memory())
    {
        text.push_str(
            "\n[from memory]: written down without its source; check it before you rely on it\n",
        );
    }
    text.push_str("not legal advice\n");
    text
}

const fn mark(is_from_memory: bool) -> &'static str {
    if is_from_memory { " [from memory]" } else { "" }
}

fn list(book: &LawBook) -> String {
    let mut text = String::new();
    for law in book.laws() {
        let rights: Vec<&str> = law
            .rights
            .iter()
            .map(|right| right.right.as_str())
            .collect();
        let _ = writeln!(
            text,
            "{:<14} {:<6} {}",
            law.key, law.jurisdiction, law.title
        );
        if !rights.is_empty() {
            let _ = writeln!(text, "{:<21} {}", "", rights.join(", "));
        }
    }
    text.push_str("\n`privity law show LAW` prints the rows of a law; not legal advice\n");
    text
}

fn show_law(law: &Law) -> String {
    let zone = law.time_zone().iana_name().unwrap_or("UTC");
    let mut text = format!(
        "{} ({}), {}\n{}; time zone {zone}, business days of {}; from {}\n\nRights\n",
        law.title,
        law.key,
        law.jurisdiction,
        law.citation,
        law.calendar(),
        law.file
    );
    for right in &law.rights {
        let _ = writeln!(text, "  {:<28} {}", right.right, right.title);
        let _ = writeln!(
            text,
            "  {:<28} verification: {}; {}{}",
            "",
            right.verification.as_str().replace('_', " "),
            right.citation,
            mark(right.confidence.is_from_memory())
        );
        if !right.aliases.is_empty() {
            let _ = writeln!(text, "  {:<28} also: {}", "", right.aliases.join(", "));
        }
    }
    text.push_str("\nRows\n");
    law.rows.iter().for_each(|row| show_row(&mut text, row));
    text.push_str("\nnot legal advice\n");
    text
}

fn show_row(text: &mut String, row: &Row) {
    let written = &row.text;
    let until = written
        .valid_to
        .map_or_else(String::new, |last| format!(" to {last}"));
    let unit = row.unit.as_str().replace('_', " ");
    let event = written.counted_from.replace('_', " ");
    let _ = writeln!(
        text,
        "  {:<36} {}: {} {unit} from {event}",
        written.rule, written.clock, written.value
    );
    let _ = writeln!(
        text,
        "  {:<36} {}{}; since {}{until}; {}, reviewed {}",
        "",
        written.citation,
        mark(written.confidence.is_from_memory()),
        written.valid_from,
        written.confidence.as_str(),
        written.reviewed_on
    );
    if let Some(note) = &written.note {
        let _ = writeln!(text, "  {:<36} {note}", "");
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests"
    )]

    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(subcommand)]
        law: LawCommand,
    }

    fn due(law: &str, right: &str, received: &str, json: bool) -> anyhow::Result<String> {
        let folder = Folder { law_folder: None };
        Due {
            law: law.to_owned(),
            right: right.to_owned(),
            received: received.parse()?,
            json,
            folder,
        }
        .answer()
    }

    #[test]
    fn the_dates_of_a_deletion_are_printed_as_json_with_their_citations() {
        let text = due("ccpa", "delete", "2026-11-02T23:50:00-08:00", true).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["received_on"], "2026-11-02");
        assert_eq!(value["ack_by"], "2026-11-17");
        assert_eq!(value["respond_by"], "2026-12-17");
        assert_eq!(value["max_with_extension"], "2027-01-31");
        assert_eq!(value["confidence"], "verified");
        assert_eq!(value["citations"].as_array().unwrap().len(), 3);
        assert_eq!(value["citations"][0]["citation"], "11 CCR 7021(a)");
    }

    #[test]
    fn a_right_without_extension_prints_null() {
        let text = due("CCPA", "opt-out-sale-share", "2026-11-20", true).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["respond_by"], "2026-12-14");
        assert!(value["ack_by"].is_null() && value["max_with_extension"].is_null());
    }

    #[test]
    fn dates_from_memory_are_marked() {
        let text = due("gdpr", "erase", "2026-01-31", false).unwrap();
        assert!(
            text.contains("answer by                2026-03-02  GDPR Art. 12(3)"),
            "{text}"
        );
        assert!(
            text.contains("[from memory]: written down without its source"),
            "{text}"
        );
    }

    #[test]
    fn unknown_names_and_dates_say_what_is_accepted() {
        let law = due("ccpx", "delete", "2026-11-02", true)
            .unwrap_err()
            .to_string();
        assert!(law.contains("known laws: alcdpa, "), "{law}");
        let right = due("ccpa", "vanish", "2026-11-02", true)
            .unwrap_err()
            .to_string();
        assert!(right.contains("its rights: know_categories, "), "{right}");
        let parsed = <Cli as clap::Parser>::try_parse_from([
            "x",
            "due",
            "--law",
            "ccpa",
            "--right",
            "delete",
            "--received",
            "soon",
        ]);
        let date = parsed.err().unwrap().to_string();
        assert!(
            date.contains("`2026-11-02`") && date.contains("`2026-11-02T23:50:00-08:00`"),
            "{date}"
        );
    }

    #[test]
    fn every_law_is_listed_and_shown_with_its_rows() {
        let book = law::load(None).unwrap();
        let listed = list(&book);
        for law in book.laws() {
            assert!(listed.contains(&law.title));
            let shown = show_law(law);
            assert!(law.rows.iter().all(|row| shown.contains(&row.text.rule) && shown.contains(&row.text.citation)));
        }
    }

    #[test]
    fn laws_rows_and_checks_are_also_printed_as_json() {
        let folder = || Folder { law_folder: None };
        let json = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
        let laws = json(
            List {
                json: true,
                folder: folder(),
            }
            .answer()
            .unwrap(),
        );
        assert!(
            laws.as_array()
                .unwrap()
                .iter()
                .any(|law| law["law"] == "gdpr" && law["rights"][0]["right"] == "access")
        );
        let ccpa = json(
            Show {
                law: "CCPA".to_owned(),
                json: true,
                folder: folder(),
            }
            .answer()
            .unwrap(),
        );
        let respond = ccpa["rows"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["rule"] == "ccpa.respond")
            .unwrap();
        assert_eq!(
            (respond["value"].as_i64(), respond["unit"].as_str()),
            (Some(45), Some("calendar_days"))
        );
        let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../law");
        let sound = json(
            Check {
                folder: shipped,
                json: true,
            }
            .answer()
            .unwrap(),
        );
        assert_eq!(
            sound["laws"].as_u64(),
            Some(laws.as_array().unwrap().len() as u64)
        );
    }

    #[test]
    fn a_folder_with_a_fault_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("hipaa.yaml"),
            "jurisdiction: US\ntime_zone: Nowhere/Here\nlaws: []\n",
        )
        .unwrap();
        let error = Check {
            folder: folder.path().to_owned(),
            json: false,
        }
        .answer()
        .unwrap_err()
        .to_string();
        assert!(
            error.contains("hipaa.yaml") && error.contains("`Nowhere/Here` is not a time zone"),
            "{error}"
        );
        let sound = Check {
            folder: folder.path().join("gone"),
            json: false,
        }
        .answer();
        assert!(sound.is_err());
    }

    #[test]
    fn the_command_line_is_well_formed() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
