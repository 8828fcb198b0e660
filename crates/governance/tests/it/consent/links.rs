//! What was chosen under an identifier before anybody knew whose it is holds for the record that carries it, from the moment at which
//! there is one: written, imported, merged and split.

use domain::audit::Actor;
use domain::consent::{Party, Reason, Tag};
use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use governance::identity::{merge, split};
use governance::profile::forget;
use governance::profile::import::{Format, Import, import};

use super::{NOTICES, PURPOSES, keep, no, reason, secret, yes};
use crate::profile_house::{ProfileHouse, SHOP};
use crate::server::{Engine, engine};

const SCHEMA: &str = "version: 1
identity: { default_country: US }
sources:
  - { source: shop, number: 1, title: Shop, record: customer_number, proves: [customer_number] }
attributes:
  - { attribute: customer_number, number: 1, title: Number, category: user.unique_id, identifier: { rule: verbatim, unique: true } }
  - { attribute: email, number: 2, title: E-mail, category: user.contact.email, identifier: { rule: email, unique: true } }
  - { attribute: phone, number: 3, title: Phone, category: user.contact.phone_number, identifier: { rule: phone } }
  - { attribute: cookie, number: 4, title: Cookie, category: user.device.cookie_id, identifier: { rule: verbatim, pseudonym: true } }
  - { attribute: name, number: 5, title: Name, category: user.name }
";

/// Runs a test on SQLite, and on PostgreSQL where there is one.
async fn on_each_engine(test: impl AsyncFn(&ProfileHouse)) {
    let files = [
        ("profile.yaml", SCHEMA),
        ("consent/purposes.yaml", PURPOSES),
        ("consent/notices.yaml", NOTICES),
    ];
    test(&ProfileHouse::with_files(None, &files).await).await;
    if let Some(store) = engine(Engine::Postgres) {
        test(&ProfileHouse::with_files(Some(store), &files).await).await;
    }
}

/// Whom an identifier names, before anybody carries it.
async fn named(house: &ProfileHouse, kind: &str, value: &str) -> Party {
    let kind = IdentifierKind(kind.to_owned());
    house.p.party_of(&kind, &secret(value)).await.unwrap()
}

async fn write(house: &ProfileHouse, values: &[(&str, &str)]) -> SubjectId {
    house.write(SHOP, &[values]).await.subjects[0].unwrap()
}

