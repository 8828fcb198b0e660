//! What can go wrong between us and our own database, in words that say what to do and hold neither values nor secrets.
//!
//! The drivers' own errors are never carried on: PostgreSQL puts row values into `DETAIL`, and a connection error may hold the URL.

/// A failure of our own database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The database's URL can't be understood.
    #[error(
        "the database URL is not usable: {reason}; write `sqlite:PATH` or `postgres://NAME@HOST/DATABASE`"
    )]
    InvalidUrl {
        /// What is wrong with it, without the URL itself.
        reason: String,
    },
    /// Nothing answers, or the connection broke before anything was committed.
    #[error(
        "the database {target} cannot be reached ({reason}); check that it runs and that this machine may connect"
    )]
    Unreachable {
        /// Where we tried, without credentials.
        target: String,
        /// What the system said.
        reason: String,
    },
    /// The server refused the name, the password or the way of connecting.
    #[error(
        "the database {target} refused the login; correct name and password in the database URL, and check that the server lets this machine in (pg_hba.conf) with the `sslmode` that is set"
    )]
    WrongPassword {
        /// Where we tried, without credentials.
        target: String,
    },
    /// The server has no such database.
    #[error(
        "the server at {target} has no such database; create it, or correct the name in the database URL"
    )]
    NoSuchDatabase {
        /// Where we tried, without credentials.
        target: String,
    },
    /// The file exists and is something else.
    #[error("the file {target} is not a SQLite database; choose another path")]
    NotADatabase {
        /// The path.
        target: String,
    },
    /// No space left: nothing of the transaction was kept, everything acknowledged before is safe.
    #[error(
        "the database's disk is full; free space, then try again: nothing acknowledged was lost"
    )]
    DiskFull,
    /// A newer program has already changed the tables.
    #[error(
        "the database has schema version {found}, this program knows {known}; run the newer program"
    )]
    NewerSchema {
        /// The newest version in the database.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// A migration was edited after it ran.
    #[error(
        "migration {version} was changed after it had been applied to this database; run the program that fits, never edit an applied migration"
    )]
    ChangedMigration {
        /// The migration's number.
        version: i64,
    },
    /// Others held the data in every attempt.
    #[error(
        "the database stayed busy through every attempt of `{transaction}`; try again, and look for a long transaction of another program"
    )]
    Busy {
        /// The transaction's name.
        transaction: String,
    },
    /// The connection broke while committing.
    #[error(
        "the connection broke while `{transaction}` was being committed; look up whether it took effect before repeating it"
    )]
    CommitUnknown {
        /// The transaction's name.
        transaction: String,
    },
    /// A row breaks a uniqueness rule.
    #[error("`{statement}` would store something a second time ({rule})")]
    AlreadyExists {
        /// The statement's name.
        statement: String,
        /// The constraint or the columns.
        rule: String,
    },
    /// `query_one` found nothing.
    #[error("`{statement}` found no row")]
    NotFound {
        /// The statement's name.
        statement: String,
    },
    /// Somebody else changed the row since it was read.
    #[error("`{statement}` met a row that was changed meanwhile; read it again and repeat")]
    Changed {
        /// The statement's name.
        statement: String,
    },
    /// A write inside `read`.
    #[error("`{statement}` writes inside a read; use `Database::write`")]
    ReadOnly {
        /// The statement's name.
        statement: String,
    },
    /// A record that can't be appended to the audit log.
    #[error("record {position} of this batch cannot be appended to the audit log: {reason}")]
    Record {
        /// Which one of the batch, from 0.
        position: usize,
        /// Why.
        reason: String,
    },
    /// A column doesn't hold what the code expects.
    #[error("column `{column}`: {problem}")]
    Column {
        /// The column's name.
        column: String,
        /// What was expected.
        problem: String,
    },
    /// A statement that cannot run: a defect of ours, or a database that was changed by hand.
    #[error("`{statement}` failed ({code}): {reason}")]
    Statement {
        /// The statement's name.
        statement: String,
        /// SQLSTATE or SQLite's extended code.
        code: String,
        /// What the engine said, where that cannot hold values.
        reason: String,
    },
    /// The closure went on after a failed statement, which no engine allows alike.
    #[error("`{transaction}` went on after a failed statement; return the statement's error")]
    WentOn {
        /// The transaction's name.
        transaction: String,
    },
    /// The closure panicked; its transaction was rolled back.
    #[error("`{transaction}` panicked and was rolled back")]
    Panicked {
        /// The transaction's name.
        transaction: String,
    },
    /// The database was closed.
    #[error("the database is closed")]
    Closed,
}
