//! What a history of choices allows: the scenarios of `law/scenarios.yaml` that are about it, birthdays, scopes, and who may consent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

pub(crate) mod fixture;
mod model;

use domain::consent::{
    Act, Age, Button, By, Conflict, GuardianProof, How, InvalidConsent, MissingWay, Offer,
    OptOutWay, OptOutWays, Party, Reason, Says, Scope, Tag, Terms, UnfairOffer,
};
use domain::notice::NoticeKind;
use fixture::{
    LAPTOP, PHONE, at, by_guardian, despite, gpc, notices, one_click, only, opted_out, person,
    purposes, refused, to, withdrawn, yes,
};
use jiff::civil::date;

const FORM: Option<GuardianProof> = Some(GuardianProof::SignedForm);

#[test]
fn withdrawn_consent_stops_use() {
    let her = person(&["gdpr"]);
    let given = yes("marketing_email", "2026-01-10");
    let answer = her.ask(
        std::slice::from_ref(&given),
        "marketing_email",
        "2026-01-11",
    );
    assert_eq!((answer.allowed, answer.reason), (true, Reason::Consented));
    let history = [given, withdrawn("marketing_email", "2026-02-01")];
    let answer = her.ask(&history, "marketing_email", "2026-02-02");
    assert_eq!(
        (answer.allowed, answer.reason, answer.since),
        (false, Reason::Withdrawn, Some(at("2026-02-01")))
    );
    assert!(her.ask(&history, "marketing_email", "2026-01-31").allowed);
}

#[test]
fn without_a_choice_the_regime_of_her_law_decides() {
    let ask = |law| {
        let answer = person(&[law]).ask(&[], "marketing_email", "2026-11-02");
        (answer.allowed, answer.reason, answer.rule)
    };
    assert_eq!(ask("ccpa"), (true, Reason::NotOptedOut, None));
    assert_eq!(
        ask("gdpr"),
        (false, Reason::NoConsent, Some("gdpr.consent".into()))
    );
    let both = person(&["ccpa", "gdpr"]);
    assert!(
        !both.ask(&[], "marketing_email", "2026-11-02").allowed,
        "the strictest governs"
    );
    let answer = both.ask(
        &[withdrawn("fulfil_orders", "2026-01-01")],
        "fulfil_orders",
        "2026-11-02",
    );
    assert_eq!((answer.allowed, answer.reason), (true, Reason::NoChoice));
}

#[test]
fn a_consent_ends_when_the_purpose_says_so_and_the_answer_tells_when() {
    let her = person(&["gdpr"]);
    let history = [yes("marketing_email", "2025-02-28")];
    let answer = her.ask(&history, "marketing_email", "2026-01-01");
    assert_eq!(answer.until, Some(at("2027-02-28T12:00:00Z")));
    assert!(
        her.ask(&history, "marketing_email", "2027-02-28T11:59:59Z")
            .allowed
    );
    let answer = her.ask(&history, "marketing_email", "2027-02-28T12:00:00Z");
    assert_eq!((answer.allowed, answer.reason), (false, Reason::Expired));
}

#[test]
fn an_opt_out_comes_back_when_the_later_consent_ends() {
    let her = person(&["ccpa"]);
    let mut again = yes("sell_purchases", "2026-02-01");
    if let Act::Given(assent) = &mut again.act {
        assent.expires = Some(at("2026-03-01"));
    }
    let history = [opted_out("2026-01-01"), again];
    let answer = her.ask(&history, "sell_purchases", "2026-02-15");
    assert_eq!(
        (answer.allowed, answer.reason),
        (true, Reason::ConsentedAgain)
    );
    assert_eq!(answer.until, Some(at("2026-03-01")));
    assert!(!her.ask(&history, "sell_purchases", "2026-03-01").allowed);
}

#[test]
fn a_narrower_no_wins_over_a_wider_yes_of_any_time() {
    let her = person(&["ccpa"]);
    for history in [
        [
            to(refused("sell_purchases", "2026-01-01"), "broker"),
            yes("sell_purchases", "2026-02-01"),
        ],
        [
            yes("sell_purchases", "2026-01-01"),
            to(refused("sell_purchases", "2026-02-01"), "broker"),
        ],
    ] {
        let ask = |recipient| {
            her.ask_for(&history, "sell_purchases", recipient, None, "2026-03-01")
                .allowed
        };
        assert!(!ask(Some("broker")));
        assert!(ask(Some("ad_network")) && ask(None));
    }
}

