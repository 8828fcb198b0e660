//! Repeated calls: the same `Idempotency-Key` gives the same answer instead of a second privacy request.
//!
//! Source: draft-ietf-httpapi-idempotency-key-header-07. Kept in this process's memory; after a restart a repeated call counts as a new one.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use domain::id::OperatorId;
use governance::Problem;
use zeroize::Zeroizing;

/// Answers that are remembered; the oldest makes room.
const REMEMBERED: usize = 10_000;
/// The longest key, as clients use a UUID.
const LONGEST_KEY: usize = 255;

type Call = (OperatorId, String);

/// Calls that came with a key.
#[derive(Default)]
pub(crate) struct Repeats {
    calls: Mutex<Calls>,
    hasher: RandomState,
}

#[derive(Default)]
struct Calls {
    answers: HashMap<Call, Answer>,
    order: VecDeque<Call>,
}

struct Answer {
    payload: u64,
    /// `None` while the first call runs.
    body: Option<Zeroizing<Vec<u8>>>,
}

/// What a call with a key has to do.
pub(crate) enum Turn<'a> {
    /// It is the first: do the work, then say what came of it.
    First(First<'a>),
    /// It was done before, with this answer.
    Again(Zeroizing<Vec<u8>>),
}

/// The first call with a key. Dropped without an answer, it leaves the key free for another try.
pub(crate) struct First<'a> {
    repeats: &'a Repeats,
    call: Option<Call>,
}

impl Repeats {
    /// Begins a call, or finds what it answered before.
    pub(crate) fn begin(
        &self,
        operator: OperatorId,
        key: &str,
        payload: &[u8],
    ) -> Result<Turn<'_>, Problem> {
        if key.is_empty() || key.len() > LONGEST_KEY {
            return Err(Problem::new(
                "idempotency_key_invalid",
                400,
                format!("an `Idempotency-Key` has 1 to {LONGEST_KEY} characters; use a UUID"),
            ));
        }
        let payload = self.hasher.hash_one(payload);
        let call = (operator, key.to_owned());
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        match calls.answers.get(&call) {
            Some(answer) if answer.payload != payload => Err(Problem::new(
                "idempotency_key_reused",
                422,
                "this `Idempotency-Key` came before with another body; use a new key for a new privacy request",
            )),
            Some(Answer {
                body: Some(body), ..
            }) => Ok(Turn::Again(body.clone())),
            Some(_) => Err(Problem::new(
                "idempotency_key_in_use",
                409,
                "the first call with this `Idempotency-Key` still runs; repeat this one in a moment",
            )),
            None => {
                calls.remember(call.clone(), payload);
                Ok(Turn::First(First {
                    repeats: self,
                    call: Some(call),
                }))
            }
        }
    }
}

impl Calls {
    fn remember(&mut self, call: Call, payload: u64) {
        if self.order.len() >= REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.answers.remove(&oldest);
        }
        self.order.push_back(call.clone());
        self.answers.insert(
            call,
            Answer {
                payload,
                body: None,
            },
        );
    }
}

impl First<'_> {
    /// Says what came of it.
    pub(crate) fn answered(mut self, body: &[u8]) {
        let Some(call) = self.call.take() else { return };
        let mut calls = self
            .repeats
            .calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = calls.answers.get_mut(&call) {
            answer.body = Some(Zeroizing::new(body.to_vec()));
        }
    }
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        let Some(call) = self.call.take() else { return };
        let mut calls = self
            .repeats
            .calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        calls.answers.remove(&call);
        calls.order.retain(|other| *other != call);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    const ROBIN: OperatorId = OperatorId::from_uuid(uuid::Uuid::from_u128(1));

    fn first<'a>(repeats: &'a Repeats, payload: &[u8]) -> First<'a> {
        match repeats.begin(ROBIN, "k", payload).unwrap() {
            Turn::First(first) => first,
            Turn::Again(_) => panic!("it came before"),
        }
    }

    #[test]
    fn a_repeated_call_gets_the_first_answer() {
        let repeats = Repeats::default();
        first(&repeats, b"a").answered(b"answer");
        assert!(
            matches!(repeats.begin(ROBIN, "k", b"a").unwrap(), Turn::Again(body) if *body == b"answer")
        );
        assert_eq!(
            repeats.begin(ROBIN, "k", b"b").err().unwrap().code,
            "idempotency_key_reused"
        );
    }

    #[test]
    fn a_failed_first_call_may_be_repeated_and_a_running_one_not() {
        let repeats = Repeats::default();
        let running = first(&repeats, b"a");
        assert_eq!(
            repeats.begin(ROBIN, "k", b"a").err().unwrap().code,
            "idempotency_key_in_use"
        );
        drop(running);
        first(&repeats, b"a").answered(b"answer");
    }
}
