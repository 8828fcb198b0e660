//! Reads records from a file in pieces that fit into memory, whatever is in it: bytes that are no text, quotes that are never closed,
//! lines without an end. What can't be read is told by its number, and the next record goes on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::time::UNIX_EPOCH;

use domain::audit::Hash;
use domain::profile::{AttributeNumber, Schema, SourceNumber};
use domain::sensitive::Sensitive;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc;

use super::given::{GivenRecord, GivenValue};
use super::import::{self, Format, Import};
use crate::Problem;

/// Records in the first batch; each one after it has twice as many, so that a small file is soon seen to move.
const FIRST: usize = 1_000;
/// Records in one batch, at most: of many that are stored together, several change one page of an index, and it is written once. More
/// would keep other writers waiting for longer than half a second.
const RECORDS: usize = 10_000;
/// A batch is shorter when its records are long.
const BATCH_BYTES: u64 = 24 << 20;
/// The most bytes that one record may have.
const RECORD_BYTES: usize = 16 << 20;
/// Of a file's beginning and end, so many bytes tell it from others.
const EDGE: u64 = 64 << 10;

/// An opened file, its head read and understood.
pub(super) struct Opened {
    reader: BufReader<File>,
    format: Format,
    columns: Columns,
    /// What each field of a line is, for CSV.
    head: Vec<Column>,
    delimiter: u8,
    /// Tells this file from others.
    pub(super) origin: String,
    /// Where its first record begins.
    pub(super) start: u64,
    pub(super) size: u64,
}

/// Consecutive records.
pub(super) struct Batch {
    pub(super) records: Vec<GivenRecord>,
    /// The place of each of them among all records of the batch.
    pub(super) places: Vec<u64>,
    /// Places of records that can't be read, and why.
    pub(super) unreadable: Vec<(u64, String)>,
    /// How many records there were, readable or not.
    pub(super) count: u64,
    /// How many records stand before it in the file.
    pub(super) first: u64,
    /// Where the next one begins.
    pub(super) end: u64,
}

/// What a column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Attribute(AttributeNumber),
    ObservedAt,
    LeftOut,
}

/// What columns are called.
pub(super) struct Columns {
    attributes: BTreeMap<String, AttributeNumber>,
    mapped: BTreeMap<String, String>,
    observed_at: Option<String>,
}

impl Columns {
    pub(super) fn new(
        schema: &Schema,
        source: SourceNumber,
        mapped: BTreeMap<String, String>,
        observed_at: Option<String>,
    ) -> Self {
        let own = schema
            .attributes()
            .filter(|rule| rule.sources.contains(&source));
        Self {
            attributes: own
                .map(|rule| (rule.key.to_string(), rule.number))
                .collect(),
            mapped,
            observed_at,
        }
    }

    fn find(&self, name: &str) -> Option<Column> {
        if self.observed_at.as_deref() == Some(name) {
            return Some(Column::ObservedAt);
        }
        let attribute = match self.mapped.get(name).map(String::as_str) {
            Some("") => return Some(Column::LeftOut),
            mapped => mapped.unwrap_or(name),
        };
        let number = self.attributes.get(attribute)?;
        Some(Column::Attribute(*number))
    }
}

