//! Verification: a code by e-mail shows that whoever asks can read the subject's mail. Several tries, another code on request,
//! an end that is told in words, and limits that make guessing hopeless.
//!
//! Law: 11 CCR 7060-7062 (verification), 7021(a) (the mail also confirms receipt), 7060(d) (nothing is collected that isn't needed).

use domain::audit::{Action, Actor, NewRecord};
use domain::id::RequestId;
use domain::privacy_request::{PrivacyRequest, RequestState, Step};
use domain::rng::new_code;
use domain::sensitive::Sensitive;
use domain::task::TaskKind;
use enforcement::vault::{TokenTag, token_tag};
use jiff::{SignedDuration, Timestamp};
use storage::Tx;
use storage::privacy_request::StoredPrivacyRequest;
use storage::verification::Verification;

use crate::claim::Worker;
use crate::privacy_request::{know_limit, write_to_subject};
use crate::work::{Stop, Work, later};
use crate::{Privity, Problem, letter};

/// What came of a right code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// She has shown who she is; work begins.
    Verified,
    /// She had done so before: a link or form that is used twice does no harm.
    AlreadyVerified,
}

/// What came of any code; the count of tries is kept whatever came.
enum Tried {
    Right,
    Before,
    Wrong { tries_left: u32 },
    Locked,
    Ended,
}

/// Compares a code with the one that was mailed.
pub async fn confirm(
    p: &Privity,
    tracker: &Sensitive<String>,
    code: &Sensitive<String>,
) -> Result<Outcome, Problem> {
    let stored = by_tracker(p, tracker).await?;
    let tag = p.keys().code_tag(stored.request.id, code);
    let q = p.clone();
    let (tried, _) = p
        .write("try code", move |tx| try_code(&q, tx, &stored, &tag))
        .await?;
    match tried {
        Tried::Right => Ok(Outcome::Verified),
        Tried::Before => Ok(Outcome::AlreadyVerified),
        Tried::Wrong { tries_left: 1 } => Err(Problem {
            field: Some("code"),
            ..Problem::new(
                "code_wrong",
                422,
                "this is not the code that we mailed; you can try once more, or ask for another code",
            )
        }),
        Tried::Wrong { tries_left } => Err(Problem {
            field: Some("code"),
            ..Problem::new(
                "code_wrong",
                422,
                format!("this is not the code that we mailed; you can try {tries_left} more times"),
            )
        }),
        Tried::Locked => Err(Problem {
            field: Some("code"),
            ..Problem::new(
                "code_locked",
                429,
                "this code was tried too often and no longer works; ask for another one below",
            )
        }),
        Tried::Ended => Err(Problem {
            field: Some("code"),
            ..Problem::new(
                "code_expired",
                422,
                "this code has ended; ask for another one below, it comes within a minute",
            )
        }),
    }
}

fn try_code(
    p: &Privity,
    tx: &mut Tx,
    stored: &StoredPrivacyRequest,
    tag: &TokenTag,
) -> Result<(Tried, Vec<NewRecord>), Problem> {
    let current = storage::privacy_request::get(tx, stored.request.id)?
        .ok_or_else(|| Problem::not_found("privacy request"))?;
    if current.request.state != RequestState::Received {
        return after_the_fact(&current.request).map(|tried| (tried, Vec::new()));
    }
    let Some(sent) = storage::verification::get(tx, current.request.id)? else {
        return Ok((Tried::Ended, Vec::new()));
    };
    // Counted before it is compared: tries made at once each count.
    let tries = storage::verification::count_try(tx, current.request.id)?;
    let most = p.settings().verification.tries;
    let refused = |why: &str| {
        vec![
            NewRecord::new(p.now(), Actor::Subject, Action::CodeRefused)
                .for_request(current.request.id)
                .with("why", why)
                .with("tries", tries),
        ]
    };
    if tries > most {
        // Recorded once; a thousand more tries add nothing to know.
        return Ok((
            Tried::Locked,
            if tries == most + 1 {
                refused("too many tries")
            } else {
                Vec::new()
            },
        ));
    }
    if sent.expires_at <= p.now() {
        return Ok((Tried::Ended, refused("ended")));
    }
    let right = TokenTag::from_bytes(&sent.code_tag).is_some_and(|expected| expected.matches(tag));
    if !right {
        let tries_left = most - tries;
        return Ok((
            if tries_left == 0 {
                Tried::Locked
            } else {
                Tried::Wrong { tries_left }
            },
            refused("wrong"),
        ));
    }
    let record = verified(p, tx, &current)?;
    Ok((Tried::Right, vec![record]))
}

fn after_the_fact(request: &PrivacyRequest) -> Result<Tried, Problem> {
    match request.state {
        RequestState::Verified
        | RequestState::InProgress
        | RequestState::Fulfilled
        | RequestState::PartlyFulfilled => Ok(Tried::Before),
        _ => Err(Problem::conflict(
            "this privacy request has ended; you can make a new one at any time",
        )),
    }
}

fn verified(
    p: &Privity,
    tx: &mut Tx,
    current: &StoredPrivacyRequest,
) -> Result<NewRecord, Problem> {
    let id = current.request.id;
    storage::verification::mark_verified(tx, id, p.now())?;
    let changed = PrivacyRequest {
        state: current.request.state.after(Step::Verify)?,
        waiting: None,
        ..current.request.clone()
    };
    let reasons = know_limit::reasons(p, tx, &changed, current.identity_tag.as_deref())?;
    storage::privacy_request::update(tx, &changed, &reasons, p.now())?;
    storage::task::insert_many(
        tx,
        &[
            p.task(TaskKind::Acknowledge, id, ""),
            p.task(TaskKind::Plan, id, ""),
        ],
        p.now(),
    )?;
    Ok(NewRecord::new(p.now(), Actor::Subject, Action::Verified)
        .for_request(id)
        .with("how", "code by e-mail"))
}

