//! What is kept of a subject says what everything that is recorded says, whatever was written in whichever order.

use std::collections::BTreeMap;

use domain::audit::Actor;
use domain::consent::{By, GuardianProof, Party, Scope};
use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::policy::{AgeBand, Fact, Release, SubjectFacts};
use domain::purpose_of_use::UseKind;
use domain::signal::Signal;
use governance::consent::{NewChoice, Said};
use governance::identity::{merge, split};
use governance::policy::refresh_facts;
use governance::profile::forget;
use jiff::SignedDuration;
use storage::subject_facts::{counts, find};

use super::{fact, facts, on_each_engine, release, seen, write};
use crate::consent::{keep, no, secret, yes};
use crate::profile_house::ProfileHouse;

/// The packed facts that are kept, after whatever is due was worked out.
async fn kept(house: &ProfileHouse, id: SubjectId) -> Option<Vec<u8>> {
    refresh_facts(&house.p).await.unwrap();
    let read = house
        .p
        .database()
        .read::<_, storage::Error, _>("find", move |tx| find(tx, &[id].into()));
    read.await.unwrap().pop()?.stored?.packed
}

async fn counted(house: &ProfileHouse) -> BTreeMap<Vec<u8>, u64> {
    let read = house
        .p
        .database()
        .read::<_, storage::Error, _>("counts", counts);
    read.await.unwrap().into_iter().collect()
}

/// What follows from everything that is recorded, without what is kept.
async fn anew(house: &ProfileHouse, id: SubjectId) -> Option<Vec<u8>> {
    let rows = house
        .p
        .database()
        .write::<_, storage::Error, _>("forget what is kept", |tx| {
            tx.execute("-- hide\nUPDATE subject_facts SET changes_at = 0", &[])
        });
    rows.await.unwrap();
    house
        .p
        .subject_facts(id)
        .await
        .unwrap()
        .map(|facts| facts.pack())
}

/// What is kept of each of these is what is recorded of her, and heads are counted right.
async fn check(house: &ProfileHouse, ids: &[SubjectId]) {
    let mut heads: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    let mut all = Vec::new();
    for id in ids {
        all.push((*id, kept(house, *id).await));
    }
    for (id, kept) in &all {
        let read = house.p.database().read::<_, storage::Error, _>("find", {
            let id = *id;
            move |tx| find(tx, &[id].into())
        });
        let found = read.await.unwrap().pop();
        assert_eq!(found.is_some(), kept.is_some());
        if let (Some(found), Some(kept)) = (found, kept)
            && seen.insert(found.canonical)
        {
            *heads.entry(kept.clone()).or_default() += 1;
        }
    }
    assert_eq!(counted(house).await, heads);
    for (id, kept) in all {
        assert_eq!(anew(house, id).await, kept, "{id}");
    }
    refresh_facts(&house.p).await.unwrap();
    assert_eq!(counted(house).await, heads);
}