#[test]
fn only_a_later_yes_for_the_same_or_something_narrower_wins_over_a_no() {
    let her = person(&["ccpa"]);
    let ask = |history: &[_], attribute| {
        her.ask_for(
            history,
            "sell_purchases",
            Some("broker"),
            attribute,
            "2026-03-01",
        )
        .allowed
    };
    let narrow = to(yes("sell_purchases", "2026-02-01"), "broker");
    assert!(ask(&[opted_out("2026-01-01"), narrow.clone()], None));
    assert!(
        !ask(&[narrow.clone(), opted_out("2026-02-02")], None),
        "a wider no reaches what lies in it"
    );
    assert!(
        !ask(&[opted_out("2026-02-01"), narrow], None),
        "at the same moment the no wins"
    );
    let one = only(
        refused("sell_purchases", "2026-01-01"),
        &["purchase_history"],
    );
    let other = only(
        yes("sell_purchases", "2026-02-01"),
        &["purchase_history", "email"],
    );
    assert!(
        ask(&[one.clone(), other], Some("purchase_history")),
        "each attribute counts alone"
    );
    let across = to(yes("sell_purchases", "2026-02-01"), "broker");
    assert!(
        !ask(&[one, across], Some("purchase_history")),
        "neither is within the other"
    );
}

#[test]
fn a_withdrawal_asks_for_nothing_that_a_consent_does_not_ask_for() {
    let given = serde_json::to_value(yes("marketing_email", "2026-01-01")).unwrap();
    let withdrawal = serde_json::to_value(withdrawn("marketing_email", "2026-01-01")).unwrap();
    let members = |event: &serde_json::Value| -> std::collections::BTreeSet<String> {
        let top = event.as_object().unwrap().keys().cloned();
        let act = event["act"]
            .as_object()
            .unwrap()
            .keys()
            .map(|key| format!("act.{key}"));
        top.chain(act).collect()
    };
    assert!(members(&withdrawal).is_subset(&members(&given)));
    assert!(members(&withdrawal).len() < members(&given).len());
    // Whatever is wrong with what was shown, a no is taken.
    let mut no = withdrawn("marketing_email", "2026-01-01");
    let mut wrong = fixture::shown("newsletter", 2);
    wrong.version = 9;
    no.act = Act::Withdrawn { shown: Some(wrong) };
    no.scope.recipient = Some("nobody".into());
    assert_eq!(no.check(purposes(), notices()), Ok(()));
}

#[test]
fn a_choice_reads_back_as_it_was_written() {
    let mut all = gpc(PHONE, "2026-01-01");
    all.push(despite(
        to(
            only(yes("sell_purchases", "2026-01-02"), &["email"]),
            "broker",
        ),
        PHONE,
    ));
    all.push(by_guardian(yes("sell_purchases", "2026-01-02"), FORM));
    all.push(refused("marketing_email", "2026-01-03"));
    for event in all {
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(
            serde_json::from_str::<domain::consent::ConsentEvent>(&text).unwrap(),
            event,
            "{text}"
        );
    }
    assert!("lena@example.org".parse::<Tag>().is_err());
    assert_eq!(PHONE.to_string().parse(), Ok(PHONE));
}

#[test]
fn a_yes_is_checked_against_what_was_published() {
    let check = |change: &dyn Fn(&mut domain::consent::ConsentEvent)| {
        let mut event = yes("marketing_email", "2026-01-01");
        change(&mut event);
        event.check(purposes(), notices())
    };
    assert_eq!(check(&|_| ()), Ok(()));
    assert!(matches!(
        check(&|event| event.scope = Scope::purpose("dance")),
        Err(InvalidConsent::UnknownPurpose(_))
    ));
    assert!(matches!(
        check(&|event| event.scope = Scope::purpose("fulfil_orders")),
        Err(InvalidConsent::NoChoice(_))
    ));
    assert!(matches!(
        check(&|event| event.scope = Scope::purpose("train_ad_model")),
        Err(InvalidConsent::NotExplained { .. })
    ));
    assert_eq!(
        check(&|event| event.scope = Scope::every([])),
        Err(InvalidConsent::NotParticular)
    );
    assert_eq!(
        check(&|event| event.place = "lena@example.org".to_owned()),
        Err(InvalidConsent::Place)
    );
    assert!(matches!(
        check(&|event| event.scope.recipient = Some("broker".into())),
        Err(InvalidConsent::UnknownRecipient { .. })
    ));
    assert!(matches!(
        check(&|event| event.at = at("2024-06-01")),
        Err(InvalidConsent::NotShown(_))
    ));
    let signal = gpc(PHONE, "2026-01-01").remove(0);
    assert_eq!(signal.check(purposes(), notices()), Ok(()));
    assert_eq!(
        check(&|event| event.by = signal.by.clone()),
        Err(InvalidConsent::SignalSaysMore)
    );
    let unknown = |event: &mut domain::consent::ConsentEvent| {
        *event = despite(event.clone(), PHONE);
        event.party = Party::Device(PHONE);
    };
    assert_eq!(check(&unknown), Err(InvalidConsent::UnknownInFaceOfSignal));
}

