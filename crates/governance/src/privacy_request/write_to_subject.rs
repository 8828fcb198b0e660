//! Writing to the subject, at the address that she gave and no other.

use connectors::email::{Mail, MailError};
use domain::audit::{Action, Actor, NewRecord};
use domain::sensitive::Sensitive;
use futures_util::{StreamExt as _, stream};
use jiff::tz::TimeZone;
use storage::privacy_request::StoredPrivacyRequest;

use crate::claim::Worker;
use crate::letter::{self, Draft, Lacking, Letter, Sender};
use crate::privacy_request::know_limit;
use crate::requester::Requester;
use crate::work::{Stop, Work};
use crate::{Privity, Problem};

/// Letters that are under way at once: what a letter costs is mostly waiting for the mail server.
pub(crate) const LETTERS_AT_ONCE: usize = 8;

/// The task: confirms receipt (11 CCR 7021(a)). What was sent is settled even when another letter of the batch was refused.
pub(crate) async fn acknowledge(p: &Privity, batch: &[Work], worker: &Worker) -> Result<(), Stop> {
    let sending: Vec<_> = batch.iter().map(|work| confirm_receipt(p, work)).collect();
    let sending = stream::iter(sending).buffered(LETTERS_AT_ONCE);
    let sent: Vec<Result<&Work, Stop>> = sending.collect().await;
    let done = || sent.iter().filter_map(|sent| sent.as_ref().ok());
    let ids: Vec<_> = done().map(|work| work.task.id).collect();
    let record = |work: &&Work| {
        NewRecord::new(p.now(), Actor::System, Action::Acknowledged).for_request(work.id())
    };
    let (records, owner) = (done().map(record).collect::<Vec<_>>(), worker.name());
    p.write("acknowledged", move |tx| {
        storage::task::finish(tx, &ids, &owner)?;
        Ok(((), records.clone()))
    })
    .await?;
    sent.into_iter().find_map(Result::err).map_or(Ok(()), Err)
}

async fn confirm_receipt<'w>(p: &Privity, work: &'w Work) -> Result<&'w Work, Stop> {
    let requester = work.requester(p)?;
    let request = &work.stored.request;
    let letter = letter::receipt(
        &sender(p),
        request.kind,
        &request.id.to_string(),
        &request.clock,
        know_limit::notice(p, &work.stored).as_deref(),
        &tracker_link(p, &requester),
    );
    send(p, work, &requester, letter).await?;
    Ok(work)
}

/// Sends a letter; nothing happens when she gave no address. One that lacks what the law demands is not sent: an operator is called.
pub(crate) async fn send(
    p: &Privity,
    work: &Work,
    requester: &Requester,
    draft: Draft,
) -> Result<(), Stop> {
    Ok(try_send(p, work, requester, draft).await?)
}

/// Why a letter did not leave.
pub(crate) enum Undelivered {
    /// It lacks what the law demands.
    Incomplete(Lacking),
    /// The mail server is away.
    Unreachable(MailError),
    /// The mail server, or the address, does not take it.
    Refused(MailError),
}

impl From<Undelivered> for Stop {
    fn from(why: Undelivered) -> Self {
        match why {
            Undelivered::Incomplete(lacking) => Self::Never(lacking.to_string()),
            Undelivered::Unreachable(error) => Self::Later(error.to_string()),
            Undelivered::Refused(error) => Self::Never(error.to_string()),
        }
    }
}

/// The same, for a caller who can go on without.
pub(crate) async fn try_send(
    p: &Privity,
    work: &Work,
    requester: &Requester,
    draft: Draft,
) -> Result<(), Undelivered> {
    let Some(email) = &requester.email else {
        return Ok(());
    };
    let letter = complete(p, &work.stored, draft).map_err(Undelivered::Incomplete)?;
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
        MailError::Unreachable(_) => Undelivered::Unreachable(error),
        other => Undelivered::Refused(other),
    })
}

/// Who writes.
pub(crate) fn sender(p: &Privity) -> Sender<'_> {
    let business = &p.settings().business;
    Sender {
        business: &business.name,
        contact: business.privacy_contact.as_deref(),
        privacy_policy: business.privacy_policy.as_deref(),
    }
}

/// The letter, if all is in it that the law demands on this day where it applies.
fn complete(p: &Privity, stored: &StoredPrivacyRequest, draft: Draft) -> Result<Letter, Lacking> {
    let zone = p
        .law()
        .law(&stored.request.law)
        .map_or(TimeZone::UTC, |law| law.time_zone().clone());
    draft.complete(p.law(), &stored.request, p.now().to_zoned(zone).date())
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
    stored: &StoredPrivacyRequest,
    actor: Actor,
    letter: impl FnOnce(&Sender<'_>, &str) -> Draft,
) -> Result<(), Problem> {
    let opened = crate::disclosure::open(p, stored, &crate::work::to_subject(), actor).await?;
    let requester = crate::work::requester(&opened.key, &opened.permit, stored)
        .map_err(|stop| Problem::internal("writing to the subject", &format!("{stop:?}")))?;
    let Some(email) = &requester.email else {
        return Ok(());
    };
    let draft = letter(&sender(p), &tracker_link(p, &requester));
    let letter = complete(p, stored, draft).map_err(|lacking| {
        Problem::new(
            "letter_incomplete",
            409,
            format!("{lacking}; nothing was changed"),
        )
    })?;
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
    p.append(vec![
        NewRecord::new(p.now(), Actor::System, Action::SubjectTold).for_request(stored.request.id),
    ])
    .await?;
    Ok(())
}
