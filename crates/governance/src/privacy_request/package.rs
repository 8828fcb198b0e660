//! The access package: one ZIP with a page to read, JSON, and a CSV file for each collection, written as the rows stream in.
//!
//! Law: Cal. Civ. Code 1798.110, .115, .130(a)(2)-(5); 11 CCR 7024. What must never be disclosed is described, not shown (7024(d)).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use domain::data_map::{Collection, CollectionKey};
use domain::plan::{Plan, PlannedCollection};
use domain::row::FoundRow;
use domain::traversal::Located;
use enforcement::{RecordedPermit, Released, ReleasedRow, release};
use jiff::civil::Date;
use serde_json::json;
use zip::write::SimpleFileOptions;

use crate::Privity;
use crate::letter;
use crate::privacy_request::categories::Categories;
use crate::privacy_request::look_back::LookBack;
use crate::profile;
use crate::search::{SearchError, everything};

/// Up to this many rows of a collection are read once and kept until both files are written; longer ones are read twice.
const KEPT_IN_MEMORY: u64 = 5_000;
/// Rows of a collection that the page shows; the CSV file has them all.
const ON_THE_PAGE: usize = 100;

/// Why a package could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A source system did not answer as it should.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The file could not be written.
    #[error(
        "the access package can't be written ({0}); free space in the packages folder and check that it may be written"
    )]
    Write(#[from] io::Error),
    /// The archive could not be written.
    #[error("the access package can't be written: {0}")]
    Archive(#[from] zip::result::ZipError),
}

/// What the package says of itself on its first page.
pub struct Cover {
    /// The business.
    pub business: String,
    /// The privacy request's id.
    pub request: String,
    /// The law.
    pub law: String,
    /// When it was made, for people.
    pub made_on: String,
    /// How to reach the business.
    pub contact: Option<String>,
    /// The day from which she asked to know; `None` for everything.
    pub since: Option<Date>,
}

/// Writes the package. `permit` is the subject's own, recorded; nothing that it doesn't name gets in.
pub async fn write<W: Write + Send>(
    p: &Privity,
    permit: &RecordedPermit,
    plan: &Plan,
    located: &Located,
    cover: &Cover,
    categories: &Categories,
    to: W,
) -> Result<W, PackageError> {
    let mut archive = zip::ZipWriter::new_stream(to);
    let mut page = Page::new(cover, categories);
    let mut kept: BTreeMap<CollectionKey, Vec<ReleasedRow>> = BTreeMap::new();
    for planned in packed(plan) {
        let Some(node) = p.graph().node(&planned.collection) else {
            continue;
        };
        archive.start_file(
            format!("csv/{}.csv", file_name(&planned.collection)),
            options(),
        )?;
        let mut table = Table::new(&node.collection, planned.rows, cover.since);
        table.write_head(&mut archive)?;
        stream(p, permit, located, planned, |row| {
            table.take(row, &mut archive)
        })
        .await?;
        page.add(&table);
        if let Some(rows) = table.kept {
            kept.insert(planned.collection.clone(), rows);
        }
    }
    archive.start_file("data.json", options())?;
    write_json(p, permit, plan, located, cover, kept, &mut archive).await?;
    archive.start_file("categories.json", options())?;
    serde_json::to_writer_pretty(&mut archive, categories).map_err(io::Error::from)?;
    archive.start_file("read-me-first.html", options())?;
    archive.write_all(page.finish().as_bytes())?;
    Ok(archive.finish()?.into_inner())
}

/// The answer in categories alone: the page and the JSON, without a single row.
pub fn write_categories<W: Write>(
    cover: &Cover,
    categories: &Categories,
    to: W,
) -> Result<W, PackageError> {
    let mut archive = zip::ZipWriter::new_stream(to);
    archive.start_file("categories.json", options())?;
    serde_json::to_writer_pretty(&mut archive, categories).map_err(io::Error::from)?;
    archive.start_file("read-me-first.html", options())?;
    archive.write_all(Page::new(cover, categories).finish().as_bytes())?;
    Ok(archive.finish()?.into_inner())
}

fn options() -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .compression_level(Some(3))
        .large_file(true)
}

/// What holds something to be shown: the tags that lead to a profile say nothing to anybody.
pub(super) fn packed(plan: &Plan) -> impl Iterator<Item = &PlannedCollection> {
    let found = plan.collections.iter().filter(|planned| planned.rows > 0);
    found.filter(|planned| !profile::is_index(&planned.collection))
}