#[test]
fn a_consent_to_an_older_notice_stops_counting_when_the_purpose_moves_on() {
    let her = person(&["gdpr"]);
    let mut old = yes("marketing_email", "2024-06-01");
    if let Act::Given(assent) = &mut old.act {
        assent.shown = fixture::shown("newsletter", 1);
    }
    let answer = her.ask(&[old], "marketing_email", "2025-06-01");
    assert_eq!((answer.allowed, answer.reason), (false, Reason::OldNotice));
}

#[test]
fn an_agent_may_say_no_and_needs_a_power_of_attorney_to_say_yes() {
    let her = person(&["ccpa"]);
    let agent = |power_of_attorney| {
        let mut event = yes("train_ad_model", "2026-01-01");
        event.by = By::Agent { power_of_attorney };
        her.ask(&[event], "train_ad_model", "2026-02-01")
    };
    assert_eq!(
        (agent(false).allowed, agent(false).reason),
        (false, Reason::NotHersToGive)
    );
    assert!(agent(true).allowed);
    let mut no = opted_out("2026-01-01");
    no.by = By::Agent {
        power_of_attorney: false,
    };
    assert!(!her.ask(&[no], "sell_purchases", "2026-02-01").allowed);
}

// Ages.

/// Ten to midnight and midnight of the birthday in Los Angeles (facts T20).
#[test]
fn a_birthday_changes_the_answer_at_midnight_where_she_lives() {
    for (birth, before, after) in [
        (
            date(2010, 11, 21),
            "2026-11-21T07:59:59Z",
            "2026-11-21T08:00:00Z",
        ),
        // In summer the day begins an hour earlier in UTC.
        (
            date(2010, 7, 1),
            "2026-07-01T06:59:59Z",
            "2026-07-01T07:00:00Z",
        ),
        // Born on a leap day: of age on 1 March of a common year, on the day itself of a leap year.
        (
            date(2008, 2, 29),
            "2024-02-29T07:59:59Z",
            "2024-02-29T08:00:00Z",
        ),
    ] {
        let her = person(&["ccpa"]).born(birth);
        let young = her.ask(&[], "sell_purchases", before);
        assert_eq!(
            (young.allowed, young.reason),
            (false, Reason::MinorsConsentNeeded),
            "{birth}"
        );
        assert_eq!(young.rule.as_deref(), Some("ccpa.age_of_opt_out"));
        assert_eq!(young.until, Some(at(after)));
        let grown = her.ask(&[], "sell_purchases", after);
        assert_eq!(
            (grown.allowed, grown.reason, grown.until),
            (true, Reason::NotOptedOut, None)
        );
    }
    let leap = person(&["ccpa"]).born(date(2012, 2, 29));
    assert!(
        !leap
            .ask(
                &[yes("sell_purchases", "2025-02-28T20:00:00Z")],
                "sell_purchases",
                "2025-03-02"
            )
            .allowed
    );
    assert!(
        leap.ask(
            &[yes("sell_purchases", "2025-03-01T20:00:00Z")],
            "sell_purchases",
            "2025-03-02"
        )
        .allowed
    );
}

#[test]
fn a_guardians_consent_ends_on_the_birthday_from_which_she_decides_herself() {
    let her = person(&["ccpa"]).born(date(2013, 11, 22));
    let history = [by_guardian(yes("sell_purchases", "2026-01-01"), FORM)];
    let eve = her.ask(&history, "sell_purchases", "2026-11-22T07:59:59Z");
    assert_eq!(
        (eve.allowed, eve.until),
        (true, Some(at("2026-11-22T08:00:00Z")))
    );
    let birthday = her.ask(&history, "sell_purchases", "2026-11-22T08:00:00Z");
    assert_eq!(
        (birthday.allowed, birthday.reason),
        (false, Reason::MinorsConsentNeeded)
    );
    let own = [history[0].clone(), yes("sell_purchases", "2026-11-23")];
    assert!(her.ask(&own, "sell_purchases", "2026-11-24").allowed);
}

