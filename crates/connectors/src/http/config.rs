//! The declaration of an HTTP service: where it is, how we sign in, and for each collection which call lists, erases and
//! corrects its items.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use domain::sensitive::Sensitive;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// An HTTP service that speaks JSON. See [`crate::http`] for a complete example.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Where the service's API begins; paths of calls are appended to it.
    pub base_url: String,
    /// How we sign in; nothing when absent.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// How long one call may take, answer included.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: NonZeroU32,
    /// Calls a second, at most; as many as go when absent.
    #[serde(default)]
    pub rate_limit_per_second: Option<NonZeroU32>,
    /// How often a call is repeated after 429, a 5xx or a lost connection. Never after another 4xx.
    #[serde(default = "default_retries")]
    pub retries: u32,
    /// How long the first repetition waits when the service doesn't say; each further one waits twice as long.
    #[serde(default = "default_retry_wait_milliseconds")]
    pub retry_wait_milliseconds: u64,
    /// Headers that go with every call. For secrets use `auth`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The largest answer to one call, in bytes.
    #[serde(default = "default_max_page_bytes")]
    pub max_page_bytes: usize,
    /// Allows `http://` to a host that isn't this machine. Personal data then travels in clear.
    #[serde(default)]
    pub allow_insecure: bool,
    /// Certificates (PEM) of the authority that signs the service's certificate, where it isn't a public one.
    #[serde(default)]
    pub trusted_ca: Option<String>,
    /// A path that answers 2xx to whoever may read; used by `privity doctor`.
    #[serde(default)]
    pub check: Option<String>,
    /// Collections by name: the name of the collection's `table` in the data map.
    pub collections: BTreeMap<String, CollectionConfig>,
}

/// How we sign in to an HTTP service.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// `Authorization: Bearer …`.
    Bearer(Sensitive<String>),
    /// `Authorization: Basic …`.
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: Sensitive<String>,
    },
    /// A header of the service's own.
    Header {
        /// Its name.
        name: String,
        /// The secret.
        value: Sensitive<String>,
    },
    /// A parameter in the query. The weakest way: it ends in the service's access logs.
    Query {
        /// Its name.
        name: String,
        /// The secret.
        value: Sensitive<String>,
    },
    /// OAuth 2.0 client credentials (RFC 6749 section 4.4); the token is renewed when it expires.
    OauthClientCredentials {
        /// Where tokens are issued.
        token_url: String,
        /// Our client id.
        client_id: String,
        /// Our secret.
        client_secret: Sensitive<String>,
        /// The scope asked for.
        #[serde(default)]
        scope: Option<String>,
    },
}

/// The calls for one collection.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectionConfig {
    /// The member that identifies an item, as a dot path.
    #[serde(default = "default_id")]
    pub id: String,
    /// Calls that list items: one or several, each for the look-up that it names in `by`.
    #[serde(default, deserialize_with = "one_or_several")]
    pub list: Vec<ListCall>,
    /// The call that lists every item, or with `{since}` in its query those that changed since a watermark: how profiles are filled.
    /// Where it is absent, the list without `by` serves.
    #[serde(default)]
    pub scan: Option<ListCall>,
    /// The path of one item, asked before it is called residue: an item that answers 404 or 410 is gone, even if the list is behind.
    #[serde(default)]
    pub get: Option<String>,
    /// The call that erases one item.
    #[serde(default)]
    pub erase: Option<ItemCall>,
    /// The call that overwrites members of one item; used by corrections and by redaction.
    #[serde(default)]
    pub correct: Option<ItemCall>,
    /// Where `describe` learns which members an item has.
    #[serde(default)]
    pub describe: Option<DescribeConfig>,
}

