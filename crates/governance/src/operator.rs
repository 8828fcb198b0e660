//! Operators and their way in: a key of 256 random bits, shown once, kept as a hash; a session in the browser for a day.

use std::collections::BTreeMap;

use domain::audit::{Action, Actor, NewRecord};
use domain::id::OperatorId;
use domain::rng::{new_id, new_token};
use domain::sensitive::Sensitive;
use enforcement::vault::token_tag;
use jiff::SignedDuration;

use crate::view::SignedIn;
use crate::work::later;
use crate::{Privity, Problem};

/// How long a session lasts.
const SESSION: SignedDuration = SignedDuration::from_hours(12);
/// Failed sign-ins of the whole installation within a minute after which everybody waits.
const REFUSALS_A_MINUTE: u32 = 30;

/// Adds an operator and answers the key; it can't be shown again.
pub async fn add(p: &Privity, name: &str) -> Result<(OperatorId, Sensitive<String>), Problem> {
    if name.trim().is_empty() || name.chars().count() > 120 {
        return Err(Problem::invalid(
            "name",
            "an operator needs a name of at most 120 characters",
        ));
    }
    let (id, key) = (new_id(p.rng(), p.now()), new_token(p.rng()));
    let operator = storage::operator::Operator {
        id,
        name: name.trim().to_owned(),
        role: "privacy".to_owned(),
        key_tag: token_tag(&key).as_bytes().to_vec(),
        disabled_at: None,
        created_at: p.now(),
    };
    let record = NewRecord::new(p.now(), Actor::CommandLine, Action::OperatorAdded)
        .with("operator", id.to_string());
    p.write("add operator", move |tx| {
        storage::operator::insert(tx, &operator)?;
        Ok(((), vec![record.clone()]))
    })
    .await?;
    Ok((id, key))
}

/// Signs an operator in and answers the session's secret.
pub async fn sign_in(
    p: &Privity,
    key: &Sensitive<String>,
) -> Result<(SignedIn, Sensitive<String>), Problem> {
    let Some(operator) = by_key(p, key).await? else {
        return refuse(p).await;
    };
    let session = new_token(p.rng());
    let (tag, id, ends, now) = (
        token_tag(&session),
        operator.id,
        later(p.now(), SESSION),
        p.now(),
    );
    p.write("sign in", move |tx| {
        storage::session::remove_expired(tx, now)?;
        storage::session::insert(tx, tag.as_bytes(), id, ends)?;
        Ok((
            (),
            vec![NewRecord::new(
                now,
                Actor::Operator(id),
                Action::OperatorSignedIn,
            )],
        ))
    })
    .await?;
    Ok((operator, session))
}

async fn refuse<T>(p: &Privity) -> Result<T, Problem> {
    let now = p.now();
    let refusals = p
        .write("refuse sign-in", move |tx| {
            let refusals = storage::rate_limit::count(
                tx,
                "sign_in",
                b"all",
                now,
                SignedDuration::from_mins(1),
            )?;
            let record = NewRecord::new(now, Actor::System, Action::SignInRefused);
            Ok((
                refusals,
                if refusals <= REFUSALS_A_MINUTE {
                    vec![record]
                } else {
                    Vec::new()
                },
            ))
        })
        .await?
        .0;
    if refusals > REFUSALS_A_MINUTE {
        return Err(Problem::new(
            "too_many_sign_ins",
            429,
            "too many sign-ins were refused; wait a minute and try again",
        ));
    }
    Err(Problem {
        field: Some("key"),
        ..Problem::new(
            "sign_in_refused",
            401,
            "this key opens nothing here; ask whoever runs Privity to add you with `privity operator add`",
        )
    })
}

/// Names of all operators, those who may no longer sign in too.
///
/// # Errors
/// Our database doesn't answer.
pub async fn names(p: &Privity) -> Result<BTreeMap<OperatorId, String>, Problem> {
    let all = p.read("list operators", |tx| Ok(storage::operator::list(tx)?));
    let named = all.await?.into_iter();
    Ok(named.map(|one| (one.id, one.name)).collect())
}

/// The operator whose key this is.
pub async fn by_key(p: &Privity, key: &Sensitive<String>) -> Result<Option<SignedIn>, Problem> {
    let tag = token_tag(key);
    let found = p
        .read("find operator", move |tx| {
            Ok(storage::operator::get_by_key_tag(tx, tag.as_bytes())?)
        })
        .await?;
    Ok(found.map(signed_in))
}

/// The operator whose session this is.
pub async fn by_session(
    p: &Privity,
    session: &Sensitive<String>,
) -> Result<Option<SignedIn>, Problem> {
    let (tag, now) = (token_tag(session), p.now());
    let found = p
        .read("find session", move |tx| {
            Ok(storage::session::operator(tx, tag.as_bytes(), now)?)
        })
        .await?;
    Ok(found.map(signed_in))
}

/// Ends a session.
pub async fn sign_out(p: &Privity, session: &Sensitive<String>) -> Result<(), Problem> {
    let tag = token_tag(session);
    p.write("sign out", move |tx| {
        storage::session::remove(tx, tag.as_bytes())?;
        Ok(((), Vec::new()))
    })
    .await?;
    Ok(())
}

fn signed_in(operator: storage::operator::Operator) -> SignedIn {
    SignedIn {
        id: operator.id,
        name: operator.name,
    }
}
