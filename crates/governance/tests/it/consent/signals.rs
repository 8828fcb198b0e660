//! Signals and links: a no holds for the device, its pseudonyms and the subject, and is written once.

use domain::audit::Action;
use domain::consent::{Conflict, Party, Reason, Tag};
use domain::gpp::{Choice, Choices, Gpp, Offer, SectionId};
use domain::purpose_of_use::UseKind;
use domain::signal::Signal;
use governance::consent::{Asked, Said};
use governance::signal::{Honoured, Sender, signals_in};
use jiff::SignedDuration;

use super::{LAPTOP, PHONE, ask, count, device, house, keep, no, reason, records, subject, yes};
use crate::house::House;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const COOKIE: Tag = Tag([9; 16]);

fn phone() -> Sender {
    Sender {
        device: Some(PHONE),
        ..Sender::default()
    }
}

async fn honour(house: &House, sender: &Sender) -> usize {
    house.clock.advance(HOUR);
    let honoured: Honoured = house
        .p
        .honour_signal(Signal::Gpc, sender, "shop")
        .await
        .unwrap();
    assert!(honoured.is_meant);
    honoured.recorded
}

#[tokio::test]
async fn a_signal_is_written_once_however_often_it_comes() {
    let house = house().await;
    let p = &house.p;
    assert_eq!(honour(&house, &phone()).await, 1);
    let stands = ask(p, device(), "sale").await;
    assert_eq!((stands.allowed, stands.reason), (false, Reason::Signal));
    assert!(
        ask(p, device(), "orders").await.allowed,
        "what isn't sold goes on"
    );
    for _ in 0..50 {
        assert_eq!(honour(&house, &phone()).await, 0);
    }
    assert_eq!(
        (
            count(p).await,
            records(p, Action::SignalHonoured).await.len()
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn it_holds_for_the_device_its_pseudonyms_and_the_subject() {
    let house = house().await;
    let p = &house.p;
    let id = subject(p, 7).await;
    let sender = Sender {
        device: Some(PHONE),
        pseudonyms: vec![COOKIE],
        subject: Some(id),
    };
    assert_eq!(honour(&house, &sender).await, 3);
    for party in [device(), Party::Pseudonym(COOKIE), Party::Subject(id)] {
        assert_eq!(reason(p, party, "sale").await, Reason::Signal);
    }
    // Signed in elsewhere, she is the same person; the other device by itself says nothing.
    assert_eq!(
        reason(p, Party::Device(LAPTOP), "sale").await,
        Reason::NotOptedOut
    );
    p.link_parties(&Sender {
        device: Some(LAPTOP),
        subject: Some(id),
        ..Sender::default()
    })
    .await
    .unwrap();
    assert_eq!(
        reason(p, Party::Device(LAPTOP), "sale").await,
        Reason::Signal
    );
    let stranger = Sender {
        subject: Some(domain::id::SubjectId::from_uuid(uuid::Uuid::from_u128(404))),
        ..phone()
    };
    let problem = p
        .honour_signal(Signal::Gpc, &stranger, "shop")
        .await
        .unwrap_err();
    assert_eq!(problem.code, "unknown_subject");
}

#[tokio::test]
async fn a_link_that_comes_later_carries_the_no_over() {
    let house = house().await;
    let p = &house.p;
    let id = subject(p, 7).await;
    honour(&house, &phone()).await;
    keep(p, no(Party::Pseudonym(COOKIE), "newsletter")).await;
    keep(p, yes(Party::Subject(id), "newsletter")).await;
    assert_eq!(
        reason(p, Party::Subject(id), "sale").await,
        Reason::NotOptedOut
    );
    p.link_parties(&Sender {
        pseudonyms: vec![COOKIE],
        ..phone()
    })
    .await
    .unwrap();
    p.link_parties(&Sender {
        pseudonyms: vec![COOKIE],
        subject: Some(id),
        device: None,
    })
    .await
    .unwrap();
    assert_eq!(
        reason(p, Party::Subject(id), "sale").await,
        Reason::Signal,
        "over the pseudonym in between"
    );
    assert_eq!(reason(p, device(), "newsletter").await, Reason::Withdrawn);
    // The next signal is hers by name, though her browser didn't say who she is.
    assert_eq!(
        honour(
            &house,
            &Sender {
                pseudonyms: vec![COOKIE],
                ..phone()
            }
        )
        .await,
        2
    );
    let history = p
        .consent_history(&Asked::of(Party::Subject(id)))
        .await
        .unwrap();
    assert_eq!((history.own.len(), history.linked.len()), (2, 2));
}

#[tokio::test]
async fn a_yes_does_not_travel_and_what_one_member_of_a_household_says_is_not_anothers() {
    let house = house().await;
    let p = &house.p;
    let (one, other) = (subject(p, 7).await, subject(p, 8).await);
    keep(p, yes(device(), "allergies")).await;
    for id in [one, other] {
        p.link_parties(&Sender {
            subject: Some(id),
            ..phone()
        })
        .await
        .unwrap();
        assert_eq!(
            reason(p, Party::Subject(id), "allergies").await,
            Reason::NoConsent
        );
    }
    keep(p, no(Party::Subject(one), "sale")).await;
    assert_eq!(
        reason(p, device(), "sale").await,
        Reason::Withdrawn,
        "the tablet is hers too"
    );
    assert_eq!(
        reason(p, Party::Subject(other), "sale").await,
        Reason::NotOptedOut
    );
    // A no that the device took back itself is not carried.
    keep(p, no(device(), "allergies")).await;
    keep(p, yes(Party::Subject(other), "allergies")).await;
    house.clock.advance(HOUR);
    keep(p, no(device(), "allergies")).await;
    assert_eq!(
        reason(p, Party::Subject(other), "allergies").await,
        Reason::Withdrawn
    );
    house.clock.advance(HOUR);
    keep(p, yes(device(), "allergies")).await;
    assert_eq!(
        reason(p, Party::Subject(other), "allergies").await,
        Reason::Consented
    );
}

#[tokio::test]
async fn a_known_subject_may_consent_in_the_face_of_her_devices_signal_and_a_visitor_may_not() {
    let house = house().await;
    let p = &house.p;
    let id = subject(p, 7).await;
    let sender = Sender {
        subject: Some(id),
        ..phone()
    };
    keep(p, yes(Party::Subject(id), "sale")).await;
    assert_eq!(honour(&house, &sender).await, 2);
    let stands = ask(p, Party::Subject(id), "sale").await;
    assert_eq!(
        (stands.reason, stands.conflict),
        (Reason::Signal, Some(Conflict::EarlierConsent))
    );
    house.clock.advance(HOUR);
    let mut again = yes(Party::Subject(id), "sale");
    if let Said::Given(yes) = &mut again.said {
        yes.despite_signal_of = Some(PHONE);
    }
    keep(p, again).await;
    assert_eq!(
        honour(&house, &sender).await,
        0,
        "what it says again is not news"
    );
    assert!(ask(p, Party::Subject(id), "sale").await.allowed);
    assert!(
        !ask(p, device(), "sale").await.allowed,
        "signed out, the signal stands"
    );
    house.clock.advance(HOUR);
    keep(p, yes(device(), "sale")).await;
    assert_eq!(
        honour(&house, &phone()).await,
        1,
        "for a visitor it always counts; hers still stands beside it"
    );
    assert!(!ask(p, device(), "sale").await.allowed);
}

#[tokio::test]
async fn the_device_that_asks_counts_before_anybody_linked_it() {
    let house = house().await;
    let p = &house.p;
    let id = subject(p, 7).await;
    honour(&house, &phone()).await;
    let asked = |device| Asked {
        device,
        ..Asked::of(Party::Subject(id))
    };
    let sale = "sale".into();
    assert!(
        p.standing(&asked(None), &sale, None, None)
            .await
            .unwrap()
            .allowed
    );
    assert!(
        !p.standing(&asked(Some(PHONE)), &sale, None, None)
            .await
            .unwrap()
            .allowed
    );
}

#[tokio::test]
async fn a_gpp_string_says_no_to_what_its_sections_refuse() {
    let house = house().await;
    let p = &house.p;
    let refused = Offer {
        notice_given: true,
        choice: Choice::Refused,
    };
    let choices = Choices {
        sale: refused,
        ..Choices::default()
    };
    let text = |choices: &Choices| {
        let sections = [SectionId::US_NATIONAL, SectionId::US_CALIFORNIA];
        Gpp::from_choices(sections, choices).unwrap().to_string()
    };
    let signals = signals_in(&text(&choices)).unwrap();
    assert_eq!(signals.len(), 2);
    let nothing = signals_in(&text(&Choices::default())).unwrap();
    assert_eq!(nothing, []);
    let recorded = p
        .honour_signals(&signals, &phone(), "shop", domain::audit::Actor::Subject)
        .await
        .unwrap()
        .recorded;
    assert_eq!(recorded, signals.len());
    assert!(!ask(p, device(), "sale").await.allowed);
    assert!(
        signals
            .iter()
            .all(|signal| signal.uses() == [UseKind::Sale].into())
    );
    assert_eq!(
        signals_in("not a string").unwrap_err().code,
        "invalid_value"
    );
}

#[tokio::test]
async fn who_sells_nothing_has_nothing_to_honour() {
    let map = crate::house::MAP.replace("sold: true", "sold: false");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("map.yaml"), map).unwrap();
    let house = House::at(dir, "").await;
    let honoured = house
        .p
        .honour_signal(Signal::Gpc, &phone(), "shop")
        .await
        .unwrap();
    assert_eq!(
        (honoured.is_meant, honoured.recorded, count(&house.p).await),
        (false, 0, 0)
    );
    assert!(house.p.gpc_file().gpc);
}