fn every(party: Party, kinds: &[UseKind]) -> NewChoice {
    NewChoice {
        scope: Scope::every(kinds.iter().copied()),
        said: Said::OptedOut(None),
        ..no(party, "sale")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_are_kept_from_the_first_write_to_the_last() {
    on_each_engine(async |house| {
        let p = &house.p;
        let adult = [
            ("customer_number", "1"),
            ("email", "maya@example.org"),
            ("birth_date", "1990-05-20"),
            ("country", "US"),
            ("state", "CA"),
        ];
        let child = [
            ("customer_number", "2"),
            ("email", "kid@example.org"),
            ("birth_date", "2014-05-20"),
            ("country", "Germany"),
        ];
        let (maya, kid) = (write(house, &adult).await, write(house, &child).await);
        let nobody = write(
            house,
            &[("customer_number", "3"), ("email", "sam@example.org")],
        )
        .await;
        check(house, &[maya, kid, nobody]).await;
        assert_eq!(
            counted(house).await.len(),
            3,
            "each is known by something else"
        );
        let twin = write(
            house,
            &[
                ("customer_number", "4"),
                ("email", "twin@example.org"),
                ("birth_date", "1980-05-20"),
                ("state", "California"),
            ],
        )
        .await;
        check(house, &[maya, kid, nobody, twin]).await;
        assert!(
            counted(house).await.values().any(|heads| *heads == 2),
            "two adults in California"
        );
        // Choices of each sort.
        keep(p, every(Party::Subject(maya), &[UseKind::Sale])).await;
        check(house, &[maya, kid, nobody, twin]).await;
        let kind = IdentifierKind("email".to_owned());
        let pseudonym = p.party_of(&kind, &secret("new@example.org")).await.unwrap();
        keep(p, every(pseudonym, &[UseKind::Sharing])).await;
        write(
            house,
            &[("customer_number", "3"), ("email", "new@example.org")],
        )
        .await;
        check(house, &[maya, kid, nobody, twin]).await;
        assert_eq!(fact(house, nobody, Fact::OptedOutOfSale).await, Some(true));
        // Who moves, and whose birth date was wrong.
        write(
            house,
            &[
                ("customer_number", "1"),
                ("country", "FR"),
                ("birth_date", "2012-05-20"),
            ],
        )
        .await;
        let facts_of_maya = facts(house, maya).await;
        let in_force = p.policies().unwrap();
        let at = seen(&in_force, &facts_of_maya, "leads", "sale", "email");
        assert_eq!(at.jurisdiction(in_force.table.layout()), Some("EU"));
        assert_eq!(at.age(), Some(AgeBand::From13To15));
        check(house, &[maya, kid, nobody, twin]).await;
        // Two records turn out to be one subject, and then not.
        let operator = governance::operator::add(p, "Robin").await.unwrap().0;
        let merged = merge(p, maya, twin, operator).await.unwrap();
        check(house, &[maya, kid, nobody, twin]).await;
        let at = seen(
            &in_force,
            &facts(house, twin).await,
            "leads",
            "sale",
            "email",
        );
        assert_eq!(
            at.jurisdiction(in_force.table.layout()),
            Some("unknown"),
            "they contradict each other"
        );
        split(p, merged, operator).await.unwrap();
        check(house, &[maya, kid, nobody, twin]).await;
        forget(p, [kid].into(), Actor::CommandLine).await.unwrap();
        check(house, &[maya, nobody, twin]).await;
        assert_eq!(counted(house).await.values().sum::<u64>(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_change_by_themselves_at_their_moment_and_are_never_used_beyond_it() {
    on_each_engine(async |house| {
        let p = &house.p;
        let child = [
            ("customer_number", "1"),
            ("email", "kid@example.org"),
            ("birth_date", "2014-05-20"),
            ("country", "US"),
            ("state", "CA"),
        ];
        let kid = write(house, &child).await;
        let guardians = NewChoice {
            by: By::Guardian {
                proof: Some(GuardianProof::Call),
            },
            ..yes(Party::Subject(kid), "sale")
        };
        keep(p, guardians).await;
        refresh_facts(p).await.unwrap();
        assert_eq!(
            release(house, kid, "leads", "sale", "email").await,
            Release::Keep
        );
        let before = facts(house, kid).await;
        // Law data changes at New Year; what is kept is looked at again then, and says the same.
        let thirteen: jiff::Timestamp = "2027-05-20T07:00:00Z".parse().unwrap();
        assert!(before.changes_at().unwrap() <= thirteen);
        house.clock.set("2027-05-20T06:59:59Z".parse().unwrap());
        assert_eq!(facts(house, kid).await.changes_at(), Some(thirteen));
        assert_eq!(
            release(house, kid, "leads", "sale", "email").await,
            Release::Keep
        );
        refresh_facts(p).await.unwrap();
        house.clock.set(thirteen);
        let layout = p.policies().unwrap().table.layout().clone();
        assert!(before.unusable(&layout, p.now()).is_some());
        assert_eq!(
            release(house, kid, "leads", "sale", "email").await,
            Release::Withhold
        );
        let read = facts(house, kid).await;
        refresh_facts(p).await.unwrap();
        assert_eq!(
            facts(house, kid).await,
            read,
            "whoever works it out comes to the same, version included"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_counts_what_changed_and_not_how_often_somebody_looked() {
    on_each_engine(async |house| {
        let p = &house.p;
        let id = write(
            house,
            &[("customer_number", "1"), ("email", "maya@example.org")],
        )
        .await;
        refresh_facts(p).await.unwrap();
        assert_eq!(facts(house, id).await.version(), 1);
        write(
            house,
            &[
                ("customer_number", "1"),
                ("email", "maya@example.org"),
                ("first_name", "Maya"),
            ],
        )
        .await;
        keep(p, no(Party::Subject(id), "newsletter")).await;
        assert_eq!(facts(house, id).await.version(), 2);
        refresh_facts(p).await.unwrap();
        house.clock.advance(SignedDuration::from_secs(1));
        keep(p, no(Party::Subject(id), "newsletter")).await;
        refresh_facts(p).await.unwrap();
        assert_eq!(
            facts(house, id).await.version(),
            2,
            "she said the same again"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_of_a_browser_reaches_whoever_it_is_linked_to() {
    on_each_engine(async |house| {
        let p = &house.p;
        let id = write(
            house,
            &[("customer_number", "1"), ("email", "maya@example.org")],
        )
        .await;
        refresh_facts(p).await.unwrap();
        let device = p.device_tag(&secret("cookie-1"));
        let sender = governance::signal::Sender {
            device: Some(device),
            pseudonyms: Vec::new(),
            subject: Some(id),
        };
        p.link_parties(&sender).await.unwrap();
        assert_eq!(fact(house, id, Fact::Signal).await, Some(false));
        refresh_facts(p).await.unwrap();
        let alone = governance::signal::Sender {
            device: Some(device),
            pseudonyms: Vec::new(),
            subject: None,
        };
        p.honour_signal(Signal::Gpc, &alone, "shop").await.unwrap();
        assert_eq!(fact(house, id, Fact::Signal).await, Some(true));
        check(house, &[id]).await;
    })
    .await;
}

#[test]
fn packed_facts_of_another_version_of_this_program_are_refused() {
    assert!(SubjectFacts::unpack(&[9, 0, 0], 1, None).is_err());
    assert!(SubjectFacts::unpack(&[], 1, None).is_err());
}
