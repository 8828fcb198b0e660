//! An HTTP service that speaks JSON as a source system: declared, not programmed.
//!
//! A complete declaration of a help desk, as it stands in the configuration:
//!
//! ```yaml
//! base_url: https://desk.example/api/v2
//! auth:
//!   bearer: the-token            # or basic, header, query, oauth_client_credentials
//! timeout_seconds: 30
//! rate_limit_per_second: 10
//! retries: 4
//! headers:
//!   Accept-Language: en
//! check: /me
//! collections:
//!   tickets:
//!     id: id
//!     list:
//!       - by: [requester.email]  # members of members are fields with dots
//!         path: /tickets
//!         query:
//!           email: "{requester.email}"
//!         items: /data/items
//!         pagination:
//!           page: { parameter: page, size_parameter: per_page, size: 100, start: 1 }
//!       - by: [customer_id]
//!         path: /customers/{customer_id}/tickets
//!         items: /data/items
//!         pagination: link_header
//!         scoped: true           # items don't repeat the customer's id
//!     scan:                      # for `privity profile sync`: every item, or those that changed since
//!       path: /tickets
//!       query: { updated_since: "{since}" }
//!       items: /data/items
//!       pagination: link_header
//!     get: /tickets/{id}
//!     erase: { method: DELETE, path: "/tickets/{id}", ok: [200, 204, 404, 410] }
//!     correct: { method: PATCH, path: "/tickets/{id}", body: { ticket: "{values}" } }
//!     describe:
//!       sample: { path: "/tickets?per_page=50", items: /data/items }
//! ```
//!
//! Services search loosely and page strangely. So every item that a list brings is compared again with the look-up before it
//! counts as the subject's; a list whose items can't be compared is refused; the same page twice is refused; and nothing that
//! the service answers, redirects and links included, makes us send credentials or values to another host.
//!
//! There are no transactions: an erasure goes item by item, 404 and 410 mean that the item is gone already, and what broke off
//! is repeated. Between a look and a deletion somebody may add a reference; the service itself has to refuse that.

mod config;
mod describe;
mod erase;
mod find;
mod item;
pub(crate) mod outbound;
mod pages;
mod scan;
mod search;
mod service;
mod template;

use std::sync::Arc;

use async_trait::async_trait;
use domain::data_map::{Collection, CollectionKey, FieldName, SystemKey};
use domain::plan::{EraseStep, Erased, Erasure, LocatedRow, Search};
use domain::progress::Progress;
use domain::row::{FoundRow, JsonValue};
use domain::sensitive::Sensitive;

pub use config::{
    Auth, CollectionConfig, DescribeConfig, HttpConfig, ItemCall, ItemMethod, ListCall, ListMethod,
    Pagination,
};

use crate::connector::{Connector, ConnectorError, Description, Remaining};
use crate::scan::{Batch, Mark, Scan};
use service::Service;
use template::places;

/// Reaches an HTTP service.
pub struct HttpConnector {
    config: HttpConfig,
    service: Service,
    with_samples: bool,
}

impl HttpConnector {
    /// A connector for `system`; refuses a declaration that can't work. Connects on first use.
    pub fn new(system: SystemKey, config: HttpConfig) -> Result<Self, ConnectorError> {
        let service = Service::new(system, &config)?;
        for (name, collection) in &config.collections {
            check(collection).map_err(|reason| {
                service.failed(
                    "reading its configuration",
                    &format!("`collections.{name}`: {reason}"),
                )
            })?;
        }
        Ok(Self {
            config,
            service,
            with_samples: false,
        })
    }

    /// Whether `describe` keeps some values of each field, to guess its category by.
    #[must_use]
    pub fn with_samples(mut self, with_samples: bool) -> Self {
        self.with_samples = with_samples;
        self
    }
}

