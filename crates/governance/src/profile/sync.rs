//! Follows source systems: reads what changed in a mapped collection since the last time, or all of it, and writes it as profiles.
//!
//! How far it is gets saved in the transaction that writes a batch, so that after a crash it goes on with the next row. One process
//! follows a collection at a time. The rows of a source system come and go without a permit, as with every connector; what they become
//! is sealed before it reaches our database.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors::{Bookmark, Connector, ConnectorError, Course, Mark, Position, Scan};
use domain::audit::Actor;
use domain::data_map::CollectionKey;
use domain::profile::{Confidence, SourceKey, moment_of, text_of};
use domain::rng::new_id;
use domain::row::JsonValue;
use domain::sensitive::Sensitive;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use storage::profile_import::{self, StoredImport};
use storage::source_record;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::given::{GivenRecord, GivenValue};
use super::mapping::Mapping;
use super::write::{self, Kept, Ready, Written};
use crate::search::SearchError;
use crate::work::later;
use crate::{Privity, Problem};

/// Rows in a batch of a whole reading, which goes by the primary key.
const BATCH: usize = 1_000;
/// Rows in a batch that goes by the watermark: an engine without an index over watermark and key sorts the rows of one moment for each.
const BATCH_SINCE: usize = 4_000;
/// How long a collection is held after the last batch; a process that was killed holds it so long.
const HELD: SignedDuration = SignedDuration::from_secs(60);
/// How often the worker looks which collections are due.
const LOOK: SignedDuration = SignedDuration::from_secs(15);
/// So many refused rows are told by their place.
const TOLD: usize = 50;
/// So many reasons are told apart.
const REASONS: usize = 100;

/// What came of following one collection.
#[derive(Clone, Debug)]
pub struct Synced {
    /// The source that was filled.
    pub source: SourceKey,
    /// From which collection.
    pub collection: CollectionKey,
    /// Whether every row was read.
    pub whole: bool,
    /// Whether it came to its end; else it was told to stop, and goes on there the next time.
    pub finished: bool,
    /// What came of the rows, those that were read before it was last interrupted too.
    pub counts: Counts,
    /// The first rows that were refused: their place in the order of reading, from 1, and why.
    pub refused_at: Vec<(u64, String)>,
    /// After a whole reading: profiles of this source that no row was about, where they can be told.
    pub unseen: Option<u64>,
}

/// What came of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Rows that were read.
    pub read: u64,
    /// Rows that became a new subject.
    pub new: u64,
    /// Rows that changed one.
    pub changed: u64,
    /// Rows that said nothing new.
    pub unchanged: u64,
    /// Rows that were refused, by reason.
    pub refused: BTreeMap<String, u64>,
}

/// Follows the collections of one source, or of all sources. Those that others follow now, and any trouble, end it; what was read is
/// kept, and the next call goes on there.
///
/// # Errors
/// [`Problem`] when there is nothing to follow, another process follows the same collection, the source system fails, or our database.
pub async fn sync(
    p: &Privity,
    source: Option<&str>,
    whole: bool,
    actor: &Actor,
) -> Result<Vec<Synced>, Problem> {
    p.needed_schema()?;
    let chosen = |mapping: &&Mapping| source.is_none_or(|key| mapping.source.as_ref() == key);
    let mappings: Vec<_> = p.mappings().iter().filter(chosen).cloned().collect();
    if mappings.is_empty() {
        let words = match source {
            Some(key) => format!(
                "no collection fills the source `{key}`; add one under `sync` in profile.yaml"
            ),
            None => "no collection fills a source; add one under `sync` in profile.yaml".to_owned(),
        };
        return Err(Problem::conflict(words));
    }
    let mut synced = Vec::new();
    for mapping in mappings {
        synced.push(follow(p, mapping, whole, actor, || false).await?);
    }
    Ok(synced)
}

