//! What is collected or asked for and not needed: attributes that nobody asked for, recipients that ask for more than they get, purposes
//! without disclosures.
//!
//! Law: Civ. Code 1798.100(c), 11 CCR 7002(d); GDPR Art. 5(1)(c); 45 CFR 164.502(b).

use std::collections::{BTreeMap, BTreeSet};

use domain::data_map::RecipientKey;
use domain::profile::AttributeKey;
use domain::purpose_of_use::PurposeKey;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use storage::ledger::Asked;

use super::ledger::{WITHHELD, key_of};
use crate::{Privity, Problem};

/// What a while of disclosures says about what is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Minimisation {
    /// The first day that was looked at, by UTC.
    pub since: jiff::civil::Date,
    /// Attributes of the schema that no recipient asked for.
    pub never_asked: Vec<AttributeKey>,
    /// Attributes that recipients asked for and none got.
    pub never_given: Vec<AttributeKey>,
    /// What recipients asked for and didn't get.
    pub asks_for_more: Vec<AsksForMore>,
    /// Purposes for which nothing went out.
    pub unused_purposes: Vec<PurposeKey>,
    /// Recipients of the data map to which nothing went out.
    pub unused_recipients: Vec<RecipientKey>,
}

/// What one recipient asked for one purpose and never got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AsksForMore {
    /// Who.
    pub recipient: RecipientKey,
    /// What for.
    pub purpose: PurposeKey,
    /// Attributes that were always withheld.
    pub withheld: Vec<String>,
    /// How often it asked for one of them.
    pub times: u64,
}

/// Looks at the last `days` days, today among them.
///
/// # Errors
/// There are no profiles here, or our database doesn't answer.
pub async fn minimise(p: &Privity, days: u32) -> Result<Minimisation, Problem> {
    let schema = p.needed_schema()?;
    let (since, first) = days_back(p, days);
    let read = p.read("read what was asked", move |tx| {
        Ok(storage::ledger::asked_since(tx, since)?)
    });
    let asked = read.await?;
    let given: BTreeSet<_> = names(&asked, |form| form != WITHHELD).collect();
    let all: BTreeSet<_> = names(&asked, |_| true).collect();
    let used = || asked.iter().filter(|one| gave_something(one));
    let purposes: BTreeSet<_> = used().map(|one| &one.purpose).collect();
    let recipients: BTreeSet<_> = used().map(|one| &one.recipient).collect();
    let keys = |is: &dyn Fn(&str) -> bool| {
        let keys = schema.keys().iter().filter(|key| is(key.as_ref()));
        keys.cloned().collect()
    };
    Ok(Minimisation {
        since: first,
        never_asked: keys(&|key| !all.contains(key)),
        never_given: keys(&|key| all.contains(key) && !given.contains(key)),
        asks_for_more: asks_for_more(&asked),
        unused_purposes: p
            .purposes()
            .iter()
            .map(|purpose| purpose.key.clone())
            .filter(|key| !purposes.contains(key))
            .collect(),
        unused_recipients: p
            .map()
            .recipients
            .keys()
            .filter(|key| !recipients.contains(key))
            .cloned()
            .collect(),
    })
}

/// A moment so many days back, today among them, and its day by UTC.
pub(super) fn days_back(p: &Privity, days: u32) -> (Timestamp, jiff::civil::Date) {
    let back = SignedDuration::from_hours(24 * i64::from(days.saturating_sub(1)));
    let since = p.now().saturating_sub(back);
    let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
    (since, since.to_zoned(jiff::tz::TimeZone::UTC).date())
}

fn gave_something(asked: &Asked) -> bool {
    asked.names.keys().any(|form| form != WITHHELD)
}

fn names<'a>(
    asked: &'a [Asked],
    is: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = String> + 'a {
    let forms = asked.iter().flat_map(|one| &one.names);
    let forms = forms.filter(move |(form, _)| is(form.as_str()));
    forms.flat_map(|(_, names)| names.iter().map(|name| key_of(name)))
}

fn asks_for_more(asked: &[Asked]) -> Vec<AsksForMore> {
    let mut by_asker: BTreeMap<(&RecipientKey, &PurposeKey), Vec<&Asked>> = BTreeMap::new();
    for one in asked {
        let asker = (&one.recipient, &one.purpose);
        by_asker.entry(asker).or_default().push(one);
    }
    let more = by_asker
        .into_iter()
        .filter_map(|((recipient, purpose), all)| {
            let of = |is_withheld: bool| -> BTreeSet<String> {
                let forms = all.iter().flat_map(|one| &one.names);
                let forms = forms.filter(|(form, _)| (*form == WITHHELD) == is_withheld);
                forms
                    .flat_map(|(_, names)| names.iter().map(|name| key_of(name)))
                    .collect()
            };
            let withheld: Vec<_> = of(true).difference(&of(false)).cloned().collect();
            let asks = |one: &&&Asked| {
                let names = one.names.get(WITHHELD).into_iter().flatten();
                names
                    .map(|name| key_of(name))
                    .any(|name| withheld.contains(&name))
            };
            let times = all.iter().filter(asks).map(|one| one.times).sum();
            (!withheld.is_empty()).then(|| AsksForMore {
                recipient: recipient.clone(),
                purpose: purpose.clone(),
                withheld,
                times,
            })
        });
    more.collect()
}
