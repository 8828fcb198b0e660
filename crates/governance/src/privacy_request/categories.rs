//! The answer in categories: what kinds of data are held, from where, why, and who got them; sales apart from disclosures for a purpose.
//!
//! Law: Cal. Civ. Code 1798.110(c), 1798.115(a), 1798.130(a)(4); facts of 11 CCR 7024(k): two separate lists, individual to the subject.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use domain::data_map::SystemKey;
use domain::plan::{DisclosedTo, Plan};
use domain::recipient::{Recipient, RecipientRole};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::figures::rows_by_category;
use super::package::escape;
use crate::Privity;
use crate::policy::reasons_for_subject;

/// The answer in categories.
#[derive(Clone, Debug, Serialize)]
pub struct Categories {
    /// What is held about her.
    pub held: Vec<Held>,
    /// Categories of sources.
    pub sources: BTreeSet<String>,
    /// Why it was collected.
    pub purposes: BTreeSet<String>,
    /// Sold to or shared with, by recipient.
    pub sold_or_shared: Vec<Disclosed>,
    /// Disclosed for a business purpose, by recipient.
    pub disclosed_for_business_purpose: Vec<Disclosed>,
    /// What people search by hand and this answer does not hold yet.
    pub searched_by_hand: Vec<String>,
    /// What went out of her profile, each time recorded: to whom, what for, and when.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recorded: Vec<Recorded>,
}

