//! The policy table: what it decides is what its rules say one by one, whatever is known, and its reasons name rules that hold.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::policy::{
    AgeBand, AttributeSet, AttributeSlot, Cell, ChoiceFacts, Condition, Configuration, Conjunction,
    Effect, Exception, Fact, Layout, Policy, PolicyAttribute, PolicyPurpose, PolicyRecipient,
    PurposeSlot, Question, Reasons, RecipientSlot, Release, RuleDraft, Seen, SubjectFacts, Table,
    TableDraft, Unusable, Why,
};
use domain::profile::Sensitivity;
use domain::recipient::RecipientRole;
use jiff::Timestamp;
use proptest::prelude::*;

fn configuration(attributes: usize, purposes: &[&str]) -> Configuration {
    let attribute = |number: usize| PolicyAttribute {
        key: format!("attribute_{number}").as_str().into(),
        category: "user.name".to_owned(),
        sensitivity: Sensitivity::Basic,
    };
    let purpose = |key: &&str| PolicyPurpose {
        key: (*key).into(),
        uses: BTreeSet::new(),
        direct_marketing: false,
        categories: BTreeSet::new(),
        recipients: BTreeSet::new(),
    };
    let recipient = |key: &str| PolicyRecipient {
        key: key.into(),
        role: RecipientRole::Internal,
        contract_compliant: true,
        sold: false,
        shared: false,
        categories: BTreeSet::new(),
    };
    Configuration {
        attributes: (0..attributes).map(attribute).collect(),
        categories: [("user.name".to_owned(), None)].into(),
        purposes: purposes.iter().map(purpose).collect(),
        recipients: ["shop", "broker"].map(recipient).into(),
        jurisdictions: ["EU", "US-CA"].map(str::to_owned).into(),
    }
}

fn policy(id: &str, effect: Effect) -> Policy {
    Policy {
        id: id.to_owned(),
        file: "test.cedar".to_owned(),
        citation: String::new(),
        title: String::new(),
        reason_subject: String::new(),
        reason_operator: String::new(),
        effect,
    }
}

fn rule(policy: usize, attributes: &[u16], conjunctions: &[Conjunction]) -> RuleDraft {
    RuleDraft {
        recipient: RecipientSlot(0),
        purpose: PurposeSlot(0),
        policy,
        attributes: attributes.iter().copied().map(AttributeSlot).collect(),
        conjunctions: conjunctions.to_vec(),
    }
}

fn table(layout: &Arc<Layout>, policies: &[Policy], rules: Vec<RuleDraft>) -> Table {
    let draft = TableDraft {
        layout: Arc::clone(layout),
        policies: policies.to_vec(),
        rules,
    };
    draft.build().unwrap()
}

const CELL: Cell = Cell {
    recipient: RecipientSlot(0),
    purpose: PurposeSlot(0),
};

fn choice(allows: bool) -> ChoiceFacts {
    ChoiceFacts {
        allows,
        consented: allows,
        opted_out: !allows,
    }
}

/// A permit for everything on `choice_allows`, and a forbid for `attribute_1` on a signal.
fn small() -> (Arc<Layout>, Table) {
    let layout = Arc::new(Layout::of(&configuration(3, &["orders", "ads"])).unwrap());
    let policies = [
        policy("no", Effect::Forbid(Release::Withhold)),
        policy("yes", Effect::Permit(Release::Keep)),
    ];
    let rules = vec![
        rule(0, &[1], &[Conjunction::fact(Fact::Signal, true)]),
        rule(1, &[0, 1], &[Conjunction::fact(Fact::ChoiceAllows, true)]),
    ];
    let table = table(&layout, &policies, rules);
    (layout, table)
}

fn releases(table: &Table, facts: &SubjectFacts, on: i64) -> Vec<Release> {
    let on = Timestamp::from_second(on).unwrap();
    let wanted = table.layout().attributes();
    let question = Question {
        cell: CELL,
        facts,
        on,
        wanted: &wanted,
    };
    let decision = table.decide(&question);
    wanted.iter().map(|slot| decision.release(slot)).collect()
}

#[test]
fn what_nobody_permits_is_withheld_and_a_forbid_overrides() {
    use Release::{Keep, Withhold};
    let (layout, table) = small();
    let facts = SubjectFacts::unknown(&layout, 1).choosing(PurposeSlot(0), choice(true));
    let quiet = facts.clone().with(Fact::Signal, false);
    assert_eq!(releases(&table, &quiet, 0), [Keep, Keep, Withhold]);
    let loud = facts.with(Fact::Signal, true);
    assert_eq!(releases(&table, &loud, 0), [Keep, Withhold, Withhold]);
}

