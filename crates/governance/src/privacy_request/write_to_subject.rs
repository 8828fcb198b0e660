//! Writing to the subject, at the address that she gave and no other.

use connectors::email::{Mail, MailError};
use domain::audit::{Action, Actor, NewRecord};
use domain::sensitive::Sensitive;

use crate::letter::{self, Letter, Sender};
use crate::requester::Requester;
use crate::worker::{Stop, Work, task_ids};
use crate::{Privity, Problem};

/// The task: confirms receipt (11 CCR 7021(a)).
pub(crate) async fn acknowledge(p: &Privity, batch: &[Work], owner: &str) -> Result<(), Stop> {
    let mut records = Vec::new();
    for work in batch {
        let requester = work.requester(p)?;
        let request = &work.stored.request;
        let letter = letter::receipt(
            &sender(p),
            request.kind,
            &request.id.to_string(),
            &request.clock,
            &tracker_link(p, &requester),
        );
        send(p, work, &requester, letter).await?;
        records.push(
            NewRecord::new(p.now(), Actor::System, Action::Acknowledged).for_request(work.id()),
        );
    }
    let (ids, owner) = (task_ids(batch), owner.to_owned());
    p.write("acknowledged", move |tx| {
        storage::task::finish(tx, &ids, &owner)?;
        Ok(((), records.clone()))
    })
    .await?;
    Ok(())
}

/// Sends a letter; nothing happens when she gave no address.
pub(crate) async fn send(
    p: &Privity,
    work: &Work,
    requester: &Requester,
    letter: Letter,
) -> Result<(), Stop> {
    let Some(email) = &requester.email else {
        return Ok(());
    };
    let mail = Mail {
        to: Sensitive::new(email.clone()),
        subject: letter.subject,
        text: letter.text,
        html: None,
        reply_to: p
            .settings()
            .business
            .privacy_contact
            .clone()
            .filter(|contact| contact.contains('@')),
        // The same attempt repeated after a crash is recognised as the same mail.
        message_id: Some(format!(
            "{}.{}@{}",
            work.task.id,
            work.task.attempts,
            host(p)
        )),
    };
    p.mailer().send(mail).await.map_err(|error| match error {
        MailError::Unreachable(_) => Stop::Later(error.to_string()),
        other => Stop::Never(other.to_string()),
    })
}

/// Who writes.
pub(crate) fn sender(p: &Privity) -> Sender<'_> {
    let business = &p.settings().business;
    Sender {
        business: &business.name,
        contact: business.privacy_contact.as_deref(),
    }
}

/// Her tracker's address.
pub(crate) fn tracker_link(p: &Privity, requester: &Requester) -> String {
    format!(
        "{}/requests/{}",
        p.settings().base_url.trim_end_matches('/'),
        requester.tracker
    )
}

fn host(p: &Privity) -> String {
    let address = p.log_name();
    address
        .split(['/', ':'])
        .next()
        .unwrap_or("localhost")
        .to_owned()
}

/// A letter that a decision of an operator calls for, outside of any task.
pub(crate) async fn send_now(
    p: &Privity,
    stored: &storage::privacy_request::StoredPrivacyRequest,
    actor: Actor,
    letter: impl FnOnce(&Sender<'_>, &str) -> Letter,
) -> Result<(), Problem> {
    let opened = crate::disclosure::open(p, stored, &crate::worker::to_subject(), actor).await?;
    let requester = crate::worker::requester(&opened.key, &opened.permit, stored)
        .map_err(|stop| Problem::internal("writing to the subject", &format!("{stop:?}")))?;
    let Some(email) = &requester.email else {
        return Ok(());
    };
    let letter = letter(&sender(p), &tracker_link(p, &requester));
    let mail = Mail {
        to: Sensitive::new(email.clone()),
        subject: letter.subject,
        text: letter.text,
        html: None,
        reply_to: None,
        message_id: None,
    };
    p.mailer().send(mail).await.map_err(|error| {
        Problem::new(
            "mail_unavailable",
            503,
            format!("the subject could not be told: {error}; nothing was changed, please repeat"),
        )
    })?;
    p.append(
        "subject told",
        vec![
            NewRecord::new(p.now(), Actor::System, Action::SubjectTold)
                .for_request(stored.request.id),
        ],
    )
    .await?;
    Ok(())
}
