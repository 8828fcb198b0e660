//! PostgreSQL's errors in our words. A server's message goes on only for conditions whose messages name things and never
//! quote values; a row's values stand in its DETAIL, which is never read.

use deadpool_postgres::PoolError;
use domain::data_map::{CollectionKey, SystemKey};
use tokio_postgres::Error;

use crate::ConnectorError;

/// An error of getting a connection.
pub(super) fn of_pool(system: &SystemKey, error: PoolError) -> ConnectorError {
    match error {
        PoolError::Backend(error) => of_statement(system, "connecting", None, &error),
        PoolError::PostCreateHook(deadpool_postgres::HookError::Backend(error)) => of_statement(system, "connecting", None, &error),
        PoolError::Timeout(_) => ConnectorError::Unreachable {
            system: system.clone(),
            reason: "no connection came about in time; check host, port and firewall, and whether all connections are busy".to_owned(),
        },
        _ => ConnectorError::Unreachable { system: system.clone(), reason: "its pool of connections is closed".to_owned() },
    }
}

/// An error of a statement.
pub(super) fn of_statement(
    system: &SystemKey,
    doing: &'static str,
    collection: Option<&CollectionKey>,
    error: &Error,
) -> ConnectorError {
    let system = system.clone();
    let Some(answer) = error.as_db_error() else {
        return ConnectorError::Unreachable {
            system,
            reason: of_connection(error),
        };
    };
    let (code, message) = (answer.code().code(), answer.message());
    match (code, collection) {
        ("42P01" | "42703" | "3F000", Some(collection)) => ConnectorError::Drift { collection: collection.clone(), reason: message.to_owned() },
        ("42804" | "42883", Some(collection)) => ConnectorError::Drift { collection: collection.clone(), reason: format!("a field's type has changed ({code}: {message})") },
        ("42501", _) => ConnectorError::Refused { system, reason: format!("{message}; grant what docs/guides/least-privilege.md names") },
        ("28P01" | "28000", _) => ConnectorError::Refused { system, reason: format!("{message}; correct the role or its password, or pg_hba.conf") },
        ("3D000", _) => ConnectorError::Refused { system, reason: format!("{message}; correct the URL") },
        ("25006", _) => ConnectorError::Refused { system, reason: "it takes no changes (read only); name the primary in the URL".to_owned() },
        ("55P03", _) => ConnectorError::TimedOut { system, reason: "somebody else holds a lock on the rows".to_owned() },
        ("57014", _) => ConnectorError::TimedOut { system, reason: "the statement took longer than `statement_timeout_seconds`; look whether the fields that are searched have an index".to_owned() },
        ("40P01" | "40001", _) => ConnectorError::TimedOut { system, reason: "another transaction wanted the same rows".to_owned() },
        _ if ["57", "53", "08"].iter().any(|class| code.starts_with(class)) => ConnectorError::Unreachable { system, reason: format!("{code}: {message}") },
        _ => ConnectorError::Failed { system, doing, reason: in_words(answer) },
    }
}

fn in_words(answer: &tokio_postgres::error::DbError) -> String {
    let code = answer.code().code();
    let place = [answer.table(), answer.column(), answer.constraint()]
        .into_iter()
        .flatten()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    match code.get(..2) {
        Some("23") => format!(
            "the constraint {place} forbids it ({code}); say in the data map how the field is to be overwritten"
        ),
        Some("22") => format!(
            "a value doesn't fit a field's type ({code}); say in the data map how the field is to be overwritten"
        ),
        // A trigger's words are its author's, and may quote the row.
        Some("P0") => format!(
            "a trigger or function forbids it ({code}); look into the database's schema at what it asks for"
        ),
        // These name relations, settings and conditions, never values.
        Some("42" | "0A" | "54" | "55" | "25" | "28" | "3D" | "3F") => {
            format!("{code}: {}", answer.message())
        }
        _ => format!("{code} {place}"),
    }
}

/// The driver's words hold addresses and conditions of the network, never a password.
fn of_connection(error: &Error) -> String {
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    let mut words = error.to_string();
    while let Some(next) = cause {
        words = format!("{words}: {next}");
        cause = next.source();
    }
    format!("{words}; check host, port, firewall and `sslmode`")
}

/// A foreign key that forbids a deletion: by rows of a table that the map knows, which have come up since, or by a table
/// that the map should name.
pub(super) fn of_foreign_key(
    collection: Option<&CollectionKey>,
    error: &Error,
    known: impl Fn(&str) -> bool,
) -> Option<ConnectorError> {
    let answer = error.as_db_error()?;
    if !matches!(answer.code().code(), "23503" | "23001") {
        return None;
    }
    let collection = collection?.clone();
    let table = answer.table().unwrap_or_default();
    if table.is_empty() || known(table) {
        return Some(ConnectorError::Moved { collection });
    }
    let constraint = answer.constraint().unwrap_or_default();
    let reason = format!(
        "rows of the table `{table}`, which isn't in the map, point at rows that are to be erased (`{constraint}`)"
    );
    Some(ConnectorError::Drift { collection, reason })
}
