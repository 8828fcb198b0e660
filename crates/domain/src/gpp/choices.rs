//! From a subject's choices to a GPP string, for the sections of the United States: what our page script answers to `__gpp()`.

use std::collections::BTreeMap;

use super::Gpp;
use super::error::GppError;
use super::meaning::SensitiveCategory;
use super::section::Section;
use super::section_id::SectionId;
use super::value::Value;

/// What a business does with a subject's data, what it told her, and what she chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// Whether a notice of the processing was given; `None` when nothing is processed or shared.
    pub processing_notice: Option<bool>,
    /// The sale of personal data.
    pub sale: Offer,
    /// Sharing for cross-context behavioural advertising (California).
    pub sharing: Offer,
    /// Processing for targeted advertising.
    pub targeted_advertising: Offer,
    /// Whether a notice of the right to limit or refuse the use of sensitive data was given; `None` when none are used.
    pub sensitive_notice: Option<bool>,
    /// Sensitive data that are used, by category.
    pub sensitive: BTreeMap<SensitiveCategory, Choice>,
    /// All processing of a child's data; says that the subject is known to be a child, unless it is [`Choice::NotApplicable`].
    pub known_child: Choice,
    /// Processing for purposes other than those disclosed.
    pub other_purposes: Choice,
    /// Whether the browser sent Global Privacy Control. It is then an opt-out in every section, also in those that cannot name it.
    pub gpc: bool,
    /// What the business declares about the IAB's Multi-State Privacy Agreement.
    pub mspa: Mspa,
}

/// Something that a subject can opt out of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Whether she was told that she can.
    pub notice_given: bool,
    /// What she chose.
    pub choice: Choice,
}

/// What a subject chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The business does not do this.
    #[default]
    NotApplicable,
    /// She refused: opted out, or did not consent where consent is needed.
    Refused,
    /// She did not refuse: did not opt out, or consented where consent is needed.
    Allowed,
}

/// What the business declares about the IAB's Multi-State Privacy Agreement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mspa {
    /// It has not signed it, or the transaction is not covered.
    #[default]
    NotCovered,
    /// Covered, in opt-out option mode.
    OptOutOption,
    /// Covered, in service provider mode.
    ServiceProvider,
}

impl Gpp {
    /// Writes the same choices into each of these sections, as far as each has a field for them.
    ///
    /// # Errors
    /// If a section is none of the United States.
    pub fn from_choices(
        sections: impl IntoIterator<Item = SectionId>,
        choices: &Choices,
    ) -> Result<Self, GppError> {
        let mut gpp = Self::default();
        for id in sections {
            if !id.is_us() {
                return Err(GppError::NotWritten { section: id });
            }
            gpp.insert(section_from(id, choices)?);
        }
        Ok(gpp)
    }
}

fn section_from(id: SectionId, choices: &Choices) -> Result<Section, GppError> {
    let mut section = Section::blank(id)?;
    for (field, number) in numbers(choices) {
        let value = match section.value(field) {
            Some(Value::Integers(_)) | None => continue,
            Some(_) => Value::Integer(number),
        };
        section.set(field, value)?;
    }
    write_sensitive(&mut section, choices)?;
    write_child(&mut section, choices)?;
    write_usp(&mut section, choices)?;
    write_gpc(&mut section, choices)?;
    Ok(section)
}

