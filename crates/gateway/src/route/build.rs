//! From what people wrote to routes; whatever contradicts itself is found here, and nothing is guessed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::body_shape::{BodyForm, BodyShape, PlaceKind, PlaceUse, ShapeError, ValueUse};
use domain::data_map::IdentifierKind;
use domain::profile::{AttributeKey, Schema};
use governance::data_map::{Finding, Located, Mistake, SourceText, Span, nearest_word};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::uri::{Authority, Scheme};
use hyper::{Method, Uri};
use tokio::sync::Semaphore;

use super::file::{AuthorizationText, BodyText, LimitsText, QueryText, RouteText};
use super::pattern::Pattern;
use super::{BodyRule, Bounds, KnownBy, Route, Routes, Upstream};
use crate::counts::RouteCounts;
use crate::learn::Observed;
use crate::query::{ParameterUse, QueryRule};

/// Methods that a route may have.
const METHODS: [Method; 4] = [Method::GET, Method::POST, Method::PUT, Method::PATCH];

/// Headers from recipients that every upstream gets.
const ALWAYS_TO_UPSTREAM: [&str; 4] = [
    "accept-language",
    "idempotency-key",
    "traceparent",
    "tracestate",
];

/// Headers that belong to one connection, say who somebody is, or speak of the unfiltered body: never passed, whatever a route says.
const NEVER_PASSED: [&str; 34] = [
    "accept",
    "accept-encoding",
    "accept-ranges",
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-digest",
    "content-encoding",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "digest",
    "etag",
    "expect",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "last-modified",
    "location",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "repr-digest",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What goes on when routes are read again: counts, and what was observed, by the routes' keys.
pub(super) struct Beside(BTreeMap<String, (Arc<RouteCounts>, Option<Arc<Observed>>)>);

impl Beside {
    pub(super) fn of(routes: &Routes) -> Self {
        let kept = routes.iter().map(|route| {
            let beside = (Arc::clone(&route.counts), route.observed.clone());
            (route.key.clone(), beside)
        });
        Self(kept.collect())
    }
}

/// One route while it is built.
struct Draft<'a> {
    key: &'a str,
    schema: &'a Schema,
    source: &'a SourceText,
    findings: &'a mut Vec<Finding>,
}

/// Builds a route; what is wrong is added to `findings`, and then there is none.
pub(super) fn route(
    key: &str,
    text: &Located<RouteText>,
    schema: &Schema,
    source: &SourceText,
    beside: &Beside,
    findings: &mut Vec<Finding>,
) -> Option<Route> {
    let before = findings.len();
    let mut draft = Draft {
        key,
        schema,
        source,
        findings,
    };
    let built = draft.build(text, beside);
    built.filter(|_| findings.len() == before)
}

/// What only the whole set shows: two routes for one path.
pub(super) fn contradictions(routes: &[(Route, SourceText, Span)], findings: &mut Vec<Finding>) {
    let mut taken: BTreeMap<(String, String), &str> = BTreeMap::new();
    for (route, source, at) in routes {
        for method in &route.methods {
            let path = (route.path.skeleton(), method.to_string());
            let Some(other) = taken.insert(path, &route.key) else {
                continue;
            };
            let message = format!("the route `{other}` takes `{method}` of this path, too");
            let what_to_do = "leave one of the two out, or give it another path".to_owned();
            let mistake = Mistake {
                at: *at,
                message,
                what_to_do,
            };
            findings.push(source.finding(&route.key, mistake));
        }
    }
}

