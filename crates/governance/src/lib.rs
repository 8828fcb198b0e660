//! The use cases of Privity, one file each, top to bottom; and the tasks that carry them on until they are done.
//!
//! This is the only crate that may ask `enforcement` for a decision: see [`disclosure`].

mod claim;
pub mod consent;
pub mod data_map;
mod deciding;
pub mod disclosure;
pub mod doctor;
pub mod evidence;
pub mod housekeeping;
pub mod identity;
pub mod key;
pub mod law;
pub mod legal_hold;
pub mod letter;
pub mod operator;
pub mod policy;
pub mod privacy_request;
mod problem;
pub mod profile;
pub mod reconcile;
mod recorder;
mod requester;
mod search;
pub mod settings;
pub mod signal;
mod start;
pub mod view;
mod work;
pub mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors::email::Mailer;
use connectors::{Channels, Connector};
use domain::audit::{Appended, NewRecord};
use domain::data_map::graph::SearchGraph;
use domain::data_map::{DataMap, SystemKey};
use domain::law::LawBook;
use domain::progress::Progress;
use domain::rng::Rng;
use domain::time::Clock;
use jiff::Timestamp;
use storage::{Database, Tx};

pub use connectors::ReceivedAnswer;
pub use problem::Problem;
pub use start::{start, start_watched, system_clock, system_rng};

use crate::search::SearchError;
use crate::settings::Settings;

/// The program: everything that a use case needs. Clones share it.
#[derive(Clone)]
pub struct Privity {
    parts: Arc<Parts>,
}

struct Parts {
    settings: Settings,
    database: Database,
    keys: key::Held,
    law: LawBook,
    /// What a profile may hold; without it there are none.
    schema: Option<Arc<domain::profile::Schema>>,
    /// From which collections profiles are filled.
    mappings: Vec<profile::Mapping>,
    /// How SCIM clients fill profiles.
    scim: Option<profile::ScimMapping>,
    loaded: data_map::LoadedMap,
    graph: Arc<SearchGraph>,
    connectors: BTreeMap<SystemKey, Arc<dyn Connector>>,
    channels: Channels,
    mailer: Arc<Mailer>,
    deciding: deciding::Vocabulary,
    consent: consent::ConsentBook,
    /// Whose tokens recipients may show.
    identity_providers: connectors::identity_provider::IdentityProviders,
    /// The policies in force; each node swaps them whole.
    policies: policy::Place,
    started: Timestamp,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    /// Whoever watches long work at a terminal.
    progress: Progress,
    /// Rings when a task may have become due, so that the worker need not poll fast.
    bell: tokio::sync::Notify,
    recorder: recorder::Recorder,
    /// Recipients' credentials that were looked up a moment ago.
    shown: disclosure::Shown,
    /// How many subjects each recipient asked about within this minute.
    pace: disclosure::Pace,
    /// What facts that are worked out here rest on.
    ground: policy::Ground,
}

impl Privity {
    /// The settings it was started with.
    pub fn settings(&self) -> &Settings {
        &self.parts.settings
    }

    /// The data map.
    pub fn map(&self) -> &DataMap {
        &self.parts.loaded.map
    }

    /// The law as data.
    pub fn law(&self) -> &LawBook {
        &self.parts.law
    }

    /// The present moment by its clock.
    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// Our own database, for `doctor` and tests.
    pub fn database(&self) -> &Database {
        &self.parts.database
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.parts.progress
    }

    pub(crate) fn graph(&self) -> &Arc<SearchGraph> {
        &self.parts.graph
    }

    pub(crate) fn rng(&self) -> &dyn Rng {
        self.parts.rng.as_ref()
    }

    /// A number that ties an answer to the lines of the log about it.
    pub fn new_trace_id(&self) -> String {
        let mut bytes = [0; 16];
        self.rng().fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .to_string()
    }

    pub(crate) fn mailer(&self) -> &Mailer {
        &self.parts.mailer
    }

