//! What each recipient asked for and got, whoever it was about: from what is counted by day, so that no subject is looked at.

use std::collections::{BTreeMap, BTreeSet};

use domain::data_map::RecipientKey;
use domain::purpose_of_use::PurposeKey;
use jiff::civil::Date;
use serde::Serialize;
use storage::ledger::Asked;

use super::ledger::{WITHHELD, key_of, sale_of};
use super::minimisation::days_back;
use crate::{Privity, Problem};

/// What one recipient asked for one purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecipientUse {
    /// Who.
    pub recipient: RecipientKey,
    /// What for.
    pub purpose: PurposeKey,
    /// Keys of attributes by the form in which they went out.
    pub got: BTreeMap<String, BTreeSet<String>>,
    /// Keys of attributes that it asked for and at least once didn't get.
    pub withheld: BTreeSet<String>,
    /// How often it asked about somebody.
    pub times: u64,
    /// How often of these something went out.
    pub answered: u64,
    /// Whether what goes out is sold, by the data map as it is now (Civ. Code 1798.140(ad)).
    pub sold: bool,
    /// Whether it is shared for advertising (Civ. Code 1798.140(ah)).
    pub shared: bool,
    /// What the business gets for it, in its own words.
    pub consideration: Option<String>,
}

/// What recipients asked for in the last `days` days, today among them, and the first of these days by UTC.
///
/// # Errors
/// Our database doesn't answer.
pub async fn by_recipient(p: &Privity, days: u32) -> Result<(Date, Vec<RecipientUse>), Problem> {
    let (since, first) = days_back(p, days);
    let read = p.read("read what was asked", move |tx| {
        Ok(storage::ledger::asked_since(tx, since)?)
    });
    let mut uses: BTreeMap<(RecipientKey, PurposeKey), RecipientUse> = BTreeMap::new();
    for asked in read.await? {
        let key = (asked.recipient.clone(), asked.purpose.clone());
        let one = uses
            .entry(key)
            .or_insert_with_key(|(recipient, purpose)| nothing(p, recipient, purpose));
        one.add(&asked);
    }
    Ok((first, uses.into_values().collect()))
}

fn nothing(p: &Privity, recipient: &RecipientKey, purpose: &PurposeKey) -> RecipientUse {
    let sale = sale_of(p, recipient, purpose);
    RecipientUse {
        recipient: recipient.clone(),
        purpose: purpose.clone(),
        got: BTreeMap::new(),
        withheld: BTreeSet::new(),
        times: 0,
        answered: 0,
        sold: sale.sold,
        shared: sale.shared,
        consideration: sale.consideration,
    }
}

impl RecipientUse {
    fn add(&mut self, asked: &Asked) {
        self.times += asked.times;
        if asked.names.keys().any(|form| form != WITHHELD) {
            self.answered += asked.times;
        }
        for (form, names) in &asked.names {
            let keys = names.iter().map(|name| key_of(name));
            if form == WITHHELD {
                self.withheld.extend(keys);
            } else {
                self.got.entry(form.clone()).or_default().extend(keys);
            }
        }
    }
}
