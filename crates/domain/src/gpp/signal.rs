//! What a GPP string says about opt-outs, in our words: the sections of the United States, each for itself and all together.
//!
//! In all of them 1 means refused (opted out, no consent), 2 means not refused, 0 means that nothing is said. Early revisions of the
//! specifications had some consents the other way round without another version number; the present ones are followed
//! (State sections of 2024 and later, US National of August 2024). TCF sections hold consents, not opt-outs, and say nothing here.

use std::collections::BTreeMap;

use super::Gpp;
use super::layout::SectionLayout;
use super::meaning::{ChildProcessing, SensitiveCategory};
use super::section::Section;
use super::section_id::SectionId;

/// What one section says. `Some(true)` is refused, `Some(false)` is not refused, `None` is nothing said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionSignal {
    /// The section.
    pub section: SectionId,
    /// The sale of personal data.
    pub sale: Option<bool>,
    /// Sharing for cross-context behavioural advertising (California's word).
    pub sharing: Option<bool>,
    /// Processing for targeted advertising.
    pub targeted_advertising: Option<bool>,
    /// Processing of sensitive data, by category.
    pub sensitive: BTreeMap<SensitiveCategory, bool>,
    /// Processing of a known child's data. An entry means that the business knows the subject to be a child.
    pub known_child: BTreeMap<ChildProcessing, bool>,
    /// Processing for purposes other than those disclosed.
    pub other_purposes: Option<bool>,
    /// Whether the browser sent Global Privacy Control.
    pub gpc: bool,
    /// Whether the sender says that the IAB's Multi-State Privacy Agreement covers the transaction.
    pub mspa_covered: Option<bool>,
}

/// What all sections say together. Where they differ, a refusal wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptOutSignal {
    /// The sale of personal data.
    pub sale: Option<Stated>,
    /// Sharing for cross-context behavioural advertising.
    pub sharing: Option<Stated>,
    /// Processing for targeted advertising.
    pub targeted_advertising: Option<Stated>,
    /// Processing of sensitive data, by category.
    pub sensitive: BTreeMap<SensitiveCategory, Stated>,
    /// Processing of a known child's data.
    pub known_child: BTreeMap<ChildProcessing, Stated>,
    /// Processing for purposes other than those disclosed.
    pub other_purposes: Option<Stated>,
    /// The first section that says that the browser sent Global Privacy Control.
    pub gpc: Option<SectionId>,
    /// Whether the agreement covers the transaction: only if no section denies it.
    pub mspa_covered: Option<bool>,
    /// What each section says, by its number.
    pub sections: Vec<SectionSignal>,
}

/// Something that a section states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stated {
    /// Whether it is refused.
    pub refused: bool,
    /// The first section that says so.
    pub by: SectionId,
}

impl Gpp {
    /// What the string says about opt-outs.
    pub fn opt_out_signal(&self) -> OptOutSignal {
        let us = self.sections().filter(|(id, _)| id.is_us());
        let mut signal = OptOutSignal::default();
        for (_, section) in us {
            signal.add(SectionSignal::of(section));
        }
        signal
    }
}

impl OptOutSignal {
    /// Whether the sale of the subject's data must stop: she opted out of it, or her browser sent Global Privacy Control, which is
    /// an opt-out of sale and sharing (11 CCR 7025(c)).
    pub fn stops_sale(&self) -> bool {
        self.gpc.is_some() || is_refused(self.sale)
    }

    /// Whether sharing must stop, for the same reasons.
    pub fn stops_sharing(&self) -> bool {
        self.gpc.is_some() || is_refused(self.sharing)
    }

    /// Whether targeted advertising must stop, for the same reasons: the states that have no word for sharing mean it with this one.
    pub fn stops_targeted_advertising(&self) -> bool {
        self.gpc.is_some() || is_refused(self.targeted_advertising)
    }

    /// Whether a section says that the subject is known to be a child.
    pub fn is_child(&self) -> bool {
        !self.known_child.is_empty()
    }

    fn add(&mut self, section: SectionSignal) {
        let by = section.section;
        merge(&mut self.sale, section.sale, by);
        merge(&mut self.sharing, section.sharing, by);
        merge(
            &mut self.targeted_advertising,
            section.targeted_advertising,
            by,
        );
        merge(&mut self.other_purposes, section.other_purposes, by);
        merge_each(&mut self.sensitive, &section.sensitive, by);
        merge_each(&mut self.known_child, &section.known_child, by);
        if section.gpc {
            self.gpc.get_or_insert(by);
        }
        if let Some(covered) = section.mspa_covered {
            self.mspa_covered = Some(covered && self.mspa_covered != Some(false));
        }
        self.sections.push(section);
    }
}

fn is_refused(stated: Option<Stated>) -> bool {
    stated.is_some_and(|stated| stated.refused)
}

fn merge(all: &mut Option<Stated>, refused: Option<bool>, by: SectionId) {
    let Some(refused) = refused else {
        return;
    };
    if all.is_none_or(|stated| refused && !stated.refused) {
        *all = Some(Stated { refused, by });
    }
}

fn merge_each<K: Ord + Copy>(
    all: &mut BTreeMap<K, Stated>,
    one: &BTreeMap<K, bool>,
    by: SectionId,
) {
    for (key, refused) in one {
        let stated = all.entry(*key).or_insert(Stated {
            refused: *refused,
            by,
        });
        if *refused && !stated.refused {
            *stated = Stated { refused: true, by };
        }
    }
}

impl SectionSignal {
    /// What a section of the United States says.
    fn of(section: &Section) -> Self {
        let layout = section.layout();
        let refused = |field| section.integer(field).and_then(refused);
        Self {
            section: section.id(),
            sale: refused("SaleOptOut").or(usp_sale(section)),
            sharing: refused("SharingOptOut"),
            targeted_advertising: refused("TargetedAdvertisingOptOut"),
            sensitive: sensitive(section, layout),
            known_child: known_child(section, layout),
            other_purposes: refused("PersonalDataConsents")
                .or(refused("AdditionalDataProcessingConsent")),
            gpc: section.flag("Gpc") == Some(true),
            mspa_covered: refused("MspaCoveredTransaction"),
        }
    }
}

/// 1 and 2 mean something; 0 says nothing, and 3 has no meaning.
const fn refused(number: u64) -> Option<bool> {
    match number {
        1 => Some(true),
        2 => Some(false),
        _ => None,
    }
}

/// The US Privacy string has a letter.
fn usp_sale(section: &Section) -> Option<bool> {
    match section.letters("OptOutSale")? {
        "Y" => Some(true),
        "N" => Some(false),
        _ => None,
    }
}

fn sensitive(section: &Section, layout: &SectionLayout) -> BTreeMap<SensitiveCategory, bool> {
    let mut all = BTreeMap::new();
    let numbers = section.integers("SensitiveDataProcessing");
    for (categories, number) in layout.sensitive.iter().zip(numbers) {
        if let Some(refused) = refused(u64::from(number)) {
            all.extend(categories.iter().map(|category| (*category, refused)));
        }
    }
    all
}

fn known_child(section: &Section, layout: &SectionLayout) -> BTreeMap<ChildProcessing, bool> {
    let numbers = section.integers("KnownChildSensitiveDataConsents");
    let numbered = layout.child.iter().zip(numbers);
    numbered
        .filter_map(|(what, number)| Some((*what, refused(u64::from(number))?)))
        .collect()
}
