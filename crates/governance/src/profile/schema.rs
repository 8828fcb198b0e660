//! Reads the schema of attributes, and takes a changed one only when what is sealed under the old one means the same under it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::law::{Category, Fault, LawBook};
use domain::profile::{Schema, SchemaFile, SyncText};
use domain::scim::ScimText;
use storage::Database;

use crate::Problem;

/// Where the schema in use is kept, as its file's text.
const KEPT: &str = "profile_schema";

/// A schema that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The file can't be read.
    #[error("cannot read `{}`: {source}; check that it exists and that this program may read it, or leave `profile` out", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something in it is wrong; each line names file, line and what to do.
    #[error("{}", .0.join("\n"))]
    Wrong(Vec<String>),
}

/// A schema and the text that it was read from.
pub struct LoadedSchema {
    /// The schema.
    pub schema: Schema,
    /// From which collections profiles are filled, as written.
    pub(crate) sync: Vec<SyncText>,
    /// How SCIM clients fill profiles, as written.
    pub(crate) scim: Option<ScimText>,
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Reads a schema from its file.
///
/// # Errors
/// Everything that is wrong with it, each with its line.
pub fn load_schema(path: &Path, law: &LawBook) -> Result<LoadedSchema, SchemaError> {
    let text = std::fs::read_to_string(path).map_err(|source| SchemaError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let name = path.display().to_string();
    let schema = parse_schema(&name, &text, law)?;
    let SchemaFile { sync, scim, .. } = read(&name, &text)?;
    Ok(LoadedSchema {
        schema,
        sync,
        scim,
        name,
        text,
    })
}

/// Reads a schema from a text; `name` is what faults call it.
///
/// # Errors
/// As [`load_schema`].
pub fn parse_schema(name: &str, text: &str, law: &LawBook) -> Result<Schema, SchemaError> {
    let file = read(name, text)?;
    let categories: BTreeMap<String, Category> = law
        .categories()
        .map(|category| (category.category.clone(), category.clone()))
        .collect();
    Schema::check(name, &file, &categories).map_err(|faults| {
        SchemaError::Wrong(faults.0.iter().map(|fault| in_line(fault, text)).collect())
    })
}

fn read(name: &str, text: &str) -> Result<SchemaFile, SchemaError> {
    serde_saphyr::from_str(text).map_err(|error| {
        let at = error.location().map_or_else(
            || "1:1".to_owned(),
            |at| format!("{}:{}", at.line(), at.column()),
        );
        let words = error.without_snippet().to_string();
        let words = words.lines().next().unwrap_or_default();
        let words = words.split(" at line ").next().unwrap_or_default();
        SchemaError::Wrong(vec![format!("{name}:{at}: {words}")])
    })
}

/// Makes a schema the one in use: the first of a database, the same as before, or one that follows it.
///
/// # Errors
/// [`Problem`] when sealed segments would change their meaning.
pub(crate) async fn accept(
    database: &Database,
    loaded: &LoadedSchema,
    law: &LawBook,
) -> Result<(), Problem> {
    let text = loaded.text.clone().into_bytes();
    let first = text.clone();
    let kept = database
        .write("accept schema", move |tx| {
            storage::meta::get_or_insert(tx, KEPT, &first)
        })
        .await
        .map_err(|error: storage::Error| Problem::from(error))?;
    if kept == text {
        return Ok(());
    }
    follows(loaded, &String::from_utf8_lossy(&kept), law)?;
    let saved = database.write("accept schema", move |tx| {
        storage::meta::set(tx, KEPT, &text)
    });
    saved
        .await
        .map_err(|error: storage::Error| Problem::from(error))
}

/// Without a schema nobody's privacy request would reach the profiles that there are; better not to start.
///
/// # Errors
/// [`Problem`] when our database holds profiles.
pub(crate) async fn check_empty(database: &Database) -> Result<(), Problem> {
    let first = database
        .read("look for profiles", |tx| {
            storage::subject::walk_keys(tx, None, 1)
        })
        .await
        .map_err(|error: storage::Error| Problem::from(error))?;
    if first.is_empty() {
        return Ok(());
    }
    Err(Problem::new(
        "setup",
        500,
        "our database holds profiles, and `profile` names no schema of attributes; set it to the schema's file, or nobody could be forgotten or told what is kept of her",
    ))
}

fn follows(loaded: &LoadedSchema, kept: &str, law: &LawBook) -> Result<(), Problem> {
    // What was accepted once can only be unreadable now if a data category went, and then there is nothing to compare with.
    let Ok(before) = parse_schema(&loaded.name, kept, law) else {
        return Ok(());
    };
    // Words, order of lines and comments may change as they like.
    if before == loaded.schema {
        return Ok(());
    }
    loaded
        .schema
        .follows(&loaded.name, &before)
        .map_err(|faults| {
            let lines: Vec<_> = faults
                .0
                .iter()
                .map(|fault| in_line(fault, &loaded.text))
                .collect();
            Problem::new("setup", 500, lines.join("\n"))
        })
}

/// A fault with the line that names its attribute or source.
fn in_line(fault: &Fault, text: &str) -> String {
    let names = |line: &str| {
        let line = line.trim_start().trim_start_matches(['-', '{', ' ']);
        let value = line
            .strip_prefix("attribute:")
            .or_else(|| line.strip_prefix("source:"));
        value
            .and_then(|value| value.split([',', '}', '#']).next())
            .is_some_and(|value| value.trim() == fault.rule)
            || line.split(':').next() == Some(&fault.rule)
    };
    let line = (!fault.rule.is_empty())
        .then(|| text.lines().position(names))
        .flatten();
    match line {
        Some(line) => format!(
            "{}:{}: `{}` {}",
            fault.file,
            line + 1,
            fault.rule,
            fault.problem
        ),
        None => fault.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    const GOOD: &str = "version: 1\nsources:\n  - { source: crm, number: 1, title: C, record: email }\nattributes:\n  - attribute: email\n    number: 1\n    title: E\n    category: user.contact.email\n    identifier: { rule: email, unique: true }\n";

    fn wrong(text: &str) -> String {
        let law = crate::law::load(None).unwrap();
        parse_schema("profile.yaml", text, &law)
            .err()
            .unwrap()
            .to_string()
    }

    fn loaded(text: &str) -> LoadedSchema {
        let law = crate::law::load(None).unwrap();
        LoadedSchema {
            schema: parse_schema("profile.yaml", text, &law).unwrap(),
            sync: Vec::new(),
            scim: None,
            name: "profile.yaml".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_fault_is_told_with_its_line() {
        let unknown = wrong(&GOOD.replace("user.contact.email", "user.nothing"));
        assert!(
            unknown.starts_with("profile.yaml:5: `email` has the data category"),
            "{unknown}"
        );
        let record = wrong(&GOOD.replace("record: email", "record: emal"));
        assert!(
            record.starts_with("profile.yaml:3: `crm` names")
                && record.ends_with("did you mean `email`?"),
            "{record}"
        );
        let misspelt = wrong(&GOOD.replace("title: E", "titel: E"));
        assert!(misspelt.starts_with("profile.yaml:7:"), "{misspelt}");
    }

    #[test]
    fn the_demos_schema_is_one() {
        let law = crate::law::load(None).unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/profile.yaml");
        let loaded = load_schema(&path, &law).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(loaded.schema.attributes().count(), 28);
        assert!(
            loaded
                .schema
                .sources()
                .all(|(_, source)| source.record.is_some())
        );
    }

    #[tokio::test]
    async fn a_changed_schema_is_taken_only_when_it_follows_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let law = crate::law::load(None).unwrap();
        let path = folder.path().join("privity.db");
        let database = Database::open(path.to_str().unwrap()).await.unwrap();
        let take = async |text: &str| accept(&database, &loaded(text), &law).await;
        take(GOOD).await.unwrap();
        take(&format!("# words\n{GOOD}")).await.unwrap();
        let changed = GOOD.replace("title: E", "title: F");
        let refused = take(&changed).await.unwrap_err();
        assert!(
            refused.title.contains("write `version: 2`"),
            "{}",
            refused.title
        );
        let second = changed.replace("version: 1", "version: 2");
        take(&second).await.unwrap();
        assert!(take(GOOD).await.is_err(), "an old node must not go back");
        let moved = second
            .replace("version: 2", "version: 3")
            .replace("attribute: email", "attribute: mail")
            .replace("record: email", "record: mail");
        assert!(
            take(&moved)
                .await
                .unwrap_err()
                .title
                .contains("give it a new number")
        );
    }
}
