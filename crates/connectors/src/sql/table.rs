//! A table as it is in the live database: the types that a look-up's values have to be cast to, and what identifies a row.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domain::data_map::{Collection, CollectionKey, FieldName, ValueKind};

use super::Dialect;
use crate::ConnectorError;

/// What kind of type a column really has, whatever the data map says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Text,
    /// Whole numbers, with the smallest and the largest that fit.
    Integer(i64, u64),
    Decimal,
    Float,
    Boolean,
    Date,
    /// A moment without a time zone; taken as UTC.
    Timestamp,
    /// A moment.
    TimestampZoned,
    Uuid,
    Bytes,
    Json,
    /// Compared as text.
    Other,
}

impl Class {
    /// What the data map calls it.
    pub(crate) const fn kind(self) -> ValueKind {
        match self {
            Self::Text => ValueKind::Text,
            Self::Integer(..) => ValueKind::Integer,
            Self::Decimal | Self::Float => ValueKind::Decimal,
            Self::Boolean => ValueKind::Boolean,
            Self::Date => ValueKind::Date,
            Self::Timestamp | Self::TimestampZoned => ValueKind::Timestamp,
            Self::Uuid => ValueKind::Uuid,
            Self::Bytes => ValueKind::Bytes,
            Self::Json => ValueKind::Json,
            Self::Other => ValueKind::Other,
        }
    }

    /// Whether the engine compares the two without being told how.
    pub(crate) fn compares_with(self, other: Self) -> bool {
        let number = |class| matches!(class, Self::Integer(..) | Self::Decimal | Self::Float);
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
            || (number(self) && number(other))
    }
}

/// A column of the live table.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// Its name, quoted.
    pub(crate) name: String,
    pub(crate) class: Class,
    /// The type that a fixed value is cast to (PostgreSQL), or the declared type.
    pub(crate) declared: String,
    /// The element type of a look-up's array (PostgreSQL); `None` for texts.
    pub(crate) element: Option<String>,
    /// Whether the engine's own comparison takes different texts for equal, so that it only narrows.
    pub(crate) folds: bool,
    /// Whether that comparison finds every spelling in upper and lower case by an index.
    pub(crate) folds_case: bool,
    /// The collation's name; for PostgreSQL the one to take for lower case where the column's own knows only ASCII.
    pub(crate) collation: Option<String>,
}

/// A table of the live database.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) key: CollectionKey,
    pub(crate) dialect: Dialect,
    /// Its bare name.
    pub(crate) table: String,
    /// Its schema, where the data map names one.
    pub(crate) schema: Option<String>,
    /// Its name, quoted and qualified.
    pub(crate) name: String,
    pub(crate) columns: HashMap<String, Column>,
    /// Quoted columns that identify a row within a transaction; empty where nothing does.
    pub(crate) row_id: Vec<String>,
}

impl Table {
    /// A column by the data map's name for it.
    pub(crate) fn column(&self, field: &FieldName) -> Result<&Column, ConnectorError> {
        let name = field.as_ref();
        let found = self.columns.get(name).or_else(|| {
            let same = |known: &&String| {
                self.dialect != Dialect::Postgres && known.eq_ignore_ascii_case(name)
            };
            self.columns
                .keys()
                .find(same)
                .and_then(|known| self.columns.get(known))
        });
        found.ok_or_else(|| ConnectorError::Drift {
            collection: self.key.clone(),
            reason: format!("it has no field `{name}` any more"),
        })
    }
}

/// Where the tables of collections are: schema and name.
pub(crate) type Places = BTreeMap<CollectionKey, (Option<String>, String)>;

/// The live tables that one operation speaks of.
#[derive(Clone, Default)]
pub(crate) struct Tables(HashMap<CollectionKey, Arc<Table>>);

impl Tables {
    pub(crate) fn insert(&mut self, table: Arc<Table>) {
        self.0.insert(table.key.clone(), table);
    }

    /// The collection of a table by its bare name.
    pub(crate) fn key_of(&self, table: &str) -> Option<CollectionKey> {
        self.0
            .values()
            .find(|known| known.table.eq_ignore_ascii_case(table))
            .map(|known| known.key.clone())
    }

    /// Whether any of the tables has this bare name.
    pub(crate) fn has(&self, table: &str) -> bool {
        self.0
            .values()
            .any(|known| known.table.eq_ignore_ascii_case(table))
    }

    /// [`Tables::get`], to keep.
    pub(crate) fn shared(&self, key: &CollectionKey) -> Result<Arc<Table>, ConnectorError> {
        self.get(key)?;
        let missing = || ConnectorError::Drift {
            collection: key.clone(),
            reason: "its table isn't known".to_owned(),
        };
        self.0.get(key).cloned().ok_or_else(missing)
    }

    pub(crate) fn get(&self, key: &CollectionKey) -> Result<&Table, ConnectorError> {
        let missing = || ConnectorError::Drift {
            collection: key.clone(),
            reason: "its table isn't known".to_owned(),
        };
        self.0.get(key).map(Arc::as_ref).ok_or_else(missing)
    }
}

/// Where a collection's table is.
pub(crate) fn place(collection: &Collection) -> (Option<String>, String) {
    (collection.schema.clone(), collection.table.clone())
}
