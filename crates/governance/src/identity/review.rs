//! What the rules leave to an operator: the list of questions, one question, and her answer.

use std::collections::BTreeSet;

use domain::data_map::IdentifierKind;
use domain::id::{OperatorId, SubjectId};
use domain::identity::{
    BlockedBy, MergeId, Resolution, Review, ReviewId, ReviewKind, ReviewState, SourceRecord,
};
use domain::rng::new_id;
use jiff::Timestamp;
use storage::{Tx, identity, operator, subject};

use super::merge::Word;
use crate::{Privity, Problem};

/// Questions on one page, at most.
pub const MOST_REVIEWS: u32 = 200;

/// Which part of the list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Page {
    /// After which question.
    pub after: Option<ReviewId>,
    /// How many; [`MOST_REVIEWS`] at most.
    pub limit: u32,
}

/// A part of the list.
#[derive(Clone, Debug)]
pub struct ReviewList {
    /// The questions, the oldest first.
    pub reviews: Vec<ReviewLine>,
    /// Where the list goes on.
    pub next: Option<ReviewId>,
    /// How many are open in all.
    pub open: u64,
}

/// One question.
#[derive(Clone, Debug)]
pub struct ReviewLine {
    /// What is asked.
    pub review: Review,
    /// Who stands for the one now.
    pub one: SubjectId,
    /// Who stands for the other now, where it is about two.
    pub other: Option<SubjectId>,
    /// Name of the operator who answered.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Timestamp>,
}

/// An operator's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The two are one.
    Merge,
    /// The two are two.
    KeepApart,
    /// It may stay as it is.
    Leave,
}

impl Decision {
    /// All answers.
    pub const ALL: [Self; 3] = [Self::Merge, Self::KeepApart, Self::Leave];

    /// The stable text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::KeepApart => "keep_apart",
            Self::Leave => "leave",
        }
    }

    /// The answer with this text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|answer| answer.text() == text)
    }
}

/// Open questions.
pub async fn reviews(p: &Privity, page: Page) -> Result<ReviewList, Problem> {
    let limit = page.limit.clamp(1, MOST_REVIEWS);
    p.read("list identity reviews", move |tx| {
        let mut found = identity::open_reviews(tx, page.after, limit + 1)?;
        let is_last = found.len() <= limit as usize;
        found.truncate(limit as usize);
        let next = found.last().map(|last| last.id).filter(|_| !is_last);
        Ok(ReviewList {
            reviews: lines(tx, found)?,
            next,
            open: identity::count_open_reviews(tx)?,
        })
    })
    .await
}

/// How many questions are open.
pub async fn count_open(p: &Privity) -> Result<u64, Problem> {
    p.read("count identity reviews", |tx| {
        Ok(identity::count_open_reviews(tx)?)
    })
    .await
}

/// One question, answered or not.
///
/// # Errors
/// 404 when there is none.
pub async fn review(p: &Privity, id: ReviewId) -> Result<ReviewLine, Problem> {
    p.read("read identity review", move |tx| {
        let found = identity::review_with_id(tx, id)?.ok_or_else(unknown)?;
        lines(tx, vec![found])?.pop().ok_or_else(unknown)
    })
    .await
}

fn unknown() -> Problem {
    Problem::not_found("question about who is who")
}

/// Answers a question. Of two operators who answer at once, the second is told.
///
/// # Errors
/// 404 when there is none; 409 when it was answered before; 422 when it is about one subject alone and two are meant.
pub async fn decide(
    p: &Privity,
    id: ReviewId,
    decision: Decision,
    operator: OperatorId,
) -> Result<Option<MergeId>, Problem> {
    let word = Word::of(p, operator, Some(id))?;
    let now = p.now();
    let write = move |tx: &mut Tx| {
        let review = still_open(tx, id)?;
        match (decision, review.other) {
            (Decision::Merge, Some(other)) => {
                let (merge, records) = word.merge(tx, review.one, other)?;
                Ok((Some(merge), records))
            }
            (Decision::KeepApart, Some(other)) => {
                let ((), records) = word.keep_apart(tx, review.one, other)?;
                Ok((None, records))
            }
            (Decision::Leave, _) => {
                let by = Some((operator, now));
                if identity::close_reviews(tx, &[id], ReviewState::Seen, by)? == 0 {
                    return Err(Problem::conflict("somebody else answered this meanwhile"));
                }
                Ok((None, vec![word.seen(&review)]))
            }
            (_, None) => Err(Problem::invalid(
                "decision",
                "this is about one subject alone; leave it as it is, or take one of her merges apart",
            )),
        }
    };
    Ok(p.write_silently("answer identity review", write).await?.0)
}

/// A question that nobody answered yet.
pub(super) fn still_open(tx: &mut Tx, id: ReviewId) -> Result<Review, Problem> {
    let review = identity::review_with_id(tx, id)?.ok_or_else(unknown)?;
    if review.state == ReviewState::Open {
        Ok(review)
    } else {
        Err(answered(tx, &review)?)
    }
}

