//! The JSON Schema of a data map's files, for editors.

use super::file::MapFile;

/// The schema as JSON text, with a line break at its end.
pub fn json_schema() -> String {
    let schema = schemars::schema_for!(MapFile);
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    format!("{text}\n")
}
