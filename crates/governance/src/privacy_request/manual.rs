//! Work by hand: a named operator does what no connector can, by a due date, and attaches evidence.

use domain::audit::{Action, Actor, NewRecord};
use domain::id::{OperatorId, TaskId};
use domain::privacy_request::RequestKind;
use domain::sensitive::Sensitive;
use domain::task::{TaskKind, TaskState};

use crate::privacy_request::take_answer::attachment;
use crate::privacy_request::{close, delete, plan};
use crate::{Privity, Problem};

/// An operator states what was found and done, with a note and, if there is one, a file.
pub async fn complete(
    p: &Privity,
    id: TaskId,
    operator: OperatorId,
    found_rows: u64,
    note: Sensitive<String>,
    file: Option<(String, String, Sensitive<Vec<u8>>)>,
) -> Result<(), Problem> {
    let (task, stored) = p
        .read("read work by hand", move |tx| {
            let task = storage::task::get(tx, id)?
                .filter(|task| task.kind == TaskKind::ManualWork)
                .ok_or_else(|| Problem::not_found("task"))?;
            let stored = plan::existing(tx, task.request)?;
            Ok((task, stored))
        })
        .await?;
    if task.state == TaskState::Done {
        return Err(Problem::conflict("this work was recorded as done before"));
    }
    let key = crate::disclosure::request_key(p, &stored)?;
    let note = attachment(
        p,
        &key,
        &stored,
        None,
        Some(id),
        ("note.txt".to_owned(), "text/plain".to_owned(), bytes(&note)),
    )?;
    let file = file
        .map(|file| attachment(p, &key, &stored, None, Some(id), file))
        .transpose()?;
    let (q, kind) = (p.clone(), stored.request.kind);
    p.write("work by hand done", move |tx| {
        let requests = [task.request].into();
        storage::privacy_request::lock(tx, &requests)?;
        storage::task::finish_by_hand(tx, id)?;
        storage::attachment::insert(tx, &note.0, &note.1)?;
        if let Some((attachment, content)) = &file {
            storage::attachment::insert(tx, attachment, content)?;
        }
        if kind == RequestKind::Delete {
            delete::confirm_what_is_erased(&q, tx, &requests)?;
        }
        close::when_ready(&q, tx, &requests)?;
        let record = NewRecord::new(q.now(), Actor::Operator(operator), Action::EvidenceAttached)
            .for_request(task.request)
            .about(task.target.clone())
            .with("found_rows", found_rows)
            .with("attachments", 1 + u64::from(file.is_some()));
        Ok(((), vec![record]))
    })
    .await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "from one envelope into the next")]
fn bytes(note: &Sensitive<String>) -> Sensitive<Vec<u8>> {
    Sensitive::new(note.expose().as_bytes().to_vec())
}