/// Follows what is due by its `every`, until told to stop.
pub(crate) async fn follow_due(p: &Privity, shutdown: &watch::Receiver<bool>) {
    for mapping in p.mappings() {
        match is_due(p, mapping).await {
            Ok(true) => {}
            Ok(false) => continue,
            Err(problem) => {
                tracing::warn!(cause = %problem, "it could not be told which collections are due");
                return;
            }
        }
        let stop = || *shutdown.borrow();
        let outcome = follow(p, mapping.clone(), false, &Actor::System, stop).await;
        let (source, collection) = (&mapping.source, &mapping.collection.key);
        match outcome {
            Ok(synced) => {
                tracing::info!(profile.source = %source, collection = %collection, rows.read = synced.counts.read, rows.refused = synced.counts.refused_in_all(), "followed a source system");
            }
            Err(problem) => {
                tracing::warn!(profile.source = %source, collection = %collection, cause = %problem, "a source system could not be followed; it is tried again");
            }
        }
        if stop() {
            return;
        }
    }
}

/// Whether it is time to look what is due.
pub(crate) fn is_time(looked: Timestamp, now: Timestamp) -> bool {
    later(looked, LOOK) <= now
}

async fn is_due(p: &Privity, mapping: &Mapping) -> Result<bool, Problem> {
    let Some(every) = mapping.every else {
        return Ok(false);
    };
    let (number, origin) = (mapping.number, origin(mapping));
    let last = p
        .read("look whether a collection is due", move |tx| {
            Ok(profile_import::of_origin(tx, number, &origin)?)
        })
        .await?;
    let every = SignedDuration::from_secs(i64::try_from(every.0).unwrap_or(i64::MAX));
    Ok(last.is_none_or(|last| later(last.updated_at, every) <= p.now()))
}

async fn follow(
    p: &Privity,
    mapping: Mapping,
    whole: bool,
    actor: &Actor,
    stop: impl Fn() -> bool,
) -> Result<Synced, Problem> {
    let mut reading = Reading::take(p, mapping, actor).await?;
    let outcome = reading.run(whole, &stop).await;
    // What can't be let go now is free when its time is over.
    drop(reading.let_go().await);
    outcome
}

fn origin(mapping: &Mapping) -> String {
    format!("collection {}", mapping.collection.key)
}

/// A collection that this process follows.
struct Reading {
    p: Privity,
    mapping: Arc<Mapping>,
    actor: Actor,
    holder: String,
    /// As it is in our database.
    import: StoredImport,
    bookmark: Bookmark,
    counts: Counts,
    refused_at: Vec<(u64, String)>,
}

/// Why a reading ends early.
enum Stop {
    /// The source system can't go on where the reading stopped the last time.
    Position(ConnectorError),
    Source(ConnectorError),
    Problem(Problem),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Stop> for Problem {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Problem(problem) => problem,
            Stop::Position(error) | Stop::Source(error) => {
                let status = if error.is_transient() { 503 } else { 502 };
                let words =
                    format!("{error}; what was read is kept, and the next time goes on there");
                Self::new("source_unavailable", status, words)
            }
        }
    }
}

impl Reading {
    async fn take(p: &Privity, mapping: Mapping, actor: &Actor) -> Result<Self, Problem> {
        let now = p.now();
        let new = StoredImport {
            id: new_id(p.rng(), now),
            source: mapping.number,
            origin: origin(&mapping),
            position: 0,
            watermark: None,
            counts: "{}".to_owned(),
            finished: false,
            started_at: now,
            updated_at: now,
        };
        let holder = format!("process {} {}", std::process::id(), new.id);
        let (taker, until) = (holder.clone(), later(now, HELD));
        let taken = p.write_silently("hold profile import", move |tx| {
            let import = profile_import::begin(tx, &new)?;
            let ours = profile_import::hold(tx, import.id, &taker, now, until)?;
            let other = if ours {
                None
            } else {
                profile_import::holder(tx, import.id)?.map(|(_, until)| until)
            };
            Ok(((import, ours, other), Vec::new()))
        });
        let ((import, ours, other), _) = taken.await?;
        if !ours {
            return Err(rival(&mapping, other));
        }
        let fields = fields_text(&mapping);
        let bookmark = (import.watermark.as_deref())
            .and_then(|sealed| p.keys().open_bookmark(&import.origin, sealed))
            .and_then(|text| Bookmark::from_text(&text))
            .filter(|bookmark| bookmark.fields == fields);
        Ok(Self {
            p: p.clone(),
            mapping: Arc::new(mapping),
            actor: actor.clone(),
            holder,
            bookmark: bookmark.unwrap_or_else(|| Bookmark {
                fields,
                ..Bookmark::default()
            }),
            import,
            counts: Counts::default(),
            refused_at: Vec::new(),
        })
    }

