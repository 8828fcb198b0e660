//! Policies that nobody wrote, inside the fragment: the table says what Cedar says, for every attribute, and names policies that hold.

use domain::policy::{AgeBand, Fact, Seen};
use policy::compile;
use proptest::prelude::*;

use crate::small::{annotated, configuration, file};

fn atoms() -> impl Strategy<Value = String> {
    let facts: Vec<_> = Fact::ALL
        .iter()
        .map(|fact| fact.text().to_owned())
        .collect();
    let places = ["EU", "US-CA", "US-VA", "other", "unknown"];
    let ages = ["unknown", "under_13", "13_to_15", "16_17", "adult"];
    let of = |all: &[&str]| {
        proptest::sample::select(all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>())
    };
    let equals = || of(&["==", "!="]);
    prop_oneof![
        4 => proptest::sample::select(facts).prop_map(|fact| format!("context.{fact}")),
        2 => (equals(), of(&places)).prop_map(|(op, place)| format!("context.jurisdiction {op} \"{place}\"")),
        1 => (of(&places), of(&places)).prop_map(|(one, other)| format!("[\"{one}\", \"{other}\"].contains(context.jurisdiction)")),
        1 => of(&["US-*", "*", "E*", "*A", "U*-*A", "other"]).prop_map(|pattern| format!("context.jurisdiction like \"{pattern}\"")),
        2 => (equals(), of(&ages)).prop_map(|(op, age)| format!("context.age {op} \"{age}\"")),
        1 => (of(&["<", "<=", ">", ">=", "==", "!="]), -1..20i64).prop_map(|(op, years)| format!("context.least_age {op} {}", years.max(0))),
        1 => of(&["context.purpose_declares_attribute", "context.recipient_declares_attribute", "context.purpose_declares_recipient"]),
        1 => of(&["principal.sold", "principal.shared", "principal.contract_compliant", "resource.sensitive", "true", "false"]),
        1 => (equals(), of(&["basic", "sensitive", "unstructured"])).prop_map(|(op, kind)| format!("resource.sensitivity {op} \"{kind}\"")),
        1 => of(&["internal", "service_provider", "third_party"]).prop_map(|role| format!("principal in Role::\"{role}\"")),
        1 => of(&["shop", "carrier", "broker"]).prop_map(|key| format!("principal == Recipient::\"{key}\"")),
        1 => of(&["sale", "sharing", "direct_marketing", "orders"]).prop_map(|group| format!("action in Action::\"{group}\"")),
        1 => (of(&["orders", "ads", "news"]), of(&["sale", "orders"])).prop_map(|(one, other)| format!("action in [Action::\"{one}\", Action::\"{other}\"]")),
        2 => of(&["user", "user.name", "user.contact", "user.health", "user.health.allergy"]).prop_map(|key| format!("resource in Category::\"{key}\"")),
        1 => Just("resource in SensitiveCategory::\"health\"".to_owned()),
        2 => (equals(), of(&["name", "email", "allergies", "diary"])).prop_map(|(op, key)| format!("resource {op} Attribute::\"{key}\"")),
        1 => of(&["resource is Attribute in Category::\"user.contact\"", "principal is Recipient", "context has signal", "resource has sensitivity"]),
        1 => of(&["[context.age, \"adult\"].containsAny([\"under_13\", \"16_17\"])", "[\"EU\", \"US-CA\"].containsAll([context.jurisdiction, \"EU\"])"]),
        1 => of(&["(if context.signal then context.age else \"adult\") == \"under_13\"", "(if context.limited then \"EU\" else context.jurisdiction) == \"EU\""]),
    ]
}

fn conditions() -> impl Strategy<Value = String> {
    atoms().prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one}) && ({other})")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one}) || ({other})")),
            inner.clone().prop_map(|one| format!("!({one})")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one}) == ({other})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(cond, one, other)| format!("if {cond} then {one} else {other}")),
        ]
    })
}

fn rules() -> impl Strategy<Value = String> {
    let of = |all: &[&str]| {
        proptest::sample::select(all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>())
    };
    let scope = (
        of(&[
            "principal",
            "principal",
            "principal == Recipient::\"shop\"",
            "principal in Role::\"third_party\"",
            "principal is Recipient",
        ]),
        of(&[
            "action",
            "action",
            "action == Action::\"ads\"",
            "action in [Action::\"sale\", Action::\"news\"]",
        ]),
        of(&[
            "resource",
            "resource",
            "resource in Category::\"user.contact\"",
            "resource == Attribute::\"diary\"",
            "resource is Attribute",
        ]),
    );
    let effect = of(&[
        "permit",
        "permit",
        "@release(\"mask\") permit",
        "@release(\"token\") permit",
        "@release(\"null\") permit",
        "forbid",
        "@leaves(\"generalise\") forbid",
        "@leaves(\"token\") forbid",
    ]);
    let clauses = proptest::collection::vec((of(&["when", "unless"]), conditions()), 0..3);
    (effect, scope, clauses).prop_map(|(effect, (principal, action, resource), clauses)| {
        let clauses: Vec<_> = clauses
            .iter()
            .map(|(word, one)| format!("{word} {{ {one} }}"))
            .collect();
        format!(
            "{effect} ({principal}, {action}, {resource}) {};",
            clauses.join(" ")
        )
    })
}

