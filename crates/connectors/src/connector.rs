//! What every kind of source system can do for us: describe itself, locate, export, correct and erase a subject's rows, and
//! show that they are gone.

use std::sync::Arc;

use async_trait::async_trait;
use domain::data_map::{Collection, CollectionKey, FieldName, SystemKey, ValueKind};
use domain::plan::{EraseStep, Erased, Erasure, LocatedRow, Search, WaySearch};
use domain::progress::Progress;
use domain::row::{FoundRow, JsonValue, Tuple};
use domain::sensitive::Sensitive;

use crate::scan::{Batch, Mark, Scan};

/// Reaches one source system. All methods can be repeated: a second erase of the same rows finds nothing to do.
#[async_trait]
pub trait Connector: Send + Sync {
    /// The system's schema as it is now: collections, fields, types, keys, references, and how many rows point where.
    async fn describe(&self) -> Result<Description, ConnectorError> {
        self.describe_watched(&Progress::unwatched()).await
    }

    /// [`Connector::describe`], telling how many tables are read of all.
    async fn describe_watched(&self, progress: &Progress) -> Result<Description, ConnectorError>;

    /// Rows that match any of the search's look-ups, in pages of bounded size.
    async fn locate(
        &self,
        search: &Search,
        page: &mut (dyn FnMut(Vec<LocatedRow>) -> Result<(), ConnectorError> + Send),
    ) -> Result<(), ConnectorError>;

    /// The same rows with all fields of the collection, streamed in pages of bounded size.
    async fn export(
        &self,
        search: &Search,
        page: &mut (dyn FnMut(Vec<FoundRow>) -> Result<(), ConnectorError> + Send),
    ) -> Result<(), ConnectorError>;

    /// A batch of a collection's rows, from a watermark on or all of them; see [`Scan`]. Reads only.
    async fn scan(&self, scan: &Scan) -> Result<Batch, ConnectorError>;

    /// The greatest watermark that the collection has now; `None` where it has none or can't be asked, and each batch tells its own.
    async fn newest(
        &self,
        collection: &Arc<Collection>,
        watermark: &FieldName,
    ) -> Result<Option<Mark>, ConnectorError>;

    /// How many rows a scan has before it; `None` where that can't be told, or they are too many to be counted.
    async fn count(&self, scan: &Scan) -> Result<Option<u64>, ConnectorError>;

    /// Overwrites fields of the rows that match any of the look-ups. Returns how many rows.
    async fn correct(
        &self,
        search: &Search,
        values: &[(FieldName, Sensitive<JsonValue>)],
    ) -> Result<u64, ConnectorError>;

    /// Erases for a batch of subjects, in the order of the groups: one transaction when the plan's rows are few, else
    /// bounded pieces, so that no lock is held long. Returns what each step did, by collection.
    async fn erase(
        &self,
        erasure: &Erasure,
    ) -> Result<Vec<(CollectionKey, Erased)>, ConnectorError>;

    /// Reads again what the steps should have erased and names what remains and no reason keeps.
    async fn confirm_absent(&self, steps: &[EraseStep]) -> Result<Vec<Remaining>, ConnectorError>;

    /// The connector itself where the system is a PostgreSQL database, which can hold views for recipients.
    fn postgres(&self) -> Option<&crate::postgres::PostgresConnector> {
        None
    }

    /// Whether the system can be reached with these credentials, in words for `doctor`.
    async fn check(&self) -> Result<String, ConnectorError>;
}

/// Rows that a re-read still finds, by the look-up value that found them, so that they can be told to whom they belong.
pub struct Remaining {
    /// Where.
    pub collection: CollectionKey,
    /// The look-up by which they were found, and its value in canonical text (lower case where case is ignored).
    pub found_by: (domain::plan::Way, Sensitive<Tuple>),
    /// How many.
    pub rows: u64,
}

/// A live schema.
#[derive(Clone, Default)]
pub struct Description {
    /// Its collections.
    pub collections: Vec<DescribedCollection>,
}

/// One table as the system itself describes it.
#[derive(Clone)]
pub struct DescribedCollection {
    /// The schema or database, where it isn't the connection's default.
    pub schema: Option<String>,
    /// The table's name.
    pub table: String,
    /// Columns in order.
    pub fields: Vec<DescribedField>,
    /// Primary key columns in order.
    pub primary_key: Vec<String>,
    /// Foreign keys.
    pub references: Vec<DescribedReference>,
    /// Rows, estimated for large tables.
    pub rows: u64,
}

/// One column as the system itself describes it.
#[derive(Clone)]
pub struct DescribedField {
    /// Its name.
    pub name: String,
    /// Its type in the system's own words.
    pub declared_type: String,
    /// Our kind of value.
    pub kind: ValueKind,
    /// Whether it accepts an empty value.
    pub nullable: bool,
    /// Whether a unique index or key stands on it alone.
    pub unique: bool,
    /// Whether any index begins with it, so that a search by it is cheap.
    pub indexed: bool,
    /// The longest text it takes.
    pub max_length: Option<u32>,
    /// Up to 20 values, read only to guess the category and dropped at once; empty where reading them was not asked for.
    pub samples: Vec<Sensitive<String>>,
}

/// One foreign key, with the figures that tell what kind of reference it is.
#[derive(Clone, Debug)]
pub struct DescribedReference {
    /// Columns here.
    pub fields: Vec<String>,
    /// Schema there, where it isn't the default.
    pub to_schema: Option<String>,
    /// Table there.
    pub to_table: String,
    /// Columns there.
    pub to_fields: Vec<String>,
    /// Rows here whose reference isn't empty (estimated for large tables).
    pub pointing_rows: u64,
    /// Different rows there that are pointed at.
    pub distinct_targets: u64,
}

/// What went wrong with a source system. Never holds a value, a password or a statement's parameters.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// No connection.
    #[error("`{system}` can't be reached: {reason}")]
    Unreachable {
        /// Which system.
        system: SystemKey,
        /// Why and what to do, in words.
        reason: String,
    },
    /// The system knows us not, or not for this.
    #[error("`{system}` refuses: {reason}")]
    Refused {
        /// Which system.
        system: SystemKey,
        /// Which privilege is missing or which credential is wrong, and what to do.
        reason: String,
    },
    /// The live schema isn't what the data map says.
    #[error(
        "`{collection}` is not as the data map says: {reason}; run `privity data-map check` and correct the map"
    )]
    Drift {
        /// Which collection.
        collection: CollectionKey,
        /// What differs.
        reason: String,
    },
    /// It took too long, or somebody else held a lock; nothing of the batch was done.
    #[error("`{system}` did not finish in time: {reason}")]
    TimedOut {
        /// Which system.
        system: SystemKey,
        /// What was going on.
        reason: String,
    },
    /// Rows that point at the rows to be erased have come up since they were located.
    #[error(
        "new rows point at rows of `{collection}` that were to be erased; they are located again"
    )]
    Moved {
        /// Which collection.
        collection: CollectionKey,
    },
    /// Anything else.
    #[error("`{system}` failed while {doing}: {reason}")]
    Failed {
        /// Which system.
        system: SystemKey,
        /// What was attempted.
        doing: &'static str,
        /// The system's own code and words, without values.
        reason: String,
    },
    /// What the caller does with a page failed.
    #[error("{0}")]
    Interrupted(String),
}

impl ConnectorError {
    /// Whether trying again later, unchanged, can help.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Moved { .. }
        )
    }
}

/// Look-ups as connectors get them: never empty.
pub(crate) fn has_values(ways: &[WaySearch]) -> bool {
    ways.iter().any(|way| !way.values.expose().is_empty())
}
