//! One generator of SQL for the three engines that source systems run on, so that they find, keep and erase the same rows.
//!
//! Values only ever travel as parameters; names are quoted; what differs between the engines is in small functions that
//! match on [`Dialect`]. How the statements are run is each engine's own file.

pub(crate) mod cell;
pub(crate) mod erasure;
pub(crate) mod hash;
pub(crate) mod lookup;
pub(crate) mod moment;
pub(crate) mod predicate;
pub(crate) mod redaction;
pub(crate) mod remaining;
pub(crate) mod scan;
pub(crate) mod schema;
pub(crate) mod statement;
pub(crate) mod table;

use domain::sensitive::Sensitive;
use zeroize::Zeroize;

/// Which engine's words are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    Sqlite,
    Mysql,
}

impl Dialect {
    /// A name as an identifier, whatever characters it has.
    pub(crate) fn quote(self, name: &str) -> String {
        match self {
            Self::Postgres | Self::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::Mysql => format!("`{}`", name.replace('`', "``")),
        }
    }

    /// A table's name, with its schema where it isn't the default.
    pub(crate) fn table(self, schema: Option<&str>, table: &str) -> String {
        match schema {
            Some(schema) => format!("{}.{}", self.quote(schema), self.quote(table)),
            None => self.quote(table),
        }
    }

    /// A text constant of our own, never a value of a source system.
    pub(crate) fn constant(self, text: &str) -> String {
        let text = if self == Self::Mysql {
            text.replace('\\', "\\\\")
        } else {
            text.to_owned()
        };
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// A value that goes with a statement.
#[derive(Clone)]
pub(crate) enum Parameter {
    Text(String),
    /// An array; PostgreSQL only.
    Texts(Vec<String>),
    Bytes(Vec<u8>),
    /// An array; PostgreSQL only.
    Blobs(Vec<Vec<u8>>),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
}

impl Zeroize for Parameter {
    fn zeroize(&mut self) {
        match self {
            Self::Text(text) => text.zeroize(),
            Self::Texts(texts) => texts.zeroize(),
            Self::Bytes(bytes) => bytes.zeroize(),
            Self::Blobs(blobs) => blobs.zeroize(),
            Self::Integer(number) => number.zeroize(),
            Self::Unsigned(number) => number.zeroize(),
            Self::Float(number) => number.zeroize(),
        }
    }
}

/// SQL and the values that go with it.
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) parameters: Sensitive<Vec<Parameter>>,
}

/// A statement being written, front to back, so that placeholders and parameters stay in step.
pub(crate) struct Sql {
    pub(crate) dialect: Dialect,
    text: String,
    parameters: Vec<Parameter>,
}

impl Sql {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            text: String::with_capacity(512),
            parameters: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// A placeholder and its value.
    pub(crate) fn bind(&mut self, parameter: Parameter) -> &mut Self {
        // MySQL reads a parameter as text in the connection's character set, which bytes needn't be valid in.
        let parameter = match (self.dialect, parameter) {
            (Dialect::Mysql, Parameter::Bytes(bytes)) => {
                self.push("UNHEX(");
                Parameter::Text(hash::hex(&bytes))
            }
            (_, parameter) => parameter,
        };
        let unhex = self.text.ends_with("UNHEX(");
        self.parameters.push(parameter);
        match self.dialect {
            Dialect::Postgres => self.text.push_str(&format!("${}", self.parameters.len())),
            Dialect::Sqlite => self.text.push_str(&format!("?{}", self.parameters.len())),
            Dialect::Mysql => self.text.push_str(if unhex { "?)" } else { "?" }),
        }
        self
    }

    /// Writes each item with `write`, and `separator` between them.
    pub(crate) fn list<T, E>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        separator: &str,
        mut write: impl FnMut(&mut Self, T) -> Result<(), E>,
    ) -> Result<(), E> {
        for (number, item) in items.into_iter().enumerate() {
            if number > 0 {
                self.push(separator);
            }
            write(self, item)?;
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Statement {
        Statement {
            text: self.text,
            parameters: Sensitive::new(self.parameters),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_name_gets_out_of_its_quotes(name in "[^\u{0}]{1,40}") {
            let connection = rusqlite::Connection::open_in_memory().unwrap();
            let quoted = Dialect::Sqlite.quote(&name);
            let answered: String = connection.prepare(&format!("SELECT 1 AS {quoted}")).unwrap().column_name(0).unwrap().to_owned();
            prop_assert_eq!(answered, name.clone());
            let inside = Dialect::Mysql.quote(&name);
            prop_assert_eq!(inside.trim_start_matches('`').is_empty(), name.chars().all(|letter| letter == '`'));
            let body: String = inside.chars().skip(1).take(inside.chars().count() - 2).collect();
            prop_assert_eq!(body.replace("``", ""), name.replace('`', ""));
        }

        #[test]
        fn no_constant_gets_out_of_its_quotes(text in "[^\u{0}]{0,40}") {
            let connection = rusqlite::Connection::open_in_memory().unwrap();
            let answered: String = connection.query_row(&format!("SELECT {}", Dialect::Sqlite.constant(&text)), [], |row| row.get(0)).unwrap();
            prop_assert_eq!(answered, text);
        }
    }

    #[test]
    fn placeholders_count_up_where_the_engine_wants_numbers() {
        let written = |dialect| {
            let mut sql = Sql::new(dialect);
            sql.push("a = ")
                .bind(Parameter::Integer(1))
                .push(" AND b = ")
                .bind(Parameter::Bytes(vec![10]));
            sql.finish().text
        };
        assert_eq!(written(Dialect::Postgres), "a = $1 AND b = $2");
        assert_eq!(written(Dialect::Sqlite), "a = ?1 AND b = ?2");
        assert_eq!(written(Dialect::Mysql), "a = ? AND b = UNHEX(?)");
    }
}
