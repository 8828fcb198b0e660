//! What a list, or an answer, is to have (RFC 7644 3.4.2, 3.9): in the query, or in the body of a search, where no log of a proxy keeps it.

use domain::scim::{Members, ScimError};
use domain::sensitive::Sensitive;
use governance::profile::record::MOST;
use serde::Deserialize;
use serde_json::Value;

const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// What is wanted.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::api) struct Wanted {
    pub(in crate::api) filter: Option<Sensitive<String>>,
    pub(in crate::api) sort_by: Option<String>,
    pub(in crate::api) sort_order: Option<String>,
    start_index: Option<i64>,
    count: Option<i64>,
    attributes: Option<Names>,
    excluded_attributes: Option<Names>,
}

/// Names of attributes: with commas in a query, as a list in a body.
#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    Text(String),
    List(Vec<String>),
}

impl Names {
    fn all(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => text.split(',').collect(),
            Self::List(list) => list.iter().map(String::as_str).collect(),
        }
    }
}

impl Wanted {
    /// What the body of a search wants.
    pub(in crate::api) fn of_search(body: Value) -> Result<Self, ScimError> {
        let named = body.get("schemas").and_then(Value::as_array);
        let is_search = named.is_none_or(|all| all.iter().any(|one| one == SEARCH));
        let wanted = serde_json::from_value(body).ok().filter(|_| is_search);
        wanted.ok_or_else(|| {
            ScimError::syntax(format!("a search has `schemas` with `{SEARCH}`, `filter`, `sortBy`, `sortOrder`, `startIndex`, `count`, and `attributes` or `excludedAttributes`"))
        })
    }

    /// Which members of a resource.
    pub(in crate::api) fn members(&self) -> Result<Members, ScimError> {
        let only = self.attributes.as_ref().map(Names::all);
        let without = self.excluded_attributes.as_ref().map(Names::all);
        let only = only.unwrap_or_default().into_iter();
        Members::parse(only, without.unwrap_or_default().into_iter())
    }

    /// The number of the first resource, from 1.
    pub(in crate::api) fn start(&self) -> u64 {
        u64::try_from(self.start_index.unwrap_or(1).max(1)).unwrap_or(1)
    }

    /// How many resources, at most.
    pub(in crate::api) fn count(&self) -> u32 {
        let most = i64::from(MOST);
        let count = self.count.unwrap_or(most).clamp(0, most);
        u32::try_from(count).unwrap_or(MOST)
    }
}