impl Draft<'_> {
    fn wrong(&mut self, at: Span, message: impl Into<String>, what_to_do: impl Into<String>) {
        let mistake = Mistake {
            at,
            message: message.into(),
            what_to_do: what_to_do.into(),
        };
        self.findings.push(self.source.finding(self.key, mistake));
    }

    fn build(&mut self, text: &Located<RouteText>, beside: &Beside) -> Option<Route> {
        let written = &text.value;
        let path = self.pattern(&written.path)?;
        let methods = self.methods(&written.methods);
        let upstream = self.upstream(written, &path);
        let subject = self.subject(written, &path);
        let answer = self.body(&written.answer);
        let body = (written.body.as_ref()).map(|body| (body.at, self.body(body)));
        let query = self.query(&written.query);
        let bounds = self.bounds(&written.limits);
        let to_upstream = self.headers(&written.headers.to_upstream, "to_upstream");
        let to_recipient = self.headers(&written.headers.to_recipient, "to_recipient");
        self.check_body(&methods, body.as_ref().map(|(at, _)| *at), written.path.at);
        let answer = answer?;
        let in_path = written.subject.is_some();
        self.check_subjects(written, &answer, in_path);
        self.check_outside(&answer, written.answer.at, in_path);
        let body = match body {
            Some((at, body)) => {
                let body = body?;
                self.check_outside(&body, at, in_path);
                Some(body)
            }
            None => None,
        };
        let attributes = self.attributes(&answer, body.as_ref(), &query);
        let (counts, observed) = beside.0.get(self.key).cloned().unwrap_or_default();
        let observed = written.learn.then(|| observed.unwrap_or_default());
        let always = ALWAYS_TO_UPSTREAM.map(HeaderName::from_static);
        Some(Route {
            key: self.key.to_owned(),
            written: written.path.value.clone(),
            upstream: upstream?,
            subject: subject?,
            calls: Arc::new(Semaphore::new(bounds.calls_at_once)),
            path,
            methods,
            answer,
            body,
            query,
            to_upstream: always.into_iter().chain(to_upstream).collect(),
            to_recipient,
            bounds,
            attributes,
            counts,
            observed,
        })
    }

    fn pattern(&mut self, path: &Located<String>) -> Option<Pattern> {
        Pattern::parse(&path.value)
            .map_err(|wrong| {
                self.wrong(
                    path.at,
                    format!("this path can't be used: {wrong}"),
                    "write it as recipients call it, such as `/customers/{number}`",
                );
            })
            .ok()
    }

    fn methods(&mut self, written: &[Located<String>]) -> Vec<Method> {
        if written.is_empty() {
            return vec![Method::GET];
        }
        let mut methods = Vec::new();
        for one in written {
            let known = METHODS.iter().find(|method| method.as_str() == one.value);
            match known {
                Some(method) if methods.contains(method) => {
                    self.wrong(one.at, "this method stands here twice", "remove one of them");
                }
                Some(method) => methods.push(method.clone()),
                None if one.value == "HEAD" => {
                    self.wrong(one.at, "`HEAD` comes with `GET`", "remove it");
                }
                None if one.value == "DELETE" => self.wrong(
                    one.at,
                    "the gateway does not pass `DELETE`: who may see data is no answer to who may delete it",
                    "let deletions come as privacy requests, or to the upstream itself",
                ),
                None => self.wrong(
                    one.at,
                    "this method is not passed",
                    "write `GET`, `POST`, `PUT` or `PATCH`",
                ),
            }
        }
        methods
    }

    /// The outer `None`: it is wrong; the inner one: there is none.
    fn upstream(&mut self, text: &RouteText, path: &Pattern) -> Option<Option<Upstream>> {
        let Some(written) = &text.upstream else {
            return Some(None);
        };
        // Braces are no part of a URL: it is read without its path.
        let (origin, rest) = split_origin(&written.value);
        let (scheme, authority) = self.origin(written.at, origin, text.allow_insecure)?;
        let target = if rest.is_empty() {
            path.clone()
        } else {
            self.target(written.at, rest)?
        };
        if let Some(unknown) = target
            .parameters()
            .find(|name| path.position(name).is_none())
        {
            let message = format!("the parameter `{unknown}` is not in `path`");
            self.wrong(written.at, message, "use parameters of `path` only");
            return None;
        }
        let authorization = match &text.authorization {
            Some(text) => Some(self.authorization(text)?),
            None => None,
        };
        Some(Some(Upstream {
            scheme,
            authority,
            path: target,
            authorization,
        }))
    }

    fn origin(
        &mut self,
        at: Span,
        origin: &str,
        allow_insecure: bool,
    ) -> Option<(Scheme, Authority)> {
        let parts = origin.parse::<Uri>().map(Uri::into_parts).ok();
        let parts = parts.and_then(|parts| Some((parts.scheme?, parts.authority?)));
        let Some((scheme, authority)) = parts else {
            self.wrong(
                at,
                "this is no URL with scheme and host",
                "write it such as `https://shop.internal/api/customers/{number}`",
            );
            return None;
        };
        if !matches!(scheme.as_str(), "http" | "https") || authority.as_str().contains('@') {
            self.wrong(
                at,
                "an upstream is reached over `http` or `https`, without a name and a password in its URL",
                "put what shows who we are under `authorization`",
            );
            return None;
        }
        let is_plain = scheme.as_str() == "http" && !is_loopback(authority.host());
        if is_plain && !allow_insecure {
            self.wrong(
                at,
                "personal data would travel to another machine without TLS",
                "use `https`, or say `allow_insecure: true` where the network between the two is yours alone",
            );
            return None;
        }
        Some((scheme, authority))
    }

    fn target(&mut self, at: Span, rest: &str) -> Option<Pattern> {
        Pattern::parse(rest)
            .map_err(|wrong| {
                self.wrong(
                    at,
                    format!("the path of this URL can't be used: {wrong}"),
                    "write a plain path; parameters of the query are listed under `query`",
                );
            })
            .ok()
    }

    fn authorization(
        &mut self,
        text: &Located<AuthorizationText>,
    ) -> Option<(HeaderName, HeaderValue)> {
        let name = match &text.value.header {
            Some(name) => self.header(name)?,
            None => header::AUTHORIZATION,
        };
        let Ok(mut value) = HeaderValue::from_str(&text.value.value.value) else {
            self.wrong(
                text.value.value.at,
                "this can't be the value of a header",
                "use letters, digits and signs of ASCII, without line breaks",
            );
            return None;
        };
        value.set_sensitive(true);
        Some((name, value))
    }

    fn header(&mut self, name: &Located<String>) -> Option<HeaderName> {
        let read = HeaderName::from_bytes(name.value.as_bytes());
        if read.is_err() {
            self.wrong(name.at, "this is no name of a header", "correct it");
        }
        read.ok()
    }

    fn headers(&mut self, names: &[Located<String>], place: &str) -> Vec<HeaderName> {
        let mut read = Vec::new();
        for name in names {
            let Some(header) = self.header(name) else {
                continue;
            };
            let is_refused = NEVER_PASSED.contains(&header.as_str())
                || header.as_str().starts_with("x-privity-")
                || (place == "to_upstream" && header == "set-cookie");
            if is_refused {
                self.wrong(
                    name.at,
                    "this header is never passed: it belongs to one connection, says who somebody is, or speaks of the body before it was filtered",
                    "remove it",
                );
            } else if !read.contains(&header) {
                read.push(header);
            }
        }
        read
    }

    fn known_by(&mut self, identifier: Option<&Located<String>>) -> Option<KnownBy> {
        let Some(written) = identifier else {
            return Some(KnownBy::Id);
        };
        let kinds = self
            .schema
            .attributes()
            .filter_map(|rule| rule.identifier.as_ref());
        let kinds: BTreeSet<&str> = kinds.map(|identifier| identifier.kind.0.as_str()).collect();
        if kinds.contains(written.value.as_str()) {
            return Some(KnownBy::Identifier(IdentifierKind(written.value.clone())));
        }
        let what_to_do = suggestion(&written.value, kinds.into_iter());
        let message = format!("there is no identifier `{}`", written.value);
        self.wrong(written.at, message, what_to_do);
        None
    }

    /// The outer `None`: it is wrong; the inner one: the path doesn't say.
    fn subject(&mut self, text: &RouteText, path: &Pattern) -> Option<Option<(usize, KnownBy)>> {
        let Some(subject) = &text.subject else {
            return Some(None);
        };
        let parameter = &subject.value.parameter;
        let known_by = self.known_by(subject.value.identifier.as_ref());
        let Some(at) = path.position(&parameter.value) else {
            let message = format!("`path` has no parameter `{}`", parameter.value);
            let names = path.parameters().collect::<Vec<_>>().join("`, `");
            self.wrong(parameter.at, message, format!("known there: `{names}`"));
            return None;
        };
        Some(Some((at, known_by?)))
    }

    fn attribute(&mut self, key: &Located<String>) -> Option<AttributeKey> {
        if let Some(rule) = self.schema.attribute_of(&key.value) {
            return Some(rule.key.clone());
        }
        let known = self.schema.attributes().map(|rule| rule.key.as_ref());
        let what_to_do = suggestion(&key.value, known);
        let message = format!("there is no attribute `{}` in the schema", key.value);
        self.wrong(key.at, message, what_to_do);
        None
    }

    fn body(&mut self, text: &Located<BodyText>) -> Option<BodyRule> {
        let before = self.findings.len();
        let mut named: Vec<(&Located<String>, PlaceUse)> = Vec::new();
        for (path, key) in &text.value.attributes.0 {
            let attribute = self.attribute(key);
            let rule = attribute.and_then(|key| self.schema.attribute_of(key.as_ref()));
            named.extend(rule.map(|rule| (path, PlaceUse::Attribute(rule.number))));
        }
        let passed = text.value.passed.iter();
        named.extend(passed.map(|path| (path, PlaceUse::Passed)));
        for (path, key) in &text.value.subjects.0 {
            let key = key.value.clone();
            named.push((path, PlaceUse::Subject { key }));
        }
        let known_by = self.known_by(text.value.identifier.as_ref());
        let documents = self.documents(text);
        if self.findings.len() > before {
            return None;
        }
        let form = if text.value.lines {
            BodyForm::Lines
        } else {
            BodyForm::Json
        };
        let paths = named
            .iter()
            .map(|(path, place)| (path.value.as_str(), place.clone()));
        match BodyShape::build(form, paths) {
            Ok(shape) => Some(BodyRule {
                shape: Arc::new(shape),
                known_by: known_by?,
                documents,
            }),
            Err(errors) => {
                for error in errors {
                    let at = place_of(&error, &named).unwrap_or(text.at);
                    self.wrong(
                        at,
                        error.to_string(),
                        "a path is such as `$.name`, `$.list[*].name` or `$['any name']`",
                    );
                }
                None
            }
        }
    }

    fn documents(&mut self, text: &Located<BodyText>) -> BTreeMap<String, AttributeKey> {
        let mut documents = BTreeMap::new();
        for (kind, key) in &text.value.documents.0 {
            let kind_text = kind.value.to_ascii_lowercase();
            if crate::body::is_json(&kind_text) || !kind_text.contains('/') {
                self.wrong(
                    kind.at,
                    "a document is an answer that is no JSON",
                    "write its content type, such as `application/pdf`, without parameters",
                );
            }
            if let Some(attribute) = self.attribute(key) {
                documents.insert(kind_text, attribute);
            }
        }
        documents
    }

    fn query(&mut self, text: &QueryText) -> QueryRule {
        let mut rule = QueryRule::default();
        for name in &text.passed {
            self.parameter(&mut rule, name, ParameterUse::Passed);
        }
        for (name, attribute) in &text.filter.0 {
            if let Some(attribute) = self.attribute(attribute) {
                self.parameter(&mut rule, name, ParameterUse::Filter(attribute));
            }
        }
        for (name, words) in &text.sort.0 {
            let mut sorts = BTreeMap::new();
            for (word, attribute) in &words.value.0 {
                let attribute = match &attribute.value {
                    None => None,
                    Some(value) => self.attribute(&Located {
                        value: value.clone(),
                        at: attribute.at,
                    }),
                };
                sorts.insert(word.value.clone(), attribute);
            }
            self.parameter(&mut rule, name, ParameterUse::Sort(sorts));
        }
        rule
    }

    fn parameter(&mut self, rule: &mut QueryRule, name: &Located<String>, does: ParameterUse) {
        if rule.parameters.insert(name.value.clone(), does).is_some() {
            let message = format!(
                "the parameter `{}` is named twice under `query`",
                name.value
            );
            self.wrong(name.at, message, "say once what it does");
        }
    }

    fn bounds(&mut self, limits: &Located<LimitsText>) -> Bounds {
        let text = &limits.value;
        let seconds = |seconds: Option<u32>, default: u32| {
            Duration::from_secs(u64::from(seconds.unwrap_or(default)))
        };
        let bounds = Bounds {
            answer_bytes: text.answer_bytes.unwrap_or(16 << 20),
            body_bytes: text.body_bytes.unwrap_or(256 << 10),
            held_back_bytes: usize::try_from(text.held_back_bytes.unwrap_or(64 << 10))
                .unwrap_or(usize::MAX),
            depth: text.depth.unwrap_or(64),
            until_answer: seconds(text.answer_seconds, 30),
            pause: seconds(text.pause_seconds, 10),
            whole: seconds(text.whole_seconds, 300),
            calls_at_once: usize::try_from(text.calls_at_once.unwrap_or(256)).unwrap_or(256),
        };
        let is_nothing = bounds.answer_bytes == 0
            || bounds.body_bytes == 0
            || bounds.calls_at_once == 0
            || [bounds.until_answer, bounds.pause, bounds.whole].contains(&Duration::ZERO);
        if is_nothing || !(1..=128).contains(&bounds.depth) {
            self.wrong(
                limits.at,
                "with a limit of 0 nothing would pass, and nothing is nested deeper than 128",
                "write numbers above 0, and a `depth` of at most 128",
            );
        }
        if bounds.held_back_bytes > 8 << 20 || bounds.body_bytes > 8 << 20 {
            self.wrong(
                limits.at,
                "what is held in memory for every call must be below 8 MiB",
                "lower `held_back_bytes` or `body_bytes`",
            );
        }
        bounds
    }

    fn check_body(&mut self, methods: &[Method], body: Option<Span>, path: Span) {
        let writes = methods.iter().any(|method| *method != Method::GET);
        match (writes, body) {
            (true, None) => self.wrong(
                path,
                "this route writes, and nothing is said of what may be written",
                "add `body:` with the paths of its attributes",
            ),
            (false, Some(at)) => self.wrong(
                at,
                "a `GET` has no body",
                "remove it, or add the method that writes under `methods`",
            ),
            _ => {}
        }
    }

    fn check_subjects(&mut self, text: &RouteText, answer: &BodyRule, has_subject: bool) {
        let in_answer = answer.shape.has_subjects();
        let at = text.answer.at;
        if !has_subject && !in_answer {
            self.wrong(
                text.path.at,
                "nothing says whose data this is",
                "name the parameter of the path under `subject`, or the objects about a subject each under `answer: subjects`",
            );
        }
        let identifier = text.answer.value.identifier.as_ref();
        if let (Some(identifier), false) = (identifier, in_answer) {
            self.wrong(
                identifier.at,
                "an identifier is named, and no `subjects` that have it",
                "remove it, or name the subjects in the answer",
            );
        }
        let selects = !text.query.filter.0.is_empty() || !text.query.sort.0.is_empty();
        if selects && in_answer && !has_subject && outside(answer).passes {
            self.wrong(
                at,
                "a parameter selects by an attribute, and something passes beside the subjects: a count would tell of those who are left out",
                "remove what is `passed` outside of the subjects, or the parameters under `filter` and `sort`",
            );
        }
        if !has_subject && !answer.documents.is_empty() {
            self.wrong(
                at,
                "a document has no place that says whose it is",
                "name the subject by a parameter of the path, or remove `documents`",
            );
        }
    }

    /// An attribute of nobody in particular would be withheld from everybody.
    fn check_outside(&mut self, body: &BodyRule, at: Span, in_path: bool) {
        let Some(path) = outside(body).attribute.filter(|_| !in_path) else {
            return;
        };
        self.wrong(
            at,
            format!("nothing says whose attribute `{path}` is"),
            "name the object around it under `subjects`, or the parameter of the path under `subject`",
        );
    }

    /// Everything that a decision is asked about.
    fn attributes(
        &self,
        answer: &BodyRule,
        body: Option<&BodyRule>,
        query: &QueryRule,
    ) -> Arc<[AttributeKey]> {
        let shapes = [Some(answer), body].into_iter().flatten();
        let numbers = shapes.flat_map(|rule| rule.shape.attributes().iter().copied());
        let mut keys: BTreeSet<AttributeKey> = numbers
            .filter_map(|number| self.schema.attribute(number))
            .map(|rule| rule.key.clone())
            .collect();
        keys.extend(answer.documents.values().cloned());
        for does in query.parameters.values() {
            match does {
                ParameterUse::Passed => {}
                ParameterUse::Filter(attribute) => {
                    keys.insert(attribute.clone());
                }
                ParameterUse::Sort(words) => keys.extend(words.values().flatten().cloned()),
            }
        }
        keys.into_iter().collect()
    }
}