#[test]
fn an_unknown_fact_fulfils_no_permit_and_every_forbid() {
    use Release::{Keep, Withhold};
    let (layout, table) = small();
    let unknown_signal = SubjectFacts::unknown(&layout, 1).choosing(PurposeSlot(0), choice(true));
    assert_eq!(
        releases(&table, &unknown_signal, 0),
        [Keep, Withhold, Withhold]
    );
    let unknown_choice = SubjectFacts::unknown(&layout, 1).with(Fact::Signal, false);
    assert_eq!(releases(&table, &unknown_choice, 0), [Withhold; 3]);
}

#[test]
fn facts_that_changed_by_themselves_or_that_nobody_understands_release_nothing() {
    let (layout, table) = small();
    let facts = SubjectFacts::unknown(&layout, 1)
        .choosing(PurposeSlot(0), choice(true))
        .with(Fact::Signal, false)
        .until(Some(Timestamp::from_second(100).unwrap()));
    assert_eq!(releases(&table, &facts, 99)[0], Release::Keep);
    assert_eq!(releases(&table, &facts, 100), [Release::Withhold; 3]);
    let elsewhere = Layout::of(&configuration(4, &["orders"])).unwrap();
    let foreign = SubjectFacts::unknown(&elsewhere, 1).choosing(PurposeSlot(0), choice(true));
    assert_eq!(releases(&table, &foreign, 0), [Release::Withhold; 3]);
    assert_eq!(
        foreign.unusable(&layout, Timestamp::UNIX_EPOCH),
        Some(Unusable::OtherLayout)
    );
}

#[test]
fn a_later_layout_keeps_every_place_and_reads_earlier_facts() {
    let first = Layout::of(&configuration(3, &["orders", "ads"])).unwrap();
    let next = first.after(&configuration(5, &["ads", "news"])).unwrap();
    assert_eq!(next.purpose(&"ads".into()), first.purpose(&"ads".into()));
    assert_eq!(next.purpose(&"news".into()), Some(PurposeSlot(2)));
    assert!(next.understands(first.mark()) && !first.understands(next.mark()));
    let facts = SubjectFacts::unknown(&first, 1).choosing(PurposeSlot(1), choice(true));
    let seen = |purpose| {
        let cell = Cell {
            recipient: RecipientSlot(0),
            purpose,
        };
        facts.seen(cell, AttributeSlot(0)).is(Fact::Consented)
    };
    assert_eq!(seen(PurposeSlot(1)), Some(true));
    assert_eq!(seen(PurposeSlot(2)), None);
    let same = next.after(&configuration(5, &["ads", "news"])).unwrap();
    assert_eq!(same.mark(), next.mark());
}

#[test]
fn what_was_chosen_about_one_recipient_or_attribute_goes_before_the_purpose() {
    use Release::{Keep, Withhold};
    let (layout, table) = small();
    let facts = SubjectFacts::unknown(&layout, 1)
        .with(Fact::Signal, false)
        .choosing(PurposeSlot(0), choice(true));
    let no = |recipient, attributes: AttributeSet| Exception {
        purpose: PurposeSlot(0),
        recipient,
        attributes,
        choice: Some(choice(false)),
    };
    let first: AttributeSet = [AttributeSlot(0)].into_iter().collect();
    let narrow = facts.clone().except(no(None, first));
    assert_eq!(releases(&table, &narrow, 0), [Withhold, Keep, Withhold]);
    let whole = facts
        .clone()
        .except(no(Some(RecipientSlot(0)), AttributeSet::ALL));
    assert_eq!(releases(&table, &whole, 0), [Withhold; 3]);
    let other = facts.except(no(Some(RecipientSlot(1)), AttributeSet::ALL));
    assert_eq!(releases(&table, &other, 0), [Keep, Keep, Withhold]);
}

