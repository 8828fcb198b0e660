//! Policies as views in the business's own PostgreSQL: SQL users query as ever, and see of each row what `disclose` would give them.
//!
//! Which views there are follows from the data map, the schema of attributes and the table in force; what they show is filled in by [`round`],
//! which asks `disclose` before anything becomes visible. Decision: docs/decisions/017-policies-as-views.md.

mod round;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use connectors::Connector;
use connectors::postgres::PostgresConnector;
use connectors::postgres::views::{Difference, TokenColumn, ViewCell, Viewed, ViewedColumn, Views};
use domain::audit::Hash;
use domain::data_map::{FieldName, SystemKey};
use domain::policy::{AttributeSet, Cell, Table};
use domain::profile::{AttributeKey, AttributeNumber, Schema, SourceNumber, coarser, masked};
use tokio::sync::watch;

use super::InForce;
use super::lifecycle::needed;
use crate::profile::Mapping;
use crate::settings::ViewSettings;
use crate::{Privity, Problem};

pub use round::FilledViews;
use round::Place;

/// How often changes of facts are looked for.
const LOOK: Duration = Duration::from_millis(400);

/// The views of one system, as they would be written now.
struct Planned {
    connector: Arc<dyn Connector>,
    views: Arc<Views>,
    /// The source whose records the rows are, for each of the views' collections.
    sources: Vec<SourceNumber>,
    /// All attributes that a column shows.
    attributes: Vec<AttributeKey>,
    in_force: Arc<InForce>,
}

impl Planned {
    fn postgres(&self) -> Result<&PostgresConnector, Problem> {
        let found = self.connector.postgres();
        found.ok_or_else(|| Problem::internal("finding a connector", &"it changed its kind"))
    }
}

/// The SQL that [`apply_views`] runs, to be read.
///
/// # Errors
/// As [`apply_views`].
pub async fn views_text(p: &Privity, system: &str) -> Result<String, Problem> {
    let planned = plan(p, system)?;
    let text = planned.postgres()?.views_text(&planned.views).await;
    text.map_err(|error| problem(&error))
}

/// What came of writing views.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedViews {
    /// How many there are.
    pub written: usize,
    /// Columns that are NULL wherever policies let out a token.
    pub tokens: Vec<TokenColumn>,
}

/// Writes the views into the system's database, all or none. They are empty until they are filled.
///
/// # Errors
/// [`Problem`] when there are no policies, the settings name no views there, the system is not in PostgreSQL, no table of it is mapped to
/// attributes, or the database can't be reached or refuses.
pub async fn apply_views(p: &Privity, system: &str) -> Result<AppliedViews, Problem> {
    let planned = plan(p, system)?;
    let applied = planned.postgres()?.apply_views(&planned.views).await;
    applied.map_err(|error| problem(&error))?;
    Ok(AppliedViews {
        written: planned.views.cells.len() * planned.views.collections.len(),
        tokens: planned.views.token_columns(),
    })
}

/// What in the system's database is not as [`apply_views`] and [`fill_views`] would have it.
///
/// # Errors
/// As [`apply_views`].
pub async fn check_views(p: &Privity, system: &str) -> Result<Vec<Difference>, Problem> {
    let planned = plan(p, system)?;
    let found = planned.postgres()?.check_views(&planned.views).await;
    found.map_err(|error| problem(&error))
}

/// Brings the views up to what is known now, and says so to them.
///
/// # Errors
/// As [`apply_views`]; also when somebody else is filling them now, or they were written for another data map or schema.
pub async fn fill_views(p: &Privity, system: &str) -> Result<FilledViews, Problem> {
    let mut place = Place::whole();
    let mut filled = FilledViews::default();
    while !place.is_at_end() {
        let some = round::round(p, plan(p, system)?, &mut place).await?;
        let Some(some) = some else {
            return Err(Problem::conflict(
                "another process fills these views now; `privity serve` does so by itself",
            ));
        };
        filled.add(&some);
    }
    Ok(filled)
}