/// Opens a file and reads its head.
///
/// # Errors
/// [`Problem`] with what to do.
pub(super) fn open(
    wanted: &Import,
    schema: &Schema,
    source: SourceNumber,
) -> Result<Opened, Problem> {
    let unreadable = |error: std::io::Error| {
        let words = format!(
            "the file `{}` can't be read ({error}); check that it exists and that this program may read it",
            wanted.path.display()
        );
        Problem::invalid("file", words)
    };
    let mut file = File::open(&wanted.path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let origin = origin(&mut file, size, wanted).map_err(unreadable)?;
    let mut opened = Opened {
        reader: BufReader::with_capacity(1 << 20, file),
        format: wanted.format,
        columns: import::columns(wanted, schema, source),
        head: Vec::new(),
        delimiter: b',',
        origin,
        start: 0,
        size,
    };
    opened.check_mapping()?;
    opened.read_start().map_err(unreadable)??;
    Ok(opened)
}

/// A hash of what tells a file from others, and of how it is read.
fn origin(file: &mut File, size: u64, wanted: &Import) -> std::io::Result<String> {
    let mut told = Vec::new();
    let changed = file.metadata()?.modified().ok();
    let changed = changed.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let changed = changed.map_or(0, |since| since.as_nanos());
    told.extend_from_slice(
        format!(
            "{size} {changed} {:?} {:?} {:?}",
            wanted.format, wanted.columns, wanted.observed_at
        )
        .as_bytes(),
    );
    file.rewind()?;
    file.by_ref().take(EDGE).read_to_end(&mut told)?;
    file.seek(SeekFrom::Start(size.saturating_sub(EDGE)))?;
    file.by_ref().take(EDGE).read_to_end(&mut told)?;
    file.rewind()?;
    Ok(format!("file:{}", Hash::of(&told)))
}

/// What stands between two line ends that count.
enum Piece {
    Record(Vec<u8>),
    /// Longer than any record may be.
    TooLong,
    End,
}

impl Opened {
    fn check_mapping(&self) -> Result<(), Problem> {
        let unknown = |attribute: &&String| {
            !attribute.is_empty() && !self.columns.attributes.contains_key(*attribute)
        };
        match self.columns.mapped.values().find(unknown) {
            None => Ok(()),
            Some(attribute) => Err(Problem::invalid(
                "map",
                format!(
                    "`{attribute}` is no attribute that comes from this source; `privity profile schema` lists them"
                ),
            )),
        }
    }

    /// Passes over a byte order mark and, in CSV, the line of names.
    fn read_start(&mut self) -> std::io::Result<Result<(), Problem>> {
        if self.reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
            self.reader.consume(3);
            self.start = 3;
        }
        if self.format == Format::JsonLines {
            return Ok(Ok(()));
        }
        let (piece, length) = self.piece()?;
        self.start += length;
        let Piece::Record(line) = piece else {
            return Ok(Err(Problem::invalid(
                "file",
                "the file has no line that names its columns; the first line of CSV has to",
            )));
        };
        Ok(self.read_head(&line))
    }

    fn read_head(&mut self, line: &[u8]) -> Result<(), Problem> {
        let has = |letter: u8| line.contains(&letter);
        self.delimiter = match (has(b','), has(b';'), has(b'\t')) {
            (false, true, _) => b';',
            (false, false, true) => b'\t',
            _ => b',',
        };
        for name in fields(line, self.delimiter) {
            let name = String::from_utf8_lossy(&name).trim().to_owned();
            let column = self.columns.find(&name).ok_or_else(|| {
                let words = unknown_column(&name, self.head.len() + 1);
                Problem::invalid("file", words)
            })?;
            if column != Column::LeftOut && self.head.contains(&column) {
                return Err(Problem::invalid(
                    "file",
                    format!(
                        "column {} stands there twice; leave one of them out with `--map`",
                        self.head.len() + 1
                    ),
                ));
            }
            self.head.push(column);
        }
        Ok(())
    }

    /// Reads from a place to the end, batch by batch; `number` records stand before it. Ends when nobody takes them any more.
    pub(super) fn read(
        mut self,
        from: u64,
        number: u64,
        give: &mpsc::Sender<Result<Batch, Problem>>,
    ) {
        if let Err(error) = self.read_batches(from, number, give) {
            let words = format!(
                "the file can't be read any further ({error}); the same import goes on from here"
            );
            let _gone = give.blocking_send(Err(Problem::invalid("file", words)));
        }
    }

    fn read_batches(
        &mut self,
        from: u64,
        number: u64,
        give: &mpsc::Sender<Result<Batch, Problem>>,
    ) -> std::io::Result<()> {
        self.reader.seek(SeekFrom::Start(from))?;
        let (mut first, mut end, mut most) = (number, from, FIRST);
        loop {
            let batch = self.read_batch(first, end, most)?;
            let Some(batch) = batch else { return Ok(()) };
            (first, end) = (first + batch.count, batch.end);
            most = RECORDS.min(most * 2);
            if give.blocking_send(Ok(batch)).is_err() {
                return Ok(());
            }
        }
    }

    fn read_batch(&mut self, first: u64, from: u64, most: usize) -> std::io::Result<Option<Batch>> {
        let mut batch = Batch {
            records: Vec::with_capacity(most),
            places: Vec::with_capacity(most),
            unreadable: Vec::new(),
            count: 0,
            first,
            end: from,
        };
        while batch.count < most as u64 && batch.end - from < BATCH_BYTES {
            let (piece, length) = self.piece()?;
            batch.end += length;
            let read = match piece {
                Piece::End => break,
                Piece::Record(line) if line.iter().all(u8::is_ascii_whitespace) => continue,
                Piece::Record(line) => self.record(&line),
                Piece::TooLong => Err(format!(
                    "the record has more than {RECORD_BYTES} bytes; in CSV, a quote that is never closed makes one of all that follows"
                )),
            };
            match read {
                Ok(record) => {
                    batch.places.push(batch.count);
                    batch.records.push(record);
                }
                Err(reason) => batch.unreadable.push((batch.count, reason)),
            }
            batch.count += 1;
        }
        Ok((batch.end > from).then_some(batch))
    }

    /// The next record without its line end, and how many bytes it took. In CSV a line end inside quotes belongs to the record.
    fn piece(&mut self) -> std::io::Result<(Piece, u64)> {
        let (mut line, mut length, mut quotes, mut long) = (Vec::new(), 0u64, 0usize, false);
        loop {
            let room = (RECORD_BYTES + 1).saturating_sub(line.len()).max(1) as u64;
            let before = line.len();
            let read = self
                .reader
                .by_ref()
                .take(room)
                .read_until(b'\n', &mut line)?;
            if read == 0 {
                let piece = if length == 0 {
                    Piece::End
                } else {
                    whole(line, long)
                };
                return Ok((piece, length));
            }
            length += read as u64;
            let ended = line.last() == Some(&b'\n');
            if self.format == Format::Csv && !long {
                let new = line.get(before..).unwrap_or_default();
                quotes += new.iter().filter(|byte| **byte == b'"').count();
            }
            if line.len() > RECORD_BYTES {
                // From here to the next line end it is passed over.
                long = true;
                line.clear();
            }
            if ended && (long || quotes.is_multiple_of(2)) {
                return Ok((whole(line, long), length));
            }
        }
    }

    fn record(&self, line: &[u8]) -> Result<GivenRecord, String> {
        match self.format {
            Format::Csv => self.csv_record(line),
            Format::JsonLines => self.json_record(line),
        }
    }

    fn csv_record(&self, line: &[u8]) -> Result<GivenRecord, String> {
        let mut record = GivenRecord::default();
        record.values.reserve(self.head.len());
        let mut count = 0;
        for field in fields(line, self.delimiter) {
            let column = self.head.get(count).copied().unwrap_or(Column::LeftOut);
            count += 1;
            if column == Column::LeftOut {
                continue;
            }
            let text =
                String::from_utf8(field).map_err(|_| format!("field {count} is not UTF-8 text"))?;
            self.put(&mut record, column, Some(Sensitive::new(text)))?;
        }
        if count != self.head.len() {
            return Err(format!(
                "has {count} fields where the first line has {}",
                self.head.len()
            ));
        }
        Ok(record)
    }

    fn json_record(&self, line: &[u8]) -> Result<GivenRecord, String> {
        let members: BTreeMap<String, Value> = serde_json::from_slice(line)
            .map_err(|error| format!("is no JSON object (column {})", error.column()))?;
        let mut record = GivenRecord::default();
        for (place, (name, value)) in (1..).zip(members) {
            let column = self.columns.find(&name).ok_or_else(|| format!("its member {place} in the order of the alphabet is no attribute that comes from this source; map it or leave it out with `--map`"))?;
            let text = match value {
                Value::Null => None,
                Value::String(text) => Some(text),
                other => Some(other.to_string()),
            };
            self.put(&mut record, column, text.map(Sensitive::new))?;
        }
        Ok(record)
    }

    fn put(
        &self,
        record: &mut GivenRecord,
        column: Column,
        text: Option<Sensitive<String>>,
    ) -> Result<(), String> {
        match (column, text) {
            (Column::Attribute(number), value) => record.values.push((
                number,
                GivenValue {
                    value,
                    ..GivenValue::from(Sensitive::default())
                },
            )),
            (Column::ObservedAt, Some(text)) => record.observed_at = Some(moment(&text)?),
            (Column::ObservedAt, None) | (Column::LeftOut, _) => {}
        }
        Ok(())
    }
}

