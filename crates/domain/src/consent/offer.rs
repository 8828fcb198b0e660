//! How choices are offered: a no must be as easy to reach as a yes, and an opt-out has the ways in that the law asks for.
//!
//! Law: Civ. Code 1798.140(h), (l); 11 CCR 7004, 7026(a), 7027(b), 7028(a). What is gained by an offer that fails here is no consent.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A place where a subject is asked: a banner, a dialogue, a row of the Privacy Center.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// What can be pressed, in the order shown.
    pub buttons: Vec<Button>,
    /// Steps from the first sign of interest to a recorded yes.
    pub steps_to_yes: u8,
    /// Steps from the link to a recorded no.
    pub steps_to_no: u8,
    /// Whether it asks again after an opt-out of sale or sharing, or asks a minor (11 CCR 7028(a), 7071(a)).
    #[serde(default)]
    pub asks_to_opt_in_to_sale: bool,
}

/// Something that can be pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Button {
    /// What it says.
    pub says: Says,
    /// How much it stands out; equal numbers look alike.
    pub prominence: u8,
    /// Whether it is chosen already when the page opens.
    #[serde(default)]
    pub preselected: bool,
}

/// What a button says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// Yes, or accept all.
    Yes,
    /// No, or decline all.
    No,
    /// Ask me later.
    Later,
    /// More information or preferences.
    More,
}

/// Something wrong with how a choice is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnfairOffer {
    /// There is a yes and no no.
    NoWayToDecline,
    /// The yes stands out more.
    YesStandsOut,
    /// The yes is chosen already.
    YesPreselected,
    /// A no takes more steps.
    LongerWayToDecline,
    /// One step leads back into sale or sharing.
    NotConfirmed,
}

impl UnfairOffer {
    /// What is wrong and what to do.
    pub const fn problem(self) -> &'static str {
        match self {
            Self::NoWayToDecline => {
                "there is a button for yes and none for no; add one beside it, as easy to see"
            }
            Self::YesStandsOut => "the yes stands out more than the no; make them look alike",
            Self::YesPreselected => {
                "the yes is chosen already; nobody consents by leaving things as they are"
            }
            Self::LongerWayToDecline => "a no takes more steps than a yes; shorten its way",
            Self::NotConfirmed => {
                "one step leads back into sale or sharing; let the subject ask, then confirm separately"
            }
        }
    }

    /// The row of law data behind it.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::NotConfirmed => "ccpa.opt_in_steps",
            _ => "ccpa.symmetry",
        }
    }
}

impl Offer {
    /// Everything wrong with it; nothing when it is fair.
    pub fn faults(&self) -> Vec<UnfairOffer> {
        let said = |says| {
            self.buttons
                .iter()
                .filter(move |button| button.says == says)
        };
        let most = |says| said(says).map(|button| button.prominence).max();
        let checks = [
            (
                said(Says::Yes).next().is_some() && said(Says::No).next().is_none(),
                UnfairOffer::NoWayToDecline,
            ),
            (
                most(Says::No).is_some_and(|no| most(Says::Yes) > Some(no)),
                UnfairOffer::YesStandsOut,
            ),
            (
                said(Says::Yes).any(|button| button.preselected),
                UnfairOffer::YesPreselected,
            ),
            (
                self.steps_to_no > self.steps_to_yes,
                UnfairOffer::LongerWayToDecline,
            ),
            (
                self.asks_to_opt_in_to_sale && self.steps_to_yes < 2,
                UnfairOffer::NotConfirmed,
            ),
        ];
        let wrong = checks.into_iter().filter(|(is_wrong, _)| *is_wrong);
        wrong.map(|(_, fault)| fault).collect()
    }
}

/// A way in which a subject can opt out or limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptOutWay {
    /// An opt-out preference signal.
    Signal,
    /// A form behind the link that the law names, or behind the alternative link.
    Form,
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// A form on paper.
    Paper,
    /// Face to face.
    InPerson,
    /// A cookie banner, which is not enough: it says nothing about sale and sharing that goes another way.
    CookieBanner,
}

/// The ways in that a business offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptOutWays {
    /// Whether it collects data online.
    pub is_online: bool,
    /// The ways of an opt-out of sale and sharing.
    pub opt_out: BTreeSet<OptOutWay>,
    /// The ways to limit sensitive data.
    pub limit: BTreeSet<OptOutWay>,
}

