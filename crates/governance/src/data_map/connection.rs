//! How source systems and recipients are reached: from the map's files, with `${NAME}` taken from the environment, to
//! connectors and channels.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connectors::email::{EmailChannel, EmailConfig, Mailer};
use connectors::http::{HttpConfig, HttpConnector};
use connectors::manual::{ManualConfig, ManualConnector};
use connectors::mysql::{MysqlConfig, MysqlConnector};
use connectors::opendsr::{OpendsrChannel, OpendsrConfig};
use connectors::postgres::{PostgresConfig, PostgresConnector};
use connectors::sqlite::{SqliteConfig, SqliteConnector};
use connectors::webhook::{WebhookChannel, WebhookConfig};
use connectors::{Channel, ChannelError, Connector, ConnectorError};
use domain::data_map::{DataMap, RecipientKey, SystemKey, SystemKind};
use domain::recipient::ChannelKind;
use domain::time::Clock;
use serde::de::DeserializeOwned;

use super::LoadedMap;
use super::nearest::nearest;
use super::read::{Mistake, read};
use super::tree::{Node, Span, Value};

/// How one source system is reached.
#[derive(Clone)]
pub enum Connection {
    /// A SQLite file.
    Sqlite(SqliteConfig),
    /// PostgreSQL.
    Postgres(PostgresConfig),
    /// MySQL or MariaDB.
    Mysql(MysqlConfig),
    /// An HTTP service that speaks JSON.
    Http(HttpConfig),
    /// A named operator does the work by hand.
    Manual(ManualConfig),
}

/// How one recipient is told.
#[derive(Clone)]
pub enum ChannelConfig {
    /// A webhook signed by Standard Webhooks.
    Webhook(WebhookConfig),
    /// OpenDSR 2.0.
    Opendsr(OpendsrConfig),
    /// An e-mail with a link.
    Email(EmailConfig),
}

impl Connection {
    /// Which kind of connector.
    pub const fn kind(&self) -> SystemKind {
        match self {
            Self::Sqlite(_) => SystemKind::Sqlite,
            Self::Postgres(_) => SystemKind::Postgres,
            Self::Mysql(_) => SystemKind::Mysql,
            Self::Http(_) => SystemKind::Http,
            Self::Manual(_) => SystemKind::Manual,
        }
    }

    /// The connector itself. `map` tells it where the collections are; with `with_samples` its descriptions bring sample values.
    pub fn connect(
        &self,
        system: &SystemKey,
        map: &DataMap,
        with_samples: bool,
    ) -> Result<Arc<dyn Connector>, ConnectorError> {
        let system = system.clone();
        let collections = map.collections.values();
        Ok(match self.clone() {
            Self::Sqlite(config) => Arc::new(
                SqliteConnector::new(system, config)
                    .with_samples(with_samples)
                    .with_collections(collections),
            ),
            Self::Postgres(config) => Arc::new(
                PostgresConnector::new(system, config)
                    .with_samples(with_samples)
                    .with_collections(collections),
            ),
            Self::Mysql(config) => Arc::new(
                MysqlConnector::new(system, config)
                    .with_samples(with_samples)
                    .with_collections(collections),
            ),
            Self::Http(config) => {
                Arc::new(HttpConnector::new(system, config)?.with_samples(with_samples))
            }
            Self::Manual(config) => Arc::new(ManualConnector::new(system, config)),
        })
    }

    pub(super) fn read(node: &Node, folder: &Path) -> Result<Self, Vec<Mistake>> {
        let (kind, rest) = kind_of(node, &["sqlite", "postgres", "mysql", "http", "manual"])?;
        match kind.as_str() {
            "sqlite" => config::<SqliteConfig>(&in_folder(rest, folder)).map(Self::Sqlite),
            "postgres" => config(&rest).map(Self::Postgres),
            "mysql" => config(&rest).map(Self::Mysql),
            "http" => config(&rest).map(Self::Http),
            _ => config(&rest).map(Self::Manual),
        }
    }
}

impl ChannelConfig {
    /// Which kind of channel.
    pub const fn kind(&self) -> ChannelKind {
        match self {
            Self::Webhook(_) => ChannelKind::Webhook,
            Self::Opendsr(_) => ChannelKind::Opendsr,
            Self::Email(_) => ChannelKind::Email,
        }
    }

    /// The channel itself.
    pub fn open(
        &self,
        recipient: &RecipientKey,
        clock: &Arc<dyn Clock>,
        mailer: &Arc<Mailer>,
    ) -> Result<Arc<dyn Channel>, ChannelError> {
        let (recipient, clock) = (recipient.clone(), Arc::clone(clock));
        Ok(match self.clone() {
            Self::Webhook(config) => Arc::new(WebhookChannel::new(recipient, config, clock)?),
            Self::Opendsr(config) => Arc::new(OpendsrChannel::new(recipient, config, clock)?),
            Self::Email(config) => {
                Arc::new(EmailChannel::new(recipient, config, Arc::clone(mailer))?)
            }
        })
    }

