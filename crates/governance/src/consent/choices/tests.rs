//! What visitors under different laws, with and without a signal, are offered.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::sync::LazyLock;

use domain::consent::{Act, Age, Assent, By, ConsentEvent, How, Scope, Steps, Terms};
use domain::gpp::SectionId;
use domain::law::LawBook;
use domain::notice::{NoticeFile, Way};
use domain::purpose_of_use::PurposeFile;

use super::*;

const PURPOSES: &str = "
purposes:
  fulfil_orders:
    title: {en: Your orders}
    description: {en: We send what you order.}
    categories: [user.contact.email]
    choice: none
  recommendations:
    title: {en: Recommendations}
    description: {en: We look at what you bought.}
    categories: [user.behavior.purchase_history]
    choice: opt_in
  newsletter:
    title: {en: Newsletter}
    description: {en: We write to you.}
    categories: [user.contact.email]
    choice: opt_out
    choice_under: {gdpr: opt_in}
    notice: {key: news, from_version: 1}
  sell_purchases:
    title: {en: Sale}
    description: {en: A broker pays for what you bought.}
    categories: [user.behavior.purchase_history]
    uses: [sale, sharing]
    choice: opt_out
    recipients: [broker, network]
  sell_places:
    title: {en: Places}
    description: {en: A broker pays for where you are.}
    categories: [user.location.precise]
    uses: [sale]
    choice: opt_in
    recipients: [broker]
";

const NOTICES: &str = "
notices:
  - {notice: news, version: 1, kind: consent, published_from: 2025-01-01T00:00:00Z, purposes: [newsletter], told_by: [web],
     texts: {en: {title: News, body: May we write?}, es: {title: Boletín, body: ¿Podemos escribirle?}}}
  - {notice: advice, version: 1, kind: consent, published_from: 2025-01-01T00:00:00Z, purposes: [recommendations], told_by: [web],
     texts: {en: {title: Advice, body: May we look?}}}
  - {notice: stop, version: 1, kind: right_to_opt_out, published_from: 2025-01-01T00:00:00Z, purposes: [sell_purchases, sell_places],
     told_by: [web], contains: [right, how_to_opt_out], texts: {en: {title: Choices, body: You may stop it here.}}}
";

fn law() -> &'static LawBook {
    static BOOK: LazyLock<LawBook> = LazyLock::new(|| crate::law::load(None).unwrap());
    &BOOK
}

fn books() -> Books<'static> {
    static PURPOSE_BOOK: LazyLock<PurposeBook> = LazyLock::new(|| {
        let file: PurposeFile = serde_saphyr::from_str(PURPOSES).unwrap();
        let recipients = ["broker", "network"].map(RecipientKey::from).into();
        PurposeBook::check("purposes.yaml", file, law(), &recipients).unwrap()
    });
    static NOTICE_BOOK: LazyLock<NoticeBook> = LazyLock::new(|| {
        let file: NoticeFile = serde_saphyr::from_str(NOTICES).unwrap();
        NoticeBook::check("notices.yaml", file, law(), &PURPOSE_BOOK).unwrap()
    });
    Books {
        purposes: &PURPOSE_BOOK,
        notices: &NOTICE_BOOK,
    }
}

const DEVICE: Tag = Tag([7; 16]);

/// A visitor under a law who chose what `history` says, with the signal that her browser sends.
struct Guest<'h> {
    history: &'h [ConsentEvent],
    device: Option<Tag>,
    signal: SignalOf,
    law: &'static str,
}

fn guest<'h>(history: &'h [ConsentEvent], law: &'static str) -> Guest<'h> {
    Guest {
        history,
        device: Some(DEVICE),
        signal: SignalOf::Nobody,
        law,
    }
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

impl Guest<'_> {
    fn choices(&self) -> Choices<'static> {
        let law_of = law().law(self.law).unwrap();
        let zone = law_of.time_zone();
        let today = now().to_zoned(zone.clone()).date();
        let terms = Terms::of(law(), &[self.law], today).unwrap();
        let stored = |event: &ConsentEvent| StoredConsent {
            event: event.clone(),
            recorded_at: event.at,
        };
        let history = History {
            own: self.history.iter().map(stored).collect(),
            ..History::default()
        };
        let visit = Visit {
            history: &history,
            device: self.device,
            signal: self.signal,
            law: law_of,
            facts: &Facts {
                age: Age::Unknown,
                time_zone: zone,
                terms: &terms,
                collected_without_notice: false,
            },
            now: now(),
            sells: true,
            is_guardian: false,
        };
        offer(books(), &visit).unwrap()
    }
}