/// A call that lists items.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListCall {
    /// The fields of the look-up that it serves; none when it lists every item, which we then compare ourselves.
    #[serde(default)]
    pub by: Vec<String>,
    /// GET, or POST for services that search by POST.
    #[serde(default)]
    pub method: ListMethod,
    /// The path, with `{field}` for values of the look-up.
    pub path: String,
    /// Parameters of the query, with `{field}` for values of the look-up.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// A JSON body for POST, with `{field}` in its texts.
    #[serde(default)]
    pub body: Option<serde_json::Value>,
    /// JSON pointer to the list of items; the whole answer when empty.
    #[serde(default)]
    pub items: String,
    /// How further pages are asked for.
    #[serde(default)]
    pub pagination: Pagination,
    /// Statuses by which the service says that there are no items, e.g. 404 for a customer that it doesn't know. None by
    /// default: a mistyped path answers 404 as well, and must not look like a subject without data.
    #[serde(default)]
    pub empty: Vec<u16>,
    /// Set when the service's answer is only about the values of the look-up although its items don't repeat them, as in
    /// `/customers/{customer_id}/notes`. Else an item that lacks a field of the look-up is refused.
    #[serde(default)]
    pub scoped: bool,
}

/// Methods that may list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ListMethod {
    /// GET.
    #[default]
    Get,
    /// POST.
    Post,
}

/// Methods that may change an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ItemMethod {
    /// DELETE.
    Delete,
    /// PATCH.
    Patch,
    /// PUT.
    Put,
    /// POST, for services with a path such as `/tickets/{id}/redact`.
    Post,
}

/// A call that changes one item.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemCall {
    /// The method.
    pub method: ItemMethod,
    /// The path, with `{id}` for the item.
    pub path: String,
    /// The body. A text that is exactly `{values}` becomes an object of the new values; without a body, a correction sends that object.
    #[serde(default)]
    pub body: Option<serde_json::Value>,
    /// Statuses that mean done; 404 and 410 mean that the item is gone already.
    #[serde(default = "default_ok")]
    pub ok: Vec<u16>,
}

/// How further pages are asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Pagination {
    /// One answer has everything.
    #[default]
    None,
    /// By number.
    Page {
        /// The parameter for the page's number.
        parameter: String,
        /// The parameter for the number of items a page.
        #[serde(default)]
        size_parameter: Option<String>,
        /// Items a page. A shorter page is not taken for the last one, since a service may give less than was asked for: an empty one is.
        #[serde(default)]
        size: Option<u64>,
        /// The number of the first page.
        #[serde(default = "default_start")]
        start: u64,
    },
    /// By a mark that each answer names for the next one.
    Cursor {
        /// The parameter that takes the mark.
        parameter: String,
        /// JSON pointer to the mark, or to the URL of the next page; absent, null or empty on the last one.
        next: String,
    },
    /// By the number of items that went before.
    Offset {
        /// The parameter for the number of items to skip.
        parameter: String,
        /// The parameter for the number of items a page.
        #[serde(default)]
        size_parameter: Option<String>,
        /// Items a page.
        size: u64,
    },
    /// By a `Link` header with `rel="next"` (RFC 8288).
    LinkHeader,
}

/// Where `describe` learns which members an item has.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DescribeConfig {
    /// From an OpenAPI document.
    Openapi {
        /// Path of the document (JSON).
        path: String,
        /// JSON pointer to the item's schema, e.g. `/components/schemas/Ticket`.
        schema: String,
    },
    /// From some items of a call without personal values in it.
    Sample {
        /// Path with its query, e.g. `/tickets?per_page=50`.
        path: String,
        /// JSON pointer to the list of items; the whole answer when empty.
        #[serde(default)]
        items: String,
    },
}

const fn default_timeout_seconds() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(29)
}
const fn default_retries() -> u32 {
    4
}
const fn default_retry_wait_milliseconds() -> u64 {
    500
}
const fn default_max_page_bytes() -> usize {
    16 * 1024 * 1024
}
const fn default_start() -> u64 {
    1
}
fn default_id() -> String {
    "id".to_owned()
}
fn default_ok() -> Vec<u16> {
    vec![200, 201, 202, 204, 404, 410]
}

/// Accepts one call or a list of them, and keeps serde's precise errors, which an untagged enum would lose.
fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ListCall>, D::Error> {
    struct OneOrSeveral;
    impl<'de> Visitor<'de> for OneOrSeveral {
        type Value = Vec<ListCall>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a call that lists, or a list of them")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            ListCall::deserialize(MapAccessDeserializer::new(map)).map(|call| vec![call])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(seq))
        }
    }
    deserializer.deserialize_any(OneOrSeveral)
}