/// Names the column, unless the first line looks like somebody's data.
fn unknown_column(name: &str, number: usize) -> String {
    let is_name = |byte: u8| byte.is_ascii_alphabetic() || b"_- .".contains(&byte);
    if name.len() <= 64 && name.bytes().all(is_name) {
        return format!(
            "the column `{name}` is no attribute that comes from this source; say which one with `--map {name}=ATTRIBUTE`, or leave it out with `--map {name}=`"
        );
    }
    format!(
        "column {number} of the first line is no attribute that comes from this source; the first line has to name the columns"
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "a moment; what is no moment is not repeated"
)]
fn moment(text: &Sensitive<String>) -> Result<Timestamp, String> {
    text.expose()
        .trim()
        .parse()
        .map_err(|_| "when it was seen is no moment such as `2026-01-31T12:00:00Z`".to_owned())
}

fn whole(mut line: Vec<u8>, long: bool) -> Piece {
    if long {
        return Piece::TooLong;
    }
    for end in [b'\n', b'\r'] {
        if line.last() == Some(&end) {
            line.pop();
        }
    }
    Piece::Record(line)
}

/// The fields of a line (RFC 4180): quoted or not, a quote inside of quotes twice.
fn fields(line: &[u8], delimiter: u8) -> impl Iterator<Item = Vec<u8>> + '_ {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        if line.first() != Some(&b'"') {
            let end = line.iter().position(|byte| *byte == delimiter);
            rest = end.and_then(|end| line.get(end + 1..));
            return Some(
                line.get(..end.unwrap_or(line.len()))
                    .unwrap_or_default()
                    .to_vec(),
            );
        }
        let mut field = Vec::new();
        let mut inside = true;
        for (place, byte) in line.iter().enumerate().skip(1) {
            match (inside, *byte) {
                (true, b'"') => inside = false,
                (false, b'"') => {
                    field.push(b'"');
                    inside = true;
                }
                (false, byte) if byte == delimiter => {
                    rest = line.get(place + 1..);
                    return Some(field);
                }
                (_, byte) => field.push(byte),
            }
        }
        rest = None;
        Some(field)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn split(line: &str, delimiter: u8) -> Vec<String> {
        fields(line.as_bytes(), delimiter)
            .map(|field| String::from_utf8(field).unwrap())
            .collect()
    }

    #[test]
    fn a_line_is_split_as_rfc_4180_says() {
        assert_eq!(split("a,b,,c", b','), ["a", "b", "", "c"]);
        assert_eq!(split("\"a,\"\"b\"\"\",\"\",c", b','), ["a,\"b\"", "", "c"]);
        assert_eq!(split("a;b,c", b';'), ["a", "b,c"]);
        assert_eq!(split("\"two\nlines\"", b','), ["two\nlines"]);
        assert_eq!(split("", b','), [""]);
        assert_eq!(split("a,", b','), ["a", ""]);
        assert_eq!(split("\"open", b','), ["open"]);
    }
}
