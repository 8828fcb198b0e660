//! Records of one source that a recipient may change: whose they are, and what it may write where nobody is yet. Values stay shut here; what
//! a recipient may see of a subject, and so write, is granted to its [`Writing`].

use std::collections::BTreeSet;

use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::profile::{AttributeKey, SourceNumber};
use domain::rng::new_id;
use domain::sensitive::Sensitive;
use storage::{identifier, profile_segment, subject};

use super::caller::{Caller, SubjectAsked};
use super::granted::Granted;
use super::pace;
use super::recipient::{Foreseeing, decide_and_record};
use crate::profile::read::tags_of;
use crate::profile::version_of;
use crate::{Privity, Problem};

/// A record of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// The record.
    pub record: SubjectId,
    /// Who stands for it.
    pub subject: SubjectId,
    /// Grows with every change.
    pub version: u64,
}

/// The records of a source that say an identifier; none where the text is no identifier of its kind.
///
/// # Errors
/// Nobody is found by this kind.
pub async fn holders(
    p: &Privity,
    source: SourceNumber,
    (kind, value): (&IdentifierKind, &Sensitive<String>),
) -> Result<Vec<Account>, Problem> {
    let schema = p.needed_schema()?;
    let tags = match tags_of(p, &schema, (kind, value)) {
        Ok(tags) => tags,
        Err(problem) if problem.field == Some("value") => return Ok(Vec::new()),
        Err(problem) => return Err(problem),
    };
    let kind = kind.clone();
    p.read("find records for recipient", move |tx| {
        let found = identifier::find_of_source(tx, source, &kind, &tags)?;
        let found = subject::get_many(tx, &found)?;
        let mut accounts = Vec::with_capacity(found.len());
        for one in found.into_iter().filter(|one| one.key.is_some()) {
            let segments = profile_segment::of_subjects(tx, &[one.id].into())?;
            accounts.push(Account {
                record: one.id,
                subject: one.stands_for(),
                version: version_of(&segments),
            });
        }
        Ok(accounts)
    })
    .await
}

/// The record of a source that says this of a subject; `None` where she has none there.
///
/// # Errors
/// As [`holders`].
pub async fn account(
    p: &Privity,
    source: SourceNumber,
    said: (&IdentifierKind, &Sensitive<String>),
    whose: SubjectId,
) -> Result<Option<Account>, Problem> {
    let mut hers = holders(p, source, said).await?.into_iter();
    let mut hers = hers.by_ref().filter(|one| one.subject == whose);
    let (only, other) = (hers.next(), hers.next());
    Ok(only.filter(|_| other.is_none()))
}

/// A call that writes about one subject. It counts as one before anything is looked at, and no more after: what was written has to be
/// answered as written, however often she is looked at for it. Each look is decided and recorded like every other.
pub struct Writing(());

impl Writing {
    /// Counts it.
    ///
    /// # Errors
    /// Status 429 when it doesn't fit into this minute.
    pub async fn begin(p: &Privity, caller: &Caller) -> Result<Self, Problem> {
        pace::admit(p, caller, 1).await?;
        Ok(Self(()))
    }

    /// What the caller may have of the subject, as by [`super::disclose`].
    ///
    /// # Errors
    /// As there, but for the pace.
    pub async fn disclose(
        &self,
        p: &Privity,
        caller: &Caller,
        subject: SubjectId,
        attributes: &[AttributeKey],
    ) -> Result<Option<Granted>, Problem> {
        let asked = [SubjectAsked::Id(subject)];
        let granted = decide_and_record(p, caller, &asked, attributes).await?;
        Ok(granted.into_iter().next())
    }

    /// Which attributes a recipient would have as they are of somebody of whom nothing is known, for whoever wants to write a new record. It
    /// is decided and recorded as a question about nobody.
    ///
    /// # Errors
    /// As [`Writing::disclose`].
    pub async fn kept_of_nobody(
        &self,
        p: &Privity,
        caller: &Caller,
        attributes: &[AttributeKey],
    ) -> Result<BTreeSet<AttributeKey>, Problem> {
        let nobody = new_id(p.rng(), p.now());
        self.disclose(p, caller, nobody, attributes).await?;
        Ok(Foreseeing::new(p, caller, attributes)?.kept_of_nobody(p))
    }
}
