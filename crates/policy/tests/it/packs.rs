//! What the packs of the laws forbid, whatever a business permits.

use std::collections::BTreeSet;

use domain::policy::{AgeBand, Cell, Fact, Reasons, Release, Seen, Why};
use policy::{Compiled, Origin, PolicyFile, compile, packs};

use crate::demo;
use crate::small::annotated;

/// The packs, and a business that permits everything to everybody.
fn house(names: &[&str]) -> Compiled {
    let all = packs();
    let mut files: Vec<_> = all
        .iter()
        .filter(|pack| names.contains(&pack.name))
        .map(policy::Pack::file)
        .collect();
    files.push(PolicyFile {
        name: "everything.cedar".to_owned(),
        text: annotated("everything", "permit (principal, action, resource);"),
        origin: Origin::Company,
    });
    compile(&files, &demo::configuration(), None).unwrap_or_else(|faults| panic!("{faults}"))
}

fn cell(house: &Compiled, recipient: &str, purpose: &str) -> Cell {
    let cell = house.table.cell(&recipient.into(), &purpose.into());
    cell.unwrap()
}

/// The release, and the id of the policy that decided.
fn decided(
    house: &Compiled,
    (recipient, purpose, attribute): (&str, &str, &str),
    facts: &[Fact],
    age: AgeBand,
    place: &str,
) -> (Release, String) {
    let table = &house.table;
    let cell = cell(house, recipient, purpose);
    let seen = Seen::known(table.layout(), facts, age, place);
    let slot = table.layout().attribute(attribute).unwrap();
    let mut reasons = Reasons::new();
    let wanted = [slot].into_iter().collect();
    let decision = table.decide_seen_with_reasons(cell, seen, &wanted, &mut reasons);
    let policy = match reasons.of(slot) {
        Why::Allowed { permit, .. } => permit,
        Why::Forbidden { forbid, .. } => forbid,
        other => panic!("{other:?}"),
    };
    (
        decision.release(slot),
        table.policy(policy).unwrap().id.clone(),
    )
}

const SALE: (&str, &str, &str) = ("sweet_leads", "sale_to_brokers", "email");

#[test]
fn an_opt_out_a_signal_and_a_minors_age_stop_a_sale_in_california_until_consent() {
    let house = house(&["ccpa"]);
    let sale = |facts: &[Fact], age| decided(&house, SALE, facts, age, "US-CA").1;
    assert_eq!(sale(&[], AgeBand::Adult), "everything");
    assert_eq!(sale(&[], AgeBand::Unknown), "everything");
    assert_eq!(
        sale(&[Fact::OptedOutOfSale], AgeBand::Adult),
        "ccpa.opt-out-of-sale"
    );
    assert_eq!(sale(&[Fact::Signal], AgeBand::Adult), "ccpa.signal");
    assert_eq!(sale(&[], AgeBand::Under13), "ccpa.minors-under-13");
    assert_eq!(sale(&[], AgeBand::From13To15), "ccpa.minors-13-to-15");
    assert_eq!(sale(&[Fact::Consented], AgeBand::From13To15), "everything");
    assert_eq!(
        sale(&[Fact::Signal, Fact::Consented], AgeBand::Adult),
        "everything"
    );
}

#[test]
fn whoever_lives_nobody_knows_where_is_protected_and_whoever_lives_elsewhere_is_not() {
    let house = house(&["ccpa"]);
    let sale = |place| decided(&house, SALE, &[Fact::OptedOutOfSale], AgeBand::Adult, place).0;
    assert_eq!(sale("unknown"), Release::Withhold);
    assert_eq!(sale("other"), Release::Keep);
}

#[test]
fn a_service_provider_without_a_compliant_contract_is_a_third_party() {
    let mut configuration = demo::configuration();
    let question = ("paper_mill", "printed_catalogue", "last_name");
    let ask = |configuration: &domain::policy::Configuration| {
        let files = [
            packs()[0].file(),
            PolicyFile {
                name: "everything.cedar".to_owned(),
                text: annotated("everything", "permit (principal, action, resource);"),
                origin: Origin::Company,
            },
        ];
        let house = compile(&files, configuration, None).unwrap();
        decided(
            &house,
            question,
            &[Fact::OptedOutOfSale],
            AgeBand::Adult,
            "US-CA",
        )
        .1
    };
    assert_eq!(ask(&configuration), "everything");
    let mill = configuration
        .recipients
        .iter_mut()
        .find(|one| one.key.as_ref() == "paper_mill");
    // As `PolicyRecipient::of` has it from `Recipient::effective_role`.
    let mill = mill.unwrap();
    (mill.role, mill.contract_compliant) = (domain::recipient::RecipientRole::ThirdParty, false);
    assert_eq!(ask(&configuration), "ccpa.third-party-is-sale");
}