#[test]
fn a_childs_own_yes_never_counts_and_a_no_always_does() {
    let her = person(&["ccpa"]).born(date(2013, 11, 22));
    let early = [yes("sell_purchases", "2026-11-01")];
    for on in ["2026-11-02", "2026-11-30", "2028-01-01"] {
        assert!(!her.ask(&early, "sell_purchases", on).allowed, "{on}");
    }
    let history = [
        by_guardian(yes("sell_purchases", "2026-01-01"), FORM),
        withdrawn("sell_purchases", "2026-02-01"),
    ];
    assert_eq!(
        her.ask(&history, "sell_purchases", "2026-03-01").reason,
        Reason::Withdrawn
    );
}

#[test]
fn a_guardian_who_was_not_shown_to_be_one_counts_for_nothing() {
    let child = person(&["ccpa"]).born(date(2016, 1, 1));
    let answer = child.ask(
        &[by_guardian(yes("sell_purchases", "2026-01-01"), None)],
        "sell_purchases",
        "2026-02-01",
    );
    assert_eq!(
        (answer.allowed, answer.reason),
        (false, Reason::GuardianNeeded)
    );
    assert_eq!(answer.rule.as_deref(), Some("ccpa.age_of_own_opt_in"));
}

#[test]
fn of_an_unknown_age_nothing_is_assumed() {
    let her = person(&["ccpa"]);
    let answer = her.ask(&[], "sell_purchases", "2026-11-02");
    assert_eq!((answer.allowed, answer.until), (true, None));
    let banded = domain::consent::BirthDate::at_least(0, date(2026, 11, 2)).unwrap();
    let mut child = her;
    child.age = Age::Born(banded);
    assert_eq!(
        child.ask(&[], "sell_purchases", "2026-11-02").reason,
        Reason::GuardianNeeded
    );
}

#[test]
fn a_law_that_nobody_knows_is_an_error_and_not_an_answer() {
    assert!(Terms::of(crate::law::book(), &["moon_act"], date(2026, 11, 2)).is_err());
}

// Waiting before asking again.

#[test]
fn after_an_opt_out_nobody_is_asked_for_twelve_months() {
    let her = person(&["ccpa"]);
    let answer = her.ask(
        &[opted_out("2026-11-03T05:00:00Z")],
        "sell_purchases",
        "2026-11-10",
    );
    let again = answer.may_ask_again.unwrap();
    assert_eq!(
        (again.from, again.rule.as_ref()),
        (date(2027, 11, 2), "ccpa.silence"),
        "the day in Los Angeles"
    );
    let answer = her.ask(
        &[refused("infer_health", "2026-11-02")],
        "infer_health",
        "2026-11-10",
    );
    assert_eq!(
        answer.may_ask_again.unwrap().from,
        date(2027, 11, 2),
        "to limit is an opt-out, too"
    );
    let answer = her.ask(
        &[withdrawn("marketing_email", "2026-11-02")],
        "marketing_email",
        "2026-11-10",
    );
    assert_eq!(
        (answer.allowed, answer.may_ask_again),
        (false, None),
        "no law asks for silence here"
    );
}

/// CA-MIN-02 and CA-MIN-08, whose dates the law data gives.
#[test]
fn a_minor_is_not_asked_again_before_twelve_months_or_the_sixteenth_birthday() {
    let at_fourteen = person(&["ccpa"]).born(date(2012, 5, 20));
    let answer = at_fourteen.ask(
        &[refused("sell_purchases", "2026-11-02")],
        "sell_purchases",
        "2026-12-01",
    );
    let again = answer.may_ask_again.unwrap();
    assert_eq!(
        (again.from, again.rule.as_ref()),
        (date(2027, 11, 2), "ccpa.silence_minor")
    );
    let almost = person(&["ccpa"]).born(date(2010, 11, 21));
    let history = [refused("sell_purchases", "2026-11-02")];
    let answer = almost.ask(&history, "sell_purchases", "2026-11-10");
    assert_eq!(answer.may_ask_again.unwrap().from, date(2026, 11, 21));
    let grown = almost.ask(&history, "sell_purchases", "2026-11-22");
    assert_eq!(
        (grown.allowed, grown.reason),
        (false, Reason::Refused),
        "an earlier no is kept"
    );
}

