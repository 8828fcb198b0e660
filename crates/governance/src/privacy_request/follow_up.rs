//! Asking recipients again: how far their machine is, whether the data is really gone, and, after silence, a reminder and then an operator.
//!
//! Law: 11 CCR 7022(b)-(c), 7026(f): a recipient that was told and stays silent has not acted.

use connectors::Delivery;
use domain::audit::{Action, Actor};
use domain::id::OutreachId;
use domain::outreach::Outreach;
use domain::privacy_request::RequestState;
use domain::recipient::VerificationLevel;
use jiff::SignedDuration;
use storage::Tx;

use crate::claim::Worker;
use crate::privacy_request::close;
use crate::privacy_request::inform_recipients::{
    POLL, Told, channel, failed, notification, raised, record,
};
use crate::work::{Stop, Work, call_operator, later};
use crate::{Privity, Problem};

/// The task: asks a recipient's machine how far it is; when it says done, whether the data is gone.
pub(crate) async fn poll(p: &Privity, batch: &[Work], worker: &Worker) -> Result<(), Stop> {
    for work in batch {
        let told = Told::load(p, work).await?;
        let outreach = &told.outreach.outreach;
        let delivery = match channel(p, &told.recipient)?
            .poll(
                outreach.id,
                outreach.external_id.as_deref().unwrap_or_default(),
            )
            .await
        {
            Ok(delivery) => delivery,
            Err(error) => return Err(failed(p, &told, &error).await),
        };
        let probed = if delivery
            .as_ref()
            .is_some_and(|delivery| delivery.answer.is_some())
        {
            probe(p, work, &told).await
        } else {
            None
        };
        learned(p, work, outreach.id, delivery, probed, worker).await?;
    }
    Ok(())
}

/// Asks whether the data is gone; a question that fails proves nothing and stops nothing.
async fn probe(p: &Privity, work: &Work, told: &Told) -> Option<bool> {
    let notification = notification(p, work, told).await.ok()?;
    channel(p, &told.recipient)
        .ok()?
        .probe(&notification)
        .await
        .ok()?
}

async fn learned(
    p: &Privity,
    work: &Work,
    id: OutreachId,
    delivery: Option<Delivery>,
    held: Option<bool>,
    worker: &Worker,
) -> Result<(), Stop> {
    let (task, owner, q) = (work.task.clone(), worker.name(), p.clone());
    p.write("outreach polled", move |tx| {
        let Some(stored) = storage::outreach::lock(tx, id)? else {
            return Ok(((), Vec::new()));
        };
        let before = stored.outreach.clone();
        let mut outreach = delivery.as_ref().map_or(before.clone(), |delivery| {
            raised(before.clone(), delivery, &q)
        });
        if held == Some(false) {
            outreach.level = VerificationLevel::Probed;
        }
        let open = outreach.answer.is_none() && work_goes_on(tx, &outreach)?;
        if open {
            storage::task::retry_at(tx, task.id, &owner, later(q.now(), POLL), None)?;
        } else {
            storage::task::finish(tx, &[task.id], &owner)?;
        }
        if outreach == before {
            return Ok(((), Vec::new()));
        }
        storage::outreach::update(tx, &outreach)?;
        close::when_ready(&q, tx, &[outreach.request].into())?;
        Ok((
            (),
            vec![record(
                &q,
                &outreach,
                Actor::Recipient(outreach.recipient.clone()),
                Action::OutreachAnswered,
            )],
        ))
    })
    .await?;
    Ok(())
}

fn work_goes_on(tx: &mut Tx, outreach: &Outreach) -> Result<bool, Problem> {
    Ok(super::plan::existing(tx, outreach.request)?.request.state == RequestState::InProgress)
}

/// The task: reminds a silent recipient, and at the end of the rule calls an operator.
pub(crate) async fn remind(p: &Privity, batch: &[Work], worker: &Worker) -> Result<(), Stop> {
    for work in batch {
        let told = Told::load(p, work).await?;
        let silent = !close::is_settled(p, &told.outreach)
            && work.stored.request.state == RequestState::InProgress;
        let mut reminded = false;
        if silent
            && usize::from(told.outreach.outreach.reminders)
                < told.recipient.reminders.remind_after_days.len()
        {
            let notification = notification(p, work, &told).await?;
            if let Err(error) = channel(p, &told.recipient)?.remind(&notification).await {
                return Err(failed(p, &told, &error).await);
            }
            reminded = true;
        }
        after_reminder(p, work, &told, silent, reminded, worker).await?;
    }
    Ok(())
}

async fn after_reminder(
    p: &Privity,
    work: &Work,
    told: &Told,
    silent: bool,
    reminded: bool,
    worker: &Worker,
) -> Result<(), Stop> {
    let (id, task, owner, q, rule) = (
        told.outreach.outreach.id,
        work.task.clone(),
        worker.name(),
        p.clone(),
        told.recipient.reminders.clone(),
    );
    p.write("recipient reminded", move |tx| {
        let Some(stored) = storage::outreach::lock(tx, id)?.filter(|_| silent) else {
            storage::task::finish(tx, &[task.id], &owner)?;
            return Ok(((), Vec::new()));
        };
        let mut outreach = stored.outreach;
        if !reminded {
            outreach.escalated = true;
            outreach.next_reminder_at = None;
            storage::outreach::update(tx, &outreach)?;
            storage::task::finish(tx, &[task.id], &owner)?;
            call_operator(tx, outreach.request, q.now())?;
            return Ok((
                (),
                vec![record(
                    &q,
                    &outreach,
                    Actor::System,
                    Action::OutreachEscalated,
                )],
            ));
        }
        outreach.reminders += 1;
        let days = rule
            .remind_after_days
            .get(usize::from(outreach.reminders))
            .copied()
            .unwrap_or(rule.escalate_after_days);
        let since = outreach.sent_at.unwrap_or(q.now());
        let next = later(since, SignedDuration::from_hours(24 * i64::from(days)))
            .max(later(q.now(), SignedDuration::from_hours(1)));
        outreach.next_reminder_at = Some(next);
        storage::outreach::update(tx, &outreach)?;
        storage::task::retry_at(tx, task.id, &owner, next, None)?;
        Ok((
            (),
            vec![record(
                &q,
                &outreach,
                Actor::System,
                Action::OutreachReminded,
            )],
        ))
    })
    .await?;
    Ok(())
}