/// Every field that is one number, in whichever section it is.
fn numbers(choices: &Choices) -> [(&'static str, u64); 17] {
    let [sale, sharing, advertising] =
        [choices.sale, choices.sharing, choices.targeted_advertising];
    let processing = yes_or_no(choices.processing_notice);
    let sensitive = yes_or_no(choices.sensitive_notice);
    let other = choices.other_purposes.number();
    let (covered, option_mode, provider_mode, mode) = choices.mspa.numbers();
    [
        ("SharingNotice", processing),
        ("ProcessingNotice", processing),
        ("SaleOptOutNotice", sale.notice()),
        ("SharingOptOutNotice", sharing.notice()),
        ("TargetedAdvertisingOptOutNotice", advertising.notice()),
        ("SensitiveDataProcessingOptOutNotice", sensitive),
        ("SensitiveDataOptOutNotice", sensitive),
        ("SensitiveDataLimitUseNotice", sensitive),
        ("SaleOptOut", choices.opt_out(sale)),
        ("SharingOptOut", choices.opt_out(sharing)),
        ("TargetedAdvertisingOptOut", choices.opt_out(advertising)),
        ("PersonalDataConsents", other),
        ("AdditionalDataProcessingConsent", other),
        ("MspaCoveredTransaction", covered),
        ("MspaOptOutOptionMode", option_mode),
        ("MspaServiceProviderMode", provider_mode),
        ("MspaMode", mode),
    ]
}

impl Choices {
    /// The number of an opt-out. A refusal is written even where no notice was given: the specification says 0 then, which would lose it.
    const fn opt_out(&self, offer: Offer) -> u64 {
        if self.gpc {
            Choice::Refused.number()
        } else {
            offer.choice.number()
        }
    }
}

impl Offer {
    const fn notice(self) -> u64 {
        match (self.notice_given, self.choice) {
            (true, _) => 1,
            (false, Choice::NotApplicable) => 0,
            (false, _) => 2,
        }
    }
}

impl Choice {
    const fn number(self) -> u64 {
        match self {
            Self::NotApplicable => 0,
            Self::Refused => 1,
            Self::Allowed => 2,
        }
    }

    const fn small(self) -> u8 {
        match self {
            Self::NotApplicable => 0,
            Self::Refused => 1,
            Self::Allowed => 2,
        }
    }
}

impl Mspa {
    /// Covered; opt-out option mode; service provider mode; both modes in one field, as the newest sections have it.
    const fn numbers(self) -> (u64, u64, u64, u64) {
        match self {
            Self::NotCovered => (2, 0, 0, 0),
            Self::OptOutOption => (1, 1, 2, 1),
            Self::ServiceProvider => (1, 2, 1, 2),
        }
    }
}

const fn yes_or_no(given: Option<bool>) -> u64 {
    match given {
        None => 0,
        Some(true) => 1,
        Some(false) => 2,
    }
}

/// One item for each category; where an item is about several, the strictest choice among them.
fn write_sensitive(section: &mut Section, choices: &Choices) -> Result<(), GppError> {
    let layout = section.layout();
    if layout.sensitive.is_empty() || choices.sensitive.is_empty() {
        return Ok(());
    }
    let number = |categories: &&[SensitiveCategory]| {
        let chosen = categories
            .iter()
            .filter_map(|category| choices.sensitive.get(category));
        let numbers = chosen
            .map(|choice| choice.small())
            .filter(|number| *number != 0);
        numbers.min().unwrap_or_default()
    };
    let numbers = layout.sensitive.iter().map(number).collect();
    section.set("SensitiveDataProcessing", Value::Integers(numbers))
}

fn write_child(section: &mut Section, choices: &Choices) -> Result<(), GppError> {
    let value = match section.value("KnownChildSensitiveDataConsents") {
        Some(Value::Integers(items)) => {
            Value::Integers(vec![choices.known_child.small(); items.len()])
        }
        Some(_) => Value::Integer(choices.known_child.number()),
        None => return Ok(()),
    };
    section.set("KnownChildSensitiveDataConsents", value)
}

/// The US Privacy string has letters instead of numbers.
fn write_usp(section: &mut Section, choices: &Choices) -> Result<(), GppError> {
    if section.id() != SectionId::USP {
        return Ok(());
    }
    let letter = |number| {
        let letter = match number {
            1 => "Y",
            2 => "N",
            _ => "-",
        };
        Value::Letters(letter.to_owned())
    };
    section.set("Notice", letter(choices.sale.notice()))?;
    section.set("OptOutSale", letter(choices.opt_out(choices.sale)))?;
    section.set("LspaCovered", letter(choices.mspa.numbers().0))
}

/// Sections with a segment for it say what the browser sent, also when it sent nothing.
fn write_gpc(section: &mut Section, choices: &Choices) -> Result<(), GppError> {
    match section.set("Gpc", Value::Flag(choices.gpc)) {
        Err(GppError::NoSuchField { .. }) => Ok(()),
        written => written,
    }
}