fn said_on(day: &str, purpose: &str, recipient: Option<&str>, act: Act) -> ConsentEvent {
    ConsentEvent {
        id: Id::from_uuid(uuid::Uuid::from_u128(1)),
        party: Party::Device(DEVICE),
        scope: Scope {
            recipient: recipient.map(RecipientKey::from),
            ..Scope::purpose(purpose)
        },
        act,
        at: format!("{day}T12:00:00Z").parse().unwrap(),
        by: By::Subject,
        how: How::Told(Way::Web),
        place: "shop".to_owned(),
    }
}

fn yes(notice: &str, steps: Steps) -> Act {
    let key = notice.into();
    let notice = books()
        .notices
        .in_force(&key, "2026-01-01T00:00:00Z".parse().unwrap());
    Act::Given(Assent {
        shown: notice.unwrap().shown_in("en").unwrap(),
        steps,
        despite_signal_of: None,
        expires: None,
    })
}

fn purpose<'c>(choices: &'c Choices<'static>, key: &str) -> &'c OfferedPurpose<'static> {
    let mut all = choices.purposes.iter();
    all.find(|offered| offered.purpose.key.as_ref() == key)
        .unwrap()
}

/// The purposes that she is asked about, by key.
fn asked(choices: &Choices<'_>) -> Vec<String> {
    let asked = choices.purposes.iter().filter(|offered| offered.ask);
    let keys = asked.map(|offered| offered.purpose.key.as_ref().to_owned());
    keys.collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect()
}

fn sale(choices: &Choices<'_>, section: SectionId) -> Option<u64> {
    choices.gpp.section(section).unwrap().integer("SaleOptOut")
}

#[test]
fn nobody_is_asked_where_an_opt_out_is_the_rule() {
    let choices = guest(&[], "ccpa").choices();
    assert_eq!(asked(&choices), ["recommendations", "sell_places"]);
    let sold = purpose(&choices, "sell_purchases");
    assert!(sold.standing.allowed && !sold.ask && sold.no && sold.twice);
    assert!(
        !purpose(&choices, "fulfil_orders").no,
        "there is nothing to choose"
    );
}

#[test]
fn the_same_purposes_are_asked_about_where_consent_is_the_rule() {
    let choices = guest(&[], "gdpr").choices();
    assert_eq!(
        asked(&choices),
        ["newsletter", "recommendations", "sell_places"]
    );
}

#[test]
fn after_a_no_nobody_is_asked_for_twelve_months() {
    let recent = [said_on(
        "2025-11-23",
        "recommendations",
        None,
        Act::Refused { shown: None },
    )];
    assert_eq!(asked(&guest(&recent, "ccpa").choices()), ["sell_places"]);
    let old = [said_on(
        "2025-11-22",
        "recommendations",
        None,
        Act::Refused { shown: None },
    )];
    assert_eq!(
        asked(&guest(&old, "ccpa").choices()),
        ["recommendations", "sell_places"]
    );
}

#[test]
fn a_signal_stops_sales_before_anything_is_recorded_and_no_yes_can_be_said_against_it() {
    let mut guest = guest(&[], "ccpa");
    guest.signal = SignalOf::ThisPage;
    guest.device = None;
    let choices = guest.choices();
    let sold = purpose(&choices, "sell_purchases");
    assert_eq!(sold.standing.reason, Reason::Signal);
    assert!(sold.yes.is_none() && sold.no);
    assert!(
        purpose(&choices, "newsletter").standing.allowed,
        "it is no sale"
    );
    assert_eq!(asked(&choices), ["recommendations"]);
    assert_eq!(sale(&choices, SectionId::US_CALIFORNIA), Some(1));
}

