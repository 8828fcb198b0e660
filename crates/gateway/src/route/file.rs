//! The shape of a file of routes, as people write it.

use governance::data_map::{Entries, Located};
use serde::Deserialize;

/// A file of routes; the files of one folder are read as one set.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteFile {
    /// Routes by key; the key is what metrics and the log call it.
    #[serde(default)]
    pub(super) routes: Entries<RouteText>,
}

/// One path of the business's own API.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteText {
    /// The path that recipients call: `/customers/{number}`.
    pub(super) path: Located<String>,
    /// `GET`, `POST`, `PUT`, `PATCH`; `GET` if left out. Who may `GET` may `HEAD`.
    #[serde(default)]
    pub(super) methods: Vec<Located<String>>,
    /// Where the business's own API is: `https://shop.internal/api/customers/{number}`. Without it, the route only answers Envoy.
    pub(super) upstream: Option<Located<String>>,
    /// Whether the upstream may be another machine without TLS.
    #[serde(default)]
    pub(super) allow_insecure: bool,
    /// How we show the upstream who we are.
    pub(super) authorization: Option<Located<AuthorizationText>>,
    /// Whose data it is, where the path says so.
    pub(super) subject: Option<Located<SubjectText>>,
    /// What is known of the answer.
    pub(super) answer: Located<BodyText>,
    /// What is known of a body that is written.
    pub(super) body: Option<Located<BodyText>>,
    /// Parameters of the query.
    #[serde(default)]
    pub(super) query: QueryText,
    /// Headers that are passed beside those that always are.
    #[serde(default)]
    pub(super) headers: HeadersText,
    /// Bounds.
    #[serde(default)]
    pub(super) limits: Located<LimitsText>,
    /// Whether the shapes of answers are noted (names and types, never values).
    #[serde(default)]
    pub(super) learn: bool,
}

/// A header with a secret.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthorizationText {
    /// Its name; `Authorization` if left out.
    pub(super) header: Option<Located<String>>,
    /// Its value, from the environment: `Bearer ${SHOP_TOKEN}`.
    pub(super) value: Located<String>,
}

/// The parameter of the path that finds the subject.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubjectText {
    /// Its name.
    pub(super) parameter: Located<String>,
    /// Which identifier it is; our own id of the subject if left out.
    pub(super) identifier: Option<Located<String>>,
}

/// A JSON body.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BodyText {
    /// Whether it is one JSON value a line.
    #[serde(default)]
    pub(super) lines: bool,
    /// Paths that hold attributes: `$.email: email`.
    #[serde(default)]
    pub(super) attributes: Entries<String>,
    /// Paths that say nothing about a subject, and pass as they are.
    #[serde(default)]
    pub(super) passed: Vec<Located<String>>,
    /// Objects about a subject each, and the path of her key in it: `$.customers[*]: $.customers[*].number`.
    #[serde(default)]
    pub(super) subjects: Entries<String>,
    /// Which identifier those keys are; our own ids of subjects if left out.
    pub(super) identifier: Option<Located<String>>,
    /// Content types that are no JSON, and the attribute that such an answer is as a whole: `application/pdf: purchases`.
    #[serde(default)]
    pub(super) documents: Entries<String>,
}

/// What parameters of the query do.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueryText {
    /// They say nothing about a subject: a page number.
    #[serde(default)]
    pub(super) passed: Vec<Located<String>>,
    /// They select by an attribute: `email: email`.
    #[serde(default)]
    pub(super) filter: Entries<String>,
    /// They sort; what each word sorts by, nothing for what tells nothing: `sort: { name: last_name, id: }`.
    #[serde(default)]
    pub(super) sort: Entries<Entries<Option<String>>>,
}

/// Headers that are passed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeadersText {
    /// From the recipient to the upstream.
    #[serde(default)]
    pub(super) to_upstream: Vec<Located<String>>,
    /// From the upstream to the recipient. Their values are not filtered: only for what says nothing about a subject.
    #[serde(default)]
    pub(super) to_recipient: Vec<Located<String>>,
}

/// Bounds; each has a default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsText {
    /// The longest answer, in bytes, after decoding; 16 MiB.
    pub(super) answer_bytes: Option<u64>,
    /// The longest body of a write, in bytes; 256 KiB.
    pub(super) body_bytes: Option<u64>,
    /// Answers up to here are held back until their end was seen, so that a broken one is answered with an error; 64 KiB.
    pub(super) held_back_bytes: Option<u64>,
    /// Lists and objects inside of each other; 64.
    pub(super) depth: Option<u32>,
    /// Until the upstream's answer begins; 30 seconds.
    pub(super) answer_seconds: Option<u32>,
    /// Between two pieces of it; 10 seconds.
    pub(super) pause_seconds: Option<u32>,
    /// Until its end; 300 seconds.
    pub(super) whole_seconds: Option<u32>,
    /// Calls of the upstream at the same time; 256.
    pub(super) calls_at_once: Option<u32>,
}
