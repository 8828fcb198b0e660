//! Which privacy requests a list shows and a figure counts: one filter for both, so that they never tell different things.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

use domain::id::RequestId;
use domain::privacy_request::{PrivacyRequest, RequestState, Waiting};
use jiff::civil::Date;

use super::row::request;
use crate::db::{Tx, Value};
use crate::error::Error;

/// Which privacy requests are meant; the default means all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only in this state.
    pub state: Option<RequestState>,
    /// Only those not closed.
    pub open: bool,
    /// Only those that wait for this.
    pub waiting: Option<Waiting>,
    /// Only those that wait for an operator or for work by hand, or have a stuck task.
    pub need_operator: bool,
    /// Only those whose answer is due on these days.
    pub due: Option<DueDays>,
    /// Only those whose id contains this text.
    pub id_contains: Option<String>,
}

/// Days on which an answer is due. Today is another day in another time zone, so each law has its own.
#[derive(Debug, Clone)]
pub struct DueDays {
    /// By the law's key.
    pub by_law: BTreeMap<String, RangeInclusive<Date>>,
    /// For a law that law data no longer has.
    pub otherwise: RangeInclusive<Date>,
}

/// Newest first, at most `limit`; `after` is the last id of the page before.
pub fn list(
    tx: &mut Tx,
    filter: &Filter,
    after: Option<RequestId>,
    limit: u32,
) -> Result<Vec<PrivacyRequest>, Error> {
    let mut values = filter.values();
    values.extend([after.into(), limit.into()]);
    let days = filter.days(&mut values);
    let sql = format!(
        "-- list privacy_request
        SELECT id, kind, law, state, waiting, channel, language, received_at, received_on, ack_by, respond_by, max_by, extended_to, closed_at, version
        FROM privacy_request WHERE {WANTED} AND (CAST(?6 AS TEXT) IS NULL OR id < ?6){days}
        ORDER BY id DESC LIMIT ?7"
    );
    tx.query(&sql, &values)?.iter().map(request).collect()
}

/// How many there are.
pub fn count(tx: &mut Tx, filter: &Filter) -> Result<u64, Error> {
    let mut values = filter.values();
    let days = filter.days(&mut values);
    let sql = format!(
        "-- count privacy_request\nSELECT COUNT(*) AS requests FROM privacy_request WHERE {WANTED}{days}"
    );
    tx.query_one(&sql, &values)?.count("requests")
}

const WANTED: &str = "(CAST(?1 AS TEXT) IS NULL OR state = ?1)
            AND (?2 = 0 OR closed_at IS NULL)
            AND (CAST(?3 AS TEXT) IS NULL OR waiting = ?3)
            AND (?4 = 0 OR waiting IN ('operator', 'manual_work')
                OR EXISTS (SELECT 1 FROM task WHERE task.request_id = privacy_request.id AND task.state = 'stuck'))
            AND (CAST(?5 AS TEXT) IS NULL OR id LIKE ?5 ESCAPE '!')";

impl Filter {
    /// The values of [`WANTED`].
    fn values(&self) -> Vec<Value> {
        vec![
            self.state.map(RequestState::as_str).into(),
            self.open.into(),
            self.waiting.map(Waiting::as_str).into(),
            self.need_operator.into(),
            self.id_contains.as_deref().map(containing).into(),
        ]
    }

    /// The condition on days, with as many branches as law data has laws; its values are added.
    fn days(&self, values: &mut Vec<Value>) -> String {
        let Some(days) = &self.due else {
            return String::new();
        };
        let from = days.bound(values, RangeInclusive::start);
        let until = days.bound(values, RangeInclusive::end);
        format!("\n            AND COALESCE(extended_to, respond_by) BETWEEN {from} AND {until}")
    }
}

impl DueDays {
    fn bound(
        &self,
        values: &mut Vec<Value>,
        side: impl Fn(&RangeInclusive<Date>) -> &Date,
    ) -> String {
        let mut placed = |value: Value| {
            values.push(value);
            values.len()
        };
        let mut sql = "CASE".to_owned();
        for (law, days) in &self.by_law {
            let (law, day) = (placed(law.into()), placed((*side(days)).into()));
            let _ = write!(sql, " WHEN law = ?{law} THEN ?{day}");
        }
        let otherwise = placed((*side(&self.otherwise)).into());
        // A CASE needs a branch, even where law data has no law.
        let _ = write!(sql, " WHEN law IS NULL THEN NULL ELSE ?{otherwise} END");
        sql
    }
}

/// A LIKE pattern for texts that contain `part`, whatever signs it holds.
fn containing(part: &str) -> String {
    format!(
        "%{}%",
        part.replace('!', "!!")
            .replace('%', "!%")
            .replace('_', "!_")
    )
}