#[test]
fn a_signal_that_contradicts_an_earlier_consent_wins_and_says_so() {
    let history = [said_on(
        "2026-11-01",
        "sell_purchases",
        None,
        yes("stop", Steps::Two),
    )];
    let mut guest = guest(&history, "ccpa");
    assert_eq!(
        purpose(&guest.choices(), "sell_purchases").said(),
        Some(true)
    );
    guest.signal = SignalOf::ThisPage;
    let choices = guest.choices();
    let sold = purpose(&choices, "sell_purchases");
    assert!(!sold.standing.allowed && sold.standing.conflict.is_some());
}

#[test]
fn the_string_says_opted_out_as_soon_as_one_recipient_may_not_buy() {
    let choices = guest(&[], "ccpa").choices();
    // Places need a consent that nobody gave, so that selling at large is not allowed.
    assert_eq!(sale(&choices, SectionId::US_CALIFORNIA), Some(1));
    let sharing = |choices: &Choices<'_>| {
        let section = choices.gpp.section(SectionId::US_CALIFORNIA).unwrap();
        section.integer("SharingOptOut")
    };
    assert_eq!(sharing(&choices), Some(2));
    let no = [said_on(
        "2026-11-01",
        "sell_purchases",
        Some("network"),
        Act::OptedOut { shown: None },
    )];
    let choices = guest(&no, "ccpa").choices();
    assert!(purpose(&choices, "sell_purchases").standing.allowed);
    assert_eq!(sharing(&choices), Some(1));
}

#[test]
fn a_string_names_the_state_and_the_nation_and_nothing_outside_of_them() {
    let ids = |law| -> Vec<u16> {
        guest(&[], law)
            .choices()
            .gpp
            .section_ids()
            .map(|id| id.0)
            .collect()
    };
    assert_eq!(ids("ccpa"), [7, 8]);
    assert_eq!(ids("gdpr"), [] as [u16; 0]);
}

#[test]
fn a_reader_sees_the_notice_in_her_language_and_consents_to_that_text() {
    let notice = books().notices.in_force(&"news".into(), now()).unwrap();
    let (text, shown) = text_for(notice, "es-MX").unwrap();
    assert_eq!(
        (text.title.as_str(), shown.language.as_str()),
        ("Boletín", "es")
    );
    assert_eq!(text_for(notice, "fi").unwrap().1.language, "en");
}

#[test]
fn what_is_sold_comes_first_and_what_leaves_no_choice_last() {
    let choices = guest(&[], "ccpa").choices();
    let keys: Vec<&str> = choices
        .purposes
        .iter()
        .map(|offered| offered.purpose.key.as_ref())
        .collect();
    assert_eq!(keys.first(), Some(&"sell_places"));
    assert_eq!(keys.last(), Some(&"fulfil_orders"));
}

#[test]
fn the_page_offers_a_no_wherever_it_offers_a_yes_and_never_a_longer_one() {
    for law in ["ccpa", "gdpr"] {
        for offered in guest(&[], law).choices().purposes {
            assert!(
                offered.no || offered.yes.is_none(),
                "{:?}",
                offered.purpose.key
            );
        }
    }
}

#[test]
fn a_signal_of_an_earlier_page_stands_until_she_says_otherwise() {
    let mut before = guest(&[], "ccpa");
    (before.signal, before.device) = (SignalOf::EarlierPage, None);
    let choices = before.choices();
    let sold = purpose(&choices, "sell_purchases");
    assert!(
        !sold.standing.allowed && sold.yes.is_some(),
        "she may say yes now"
    );
    // Her device has its number now, and the signal its record from before her yes.
    let signal = Signal::Gpc.opt_outs(
        [Party::Device(DEVICE)],
        Some(DEVICE),
        "2026-11-01T11:00:00Z".parse().unwrap(),
        "shop",
        || Id::from_uuid(uuid::Uuid::from_u128(2)),
    );
    let mut history = signal;
    history.push(said_on(
        "2026-11-01",
        "sell_purchases",
        None,
        yes("stop", Steps::Two),
    ));
    let mut after = guest(&history, "ccpa");
    after.signal = SignalOf::EarlierPage;
    assert_eq!(
        purpose(&after.choices(), "sell_purchases").said(),
        Some(true)
    );
}