/// Refuses calls whose places no look-up can fill.
fn check(collection: &CollectionConfig) -> Result<(), String> {
    for list in &collection.list {
        let texts = list.query.values().chain(std::iter::once(&list.path));
        check_path(&list.path)?;
        check_pointer(&list.items)?;
        for text in texts {
            check_places(text, &list.by)?;
        }
        let used: String = list
            .query
            .values()
            .chain([&list.path])
            .chain(list.body.as_ref().map(ToString::to_string).iter())
            .map(String::as_str)
            .collect();
        if let Some(unused) = list
            .by
            .iter()
            .find(|by| !used.contains(&format!("{{{by}}}")))
        {
            return Err(format!("the list by `{unused}` doesn't use `{{{unused}}}`"));
        }
    }
    if let Some(scan) = &collection.scan {
        check_scan(scan)?;
    }
    let id = ["id".to_owned()];
    let calls = [&collection.erase, &collection.correct]
        .into_iter()
        .flatten()
        .map(|call| &call.path);
    for path in calls.chain(&collection.get) {
        check_path(path)?;
        check_places(path, &id)?;
        if !path.contains("{id}") {
            return Err(format!(
                "`{path}` doesn't use `{{id}}` and would change more than one item"
            ));
        }
    }
    Ok(())
}

fn check_scan(scan: &ListCall) -> Result<(), String> {
    check_path(&scan.path)?;
    check_pointer(&scan.items)?;
    if !scan.by.is_empty() || scan.scoped {
        return Err("the `scan` has `by` or `scoped`, which are for lists by a look-up".to_owned());
    }
    let body = scan.body.as_ref().map(ToString::to_string);
    if body.is_some_and(|body| body.contains("{since}")) || !places(&scan.path)?.is_empty() {
        return Err("the `scan` can take `{since}` in its `query` alone".to_owned());
    }
    let since = [scan::SINCE.to_owned()];
    scan.query
        .values()
        .try_for_each(|text| check_places(text, &since))
}

fn check_path(path: &str) -> Result<(), String> {
    if path.starts_with('/') {
        Ok(())
    } else {
        Err(format!("`{path}` must begin with `/`"))
    }
}

fn check_pointer(pointer: &str) -> Result<(), String> {
    let valid = pointer.is_empty() || pointer.starts_with('/');
    if valid {
        Ok(())
    } else {
        Err(format!(
            "`{pointer}` is not a JSON pointer; it should look like `/data/items`"
        ))
    }
}

fn check_places(text: &str, known: &[String]) -> Result<(), String> {
    match places(text)?
        .into_iter()
        .find(|name| known.iter().all(|known| known != name))
    {
        Some(name) => Err(format!(
            "`{text}` uses `{{{name}}}`, which isn't one of `{}`",
            known.join("`, `")
        )),
        None => Ok(()),
    }
}

#[async_trait]
impl Connector for HttpConnector {
    async fn describe_watched(&self, _progress: &Progress) -> Result<Description, ConnectorError> {
        self.describe_all().await
    }

    async fn locate(
        &self,
        search: &Search,
        page: &mut (dyn FnMut(Vec<LocatedRow>) -> Result<(), ConnectorError> + Send),
    ) -> Result<(), ConnectorError> {
        self.locate_items(search, page).await
    }

    async fn export(
        &self,
        search: &Search,
        page: &mut (dyn FnMut(Vec<FoundRow>) -> Result<(), ConnectorError> + Send),
    ) -> Result<(), ConnectorError> {
        self.export_items(search, page).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Batch, ConnectorError> {
        self.scan_items(scan).await
    }

    /// A service can't be asked for it; each batch tells its own.
    async fn newest(
        &self,
        _collection: &Arc<Collection>,
        _watermark: &FieldName,
    ) -> Result<Option<Mark>, ConnectorError> {
        Ok(None)
    }

    async fn count(&self, _scan: &Scan) -> Result<Option<u64>, ConnectorError> {
        Ok(None)
    }

    async fn correct(
        &self,
        search: &Search,
        values: &[(FieldName, Sensitive<JsonValue>)],
    ) -> Result<u64, ConnectorError> {
        self.correct_items(search, values).await
    }

    async fn erase(
        &self,
        erasure: &Erasure,
    ) -> Result<Vec<(CollectionKey, Erased)>, ConnectorError> {
        self.erase_all(erasure).await
    }

    async fn confirm_absent(&self, steps: &[EraseStep]) -> Result<Vec<Remaining>, ConnectorError> {
        self.remaining(steps).await
    }

    async fn check(&self) -> Result<String, ConnectorError> {
        self.check_reachable().await
    }
}
