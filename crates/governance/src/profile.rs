//! Profiles: everything a business knows about a subject, sealed in one place, by the schema that `profile` in the settings names.

mod access;
mod erase;
mod file;
mod given;
pub mod import;
mod mapping;
pub mod read;
pub mod record;
mod repeat;
mod schema;
mod scim;
mod seal;
mod source_system;
mod suppression;
mod sync;
mod trace;
mod write;

use std::sync::Arc;

use domain::profile::Schema;

pub(crate) use access::export;
pub use erase::{Forgotten, forget};
pub use given::{GivenRecord, GivenValue, Refusal};
pub use mapping::Mapping;
pub(crate) use mapping::mappings;
pub use repeat::{Answer, RefusedRecord, write_once};
pub use schema::{LoadedSchema, SchemaError, load_schema, parse_schema};
pub(crate) use schema::{accept, check_empty};
pub use scim::ScimMapping;
pub(crate) use scim::scim_mapping;
pub(crate) use seal::{Seed, identifier_rows, place_of, subject_key};
pub(crate) use source_system::{Vault, declare, hold_together, is_held, is_index, is_vault};
pub(crate) use suppression::suppress;
pub use suppression::take_back;
pub use sync::{Counts, Synced, sync};
pub(crate) use sync::{follow_due, is_time};
pub(crate) use trace::{NEW_ROWS, Parts, new_rows};
pub use trace::{row_hash, row_text};
pub use write::{Sole, Written, names_forgotten, write, write_sole};
pub(crate) use write::{beside, key_tags, version_of};

use crate::{Privity, Problem};

impl Privity {
    /// What a profile may hold; `None` when the settings name no schema, and then there are no profiles.
    pub fn schema(&self) -> Option<&Arc<Schema>> {
        self.parts.schema.as_ref()
    }

    /// From which collections profiles are filled.
    pub fn mappings(&self) -> &[Mapping] {
        &self.parts.mappings
    }

    /// How SCIM clients fill profiles; `None` where nothing is said of it.
    pub fn scim(&self) -> Option<&ScimMapping> {
        self.parts.scim.as_ref()
    }

    /// The schema, for work that is nothing without it.
    pub(crate) fn needed_schema(&self) -> Result<Arc<Schema>, Problem> {
        self.schema().map(Arc::clone).ok_or_else(|| {
            Problem::new(
                "no_profile_schema",
                409,
                "there are no profiles here; write a schema of attributes and set `profile` to its file",
            )
        })
    }
}
