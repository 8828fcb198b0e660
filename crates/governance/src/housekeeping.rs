//! What has had its time goes by itself: records of privacy requests, sessions, counters of rate limits, answers to repeated calls.
//!
//! Law: 11 CCR 7101 (records are kept for 24 months, by a row of law data), 7060(d) (nothing longer than needed).

use domain::audit::{Action, Actor, NewRecord};
use domain::id::RequestId;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use crate::{Privity, Problem};

/// The row of law data that says how long records of privacy requests are kept.
const RECORDS: &str = "ccpa.records";
/// So many are removed at a time.
const AT_ONCE: u32 = 200;

/// Removes what has had its time. Answers how many privacy requests went; their audit records stay, they hold no values.
pub async fn clear(p: &Privity) -> Result<u64, Problem> {
    let now = p.now();
    let (answers, _) = p
        .write("clear sessions and counters", move |tx| {
            storage::session::remove_expired(tx, now)?;
            let answers = storage::idempotency::remove_expired(tx, now)?
                + storage::profile_call::remove_expired(tx, now)?;
            storage::rate_limit::remove_before(
                tx,
                now.saturating_sub(SignedDuration::from_hours(48))
                    .unwrap_or(now),
            )?;
            Ok((answers, Vec::new()))
        })
        .await?;
    let removed = remove_old(p).await?;
    if let Err(problem) = crate::key::rotate_when_due(p).await {
        tracing::warn!(cause = %problem, "the keys could not be changed; it is tried again in an hour");
    }
    if removed > 0 || answers > 0 {
        p.database().scrub().await?;
    }
    Ok(removed)
}

async fn remove_old(p: &Privity) -> Result<u64, Problem> {
    let Some(before) = kept_since(p) else {
        return Ok(0);
    };
    let day = before.to_zoned(TimeZone::UTC).date();
    p.write("remove ended legal holds", move |tx| {
        storage::legal_hold::remove_ended_before(tx, before, day)?;
        Ok(((), Vec::new()))
    })
    .await?;
    let now = p.now();
    p.write("remove ended ledger", move |tx| {
        storage::ledger::remove_ended(tx, now, before)?;
        Ok(((), Vec::new()))
    })
    .await?;
    let mut removed = 0;
    loop {
        let gone = remove_some(p, before).await?;
        removed += gone;
        if gone < u64::from(AT_ONCE) {
            break;
        }
    }
    Ok(removed)
}

async fn remove_some(p: &Privity, before: Timestamp) -> Result<u64, Problem> {
    let now = p.now();
    let (gone, _) = p
        .write("remove old privacy requests", move |tx| {
            let old: Vec<RequestId> = storage::privacy_request::closed_before(tx, before, AT_ONCE)?;
            storage::privacy_request::destroy_keys(tx, &old, now)?;
            storage::privacy_request::remove_many(tx, &old)?;
            let records = old
                .iter()
                .map(|id| NewRecord::new(now, Actor::System, Action::KeyDestroyed).for_request(*id))
                .collect();
            Ok((old.len() as u64, records))
        })
        .await?;
    Ok(gone)
}

/// Until when what has to be provable about a subject is kept once she was forgotten; `None` for as long as law data is silent.
pub(crate) fn kept_until(p: &Privity) -> Option<Timestamp> {
    let today = p.now().to_zoned(TimeZone::UTC);
    let months = p.law().number(RECORDS, today.date()).ok()?;
    let until = today.checked_add(Span::new().try_months(months).ok()?);
    until.ok().map(|until| until.timestamp())
}

/// The moment before which closed privacy requests have had their time; `None` keeps everything while law data is silent.
fn kept_since(p: &Privity) -> Option<Timestamp> {
    let today = p.now().to_zoned(TimeZone::UTC);
    let months = p.law().number(RECORDS, today.date()).ok()?;
    today
        .checked_sub(Span::new().try_months(months).ok()?)
        .ok()
        .map(|since| since.timestamp())
}