/// Streams the subject's rows of one collection through her permit.
async fn stream(
    p: &Privity,
    permit: &RecordedPermit,
    located: &Located,
    planned: &PlannedCollection,
    mut take: impl FnMut(ReleasedRow) -> io::Result<()> + Send,
) -> Result<(), PackageError> {
    let Some(node) = p.graph().node(&planned.collection) else {
        return Ok(());
    };
    let progress = p.progress().of_part(planned.collection.as_ref());
    let (mut done, of) = (0, planned.rows);
    let Some(search) = everything(node, located) else {
        return Ok(());
    };
    let mut failed: Option<io::Error> = None;
    let mut page = |rows: Vec<FoundRow>| {
        done += rows.len() as u64;
        progress.tell("rows packed", done, of.max(done));
        let taken = rows
            .into_iter()
            .try_for_each(|row| take(release(permit, row)));
        taken.map_err(|error| {
            let interrupted = connectors::ConnectorError::Interrupted(error.kind().to_string());
            failed = Some(error);
            interrupted
        })
    };
    let exported = if profile::is_vault(&node.collection.system) {
        profile::export(p, permit, &search, &mut page).await
    } else {
        let connector = p.connector(&node.collection.system)?;
        connector.export(&search, &mut page).await
    };
    failed.map_or(Ok(()), Err)?;
    Ok(exported.map_err(SearchError::from)?)
}

async fn write_json<W: Write + Send>(
    p: &Privity,
    permit: &RecordedPermit,
    plan: &Plan,
    located: &Located,
    cover: &Cover,
    mut kept: BTreeMap<CollectionKey, Vec<ReleasedRow>>,
    to: &mut W,
) -> Result<(), PackageError> {
    write!(
        to,
        "{{\"business\":{},\"privacy_request\":{},\"made_on\":{},\"since\":{},\"collections\":{{",
        json!(cover.business),
        json!(cover.request),
        json!(cover.made_on),
        json!(cover.since.map(|since| since.to_string()))
    )?;
    let mut first_collection = true;
    for planned in packed(plan) {
        let comma = if std::mem::take(&mut first_collection) {
            ""
        } else {
            ","
        };
        write!(
            to,
            "{comma}\n{}:{{\"title\":{},\"rows\":[",
            json!(planned.collection),
            json!(planned.title)
        )?;
        let mut first = true;
        let look_back = p
            .graph()
            .node(&planned.collection)
            .and_then(|node| LookBack::of(&node.collection, cover.since));
        let mut write_row = |row: ReleasedRow| -> io::Result<()> {
            if look_back
                .as_ref()
                .is_some_and(|look_back| look_back.leaves_out(&row))
            {
                return Ok(());
            }
            to.write_all(if std::mem::take(&mut first) {
                b"\n"
            } else {
                b",\n"
            })?;
            serde_json::to_writer(&mut *to, &row).map_err(io::Error::from)
        };
        match kept.remove(&planned.collection) {
            Some(rows) => rows.into_iter().try_for_each(&mut write_row)?,
            None => stream(p, permit, located, planned, &mut write_row).await?,
        }
        to.write_all(b"]}")?;
    }
    to.write_all(b"}}\n")?;
    Ok(())
}

/// `shop.customer` is a good name for a file in any language; only what a file system could trip over is replaced.
fn file_name(collection: &CollectionKey) -> String {
    collection
        .as_ref()
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || matches!(c, '.' | '-' | '_') {
                c
            } else {
                '_'
            }
        })
        .collect()
}

/// One collection while its rows pass.
struct Table<'c> {
    collection: &'c Collection,
    look_back: Option<LookBack<'c>>,
    /// Rows that are older than what she asked for.
    left_out: u64,
    shown: Vec<Vec<String>>,
    described: Vec<(String, String)>,
    rows: u64,
    kept: Option<Vec<ReleasedRow>>,
}

impl<'c> Table<'c> {
    fn new(collection: &'c Collection, expected: u64, since: Option<Date>) -> Self {
        Self {
            collection,
            look_back: LookBack::of(collection, since),
            left_out: 0,
            shown: Vec::new(),
            described: Vec::new(),
            rows: 0,
            kept: (expected <= KEPT_IN_MEMORY).then(Vec::new),
        }
    }

    fn write_head<W: Write>(&self, to: &mut W) -> io::Result<()> {
        write_line(
            to,
            self.collection
                .fields
                .iter()
                .map(|field| field.name.as_ref().to_owned()),
        )
    }

    fn take<W: Write>(&mut self, row: ReleasedRow, to: &mut W) -> io::Result<()> {
        if self
            .look_back
            .as_ref()
            .is_some_and(|look_back| look_back.leaves_out(&row))
        {
            self.left_out += 1;
            return Ok(());
        }
        let cells: Vec<String> = self
            .collection
            .fields
            .iter()
            .map(|field| row.text(&field.name))
            .collect();
        write_line(to, cells.iter().map(|cell| harmless(cell)))?;
        self.describe(&row);
        if self.shown.len() < ON_THE_PAGE {
            self.shown.push(cells);
        }
        self.rows += 1;
        if u64::try_from(self.kept.as_ref().map_or(0, Vec::len)).unwrap_or(u64::MAX)
            >= KEPT_IN_MEMORY
        {
            self.kept = None;
        }
        if let Some(kept) = &mut self.kept {
            kept.push(row);
        }
        Ok(())
    }