    pub(super) fn read(node: &Node) -> Result<Self, Vec<Mistake>> {
        let (kind, rest) = kind_of(node, &["webhook", "opendsr", "email"])?;
        match kind.as_str() {
            "webhook" => config(&rest).map(Self::Webhook),
            "opendsr" => config(&rest).map(Self::Opendsr),
            _ => config(&rest).map(Self::Email),
        }
    }
}

/// Connectors for all source systems of a map. Nothing is reached yet; a configuration that can't work is refused.
pub fn connect(
    loaded: &LoadedMap,
) -> Result<BTreeMap<SystemKey, Arc<dyn Connector>>, ConnectorError> {
    loaded
        .connections
        .iter()
        .map(|(system, connection)| {
            Ok((
                system.clone(),
                connection.connect(system, &loaded.map, false)?,
            ))
        })
        .collect()
}

/// Channels to all recipients of a map; `mailer` sends the e-mails among them.
pub fn channels(
    loaded: &LoadedMap,
    clock: &Arc<dyn Clock>,
    mailer: &Arc<Mailer>,
) -> Result<BTreeMap<RecipientKey, Arc<dyn Channel>>, ChannelError> {
    loaded
        .channels
        .iter()
        .map(|(recipient, config)| Ok((recipient.clone(), config.open(recipient, clock, mailer)?)))
        .collect()
}

/// The `kind` of a connection or channel, and everything else in it.
fn kind_of(node: &Node, known: &[&'static str]) -> Result<(String, Node), Vec<Mistake>> {
    let listed = || {
        format!(
            "write `kind:` and one of {}",
            known
                .iter()
                .map(|kind| format!("`{kind}`"))
                .collect::<Vec<_>>()
                .join(", ")
        )
    };
    let Some(kind) = node.get("kind") else {
        return Err(vec![Mistake {
            at: node.at,
            message: "`kind` is missing".to_owned(),
            what_to_do: listed(),
        }]);
    };
    match &kind.value {
        Value::Text(word) if known.contains(&word.as_str()) => {
            let rest = node
                .entries()
                .iter()
                .filter(|(key, _)| key.text != "kind")
                .cloned()
                .collect();
            Ok((
                word.clone(),
                Node {
                    value: Value::Map(rest),
                    at: node.at,
                },
            ))
        }
        value => {
            let near = if let Value::Text(word) = value {
                nearest(word, known.iter().copied())
            } else {
                None
            };
            let what_to_do = near.map_or_else(listed, |near| format!("did you mean `{near}`?"));
            Err(vec![Mistake {
                at: kind.at,
                message: "this kind is not known".to_owned(),
                what_to_do,
            }])
        }
    }
}

fn config<T: DeserializeOwned>(node: &Node) -> Result<T, Vec<Mistake>> {
    let reading = read::<T>(node);
    match reading.value {
        Some(config) if reading.mistakes.is_empty() => Ok(config),
        _ => Err(reading.mistakes),
    }
}

/// A SQLite file named without its folder lies beside the file that names it.
fn in_folder(mut node: Node, folder: &Path) -> Node {
    if let Value::Map(entries) = &mut node.value {
        for (_, value) in entries.iter_mut().filter(|(key, _)| key.text == "path") {
            if let Value::Text(path) = &mut value.value
                && Path::new(path.as_str()).is_relative()
            {
                *path = PathBuf::from(folder)
                    .join(path.as_str())
                    .to_string_lossy()
                    .into_owned();
            }
        }
    }
    node
}

/// Puts the environment's values in place of `${NAME}` in all texts below a node; `$$` stands for one `$`.
pub(super) fn expand(
    node: &mut Node,
    env: &dyn Fn(&str) -> Option<String>,
    mistakes: &mut Vec<Mistake>,
) {
    match &mut node.value {
        Value::Map(entries) => entries
            .iter_mut()
            .for_each(|(_, node)| expand(node, env, mistakes)),
        Value::List(items) => items
            .iter_mut()
            .for_each(|item| expand(item, env, mistakes)),
        Value::Text(text) if text.contains('$') => *text = expanded(text, node.at, env, mistakes),
        _ => {}
    }
}

fn expanded(
    text: &str,
    at: Span,
    env: &dyn Fn(&str) -> Option<String>,
    mistakes: &mut Vec<Mistake>,
) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        if let Some(tail) = after.strip_prefix('$') {
            result.push('$');
            rest = tail;
        } else if let Some((name, tail)) = after
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'))
        {
            match env(name) {
                Some(value) => result.push_str(&value),
                None => mistakes.push(unset(name, at)),
            }
            rest = tail;
        } else {
            result.push('$');
            rest = after;
        }
    }
    result.push_str(rest);
    result
}

fn unset(name: &str, at: Span) -> Mistake {
    let message = format!("the environment variable `{name}` is not set");
    Mistake {
        at,
        message,
        what_to_do: format!(
            "set it before starting, for instance `export {name}=...`; `$$` stands for a single dollar sign"
        ),
    }
}