async fn sale(house: &ProfileHouse, id: SubjectId) -> Reason {
    reason(&house.p, Party::Subject(id), "sale").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_under_an_identifier_holds_for_whoever_is_written_with_it() {
    on_each_engine(async |house| {
        let p = &house.p;
        let email = named(house, "email", " Maya@Example.org ").await;
        let phone = named(house, "phone", "(510) 555-0123").await;
        keep(p, no(email, "sale")).await;
        keep(p, no(phone, "sale")).await;
        let by_email = [("customer_number", "1"), ("email", "maya@example.org")];
        let by_phone = [("customer_number", "2"), ("phone", "+1 510 555 0123")];
        let other = [("customer_number", "3"), ("email", "noa@example.org")];
        let written = house.write(SHOP, &[&by_email, &by_phone, &other]).await;
        let ids: Vec<_> = written.subjects.into_iter().map(Option::unwrap).collect();
        assert_eq!(sale(house, ids[0]).await, Reason::Withdrawn);
        assert_eq!(sale(house, ids[1]).await, Reason::Withdrawn);
        assert_eq!(sale(house, ids[2]).await, Reason::NotOptedOut);
        assert_eq!(house.count("party_link").await, 4, "each from both ends");
        // Somebody who was known already gets the address later.
        let later = named(house, "email", "tom@example.org").await;
        keep(p, no(later, "sale")).await;
        let tom = write(
            house,
            &[("customer_number", "3"), ("email", "tom@example.org")],
        )
        .await;
        assert_eq!((tom, sale(house, tom).await), (ids[2], Reason::Withdrawn));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_under_a_pseudonym_or_a_device_holds_whichever_came_first() {
    on_each_engine(async |house| {
        let p = &house.p;
        let pseudonym = |value: &str| {
            let kind = IdentifierKind("pseudonym".to_owned());
            Party::Pseudonym(p.pseudonym_tag(&kind, &secret(value)))
        };
        let device = |value: &str| Party::Device(p.device_tag(&secret(value)));
        keep(p, no(pseudonym("GA1.1"), "sale")).await;
        keep(p, no(device("GA1.2"), "sale")).await;
        let one = write(house, &[("customer_number", "1"), ("cookie", "GA1.1")]).await;
        let two = write(house, &[("customer_number", "2"), ("cookie", "GA1.2")]).await;
        let three = write(house, &[("customer_number", "3"), ("cookie", "GA1.3")]).await;
        assert_eq!(sale(house, one).await, Reason::Withdrawn);
        assert_eq!(sale(house, two).await, Reason::Withdrawn);
        assert_eq!(sale(house, three).await, Reason::NotOptedOut);
        keep(p, no(device("GA1.3"), "sale")).await;
        assert_eq!(sale(house, three).await, Reason::Withdrawn);
        // A yes of whoever sits there says nothing about her.
        keep(p, yes(device("GA1.3"), "newsletter")).await;
        let newsletter = reason(p, Party::Subject(three), "newsletter").await;
        assert_eq!(newsletter, Reason::NoConsent);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_brings_the_noes_of_before_to_whom_it_brings() {
    on_each_engine(async |house| {
        let p = &house.p;
        let email = named(house, "email", "person7@example.org").await;
        keep(p, no(email, "sale")).await;
        let path = house.dir.path().join("people.csv");
        let lines: String = (0..3_000)
            .map(|number| format!("{number},person{number}@example.org,Name {number}\n"))
            .collect();
        std::fs::write(&path, format!("customer_number,email,name\n{lines}")).unwrap();
        let wanted = Import {
            path,
            format: Format::Csv,
            source: "shop".to_owned(),
            columns: std::collections::BTreeMap::new(),
            observed_at: None,
            again: false,
        };
        let imported = import(p, &wanted, Actor::CommandLine).await.unwrap();
        assert_eq!(imported.counts.new, 3_000);
        assert_eq!(house.count("party_link").await, 2, "hers, from both ends");
        for (address, expected) in [
            ("person7@example.org", Reason::Withdrawn),
            ("person8@example.org", Reason::NotOptedOut),
        ] {
            let party = named(house, "email", address).await;
            assert!(matches!(party, Party::Subject(_)));
            assert_eq!(reason(p, party, "sale").await, expected, "{address}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_shares_the_no_and_a_split_leaves_it_where_the_identifier_is() {
    on_each_engine(async |house| {
        let p = &house.p;
        let operator = governance::operator::add(p, "Noor").await.unwrap().0;
        let one = write(house, &[("customer_number", "1"), ("name", "Maya")]).await;
        keep(p, no(named(house, "phone", "+15105550123").await, "sale")).await;
        let other = write(
            house,
            &[("customer_number", "2"), ("phone", "510 555 0123")],
        )
        .await;
        let is = async || (sale(house, one).await, sale(house, other).await);
        assert_eq!(is().await, (Reason::NotOptedOut, Reason::Withdrawn));
        let merged = merge(p, one, other, operator).await.unwrap();
        assert_eq!(is().await, (Reason::Withdrawn, Reason::Withdrawn));
        // Naming her by it while the two are one leads to the record that carries it.
        let party = named(house, "phone", "+15105550123").await;
        assert_eq!(party, Party::Subject(one));
        split(p, merged, operator).await.unwrap();
        assert_eq!(is().await, (Reason::NotOptedOut, Reason::Withdrawn));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_chosen_between_asking_and_recording_is_found_by_either() {
    on_each_engine(async |house| {
        let p = &house.p;
        let identifier = (IdentifierKind::email(), secret("maya@example.org"));
        // Asked before there was a profile, recorded after.
        let party = p.party_of(&identifier.0, &identifier.1).await.unwrap();
        assert!(matches!(party, Party::Pseudonym(_)));
        let id = write(
            house,
            &[("customer_number", "1"), ("email", "maya@example.org")],
        )
        .await;
        keep(p, no(party, "sale")).await;
        p.link_chosen(&[identifier]).await.unwrap();
        assert_eq!(sale(house, id).await, Reason::Withdrawn);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_under_what_several_carry_holds_for_each_but_not_for_everybody() {
    on_each_engine(async |house| {
        let p = &house.p;
        keep(p, no(named(house, "phone", "+15105550123").await, "sale")).await;
        let numbers: Vec<String> = (0..60).map(|number| number.to_string()).collect();
        let records: Vec<[(&str, &str); 2]> = numbers
            .iter()
            .map(|number| {
                [
                    ("customer_number", number.as_str()),
                    ("phone", "+15105550123"),
                ]
            })
            .collect();
        let records: Vec<&[(&str, &str)]> = records.iter().map(<[_; 2]>::as_slice).collect();
        let written = house.write(SHOP, &records).await;
        let mut stopped = 0;
        for id in written.subjects.into_iter().flatten() {
            stopped += usize::from(sale(house, id).await == Reason::Withdrawn);
        }
        assert_eq!(stopped, 50, "more than so many are not one household");
        assert_eq!(house.count("party_link").await, 100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_whoever_was_forgotten_are_gone_and_her_pseudonyms_no_stays() {
    on_each_engine(async |house| {
        let p = &house.p;
        keep(
            p,
            no(named(house, "email", "maya@example.org").await, "sale"),
        )
        .await;
        let values = [
            ("customer_number", "1"),
            ("email", "maya@example.org"),
            ("cookie", "GA1.1"),
        ];
        let id = write(house, &values).await;
        assert_eq!(house.count("party_link").await, 6);
        forget(p, [id].into(), Actor::CommandLine).await.unwrap();
        assert_eq!(house.count("party_link").await, 0);
        // She comes back by herself, and is still not sold.
        let again = write(
            house,
            &[("customer_number", "9"), ("email", "maya@example.org")],
        )
        .await;
        assert_ne!(again, id);
        assert_eq!(sale(house, again).await, Reason::Withdrawn);
        assert_eq!(
            sale(house, id).await,
            Reason::NotOptedOut,
            "she is nobody any more"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_without_choices_under_identifiers_links_nobody() {
    on_each_engine(async |house| {
        keep(&house.p, no(Party::Device(Tag([7; 16])), "sale")).await;
        write(
            house,
            &[("customer_number", "1"), ("email", "maya@example.org")],
        )
        .await;
        assert_eq!(house.count("party_link").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_forgotten_subject_refused_holds_when_she_comes_back_and_no_yes_does() {
    on_each_engine(async |house| {
        let p = &house.p;
        let values = [("customer_number", "1"), ("email", "maya@example.org")];
        let id = write(house, &values).await;
        let her = Party::Subject(id);
        keep(p, no(her.clone(), "sale")).await;
        keep(p, no(her.clone(), "allergies")).await;
        house.clock.advance(jiff::SignedDuration::from_secs(1));
        keep(p, yes(her.clone(), "allergies")).await;
        keep(p, yes(her, "newsletter")).await;
        for _ in 0..2 {
            forget(p, [id].into(), Actor::CommandLine).await.unwrap();
        }
        let all = super::count(p).await;
        assert_eq!(all, 5, "one no under the number that surely named her");
        let again = write(house, &values).await;
        assert_ne!(again, id);
        let is = async |purpose| reason(p, Party::Subject(again), purpose).await;
        assert_eq!(is("sale").await, Reason::Withdrawn);
        assert_eq!(is("allergies").await, Reason::NoConsent);
        assert_eq!(is("newsletter").await, Reason::NoConsent);
        assert!(!crate::profile_house::holds(
            &house.everything_stored().await,
            "maya@example.org"
        ));
    })
    .await;
}
