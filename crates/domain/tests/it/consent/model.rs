//! The fold against a model that shares no code with it: a history is replayed event by event on plain sets, and ages are counted by hand.

use std::collections::{BTreeMap, BTreeSet};

use domain::consent::{
    Act, Age, Assent, BirthDate, By, ConsentEvent, GuardianProof, Matter, Party, Scope, Standing,
    Steps, Tag,
};
use domain::signal::Signal;
use jiff::Timestamp;
use jiff::civil::Date;
use proptest::prelude::*;

use super::fixture::{self, Person, event, person, shown, subject};

/// One question's answer by the model.
fn model(
    history: &[ConsentEvent],
    who: &Who,
    purpose: &str,
    recipient: Option<&str>,
    attribute: Option<&str>,
    on: Timestamp,
) -> bool {
    let is_sale = purpose != "train_ad_model";
    let age = |at: Timestamp| who.birth.map(|birth| years_old(birth, at, &who.person));
    let is_young = |at| age(at).is_some_and(|years| years < who.guardian_below);
    let mut open: Vec<Open> = Vec::new();
    let mut granted = false;
    let mut kept: BTreeMap<Tag, bool> = BTreeMap::new();
    let mut sorted: Vec<&ConsentEvent> = history.iter().filter(|event| event.at <= on).collect();
    // At the same moment a no comes last and wins.
    sorted.sort_by_key(|event| (event.at, event.act.assent().is_none()));
    // A device whose signal was consented to: the last such yes, unless a spoken no follows it.
    for event in &sorted {
        let Some(_) = names(event, is_sale, purpose, recipient, attribute) else {
            continue;
        };
        match event.act.assent() {
            Some(assent) => {
                if let (Some(device), Party::Subject(_), true) = (
                    assent.despite_signal_of,
                    &event.party,
                    counts(event, assent, is_sale, on, &is_young, who),
                ) {
                    kept.insert(device, true);
                }
            }
            None if !matches!(event.by, By::Signal { .. }) => kept.clear(),
            None => {}
        }
    }
    for event in sorted {
        let Some(named) = names(event, is_sale, purpose, recipient, attribute) else {
            continue;
        };
        if let Some(assent) = event.act.assent() {
            if !counts(event, assent, is_sale, on, &is_young, who) || !named.contains("purpose") {
                continue;
            }
            granted = true;
            let is_known = matches!(event.party, Party::Subject(_));
            open.retain(|no| {
                !(no.named.is_subset(&named)
                    && (is_known || no.party == event.party)
                    && no.at < event.at)
            });
        } else {
            let device = match (&event.by, &event.party) {
                (By::Signal { .. }, Party::Device(tag)) => Some(*tag),
                (By::Signal { device, .. }, _) => *device,
                _ => None,
            };
            let is_repeat = device.is_some_and(|device| kept.contains_key(&device));
            if !is_repeat {
                open.push(Open {
                    named,
                    party: event.party.clone(),
                    at: event.at,
                });
            }
        }
    }
    let needs_consent = !is_sale || age(on).is_some_and(|years| years < who.sale_below);
    open.is_empty() && (granted || !needs_consent)
}

struct Open {
    named: BTreeSet<&'static str>,
    party: Party,
    at: Timestamp,
}

/// What an event names of a question, if it covers it.
fn names(
    event: &ConsentEvent,
    is_sale: bool,
    purpose: &str,
    recipient: Option<&str>,
    attribute: Option<&str>,
) -> Option<BTreeSet<&'static str>> {
    let mut named = BTreeSet::new();
    match &event.scope.of {
        Matter::Purpose(key) if key.as_ref() == purpose => {
            named.insert("purpose");
        }
        Matter::Every(_) if is_sale => {}
        _ => return None,
    }
    if let Some(only) = &event.scope.recipient {
        if recipient != Some(only.as_ref()) {
            return None;
        }
        named.insert("recipient");
    }
    if !event.scope.attributes.is_empty() {
        if !event
            .scope
            .attributes
            .iter()
            .any(|key| attribute == Some(key.as_ref()))
        {
            return None;
        }
        named.insert("attribute");
    }
    Some(named)
}