/// Keeps the views of all systems current, until told to stop.
pub(crate) async fn keep_views(p: Privity, mut shutdown: watch::Receiver<bool>) {
    let systems: Vec<String> = p
        .settings()
        .views
        .iter()
        .map(|one| one.system.clone())
        .collect();
    let mut all: Vec<_> = systems
        .into_iter()
        .map(|system| (system, Place::start(), None))
        .collect();
    if all.is_empty() {
        return;
    }
    while !*shutdown.borrow() {
        for (system, place, last) in &mut all {
            place.look_again(p.now());
            let outcome = match plan(&p, system) {
                Ok(planned) => round::round(&p, planned, place).await.map(drop),
                Err(problem) => Err(problem),
            };
            let problem = outcome.err().map(|problem| problem.to_string());
            // Once, not at every look.
            if let Some(cause) = problem.as_ref().filter(|_| problem != *last) {
                tracing::error!(
                    system,
                    cause,
                    "the views of this system could not be filled; soon they show nothing"
                );
            }
            *last = problem;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = shutdown.changed() => {}
        }
    }
}

fn problem(error: &connectors::ConnectorError) -> Problem {
    let status = if error.is_transient() { 503 } else { 502 };
    Problem::new("source_unavailable", status, error.to_string())
}

fn plan(p: &Privity, system: &str) -> Result<Planned, Problem> {
    let in_force = needed(p)?;
    let schema = p.needed_schema()?;
    let mut all = p.settings().views.iter();
    let settings = all.find(|one| one.system == system).ok_or_else(|| {
        Problem::conflict(format!("the settings name no views in `{system}`; add `- system: {system}` under `views`, so that `privity serve` keeps them current"))
    })?;
    let key = SystemKey::from(system);
    let connector = p.connectors().get(&key).map(Arc::clone).ok_or_else(|| {
        Problem::conflict(format!("`{system}` is no system of the data map that can be reached; correct `views` in the settings"))
    })?;
    if connector.postgres().is_none() {
        return Err(Problem::conflict(format!(
            "`{system}` is no PostgreSQL database, and views for recipients are written in PostgreSQL only; let recipients of its data ask the gateway or the Profile API"
        )));
    }
    let mut mappings: Vec<&Mapping> = p.mappings().iter().collect();
    mappings.retain(|one| one.collection.system == key);
    mappings.sort_by_key(|one| (one.collection.key.clone(), one.number));
    if mappings.is_empty() {
        return Err(Problem::conflict(format!(
            "no table of `{system}` is mapped to attributes; add it under `sync` in profile.yaml"
        )));
    }
    let collections = viewed(&schema, &mappings)?;
    let numbers: BTreeSet<AttributeNumber> = collections
        .iter()
        .flat_map(|one| one.columns.iter().map(|column| column.attribute))
        .collect();
    let attributes = numbers
        .iter()
        .filter_map(|number| schema.attribute(*number));
    let attributes: Vec<AttributeKey> = attributes.map(|rule| rule.key.clone()).collect();
    let sources: Vec<SourceNumber> = mappings.iter().map(|one| one.number).collect();
    let views = Views {
        mapping: mapping_hash(&collections, &sources),
        cells: cells(&in_force.table, &schema, settings, &attributes),
        collections,
        stale_after_seconds: settings.stale_after_seconds.max(1),
    };
    Ok(Planned {
        connector,
        views: Arc::new(views),
        sources,
        attributes,
        in_force,
    })
}

fn viewed(schema: &Schema, mappings: &[&Mapping]) -> Result<Vec<Viewed>, Problem> {
    let mut names = BTreeSet::new();
    let mut all = Vec::with_capacity(mappings.len());
    for mapping in mappings {
        let record = schema
            .source(mapping.number)
            .and_then(|source| source.record);
        let record = mapping
            .fields
            .iter()
            .find(|(_, rule)| Some(rule.number) == record);
        let (record, _) = record.ok_or_else(|| {
            Problem::conflict(format!("nothing says whose the rows of `{}` are; name the field of the source's `record` under `sync` in profile.yaml", mapping.collection.key))
        })?;
        let table = &mapping.collection.table;
        let mut name = table.clone();
        for number in 2.. {
            if names.insert(name.clone()) {
                break;
            }
            name = format!("{table}_{number}");
        }
        all.push(Viewed {
            name,
            collection: Arc::clone(&mapping.collection),
            record: record.clone(),
            columns: columns(schema, mapping),
        });
    }
    Ok(all)
}

