//! How many subjects a recipient may ask about in a minute. In memory, on each node: it protects subjects from being read out one by one, and
//! our database from a flood, so it writes nothing but one record for each minute in which somebody was stopped.
//!
//! Law: 11 CCR 7002 (no more than is proportionate).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::audit::{Action, Actor, NewRecord};
use domain::data_map::RecipientKey;
use domain::recipient::Recipient;
use jiff::Timestamp;

use super::caller::{Caller, Door, ProvenBy};
use super::credential::KnownRecipient;
use crate::{Privity, Problem};

/// How long a window is.
const SECONDS: i64 = 60;

/// What each recipient asked about within this minute. As many as the data map has: nobody else gets so far.
#[derive(Default)]
pub(crate) struct Pace(Mutex<HashMap<RecipientKey, Window>>);

#[derive(Default)]
struct Window {
    /// Minutes since 1970.
    minute: i64,
    /// Subjects asked about in it.
    subjects: u64,
    /// Whether a record says that the recipient was stopped in it.
    is_recorded: bool,
    /// Calls that were refused since the last record.
    refused: u64,
}

/// A call that doesn't fit any more.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Over {
    recipient: RecipientKey,
    /// How many subjects it is about.
    subjects: u64,
    /// How many fit into a minute.
    limit: u32,
    /// Seconds until the next minute.
    wait_seconds: u32,
    /// Calls that were refused before without a record; `None` if this minute has its record.
    unrecorded: Option<u64>,
}

/// Some subjects that a recipient asks about, and how many it may in a minute.
struct Weight<'a> {
    recipient: &'a RecipientKey,
    subjects: u64,
    limit: u32,
}

