//! The ledger of disclosures as a file to take away: JSON Lines, or Parquet for analytics. Both hold the same lines with the same names, in
//! the same order, and are made piece by piece, so that a ledger of any length takes the memory of one piece.

use std::sync::Arc;

use axum::body::Bytes;
use domain::audit::Actor;
use governance::disclosure::{LedgerExport, LedgerLine};
use governance::{Privity, Problem};
use parquet::basic::{Compression, GzipLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

/// Lines of a row group: what is held in memory at a time, a few megabytes.
const GROUP: usize = 20_000;

/// What the columns are: of a list of keys by form, a map; moments in microseconds of UTC.
const SCHEMA: &str = "message ledger {
  required binary subject (STRING);
  required binary recipient (STRING);
  required binary purpose (STRING);
  required group attributes (MAP) {
    repeated group key_value {
      required binary key (STRING);
      required group value (LIST) { repeated group list { required binary element (STRING); } }
    }
  }
  required int64 first_at (TIMESTAMP(MICROS,true));
  required int64 last_at (TIMESTAMP(MICROS,true));
  required int64 times;
  required boolean sold;
  required boolean shared;
  optional binary consideration (STRING);
  required int64 last_sequence;
}";

/// The format of an exported ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LedgerFormat {
    /// One JSON object a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

impl LedgerFormat {
    /// Reads the name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "jsonl" => Some(Self::Jsonl),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// The name, as [`Self::parse`] reads it.
    const fn text(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
        }
    }

    /// Its media type.
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/x-ndjson",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}

/// A file in the making: ask for the next piece until there is none.
pub(crate) struct LedgerFile {
    export: LedgerExport,
    writer: Option<Writer>,
    lines: u64,
}

enum Writer {
    Jsonl,
    Parquet(Box<SerializedFileWriter<Vec<u8>>>),
}

impl LedgerFile {
    /// A file over the whole ledger; who takes it is recorded.
    ///
    /// # Errors
    /// Our database doesn't answer, or the format can't be begun, which would be a fault of this program.
    pub(crate) async fn begin(
        privity: &Privity,
        format: LedgerFormat,
        by: Actor,
    ) -> Result<Self, Problem> {
        let writer = match format {
            LedgerFormat::Jsonl => Writer::Jsonl,
            LedgerFormat::Parquet => Writer::Parquet(Box::new(begin().map_err(wrong)?)),
        };
        Ok(Self {
            export: LedgerExport::begin(privity, format.text(), by).await?,
            writer: Some(writer),
            lines: 0,
        })
    }

    /// How many lines the pieces so far hold.
    pub(crate) const fn lines(&self) -> u64 {
        self.lines
    }

    /// The next piece; `None` after the last one.
    ///
    /// # Errors
    /// Our database doesn't answer.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let Some(mut writer) = self.writer.take() else {
            return Ok(None);
        };
        let lines = self.group().await?;
        self.lines += lines.len() as u64;
        let is_last = lines.len() < GROUP;
        let work = move || {
            let piece = writer.piece(&lines, is_last)?;
            Ok::<_, Problem>((piece, writer))
        };
        let done = tokio::task::spawn_blocking(work).await;
        let (piece, writer) =
            done.map_err(|error| Problem::internal("writing the ledger", &error))??;
        self.writer = (!is_last).then_some(writer);
        Ok(Some(piece.into()))
    }

    async fn group(&mut self) -> Result<Vec<LedgerLine>, Problem> {
        let mut lines = Vec::new();
        while lines.len() < GROUP {
            let more = self.export.next_lines().await?;
            if more.is_empty() {
                break;
            }
            lines.extend(more);
        }
        Ok(lines)
    }
}

impl Writer {
    fn piece(&mut self, lines: &[LedgerLine], is_last: bool) -> Result<Vec<u8>, Problem> {
        match self {
            Self::Jsonl => json_lines(lines),
            Self::Parquet(file) => {
                if !lines.is_empty() {
                    row_group(file, lines).map_err(wrong)?;
                }
                if is_last {
                    file.finish().map_err(wrong)?;
                }
                std::io::Write::flush(file.inner_mut())
                    .and_then(|()| file.flush())
                    .map_err(|error| Problem::internal("writing the ledger", &error))?;
                Ok(std::mem::take(file.inner_mut()))
            }
        }
    }
}

fn json_lines(lines: &[LedgerLine]) -> Result<Vec<u8>, Problem> {
    let mut piece = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut piece, line)
            .map_err(|error| Problem::internal("writing the ledger", &error))?;
        piece.push(b'\n');
    }
    Ok(piece)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "map_err hands it over by value"
)]
fn wrong(error: ParquetError) -> Problem {
    Problem::internal("writing the ledger as Parquet", &error)
}