/// What one recipient got of her profile for one purpose.
#[derive(Clone, Debug, Serialize)]
pub struct Recorded {
    /// Who.
    pub recipient: String,
    /// What for.
    pub purpose: String,
    /// Names of the attributes.
    pub attributes: Vec<String>,
    /// When first.
    pub first_at: Timestamp,
    /// When last.
    pub last_at: Timestamp,
    /// How often.
    pub times: u64,
    /// Whether it was sold.
    pub sold: bool,
    /// Whether it was shared for advertising.
    pub shared: bool,
    /// Why it may have it, as the policies in force say it to her.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// One category of data.
#[derive(Clone, Debug, Serialize)]
pub struct Held {
    /// Its key.
    pub category: String,
    /// In words.
    pub title: String,
    /// The categories of Cal. Civ. Code 1798.140(v).
    pub legal_categories: Vec<String>,
    /// Where it is kept.
    pub systems: BTreeSet<String>,
    /// How many entries hold it.
    pub entries: u64,
}

/// Data that one recipient got.
#[derive(Clone, Debug, Serialize)]
pub struct Disclosed {
    /// Who.
    pub recipient: String,
    /// What it is in law.
    pub role: RecipientRole,
    /// Which categories.
    pub categories: Vec<String>,
    /// Why.
    pub purpose: String,
}

/// Puts the answer together from what the search found and what the data map says.
pub fn categories(p: &Privity, plan: &Plan) -> Categories {
    let found: BTreeMap<String, u64> = rows_by_category(plan);
    let systems: BTreeSet<&SystemKey> = plan
        .collections
        .iter()
        .filter(|collection| collection.rows > 0)
        .map(|collection| &collection.system)
        .collect();
    let systems: Vec<_> = systems
        .into_iter()
        .filter_map(|key| p.map().systems.get(key))
        .collect();
    // Only what is held about her can have been disclosed about her.
    let got = |recipient: &&Recipient| {
        recipient
            .categories
            .iter()
            .any(|category| found.contains_key(category))
    };
    let (sold, used): (Vec<_>, Vec<_>) = p
        .map()
        .recipients
        .values()
        .filter(got)
        .partition(|recipient| recipient.sold || recipient.shared);
    Categories {
        held: found
            .iter()
            .map(|(category, entries)| held(p, plan, category, *entries))
            .collect(),
        sources: systems
            .iter()
            .flat_map(|system| system.sources.iter().cloned())
            .collect(),
        purposes: systems
            .iter()
            .flat_map(|system| system.purposes.iter().cloned())
            .collect(),
        sold_or_shared: sold
            .into_iter()
            .map(|recipient| disclosed(p, recipient, &found))
            .collect(),
        disclosed_for_business_purpose: used
            .into_iter()
            .map(|recipient| disclosed(p, recipient, &found))
            .collect(),
        searched_by_hand: plan
            .manual
            .iter()
            .filter_map(|key| p.map().systems.get(key))
            .map(|system| system.title.clone())
            .collect(),
        recorded: plan.disclosed.iter().map(|one| recorded(p, one)).collect(),
    }
}

pub(crate) fn recorded(p: &Privity, disclosed: &DisclosedTo) -> Recorded {
    let recipient = p.map().recipients.get(&disclosed.recipient);
    let purpose = p.purposes().get(&disclosed.purpose);
    let named = |key: &String| {
        let rule = p.schema().and_then(|schema| schema.attribute_of(key));
        rule.map_or_else(|| key.clone(), |rule| rule.title.clone())
    };
    Recorded {
        recipient: recipient
            .map_or_else(|| disclosed.recipient.to_string(), |one| one.title.clone()),
        purpose: purpose.map_or_else(
            || disclosed.purpose.to_string(),
            |one| one.title.in_language("en").to_owned(),
        ),
        attributes: disclosed.attributes.iter().map(named).collect(),
        first_at: disclosed.first_at,
        last_at: disclosed.last_at,
        times: disclosed.times,
        sold: disclosed.sold,
        shared: disclosed.shared,
        reasons: reasons_for_subject(
            p,
            &disclosed.recipient,
            &disclosed.purpose,
            &disclosed.attributes,
        ),
    }
}

fn held(p: &Privity, plan: &Plan, category: &str, entries: u64) -> Held {
    let holds = |collection: &&domain::plan::PlannedCollection| {
        collection.rows > 0 && collection.categories.contains(category)
    };
    let systems = plan
        .collections
        .iter()
        .filter(holds)
        .filter_map(|collection| p.map().systems.get(&collection.system))
        .map(|system| system.title.clone());
    Held {
        category: category.to_owned(),
        title: title(p, category),
        legal_categories: p
            .law()
            .ccpa_categories(category)
            .iter()
            .map(|letter| {
                p.law()
                    .ccpa_category(letter)
                    .map_or_else(|| letter.clone(), |term| term.title.clone())
            })
            .collect(),
        systems: systems.collect(),
        entries,
    }
}

fn disclosed(p: &Privity, recipient: &Recipient, found: &BTreeMap<String, u64>) -> Disclosed {
    let categories = recipient
        .categories
        .iter()
        .filter(|category| found.contains_key(*category));
    Disclosed {
        recipient: recipient.title.clone(),
        role: recipient.effective_role(),
        categories: categories.map(|category| title(p, category)).collect(),
        purpose: recipient.purpose.clone(),
    }
}

pub(super) fn title(p: &Privity, category: &str) -> String {
    p.law()
        .category(category)
        .map_or_else(|| category.to_owned(), |known| known.title.clone())
}

impl Categories {
    /// As a part of the page.
    pub fn to_html(&self) -> String {
        let mut html = String::new();
        if self.held.is_empty() {
            html.push_str("<p>We searched all our systems and hold nothing about you under the identifiers that you gave.</p>");
        } else {
            html.push_str("<div class=\"scroll\"><table><tr><th>What we hold</th><th>In the law's words</th><th>Where</th><th>Entries</th></tr>");
            for held in &self.held {
                let systems = held.systems.iter().cloned().collect::<Vec<_>>().join(", ");
                let _ = write!(
                    html,
                    "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                    escape(&held.title),
                    escape(&held.legal_categories.join("; ")),
                    escape(&systems),
                    held.entries
                );
            }
            html.push_str("</table></div>");
        }
        list(&mut html, "Where it came from", self.sources.iter());
        list(&mut html, "Why we collected it", self.purposes.iter());
        recipients(
            &mut html,
            "Sold to or shared with",
            &self.sold_or_shared,
            "We did not sell or share it.",
        );
        recipients(
            &mut html,
            "Disclosed for a business purpose to",
            &self.disclosed_for_business_purpose,
            "Nobody else got it.",
        );
        list(
            &mut html,
            "Still searched by hand; we will write again",
            self.searched_by_hand.iter(),
        );
        went_out(&mut html, &self.recorded);
        html
    }
}

fn went_out(html: &mut String, recorded: &[Recorded]) {
    if recorded.is_empty() {
        return;
    }
    html.push_str("<h3>Who received it, by our records</h3>");
    for one in recorded {
        let sale = match (one.sold, one.shared) {
            (true, _) => "; sold",
            (false, true) => "; shared for advertising",
            (false, false) => "",
        };
        let reasons: String = one
            .reasons
            .iter()
            .map(|reason| format!(". {}", escape(reason)))
            .collect();
        let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
        let _ = write!(
            html,
            "<dl><dt>{}</dt><dd>{}: {} ({} times, {} to {}{sale}){reasons}</dd></dl>",
            escape(&one.recipient),
            escape(&one.purpose),
            escape(&one.attributes.join(", ")),
            one.times,
            day(one.first_at),
            day(one.last_at),
        );
    }
}

fn list<'a>(html: &mut String, title: &str, items: impl Iterator<Item = &'a String>) {
    let items: Vec<String> = items
        .map(|item| format!("<li>{}</li>", escape(&item.replace('_', " "))))
        .collect();
    if !items.is_empty() {
        let _ = write!(html, "<h3>{title}</h3><ul>{}</ul>", items.join(""));
    }
}

fn recipients(html: &mut String, title: &str, disclosed: &[Disclosed], none: &str) {
    let _ = write!(html, "<h3>{title}</h3>");
    if disclosed.is_empty() {
        let _ = write!(html, "<p>{none}</p>");
    }
    for one in disclosed {
        let _ = write!(
            html,
            "<dl><dt>{}</dt><dd>{}: {}</dd></dl>",
            escape(&one.recipient),
            escape(&one.purpose),
            escape(&one.categories.join(", "))
        );
    }
}