/// One column for each field, by its own name and in its own order; where a field fills several attributes, the others by the attribute's.
fn columns(schema: &Schema, mapping: &Mapping) -> Vec<ViewedColumn> {
    let mut names = BTreeSet::new();
    let order = |field: &FieldName| {
        let mut fields = mapping.collection.fields.iter();
        fields.position(|known| known.name == *field)
    };
    let mut fields: Vec<_> = mapping.fields.iter().collect();
    fields.sort_by_key(|(field, rule)| (order(field), rule.number));
    let fields = fields.into_iter().map(|(field, rule)| {
        let mut name = field.to_string();
        if !names.insert(name.clone()) {
            name = format!("{field}_{}", rule.key);
            names.insert(name.clone());
        }
        ViewedColumn {
            name,
            field: field.clone(),
            attribute: rule.number,
            masked: masked(rule),
            coarser: coarser(schema, rule),
        }
    });
    fields.collect()
}

/// Whatever decides which values a column shows under which attribute.
fn mapping_hash(collections: &[Viewed], sources: &[SourceNumber]) -> String {
    // The number is that of the form of the tables beside the views: with another one they are made anew.
    let mut text = String::from("3");
    for (viewed, source) in collections.iter().zip(sources) {
        let collection = &viewed.collection;
        let _ = write!(
            text,
            "\n{source:?} {:?} {:?} {:?} {:?} {:?}",
            collection.schema,
            collection.table,
            viewed.name,
            viewed.record.as_ref(),
            viewed.columns
        );
    }
    Hash::of(text.as_bytes()).to_string()
}

/// Recipients and purposes that policies permit anything of what the views show.
fn cells(
    table: &Table,
    schema: &Schema,
    settings: &ViewSettings,
    attributes: &[AttributeKey],
) -> Vec<ViewCell> {
    let layout = table.layout();
    let slots: BTreeMap<_, AttributeNumber> = attributes
        .iter()
        .filter_map(|key| {
            Some((
                layout.attribute(key.as_ref())?,
                schema.attribute_of(key.as_ref())?.number,
            ))
        })
        .collect();
    let cell = |cell: Cell| {
        let recipient = layout
            .recipients()
            .get(usize::from(cell.recipient.0))?
            .clone();
        let purpose = layout.purposes().get(usize::from(cell.purpose.0))?.clone();
        let reach = table.reach(cell);
        let is_any = slots.keys().any(|slot| reach.any.contains(*slot));
        let numbers = |of: &AttributeSet| {
            let slots = slots.iter();
            let slots = slots.filter(|(slot, _)| reach.any.contains(**slot) && of.contains(**slot));
            slots.map(|(_, number)| *number).collect()
        };
        let own = settings.roles.get(recipient.as_ref());
        is_any.then(|| ViewCell {
            schema: name(&[recipient.as_ref(), purpose.as_ref()]),
            role: own.cloned().unwrap_or_else(|| name(&[recipient.as_ref()])),
            is_our_role: own.is_none(),
            recipient,
            purpose,
            in_part: numbers(&reach.in_part),
            tokens: numbers(&reach.tokens),
        })
    };
    let mut cells: Vec<ViewCell> = table.cells().filter_map(cell).collect();
    cells.sort_by(|one, other| one.schema.cmp(&other.schema));
    cells
}

/// `privity_mill__orders`. Where two names could meet, or PostgreSQL would cut one, a hash stands at its end.
fn name(parts: &[&str]) -> String {
    let plain = format!("privity_{}", parts.join("__"));
    let is_plain = |part: &&str| {
        let mut letters = part.chars();
        letters.all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_')
            && !part.contains("__")
            && !part.starts_with('_')
            && !part.ends_with('_')
    };
    if plain.len() <= 63 && parts.iter().all(is_plain) {
        return plain;
    }
    let hash = Hash::of(parts.join("\u{0}").as_bytes()).to_string();
    let hash: String = hash.chars().take(12).collect();
    let safe = |one: char| {
        if one.is_ascii_alphanumeric() {
            one.to_ascii_lowercase()
        } else {
            '_'
        }
    };
    let start: String = plain.chars().map(safe).take(45).collect();
    format!("{start}___{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_and_none_is_too_long() {
        assert_eq!(name(&["mill", "orders"]), "privity_mill__orders");
        let odd = [
            vec!["a_", "b"],
            vec!["a", "_b"],
            vec!["a__b", "c"],
            vec!["a", "b__c"],
            vec!["Größe\"", "x"],
        ];
        let long = "x".repeat(80);
        let names: BTreeSet<String> = odd
            .iter()
            .map(|parts| name(parts))
            .chain([name(&[&long])])
            .collect();
        assert_eq!(names.len(), 6);
        let is_safe = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_';
        assert!(
            names
                .iter()
                .all(|name| name.len() <= 63 && name.chars().all(is_safe))
        );
    }
}