/// A way that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MissingWay {
    /// Online the signal is always one of them.
    Signal,
    /// A second one besides the signal, or two where nothing is online. A cookie banner doesn't count.
    Second,
    /// Two ways to limit.
    Limit,
}

impl MissingWay {
    /// What is wrong and what to do.
    pub const fn problem(self) -> &'static str {
        match self {
            Self::Signal => {
                "whoever sells or shares data collected online honours the opt-out signal; name `signal`"
            }
            Self::Second => {
                "an opt-out needs two ways, online the signal and one more such as `form`; a cookie banner is none"
            }
            Self::Limit => "limiting sensitive data needs two ways, such as `form` and `phone`",
        }
    }

    /// The row of law data behind it.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Signal | Self::Second => "ccpa.opt_out_methods",
            Self::Limit => "ccpa.limit_methods",
        }
    }
}

impl OptOutWays {
    /// What is missing for a business that sells or shares, or uses sensitive data beyond what is expected.
    pub fn missing(&self, sells_or_shares: bool, limits: bool) -> Vec<MissingWay> {
        let counted = |ways: &BTreeSet<OptOutWay>| {
            let is_banner = |way: &&OptOutWay| **way == OptOutWay::CookieBanner;
            ways.iter().filter(|way| !is_banner(way)).count()
        };
        let has_signal = self.opt_out.contains(&OptOutWay::Signal);
        // Online an e-mail address is not the second way beside the signal: it is a form, or a way of the place where people meet.
        let others = self
            .opt_out
            .iter()
            .filter(|way| !matches!(way, OptOutWay::Signal | OptOutWay::CookieBanner));
        let has_second = if self.is_online {
            others.clone().any(|way| *way != OptOutWay::Email)
        } else {
            counted(&self.opt_out) >= 2
        };
        let checks = [
            (
                sells_or_shares && self.is_online && !has_signal,
                MissingWay::Signal,
            ),
            (sells_or_shares && !has_second, MissingWay::Second),
            (limits && counted(&self.limit) < 2, MissingWay::Limit),
        ];
        let missing = checks.into_iter().filter(|(is_missing, _)| *is_missing);
        missing.map(|(_, way)| way).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn button(says: Says, prominence: u8) -> Button {
        Button {
            says,
            prominence,
            preselected: false,
        }
    }

    fn fair() -> Offer {
        Offer {
            buttons: vec![button(Says::Yes, 1), button(Says::No, 1)],
            steps_to_yes: 1,
            steps_to_no: 1,
            asks_to_opt_in_to_sale: false,
        }
    }

    #[test]
    fn a_fair_offer_has_no_fault_and_each_trick_has_its_own() {
        assert_eq!(fair().faults(), []);
        let change = |change: fn(&mut Offer)| {
            let mut offer = fair();
            change(&mut offer);
            offer.faults()
        };
        let later: fn(&mut Offer) = |offer| offer.buttons[1] = button(Says::Later, 1);
        assert_eq!(change(later), [UnfairOffer::NoWayToDecline]);
        assert_eq!(
            change(|offer| offer.buttons[0].prominence = 2),
            [UnfairOffer::YesStandsOut]
        );
        assert_eq!(
            change(|offer| offer.buttons[0].preselected = true),
            [UnfairOffer::YesPreselected]
        );
        assert_eq!(
            change(|offer| offer.steps_to_no = 2),
            [UnfairOffer::LongerWayToDecline]
        );
        assert_eq!(
            change(|offer| offer.asks_to_opt_in_to_sale = true),
            [UnfairOffer::NotConfirmed]
        );
    }

    #[test]
    fn offline_two_ways_suffice_and_who_sells_nothing_needs_none() {
        let mut ways = OptOutWays {
            is_online: false,
            opt_out: [OptOutWay::Phone, OptOutWay::Paper].into(),
            limit: BTreeSet::new(),
        };
        assert_eq!(ways.missing(true, false), []);
        assert_eq!(ways.missing(true, true), [MissingWay::Limit]);
        ways.opt_out.remove(&OptOutWay::Paper);
        assert_eq!(ways.missing(true, false), [MissingWay::Second]);
        assert_eq!(ways.missing(false, false), []);
    }
}