    async fn let_go(&self) -> Result<(), Problem> {
        let (id, holder) = (self.import.id, self.holder.clone());
        self.p
            .write_silently("let go of profile import", move |tx| {
                Ok((profile_import::let_go(tx, id, &holder)?, Vec::new()))
            })
            .await?;
        Ok(())
    }

    async fn run(&mut self, whole: bool, stop: &impl Fn() -> bool) -> Result<Synced, Problem> {
        let (whole, finished) = loop {
            let (course, goes_on) = self.choose(whole).await?;
            let was_whole = course.whole;
            match self.read(course, stop).await {
                Ok(finished) => break (was_whole, finished),
                // A mark of a service may have expired, a table may have another key by now.
                Err(Stop::Position(_)) if goes_on => self.bookmark.course = None,
                Err(other) => return Err(other.into()),
            }
        };
        Ok(Synced {
            source: self.mapping.source.clone(),
            collection: self.mapping.collection.key.clone(),
            whole,
            finished,
            unseen: self.unseen(whole && finished).await?,
            counts: std::mem::take(&mut self.counts),
            refused_at: std::mem::take(&mut self.refused_at),
        })
    }

    /// The reading that was interrupted, or a new one; and whether it goes on.
    async fn choose(&mut self, whole: bool) -> Result<(Course, bool), Problem> {
        if let Some(course) = &self.bookmark.course
            && (course.whole || !whole)
        {
            self.counts = serde_json::from_str(&self.import.counts).unwrap_or_default();
            return Ok((course.clone(), true));
        }
        let mapping = &self.mapping;
        let newest = match &mapping.watermark {
            Some(field) => {
                let connector = self.connector()?;
                let newest = connector.newest(&mapping.collection, field).await;
                newest.map_err(|error| Problem::from(Stop::Source(error)))?
            }
            None => None,
        };
        let mark = self.bookmark.mark.as_ref();
        let mark = mark.filter(|_| !whole && mapping.watermark.is_some());
        let mark = mark.map(|mark| mark.no_later_than(self.p.now()));
        // A table that was filled at one moment would be read again and again for the sake of changes that can't come any more.
        let beyond = mark
            .as_ref()
            .is_some_and(|mark| mark.is_settled(mapping.overlap, self.p.now()));
        let from = match mark {
            Some(mark) if beyond => Some(mark),
            other => other.map(|mark| mark.earlier(mapping.overlap)),
        };
        self.counts = Counts::default();
        let course = Course {
            whole: from.is_none(),
            beyond,
            until: newest.clone().filter(|_| from.is_some()),
            from,
            newest,
            after: None,
        };
        Ok((course, false))
    }

    fn connector(&self) -> Result<Arc<dyn Connector>, Problem> {
        let system = &self.mapping.collection.system;
        let known = self.p.connectors().get(system).map(Arc::clone);
        known.ok_or_else(|| Problem::conflict(SearchError::NoConnector(system.clone()).to_string()))
    }

    /// Reads to the end, or until told to stop; answers whether it is the end.
    async fn read(&mut self, mut course: Course, stop: &impl Fn() -> bool) -> Result<bool, Stop> {
        let connector = self.connector()?;
        let scan = self.scan(&course);
        let before = connector.count(&scan).await.ok().flatten();
        let total = before.map_or(0, |rows| self.counts.read + rows);
        let mut pieces = read_ahead(&self.p, connector, &self.mapping, scan);
        while let Some(piece) = pieces.recv().await {
            let piece = piece?;
            let finished = piece.next.is_none();
            course.after.clone_from(&piece.next);
            course.newest = latest(course.newest, piece.newest);
            let ready = piece.ready.await;
            let ready = ready.map_err(|error| Problem::internal("sealing profiles", &error))??;
            self.store(ready, piece.rows, &course, finished).await?;
            let read = self.counts.read;
            self.p.progress().tell("rows read", read, total.max(read));
            if finished || stop() {
                return Ok(finished);
            }
        }
        Err(Problem::internal("reading a source system", &"its reader ended early").into())
    }

