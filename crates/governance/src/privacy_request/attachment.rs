//! What recipients wrote and sent, and what was attached to work by hand: sealed when it comes, opened for an operator who asks,
//! by a disclosure that is recorded before anything opens.
//!
//! Law: 11 CCR 7101 (records of what was answered), Civ. Code 1798.100(c) (no wider use than the purpose needs).

use domain::audit::Actor;
use domain::disclosure::{DisclosureRecipient, OwnColumn, Purpose};
use domain::id::{OperatorId, OutreachId, RequestId};
use domain::sensitive::{Sealed, Sensitive};
use domain::task::Task;
use enforcement::vault::Place;
use storage::Tx;
use storage::attachment::Attachment;
use storage::outreach::StoredOutreach;
use storage::privacy_request::StoredPrivacyRequest;

use crate::deciding::own;
use crate::disclosure::{Opened, Wanted, open};
use crate::privacy_request::plan;
use crate::privacy_request::take_answer::{CONTENT, NAME, NOTE};
use crate::privacy_request::tracker::Seen;
use crate::view::{Attached, AttachmentLine};
use crate::{Privity, Problem};

pub use storage::attachment::AttachmentId;

/// What people write, in law/categories.yaml.
const CONTENT_CATEGORY: &str = "user.content";

/// A note that was opened for an operator.
pub struct OpenedNote {
    /// The privacy request that it belongs to.
    pub request: RequestId,
    /// What the recipient wrote.
    pub text: Sensitive<String>,
}

/// A file that was opened for an operator.
pub struct OpenedFile {
    /// The privacy request that it belongs to.
    pub request: RequestId,
    /// Its name, as the sender gave it.
    pub name: Sensitive<String>,
    /// Its media type, one of those that prove something.
    pub media_type: String,
    /// Its bytes.
    pub content: Sensitive<Vec<u8>>,
}

/// What is attached to a privacy request, without opening any of it; the oldest first.
pub(crate) async fn of_request(p: &Privity, seen: &Seen) -> Result<Vec<AttachmentLine>, Problem> {
    let id = seen.stored.request.id;
    let attachments = p
        .read("list attachments", move |tx| {
            Ok(storage::attachment::of_request(tx, id)?)
        })
        .await?;
    Ok(lines(p, &seen.outreach, &seen.tasks, &attachments))
}

fn lines(
    p: &Privity,
    outreach: &[StoredOutreach],
    tasks: &[Task],
    attachments: &[Attachment],
) -> Vec<AttachmentLine> {
    let notes = outreach.iter().filter(|told| told.note.is_some());
    let notes = notes.map(|told| AttachmentLine {
        what: Attached::Note(told.outreach.id),
        from: recipient(p, told),
        media_type: "text/plain".to_owned(),
        size_bytes: None,
        at: told.outreach.answered_at.unwrap_or(told.created_at),
    });
    let files = attachments.iter().map(|attachment| AttachmentLine {
        what: Attached::File(attachment.id),
        from: from(p, outreach, tasks, attachment),
        media_type: attachment.media_type.clone(),
        size_bytes: Some(attachment.size),
        at: attachment.created_at,
    });
    let mut lines: Vec<AttachmentLine> = notes.chain(files).collect();
    lines.sort_by_key(|line| line.at);
    lines
}

fn recipient(p: &Privity, told: &StoredOutreach) -> String {
    let key = &told.outreach.recipient;
    let known = p.map().recipients.get(key);
    known.map_or_else(|| key.to_string(), |recipient| recipient.title.clone())
}

fn from(
    p: &Privity,
    outreach: &[StoredOutreach],
    tasks: &[Task],
    attachment: &Attachment,
) -> String {
    let told = outreach
        .iter()
        .find(|told| attachment.outreach == Some(told.outreach.id));
    let by_hand = tasks.iter().find(|task| attachment.task == Some(task.id));
    match (told, by_hand) {
        (Some(told), _) => recipient(p, told),
        (None, Some(task)) => {
            let system = p.map().systems.get(&task.target.as_str().into());
            system.map_or_else(|| task.target.clone(), |system| system.title.clone())
        }
        (None, None) => String::new(),
    }
}

/// Opens what a recipient wrote, for an operator.
pub async fn open_note(
    p: &Privity,
    id: OutreachId,
    operator: OperatorId,
) -> Result<OpenedNote, Problem> {
    let (note, stored) = p
        .read("read note", move |tx| {
            let told = storage::outreach::get(tx, id)?.ok_or_else(|| Problem::not_found("note"))?;
            let note = told.note.ok_or_else(|| Problem::not_found("note"))?;
            Ok((note, plan::existing(tx, told.outreach.request)?))
        })
        .await?;
    let opened = shown_to(p, &stored, operator, &[NOTE]).await?;
    let place = Place {
        column: NOTE,
        row: &id.to_string(),
    };
    let text = opened.key.open_text(&opened.permit, &place, &note);
    Ok(OpenedNote {
        request: stored.request.id,
        text: text.map_err(|error| Problem::internal("opening this note", &error))?,
    })
}

/// Opens a file and its name, for an operator.
pub async fn open_file(
    p: &Privity,
    id: AttachmentId,
    operator: OperatorId,
) -> Result<OpenedFile, Problem> {
    let (attachment, sealed, stored) = p.read("read file", move |tx| existing(tx, id)).await?;
    let opened = shown_to(p, &stored, operator, &[NAME, CONTENT]).await?;
    let row = id.to_string();
    let place = |column| Place { column, row: &row };
    let fault = |error| Problem::internal("opening this file", &error);
    let name = opened
        .key
        .open_text(&opened.permit, &place(NAME), &attachment.name);
    let content = opened.key.open(&opened.permit, &place(CONTENT), &sealed);
    Ok(OpenedFile {
        request: stored.request.id,
        name: name.map_err(fault)?,
        media_type: attachment.media_type,
        content: content.map_err(fault)?,
    })
}

fn existing(
    tx: &mut Tx,
    id: AttachmentId,
) -> Result<(Attachment, Sealed, StoredPrivacyRequest), Problem> {
    let (attachment, content) =
        storage::attachment::get(tx, id)?.ok_or_else(|| Problem::not_found("file"))?;
    let stored = plan::existing(tx, attachment.request)?;
    Ok((attachment, content, stored))
}

/// The decision that these columns may be shown to this operator, recorded with her name.
async fn shown_to(
    p: &Privity,
    stored: &StoredPrivacyRequest,
    operator: OperatorId,
    columns: &[OwnColumn],
) -> Result<Opened, Problem> {
    let attributes = columns.iter();
    let wanted = Wanted {
        recipient: DisclosureRecipient::Operator(operator),
        known: None,
        purpose: Purpose::ShowOperator,
        attributes: attributes
            .map(|column| own(*column, CONTENT_CATEGORY, None))
            .collect(),
    };
    open(p, stored, &wanted, Actor::Operator(operator)).await
}