fn inputs() -> impl Strategy<Value = (Vec<bool>, usize, usize)> {
    (
        proptest::collection::vec(any::<bool>(), Fact::ALL.len()),
        0..5usize,
        0..5usize,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_table_says_what_cedar_says(rules in proptest::collection::vec(rules(), 1..6), inputs in proptest::collection::vec(inputs(), 3)) {
        let text: String = rules.iter().enumerate().map(|(number, rule)| annotated(&format!("p{number}"), rule)).collect();
        let compiled = match compile(&[file(&text)], &configuration(), None) {
            Ok(compiled) => compiled,
            // The strict check refuses conditions that compare what can't be compared or are too large; nothing inside the fragment is refused otherwise.
            Err(faults) => {
                let is_fair = faults.0.iter().all(|fault| fault.problem.contains("does not fit the schema") || fault.problem.contains("alternatives"));
                prop_assert!(is_fair, "{faults}\n{text}");
                return Err(TestCaseError::reject("Cedar's own check refuses it"));
            }
        };
        let table = &compiled.table;
        for (facts, age, place) in inputs {
            let facts: Vec<_> = Fact::ALL.into_iter().zip(facts).filter(|(_, is)| *is).map(|(fact, _)| fact).collect();
            let place = &table.layout().jurisdictions()[place];
            let seen = Seen::known(table.layout(), &facts, AgeBand::ALL[age], place);
            for cell in table.cells() {
                let compared = compiled.oracle.compare_input(table, cell, seen);
                prop_assert!(compared.is_ok(), "{}\n{text}", compared.unwrap_err());
            }
        }
        let compared = compiled.oracle.compare(table, 200);
        prop_assert!(compared.is_ok(), "{}\n{text}", compared.unwrap_err());
    }
}

#[test]
fn an_id_may_have_any_characters() {
    let ids = [r#"say \"no\""#, "zeile\u{301}", "a\\\\b", "\u{200b}x"];
    for (id, is_forbidden) in ids.iter().flat_map(|id| [(id, false), (id, true)]) {
        let permit = annotated("p", "permit (principal, action, resource);");
        let rule = if is_forbidden {
            permit + &annotated(id, "forbid (principal, action, resource);")
        } else {
            annotated(id, "permit (principal, action, resource);")
        };
        let compiled = compile(&[file(&rule)], &configuration(), None).unwrap();
        let compared = compiled.oracle.compare(&compiled.table, 500);
        assert!(compared.unwrap() > 0, "{id}");
    }
}

/// What only Cedar can say, beside what the fragment can.
fn slow_conditions() -> impl Strategy<Value = String> {
    let slow = proptest::sample::select(vec![
        "context.least_age + 3 > 15",
        "context.least_age * 2 - 1 < 26",
        "{one: context.signal, two: context.age} == {one: true, two: \"adult\"}",
        "[context.age, context.jurisdiction] == [\"under_13\", \"EU\"]",
        "[resource, Attribute::\"diary\"].contains(resource) && [context.jurisdiction] != [\"US-CA\"]",
        "(if principal.sold then {of: context.limited} else {of: context.signal}).of",
    ]);
    let joined = proptest::sample::select(vec!["&&", "||"]);
    (slow, joined, atoms()).prop_map(|(slow, joined, atom)| format!("({slow}) {joined} ({atom})"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_slow_policy_is_compiled_to_what_cedar_says(conditions in proptest::collection::vec((any::<bool>(), slow_conditions()), 1..4), other in rules()) {
        let slow = conditions.iter().enumerate().map(|(number, (is_permit, condition))| {
            let effect = if *is_permit { "permit" } else { "forbid" };
            annotated(&format!("slow{number}"), &format!("@slow(\"sums\") {effect} (principal, action, resource) when {{ {condition} }};"))
        });
        let text = slow.collect::<String>() + &annotated("other", &other);
        let compiled = compile(&[file(&text)], &configuration(), None);
        let compiled = compiled.map_err(|faults| TestCaseError::fail(format!("{faults}\n{text}")))?;
        let compared = compiled.oracle.compare(&compiled.table, 2_000);
        prop_assert!(compared.is_ok(), "{}\n{text}", compared.unwrap_err());
    }
}

#[test]
fn what_is_not_so_in_any_case_is_left_out_of_a_slow_policy() {
    let rule = "@slow(\"a sum\") permit (principal, action, resource) when { context.least_age + 0 >= 16 && (context.signal || !context.signal) };";
    let compiled = compile(&[file(&annotated("p", rule))], &configuration(), None).unwrap();
    let cell = compiled.table.cells().next().unwrap();
    assert_eq!(compiled.table.looks_at(cell), (Vec::new(), true, false));
}