fn answered(tx: &mut Tx, review: &Review) -> Result<Problem, Problem> {
    let name = review.decided.map(|(by, _)| name_of(tx, by)).transpose()?;
    let by = name.flatten().map(|name| format!(" by {name}"));
    let by = by.unwrap_or_default();
    let how = match review.state {
        ReviewState::Merged => "the two were merged",
        ReviewState::KeptApart => "the two are kept apart",
        ReviewState::Seen => "it was left as it is",
        ReviewState::Open | ReviewState::Settled => "it answered itself",
    };
    Ok(Problem::conflict(format!(
        "this question was answered before{by}: {how}"
    )))
}

fn name_of(tx: &mut Tx, id: OperatorId) -> Result<Option<String>, Problem> {
    Ok(operator::get(tx, id)?.map(|operator| operator.name))
}

fn lines(tx: &mut Tx, reviews: Vec<Review>) -> Result<Vec<ReviewLine>, Problem> {
    let ids = reviews
        .iter()
        .flat_map(|review| [Some(review.one), review.other]);
    let stored = subject::get_many(tx, &ids.flatten().collect())?;
    let whose = |id: SubjectId| {
        let stored = stored.iter().find(|subject| subject.id == id);
        stored.map_or(id, |subject| subject.stands_for())
    };
    let operators = operator::list(tx)?;
    let line = |review: Review| {
        let by = review.decided.map(|(by, _)| by);
        let by = operators.iter().find(|operator| Some(operator.id) == by);
        ReviewLine {
            one: whose(review.one),
            other: review.other.map(whose),
            decided_by: by.map(|operator| operator.name.clone()),
            decided_at: review.decided.map(|(_, at)| at),
            review,
        }
    };
    Ok(reviews.into_iter().map(line).collect())
}

/// Whether a question is about two subjects.
pub const fn is_about_two(kind: ReviewKind) -> bool {
    matches!(kind, ReviewKind::PossibleMatch | ReviewKind::Conflict)
}

/// Asks what the rules leave to an operator. `known` are those of whom everything was compared: what was asked of one of them and is asked
/// no more has answered itself.
pub(super) fn store(
    p: &Privity,
    tx: &mut Tx,
    resolution: &Resolution,
    records: &[SourceRecord],
    known: &BTreeSet<SubjectId>,
) -> Result<(), Problem> {
    let asked = questions(resolution, records);
    let now = p.now();
    let review = |question: &Question| Review {
        id: new_id(p.rng(), now),
        kind: question.0,
        one: question.1,
        other: question.2,
        identifier: question.3.clone(),
        state: ReviewState::Open,
        decided: None,
        created_at: now,
    };
    identity::insert_reviews(tx, &asked.iter().map(review).collect::<Vec<_>>())?;
    let open = identity::open_reviews_of(tx, known)?;
    let answered = open.into_iter().filter(|review| {
        let question = (
            review.kind,
            review.one,
            review.other,
            review.identifier.clone(),
        );
        !asked.contains(&question)
    });
    let answered: Vec<_> = answered.map(|review| review.id).collect();
    identity::close_reviews(tx, &answered, ReviewState::Settled, None)?;
    Ok(())
}

type Question = (
    ReviewKind,
    SubjectId,
    Option<SubjectId>,
    Option<IdentifierKind>,
);

/// What a resolution leaves open, about the subjects as they are by now.
fn questions(resolution: &Resolution, records: &[SourceRecord]) -> BTreeSet<Question> {
    let mut asked = BTreeSet::new();
    for pair in &resolution.possible_matches {
        asked.insert((ReviewKind::PossibleMatch, pair.one, Some(pair.other), None));
    }
    for blocked in &resolution.blocked {
        // What an operator keeps apart she has looked at.
        let BlockedBy::Conflict(kind) = &blocked.by else {
            continue;
        };
        let whose = |id| resolution.groups.canonical(id).unwrap_or(id);
        let (one, other) = (whose(blocked.link.one), whose(blocked.link.other));
        let (one, other) = (one.min(other), one.max(other));
        asked.insert((ReviewKind::Conflict, one, Some(other), Some(kind.clone())));
    }
    for contested in &resolution.contested {
        let kind = Some(contested.kind.clone());
        asked.insert((ReviewKind::Contested, contested.subject, None, kind));
    }
    for hub in &resolution.hubs {
        let has = |record: &&SourceRecord| {
            let mut held = record.identifiers.iter();
            held.any(|held| held.kind == hub.kind && held.tag == hub.tag)
        };
        let holders = records.iter().filter(has).map(|record| record.subject);
        if let Some(oldest) = holders.min() {
            asked.insert((ReviewKind::Everybodys, oldest, None, Some(hub.kind.clone())));
        }
    }
    asked
}
