//! What the items of two lists in the sections of the United States are about. The words are those of the state laws that the IAB's
//! specifications quote; which item means what in which section is in `layout/us.rs`.

/// A category of sensitive data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SensitiveCategory {
    /// Racial or ethnic origin.
    RacialOrEthnicOrigin,
    /// Religious or philosophical beliefs.
    Beliefs,
    /// Health: condition, history, treatment, diagnosis.
    Health,
    /// Sex life or sexual orientation.
    SexLife,
    /// Citizenship or immigration status.
    Citizenship,
    /// Genetic data.
    GeneticData,
    /// Biometric data that identify somebody.
    BiometricData,
    /// Precise geolocation.
    PreciseGeolocation,
    /// Number of a social security card, driver's license, state identification card or passport.
    GovernmentId,
    /// Log-in, account or card number together with what opens it.
    AccountAccess,
    /// Membership in a union.
    UnionMembership,
    /// Contents of mail, e-mail and text messages.
    Communications,
    /// Consumer health data (Connecticut).
    ConsumerHealthData,
    /// Having been the victim of a crime.
    VictimOfCrime,
    /// National origin.
    NationalOrigin,
    /// Being transgender or nonbinary.
    TransgenderOrNonbinary,
}

impl SensitiveCategory {
    /// The stable text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::RacialOrEthnicOrigin => "racial_or_ethnic_origin",
            Self::Beliefs => "beliefs",
            Self::Health => "health",
            Self::SexLife => "sex_life",
            Self::Citizenship => "citizenship",
            Self::GeneticData => "genetic_data",
            Self::BiometricData => "biometric_data",
            Self::PreciseGeolocation => "precise_geolocation",
            Self::GovernmentId => "government_id",
            Self::AccountAccess => "account_access",
            Self::UnionMembership => "union_membership",
            Self::Communications => "communications",
            Self::ConsumerHealthData => "consumer_health_data",
            Self::VictimOfCrime => "victim_of_crime",
            Self::NationalOrigin => "national_origin",
            Self::TransgenderOrNonbinary => "transgender_or_nonbinary",
        }
    }
}

/// What is done with the data of somebody whom the business knows to be a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChildProcessing {
    /// Anything, of a child as the state defines it (under 13 in most).
    KnownChild,
    /// Anything, under 13.
    Under13,
    /// Anything, from 13 to 15.
    From13To15,
    /// Anything, 16 or 17.
    From16To17,
    /// Sale, under 16.
    SaleUnder16,
    /// Sharing for cross-context behavioural advertising, under 16.
    SharingUnder16,
    /// Sale, from 13 to 15.
    SaleFrom13To15,
    /// Targeted advertising, from 13 to 15.
    AdvertisingFrom13To15,
    /// Sale, 16 or 17 (16 alone in New Jersey).
    SaleFrom16To17,
    /// Targeted advertising, 16 or 17 (16 alone in New Jersey).
    AdvertisingFrom16To17,
}
