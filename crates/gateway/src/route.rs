//! What the gateway knows of the business's own APIs: path → upstream, whose data it is, and which places of a body are which attributes.

mod build;
mod file;
pub(crate) mod load;
pub(crate) mod pattern;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::body_shape::BodyShape;
use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::profile::AttributeKey;
use domain::sensitive::Sensitive;
use governance::disclosure::{Limits, SubjectAsked};
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::uri::{Authority, Scheme};
use hyper::{HeaderMap, Method};
use tokio::sync::Semaphore;

use crate::counts::RouteCounts;
use crate::learn::Observed;
use crate::query::QueryRule;
use pattern::{Parameters, Pattern};

/// All routes: immutable, swapped whole.
#[derive(Debug, Default)]
pub struct Routes {
    /// The more fixed a path is, the earlier it stands.
    routes: Vec<Arc<Route>>,
}

/// One path of the business's own API.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) key: String,
    pub(crate) path: Pattern,
    /// As people wrote it: what the log says in place of a call's own path.
    pub(crate) written: String,
    pub(crate) methods: Vec<Method>,
    /// Without one, the route only answers Envoy.
    pub(crate) upstream: Option<Upstream>,
    /// The parameter of the path that finds the subject.
    pub(crate) subject: Option<(usize, KnownBy)>,
    pub(crate) answer: BodyRule,
    pub(crate) body: Option<BodyRule>,
    pub(crate) query: QueryRule,
    /// Headers from the recipient that the upstream gets.
    pub(crate) to_upstream: Vec<HeaderName>,
    /// Headers from the upstream that the recipient gets.
    pub(crate) to_recipient: Vec<HeaderName>,
    pub(crate) bounds: Bounds,
    /// Every attribute that the route knows: what is asked for.
    pub(crate) attributes: Arc<[AttributeKey]>,
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) counts: Arc<RouteCounts>,
    /// Where the shapes of answers are noted.
    pub(crate) observed: Option<Arc<Observed>>,
}

/// Where the business's own API is.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    pub(crate) path: Pattern,
    /// How we show who we are. Marked as sensitive, so that nothing prints it.
    pub(crate) authorization: Option<(HeaderName, HeaderValue)>,
}

/// By what a subject is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KnownBy {
    /// Our own id of her.
    Id,
    /// An identifier.
    Identifier(IdentifierKind),
}

/// What is known of a body.
#[derive(Debug)]
pub(crate) struct BodyRule {
    pub(crate) shape: Arc<BodyShape>,
    /// By what the subjects whose keys are in it are found.
    pub(crate) known_by: KnownBy,
    /// Content types that are no JSON, and the attribute that such an answer is.
    pub(crate) documents: BTreeMap<String, AttributeKey>,
}

/// Bounds of one route.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    pub(crate) answer_bytes: u64,
    pub(crate) body_bytes: u64,
    pub(crate) held_back_bytes: usize,
    pub(crate) depth: u32,
    pub(crate) until_answer: Duration,
    pub(crate) pause: Duration,
    pub(crate) whole: Duration,
    pub(crate) calls_at_once: usize,
}

/// Which route a path leads to.
pub(crate) enum Found<'r> {
    /// This one.
    Route(&'r Arc<Route>, Parameters),
    /// There is one, for other methods.
    OtherMethods(Vec<&'r Method>),
    /// None.
    Nothing,
}

impl Routes {
    /// Puts routes into the order in which they are looked at.
    pub(crate) fn new(mut routes: Vec<Arc<Route>>) -> Self {
        routes.sort_by_key(|route| route.path.rank());
        Self { routes }
    }

    /// The route for a call.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Found<'_> {
        let Some(segments) = pattern::segments(path) else {
            return Found::Nothing;
        };
        let mut others = Vec::new();
        for route in &self.routes {
            let Some(parameters) = route.path.matches(&segments) else {
                continue;
            };
            if route.takes(method) {
                return Found::Route(route, parameters);
            }
            others.extend(&route.methods);
        }
        if others.is_empty() {
            Found::Nothing
        } else {
            Found::OtherMethods(others)
        }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }
}

impl Route {
    fn takes(&self, method: &Method) -> bool {
        let is_read = method == Method::HEAD && self.methods.contains(&Method::GET);
        is_read || self.methods.contains(method)
    }

    /// The subject that the path names.
    pub(crate) fn subject_in(&self, parameters: &Parameters) -> Option<SubjectAsked> {
        let (at, known_by) = self.subject.as_ref()?;
        let key = parameters.get(*at).unwrap_or_default();
        Some(known_by.subject(&Sensitive::new(key.to_owned())))
    }

    /// The filter's limits for an answer.
    pub(crate) fn answer_limits(&self) -> Limits {
        Limits {
            depth: self.bounds.depth,
            hold_back: self.bounds.held_back_bytes,
            body: Some(self.bounds.answer_bytes),
            ..Limits::default()
        }
    }

    /// The check's limits for a body that is written.
    pub(crate) fn body_limits(&self) -> Limits {
        Limits {
            depth: self.bounds.depth,
            body: Some(self.bounds.body_bytes),
            ..Limits::default()
        }
    }

    /// The recipient's headers that the upstream gets.
    pub(crate) fn headers_to_upstream(&self, from: &HeaderMap) -> HeaderMap {
        passed(&self.to_upstream, from)
    }

    /// The upstream's headers that the recipient gets.
    pub(crate) fn headers_to_recipient(&self, from: &HeaderMap) -> HeaderMap {
        passed(&self.to_recipient, from)
    }
}

fn passed(names: &[HeaderName], from: &HeaderMap) -> HeaderMap {
    let mut to = HeaderMap::with_capacity(names.len() + 8);
    for name in names {
        for value in from.get_all(name) {
            to.append(name.clone(), value.clone());
        }
    }
    to
}

impl KnownBy {
    /// Whom a key means. A text that is no id of ours is asked for like one: as somebody whom nobody knows.
    #[expect(
        clippy::disallowed_methods,
        reason = "the key goes to the decision and nowhere else"
    )]
    pub(crate) fn subject(&self, key: &Sensitive<String>) -> SubjectAsked {
        match self {
            Self::Id => SubjectAsked::Id(key.expose().parse().unwrap_or_else(|_| nobody())),
            Self::Identifier(kind) => SubjectAsked::Identifier(kind.clone(), key.clone()),
        }
    }
}

/// An id that we never make.
fn nobody() -> SubjectId {
    SubjectId::from_uuid(uuid::Uuid::nil())
}