/// What a body holds beside the subjects who are named in it.
#[derive(Default)]
struct Outside {
    passes: bool,
    attribute: Option<String>,
}

fn outside(body: &BodyRule) -> Outside {
    let shape = &body.shape;
    let mut inside_until = 0;
    let mut found = Outside::default();
    for (id, place) in shape.inside(shape.root()) {
        if id.index() < inside_until {
            continue;
        }
        if place.is_subject() {
            let last = shape.inside(id).last();
            inside_until = last.map_or(0, |(last, _)| last.index() + 1);
            continue;
        }
        match place.kind() {
            PlaceKind::Value(ValueUse::Attribute(_)) => {
                found.attribute = Some(place.path().to_owned());
            }
            PlaceKind::Value(value) => found.passes |= *value == ValueUse::Passed,
            PlaceKind::Object(members) => found.passes |= members.passes_others(),
            PlaceKind::List(_) => {}
        }
    }
    found
}

/// The line of the path that an error speaks of.
fn place_of(error: &ShapeError, named: &[(&Located<String>, PlaceUse)]) -> Option<Span> {
    let text = error.to_string();
    let mentions = |path: &str| text.contains(&format!("`{path}`"));
    // The last one written is the one that doesn't go with the others.
    let mut found = named.iter().rev();
    found
        .find(|(path, _)| mentions(&path.value))
        .map(|(path, _)| path.at)
}

/// `https://host:1/path` as origin and path.
fn split_origin(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |at| at + 3);
    let path = url.get(host..).and_then(|rest| rest.find(['/', '?', '#']));
    path.map_or((url, ""), |at| url.split_at(host + at))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

fn suggestion<'k>(wrong: &str, known: impl Iterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.collect();
    let all = known.join("`, `");
    nearest_word(wrong, &known).map_or_else(
        || format!("known: `{all}`"),
        |near| format!("did you mean `{near}`? known: `{all}`"),
    )
}