fn begin() -> Result<SerializedFileWriter<Vec<u8>>, ParquetError> {
    let schema = parse_message_type(SCHEMA)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::GZIP(GzipLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by("privity".to_owned())
        .build();
    SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))
}

/// Writes the columns in the order of the schema.
fn row_group(
    file: &mut SerializedFileWriter<Vec<u8>>,
    lines: &[LedgerLine],
) -> Result<(), ParquetError> {
    let mut group = file.next_row_group()?;
    let texts = |of: &dyn Fn(&LedgerLine) -> String| -> Vec<ByteArray> {
        lines.iter().map(|line| bytes(&of(line))).collect()
    };
    let numbers = |of: &dyn Fn(&LedgerLine) -> i64| -> Vec<i64> { lines.iter().map(of).collect() };
    let flags = |of: &dyn Fn(&LedgerLine) -> bool| -> Vec<bool> { lines.iter().map(of).collect() };
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    column::<ByteArrayType>(&mut group, &texts(&|line| line.subject.to_string()), None)?;
    column::<ByteArrayType>(&mut group, &texts(&|line| line.recipient.to_string()), None)?;
    column::<ByteArrayType>(&mut group, &texts(&|line| line.purpose.to_string()), None)?;
    attributes(&mut group, lines)?;
    column::<Int64Type>(
        &mut group,
        &numbers(&|line| line.first_at.as_microsecond()),
        None,
    )?;
    column::<Int64Type>(
        &mut group,
        &numbers(&|line| line.last_at.as_microsecond()),
        None,
    )?;
    column::<Int64Type>(&mut group, &numbers(&|line| count(line.times)), None)?;
    column::<BoolType>(&mut group, &flags(&|line| line.sold), None)?;
    column::<BoolType>(&mut group, &flags(&|line| line.shared), None)?;
    let considerations = lines.iter().map(|line| line.consideration.as_deref());
    let is_there: Vec<i16> = considerations
        .clone()
        .map(|text| i16::from(text.is_some()))
        .collect();
    let texts: Vec<ByteArray> = considerations.flatten().map(bytes).collect();
    column::<ByteArrayType>(&mut group, &texts, Some((&is_there, None)))?;
    column::<Int64Type>(
        &mut group,
        &numbers(&|line| count(line.last_sequence)),
        None,
    )?;
    group.close()?;
    Ok(())
}

/// The two columns of the map: its keys, and the elements of the lists behind them.
///
/// How deep a value is nested and where a new list begins are levels, as Dremel counts them (Apache Parquet, "Nested Encoding"): a map without
/// keys is 0, a key whose list is empty 1, an element 2; 0 begins a line, 1 a key, 2 goes on with a list.
fn attributes(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    lines: &[LedgerLine],
) -> Result<(), ParquetError> {
    let (mut keys, mut key_depths, mut key_begins) = (Vec::new(), Vec::new(), Vec::new());
    let (mut names, mut name_depths, mut name_begins) = (Vec::new(), Vec::new(), Vec::new());
    for line in lines {
        if line.attributes.is_empty() {
            key_depths.push(0);
            key_begins.push(0);
            name_depths.push(0);
            name_begins.push(0);
        }
        let mut begins = 0;
        for (form, list) in &line.attributes {
            keys.push(bytes(form));
            key_depths.push(1);
            key_begins.push(begins);
            if list.is_empty() {
                name_depths.push(1);
                name_begins.push(begins);
            }
            for name in list {
                names.push(bytes(name));
                name_depths.push(2);
                name_begins.push(begins);
                begins = 2;
            }
            begins = 1;
        }
    }
    column::<ByteArrayType>(group, &keys, Some((&key_depths, Some(&key_begins))))?;
    column::<ByteArrayType>(group, &names, Some((&name_depths, Some(&name_begins))))
}

/// How deep each value is nested, and where it begins.
type Levels<'a> = Option<(&'a [i16], Option<&'a [i16]>)>;

fn column<T: parquet::data_type::DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &[T::T],
    levels: Levels<'_>,
) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.ok_or_else(|| {
        ParquetError::General("there are more columns than the schema names".to_owned())
    })?;
    let (depths, begins) = levels.map_or((None, None), |(depths, begins)| (Some(depths), begins));
    column.typed::<T>().write_batch(values, depths, begins)?;
    column.close()
}

fn bytes(text: &str) -> ByteArray {
    ByteArray::from(text.as_bytes().to_vec())
}
