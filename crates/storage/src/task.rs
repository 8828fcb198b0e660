//! The task queue: durable, leased for a time, claimed in batches of one kind, so that many privacy requests share one pass over a system.

use std::collections::BTreeSet;

use domain::id::{RequestId, TaskId};
use domain::task::{Task, TaskKind, TaskState};
use jiff::Timestamp;

use crate::db::{Row, Tx, Value};
use crate::error::Error;

/// Which tasks a worker wants, and for how long.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Of this kind.
    pub kind: TaskKind,
    /// All of one target, that of the longest waiting task, so that they can be worked on together.
    pub same_target: bool,
    /// At most this many.
    pub limit: u32,
    /// Those whose time has come, or whose lease has ended, by this moment.
    pub now: Timestamp,
    /// Who claims: one name per worker and start.
    pub owner: String,
    /// Until when the worker has them for itself.
    pub lease_until: Timestamp,
}

/// Stores tasks that are not there yet (by kind, request and target) and answers how many were new.
pub fn insert_many(tx: &mut Tx, tasks: &[Task], now: Timestamp) -> Result<u64, Error> {
    let sql = "-- insert task
        INSERT INTO task (id, kind, request_id, target, state, run_at, attempts, due, created_at) 
        SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9
        FROM (VALUES (?1 /* TEXT */, ?2 /* TEXT */, ?3 /* TEXT */, ?4 /* TEXT */, ?5 /* TEXT */, ?6 /* BIGINT */, ?7 /* BIGINT */, ?8 /* TEXT */, ?9 /* BIGINT */)) AS given
        WHERE TRUE ON CONFLICT (request_id, kind, target) DO NOTHING";
    tx.execute_many(sql, &insert_values(tasks, now))
}