#[test]
fn a_reason_names_the_policy_and_what_decided() {
    let (layout, table) = small();
    let facts = SubjectFacts::unknown(&layout, 1)
        .choosing(PurposeSlot(0), choice(false))
        .with(Fact::Signal, true);
    let wanted = layout.attributes();
    let question = Question {
        cell: CELL,
        facts: &facts,
        on: Timestamp::UNIX_EPOCH,
        wanted: &wanted,
    };
    let mut reasons = Reasons::new();
    table.decide_with_reasons(&question, &mut reasons);
    let Why::Unmet { permit, conditions } = reasons.of(AttributeSlot(0)) else {
        panic!("{:?}", reasons.of(AttributeSlot(0)));
    };
    assert_eq!(table.policy(permit).unwrap().id, "yes");
    let missing = table.missing(conditions, facts.seen(CELL, AttributeSlot(0)));
    assert_eq!(
        missing,
        [Condition::Fact {
            fact: Fact::ChoiceAllows,
            is: true
        }]
    );
    let Why::Forbidden { forbid, conditions } = reasons.of(AttributeSlot(1)) else {
        panic!("{:?}", reasons.of(AttributeSlot(1)));
    };
    assert_eq!(table.policy(forbid).unwrap().id, "no");
    assert_eq!(table.conditions(conditions)[0].to_string(), "signal");
    assert_eq!(reasons.of(AttributeSlot(2)), Why::NoPolicy);
}

#[test]
fn the_same_policies_have_the_same_hash_in_any_order_and_another_rule_another() {
    let layout = Arc::new(Layout::of(&configuration(3, &["orders", "ads"])).unwrap());
    let policies = [policy("yes", Effect::Permit(Release::Keep))];
    let (one, other) = (
        rule(0, &[0], &[Conjunction::TRUE]),
        rule(0, &[1], &[Conjunction::TRUE]),
    );
    let hash = |rules| table(&layout, &policies, rules).hash();
    assert_eq!(
        hash(vec![one.clone(), other.clone()]),
        hash(vec![other, one.clone()])
    );
    assert_ne!(hash(vec![one]), hash(Vec::new()));
}

const ATTRIBUTES: usize = 70;

fn conjunctions() -> impl Strategy<Value = Conjunction> {
    let literal = prop_oneof![
        (0..9usize, any::<bool>()).prop_map(|(fact, is)| Conjunction::fact(Fact::ALL[fact], is)),
        proptest::sample::subsequence(AgeBand::ALL.to_vec(), 1..=4)
            .prop_map(|one_of| Conjunction::age(&one_of)),
        (0..4usize, any::<bool>()).prop_map(|(place, is)| {
            let layout = Layout::of(&configuration(ATTRIBUTES, &["orders"])).unwrap();
            let name = layout.jurisdictions()[place].clone();
            layout.jurisdiction_where(|one| (one == name) == is)
        }),
    ];
    proptest::collection::vec(literal, 0..3)
        .prop_map(|all| all.into_iter().fold(Conjunction::TRUE, Conjunction::and))
}

type Parts = (Effect, Vec<u16>, Vec<Conjunction>);

fn parts() -> impl Strategy<Value = Parts> {
    let effect = (any::<bool>(), 0..6usize).prop_map(|(permits, release)| {
        let release = Release::ALL[release];
        if permits {
            Effect::Permit(release)
        } else {
            Effect::Forbid(release)
        }
    });
    let attributes = proptest::collection::vec(0..ATTRIBUTES as u16, 1..40);
    let conjunctions = proptest::collection::vec(conjunctions(), 0..3);
    (effect, attributes, conjunctions)
}

fn facts(layout: &Layout) -> impl Strategy<Value = SubjectFacts> + use<> {
    let bits = proptest::collection::vec(proptest::option::of(any::<bool>()), 9);
    let age = proptest::option::of(0..5usize);
    let place = proptest::option::of(0..4usize);
    let layout = layout.clone();
    (bits, age, place).prop_map(move |(bits, age, place)| {
        let mut facts = SubjectFacts::unknown(&layout, 1);
        for (fact, is) in Fact::ALL.into_iter().zip(&bits) {
            if let Some(is) = is {
                facts = facts.with(fact, *is);
            }
        }
        if let [Some(allows), Some(consented), Some(opted_out), ..] = bits[..] {
            let choice = ChoiceFacts {
                allows,
                consented,
                opted_out,
            };
            facts = facts.choosing(PurposeSlot(0), choice);
        }
        if let Some(age) = age {
            facts = facts.aged(AgeBand::ALL[age]);
        }
        if let Some(place) = place {
            facts = facts.living_in(&layout, &layout.jurisdictions()[place]);
        }
        facts
    })
}

