//! The protocol, whoever decides: defaults of a batch, its semantics, searches by page.

use governance::Problem;
use serde::Serialize;
use serde_json::{Value, json};

use super::json::{Json, Object};
use super::message::{Action, Entity, Evaluation, Members, malformed, object};

/// Questions in one call, at most.
const MOST: usize = 256;

/// Who decides.
pub(super) trait Decides {
    /// One answer for each question, in order.
    async fn decide(&self, asked: &[Evaluation<'_>]) -> Result<Vec<Answer>, Problem>;
    /// Subjects of a type that may.
    async fn subjects(
        &self,
        kind: &str,
        action: &Action<'_>,
        resource: &Entity<'_>,
        context: Members<'_>,
    ) -> Result<Vec<Value>, Problem>;
    /// Resources of a type.
    async fn resources(
        &self,
        subject: &Entity<'_>,
        action: &Action<'_>,
        resource: &Entity<'_>,
        context: Members<'_>,
    ) -> Result<Vec<Value>, Problem>;
    /// Actions.
    async fn actions(
        &self,
        subject: &Entity<'_>,
        resource: &Entity<'_>,
        context: Members<'_>,
    ) -> Result<Vec<Value>, Problem>;
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Answer {
    pub(super) decision: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) context: Option<Value>,
}

/// What is answered to a call with one question or with several.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Answers {
    One(Answer),
    Several { evaluations: Vec<Answer> },
}

pub(super) async fn evaluation(
    point: &impl Decides,
    asked: Object<'_>,
) -> Result<Answers, Problem> {
    let question = Evaluation::of(|name| asked.get(name))?;
    let answers = point.decide(&[question]).await?;
    Ok(Answers::One(answers.into_iter().next().unwrap_or_default()))
}

pub(super) async fn evaluations(
    point: &impl Decides,
    asked: Object<'_>,
) -> Result<Answers, Problem> {
    let Some(given) = asked.get("evaluations") else {
        return evaluation(point, asked).await;
    };
    let items = given.list();
    let count = items.map(Iterator::count);
    let (Some(items), Some(count @ ..=MOST)) = (items, count) else {
        return Err(malformed("`evaluations` is a list of at most 256 objects"));
    };
    if count == 0 {
        return evaluation(point, asked).await;
    }
    let until = Until::of(object(asked.get("options"))?)?;
    // All are decided in one go, however many are answered.
    let mut known = Vec::with_capacity(count);
    let mut is_known = Vec::with_capacity(count);
    for item in items {
        let question = question(asked, item);
        is_known.push(question.is_ok());
        known.extend(question);
    }
    let mut decided = point.decide(&known).await?.into_iter();
    let answers = is_known.into_iter().map(|is_known| {
        let answer = if is_known { decided.next() } else { None };
        answer.unwrap_or_else(incomplete)
    });
    let mut evaluations: Vec<_> = answers.collect();
    if let Some(last) = evaluations.iter().position(|answer| until.ends_at(answer)) {
        evaluations.truncate(last + 1);
    }
    Ok(Answers::Several { evaluations })
}

fn incomplete() -> Answer {
    Answer {
        decision: false,
        context: Some(
            json!({"error": {"status": 400, "message": "a subject, an action or a resource is missing"}}),
        ),
    }
}

/// What an item doesn't say, the whole call says for all.
fn question<'b>(defaults: Object<'b>, item: Json<'b>) -> Result<Evaluation<'b>, Problem> {
    let own = item
        .object()
        .ok_or_else(|| malformed("an evaluation is an object"))?;
    Evaluation::of(|name| own.get(name).or_else(|| defaults.get(name)))
}

/// After which answer no more are given.
#[derive(Clone, Copy)]
enum Until {
    End,
    FirstNo,
    FirstYes,
}

impl Until {
    fn of(options: Members<'_>) -> Result<Self, Problem> {
        match options.get("evaluations_semantic").map(Json::text) {
            None | Some(Some("execute_all")) => Ok(Self::End),
            Some(Some("deny_on_first_deny")) => Ok(Self::FirstNo),
            Some(Some("permit_on_first_permit")) => Ok(Self::FirstYes),
            Some(_) => Err(malformed(
                "`evaluations_semantic` is `execute_all`, `deny_on_first_deny` or `permit_on_first_permit`",
            )),
        }
    }

    const fn ends_at(self, answer: &Answer) -> bool {
        match self {
            Self::End => false,
            Self::FirstNo => !answer.decision,
            Self::FirstYes => answer.decision,
        }
    }
}

pub(super) async fn search_subject(
    point: &impl Decides,
    asked: Object<'_>,
) -> Result<Value, Problem> {
    let page = Page::of(asked)?;
    let (subject, action) = (
        Entity::of(asked.get("subject"), false)?,
        Action::of(asked.get("action"))?,
    );
    let resource = Entity::of(asked.get("resource"), true)?;
    let context = object(asked.get("context"))?;
    Ok(page.answer(
        point
            .subjects(subject.kind, &action, &resource, context)
            .await?,
    ))
}

pub(super) async fn search_resource(
    point: &impl Decides,
    asked: Object<'_>,
) -> Result<Value, Problem> {
    let page = Page::of(asked)?;
    let (subject, action) = (
        Entity::of(asked.get("subject"), true)?,
        Action::of(asked.get("action"))?,
    );
    let resource = Entity::of(asked.get("resource"), false)?;
    let context = object(asked.get("context"))?;
    Ok(page.answer(
        point
            .resources(&subject, &action, &resource, context)
            .await?,
    ))
}

pub(super) async fn search_action(
    point: &impl Decides,
    asked: Object<'_>,
) -> Result<Value, Problem> {
    let page = Page::of(asked)?;
    let subject = Entity::of(asked.get("subject"), true)?;
    let resource = Entity::of(asked.get("resource"), true)?;
    let context = object(asked.get("context"))?;
    Ok(page.answer(point.actions(&subject, &resource, context).await?))
}

/// Which of the results are wanted. The token is the place to go on at.
struct Page {
    is_asked: bool,
    first: usize,
    most: usize,
}

impl Page {
    fn of(asked: Object<'_>) -> Result<Self, Problem> {
        let page = object(asked.get("page"))?;
        let first = match page.get("token").map(Json::text) {
            None | Some(Some("")) => Some(0),
            Some(token) => token.and_then(|token| token.parse().ok()),
        };
        let most = match page.get("limit").map(Json::count) {
            None => Some(usize::MAX),
            Some(limit) => limit.and_then(|limit| usize::try_from(limit).ok()),
        };
        let wrong = || malformed("`page` has a `limit` above 0 and the `token` of the page before");
        Ok(Self {
            is_asked: asked.get("page").is_some(),
            first: first.ok_or_else(wrong)?,
            most: most.filter(|most| *most > 0).ok_or_else(wrong)?,
        })
    }

    fn answer(&self, all: Vec<Value>) -> Value {
        let total = all.len();
        let results: Vec<_> = all.into_iter().skip(self.first).take(self.most).collect();
        if !self.is_asked {
            return json!({"results": results});
        }
        let next = self.first.saturating_add(results.len());
        let next_token = if next < total {
            next.to_string()
        } else {
            String::new()
        };
        let page = json!({"next_token": next_token, "count": results.len(), "total": total});
        json!({"results": results, "page": page})
    }
}

#[cfg(test)]
mod tests;
