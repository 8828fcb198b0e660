//! What is known of a subject follows from everything that was chosen by her and under what is linked to her.

use domain::consent::{By, Party, Scope};
use domain::policy::{Fact, Release};
use domain::purpose_of_use::UseKind;
use domain::signal::Signal;
use governance::consent::{NewChoice, Said};
use governance::profile::forget;

use super::{fact, facts, on_each_engine, release, write};
use crate::consent::{keep, no, yes};

#[tokio::test(flavor = "multi_thread")]
async fn who_chose_nothing_has_what_the_purposes_say() {
    on_each_engine(async |house| {
        let id = write(
            house,
            &[("customer_number", "1"), ("email", "maya@example.org")],
        )
        .await;
        assert_eq!(fact(house, id, Fact::ChoiceAllows).await, Some(true));
        for never in [
            Fact::Consented,
            Fact::OptedOut,
            Fact::OptedOutOfSale,
            Fact::Signal,
            Fact::Limited,
        ] {
            assert_eq!(fact(house, id, never).await, Some(false), "{never:?}");
        }
        assert_eq!(
            release(house, id, "mill", "orders", "first_name").await,
            Release::Keep
        );
        assert_eq!(
            release(house, id, "mill", "orders", "email").await,
            Release::Withhold
        );
        assert_eq!(
            release(house, id, "leads", "orders", "first_name").await,
            Release::Withhold
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opt_out_of_everything_sold_is_known_and_withholds() {
    on_each_engine(async |house| {
        let id = write(
            house,
            &[
                ("customer_number", "1"),
                ("email", "maya@example.org"),
                ("birth_date", "1990-05-20"),
                ("country", "US"),
                ("state", "CA"),
            ],
        )
        .await;
        assert_eq!(
            release(house, id, "leads", "sale", "email").await,
            Release::Keep
        );
        let out = NewChoice {
            scope: Scope::every([UseKind::Sale, UseKind::Sharing]),
            said: Said::OptedOut(None),
            ..no(Party::Subject(id), "sale")
        };
        keep(&house.p, out).await;
        assert_eq!(fact(house, id, Fact::OptedOutOfSale).await, Some(true));
        assert_eq!(fact(house, id, Fact::Signal).await, Some(false));
        assert_eq!(
            release(house, id, "leads", "sale", "email").await,
            Release::Withhold
        );
        assert_eq!(
            release(house, id, "mill", "orders", "first_name").await,
            Release::Keep
        );
        house.clock.advance(jiff::SignedDuration::from_secs(1));
        // A later consent to this sale lifts the opt-out for it, and for nothing else.
        keep(&house.p, yes(Party::Subject(id), "sale")).await;
        assert_eq!(fact(house, id, Fact::Consented).await, Some(true));
        assert_eq!(
            release(house, id, "leads", "sale", "email").await,
            Release::Keep
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_under_an_identifier_counts_for_whoever_carries_it() {
    on_each_engine(async |house| {
        let p = &house.p;
        let kind = domain::data_map::IdentifierKind("email".to_owned());
        let value = crate::consent::secret("maya@example.org");
        let pseudonym = p.party_of(&kind, &value).await.unwrap();
        let signal = NewChoice {
            scope: Scope::every([
                UseKind::Sale,
                UseKind::Sharing,
                UseKind::TargetedAdvertising,
            ]),
            said: Said::OptedOut(None),
            by: By::Signal {
                signal: Signal::Gpc,
                device: None,
            },
            ..no(pseudonym, "sale")
        };
        keep(p, signal).await;
        let id = write(
            house,
            &[("customer_number", "1"), ("email", "maya@example.org")],
        )
        .await;
        assert_eq!(fact(house, id, Fact::Signal).await, Some(true));
        assert_eq!(fact(house, id, Fact::ChoiceAllows).await, Some(false));
        assert_eq!(
            release(house, id, "leads", "sale", "email").await,
            Release::Withhold
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_for_an_attribute_stays_with_it() {
    on_each_engine(async |house| {
        let id = write(
            house,
            &[("customer_number", "1"), ("email", "maya@example.org")],
        )
        .await;
        let mut narrow = no(Party::Subject(id), "sale");
        narrow.scope.attributes.insert("email".into());
        keep(&house.p, narrow).await;
        let in_force = house.p.policies().unwrap();
        let facts = facts(house, id).await;
        let allows = |attribute| {
            super::seen(&in_force, &facts, "leads", "sale", attribute).is(Fact::ChoiceAllows)
        };
        assert_eq!(allows("email"), Some(false));
        assert_eq!(allows("first_name"), Some(true));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_forgotten_and_whoever_never_was_have_no_facts() {
    on_each_engine(async |house| {
        let p = &house.p;
        let id = write(
            house,
            &[("customer_number", "1"), ("email", "maya@example.org")],
        )
        .await;
        let never = domain::id::SubjectId::from_uuid(uuid::Uuid::from_u128(7));
        assert_eq!(p.subject_facts(never).await.unwrap(), None);
        forget(p, [id].into(), domain::audit::Actor::CommandLine)
            .await
            .unwrap();
        assert_eq!(p.subject_facts(id).await.unwrap(), None);
    })
    .await;
}
