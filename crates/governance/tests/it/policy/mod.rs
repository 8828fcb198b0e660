//! Policies in force over a small shop: what is known of its customers, and what that comes to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod cost;
mod explain;
mod facts;
mod kept;
mod lifecycle;
mod views;

use domain::id::SubjectId;
use domain::policy::{AttributeSet, Fact, Question, Release, Seen, SubjectFacts};
use governance::policy::InForce;

use crate::consent::NOTICES;
use crate::profile_house::{ProfileHouse, SHOP};
use crate::server::{Engine, Store, engine};

pub(crate) const PURPOSES: &str = r#"
purposes:
  orders:
    title: {en: Your orders}
    description: {en: We send what you order.}
    categories: [user.contact.email, user.name]
    choice: none
    recipients: [mill]
    dpv: DeliveryOfGoods
  newsletter:
    title: {en: Newsletter}
    description: {en: We write to you.}
    categories: [user.contact.email]
    choice: opt_in
    consent_lasts_months: 24
    notice: {key: newsletter, from_version: 2}
    dpv: DirectMarketing
  sale:
    title: {en: Sale}
    description: {en: Sweet Leads pays us for your address.}
    categories: [user.contact.email, user.name]
    uses: [sale, sharing]
    choice: opt_out
    recipients: [leads]
    notice: {key: sale, from_version: 1}
  allergies:
    title: {en: Allergies}
    description: {en: We warn you of nuts.}
    categories: [user.health_and_medical]
    uses: [sensitive]
    choice: opt_in
    notice: {key: allergies, from_version: 1}
"#;

pub(crate) const SCHEMA: &str = "version: 1
birth_date: birth_date
lives_in: { country: country, region: state }
identity: { default_country: US }
sources:
  - { source: shop, number: 1, title: Shop, record: customer_number, proves: [customer_number, email] }
  - { source: crm, number: 2, title: Sales team, record: customer_number, proves: [customer_number] }
attributes:
  - { attribute: customer_number, number: 1, title: Number, category: user.unique_id, identifier: { rule: verbatim, unique: true } }
  - { attribute: email, number: 2, title: E-mail, category: user.contact.email, identifier: { rule: email, unique: true } }
  - { attribute: first_name, number: 3, title: First name, category: user.name.first, identifies: true }
  - { attribute: birth_date, number: 4, title: Birth date, kind: date, category: user.demographic.date_of_birth, identifies: true }
  - { attribute: country, number: 5, title: Country, category: user.contact.address.country }
  - { attribute: state, number: 6, title: State, category: user.contact.address.state }
  - { attribute: nuts, number: 7, title: Allergies, category: user.health_and_medical, sensitivity: sensitive }
";

pub(crate) const COMPANY: &str = r#"
@id("hearth.letters")
@citation("Contract with Paper Mill")
@title("Paper Mill writes to customers")
@reason_subject("So that our letters reach you.")
@reason_operator("Names and addresses go to the printer.")
permit (principal == Recipient::"mill", action == Action::"orders", resource in Category::"user.name");

@id("hearth.sale")
@citation("Agreement with Sweet Leads")
@title("Sweet Leads buys addresses")
@reason_subject("Sweet Leads pays us for it.")
@reason_operator("Sold where what she chose allows it.")
permit (principal == Recipient::"leads", action == Action::"sale", resource in Category::"user.contact.email")
when { context.choice_allows };
"#;

/// Runs a test on SQLite, and on PostgreSQL where there is one.
pub(crate) async fn on_each_engine(test: impl AsyncFn(&ProfileHouse)) {
    test(&house(None).await).await;
    if let Some(store) = engine(Engine::Postgres) {
        test(&house(Some(store)).await).await;
    }
}

pub(crate) async fn house(store: Option<Store>) -> ProfileHouse {
    let files = [
        ("profile.yaml", SCHEMA),
        ("consent/purposes.yaml", PURPOSES),
        ("consent/notices.yaml", NOTICES),
        ("policies/company.cedar", COMPANY),
    ];
    ProfileHouse::with_files(store, &files).await
}

pub(crate) async fn write(house: &ProfileHouse, values: &[(&str, &str)]) -> SubjectId {
    house.write(SHOP, &[values]).await.subjects[0].unwrap()
}

pub(crate) async fn facts(house: &ProfileHouse, id: SubjectId) -> SubjectFacts {
    let facts = house.p.subject_facts(id).await;
    facts.unwrap().expect("a subject with facts")
}

/// What one cell and attribute sees.
pub(crate) fn seen(
    in_force: &InForce,
    facts: &SubjectFacts,
    recipient: &str,
    purpose: &str,
    attribute: &str,
) -> Seen {
    let table = &in_force.table;
    let cell = table.cell(&recipient.into(), &purpose.into()).unwrap();
    facts.seen(cell, table.layout().attribute(attribute).unwrap())
}

/// In which form an attribute goes out.
pub(crate) async fn release(
    house: &ProfileHouse,
    id: SubjectId,
    recipient: &str,
    purpose: &str,
    attribute: &str,
) -> Release {
    let in_force = house.p.policies().unwrap();
    let (table, facts) = (&in_force.table, facts(house, id).await);
    let slot = table.layout().attribute(attribute).unwrap();
    let wanted: AttributeSet = [slot].into_iter().collect();
    let decision = table.decide(&Question {
        cell: table.cell(&recipient.into(), &purpose.into()).unwrap(),
        facts: &facts,
        on: house.p.now(),
        wanted: &wanted,
    });
    decision.release(slot)
}

/// Whether a fact is so for whoever buys the e-mail address.
pub(crate) async fn fact(house: &ProfileHouse, id: SubjectId, fact: Fact) -> Option<bool> {
    let in_force = house.p.policies().unwrap();
    seen(&in_force, &facts(house, id).await, "leads", "sale", "email").is(fact)
}
