//! AuthZEN's messages: what is read of them, and when one is malformed. Members that nobody knows are passed over.

use governance::Problem;

use super::json::{Body, Json, Object};

/// One question, as it stands in the body.
pub(super) struct Evaluation<'b> {
    pub(super) subject: Entity<'b>,
    pub(super) action: Action<'b>,
    pub(super) resource: Entity<'b>,
    pub(super) context: Members<'b>,
}

/// A subject or a resource.
pub(super) struct Entity<'b> {
    pub(super) kind: &'b str,
    /// Empty in a search for it.
    pub(super) id: &'b str,
    pub(super) properties: Members<'b>,
}

/// What is to be done.
pub(super) struct Action<'b> {
    pub(super) name: &'b str,
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "no purpose has properties; the standard's own scenario does"
        )
    )]
    pub(super) properties: Members<'b>,
}

/// An object that may be left out.
#[derive(Clone, Copy)]
pub(super) struct Members<'b>(Option<Object<'b>>);

impl<'b> Members<'b> {
    pub(super) fn get(self, name: &str) -> Option<Json<'b>> {
        self.0?.get(name)
    }
}

/// A body as it came.
///
/// # Errors
/// 400 for what is no JSON object, under whatever name it comes.
pub(super) fn read<'b>(kind: &str, body: &'b [u8]) -> Result<Body<'b>, Problem> {
    if !kind.starts_with("application/json") {
        return Err(malformed("send `Content-Type: application/json`"));
    }
    Body::read(body).map_err(|_| malformed("the body isn't a JSON object"))
}

impl<'b> Evaluation<'b> {
    /// By the value of each member, wherever it is found.
    pub(super) fn of(member: impl Fn(&str) -> Option<Json<'b>>) -> Result<Self, Problem> {
        Ok(Self {
            subject: Entity::of(member("subject"), true)?,
            action: Action::of(member("action"))?,
            resource: Entity::of(member("resource"), true)?,
            context: object(member("context"))?,
        })
    }
}

impl<'b> Entity<'b> {
    /// In a search for it, it may lack its id, and one that is there says nothing.
    pub(super) fn of(given: Option<Json<'b>>, has_id: bool) -> Result<Self, Problem> {
        let members = given.and_then(Json::object);
        let members = members
            .ok_or_else(|| malformed("`subject` and `resource` are objects with a `type`"))?;
        Ok(Self {
            kind: text(members, "type")?,
            id: if has_id { text(members, "id")? } else { "" },
            properties: object(members.get("properties"))?,
        })
    }
}

impl<'b> Action<'b> {
    pub(super) fn of(given: Option<Json<'b>>) -> Result<Self, Problem> {
        let members = given.and_then(Json::object);
        let members = members.ok_or_else(|| malformed("`action` is an object with a `name`"))?;
        Ok(Self {
            name: text(members, "name")?,
            properties: object(members.get("properties"))?,
        })
    }
}

fn text<'b>(members: Object<'b>, name: &str) -> Result<&'b str, Problem> {
    let found = members.get(name).and_then(Json::text);
    found.ok_or_else(|| {
        malformed("`type`, `id` and `name` are texts, and none of them may be left out")
    })
}

pub(super) fn object<'b>(given: Option<Json<'b>>) -> Result<Members<'b>, Problem> {
    let Some(given) = given.filter(|given| !given.is_null()) else {
        return Ok(Members(None));
    };
    let found = given.object();
    found
        .map(|found| Members(Some(found)))
        .ok_or_else(|| malformed("`properties`, `context`, `options` and `page` are objects"))
}

pub(super) fn malformed(todo: &str) -> Problem {
    Problem::new(
        "unreadable",
        400,
        format!("{todo}; see the OpenID Authorization API 1.0"),
    )
}