impl Pace {
    /// Counts all of it, or nothing where one of them doesn't fit. Each recipient stands in it once.
    fn admit(&self, asked: &[Weight<'_>], now: impl FnOnce() -> Timestamp) -> Result<(), Over> {
        let mut windows = self.lock();
        // Within the lock, so that whoever waited for it brings no earlier moment.
        let now = now();
        let minute = now.as_second().div_euclid(SECONDS);
        for one in asked {
            let window = window_of(&mut windows, one.recipient, minute);
            if window.subjects.saturating_add(one.subjects) > u64::from(one.limit) {
                return Err(window.refuse(one, now));
            }
        }
        for one in asked {
            let window = window_of(&mut windows, one.recipient, minute);
            window.subjects = window.subjects.saturating_add(one.subjects);
        }
        Ok(())
    }

    /// Takes back that a record was made: the next refusal makes it.
    fn not_recorded(&self, over: &Over) {
        if let Some(window) = self.lock().get_mut(&over.recipient) {
            window.is_recorded = false;
            let lost = over.unrecorded.unwrap_or_default().saturating_add(1);
            window.refused = window.refused.saturating_add(lost);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RecipientKey, Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn window_of<'w>(
    windows: &'w mut HashMap<RecipientKey, Window>,
    recipient: &RecipientKey,
    minute: i64,
) -> &'w mut Window {
    // A key is an `Arc`: copying it copies no text.
    let window = windows.entry(recipient.clone()).or_default();
    // A clock that is set back a little begins no minute anew; one that was far ahead must not stop anybody until it is overtaken.
    if minute > window.minute || minute.saturating_add(1) < window.minute {
        window.minute = minute;
        window.subjects = 0;
        window.is_recorded = false;
    }
    window
}

impl Window {
    fn refuse(&mut self, asked: &Weight<'_>, now: Timestamp) -> Over {
        let unrecorded = (!self.is_recorded).then_some(self.refused);
        if unrecorded.is_some() {
            self.is_recorded = true;
            self.refused = 0;
        } else {
            self.refused = self.refused.saturating_add(1);
        }
        let left = SECONDS - now.as_second().rem_euclid(SECONDS);
        Over {
            recipient: asked.recipient.clone(),
            subjects: asked.subjects,
            limit: asked.limit,
            wait_seconds: u32::try_from(left).unwrap_or_default(),
            unrecorded,
        }
    }
}

impl Over {
    fn problem(&self) -> Problem {
        let limit = self.limit;
        let who = &self.recipient;
        let title = if self.subjects > u64::from(limit) {
            format!(
                "one call about {} subjects is more than the {limit} that `{who}` may ask about in a minute; ask about fewer at once, or ask the business to raise `subjects_a_minute`",
                self.subjects
            )
        } else {
            format!(
                "`{who}` may ask about {limit} subjects in a minute, and this call is about more than are left of them; wait {} seconds and send it again, or ask the business to raise `subjects_a_minute`",
                self.wait_seconds
            )
        };
        Problem {
            wait_seconds: Some(self.wait_seconds),
            ..Problem::new("too_many_subjects", 429, title)
        }
    }
}

/// Counts the subjects of a caller's call: for the recipient, and for the application that asks in its place.
///
/// # Errors
/// They are more than fit into this minute: then none of them counts.
pub(super) async fn admit(p: &Privity, caller: &Caller, subjects: usize) -> Result<(), Problem> {
    admit_each(p, [(caller, subjects as u64)].into_iter()).await
}

/// The same for a call of several questions, at once. All of them came by one credential.
///
/// # Errors
/// As [`admit`].
pub(super) async fn admit_each<'c>(
    p: &Privity,
    asked: impl Iterator<Item = (&'c Caller, u64)>,
) -> Result<(), Problem> {
    let mut counts: BTreeMap<&RecipientKey, u64> = BTreeMap::new();
    let mut by = None;
    for (caller, subjects) in asked.filter(|(caller, _)| is_limited(caller.door)) {
        *counts.entry(&caller.recipient).or_default() += subjects;
        if let Some(asker) = &caller.asked_by {
            *counts.entry(asker).or_default() += subjects;
        }
        by = Some(Asking {
            asker: caller.asker(),
            proven_by: caller.proven_by.as_ref(),
            door: caller.door,
        });
    }
    match by {
        Some(by) => admit_counts(p, counts, by).await,
        None => Ok(()),
    }
}

/// The same for whoever asks AuthZEN without getting anything.
///
/// # Errors
/// As [`admit`].
pub(super) async fn admit_asker(
    p: &Privity,
    asker: &KnownRecipient,
    subjects: usize,
) -> Result<(), Problem> {
    let by = Asking {
        asker: &asker.recipient,
        proven_by: Some(&asker.proven_by),
        door: Door::AuthZen,
    };
    admit_counts(p, [(&asker.recipient, subjects as u64)].into(), by).await
}

/// Subjects that a list counts as at a time.
const STEP: u64 = 32;

/// What a list counted as while it was read: in steps, and before anything of it is known. What is left of a pace would else tell of how many
/// in it nothing is shown.
#[derive(Default)]
pub struct ListPace {
    asked: u64,
    counted: u64,
}

impl ListPace {
    /// Counts the first step of a list, which may turn out to be empty.
    ///
    /// # Errors
    /// As [`super::disclose`].
    pub async fn begin(p: &Privity, caller: &Caller) -> Result<Self, Problem> {
        let mut pace = Self::default();
        pace.count(p, caller, STEP).await?;
        Ok(pace)
    }

    /// Counts as many steps as further subjects of the list take.
    pub(super) async fn admit(
        &mut self,
        p: &Privity,
        caller: &Caller,
        subjects: usize,
    ) -> Result<(), Problem> {
        self.asked = self.asked.saturating_add(subjects as u64);
        let whole = self.asked.div_ceil(STEP).saturating_mul(STEP);
        self.count(p, caller, whole.saturating_sub(self.counted))
            .await
    }

    async fn count(&mut self, p: &Privity, caller: &Caller, more: u64) -> Result<(), Problem> {
        if more > 0 {
            admit_each(p, [(caller, more)].into_iter()).await?;
            self.counted = self.counted.saturating_add(more);
        }
        Ok(())
    }
}

/// Who asks, as a record names it.
struct Asking<'a> {
    asker: &'a RecipientKey,
    proven_by: Option<&'a ProvenBy>,
    door: Door,
}

async fn admit_counts(
    p: &Privity,
    counts: BTreeMap<&RecipientKey, u64>,
    by: Asking<'_>,
) -> Result<(), Problem> {
    let counts = counts.into_iter();
    let asked: Vec<_> = counts
        .map(|(recipient, subjects)| weight(p, recipient, subjects))
        .collect();
    match p.parts.pace.admit(&asked, || p.now()) {
        Ok(()) => Ok(()),
        Err(over) => Err(refused(p, &over, by).await?),
    }
}

/// Views are filled by ourselves, as fast as we can.
const fn is_limited(door: Door) -> bool {
    !matches!(door, Door::Postgres)
}

fn weight<'a>(p: &Privity, recipient: &'a RecipientKey, subjects: u64) -> Weight<'a> {
    let declared = p.map().recipients.get(recipient);
    let limit = declared.map_or(Recipient::SUBJECTS_A_MINUTE, |one| one.subjects_a_minute);
    Weight {
        recipient,
        subjects,
        limit: limit.get(),
    }
}

