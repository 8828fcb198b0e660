//! MySQL's and MariaDB's errors in our words. Many of their messages quote values, so that only those of known codes go on.

use domain::data_map::{CollectionKey, SystemKey};
use mysql_async::{Error, ServerError};

use crate::ConnectorError;

/// An error of a statement.
pub(super) fn of_statement(
    system: &SystemKey,
    doing: &'static str,
    collection: Option<&CollectionKey>,
    error: &Error,
) -> ConnectorError {
    let system = system.clone();
    let answer = match error {
        Error::Server(answer) => answer,
        Error::Io(error) => {
            return ConnectorError::Unreachable {
                system,
                reason: format!("{error}; check host, port, firewall and `sslmode`"),
            };
        }
        Error::Driver(error) => {
            return ConnectorError::Unreachable {
                system,
                reason: format!("the connection broke ({})", of_driver(error)),
            };
        }
        _ => {
            return ConnectorError::Failed {
                system,
                doing,
                reason: "the driver refused".to_owned(),
            };
        }
    };
    let message = &answer.message;
    match (answer.code, collection) {
        (1146 | 1054 | 1109, Some(collection)) => ConnectorError::Drift { collection: collection.clone(), reason: message.clone() },
        (1044 | 1045 | 1698 | 1251 | 2059, _) => ConnectorError::Refused { system, reason: format!("{message}; correct the account or its password") },
        (1049, _) => ConnectorError::Refused { system, reason: format!("{message}; correct the URL") },
        (1142 | 1143 | 1227 | 1370, _) => ConnectorError::Refused { system, reason: format!("{message}; grant what docs/guides/least-privilege.md names") },
        (1290 | 1792 | 1836, _) => ConnectorError::Refused { system, reason: "it takes no changes (read only); name the primary in the URL".to_owned() },
        (1205, _) => ConnectorError::TimedOut { system, reason: "somebody else holds a lock on the rows".to_owned() },
        (1213, _) => ConnectorError::TimedOut { system, reason: "another transaction wanted the same rows".to_owned() },
        (1969 | 3024 | 1317, _) => ConnectorError::TimedOut { system, reason: "the statement took longer than `statement_timeout_seconds`; look whether the fields that are searched have an index".to_owned() },
        (1040 | 1053 | 1203 | 1226 | 1927, _) => ConnectorError::Unreachable { system, reason: format!("{}: the server takes no more work now", answer.code) },
        _ => ConnectorError::Failed { system, doing, reason: in_words(answer) },
    }
}

fn of_driver(error: &mysql_async::DriverError) -> &'static str {
    match error {
        mysql_async::DriverError::ConnectionClosed | mysql_async::DriverError::PoolDisconnected => {
            "the server closed it"
        }
        mysql_async::DriverError::NoClientSslFlagFromServer => {
            "the server offers no TLS; change `sslmode`"
        }
        mysql_async::DriverError::PacketOutOfOrder => "its packets came in the wrong order",
        _ => "the driver gave up",
    }
}

fn in_words(answer: &ServerError) -> String {
    let code = answer.code;
    match code {
        1062 => format!(
            "the key {} forbids it ({code}); say in the data map how the field is to be overwritten",
            answer.message.rsplit("for key ").next().unwrap_or_default()
        ),
        1048 | 1364 | 3819 | 4025 | 1452 => format!(
            "a constraint forbids it ({code}); say in the data map how the field is to be overwritten"
        ),
        1264 | 1265 | 1292 | 1366 | 1406 => format!(
            "a value doesn't fit a field's type ({code}); say in the data map how the field is to be overwritten"
        ),
        // A trigger's words are its author's, and may quote the row.
        1644 => format!(
            "a trigger or procedure forbids it ({code}); look into the database's schema at what it asks for"
        ),
        // These name columns, tables and collations, never values.
        1064 | 1093 | 1267 | 1271 | 1305 | 1436 => format!("{code}: {}", answer.message),
        _ => format!("code {code}, state {}", answer.state),
    }
}

/// Whether rows that point at it forbid a deletion.
pub(super) fn is_foreign_key(error: &Error) -> bool {
    matches!(
        error,
        Error::Server(ServerError {
            code: 1217 | 1451,
            ..
        })
    )
}

/// A foreign key that forbids a deletion: by rows of a table that the map knows, which have come up since, or by a table
/// that the map should name.
pub(super) fn of_foreign_key(
    collection: Option<&CollectionKey>,
    error: &Error,
    known: impl Fn(&str) -> bool,
) -> Option<ConnectorError> {
    let Error::Server(answer) = error else {
        return None;
    };
    let collection = collection.filter(|_| is_foreign_key(error))?.clone();
    match pointing_table(&answer.message).filter(|table| !known(table)) {
        None => Some(ConnectorError::Moved { collection }),
        Some(table) => {
            let reason = format!(
                "rows of the table `{table}`, which isn't in the map, point at rows that are to be erased"
            );
            Some(ConnectorError::Drift { collection, reason })
        }
    }
}

/// The table in ``… fails (`database`.`table`, CONSTRAINT …)``.
fn pointing_table(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("(`")?;
    let (_, rest) = rest.split_once("`.`")?;
    rest.split_once("`,").map(|(table, _)| table.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pointing_table_is_read_from_the_message() {
        let message = "Cannot delete or update a parent row: a foreign key constraint fails (`shop`.`order item`, CONSTRAINT `fk` FOREIGN KEY (`a`) REFERENCES `b` (`c`))";
        assert_eq!(pointing_table(message).as_deref(), Some("order item"));
    }
}