fn counts(
    event: &ConsentEvent,
    assent: &Assent,
    is_sale: bool,
    on: Timestamp,
    is_young: &dyn Fn(Timestamp) -> bool,
    who: &Who,
) -> bool {
    let by_somebody = match &event.by {
        By::Subject => !is_young(event.at),
        By::Guardian { proof } => proof.is_some() && (who.birth.is_none() || is_young(on)),
        By::Agent { power_of_attorney } => *power_of_attorney && !is_young(event.at),
        By::Signal { .. } => false,
    };
    let is_confirmed = !is_sale || !who.two_steps || assent.steps == Steps::Two;
    let is_alive = assent.expires.is_none_or(|end| on < end);
    matches!(event.scope.of, Matter::Purpose(_)) && by_somebody && is_confirmed && is_alive
}

/// Years on a day, by comparing months and days: who was born on 29 February has her birthday on 1 March of other years.
fn years_old(birth: Date, at: Timestamp, person: &Person) -> i64 {
    let day = at.to_zoned(person.zone.clone()).date();
    let had_birthday = (day.month(), day.day()) >= (birth.month(), birth.day());
    i64::from(day.year()) - i64::from(birth.year()) - i64::from(!had_birthday)
}

/// Whom the model knows, with the numbers of her law written down by hand.
#[derive(Clone)]
struct Who {
    person: Person,
    birth: Option<Date>,
    guardian_below: i64,
    sale_below: i64,
    two_steps: bool,
}

impl std::fmt::Debug for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} born {:?}", self.person.laws, self.birth)
    }
}

fn who() -> impl Strategy<Value = Who> {
    let birth = prop_oneof![
        2 => Just(None),
        3 => (2006i16..2016, 1i8..=12, 1i8..=28).prop_map(|(year, month, day)| Date::new(year, month, day).ok()),
        1 => Just(Date::new(2012, 2, 29).ok()),
    ];
    let law = prop_oneof![
        Just(("ccpa", 13, 16, true)),
        Just(("tdpsa", 13, 13, false)),
        Just(("dpdpa", 13, 18, false)),
    ];
    (birth, law).prop_map(|(birth, (law, guardian_below, sale_below, two_steps))| {
        let mut person = person(&[law]);
        person.age = birth.map_or(Age::Unknown, |birth| Age::Born(BirthDate::new(birth)));
        Who {
            person,
            birth,
            guardian_below,
            sale_below,
            two_steps,
        }
    })
}

const PURPOSES: [&str; 2] = ["sell_purchases", "train_ad_model"];
/// Those, and some of every other sort.
const KEYS: [&str; 5] = [
    "fulfil_orders",
    "sell_purchases",
    "train_ad_model",
    "infer_health",
    "loyalty_card",
];
const RECIPIENTS: [&str; 2] = ["broker", "ad_network"];
const ATTRIBUTES: [&str; 2] = ["email", "purchase_history"];
const DEVICES: [Tag; 2] = [fixture::PHONE, fixture::LAPTOP];

/// A moment among few, so that they often meet: every tenth day from November 2025, some beside a birthday's midnight.
fn moment() -> impl Strategy<Value = Timestamp> {
    (
        0i64..40,
        prop_oneof![Just(0i64), Just(7 * 3600 + 3599), Just(8 * 3600)],
    )
        .prop_map(|(days, seconds)| {
            Timestamp::from_second(1_762_000_000 / 86_400 * 86_400 + days * 10 * 86_400 + seconds)
                .unwrap()
        })
}

fn party() -> impl Strategy<Value = Party> {
    prop_oneof![
        3 => Just(subject()),
        1 => prop::sample::select(DEVICES.to_vec()).prop_map(Party::Device),
    ]
}

fn scope() -> impl Strategy<Value = Scope> {
    let of = prop_oneof![
        3 => prop::sample::select(PURPOSES.to_vec()).prop_map(Scope::purpose),
        1 => Just(Scope::every(Signal::Gpc.uses())),
    ];
    let recipient = prop::option::of(prop::sample::select(RECIPIENTS.to_vec()));
    (
        of,
        recipient,
        prop::sample::subsequence(ATTRIBUTES.to_vec(), 0..=2),
    )
        .prop_map(|(mut scope, recipient, attributes)| {
            scope.recipient = recipient.map(Into::into);
            scope.attributes = attributes.into_iter().map(Into::into).collect();
            scope
        })
}

fn act() -> impl Strategy<Value = Act> {
    let steps = prop_oneof![Just(Steps::One), Just(Steps::Two), Just(Steps::Two)];
    let device = prop::option::of(prop::sample::select(DEVICES.to_vec()));
    let assent = (steps, device, prop::option::of(moment())).prop_map(
        |(steps, despite_signal_of, expires)| Assent {
            shown: shown("model", 1),
            steps,
            despite_signal_of,
            expires,
        },
    );
    prop_oneof![
        4 => assent.prop_map(Act::Given),
        1 => Just(Act::Refused { shown: None }),
        1 => Just(Act::Withdrawn { shown: None }),
        1 => Just(Act::OptedOut { shown: None }),
    ]
}