/// CA-NOT-05.
#[test]
fn who_refused_a_loyalty_card_is_not_asked_again_for_twelve_months() {
    let answer = person(&["ccpa"]).ask(
        &[refused("loyalty_card", "2026-11-02")],
        "loyalty_card",
        "2027-11-01",
    );
    let again = answer.may_ask_again.unwrap();
    assert_eq!(again.from, date(2027, 11, 2));
}

// Signals.

#[test]
fn a_consent_in_the_face_of_the_signal_stands_while_the_same_device_goes_on_sending() {
    let her = person(&["ccpa"]);
    let mut history = gpc(PHONE, "2026-01-01");
    history.push(despite(yes("sell_purchases", "2026-01-02"), PHONE));
    history.extend(gpc(PHONE, "2026-01-03"));
    let answer = her.ask(&history, "sell_purchases", "2026-01-04");
    assert_eq!(
        (answer.allowed, answer.rule.as_deref()),
        (true, Some("ccpa.signal_and_consent"))
    );
    let unknown: Vec<_> = history
        .iter()
        .filter(|event| event.party == Party::Device(PHONE))
        .cloned()
        .collect();
    assert!(
        !her.ask(&unknown, "sell_purchases", "2026-01-04").allowed,
        "signed out it is an unknown visitor"
    );
    let elsewhere: Vec<_> = history
        .iter()
        .cloned()
        .chain(gpc(LAPTOP, "2026-01-04"))
        .collect();
    assert!(
        !her.ask(&elsewhere, "sell_purchases", "2026-01-05").allowed,
        "another device says something new"
    );
    history.push(withdrawn("sell_purchases", "2026-01-05"));
    history.push(yes("sell_purchases", "2026-01-06"));
    assert!(her.ask(&history, "sell_purchases", "2026-01-07").allowed);
    history.extend(gpc(PHONE, "2026-01-08"));
    assert!(
        !her.ask(&history, "sell_purchases", "2026-01-09").allowed,
        "the withdrawal ended what was said in its face"
    );
}

#[test]
fn a_visitor_who_is_not_known_cannot_undo_what_the_subject_said() {
    let her = person(&["ccpa"]);
    let mut banner = yes("sell_purchases", "2026-02-01");
    banner.party = Party::Device(PHONE);
    assert!(
        !her.ask(
            &[opted_out("2026-01-01"), banner.clone()],
            "sell_purchases",
            "2026-03-01"
        )
        .allowed
    );
    let mut no = opted_out("2026-01-01");
    no.party = Party::Device(PHONE);
    assert!(
        her.ask(&[no, banner], "sell_purchases", "2026-03-01")
            .allowed
    );
}

// Scenarios of law/scenarios.yaml, by number.

/// The ways of a business that is only online, from the scenario's own words.
fn online(opt_out: &[OptOutWay]) -> OptOutWays {
    OptOutWays {
        is_online: true,
        opt_out: opt_out.iter().copied().collect(),
        limit: [OptOutWay::Form, OptOutWay::Email].into(),
    }
}

#[test]
fn ca_int_03_an_opt_out_needs_the_signal_and_a_second_way_online() {
    let missing = online(&[OptOutWay::Email]).missing(true, true);
    assert_eq!(missing, [MissingWay::Signal, MissingWay::Second]);
    assert_eq!(
        online(&[OptOutWay::Signal, OptOutWay::Email]).missing(true, true),
        [MissingWay::Second]
    );
    assert_eq!(
        online(&[OptOutWay::Signal, OptOutWay::Form]).missing(true, true),
        []
    );
    assert!(missing.iter().all(|way| is_law(way.rule())));
}

#[test]
fn ca_opt_08_a_cookie_banner_alone_is_no_way_to_opt_out() {
    let missing = online(&[OptOutWay::CookieBanner]).missing(true, false);
    assert_eq!(missing, [MissingWay::Signal, MissingWay::Second]);
    assert_eq!(
        online(&[OptOutWay::CookieBanner, OptOutWay::Signal]).missing(true, false),
        [MissingWay::Second]
    );
}

