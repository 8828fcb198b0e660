//! The GPP string of somebody's choices: what tags of others on a page of the business are told (IAB Global Privacy Platform).

use std::collections::BTreeMap;

use domain::gpp::{Choice, Choices, Gpp, Offer, SectionId, SensitiveCategory};
use domain::law::Law;
use domain::purpose_of_use::UseKind;

use super::OfferedPurpose;
use crate::Problem;

/// The string with the sections of the law's state and of the United States; empty where the law is none of theirs.
///
/// # Errors
/// A section can't be written, which is a fault of ours.
pub(super) fn string(
    purposes: &[OfferedPurpose<'_>],
    law: &Law,
    signal: bool,
) -> Result<Gpp, Problem> {
    let choices = Choices {
        // The page that holds the script gives the notice beside the choices.
        processing_notice: Some(true),
        sale: told(purposes, UseKind::Sale),
        sharing: told(purposes, UseKind::Sharing),
        targeted_advertising: told(purposes, UseKind::TargetedAdvertising),
        sensitive_notice: purposes
            .iter()
            .any(|offered| offered.purpose.is_sensitive())
            .then_some(true),
        sensitive: sensitive(purposes),
        gpc: signal,
        ..Choices::default()
    };
    Gpp::from_choices(sections(law), &choices)
        .map_err(|error| Problem::internal("writing the GPP string", &error))
}

/// The state's own section and the national one, which many tags read alone.
fn sections(law: &Law) -> Vec<SectionId> {
    let Some(state) = law.jurisdiction.strip_prefix("US-") else {
        return Vec::new();
    };
    let own = SectionId::named(&format!("us{}", state.to_ascii_lowercase()));
    std::iter::once(SectionId::US_NATIONAL).chain(own).collect()
}

/// A string can say one thing about all sales: they are allowed only when each of them is.
fn told(purposes: &[OfferedPurpose<'_>], kind: UseKind) -> Offer {
    let of_kind = purposes
        .iter()
        .filter(|offered| offered.purpose.uses.contains(&kind));
    Offer {
        notice_given: of_kind.clone().next().is_some(),
        choice: of_kind.map(choice).fold(Choice::NotApplicable, stricter),
    }
}

fn choice(offered: &OfferedPurpose<'_>) -> Choice {
    let everywhere = offered
        .recipients
        .iter()
        .all(|recipient| recipient.standing.allowed);
    if offered.standing.allowed && everywhere {
        Choice::Allowed
    } else {
        Choice::Refused
    }
}

const fn stricter(one: Choice, other: Choice) -> Choice {
    match (one, other) {
        (Choice::Refused, _) | (_, Choice::Refused) => Choice::Refused,
        (Choice::Allowed, _) | (_, Choice::Allowed) => Choice::Allowed,
        (Choice::NotApplicable, Choice::NotApplicable) => Choice::NotApplicable,
    }
}

fn sensitive(purposes: &[OfferedPurpose<'_>]) -> BTreeMap<SensitiveCategory, Choice> {
    let mut all = BTreeMap::new();
    for offered in purposes {
        let categories = offered.purpose.sensitive.iter();
        for category in categories.filter_map(|key| category(key)) {
            let known = all.entry(category).or_insert(Choice::NotApplicable);
            *known = stricter(*known, choice(offered));
        }
    }
    all
}

/// The IAB's word for a sensitive category of law/categories.yaml. Data of children have fields of their own there.
fn category(key: &str) -> Option<SensitiveCategory> {
    Some(match key {
        "account_credentials" => SensitiveCategory::AccountAccess,
        "biometric_unique_id" => SensitiveCategory::BiometricData,
        "citizenship_immigration" => SensitiveCategory::Citizenship,
        "genetic" => SensitiveCategory::GeneticData,
        "government_id" => SensitiveCategory::GovernmentId,
        "health" => SensitiveCategory::Health,
        "message_contents" => SensitiveCategory::Communications,
        "precise_geolocation" => SensitiveCategory::PreciseGeolocation,
        "racial_ethnic_origin" => SensitiveCategory::RacialOrEthnicOrigin,
        "religious_philosophical" => SensitiveCategory::Beliefs,
        "sex_life_orientation" => SensitiveCategory::SexLife,
        "union_membership" => SensitiveCategory::UnionMembership,
        _ => return None,
    })
}
