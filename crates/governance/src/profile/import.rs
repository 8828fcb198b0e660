//! Imports profiles from a file, CSV or JSON Lines: read, sealed and stored in batches that follow each other, one being read and two
//! being sealed while one is stored. How far it is is saved with each batch, so that the same file goes on where it stopped.
//!
//! A power cut may take back the last batches, of which nothing was said yet: the same import goes on before them. Its end is durable.
//!
//! "The same file" is told by a hash of its first and last 64 KiB, its size, its time of change, and how its columns are mapped.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use domain::audit::Actor;
use domain::profile::SourceNumber;
use domain::rng::new_id;
use serde::{Deserialize, Serialize};
use storage::profile_import::{self, StoredImport};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::file::{self, Batch, Columns, Opened};
use super::write::{self, Kept, Ready, Written};
use crate::{Privity, Problem};

/// Batches that are sealed while one is stored.
const SEALING: usize = 2;

/// Reasons that are kept; beyond that refused records are only counted.
const REASONS: usize = 1_000;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values whose first line names attributes.
    Csv,
    /// One JSON object a line, whose members are attributes.
    JsonLines,
}

/// What to import.
#[derive(Clone, Debug)]
pub struct Import {
    /// The file.
    pub path: PathBuf,
    /// How it is written.
    pub format: Format,
    /// Key of the source whose records these are.
    pub source: String,
    /// Attributes of columns that are called otherwise; an empty attribute leaves the column out.
    pub columns: BTreeMap<String, String>,
    /// The column that says when a record was seen.
    pub observed_at: Option<String>,
    /// Begin again with a file that was imported to its end.
    pub again: bool,
}

/// What came of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records read.
    pub records: u64,
    /// New subjects.
    pub new: u64,
    /// Records that changed a subject.
    pub changed: u64,
    /// Records that said nothing new.
    pub unchanged: u64,
    /// Records that were refused.
    pub refused: u64,
}

/// An import at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Over all of its runs.
    pub counts: Counts,
    /// How many records earlier runs had done.
    pub done_before: u64,
    /// Whether the file had been imported to its end before, and nothing was done.
    pub finished_before: bool,
    /// The first refused records of this run: their number in the file, from 1, and why.
    pub refused: Vec<(u64, String)>,
}

/// Imports a file, from where an earlier run of the same file stopped.
///
/// # Errors
/// [`Problem`] when the file can't be read, names what the schema doesn't know, or another run of the same file is at work; what was
/// stored until then stays, and the next run goes on there.
pub async fn import(p: &Privity, wanted: &Import, actor: Actor) -> Result<Imported, Problem> {
    let schema = p.needed_schema()?;
    let source = schema
        .source_of(&wanted.source)
        .ok_or_else(|| unknown_source(&schema, &wanted.source))?;
    let opened = file::open(wanted, &schema, source)?;
    let begun = begin(p, &opened, source, wanted.again).await?;
    let done: Counts = serde_json::from_str(&begun.counts).unwrap_or_default();
    if begun.finished {
        return Ok(Imported {
            done_before: done.records,
            counts: done,
            finished_before: true,
            refused: Vec::new(),
        });
    }
    let mut run = Run {
        p: p.clone(),
        actor,
        size: opened.size,
        imported: Imported {
            done_before: done.records,
            counts: done,
            ..Imported::default()
        },
        import: begun,
    };
    run.through(opened).await?;
    run.finish().await?;
    Ok(run.imported)
}

fn unknown_source(schema: &domain::profile::Schema, key: &str) -> Problem {
    let known: Vec<_> = schema
        .sources()
        .map(|(_, source)| source.key.to_string())
        .collect();
    Problem::invalid(
        "source",
        format!(
            "the schema has no source `{key}`; it has {}",
            known.join(", ")
        ),
    )
}

async fn begin(
    p: &Privity,
    opened: &Opened,
    source: SourceNumber,
    again: bool,
) -> Result<StoredImport, Problem> {
    let now = p.now();
    let fresh = StoredImport {
        id: new_id(p.rng(), now),
        source,
        origin: opened.origin.clone(),
        position: opened.start,
        watermark: None,
        counts: "{\"records\":0,\"new\":0,\"changed\":0,\"unchanged\":0,\"refused\":0}".to_owned(),
        finished: false,
        started_at: now,
        updated_at: now,
    };
    let begun = p.parts.database.write("begin import", move |tx| {
        let begun = profile_import::begin(tx, &fresh)?;
        if !(again && begun.finished) {
            return Ok(begun);
        }
        let restarted = StoredImport {
            id: begun.id,
            ..fresh.clone()
        };
        profile_import::save(tx, &restarted, begun.position)?;
        Ok(restarted)
    });
    begun
        .await
        .map_err(|error: storage::Error| Problem::from(error))
}

/// One run of an import.
struct Run {
    p: Privity,
    actor: Actor,
    size: u64,
    import: StoredImport,
    imported: Imported,
}

