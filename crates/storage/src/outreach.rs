//! Outreach: whom we told, how far that is proven, and what was answered.

use domain::id::{OutreachId, RequestId};
use domain::outreach::{Answer, Outreach, OutreachAction};
use domain::recipient::{ChannelKind, VerificationLevel};
use domain::sensitive::Sealed;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::db::{Row, Tx, Value};
use crate::error::Error;

/// An outreach with what only its page and its channel need.
#[derive(Debug, Clone)]
pub struct StoredOutreach {
    /// What everybody may see of it.
    pub outreach: Outreach,
    /// What the recipient wrote, sealed under the privacy request's key.
    pub note: Option<Sealed>,
    /// By when an answer is wanted.
    pub due: Option<Date>,
    /// When it was stored.
    pub created_at: Timestamp,
}

/// A new outreach; `link_tag` is the hash of the token in the link that the recipient gets.
#[derive(Debug, Clone)]
pub struct NewOutreach {
    /// What is told to whom.
    pub outreach: Outreach,
    /// Hash of the token in the recipient's link.
    pub link_tag: Option<Vec<u8>>,
    /// By when an answer is wanted.
    pub due: Option<Date>,
}

/// Stores outreach that is not there yet (by request, recipient and action) and answers how many were new.
pub fn insert_many(tx: &mut Tx, new: &[NewOutreach], now: Timestamp) -> Result<u64, Error> {
    let sql = "-- insert outreach
        INSERT INTO outreach (id, request_id, recipient, channel, action, level, link_tag, external_id, due, reminders, next_reminder_at, escalated, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
        ON CONFLICT (request_id, recipient, action) DO NOTHING";
    let sets: Vec<_> = new.iter().map(|new| insert_values(new, now)).collect();
    tx.execute_many(sql, &sets)
}

fn insert_values(new: &NewOutreach, now: Timestamp) -> Vec<Value> {
    let outreach = &new.outreach;
    vec![
        outreach.id.into(),
        outreach.request.into(),
        outreach.recipient.to_string().into(),
        channel_text(outreach.channel).into(),
        outreach.action.as_str().into(),
        outreach.level.as_str().into(),
        new.link_tag.clone().into(),
        outreach.external_id.as_ref().into(),
        new.due.into(),
        u32::from(outreach.reminders).into(),
        outreach.next_reminder_at.into(),
        outreach.escalated.into(),
        now.into(),
    ]
}

/// Stores how far it is now: level, answer, reminders, times and the last error.
///
/// # Errors
/// [`Error::NotFound`] when there is no such outreach.
pub fn update(tx: &mut Tx, outreach: &Outreach) -> Result<(), Error> {
    let sql = "-- update outreach
        UPDATE outreach SET level = ?2, answer = ?3, reason = ?4, external_id = ?5, reminders = ?6, next_reminder_at = ?7, escalated = ?8,
            last_error = ?9, sent_at = ?10, answered_at = ?11
        WHERE id = ?1";
    let reason = match &outreach.answer {
        Some(Answer::Exception { reason }) => Some(reason),
        Some(Answer::Done | Answer::NotFound) | None => None,
    };
    let values = [
        outreach.id.into(),
        outreach.level.as_str().into(),
        outreach.answer.as_ref().map(Answer::as_str).into(),
        reason.into(),
        outreach.external_id.as_ref().into(),
        u32::from(outreach.reminders).into(),
        outreach.next_reminder_at.into(),
        outreach.escalated.into(),
        outreach.last_error.as_ref().into(),
        outreach.sent_at.into(),
        outreach.answered_at.into(),
    ];
    found(tx.execute(sql, &values)?, "update outreach")
}

/// Stores what the recipient wrote, sealed.
pub fn save_note(tx: &mut Tx, id: OutreachId, note: &Sealed) -> Result<(), Error> {
    found(
        tx.execute(
            "-- save note\nUPDATE outreach SET note = ?2 WHERE id = ?1",
            &[id.into(), note.into()],
        )?,
        "save note",
    )
}

/// Stores the hash of a new token, when a mail with a new link goes out; the old link ends.
pub fn save_link_tag(tx: &mut Tx, id: OutreachId, tag: &[u8]) -> Result<(), Error> {
    found(
        tx.execute(
            "-- save link tag\nUPDATE outreach SET link_tag = ?2 WHERE id = ?1",
            &[id.into(), tag.into()],
        )?,
        "save link tag",
    )
}

/// Holds it until the transaction ends, so that an answer and a reminder don't overwrite each other, and answers it as it is now.
pub fn lock(tx: &mut Tx, id: OutreachId) -> Result<Option<StoredOutreach>, Error> {
    let sql = "-- lock outreach\nUPDATE outreach SET level = level WHERE id = ?1 RETURNING *";
    tx.query_optional(sql, &[id.into()])?
        .as_ref()
        .map(stored)
        .transpose()
}

/// The outreach with this id.
pub fn get(tx: &mut Tx, id: OutreachId) -> Result<Option<StoredOutreach>, Error> {
    tx.query_optional(
        "-- get outreach\nSELECT * FROM outreach WHERE id = ?1",
        &[id.into()],
    )?
    .as_ref()
    .map(stored)
    .transpose()
}

/// The outreach whose link carries the token with this hash.
pub fn get_by_link_tag(tx: &mut Tx, tag: &[u8]) -> Result<Option<StoredOutreach>, Error> {
    tx.query_optional(
        "-- get outreach by link\nSELECT * FROM outreach WHERE link_tag = ?1",
        &[tag.into()],
    )?
    .as_ref()
    .map(stored)
    .transpose()
}

/// The outreach that a recipient knows under its own id.
pub fn get_by_external_id(tx: &mut Tx, external_id: &str) -> Result<Option<StoredOutreach>, Error> {
    let sql = "-- get outreach by external id\nSELECT * FROM outreach WHERE external_id = ?1";
    tx.query_optional(sql, &[external_id.into()])?
        .as_ref()
        .map(stored)
        .transpose()
}

/// All outreach of a privacy request, by recipient.
pub fn of_request(tx: &mut Tx, request: RequestId) -> Result<Vec<StoredOutreach>, Error> {
    Ok(of_requests(tx, &[request])?.into_iter().flatten().collect())
}

/// [`of_request`] for many, in the order asked.
pub fn of_requests(tx: &mut Tx, requests: &[RequestId]) -> Result<Vec<Vec<StoredOutreach>>, Error> {
    let sql = "-- list outreach of request\nSELECT * FROM outreach WHERE request_id = ?1 ORDER BY recipient, action";
    let sets: Vec<_> = requests.iter().map(|id| vec![(*id).into()]).collect();
    let found = tx.query_many(sql, &sets)?;
    found
        .iter()
        .map(|rows| rows.iter().map(stored).collect())
        .collect()
}

const fn channel_text(channel: ChannelKind) -> &'static str {
    match channel {
        ChannelKind::Webhook => "webhook",
        ChannelKind::Opendsr => "opendsr",
        ChannelKind::Email => "email",
    }
}