fn by() -> impl Strategy<Value = By> {
    prop_oneof![
        5 => Just(By::Subject),
        2 => Just(By::Guardian { proof: Some(GuardianProof::Video) }),
        1 => Just(By::Guardian { proof: None }),
        1 => any::<bool>().prop_map(|power_of_attorney| By::Agent { power_of_attorney }),
    ]
}

fn one() -> impl Strategy<Value = Vec<ConsentEvent>> {
    let spoken =
        (party(), scope(), act(), by(), moment()).prop_map(|(party, scope, act, by, at)| {
            let mut event = event(scope, act, "2026-01-01");
            (event.party, event.by, event.at) = (party, by, at);
            vec![event]
        });
    let sent = (prop::sample::select(DEVICES.to_vec()), moment())
        .prop_map(|(device, at)| fixture::gpc(device, &at.to_string()));
    prop_oneof![4 => spoken, 1 => sent]
}

fn history() -> impl Strategy<Value = Vec<ConsentEvent>> {
    prop::collection::vec(one(), 0..9).prop_map(|events| events.concat())
}

type Asked = (&'static str, Option<&'static str>, Option<&'static str>);

fn asked() -> impl Strategy<Value = Asked> {
    (
        prop::sample::select(PURPOSES.to_vec()),
        prop::option::of(prop::sample::select(RECIPIENTS.to_vec())),
        prop::option::of(prop::sample::select(ATTRIBUTES.to_vec())),
    )
}

fn ask(
    who: &Who,
    history: &[ConsentEvent],
    (purpose, recipient, attribute): Asked,
    on: Timestamp,
) -> Standing {
    who.person
        .ask_for(history, purpose, recipient, attribute, &on.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn the_fold_answers_as_a_naive_replay_does(who in who(), history in history(), asked in asked(), on in moment()) {
        let (purpose, recipient, attribute) = asked;
        let expected = model(&history, &who, purpose, recipient, attribute, on);
        let answer = ask(&who, &history, asked, on);
        prop_assert_eq!(answer.allowed, expected, "{:?}", answer);
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn the_order_in_which_events_arrive_changes_nothing(who in who(), history in history(), asked in asked(), on in moment()) {
        let mut other = history.clone();
        other.reverse();
        prop_assert_eq!(ask(&who, &history, asked, on), ask(&who, &other, asked, on));
    }

    #[test]
    fn a_no_is_heard_at_once_and_never_allows_anything(who in who(), history in history(), asked in asked(), on in moment(), scope in scope()) {
        let before = ask(&who, &history, asked, on).allowed;
        let mut any = history.clone();
        let mut no = event(scope, Act::Refused { shown: None }, "2026-01-01");
        no.at = on;
        any.push(no.clone());
        prop_assert!(before || !ask(&who, &any, asked, on).allowed);
        no.scope = Scope::purpose(asked.0);
        any.push(no);
        prop_assert!(!ask(&who, &any, asked, on).allowed);
    }

    #[test]
    fn an_age_that_nothing_depends_on_changes_no_answer(who in who(), history in history(), key in prop::sample::select(KEYS.to_vec()), on in moment()) {
        let mut history = history;
        for event in &mut history {
            if let Matter::Purpose(named) = &mut event.scope.of {
                *named = key.into();
            }
        }
        let unknown = Person { age: Age::Unknown, ..who.person.clone() };
        let has_yes = history.iter().any(|event| event.act.assent().is_some());
        if !unknown.depends_on_age(key, has_yes, on) {
            let answers = [&unknown, &who.person].map(|person| person.ask(&history, key, &on.to_string()).allowed);
            prop_assert_eq!(answers[0], answers[1]);
        }
    }

    #[test]
    fn an_answer_holds_until_it_says(who in who(), history in history(), asked in asked(), on in moment(), later in moment()) {
        let answer = ask(&who, &history, asked, on);
        let news = history.iter().any(|event| event.at > on && event.at <= later);
        let holds = later >= on && answer.until.is_none_or(|until| later < until);
        if holds && !news {
            prop_assert_eq!(ask(&who, &history, asked, later).allowed, answer.allowed, "{:?}", answer);
        }
    }
}