/// Records the first refusal of a minute; those after it are told by the next record.
async fn refused(p: &Privity, over: &Over, by: Asking<'_>) -> Result<Problem, Problem> {
    if let Some(before) = over.unrecorded {
        let actor = Actor::Recipient(by.asker.clone());
        let record = NewRecord::new(p.now(), actor, Action::RecipientStopped)
            .with("recipient", over.recipient.to_string())
            .with("door", by.door.text())
            .with("subjects", over.subjects)
            .with("subjects_a_minute", over.limit)
            .with("refused_since_last_record", before);
        let record = match by.proven_by {
            Some(proven_by) => proven_by.named_in(record),
            None => record,
        };
        if let Err(problem) = p.append(vec![record]).await {
            p.parts.pace.not_recorded(over);
            return Err(problem);
        }
    }
    Ok(over.problem())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn ask(pace: &Pace, who: &str, subjects: u64, at: &str) -> Result<(), Over> {
        let recipient = who.into();
        let asked = [Weight {
            recipient: &recipient,
            subjects,
            limit: 10,
        }];
        pace.admit(&asked, || at.parse().unwrap())
    }

    #[test]
    fn what_does_not_fit_is_refused_whole_and_the_next_minute_begins_anew() {
        let pace = Pace::default();
        let at = "2026-11-23T08:00:45Z";
        assert_eq!(ask(&pace, "mill", 7, at), Ok(()));
        let over = ask(&pace, "mill", 4, at).unwrap_err();
        assert_eq!((over.wait_seconds, over.limit, over.subjects), (15, 10, 4));
        assert!(over.problem().title.contains("wait 15 seconds"));
        assert_eq!(ask(&pace, "mill", 3, at), Ok(()), "nothing of it counted");
        assert!(ask(&pace, "mill", 1, "2026-11-23T08:00:59.999Z").is_err());
        assert_eq!(ask(&pace, "leads", 10, at), Ok(()), "another recipient");
        assert_eq!(ask(&pace, "mill", 10, "2026-11-23T08:01:00Z"), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_begins_no_minute_anew_unless_it_was_far_ahead() {
        let pace = Pace::default();
        assert_eq!(ask(&pace, "mill", 10, "2026-11-23T08:01:00Z"), Ok(()));
        assert!(ask(&pace, "mill", 1, "2026-11-23T08:00:59.9Z").is_err());
        assert!(ask(&pace, "mill", 1, "2026-11-23T08:01:01Z").is_err());
        assert_eq!(ask(&pace, "mill", 10, "2026-11-23T07:30:00Z"), Ok(()));
    }

    #[test]
    fn a_call_that_never_fits_is_told_so() {
        let over = ask(&Pace::default(), "mill", 11, "2026-11-23T08:00:00Z").unwrap_err();
        let problem = over.problem();
        assert_eq!((problem.code, problem.status), ("too_many_subjects", 429));
        assert!(problem.title.contains("one call about 11 subjects"));
        assert_eq!(problem.wait_seconds, Some(60));
    }

    #[test]
    fn of_a_call_for_several_recipients_nothing_counts_when_one_is_over() {
        let pace = Pace::default();
        let at = "2026-11-23T08:00:00Z";
        let (leads, mill) = ("leads".into(), "mill".into());
        let weight = |recipient, subjects| Weight {
            recipient,
            subjects,
            limit: 10,
        };
        let asked = [weight(&leads, 10), weight(&mill, 11)];
        let over = pace.admit(&asked, || at.parse().unwrap()).unwrap_err();
        assert_eq!(over.recipient, mill);
        assert_eq!(ask(&pace, "leads", 10, at), Ok(()));
        assert_eq!(ask(&pace, "mill", 10, at), Ok(()));
    }

    #[test]
    fn the_first_refusal_of_a_minute_is_to_be_recorded_with_those_since_the_last() {
        let pace = Pace::default();
        let refused = |at| ask(&pace, "mill", 11, at).unwrap_err();
        let first = "2026-11-23T08:00:00Z";
        assert_eq!(refused(first).unrecorded, Some(0));
        assert_eq!(refused(first).unrecorded, None);
        assert_eq!(refused(first).unrecorded, None);
        let later = refused("2026-11-23T08:05:00Z");
        assert_eq!(later.unrecorded, Some(2));
        pace.not_recorded(&later);
        assert_eq!(refused("2026-11-23T08:05:01Z").unrecorded, Some(3));
        assert_eq!(refused("2026-11-23T08:05:02Z").unrecorded, None);
    }
}