/// Mails another code, and says until when it works.
pub async fn resend(p: &Privity, tracker: &Sensitive<String>) -> Result<Timestamp, Problem> {
    let stored = by_tracker(p, tracker).await?;
    let (id, q) = (stored.request.id, p.clone());
    p.write("ask for another code", move |tx| {
        let current = storage::privacy_request::get(tx, id)?
            .ok_or_else(|| Problem::not_found("privacy request"))?;
        if current.request.state != RequestState::Received {
            return Err(Problem::conflict(
                "no code is needed any more; see below where your privacy request stands",
            ));
        }
        if let Some(sent) = storage::verification::get(tx, id)? {
            may_resend(&q, &sent)?;
        }
        storage::task::insert_again(tx, &[q.task(TaskKind::SendCode, id, "")], q.now())?;
        Ok(((), Vec::new()))
    })
    .await?;
    Ok(later(p.now(), code_lasts(p)))
}

fn may_resend(p: &Privity, sent: &Verification) -> Result<(), Problem> {
    if sent.sends >= p.settings().verification.sends {
        return Err(Problem::new(
            "resend_limit",
            429,
            "as many codes as we may send were sent; please look into your spam folder, or write to us",
        ));
    }
    if sent.next_send_at > p.now() {
        let seconds = sent.next_send_at.duration_since(p.now()).as_secs().max(1);
        return Err(Problem::new(
            "resend_too_soon",
            429,
            format!("a code was just sent; you can ask for another one in {seconds} seconds"),
        ));
    }
    Ok(())
}

fn code_lasts(p: &Privity) -> SignedDuration {
    SignedDuration::from_mins(i64::from(p.settings().verification.code_minutes))
}

/// The task: makes a code for each privacy request, keeps its keyed hash, mails it.
pub(crate) async fn send_codes(p: &Privity, batch: &[Work], worker: &Worker) -> Result<(), Stop> {
    for work in batch {
        if work.stored.request.state != RequestState::Received {
            p.write("code no longer needed", finish(work, worker))
                .await?;
            continue;
        }
        let code = new_code(p.rng());
        let (tag, id, q) = (p.keys().code_tag(work.id(), &code), work.id(), p.clone());
        // The hash is kept before the mail leaves: a code that arrives always works.
        p.write("keep code", move |tx| {
            let sends = storage::verification::get(tx, id)?.map_or(0, |sent| sent.sends) + 1;
            storage::verification::save(tx, &fresh(&q, id, &tag, sends))?;
            Ok(((), Vec::new()))
        })
        .await?;
        mail(p, work, &code).await?;
        let (record, ids, owner) = (sent_record(p, work), vec![work.task.id], worker.name());
        p.write("code sent", move |tx| {
            storage::task::finish(tx, &ids, &owner)?;
            Ok(((), record.clone()))
        })
        .await?;
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the code goes into the letter to her and nowhere else"
)]
async fn mail(p: &Privity, work: &Work, code: &Sensitive<String>) -> Result<(), Stop> {
    let requester = work.requester(p)?;
    let sender = write_to_subject::sender(p);
    let link = write_to_subject::tracker_link(p, &requester);
    let minutes = p.settings().verification.code_minutes;
    write_to_subject::send(
        p,
        work,
        &requester,
        letter::code(&sender, &work.stored.request, code.expose(), minutes, &link),
    )
    .await
}

fn fresh(p: &Privity, request: RequestId, tag: &TokenTag, sends: u32) -> Verification {
    Verification {
        request,
        code_tag: tag.as_bytes().to_vec(),
        expires_at: later(p.now(), code_lasts(p)),
        tries: 0,
        sends,
        next_send_at: later(
            p.now(),
            SignedDuration::from_secs(i64::from(p.settings().verification.resend_seconds)),
        ),
        verified_at: None,
    }
}

/// The mail with the code confirms receipt and says how we verify, so it is the acknowledgement as well.
fn sent_record(p: &Privity, work: &Work) -> Vec<NewRecord> {
    let record = |action| NewRecord::new(p.now(), Actor::System, action).for_request(work.id());
    vec![
        record(Action::CodeSent),
        record(Action::Acknowledged).with("with", "the code's mail"),
    ]
}

fn finish(
    work: &Work,
    worker: &Worker,
) -> impl Fn(&mut Tx) -> Result<((), Vec<NewRecord>), Problem> + Send + 'static {
    let (ids, owner) = (vec![work.task.id], worker.name());
    move |tx| {
        storage::task::finish(tx, &ids, &owner)?;
        Ok(((), Vec::new()))
    }
}

/// The privacy request whose tracker link carries this secret.
pub(crate) async fn by_tracker(
    p: &Privity,
    tracker: &Sensitive<String>,
) -> Result<StoredPrivacyRequest, Problem> {
    let tag = token_tag(tracker);
    p.read("find by tracker", move |tx| {
        storage::privacy_request::get_by_tracker_tag(tx, tag.as_bytes())?
            .ok_or_else(|| Problem::not_found("privacy request"))
    })
    .await
}