/// A batch that is being sealed, and where the file goes on behind it.
struct Sealing {
    ready: JoinHandle<Result<Ready, Problem>>,
    first: u64,
    records: u64,
    end: u64,
    /// Records that could not be read: their place in the batch's part of the file, and why.
    unreadable: Vec<(u64, String)>,
    /// The place in the file, among all records of the batch, of each record that could be read.
    places: Vec<u64>,
}

impl Run {
    async fn through(&mut self, opened: Opened) -> Result<(), Problem> {
        let (give, mut batches) = mpsc::channel::<Result<Batch, Problem>>(SEALING);
        let (from, number) = (self.import.position, self.imported.counts.records);
        // Stops by itself when the receiver is gone.
        let reader = tokio::task::spawn_blocking(move || opened.read(from, number, &give));
        let mut sealing: VecDeque<Sealing> = VecDeque::new();
        while let Some(batch) = batches.recv().await {
            sealing.push_back(self.seal(batch?));
            if sealing.len() > SEALING
                && let Some(first) = sealing.pop_front()
            {
                self.store(first).await?;
            }
        }
        for batch in sealing {
            self.store(batch).await?;
        }
        reader
            .await
            .map_err(|_| Problem::internal("reading the file", &"the reader panicked"))
    }

    fn seal(&self, batch: Batch) -> Sealing {
        let (p, source) = (self.p.clone(), self.import.source);
        let records = batch.records;
        Sealing {
            ready: tokio::spawn(async move { write::prepare(&p, source, records).await }),
            first: batch.first,
            records: batch.count,
            end: batch.end,
            unreadable: batch.unreadable,
            places: batch.places,
        }
    }

    async fn store(&mut self, sealed: Sealing) -> Result<(), Problem> {
        let ready = sealed
            .ready
            .await
            .map_err(|_| Problem::internal("preparing profiles", &"the work panicked"))??;
        let (before, counts) = (self.import.clone(), self.imported.counts.clone());
        let (end, records, now) = (sealed.end, sealed.records, self.p.now());
        let unreadable = sealed.unreadable.len() as u64;
        let save = move |tx: &mut storage::Tx, written: &Written| {
            let after = StoredImport {
                position: end,
                counts: as_json(&added(&counts, written, records, unreadable)),
                updated_at: now,
                ..before.clone()
            };
            profile_import::save(tx, &after, before.position).map_err(at_work)
        };
        let written =
            write::store(&self.p, ready, self.actor.clone(), Kept::AtTheEnd, save).await?;
        self.imported.counts = added(&self.imported.counts, &written, records, unreadable);
        self.import.position = end;
        self.remember(
            sealed.first,
            sealed.unreadable,
            &sealed.places,
            written.refused,
        );
        self.p.progress().tell("KiB", end / 1024, self.size / 1024);
        Ok(())
    }

    /// Keeps the first reasons, in the order of the file.
    fn remember(
        &mut self,
        first: u64,
        unreadable: Vec<(u64, String)>,
        places: &[u64],
        refused: Vec<(usize, super::Refusal)>,
    ) {
        let refused = refused.into_iter().filter_map(|(position, reason)| {
            places
                .get(position)
                .map(|place| (*place, reason.to_string()))
        });
        let mut all: Vec<_> = refused.chain(unreadable).collect();
        all.sort_unstable();
        let room = REASONS.saturating_sub(self.imported.refused.len());
        let numbered = all
            .into_iter()
            .map(|(place, reason)| (first + place + 1, reason));
        self.imported.refused.extend(numbered.take(room));
    }

    async fn finish(&mut self) -> Result<(), Problem> {
        let before = self.import.position;
        self.import.finished = true;
        self.import.counts = as_json(&self.imported.counts);
        self.import.updated_at = self.p.now();
        let import = self.import.clone();
        let saved = self.p.parts.database.write("finish import", move |tx| {
            profile_import::save(tx, &import, before)
        });
        saved.await.map_err(at_work)
    }
}

fn added(counts: &Counts, written: &Written, records: u64, unreadable: u64) -> Counts {
    Counts {
        records: counts.records + records,
        new: counts.new + written.new,
        changed: counts.changed + written.changed,
        unchanged: counts.unchanged + written.unchanged,
        refused: counts.refused + written.refused.len() as u64 + unreadable,
    }
}

fn as_json(counts: &Counts) -> String {
    serde_json::to_string(counts).unwrap_or_default()
}

fn at_work(error: storage::Error) -> Problem {
    match error {
        storage::Error::Changed { .. } => Problem::conflict(
            "another run imports the same file and is further; nothing was written twice, let that one go on",
        ),
        other => Problem::from(other),
    }
}

/// Which attribute each column is, and which one says when a record was seen.
pub(super) fn columns(
    wanted: &Import,
    schema: &domain::profile::Schema,
    source: SourceNumber,
) -> Columns {
    Columns::new(
        schema,
        source,
        wanted.columns.clone(),
        wanted.observed_at.clone(),
    )
}