/// Whether conditions surely hold, or may, said in the words of a reader and not in bits.
fn holds(table: &Table, conditions: &[Condition], seen: Seen, when_unknown: bool) -> bool {
    conditions.iter().all(|condition| match condition {
        Condition::Fact { fact, is } => seen.is(*fact).map_or(when_unknown, |so| so == *is),
        Condition::Age { one_of } => seen.age().map_or(when_unknown, |age| one_of.contains(&age)),
        Condition::Jurisdiction { one_of } => seen
            .jurisdiction(table.layout())
            .map_or(when_unknown, |name| one_of.iter().any(|one| one == name)),
        Condition::NotJurisdiction { none_of } => seen
            .jurisdiction(table.layout())
            .map_or(when_unknown, |name| none_of.iter().all(|one| one != name)),
    })
}

/// Each rule alone in a table, so that its conditions can be read back.
fn in_words(layout: &Arc<Layout>, conjunction: Conjunction) -> Option<Vec<Condition>> {
    let policies = [policy("one", Effect::Permit(Release::Keep))];
    let table = table(layout, &policies, vec![rule(0, &[0], &[conjunction])]);
    let nobody = SubjectFacts::unknown(layout, 1);
    let wanted = layout.attributes();
    let question = Question {
        cell: CELL,
        facts: &nobody,
        on: Timestamp::UNIX_EPOCH,
        wanted: &wanted,
    };
    let mut reasons = Reasons::new();
    table.decide_with_reasons(&question, &mut reasons);
    match reasons.of(AttributeSlot(0)) {
        Why::Unmet { conditions, .. } => Some(table.conditions(conditions)),
        Why::Allowed { .. } => Some(Vec::new()),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_table_decides_what_its_rules_say_one_by_one(
        all in proptest::collection::vec(parts(), 0..8),
        facts in facts(&Layout::of(&configuration(ATTRIBUTES, &["orders"])).unwrap()),
    ) {
        let layout = Arc::new(Layout::of(&configuration(ATTRIBUTES, &["orders"])).unwrap());
        let policies: Vec<_> = all.iter().enumerate().map(|(n, (effect, ..))| policy(&n.to_string(), *effect)).collect();
        let rules = all.iter().enumerate().map(|(n, (_, attributes, any))| rule(n, attributes, any)).collect();
        let table = table(&layout, &policies, rules);
        let wanted = layout.attributes();
        let question = Question { cell: CELL, facts: &facts, on: Timestamp::UNIX_EPOCH, wanted: &wanted };
        let mut reasons = Reasons::new();
        let decision = table.decide_with_reasons(&question, &mut reasons);
        prop_assert_eq!(&decision, &table.decide(&question));
        let spoken: Vec<Vec<_>> = all.iter()
            .map(|(.., any)| any.iter().filter_map(|one| in_words(&layout, *one)).collect())
            .collect();
        for slot in wanted.iter() {
            let seen = facts.seen(CELL, slot);
            let about = || all.iter().zip(&spoken).enumerate().filter(|(_, ((_, attributes, _), _))| attributes.contains(&slot.0));
            let (mut permits, mut forbids, mut permit_ids, mut forbid_ids) = (vec![], vec![], vec![], vec![]);
            for (number, ((effect, ..), any)) in about() {
                let is_permit = matches!(effect, Effect::Permit(_));
                if any.iter().any(|conditions| holds(&table, conditions, seen, !is_permit)) {
                    match effect {
                        Effect::Permit(release) => { permits.push(*release); permit_ids.push(number); }
                        Effect::Forbid(leaves) => { forbids.push(*leaves); forbid_ids.push(number); }
                    }
                }
            }
            prop_assert_eq!(decision.release(slot), Release::decide(&permits, &forbids));
            match reasons.of(slot) {
                Why::Allowed { release, permit, limited_by } => {
                    prop_assert_eq!(release, decision.release(slot));
                    prop_assert!(permit_ids.contains(&usize::from(permit.0)));
                    let full = Release::decide(&permits, &[]);
                    prop_assert_eq!(limited_by.is_some(), full != release);
                    prop_assert!(limited_by.is_none_or(|forbid| forbid_ids.contains(&usize::from(forbid.0))));
                }
                Why::Forbidden { forbid, .. } => {
                    let first = forbid_ids.iter().zip(&forbids).find(|(_, leaves)| **leaves == Release::Withhold);
                    prop_assert_eq!(first.map(|(number, _)| *number), Some(usize::from(forbid.0)));
                }
                Why::Unmet { permit, conditions } => {
                    prop_assert!(!permit_ids.contains(&usize::from(permit.0)) || Release::decide(&permits, &[]) == Release::Withhold);
                    prop_assert!(permit_ids.contains(&usize::from(permit.0)) || !table.missing(conditions, seen).is_empty());
                }
                Why::NoPolicy => prop_assert!(permits.is_empty()),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
