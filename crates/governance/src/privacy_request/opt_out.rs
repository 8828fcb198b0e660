//! Opting out of sale and sharing: the suppression list took effect with intake; here her choice is recorded beside all others, and those who
//! got the data are told.
//!
//! Law: Cal. Civ. Code 1798.120, .135; 11 CCR 7026(f): as soon as feasibly possible, no verification, no extension.

use domain::audit::{Action, Actor, NewRecord};
use domain::consent::{Act, By, ConsentEvent, How, Party, Scope};
use domain::data_map::IdentifierKind;
use domain::id::RequestId;
use domain::notice::Way;
use domain::plan::Plan;
use domain::privacy_request::{IntakeChannel, PrivacyRequest, RequestState};
use domain::sensitive::Sensitive;
use domain::signal::Signal;
use domain::task::TaskKind;
use domain::traversal::Located;
use jiff::Timestamp;
use storage::Tx;
use storage::consent::NewConsents;

use crate::claim::{Batch, Worker, end_step};
use crate::consent::{link_holders, record_of};
use crate::disclosure::disclosed_to;
use crate::privacy_request::{close, plan};
use crate::requester::Requester;
use crate::search::locate;
use crate::work::{Stop, Work, seal_located, task_ids};
use crate::{Privity, Problem, policy};

/// The task: finds by which identifiers recipients know the subject, and begins telling them.
pub(crate) async fn stop(p: &Privity, batch: &[Work], worker: &Worker) -> Result<Vec<Batch>, Stop> {
    let requesters = batch
        .iter()
        .map(|work| work.requester(p))
        .collect::<Result<Vec<_>, Stop>>()?;
    let located = identifiers(p, &requesters).await;
    let all: Vec<_> = located.iter().collect();
    let mut disclosed = disclosed_to(p, &all).await?.into_iter();
    let mut prepared = Vec::with_capacity(batch.len());
    for (work, located) in batch.iter().zip(&located) {
        let plan = Plan {
            held: std::collections::BTreeSet::new(),
            made_at: p.now(),
            collections: Vec::new(),
            manual: Vec::new(),
            disclosed: disclosed.next().unwrap_or_default(),
        };
        prepared.push((
            work.id(),
            seal_located(p, &work.key(p)?, work.id(), located)?,
            plan,
        ));
    }
    let choices = choices(p, batch, &located)?;
    let known = known(&located);
    let (ids, owner, q) = (task_ids(batch), worker.name(), p.clone());
    let next = &[TaskKind::SendOutreach, TaskKind::Close];
    let going_on = end_step(p, worker, "opt-out begun", next, move |tx| {
        storage::task::finish(tx, &ids, &owner)?;
        storage::privacy_request::save_plans(tx, &prepared, q.now())?;
        let requests: Vec<_> = prepared.iter().map(|(id, ..)| *id).collect();
        let begun: Vec<_> = storage::privacy_request::get_many(tx, &requests)?
            .into_iter()
            .filter(|stored| stored.request.state == RequestState::Verified)
            .collect();
        let mut records: Vec<NewRecord> = begun
            .iter()
            .map(|stored| {
                NewRecord::new(q.now(), Actor::System, Action::Approved)
                    .for_request(stored.request.id)
                    .with("by", "law: an opt-out needs no approval")
            })
            .collect();
        records.extend(record_choices(&q, tx, &choices)?);
        plan::begin(
            &q,
            tx,
            begun
                .into_iter()
                .filter_map(|stored| stored.plan.clone().map(|plan| (stored, plan)))
                .collect(),
        )?;
        close::when_ready(&q, tx, &requests.into_iter().collect())?;
        // Last, since it makes others who want to append wait.
        link_holders(&q, tx, &known)?;
        Ok(records)
    });
    Ok(going_on.await?)
}

/// Identifiers by which profiles may know her already.
fn known(located: &[Located]) -> Vec<(IdentifierKind, Sensitive<String>)> {
    let all = located.iter().flat_map(|located| &located.identifiers);
    all.flat_map(|(kind, values)| {
        let values = values.iter();
        values.map(|value| (kind.clone(), Sensitive::new(value.clone())))
    })
    .collect()
}

/// Her choice under each of her identifiers, one batch for each privacy request: nobody knows yet which subject she is.
fn choices(
    p: &Privity,
    batch: &[Work],
    located: &[Located],
) -> Result<Vec<(RequestId, NewConsents)>, Stop> {
    let of_one = |(work, located): (&Work, &Located)| {
        let request = &work.stored.request;
        let values = located
            .identifiers
            .iter()
            .flat_map(|(kind, values)| values.iter().map(move |value| (kind, value.clone())));
        let events: Vec<_> = values
            .map(|(kind, value)| {
                let tag = p.pseudonym_tag(kind, &Sensitive::new(value));
                choice(p, request, Party::Pseudonym(tag))
            })
            .collect();
        let rows = NewConsents::new(&events, p.now()).map_err(Problem::from)?;
        Ok((request.id, rows))
    };
    batch.iter().zip(located).map(of_one).collect()
}

/// Its id follows from privacy request and party, so that a step that runs twice records it once.
fn choice(p: &Privity, request: &PrivacyRequest, party: Party) -> ConsentEvent {
    let how = match request.channel {
        IntakeChannel::PrivacyCenter => How::Told(Way::Web),
        IntakeChannel::Api | IntakeChannel::CommandLine => How::Api,
    };
    let at = request.received_at.as_microsecond();
    ConsentEvent {
        id: p.consent_id("consent_request", &format!("{}\n{party:?}", request.id)),
        party,
        scope: Scope::every(Signal::Gpc.uses()),
        act: Act::OptedOut { shown: None },
        at: Timestamp::from_microsecond(at).unwrap_or(request.received_at),
        by: By::Subject,
        how,
        place: "privacy_request".to_owned(),
    }
}

fn record_choices(
    p: &Privity,
    tx: &mut Tx,
    choices: &[(RequestId, NewConsents)],
) -> Result<Vec<NewRecord>, Problem> {
    let mut records = Vec::new();
    for (request, rows) in choices.iter().filter(|(_, rows)| !rows.is_empty()) {
        let inserted = storage::consent::insert_many(tx, rows)?;
        policy::outdate(p, tx, rows.parties())?;
        let acts = inserted.new.iter().map(|id| (*id, "opted_out")).collect();
        let record = record_of(p.now(), &Actor::Subject, &inserted, &acts);
        records.extend(record.map(|record| record.for_request(*request)));
    }
    Ok(records)
}

/// Identifiers as given and, where our systems answer, as found. An opt-out never waits for a system that is down.
async fn identifiers(p: &Privity, requesters: &[Requester]) -> Vec<Located> {
    let seeds: Vec<_> = requesters.iter().map(Requester::seeds).collect();
    match locate(p, &seeds, None).await {
        Ok(found) => found
            .into_iter()
            .map(|found| Located {
                lookups: std::collections::BTreeMap::new(),
                identifiers: found.located.identifiers,
            })
            .collect(),
        Err(error) => {
            tracing::warn!(cause = %error, "an opt-out goes on with the identifiers that were given");
            requesters.iter().map(as_given).collect()
        }
    }
}

fn as_given(requester: &Requester) -> Located {
    let mut located = Located::default();
    for (kind, values) in &requester.identifiers {
        located
            .identifiers
            .entry(kind.clone())
            .or_default()
            .extend(values.iter().cloned());
    }
    if let Some(email) = &requester.email {
        located
            .identifiers
            .entry(domain::data_map::IdentifierKind::email())
            .or_default()
            .insert(email.clone());
    }
    located
}