/// As [`insert_many`], and a task that was already done is made ready again: another code is asked for, another confirmation is due.
pub fn insert_again(tx: &mut Tx, tasks: &[Task], now: Timestamp) -> Result<u64, Error> {
    let sql = "-- insert task again
        INSERT INTO task (id, kind, request_id, target, state, run_at, attempts, due, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
        ON CONFLICT (request_id, kind, target) DO UPDATE
        SET state = excluded.state, run_at = excluded.run_at, attempts = 0, error = NULL, due = excluded.due WHERE task.state = 'done'";
    tx.execute_many(sql, &insert_values(tasks, now))
}

fn insert_values(tasks: &[Task], now: Timestamp) -> Vec<Vec<Value>> {
    let values = |task: &Task| {
        vec![
            task.id.into(),
            task.kind.as_str().into(),
            task.request.into(),
            (&task.target).into(),
            task.state.as_str().into(),
            task.run_at.into(),
            task.attempts.into(),
            task.due.into(),
            now.into(),
        ]
    };
    tasks.iter().map(values).collect()
}

/// Leases tasks to a worker, the longest waiting first, and counts the attempt. Two workers never get the same one.
pub fn claim(tx: &mut Tx, claim: &Claim) -> Result<Vec<Task>, Error> {
    let values = [
        claim.kind.as_str().into(),
        claim.now.into(),
        claim.limit.into(),
        (&claim.owner).into(),
        claim.lease_until.into(),
    ];
    let rows = tx.query(
        if claim.same_target {
            CLAIM_SAME_TARGET
        } else {
            CLAIM
        },
        &values,
    )?;
    let mut tasks = rows.iter().map(task).collect::<Result<Vec<_>, _>>()?;
    tasks.sort_by_key(|task| (task.run_at, task.id));
    Ok(tasks)
}

// A ready task has no lease_until. The comments `skip locked` are instructions to PostgreSQL, see db::SKIP_LOCKED.
const CLAIM: &str = "-- claim task
    WITH chosen AS MATERIALIZED (
        SELECT id FROM task
        WHERE kind = ?1 AND state IN ('ready', 'leased') AND run_at <= ?2 AND (lease_until IS NULL OR lease_until <= ?2)
        ORDER BY run_at, id LIMIT ?3 /* skip locked */
    )
    UPDATE task SET state = 'leased', attempts = attempts + 1, lease_owner = ?4, lease_until = ?5
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id, kind, request_id, target, state, run_at, attempts, error, due";

const CLAIM_SAME_TARGET: &str = "-- claim task of one target
    WITH first AS MATERIALIZED (
        SELECT target FROM task
        WHERE kind = ?1 AND state IN ('ready', 'leased') AND run_at <= ?2 AND (lease_until IS NULL OR lease_until <= ?2)
        ORDER BY run_at, id LIMIT 1 /* skip locked */
    ), chosen AS MATERIALIZED (
        SELECT id FROM task
        WHERE kind = ?1 AND target = (SELECT target FROM first)
            AND state IN ('ready', 'leased') AND run_at <= ?2 AND (lease_until IS NULL OR lease_until <= ?2)
        ORDER BY run_at, id LIMIT ?3 /* skip locked */
    )
    UPDATE task SET state = 'leased', attempts = attempts + 1, lease_owner = ?4, lease_until = ?5
    WHERE id IN (SELECT id FROM chosen)
    RETURNING id, kind, request_id, target, state, run_at, attempts, error, due";

/// Gives a worker more time with its tasks.
///
/// # Errors
/// [`Error::Changed`] when one of them is no longer this worker's.
pub fn renew(
    tx: &mut Tx,
    ids: &[TaskId],
    owner: &str,
    lease_until: Timestamp,
) -> Result<(), Error> {
    let sql = "-- renew task\nUPDATE task SET lease_until = ?3 WHERE id = ?1 AND lease_owner = ?2 AND state = 'leased'";
    let sets: Vec<_> = ids
        .iter()
        .map(|id| vec![(*id).into(), owner.into(), lease_until.into()])
        .collect();
    all_held(tx.execute_many(sql, &sets)?, ids, "renew task")
}

/// Marks a worker's tasks as done.
///
/// # Errors
/// [`Error::Changed`] when one of them is no longer this worker's: its lease ended and another may be at it, so that whatever
/// else this transaction records must not be recorded twice.
pub fn finish(tx: &mut Tx, ids: &[TaskId], owner: &str) -> Result<(), Error> {
    let sql = "-- finish task
        UPDATE task SET state = 'done', error = NULL, lease_owner = NULL, lease_until = NULL
        FROM (VALUES (?1 /* TEXT */, ?2 /* TEXT */)) AS given WHERE id = column1 AND lease_owner = column2 AND state = 'leased'";
    let sets: Vec<_> = ids
        .iter()
        .map(|id| vec![(*id).into(), owner.into()])
        .collect();
    all_held(tx.execute_many(sql, &sets)?, ids, "finish task")
}

/// Marks a task as done that a person did, from whatever state but done.
///
/// # Errors
/// [`Error::Changed`] when it was done already or does not exist.
pub fn finish_by_hand(tx: &mut Tx, id: TaskId) -> Result<(), Error> {
    let sql = "-- finish task by hand
        UPDATE task SET state = 'done', error = NULL, lease_owner = NULL, lease_until = NULL WHERE id = ?1 AND state <> 'done'";
    all_held(tx.execute(sql, &[id.into()])?, &[id], "finish task by hand")
}

/// Gives a worker's task back, to be run again at `run_at`; `error` says why, for the operator and without values.
///
/// # Errors
/// [`Error::Changed`] when it is no longer this worker's.
pub fn retry_at(
    tx: &mut Tx,
    id: TaskId,
    owner: &str,
    run_at: Timestamp,
    error: Option<&str>,
) -> Result<(), Error> {
    let sql = "-- retry task
        UPDATE task SET state = 'ready', run_at = ?3, error = ?4, lease_owner = NULL, lease_until = NULL
        WHERE id = ?1 AND lease_owner = ?2 AND state = 'leased'";
    all_held(
        tx.execute(sql, &[id.into(), owner.into(), run_at.into(), error.into()])?,
        &[id],
        "retry task",
    )
}

/// Sets a worker's task aside for an operator; `error` says why, without values.
///
/// # Errors
/// [`Error::Changed`] when it is no longer this worker's.
pub fn stick(tx: &mut Tx, id: TaskId, owner: &str, error: &str) -> Result<(), Error> {
    let sql = "-- stick task
        UPDATE task SET state = 'stuck', error = ?3, lease_owner = NULL, lease_until = NULL WHERE id = ?1 AND lease_owner = ?2 AND state = 'leased'";
    all_held(
        tx.execute(sql, &[id.into(), owner.into(), error.into()])?,
        &[id],
        "stick task",
    )
}

/// Lets a stuck task try again, its attempts counted anew.
///
/// # Errors
/// [`Error::Changed`] when it isn't stuck.
pub fn unstick(tx: &mut Tx, id: TaskId, run_at: Timestamp) -> Result<(), Error> {
    let sql = "-- unstick task\nUPDATE task SET state = 'ready', run_at = ?2, attempts = 0 WHERE id = ?1 AND state = 'stuck'";
    all_held(
        tx.execute(sql, &[id.into(), run_at.into()])?,
        &[id],
        "unstick task",
    )
}

/// Gives back all that a worker holds, as it stops; the attempt does not count. Answers how many.
pub fn release(tx: &mut Tx, owner: &str) -> Result<u64, Error> {
    // Walks through the open tasks, once in a worker's life: an index of leases would be kept up with each claim.
    let sql = "-- release task
        UPDATE task SET state = 'ready', attempts = attempts - 1, lease_owner = NULL, lease_until = NULL
        WHERE lease_owner = ?1 AND state IN ('ready', 'leased')";
    tx.execute(sql, &[owner.into()])
}

/// Removes the tasks of a privacy request that nobody has begun; for one that was withdrawn, denied or expired.
pub fn remove_ready(tx: &mut Tx, request: RequestId) -> Result<u64, Error> {
    remove_ready_many(tx, &[request])
}

/// [`remove_ready`] for many.
pub fn remove_ready_many(tx: &mut Tx, requests: &[RequestId]) -> Result<u64, Error> {
    let sql = "-- remove ready task\nDELETE FROM task WHERE request_id = ?1 AND state IN ('ready', 'stuck')";
    let sets: Vec<_> = requests.iter().map(|id| vec![(*id).into()]).collect();
    tx.execute_many(sql, &sets)
}

/// Which of these privacy requests have a task that waits for an operator.
pub fn stuck_among(tx: &mut Tx, requests: &[RequestId]) -> Result<BTreeSet<RequestId>, Error> {
    let sql = "-- find stuck task\nSELECT request_id FROM task WHERE request_id = ?1 AND state = 'stuck' LIMIT 1";
    let sets: Vec<_> = requests.iter().map(|id| vec![(*id).into()]).collect();
    tx.query_many(sql, &sets)?
        .iter()
        .flatten()
        .map(|row| row.parsed("request_id"))
        .collect()
}

/// The task with this id.
pub fn get(tx: &mut Tx, id: TaskId) -> Result<Option<Task>, Error> {
    tx.query_optional(
        "-- get task\nSELECT * FROM task WHERE id = ?1",
        &[id.into()],
    )?
    .as_ref()
    .map(task)
    .transpose()
}

/// All tasks of a privacy request, oldest first.
pub fn of_request(tx: &mut Tx, request: RequestId) -> Result<Vec<Task>, Error> {
    tx.query(
        "-- list task of request\nSELECT * FROM task WHERE request_id = ?1 ORDER BY id",
        &[request.into()],
    )?
    .iter()
    .map(task)
    .collect()
}

/// Tasks of each of these privacy requests, of this kind, that are not done yet: how many, in the order asked. To read under
/// [`crate::privacy_request::lock`] when the answer decides what comes next.
pub fn unfinished(tx: &mut Tx, requests: &[RequestId], kind: TaskKind) -> Result<Vec<u64>, Error> {
    let sql = "-- count unfinished task\nSELECT COUNT(*) AS tasks FROM task WHERE request_id = ?1 AND kind = ?2 AND state <> 'done'";
    let sets: Vec<_> = requests
        .iter()
        .map(|id| vec![(*id).into(), kind.as_str().into()])
        .collect();
    tx.query_many(sql, &sets)?
        .iter()
        .map(|rows| rows.first().map_or(Ok(0), |row| row.count("tasks")))
        .collect()
}

/// Stuck tasks, oldest first, at most `limit`.
pub fn stuck(tx: &mut Tx, limit: u32) -> Result<Vec<Task>, Error> {
    tx.query(
        "-- list stuck task\nSELECT * FROM task WHERE state = 'stuck' ORDER BY id LIMIT ?1",
        &[limit.into()],
    )?
    .iter()
    .map(task)
    .collect()
}

/// Open tasks of one kind, the soonest first: the list of work by hand.
pub fn open_of_kind(tx: &mut Tx, kind: TaskKind, limit: u32) -> Result<Vec<Task>, Error> {
    let sql = "-- list open task of kind\nSELECT * FROM task WHERE kind = ?1 AND state IN ('ready', 'leased') ORDER BY run_at, id LIMIT ?2";
    tx.query(sql, &[kind.as_str().into(), limit.into()])?
        .iter()
        .map(task)
        .collect()
}

/// Kinds that have tasks to claim now, in the order in which a worker looks for them.
pub fn claimable_kinds(tx: &mut Tx, now: Timestamp) -> Result<Vec<TaskKind>, Error> {
    // One look into the index for each kind: the many tasks of later days are not walked through.
    let sql = "-- look for claimable task
        SELECT 1 AS found FROM task
        WHERE kind = ?1 AND state IN ('ready', 'leased') AND run_at <= ?2 AND (lease_until IS NULL OR lease_until <= ?2) LIMIT 1";
    let sets: Vec<_> = TaskKind::ALL
        .iter()
        .map(|kind| vec![kind.as_str().into(), now.into()])
        .collect();
    let found = tx.query_many(sql, &sets)?;
    let kinds = TaskKind::ALL.into_iter().zip(found);
    Ok(kinds
        .filter(|(_, found)| !found.is_empty())
        .map(|(kind, _)| kind)
        .collect())
}

fn all_held(changed: u64, ids: &[TaskId], statement: &str) -> Result<(), Error> {
    if changed == ids.len() as u64 {
        Ok(())
    } else {
        Err(Error::Changed {
            statement: statement.to_owned(),
        })
    }
}

fn task(row: &Row) -> Result<Task, Error> {
    Ok(Task {
        id: row.parsed("id")?,
        kind: row.word("kind", TaskKind::parse)?,
        request: row.parsed("request_id")?,
        target: row.text("target")?.to_owned(),
        state: row.word("state", TaskState::parse)?,
        run_at: row.time("run_at")?,
        attempts: row.count("attempts")?,
        error: row.opt_text("error")?.map(str::to_owned),
        due: row.opt_parsed("due")?,
    })
}