fn is_law(rule: &str) -> bool {
    crate::law::book()
        .citation(rule, date(2026, 11, 2))
        .is_some()
}

#[test]
fn ca_opt_09_a_banner_with_accept_all_and_more_options_fails() {
    let button = |says| Button {
        says,
        prominence: 1,
        preselected: false,
    };
    let mut banner = Offer {
        buttons: vec![button(Says::Yes), button(Says::More)],
        steps_to_yes: 1,
        steps_to_no: 2,
        asks_to_opt_in_to_sale: false,
    };
    let faults = banner.faults();
    assert_eq!(
        faults,
        [UnfairOffer::NoWayToDecline, UnfairOffer::LongerWayToDecline]
    );
    assert!(
        faults
            .iter()
            .all(|fault| is_law(fault.rule()) && !fault.problem().is_empty())
    );
    banner.buttons.push(button(Says::No));
    banner.steps_to_no = 1;
    assert_eq!(banner.faults(), []);
}

#[test]
fn ca_ver_14_a_signal_opts_out_without_any_permission_document() {
    let answer = person(&["ccpa"]).ask(&gpc(PHONE, "2026-11-02"), "sell_purchases", "2026-11-02");
    assert_eq!((answer.allowed, answer.reason), (false, Reason::Signal));
    assert_eq!(answer.rule.as_deref(), Some("ccpa.signal"));
    for event in gpc(PHONE, "2026-11-02") {
        assert_eq!(event.act.shown(), None);
        assert_eq!(event.check(purposes(), notices()), Ok(()));
    }
}

#[test]
fn ca_opt_06_a_signal_wins_over_an_earlier_consent_of_which_she_may_be_told() {
    let mut history = vec![yes("sell_purchases", "2026-01-01")];
    history.extend(gpc(PHONE, "2026-11-02"));
    let answer = person(&["ccpa"]).ask(&history, "sell_purchases", "2026-11-02T12:00:01Z");
    assert_eq!((answer.allowed, answer.reason), (false, Reason::Signal));
    assert_eq!(
        (answer.conflict, answer.may_ask_again),
        (Some(Conflict::EarlierConsent), None)
    );
}

#[test]
fn ca_opt_07_a_signal_stops_the_loyalty_sale_unless_she_affirms() {
    let her = person(&["ccpa"]);
    let mut history = vec![yes("loyalty_card", "2026-01-01")];
    history.extend(gpc(PHONE, "2026-11-02"));
    let answer = her.ask(&history, "loyalty_card", "2026-11-03");
    assert_eq!(
        (answer.allowed, answer.conflict),
        (false, Some(Conflict::Incentive))
    );
    history.push(despite(yes("loyalty_card", "2026-11-03"), PHONE));
    history.extend(gpc(PHONE, "2026-11-04"));
    let answer = her.ask(&history, "loyalty_card", "2026-11-05");
    assert_eq!(
        (answer.allowed, answer.rule.as_deref()),
        (true, Some("ccpa.signal_and_incentive"))
    );
    assert!(
        !her.ask(&history, "sell_purchases", "2026-11-05").allowed,
        "only for that programme"
    );
}

#[test]
fn ca_opt_13_one_click_does_not_opt_in_again() {
    let her = person(&["ccpa"]);
    let history = [
        opted_out("2026-01-01"),
        one_click("sell_purchases", "2026-02-01"),
    ];
    let answer = her.ask(&history, "sell_purchases", "2026-03-01");
    assert_eq!(
        (answer.allowed, answer.reason),
        (false, Reason::NotConfirmed)
    );
    assert_eq!(answer.rule.as_deref(), Some("ccpa.opt_in_steps"));
    let flow = Offer {
        buttons: Vec::new(),
        steps_to_yes: 1,
        steps_to_no: 1,
        asks_to_opt_in_to_sale: true,
    };
    assert_eq!(flow.faults(), [UnfairOffer::NotConfirmed]);
    assert!(is_law(UnfairOffer::NotConfirmed.rule()));
    let confirmed = [opted_out("2026-01-01"), yes("sell_purchases", "2026-02-01")];
    assert!(her.ask(&confirmed, "sell_purchases", "2026-03-01").allowed);
}

#[test]
fn ca_opt_14_an_opt_out_that_comes_with_imported_profiles_is_honoured() {
    let mut carried = opted_out("2026-01-01");
    carried.how = How::Imported;
    assert_eq!(carried.check(purposes(), notices()), Ok(()));
    assert!(
        !person(&["ccpa"])
            .ask(&[carried], "sell_purchases", "2026-11-02")
            .allowed
    );
}

