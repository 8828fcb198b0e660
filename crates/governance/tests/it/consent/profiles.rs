//! Choices of people whom profiles know: found by an identifier, merged, and still bound by what they said before they were known.

use domain::audit::Actor;
use domain::consent::{Party, Reason};
use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::sensitive::Sensitive;
use governance::profile::{GivenRecord, GivenValue};

use super::{house_with, keep, no, reason, secret, yes};
use crate::house::House;
use crate::profile_house::{SHOP, schema_file};

async fn house() -> House {
    house_with(&format!("profile: {}\n", schema_file().display())).await
}

async fn write(
    house: &House,
    source: domain::profile::SourceNumber,
    values: &[(&str, &str)],
) -> SubjectId {
    let schema = house.p.schema().unwrap();
    let values = values.iter().map(|(key, value)| {
        let number = schema.attribute_of(key).unwrap().number;
        (
            number,
            GivenValue::from(Sensitive::new((*value).to_owned())),
        )
    });
    let record = GivenRecord {
        values: values.collect(),
        observed_at: None,
    };
    let written = governance::profile::write(&house.p, source, vec![record], Actor::CommandLine);
    written.await.unwrap().subjects[0].unwrap()
}

async fn by_email(house: &House, email: &str) -> Party {
    let email = secret(email);
    let kind = IdentifierKind::email();
    house.p.party_of(&kind, &email).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_under_a_pseudonym_holds_once_she_is_known() {
    let house = house().await;
    let p = &house.p;
    let before = by_email(&house, "maya@example.org").await;
    assert!(matches!(before, Party::Pseudonym(_)));
    keep(p, no(before.clone(), "sale")).await;
    keep(p, yes(before, "allergies")).await;
    let values = [("customer_number", "1"), ("email", "Maya@Example.org")];
    let id = write(&house, SHOP, &values).await;
    assert_eq!(
        by_email(&house, " maya@example.org").await,
        Party::Subject(id)
    );
    assert_eq!(
        reason(p, Party::Subject(id), "sale").await,
        Reason::Withdrawn
    );
    assert_eq!(
        reason(p, Party::Subject(id), "allergies").await,
        Reason::NoConsent,
        "nobody knows that it was her"
    );
    // She can be named by her id now, and somebody else can't.
    keep(p, yes(Party::Subject(id), "newsletter")).await;
    assert!(matches!(
        by_email(&house, "other@example.org").await,
        Party::Pseudonym(_)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identifier_that_two_claim_is_nobodys() {
    let house = house().await;
    let one = write(
        &house,
        SHOP,
        &[("customer_number", "8"), ("phone", "+1 555 010 0199")],
    )
    .await;
    let other = write(
        &house,
        SHOP,
        &[("customer_number", "9"), ("phone", "+1 555 010 0199")],
    )
    .await;
    assert_ne!(one, other);
    let kind = IdentifierKind("phone".to_owned());
    let party = house.p.party_of(&kind, &secret("+15550100199")).await;
    assert!(matches!(party.unwrap(), Party::Pseudonym(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_turn_out_to_be_one_subject_share_their_choices_until_they_are_split() {
    let house = house().await;
    let p = &house.p;
    let one = write(&house, SHOP, &[("customer_number", "1")]).await;
    let other = write(&house, SHOP, &[("customer_number", "2")]).await;
    keep(p, no(Party::Subject(other), "sale")).await;
    keep(p, yes(Party::Subject(one), "newsletter")).await;
    let merge = |canonical: Option<SubjectId>| {
        p.database().write("merge", move |tx| {
            storage::subject::set_canonical(tx, &[(other, canonical)])
        })
    };
    let sale = async |id| reason(p, Party::Subject(id), "sale").await;
    assert_eq!(sale(one).await, Reason::NotOptedOut);
    merge(Some(one)).await.unwrap();
    assert_eq!(
        (sale(one).await, sale(other).await),
        (Reason::Withdrawn, Reason::Withdrawn)
    );
    assert_eq!(
        reason(p, Party::Subject(other), "newsletter").await,
        Reason::Consented
    );
    merge(None).await.unwrap();
    assert_eq!(
        (sale(one).await, sale(other).await),
        (Reason::NotOptedOut, Reason::Withdrawn)
    );
}
