//! Everybody of whom a recipient may have something: each subject is decided, recorded and opened like one that was asked for by name, since
//! whoever counts or sorts a list has looked at all of it.

use std::collections::BTreeSet;

use domain::data_map::IdentifierKind;
use domain::profile::AttributeKey;
use domain::sensitive::Sensitive;
use storage::{identifier, subject};

use super::caller::{Caller, SubjectAsked};
use super::granted::Granted;
use super::pace;
use super::recipient::{MOST_SUBJECTS, decide_and_record, reached};
use crate::profile::read::tags_of;
use crate::{Privity, Problem};

/// Subjects that one list looks at, at most.
pub const MOST_LISTED: u32 = 2000;

/// What a recipient may have of everybody, in the order of ids; `None` where there are more than [`MOST_LISTED`] subjects.
///
/// # Errors
/// As [`super::disclose`].
pub async fn disclose_all(
    p: &Privity,
    caller: &Caller,
    attributes: &[AttributeKey],
) -> Result<Option<Vec<Granted>>, Problem> {
    // As much as it can be about, whoever there is: what is left of a pace would tell of how many nothing is shown.
    pace::admit(p, caller, MOST_LISTED as usize).await?;
    let all = p.read("list subjects for recipient", move |tx| {
        Ok(subject::page_of_canonical(tx, None, MOST_LISTED + 1)?)
    });
    let all: Vec<_> = all.await?.into_iter().map(SubjectAsked::Id).collect();
    if u32::try_from(all.len()).is_ok_and(|count| count <= MOST_LISTED) {
        let mut granted = Vec::with_capacity(all.len());
        for some in all.chunks(MOST_SUBJECTS) {
            granted.extend(decide_and_record(p, caller, some, attributes).await?);
        }
        return Ok(Some(granted));
    }
    Ok(None)
}

/// What a recipient may have of everybody who has an identifier, in the order of ids; `None` where they are more than one call may be about. Unlike
/// one who is asked for by it, each is found though others share it: that others do is not to be told from who is in a list.
///
/// # Errors
/// As [`super::disclose`].
pub async fn disclose_sharing(
    p: &Privity,
    caller: &Caller,
    (kind, value): (&IdentifierKind, &Sensitive<String>),
    attributes: &[AttributeKey],
) -> Result<Option<Vec<Granted>>, Problem> {
    let schema = p.needed_schema()?;
    // It asks about one, however many share it.
    pace::admit(p, caller, 1).await?;
    let found = match tags_of(p, &schema, (kind, value)) {
        Ok(tags) => {
            let kind = kind.clone();
            p.read_few("find subjects for recipient", move |tx| {
                let found = identifier::find(tx, &kind, &tags)?;
                let found = subject::get_many(tx, &found)?.into_iter();
                Ok(found.map(|one| one.stands_for()).collect::<BTreeSet<_>>())
            })
            .await?
        }
        Err(problem) if problem.field == Some("value") => BTreeSet::new(),
        Err(problem) => return Err(problem),
    };
    if found.len() > MOST_SUBJECTS {
        return Ok(None);
    }
    // Nobody is decided about and recorded as well, and one by what she was found by.
    let asked: Vec<_> = if found.len() < 2 {
        vec![SubjectAsked::Identifier(kind.clone(), value.clone())]
    } else {
        found.into_iter().map(SubjectAsked::Id).collect()
    };
    decide_and_record(p, caller, &asked, attributes)
        .await
        .map(Some)
}

/// The attributes of which policies let this recipient have anything for its purpose, of anybody.
///
/// # Errors
/// There are no profiles.
pub fn possible(p: &Privity, caller: &Caller) -> Result<BTreeSet<AttributeKey>, Problem> {
    reached(p, caller, |table, cell| table.reach(cell).any)
}

/// The attributes that policies let this recipient have as they are for its purpose, of anybody. What isn't here can never be.
///
/// # Errors
/// There are no profiles.
pub fn readable(p: &Privity, caller: &Caller) -> Result<BTreeSet<AttributeKey>, Problem> {
    reached(p, caller, domain::policy::Table::may_keep)
}