#[test]
fn ca_opt_15_what_was_collected_without_notice_is_sold_only_with_consent() {
    assert!(!notices().was_posted(NoticeKind::RightToOptOut, at("2024-12-31")));
    assert!(notices().was_posted(NoticeKind::RightToOptOut, at("2025-01-02")));
    let mut her = person(&["ccpa"]);
    her.collected_without_notice = true;
    let answer = her.ask(&[], "sell_purchases", "2026-11-02");
    assert_eq!(
        (answer.allowed, answer.reason),
        (false, Reason::CollectedWithoutNotice)
    );
    assert!(
        her.ask(
            &[yes("sell_purchases", "2026-10-02")],
            "sell_purchases",
            "2026-11-02"
        )
        .allowed
    );
    assert!(
        her.ask(&[], "marketing_email", "2026-11-02").allowed,
        "it may be used as before"
    );
}

#[test]
fn ca_opt_17_a_signal_asks_nothing_of_who_neither_sells_nor_shares() {
    let quiet = fixture::purposes_of(
        "purposes: {news: {title: {en: News}, description: {en: We write.}, categories: [user.contact.email], choice: opt_out}}",
    );
    assert!(!quiet.unwrap().sells_or_shares() && purposes().sells_or_shares());
    let answer = person(&["ccpa"]).ask(&gpc(PHONE, "2026-11-02"), "marketing_email", "2026-11-03");
    assert_eq!((answer.allowed, answer.reason), (true, Reason::NotOptedOut));
}

#[test]
fn ca_min_01_at_fourteen_only_the_minor_opts_in_and_in_two_steps() {
    let her = person(&["ccpa"]).aged(14, date(2026, 11, 2));
    let ask = |history: &[_]| her.ask(history, "sell_purchases", "2026-11-03");
    assert_eq!(
        (ask(&[]).allowed, ask(&[]).reason),
        (false, Reason::MinorsConsentNeeded)
    );
    let parent = ask(&[by_guardian(yes("sell_purchases", "2026-11-02"), FORM)]);
    assert_eq!(
        (parent.allowed, parent.reason),
        (false, Reason::MinorsConsentNeeded)
    );
    assert_eq!(
        ask(&[one_click("sell_purchases", "2026-11-02")]).reason,
        Reason::NotConfirmed
    );
    assert!(ask(&[yes("sell_purchases", "2026-11-02")]).allowed);
    let told = crate::law::book().message("minor_opt_in_done").unwrap();
    assert_eq!(told.missing(&[]), ["right_to_opt_out_later_and_how"]);
}

#[test]
fn ca_min_03_at_twelve_only_a_guardian_who_was_shown_to_be_one_opts_in() {
    let child = person(&["ccpa"]).aged(12, date(2026, 11, 2));
    let ask = |event| child.ask(&[event], "sell_purchases", "2026-11-03");
    let own = ask(yes("sell_purchases", "2026-11-02"));
    assert_eq!((own.allowed, own.reason), (false, Reason::GuardianNeeded));
    assert!(!ask(by_guardian(yes("sell_purchases", "2026-11-02"), None)).allowed);
    assert!(ask(by_guardian(yes("sell_purchases", "2026-11-02"), FORM)).allowed);
}

#[test]
fn ca_not_03_a_new_purpose_for_old_data_starts_only_after_its_own_notice_and_consent() {
    let her = person(&["ccpa"]);
    let old = [
        yes("fulfil_orders", "2026-01-01"),
        yes("marketing_email", "2026-01-01"),
    ];
    assert_eq!(
        her.ask(&old, "train_ad_model", "2026-11-02").reason,
        Reason::NoConsent
    );
    let history = [
        yes("train_ad_model", "2026-10-01"),
        withdrawn("train_ad_model", "2026-11-01"),
    ];
    assert!(her.ask(&history, "train_ad_model", "2026-10-02").allowed);
    assert!(!her.ask(&history, "train_ad_model", "2026-11-02").allowed);
}

