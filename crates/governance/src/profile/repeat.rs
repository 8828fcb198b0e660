//! Repeated calls that write profiles: a call with an `Idempotency-Key` writes once. Writing the same again would change nothing by
//! itself, but a call that is repeated late must not put back what somebody else has changed since.

use domain::audit::Actor;
use domain::profile::SourceNumber;
use serde::{Deserialize, Serialize};
use storage::profile_call::{self, AnsweredCall};

use super::given::GivenRecord;
use super::write::{self, Kept, Written};
use crate::privacy_request::repeat::{Call, REMEMBERED, Tag, tags};
use crate::work::later;
use crate::{Privity, Problem};

/// What a call that writes profiles is answered: ids and counts, never a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// New subjects.
    pub new: u64,
    /// Records that changed a subject.
    pub changed: u64,
    /// Records that said nothing new.
    pub unchanged: u64,
    /// Records that were refused.
    pub refused: Vec<RefusedRecord>,
    /// Whose each record is, in the order given; `null` for those refused.
    pub subjects: Vec<Option<String>>,
}

/// A record that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRecord {
    /// Its place among those given, from 0.
    pub position: usize,
    /// Why.
    pub reason: String,
}

impl From<&Written> for Answer {
    fn from(written: &Written) -> Self {
        let refused = written
            .refused
            .iter()
            .map(|(position, reason)| RefusedRecord {
                position: *position,
                reason: reason.to_string(),
            });
        let subjects = written.subjects.iter();
        Self {
            new: written.new,
            changed: written.changed,
            unchanged: written.unchanged,
            refused: refused.collect(),
            subjects: subjects.map(|id| id.map(|id| id.to_string())).collect(),
        }
    }
}

/// Writes records, unless the same call already did; then it gives the first answer.
///
/// # Errors
/// As [`write::write`], and `idempotency_key_reused` when the key came before with another body. A call that fails is not remembered
/// and may be repeated.
pub async fn write_once(
    p: &Privity,
    call: &Call,
    source: SourceNumber,
    records: Vec<GivenRecord>,
    actor: Actor,
) -> Result<Answer, Problem> {
    let (tag, body_tag) = tags(p, call);
    if let Some(before) = find(p, tag, body_tag).await? {
        return Ok(before);
    }
    let ready = write::prepare(p, source, records).await?;
    let (now, expires_at) = (p.now(), later(p.now(), REMEMBERED));
    let remember = move |tx: &mut storage::Tx, written: &Written| {
        let answered = AnsweredCall {
            tag: tag.to_vec(),
            body_tag: body_tag.to_vec(),
            answer: serde_json::to_string(&Answer::from(written)).unwrap_or_default(),
            expires_at,
        };
        if profile_call::insert(tx, &answered, now)? {
            return Ok(());
        }
        Err(Problem::new(
            ANSWERED,
            409,
            "the same call is being answered",
        ))
    };
    match write::store(p, ready, actor, Kept::Now, remember).await {
        Ok(written) => Ok(Answer::from(&written)),
        Err(problem) if problem.code == ANSWERED => {
            find(p, tag, body_tag).await?.ok_or_else(|| {
                Problem::internal("answering a repeated call", &"its first answer is gone")
            })
        }
        Err(problem) => Err(problem),
    }
}

/// The code under which a transaction says that the same call was faster; it never leaves this file.
const ANSWERED: &str = "answered_meanwhile";

async fn find(p: &Privity, tag: Tag, body_tag: Tag) -> Result<Option<Answer>, Problem> {
    let now = p.now();
    let found = p
        .read("find repeated call", move |tx| {
            Ok(profile_call::get(tx, &tag, now)?)
        })
        .await?;
    let Some(before) = found else {
        return Ok(None);
    };
    if before.body_tag != body_tag {
        return Err(Problem::new(
            "idempotency_key_reused",
            422,
            "this `Idempotency-Key` came before with another body; use a new key for a new call",
        ));
    }
    serde_json::from_str(&before.answer)
        .map(Some)
        .map_err(|error| Problem::internal("answering a repeated call", &error))
}