    pub(crate) fn channels(&self) -> &Channels {
        &self.parts.channels
    }

    pub(crate) fn connectors(&self) -> &BTreeMap<SystemKey, Arc<dyn Connector>> {
        &self.parts.connectors
    }

    pub(crate) fn connector(&self, system: &SystemKey) -> Result<&dyn Connector, SearchError> {
        self.parts
            .connectors
            .get(system)
            .map(AsRef::as_ref)
            .ok_or_else(|| SearchError::NoConnector(system.clone()))
    }

    /// One transaction: the closure's changes and the records that it returns are durable together, or neither is. Rings for the worker,
    /// since a task may have become due.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        name: &'static str,
        change: impl Fn(&mut Tx) -> Result<(T, Vec<NewRecord>), Problem> + Send + 'static,
    ) -> Result<(T, Vec<Appended>), Problem> {
        let written = self.write_silently(name, change).await;
        self.ring();
        written
    }

    /// [`Privity::write`] for changes that make no task due: thousands of them a second must not keep waking the worker.
    pub(crate) async fn write_silently<T: Send + 'static>(
        &self,
        name: &'static str,
        change: impl Fn(&mut Tx) -> Result<(T, Vec<NewRecord>), Problem> + Send + 'static,
    ) -> Result<(T, Vec<Appended>), Problem> {
        self.hold_keys().await?;
        self.write_unheld(name, change).await
    }

    /// The same whatever keys this program holds: for saying which.
    pub(crate) async fn write_unheld<T: Send + 'static>(
        &self,
        name: &'static str,
        change: impl Fn(&mut Tx) -> Result<(T, Vec<NewRecord>), Problem> + Send + 'static,
    ) -> Result<(T, Vec<Appended>), Problem> {
        let log = self.log_name();
        self.parts
            .database
            .write_recorded(name, move |tx| {
                let (value, records) = change(tx)?;
                Ok((value, storage::audit::append(tx, &log, records)?))
            })
            .await
    }

    /// [`Privity::write_silently`] for one of many transactions of a long piece of work that goes on where it stopped (see
    /// [`storage::Database::write_in_passing`]). It gives no proofs: what it recorded may not be on the disk yet.
    pub(crate) async fn write_in_passing<T: Send + 'static>(
        &self,
        name: &'static str,
        change: impl Fn(&mut Tx) -> Result<(T, Vec<NewRecord>), Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        self.hold_keys().await?;
        let log = self.log_name();
        let write = move |tx: &mut Tx| {
            let (value, records) = change(tx)?;
            storage::audit::append(tx, &log, records)?;
            Ok(value)
        };
        self.parts.database.write_in_passing(name, write).await
    }

    pub(crate) fn recorder(&self) -> &recorder::Recorder {
        &self.parts.recorder
    }

    /// A read over one unchanging state.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        name: &'static str,
        read: impl Fn(&mut Tx) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        self.parts.database.read(name, read).await
    }

    /// [`Privity::read`] for a few rows found by their keys.
    pub(crate) async fn read_few<T: Send + 'static>(
        &self,
        name: &'static str,
        read: impl Fn(&mut Tx) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        self.parts.database.read_few(name, read).await
    }

    /// The audit log's name, which is also the origin of its checkpoints.
    pub(crate) fn log_name(&self) -> String {
        let address = self
            .settings()
            .base_url
            .split_once("://")
            .map_or(self.settings().base_url.as_str(), |(_, rest)| rest);
        format!("{}/audit", address.trim_end_matches('/'))
    }

    /// What the data map tells an operator to do by hand in a system.
    pub(crate) fn instructions(&self, system: &str) -> Option<String> {
        match self.parts.loaded.connections.get(&SystemKey::from(system)) {
            Some(data_map::Connection::Manual(config)) => Some(config.instructions.clone()),
            _ => None,
        }
    }

    pub(crate) fn ring(&self) {
        self.parts.bell.notify_one();
    }
}