#[test]
fn eu_08_at_fourteen_where_sixteen_is_the_age_only_a_guardian_consents() {
    let child = person(&["gdpr"]).aged(14, date(2026, 11, 2));
    let ask = |event| child.ask(&[event], "marketing_email", "2026-11-03");
    let own = ask(yes("marketing_email", "2026-11-02"));
    assert_eq!((own.allowed, own.reason), (false, Reason::GuardianNeeded));
    assert_eq!(own.rule.as_deref(), Some("gdpr.age_of_own_consent"));
    assert!(ask(by_guardian(yes("marketing_email", "2026-11-02"), FORM)).allowed);
}

#[test]
fn us_md_01_no_consent_allows_the_sale_of_sensitive_data_in_maryland() {
    let history = [yes("sell_health_segment", "2026-11-01")];
    let answer = person(&["modpa"]).ask(&history, "sell_health_segment", "2026-11-02");
    assert_eq!(
        (answer.allowed, answer.reason),
        (false, Reason::NeverAllowed)
    );
    assert_eq!(answer.rule.as_deref(), Some("modpa.sensitive"));
    assert!(
        person(&["ccpa"])
            .ask(&history, "sell_health_segment", "2026-11-02")
            .allowed
    );
}

#[test]
fn us_de_01_at_seventeen_in_delaware_nothing_is_sold_without_consent() {
    let her = person(&["dpdpa"]).aged(17, date(2026, 11, 2));
    let answer = her.ask(&[], "sell_purchases", "2026-11-02");
    assert_eq!(
        (answer.allowed, answer.reason),
        (false, Reason::MinorsConsentNeeded)
    );
    assert!(
        her.ask(
            &[yes("sell_purchases", "2026-11-01")],
            "sell_purchases",
            "2026-11-02"
        )
        .allowed
    );
    let child = person(&["dpdpa"]).aged(12, date(2026, 11, 2));
    let answer = child.ask(
        &[yes("sell_purchases", "2026-11-01")],
        "sell_purchases",
        "2026-11-02",
    );
    assert_eq!(answer.rule.as_deref(), Some("coppa.age_of_own_consent"));
}

#[test]
fn us_va_02_no_consent_allows_the_sale_of_precise_places_in_virginia() {
    let history = [yes("sell_places", "2026-06-01")];
    let her = person(&["vcdpa"]);
    assert!(
        her.ask(&history, "sell_places", "2026-06-30").allowed,
        "before the amendment"
    );
    let answer = her.ask(&history, "sell_places", "2026-11-02");
    assert_eq!(
        (answer.allowed, answer.rule.as_deref()),
        (false, Some("vcdpa.geolocation_sale"))
    );
}

#[test]
fn us_tx_01_a_signal_from_texas_is_honoured() {
    let answer = person(&["tdpsa"]).ask(&gpc(PHONE, "2026-11-02"), "sell_purchases", "2026-11-03");
    assert_eq!((answer.allowed, answer.reason), (false, Reason::Signal));
    assert_eq!(answer.rule.as_deref(), Some("tdpsa.signal"));
}

#[test]
fn a_ban_for_minors_is_lifted_by_nobody_but_a_birthday() {
    let her = person(&["modpa"]).born(date(2008, 11, 10));
    let history = [
        yes("sell_purchases", "2026-11-01"),
        by_guardian(yes("sell_purchases", "2026-11-01"), FORM),
    ];
    let answer = her.ask(&history, "sell_purchases", "2026-11-02");
    assert_eq!(
        (answer.allowed, answer.reason, answer.may_ask_again),
        (false, Reason::TooYoung, None)
    );
    assert!(her.ask(&history, "sell_purchases", "2026-11-11").allowed);
}

#[test]
fn sensitive_data_needs_consent_where_the_law_says_so_whatever_the_business_declares() {
    assert!(
        person(&["ccpa"])
            .ask(&[], "infer_health", "2026-11-02")
            .allowed
    );
    let answer = person(&["vcdpa"]).ask(&[], "infer_health", "2026-11-02");
    assert_eq!(
        (answer.allowed, answer.rule.as_deref()),
        (false, Some("vcdpa.sensitive"))
    );
    assert!(
        person(&["vcdpa"])
            .ask(
                &[yes("infer_health", "2026-11-01")],
                "infer_health",
                "2026-11-02"
            )
            .allowed
    );
}

#[test]
fn an_event_of_another_purpose_or_of_the_future_is_not_seen() {
    let her = person(&["gdpr"]);
    let history = [
        yes("marketing_email", "2026-12-01"),
        yes("train_ad_model", "2026-01-01"),
    ];
    assert!(!her.ask(&history, "marketing_email", "2026-11-02").allowed);
}