    fn describe(&mut self, row: &ReleasedRow) {
        for (field, released) in row.fields() {
            if let Released::Description(text) = released
                && !self
                    .described
                    .iter()
                    .any(|(known, _)| known == field.as_ref())
            {
                self.described
                    .push((field.as_ref().to_owned(), text.clone()));
            }
        }
    }
}

/// A cell that a spreadsheet would take for a formula gets an apostrophe before it; data.json has it as it is.
fn harmless(cell: &str) -> String {
    let formula =
        cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
    if formula {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

fn write_line<W: Write>(to: &mut W, cells: impl Iterator<Item = String>) -> io::Result<()> {
    let mut line = csv::WriterBuilder::new().from_writer(Vec::new());
    line.write_record(cells).map_err(io::Error::other)?;
    to.write_all(
        &line
            .into_inner()
            .map_err(|error| io::Error::other(error.to_string()))?,
    )
}

/// The page that people open first.
struct Page {
    html: String,
}

const STYLE: &str = "body{font:17px/1.6 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#23201d;background:#fffdf9}\
h1{line-height:1.2}h2{margin-top:2.5rem;border-top:1px solid #d9d2c7;padding-top:1.5rem}table{border-collapse:collapse;font-size:.9rem}\
th,td{text-align:left;vertical-align:top;padding:.35rem .7rem;border-bottom:1px solid #e6e0d6;max-width:22rem;overflow-wrap:anywhere}\
.scroll{overflow-x:auto}.note{color:#5d564d}dt{font-weight:600;margin-top:.8rem}dd{margin-left:0}";

impl Page {
    fn new(cover: &Cover, categories: &Categories) -> Self {
        let mut html = String::new();
        let business = escape(&cover.business);
        let _ = write!(
            html,
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>What {business} knows about you</title><style>{STYLE}</style><h1>What {business} knows about you</h1><p>This is the answer to your privacy request <code>{}</code> under {}, made on {}.</p>",
            escape(&cover.request),
            escape(&cover.law.to_uppercase()),
            escape(&cover.made_on)
        );
        let _ = write!(html, "<p>{}</p>", escape(&letter::period(cover.since)));
        if let Some(contact) = &cover.contact {
            let _ = write!(html, "<p>Questions? Write to {}.</p>", escape(contact));
        }
        html.push_str("<h2>In categories</h2>");
        if cover.since.is_some() {
            html.push_str("<p class=\"note\">This overview counts everything that we hold, older entries included.</p>");
        }
        html.push_str(&categories.to_html());
        Self { html }
    }

    fn add(&mut self, table: &Table<'_>) {
        let title = escape(&table.collection.title);
        let file = file_name(&table.collection.key);
        let _ = write!(
            self.html,
            "<h2>{title}</h2><p class=\"note\">{} {} from <code>{}</code>. All of it: <code>csv/{file}.csv</code> and <code>data.json</code>.</p>",
            table.rows,
            if table.rows == 1 { "entry" } else { "entries" },
            escape(table.collection.key.as_ref())
        );
        if table.left_out > 0 {
            let _ = write!(
                self.html,
                "<p class=\"note\">{} more {} older than the day from which you asked, and left out.</p>",
                table.left_out,
                if table.left_out == 1 { "is" } else { "are" }
            );
        }
        for (field, text) in &table.described {
            let _ = write!(
                self.html,
                "<p class=\"note\">We hold {} in <code>{}</code>. The law forbids us to send it, for your own safety.</p>",
                escape(text),
                escape(field)
            );
        }
        self.html.push_str("<div class=\"scroll\"><table><tr>");
        for field in &table.collection.fields {
            let _ = write!(
                self.html,
                "<th>{}</th>",
                escape(field.title.as_deref().unwrap_or(field.name.as_ref()))
            );
        }
        self.html.push_str("</tr>");
        for row in &table.shown {
            self.html.push_str("<tr>");
            row.iter()
                .for_each(|cell| self.html.push_str(&format!("<td>{}</td>", escape(cell))));
            self.html.push_str("</tr>");
        }
        self.html.push_str("</table></div>");
        if table.rows > table.shown.len() as u64 {
            let _ = write!(
                self.html,
                "<p class=\"note\">The first {} are shown here.</p>",
                table.shown.len()
            );
        }
    }

    fn finish(mut self) -> String {
        self.html.push_str("</html>\n");
        self.html
    }
}

/// Text as it may stand in HTML.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