#[test]
fn a_limit_holds_sensitive_data_back_from_what_goes_beyond_and_nothing_else() {
    let house = house(&["ccpa"]);
    let ask = |attribute, facts: &[Fact], age| {
        let question = ("shop_app", "dietary_advice", attribute);
        decided(&house, question, facts, age, "US-CA").1
    };
    assert_eq!(
        ask("allergies", &[Fact::Limited], AgeBand::Adult),
        "ccpa.limit"
    );
    let question = ("shop_app", "fulfil_orders", "first_name");
    let orders = decided(&house, question, &[Fact::Limited], AgeBand::Adult, "US-CA");
    assert_eq!(orders.1, "everything");
    let young = decided(
        &house,
        SALE,
        &[Fact::Limited, Fact::Consented],
        AgeBand::From13To15,
        "US-CA",
    );
    assert_eq!(young.1, "ccpa.limit-under-16");
}

#[test]
fn the_gdpr_wants_consent_where_a_purpose_rests_on_it_and_heeds_objection_and_restriction() {
    let house = house(&["gdpr"]);
    let mail = |facts: &[Fact]| {
        let question = ("shop_app", "marketing_email", "email");
        decided(&house, question, facts, AgeBand::Adult, "EU").1
    };
    assert_eq!(mail(&[]), "gdpr.basis");
    let agreed = [Fact::ChoiceAllows, Fact::Consented];
    assert_eq!(mail(&agreed), "everything");
    assert_eq!(
        mail(&[Fact::ChoiceAllows, Fact::OptedOut]),
        "gdpr.objection"
    );
    assert_eq!(
        mail(&[Fact::ChoiceAllows, Fact::OptedOutOfTargetedAdvertising]),
        "gdpr.direct-marketing"
    );
    assert_eq!(
        mail(&[Fact::ChoiceAllows, Fact::Restricted]),
        "gdpr.restriction"
    );
}

#[test]
fn special_categories_and_children_need_consent_under_the_gdpr() {
    let house = house(&["gdpr"]);
    let advice = |facts: &[Fact]| {
        let question = ("shop_app", "dietary_advice", "allergies");
        decided(&house, question, facts, AgeBand::Adult, "EU").1
    };
    assert_eq!(advice(&[Fact::ChoiceAllows]), "gdpr.special-categories");
    let question = ("shop_app", "marketing_email", "email");
    let child = decided(
        &house,
        question,
        &[Fact::ChoiceAllows],
        AgeBand::From13To15,
        "EU",
    );
    assert_eq!(child.1, "gdpr.children");
}

#[test]
fn hipaa_gives_health_data_to_purposes_that_declare_it_and_sells_none() {
    let house = house(&["hipaa"]);
    let ask = |recipient, purpose, attribute, facts: &[Fact]| {
        decided(
            &house,
            (recipient, purpose, attribute),
            facts,
            AgeBand::Adult,
            "other",
        )
        .1
    };
    assert_eq!(
        ask("shop_app", "fulfil_orders", "allergies", &[]),
        "hipaa.minimum-necessary"
    );
    assert_eq!(ask("shop_app", "fulfil_orders", "email", &[]), "everything");
    assert_eq!(
        ask(
            "sweet_leads",
            "sale_to_brokers",
            "allergies",
            &[Fact::Consented]
        ),
        "hipaa.minimum-necessary"
    );
}

#[test]
fn every_pack_agrees_with_cedar_on_what_tries_its_conditions() {
    for pack in packs() {
        let house = house(&[pack.name]);
        let asked = house.oracle.compare(&house.table, 4_000);
        assert!(asked.unwrap_or_else(|difference| panic!("{difference}")) > 1_000);
    }
}

/// One of each kind that a policy tells apart.
const ATTRIBUTES: [&str; 7] = [
    "first_name",
    "email",
    "birth_date",
    "card_number",
    "allergies",
    "purchases",
    "conversations",
];

/// Policies that hold for no attribute in no cell on no input are mistakes.
#[test]
fn every_policy_of_pack_and_demo_holds_somewhere() {
    let house = compile(&demo::policies(), &demo::configuration(), None);
    let house = house.unwrap_or_else(|faults| panic!("{faults}"));
    let mut open: BTreeSet<_> = house
        .table
        .policies()
        .iter()
        .map(|policy| policy.id.clone())
        .collect();
    for cell in house.table.cells() {
        for seen in house.table.witnesses(cell) {
            for slot in ATTRIBUTES.map(|key| house.table.layout().attribute(key).unwrap()) {
                let answer = house.oracle.ask(cell, slot, seen).unwrap();
                open.retain(|id| !answer.permits.contains(id) && !answer.forbids.contains(id));
            }
            if open.is_empty() {
                return;
            }
        }
    }
    // Nobody in the demo advertises as a service provider.
    assert_eq!(
        open.into_iter().collect::<Vec<_>>(),
        ["ccpa.provider-advertises"]
    );
}
