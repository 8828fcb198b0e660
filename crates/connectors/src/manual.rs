//! A system that a named operator works by hand: no code reaches it, a task with a due date does.

use std::sync::Arc;

use async_trait::async_trait;
use domain::data_map::{Collection, CollectionKey, FieldName, SystemKey};
use domain::plan::{EraseStep, Erased, Erasure, LocatedRow, Search};
use domain::progress::Progress;
use domain::row::{FoundRow, JsonValue};
use domain::sensitive::Sensitive;
use serde::Deserialize;

use crate::connector::{Connector, ConnectorError, Description, Remaining};
use crate::scan::{Batch, Mark, Scan};

/// Who works the system, by when, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManualConfig {
    /// The operator's name or e-mail address.
    pub operator: String,
    /// Days from the plan's approval until the work must be done.
    #[serde(default = "default_due_days")]
    pub due_days: u16,
    /// What to do, in words that the operator will read.
    pub instructions: String,
}

const fn default_due_days() -> u16 {
    14
}

/// Stands for a system without a connector.
///
/// Governance makes a task for the operator out of [`ManualConnector::config`] and takes the outcome and its evidence from
/// the operator. So that no other part needs to tell manual systems apart while it searches, `describe`, `locate` and
/// `export` find nothing; `correct`, `erase` and `confirm_absent` are refused, because an empty success would claim work
/// that nobody has done.
pub struct ManualConnector {
    system: SystemKey,
    config: ManualConfig,
}

impl ManualConnector {
    /// A connector for `system`.
    pub const fn new(system: SystemKey, config: ManualConfig) -> Self {
        Self { system, config }
    }

    /// Who works the system, by when, and how.
    pub const fn config(&self) -> &ManualConfig {
        &self.config
    }

    fn by_hand(&self) -> ConnectorError {
        let reason = format!(
            "it is worked by hand; give the work to `{}` as a task and take the outcome from there",
            self.config.operator
        );
        ConnectorError::Refused {
            system: self.system.clone(),
            reason,
        }
    }
}

#[async_trait]
impl Connector for ManualConnector {
    async fn describe_watched(&self, _progress: &Progress) -> Result<Description, ConnectorError> {
        Ok(Description::default())
    }

    async fn locate(
        &self,
        _search: &Search,
        _page: &mut (dyn FnMut(Vec<LocatedRow>) -> Result<(), ConnectorError> + Send),
    ) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn export(
        &self,
        _search: &Search,
        _page: &mut (dyn FnMut(Vec<FoundRow>) -> Result<(), ConnectorError> + Send),
    ) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn scan(&self, _scan: &Scan) -> Result<Batch, ConnectorError> {
        Err(self.by_hand())
    }

    async fn newest(
        &self,
        _collection: &Arc<Collection>,
        _watermark: &FieldName,
    ) -> Result<Option<Mark>, ConnectorError> {
        Err(self.by_hand())
    }

    async fn count(&self, _scan: &Scan) -> Result<Option<u64>, ConnectorError> {
        Err(self.by_hand())
    }

    async fn correct(
        &self,
        _search: &Search,
        _values: &[(FieldName, Sensitive<JsonValue>)],
    ) -> Result<u64, ConnectorError> {
        Err(self.by_hand())
    }

    async fn erase(
        &self,
        _erasure: &Erasure,
    ) -> Result<Vec<(CollectionKey, Erased)>, ConnectorError> {
        Err(self.by_hand())
    }

    async fn confirm_absent(&self, _steps: &[EraseStep]) -> Result<Vec<Remaining>, ConnectorError> {
        Err(self.by_hand())
    }

    async fn check(&self) -> Result<String, ConnectorError> {
        Ok(format!(
            "worked by hand by {}, within {} days",
            self.config.operator, self.config.due_days
        ))
    }
}
