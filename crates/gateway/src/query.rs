//! The query of a call: which parameters are passed on, and which of them would tell of an attribute whose value isn't shown.
//!
//! Whoever filters or sorts by a withheld attribute learns it from who is in the answer, and in which order. So such a parameter is
//! refused where the attribute isn't granted as it is, and a parameter that nobody listed is refused, since nobody knows what it does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use domain::profile::AttributeKey;

use crate::route::pattern::{encode, percent_decoded};

/// What a route says of its query.
#[derive(Clone, Debug, Default)]
pub(crate) struct QueryRule {
    /// What each known parameter does.
    pub(crate) parameters: BTreeMap<String, ParameterUse>,
}

/// What a parameter does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ParameterUse {
    /// Nothing that tells of a subject: a page number.
    Passed,
    /// It selects by this attribute.
    Filter(AttributeKey),
    /// It sorts; by the attributes that stand for its words, `None` for what tells nothing.
    Sort(BTreeMap<String, Option<AttributeKey>>),
}

/// A query that may go on to the upstream, given that some attributes are granted.
#[derive(Default)]
pub(crate) struct Query {
    /// As the upstream gets it: with its question mark, or empty.
    pub(crate) text: String,
    /// What it selects or sorts by.
    pub(crate) by: BTreeSet<AttributeKey>,
}

/// A query that is refused. It names parameters, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueryRefused {
    /// A name that the route doesn't list; names could be anything, so it isn't repeated.
    #[error(
        "a parameter of the query is not known here; leave it out, or have the route list it under `query`"
    )]
    Unknown,
    /// Escapes that can't be read.
    #[error("the query can't be read; escape it as RFC 3986 says")]
    Unreadable,
    /// The same name twice: upstreams differ in which of the two they take.
    #[error("the parameter `{0}` stands in the query twice; send it once")]
    Twice(String),
    /// A word to sort by that the route doesn't list.
    #[error(
        "the parameter `{0}` sorts by something that is not known here; the route lists what it may be"
    )]
    UnknownOrder(String),
}

impl QueryRule {
    /// Checks a query against the rule and writes it anew.
    pub(crate) fn read(&self, query: Option<&str>) -> Result<Query, QueryRefused> {
        let mut read = Query::default();
        let mut seen = BTreeSet::new();
        let pairs = query.unwrap_or_default().split('&');
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = percent_decoded(name, true).ok_or(QueryRefused::Unreadable)?;
            let value = percent_decoded(value, true).ok_or(QueryRefused::Unreadable)?;
            let (name, does) = self
                .parameters
                .get_key_value(&name)
                .ok_or(QueryRefused::Unknown)?;
            if !seen.insert(name) {
                return Err(QueryRefused::Twice(name.clone()));
            }
            match does {
                ParameterUse::Passed => {}
                ParameterUse::Filter(attribute) => {
                    read.by.insert(attribute.clone());
                }
                ParameterUse::Sort(words) => read.sort(name, &value, words)?,
            }
            read.put(name, &value);
        }
        Ok(read)
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query(by {:?})", self.by)
    }
}

impl Query {
    fn sort(
        &mut self,
        name: &str,
        value: &str,
        words: &BTreeMap<String, Option<AttributeKey>>,
    ) -> Result<(), QueryRefused> {
        for word in value.split(',') {
            let word = word.trim().trim_start_matches(['-', '+']);
            // `name desc`, `name:desc`
            let word = word.split([' ', ':']).next().unwrap_or_default();
            let attribute = words
                .get(word)
                .ok_or_else(|| QueryRefused::UnknownOrder(name.to_owned()))?;
            self.by.extend(attribute.clone());
        }
        Ok(())
    }

    fn put(&mut self, name: &str, value: &str) {
        self.text.push(if self.text.is_empty() { '?' } else { '&' });
        encode(name, &mut self.text);
        self.text.push('=');
        encode(value, &mut self.text);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn rule() -> QueryRule {
        let words = [
            ("name".to_owned(), Some(AttributeKey::from("last_name"))),
            ("id".to_owned(), None),
        ];
        let parameters = [
            ("page", ParameterUse::Passed),
            ("mail", ParameterUse::Filter(AttributeKey::from("email"))),
            ("sort", ParameterUse::Sort(words.into())),
        ];
        let parameters = parameters.map(|(name, does)| (name.to_owned(), does));
        QueryRule {
            parameters: parameters.into(),
        }
    }

    #[test]
    fn a_query_says_by_which_attributes_it_selects_and_sorts() {
        let query = rule()
            .read(Some("page=2&mail=maya%40example.org&sort=-name,id"))
            .unwrap();
        assert_eq!(
            query.text,
            "?page=2&mail=maya%40example.org&sort=-name%2Cid"
        );
        let by: Vec<&str> = query.by.iter().map(AsRef::as_ref).collect();
        assert_eq!(by, ["email", "last_name"]);
    }

    #[test]
    fn an_escaped_name_is_the_name_that_it_stands_for() {
        let query = rule().read(Some("m%61il=x")).unwrap();
        assert_eq!(query.by.len(), 1);
        assert_eq!(query.text, "?mail=x");
    }

    #[test]
    fn what_the_route_does_not_list_is_refused() {
        assert_eq!(
            rule().read(Some("fields=email")).unwrap_err(),
            QueryRefused::Unknown
        );
        assert_eq!(
            rule().read(Some("page=%f")).unwrap_err(),
            QueryRefused::Unreadable
        );
        assert!(matches!(
            rule().read(Some("mail=a&m%61il=b")).unwrap_err(),
            QueryRefused::Twice(_)
        ));
        assert!(matches!(
            rule().read(Some("sort=email")).unwrap_err(),
            QueryRefused::UnknownOrder(_)
        ));
    }

    #[test]
    fn no_query_is_a_query_that_asks_for_nothing() {
        for query in [None, Some(""), Some("&&")] {
            assert_eq!(rule().read(query).unwrap().text, "");
        }
    }
}
