//! The data map as a business writes it: YAML files are read and checked into the form that searches and erasures follow,
//! a live database is described as a first draft, and a finished map is checked for what it forgets.

mod build;
mod check;
mod connection;
mod describe;
mod fides;
mod file;
mod finding;
mod live;
mod load;
pub(crate) mod nearest;
mod read;
mod schema;
mod tree;
mod vocabulary;

use std::collections::BTreeMap;

use domain::data_map::{CollectionKey, DataMap, FieldName, RecipientKey, SystemKey};

pub use check::check;
pub use connection::{ChannelConfig, Connection, channels, connect};
pub use describe::{DescribedSystem, suggest};
pub use fides::{Imported, import_fides};
pub use file::Entries;
pub use finding::{Excerpt, Finding, Findings, Place, SecretPlace, Severity, SourceText};
pub use live::{
    Describe, DescribeError, Drafted, check_live, check_live_watched, describe, describe_watched,
};
pub use load::{FileText, load, parse, read_file};
pub use read::{Located, Mistake};
pub use schema::json_schema;
pub use tree::Span;
pub use vocabulary::Vocabulary;

/// A data map with the means to reach its systems and recipients.
#[derive(Clone, Default)]
pub struct LoadedMap {
    /// The map itself.
    pub map: DataMap,
    /// How each source system is reached.
    pub connections: BTreeMap<SystemKey, Connection>,
    /// How each recipient is told.
    pub channels: BTreeMap<RecipientKey, ChannelConfig>,
    origin: Origin,
}

/// What the files say beyond the map, for findings.
#[derive(Clone, Default)]
struct Origin {
    /// Where `dataset.collection`, `dataset.collection.field`, ... stand.
    places: BTreeMap<String, Place>,
    /// How sure whoever suggested a category was.
    confidence: BTreeMap<(CollectionKey, FieldName), f64>,
}

impl LoadedMap {
    /// Where something stands in the files.
    fn place(&self, about: &str) -> Place {
        self.origin
            .places
            .get(about)
            .cloned()
            .unwrap_or_else(|| Place {
                about: about.to_owned(),
                ..Place::default()
            })
    }
}

/// The known word that a mistyped one was meant to be, where one is near enough.
pub fn nearest_word<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    nearest::nearest(wrong, known.iter().copied())
}