    fn scan(&self, course: &Course) -> Scan {
        let mapping = &self.mapping;
        let fields = mapping.fields.iter().map(|(field, _)| field.clone());
        Scan {
            collection: Arc::clone(&mapping.collection),
            fields: fields.chain(mapping.watermark.clone()).collect(),
            watermark: mapping.watermark.clone(),
            from: course.from.clone(),
            beyond: course.beyond,
            until: course.until.clone(),
            after: course.after.clone(),
            limit: if course.whole { BATCH } else { BATCH_SINCE },
        }
    }

    /// Writes a batch, and with it how far the reading is.
    async fn store(
        &mut self,
        ready: Ready,
        rows: u64,
        course: &Course,
        finished: bool,
    ) -> Result<(), Problem> {
        let bookmark = if finished {
            Bookmark {
                fields: self.bookmark.fields.clone(),
                mark: course.newest.clone().or_else(|| self.bookmark.mark.clone()),
                course: None,
            }
        } else {
            Bookmark {
                course: Some(course.clone()),
                ..self.bookmark.clone()
            }
        };
        let sealed = (self.p.keys())
            .seal_bookmark(self.p.rng(), &self.import.origin, &bookmark.to_text())
            .map_err(|error| Problem::internal("sealing a bookmark", &error))?;
        let import = StoredImport {
            position: self.counts.read + rows,
            watermark: Some(sealed),
            finished,
            updated_at: self.p.now(),
            ..self.import.clone()
        };
        let saving = Saving {
            before: self.import.position,
            import,
            counts: self.counts.clone(),
            rows,
            holder: self.holder.clone(),
        };
        let last = saving.clone();
        let written = write::store(
            &self.p,
            ready,
            self.actor.clone(),
            Kept::Now,
            move |tx, written| saving.save(tx, written),
        )
        .await?;
        self.tell(&written);
        self.counts.add(rows, &written);
        self.import = last.saved(&written);
        self.bookmark = bookmark;
        Ok(())
    }

    fn tell(&mut self, written: &Written) {
        let room = TOLD.saturating_sub(self.refused_at.len());
        let refused = written.refused.iter().take(room);
        let before = self.counts.read;
        self.refused_at.extend(
            refused.map(|(place, reason)| (before + *place as u64 + 1, reason.to_string())),
        );
    }

    /// How many subjects have a record of the source and were not met. Where several collections fill a source, nobody can tell.
    async fn unseen(&self, whole: bool) -> Result<Option<u64>, Problem> {
        let number = self.mapping.number;
        let mappings = self.p.mappings().iter();
        if !whole || mappings.filter(|one| one.number == number).count() > 1 {
            return Ok(None);
        }
        let known = self.p.read("count records of a source", move |tx| {
            Ok(source_record::count_of_source(tx, number)?)
        });
        let counts = &self.counts;
        let met = counts.new + counts.changed + counts.unchanged;
        Ok(Some(known.await?.saturating_sub(met)))
    }
}

impl Counts {
    /// How many rows were refused, whatever the reason.
    pub fn refused_in_all(&self) -> u64 {
        self.refused.values().sum()
    }

    fn add(&mut self, rows: u64, written: &Written) {
        self.read += rows;
        self.new += written.new;
        self.changed += written.changed;
        self.unchanged += written.unchanged;
        for (_, reason) in &written.refused {
            let mut reason = reason.to_string();
            if self.refused.len() >= REASONS && !self.refused.contains_key(&reason) {
                reason = "other reasons".to_owned();
            }
            *self.refused.entry(reason).or_default() += 1;
        }
    }
}

/// How far a reading is, to be saved with a batch.
#[derive(Clone)]
struct Saving {
    import: StoredImport,
    before: u64,
    counts: Counts,
    rows: u64,
    holder: String,
}

impl Saving {
    fn saved(&self, written: &Written) -> StoredImport {
        let mut counts = self.counts.clone();
        counts.add(self.rows, written);
        StoredImport {
            counts: serde_json::to_string(&counts).unwrap_or_default(),
            ..self.import.clone()
        }
    }

