//! AuthZEN's messages: what is read of them, and when one is malformed. Members that nobody knows are passed over.

use domain::sensitive::Sensitive;
use governance::Problem;
use serde_json::{Map, Value};

/// One question.
pub(super) struct Evaluation {
    pub(super) subject: Entity,
    pub(super) action: Action,
    pub(super) resource: Entity,
    pub(super) context: Map<String, Value>,
}

/// A subject or a resource.
pub(super) struct Entity {
    pub(super) kind: String,
    /// Empty in a search for it.
    pub(super) id: String,
    pub(super) properties: Map<String, Value>,
}

/// What is to be done.
pub(super) struct Action {
    pub(super) name: String,
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "no purpose has properties; the standard's own scenario does"
        )
    )]
    pub(super) properties: Map<String, Value>,
}

/// A body as it came.
///
/// # Errors
/// 400 for what is no JSON object, under whatever name it comes.
#[expect(
    clippy::disallowed_methods,
    reason = "the body is parsed, and what it says stays in the decision"
)]
pub(super) fn read(kind: &str, body: &Sensitive<Vec<u8>>) -> Result<Map<String, Value>, Problem> {
    if !kind.starts_with("application/json") {
        return Err(malformed("send `Content-Type: application/json`"));
    }
    match serde_json::from_slice(body.expose()) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(malformed("the body isn't a JSON object")),
    }
}

impl Evaluation {
    pub(super) fn of(asked: &Map<String, Value>) -> Result<Self, Problem> {
        Ok(Self {
            subject: Entity::of(asked, "subject", true)?,
            action: Action::of(asked)?,
            resource: Entity::of(asked, "resource", true)?,
            context: object(asked, "context")?,
        })
    }
}

impl Entity {
    /// In a search for it, it may lack its id, and one that is there says nothing.
    pub(super) fn of(
        asked: &Map<String, Value>,
        name: &str,
        has_id: bool,
    ) -> Result<Self, Problem> {
        let members = asked.get(name).and_then(Value::as_object);
        let members = members
            .ok_or_else(|| malformed("`subject` and `resource` are objects with a `type`"))?;
        let id = if has_id {
            text(members, "id")?
        } else {
            String::new()
        };
        Ok(Self {
            kind: text(members, "type")?,
            id,
            properties: object(members, "properties")?,
        })
    }
}

impl Action {
    pub(super) fn of(asked: &Map<String, Value>) -> Result<Self, Problem> {
        let members = asked.get("action").and_then(Value::as_object);
        let members = members.ok_or_else(|| malformed("`action` is an object with a `name`"))?;
        Ok(Self {
            name: text(members, "name")?,
            properties: object(members, "properties")?,
        })
    }
}

fn text(members: &Map<String, Value>, name: &str) -> Result<String, Problem> {
    let found = members.get(name).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| {
        malformed("`type`, `id` and `name` are texts, and none of them may be left out")
    })
}

/// An object that may be left out.
pub(super) fn object(
    members: &Map<String, Value>,
    name: &str,
) -> Result<Map<String, Value>, Problem> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(found)) => Ok(found.clone()),
        Some(_) => Err(malformed(
            "`properties`, `context`, `options` and `page` are objects",
        )),
    }
}

pub(super) fn malformed(todo: &str) -> Problem {
    Problem::new(
        "unreadable",
        400,
        format!("{todo}; see the OpenID Authorization API 1.0"),
    )
}
