//! Attachments: files that prove a step, name and content sealed under the privacy request's key.

use domain::id::{Id, Noun, OutreachId, RequestId, TaskId};
use domain::sensitive::Sealed;
use jiff::Timestamp;

use crate::db::{Row, Tx};
use crate::error::Error;

/// A file that proves a step.
#[derive(Clone, Copy, Debug)]
pub struct AttachmentNoun;
impl Noun for AttachmentNoun {
    const PREFIX: &'static str = "att";
}
/// Id of an attachment.
pub type AttachmentId = Id<AttachmentNoun>;

/// What is known of an attachment without opening it.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Its id.
    pub id: AttachmentId,
    /// The privacy request that it belongs to.
    pub request: RequestId,
    /// The outreach that it answers, if one.
    pub outreach: Option<OutreachId>,
    /// The work by hand that it proves, if one.
    pub task: Option<TaskId>,
    /// The file's name, sealed.
    pub name: Sealed,
    /// Its media type, as checked by us.
    pub media_type: String,
    /// Bytes before sealing.
    pub size: u64,
    /// When it came.
    pub created_at: Timestamp,
}

/// Stores an attachment with its sealed content.
pub fn insert(tx: &mut Tx, attachment: &Attachment, content: &Sealed) -> Result<(), Error> {
    let sql = "-- insert attachment
        INSERT INTO attachment (id, request_id, outreach_id, task_id, name, media_type, content, size, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let values = [
        attachment.id.into(),
        attachment.request.into(),
        attachment.outreach.into(),
        attachment.task.into(),
        (&attachment.name).into(),
        (&attachment.media_type).into(),
        content.into(),
        attachment.size.into(),
        attachment.created_at.into(),
    ];
    tx.execute(sql, &values).map(|_| ())
}

/// All attachments of a privacy request, oldest first, without their content.
pub fn of_request(tx: &mut Tx, request: RequestId) -> Result<Vec<Attachment>, Error> {
    let sql = "-- list attachment of request
        SELECT id, request_id, outreach_id, task_id, name, media_type, size, created_at FROM attachment WHERE request_id = ?1 ORDER BY id";
    tx.query(sql, &[request.into()])?
        .iter()
        .map(attachment)
        .collect()
}

/// An attachment and its sealed content.
pub fn get(tx: &mut Tx, id: AttachmentId) -> Result<Option<(Attachment, Sealed)>, Error> {
    let row = tx.query_optional(
        "-- get attachment\nSELECT * FROM attachment WHERE id = ?1",
        &[id.into()],
    )?;
    row.map(|row| Ok((attachment(&row)?, row.sealed("content")?)))
        .transpose()
}

fn attachment(row: &Row) -> Result<Attachment, Error> {
    Ok(Attachment {
        id: row.parsed("id")?,
        request: row.parsed("request_id")?,
        outreach: row.opt_parsed("outreach_id")?,
        task: row.opt_parsed("task_id")?,
        name: row.sealed("name")?,
        media_type: row.text("media_type")?.to_owned(),
        size: row.count("size")?,
        created_at: row.time("created_at")?,
    })
}