fn parse_channel(text: &str) -> Option<ChannelKind> {
    [
        ChannelKind::Webhook,
        ChannelKind::Opendsr,
        ChannelKind::Email,
    ]
    .into_iter()
    .find(|channel| channel_text(*channel) == text)
}

fn found(changed: u64, statement: &str) -> Result<(), Error> {
    if changed == 1 {
        Ok(())
    } else {
        Err(Error::NotFound {
            statement: statement.to_owned(),
        })
    }
}

fn stored(row: &Row) -> Result<StoredOutreach, Error> {
    Ok(StoredOutreach {
        outreach: outreach(row)?,
        note: row.opt_sealed("note")?,
        due: row.opt_parsed("due")?,
        created_at: row.time("created_at")?,
    })
}

fn outreach(row: &Row) -> Result<Outreach, Error> {
    Ok(Outreach {
        id: row.parsed("id")?,
        request: row.parsed("request_id")?,
        recipient: row.text("recipient")?.into(),
        channel: row.word("channel", parse_channel)?,
        action: row.word("action", OutreachAction::parse)?,
        level: row.word("level", VerificationLevel::parse)?,
        answer: answer(row)?,
        external_id: row.opt_text("external_id")?.map(str::to_owned),
        reminders: row.count("reminders")?,
        next_reminder_at: row.opt_time("next_reminder_at")?,
        sent_at: row.opt_time("sent_at")?,
        answered_at: row.opt_time("answered_at")?,
        escalated: row.flag("escalated")?,
        last_error: row.opt_text("last_error")?.map(str::to_owned),
    })
}

fn answer(row: &Row) -> Result<Option<Answer>, Error> {
    match row.opt_text("answer")? {
        None => Ok(None),
        Some("done") => Ok(Some(Answer::Done)),
        Some("not_found") => Ok(Some(Answer::NotFound)),
        Some("exception") => Ok(Some(Answer::Exception {
            reason: row.text("reason")?.to_owned(),
        })),
        Some(_) => Err(Error::Column {
            column: "answer".to_owned(),
            problem: "no such answer".to_owned(),
        }),
    }
}
