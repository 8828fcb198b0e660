//! Single records of one source, as that source gave them: for a client that reads back what it wrote. Each look is decided and recorded
//! before anything opens, like every look at a profile.

use domain::audit::{Action, Actor, NewRecord};
use domain::data_map::IdentifierKind;
use domain::id::{OperatorId, SubjectId};
use domain::profile::{AttributeKey, SourceNumber};
use domain::sensitive::Sensitive;
use jiff::Timestamp;
use storage::{identifier, source_record};

use super::read::{
    Held, ReleasedAttribute, ReleasedValue, Shown, Viewer, WantedAttributes, held, show_held,
    tags_of,
};
use super::write::version_of;
use crate::{Privity, Problem};

/// Records in one answer, at most.
pub const MOST: u32 = 100;

/// A record on its way back to its source.
pub struct ShownRecord {
    /// Its id.
    pub id: SubjectId,
    shown: Shown,
    source: String,
    /// Grows with every change.
    pub version: u64,
    /// When it was stored first.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub changed_at: Timestamp,
}

impl ShownRecord {
    /// What the source says of an attribute.
    pub fn value(&self, key: &AttributeKey) -> Option<&ReleasedValue> {
        match self.shown.sources().attributes().get(key)? {
            ReleasedAttribute::Values(first, others) => std::iter::once(first)
                .chain(others)
                .find(|value| value.source == self.source),
            ReleasedAttribute::Description(_) => None,
        }
    }
}

/// What a client may read of which source's records.
pub struct Reader<'a> {
    /// The installation.
    pub p: &'a Privity,
    /// Whose records.
    pub source: SourceNumber,
    /// Which attributes.
    pub wanted: Vec<AttributeKey>,
    /// Under whose key.
    pub operator: OperatorId,
}

impl Reader<'_> {
    /// One record; a record of another source looks like one that isn't there.
    ///
    /// # Errors
    /// [`Problem`] when there is none, or nothing of it may be shown.
    pub async fn show(&self, id: SubjectId) -> Result<ShownRecord, Problem> {
        let found = self.read("read record", id).await?;
        let held = found.ok_or_else(|| Problem::not_found("record"))?;
        let record = self.shown(id, held, None).await?;
        let own = |key| record.value(key).is_some();
        if self.wanted.iter().any(own) {
            Ok(record)
        } else {
            Err(Problem::not_found("record"))
        }
    }

    /// The source's records with an identifier. That there is none is recorded, too.
    ///
    /// # Errors
    /// [`Problem`] when nobody is found by this kind of identifier.
    pub async fn find(
        &self,
        kind: &IdentifierKind,
        value: &Sensitive<String>,
    ) -> Result<Vec<ShownRecord>, Problem> {
        let schema = self.p.needed_schema()?;
        let tags = tags_of(self.p, &schema, (kind, value))?;
        let (source, wanted) = (self.source, kind.clone());
        let found = self
            .p
            .read("find records", move |tx| {
                Ok(identifier::find_of_source(tx, source, &wanted, &tags)?)
            })
            .await?;
        if found.is_empty() {
            let actor = Actor::Operator(self.operator);
            let record = NewRecord::new(self.p.now(), actor, Action::DisclosureDenied)
                .with("reason", "nobody_found")
                .with("found_by", kind.0.clone());
            self.p.append(vec![record]).await?;
        }
        let most = usize::try_from(MOST).unwrap_or(usize::MAX);
        self.all(found.into_iter().take(most), Some(kind)).await
    }

    /// How many subjects have a record of the source, and some of those after the first `skipped`.
    ///
    /// # Errors
    /// [`Problem`] when our database can't tell.
    pub async fn list(&self, skipped: u64, count: u32) -> Result<(u64, Vec<ShownRecord>), Problem> {
        let source = self.source;
        let page = self.p.read("list records", move |tx| {
            let total = source_record::count_of_source(tx, source)?;
            let page = source_record::page_of_source(tx, source, skipped, count.min(MOST))?;
            Ok((total, page))
        });
        let (total, page) = page.await?;
        Ok((total, self.all(page, None).await?))
    }

    async fn all(
        &self,
        ids: impl IntoIterator<Item = SubjectId>,
        found_by: Option<&IdentifierKind>,
    ) -> Result<Vec<ShownRecord>, Problem> {
        let mut records = Vec::new();
        for id in ids {
            if let Some(held) = self.read("read record", id).await? {
                records.push(self.shown(id, held, found_by).await?);
            }
        }
        Ok(records)
    }

    /// The record alone, without others of the same subject.
    async fn read(&self, name: &'static str, id: SubjectId) -> Result<Option<Held>, Problem> {
        let found = self.p.read(name, move |tx| held(tx, &[id].into())).await?;
        let alone = found.into_iter().next().map(|mut held| {
            held.records.retain(|record| record.id == id);
            held.segments.retain(|segment| segment.subject == id);
            // Whoever stands for her is another record, which this look is not about.
            held.canonical = id;
            held
        });
        Ok(alone.filter(|held| !held.records.is_empty()))
    }

    async fn shown(
        &self,
        id: SubjectId,
        held: Held,
        found_by: Option<&IdentifierKind>,
    ) -> Result<ShownRecord, Problem> {
        let schema = self.p.needed_schema()?;
        let created_at = held
            .records
            .first()
            .map_or(Timestamp::MIN, |record| record.created_at);
        let changed_at = held.segments.iter().map(|segment| segment.updated_at).max();
        let version = version_of(&held.segments);
        let source = schema.source(self.source);
        let source = source
            .map(|source| source.key.to_string())
            .unwrap_or_default();
        let wanted = WantedAttributes::These(self.wanted.clone());
        let viewer = Viewer::Operator(self.operator);
        let actor = Actor::Operator(self.operator);
        let shown = show_held(self.p, &schema, held, &wanted, viewer, found_by, actor).await?;
        Ok(ShownRecord {
            id,
            shown,
            source,
            version,
            created_at,
            changed_at: changed_at.unwrap_or(created_at),
        })
    }
}