    fn save(&self, tx: &mut storage::Tx, written: &Written) -> Result<(), Problem> {
        let import = self.saved(written);
        let overtaken = || {
            Problem::conflict(
                "another process took over this collection, since this one was too slow; nothing was written twice",
            )
        };
        match profile_import::save(tx, &import, self.before) {
            Err(storage::Error::Changed { .. }) => return Err(overtaken()),
            saved => saved?,
        }
        let (now, until) = (import.updated_at, later(import.updated_at, HELD));
        if profile_import::hold(tx, import.id, &self.holder, now, until)? {
            Ok(())
        } else {
            Err(overtaken())
        }
    }
}

/// A batch that was read and is being sealed.
struct Piece {
    ready: JoinHandle<Result<Ready, Problem>>,
    rows: u64,
    next: Option<Position>,
    newest: Option<Mark>,
}

/// Reads and seals the next batch while the last one is written. Ends by itself when nobody takes them any more.
fn read_ahead(
    p: &Privity,
    connector: Arc<dyn Connector>,
    mapping: &Arc<Mapping>,
    mut scan: Scan,
) -> mpsc::Receiver<Result<Piece, Stop>> {
    let (sender, receiver) = mpsc::channel(1);
    let (p, mapping) = (p.clone(), Arc::clone(mapping));
    tokio::spawn(async move {
        let mut first = scan.after.is_some();
        loop {
            let piece = piece(&p, &*connector, &mapping, &scan, first).await;
            let next = piece.as_ref().ok().and_then(|piece| piece.next.clone());
            if sender.send(piece).await.is_err() || next.is_none() {
                return;
            }
            (scan.after, first) = (next, false);
        }
    });
    receiver
}

async fn piece(
    p: &Privity,
    connector: &dyn Connector,
    mapping: &Mapping,
    scan: &Scan,
    first: bool,
) -> Result<Piece, Stop> {
    let batch = connector.scan(scan).await.map_err(|error| {
        if first && !error.is_transient() {
            Stop::Position(error)
        } else {
            Stop::Source(error)
        }
    })?;
    let rows = batch.rows.len() as u64;
    let now = p.now();
    let records = batch.rows.into_iter().map(|row| record(mapping, &row, now));
    let (inside, source, records) = (p.clone(), mapping.number, records.collect());
    let ready = tokio::spawn(async move { write::prepare(&inside, source, records).await });
    Ok(Piece {
        ready,
        rows,
        next: batch.next,
        newest: batch.newest,
    })
}

/// A row as a record of its source, seen when its watermark says that it changed, and never in the future.
fn record(mapping: &Mapping, row: &[Sensitive<JsonValue>], now: Timestamp) -> GivenRecord {
    let changed = mapping.watermark.as_ref();
    let changed = changed.and_then(|_| row.get(mapping.fields.len()));
    let values = mapping.fields.iter().zip(row).map(|((_, rule), value)| {
        let given = GivenValue {
            value: text_of(rule.kind, value),
            verified: None,
            confidence: Confidence::FULL,
        };
        (rule.number, given)
    });
    GivenRecord {
        values: values.collect(),
        observed_at: changed.and_then(moment_of).map(|moment| moment.min(now)),
    }
}

/// Which fields fill which attributes; when that changes, what was read before is read again.
fn fields_text(mapping: &Mapping) -> String {
    let pairs = mapping
        .fields
        .iter()
        .map(|(field, rule)| format!("{}={field}", rule.number.0));
    let watermark = mapping.watermark.as_ref().map(ToString::to_string);
    let pairs: Vec<_> = pairs.chain(watermark).collect();
    pairs.join("\n")
}

fn latest(one: Option<Mark>, other: Option<Mark>) -> Option<Mark> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.later(other)),
        (one, other) => one.or(other),
    }
}

fn rival(mapping: &Mapping, until: Option<Timestamp>) -> Problem {
    let until = until.map_or_else(String::new, |until| {
        format!(
            "; if that one was killed, this is possible again at {}",
            until.strftime("%H:%M:%S UTC")
        )
    });
    Problem::conflict(format!(
        "another process fills `{}` from `{}` now{until}",
        mapping.source, mapping.collection.key
    ))
}
