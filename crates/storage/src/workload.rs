//! How much work waits: for whoever watches it being done.

use domain::task::TaskKind;
use jiff::Timestamp;

use crate::db::Tx;
use crate::error::Error;

/// How many tasks a worker could claim now; work by hand is not among them.
pub fn tasks_due(tx: &mut Tx, now: Timestamp) -> Result<u64, Error> {
    let sql = "-- count due task
        SELECT COUNT(*) AS tasks FROM task
        WHERE state IN ('ready', 'leased') AND run_at <= ?1 AND (lease_until IS NULL OR lease_until <= ?1) AND kind <> ?2";
    tx.query_one(sql, &[now.into(), TaskKind::ManualWork.as_str().into()])?
        .count("tasks")
}
