//! What is refused, and that the refusal names file, line and policy and says what to do.

use domain::policy::Layout;
use policy::{Origin, PolicyFile, compile};

use crate::small::{annotated, configuration, file};

fn refusal(text: &str) -> String {
    match compile(&[file(text)], &configuration(), None) {
        Ok(_) => panic!("taken: {text}"),
        Err(faults) => faults.to_string(),
    }
}

fn refused(rule: &str) -> String {
    refusal(&annotated("p", rule))
}

#[test]
fn what_lies_outside_the_fragment_is_refused_by_policy_and_line() {
    let second = annotated(
        "sums",
        "permit (principal, action, resource) when { context.least_age + 1 > 16 };",
    );
    let text = format!(
        "// A remark.\n\n{}\n{second}",
        annotated("fine", "permit (principal, action, resource);")
    );
    insta::assert_snapshot!(refusal(&text), @"own.cedar:10: policy `sums` uses arithmetic, which lies outside the fragment of docs/guides/policies.md; say it with ==, !=, in, contains, has, like, <, <=, >, >=, &&, || and !");
}

#[test]
fn every_construct_outside_is_refused_by_name() {
    for (rule, named) in [
        (
            "permit (principal, action, resource) when { {a: 1} == {a: 1} };",
            "a record",
        ),
        (
            "permit (principal, action, resource) when { principal.hasTag(\"x\") };",
            "tags",
        ),
        (
            "permit (principal, action, resource) when { decimal(\"1.0\") == decimal(\"1.0\") };",
            "an extension",
        ),
        (
            "permit (principal, action, resource) when { [context.age] == [\"adult\"] };",
            "not of one kind",
        ),
    ] {
        let said = refused(rule);
        assert!(said.contains(named), "{rule}: {said}");
    }
}

#[test]
fn a_template_is_refused() {
    let said = refused("permit (principal == ?principal, action, resource);");
    assert!(said.contains("template"), "{said}");
}

#[test]
fn a_name_that_is_not_there_is_refused_with_what_may_have_been_meant() {
    insta::assert_snapshot!(refused("permit (principal == Recipient::\"carier\", action, resource);"), @"own.cedar:1: policy `p` names Recipient::\"carier\", which is not there; did you mean carrier?");
    insta::assert_snapshot!(refused("permit (principal, action, resource in Category::\"user.contact.mail\");"), @"own.cedar:1: policy `p` names Category::\"user.contact.mail\", which is not there; did you mean user or user.contact or user.contact.email or user.health or user.health.allergy?");
    insta::assert_snapshot!(refused("permit (principal, action, resource) when { context.jurisdiction == \"California\" };"), @"own.cedar:1: policy `p` compares the jurisdiction with \"California\", which it never is; it is one of unknown, other, EU, US-CA, US-VA");
    insta::assert_snapshot!(refused("permit (principal, action, resource) when { context.agreed };"), @"own.cedar:1: policy `p` asks for `agreed`, which nothing has; the facts and attributes are in the schema");
}

#[test]
fn types_that_do_not_fit_are_refused_by_cedars_own_check() {
    let said = refused(
        "permit (principal, action, resource) when { resource.sensitivity == principal.sold };",
    );
    assert!(said.starts_with("own.cedar:1: policy `p`"), "{said}");
    let said =
        refused("permit (principal, action, resource) when { context.signal || context.age };");
    assert!(
        said.contains("puts a value where a condition belongs"),
        "{said}"
    );
}

#[test]
fn every_annotation_that_lacks_is_named() {
    insta::assert_snapshot!(refusal("@id(\"p\")\n@titel(\"t\")\npermit (principal, action, resource);"), @r#"
    own.cedar:1: policy `p` has the annotation `@titel`, which means nothing here; leave it out or correct its name
    own.cedar:1: policy `p` lacks the annotation `@citation("…")`; write one
    own.cedar:1: policy `p` lacks the annotation `@reason_operator("…")`; write one
    own.cedar:1: policy `p` lacks the annotation `@reason_subject("…")`; write one
    own.cedar:1: policy `p` lacks the annotation `@title("…")`; write one
    "#);
}

#[test]
fn an_id_twice_is_refused_wherever_the_other_is() {
    let text = annotated("p", "permit (principal, action, resource);");
    let said = refusal(&format!("{text}{text}"));
    insta::assert_snapshot!(said, @"own.cedar:7: policy `p` has the id of the policy in own.cedar:1; give each an id of its own");
}

#[test]
fn a_statute_never_permits_and_forms_of_release_stand_where_they_belong() {
    let statute = PolicyFile {
        origin: Origin::Statute,
        ..file(&annotated("p", "permit (principal, action, resource);"))
    };
    let said = compile(&[statute], &configuration(), None).unwrap_err();
    assert!(said.to_string().contains("no law is weakened"), "{said}");
    for (rule, named) in [
        (
            "@leaves(\"mask\") permit (principal, action, resource);",
            "`@leaves`",
        ),
        (
            "@release(\"mask\") forbid (principal, action, resource);",
            "`@release`",
        ),
        (
            "@release(\"blur\") permit (principal, action, resource);",
            "no form of release",
        ),
        (
            "@release(\"withhold\") permit (principal, action, resource);",
            "releases nothing",
        ),
        (
            "@leaves(\"keep\") forbid (principal, action, resource);",
            "leaves everything",
        ),
    ] {
        let said = refused(rule);
        assert!(said.contains(named), "{rule}: {said}");
    }
}

#[test]
fn a_syntax_error_names_its_line() {
    let text = format!(
        "{}\npermit (principal, action resource);",
        annotated("p", "permit (principal, action, resource);")
    );
    let said = refusal(&text);
    assert!(said.starts_with("own.cedar:8: is no Cedar"), "{said}");
}

/// Whether an odd number of ten things is so: nothing can be left out of any of its alternatives.
#[test]
fn a_policy_that_comes_to_too_many_alternatives_is_refused() {
    let facts = domain::policy::Fact::ALL
        .iter()
        .map(|fact| format!("context.{}", fact.text()));
    let odd = facts.fold("(context.age == \"adult\")".to_owned(), |all, fact| {
        format!("({all} != {fact})")
    });
    let said = refused(&format!(
        "permit (principal, action, resource) when {{ {odd} }};"
    ));
    assert!(said.contains("write it as several policies"), "{said}");
}

#[test]
fn a_long_list_is_not_deep_and_what_is_deep_is_refused() {
    let list = vec!["context.signal"; 200].join(" || ");
    let rule = format!("permit (principal, action, resource) when {{ {list} }};");
    compile(&[file(&annotated("p", &rule))], &configuration(), None).unwrap();
    let nested = |deep: usize| {
        let inner = format!(
            "{}context.signal{}",
            "(context.limited && (".repeat(deep),
            " || context.consented))".repeat(deep)
        );
        format!("permit (principal, action, resource) when {{ {inner} }};")
    };
    compile(
        &[file(&annotated("p", &nested(20)))],
        &configuration(),
        None,
    )
    .unwrap();
    let said = refused(&nested(30));
    assert!(
        said.contains("brackets within brackets more than 48 deep"),
        "{said}"
    );
    let said = refused(&nested(20_000));
    assert!(said.contains("brackets within brackets"), "{said}");
    let said = refused(&format!(
        "permit (principal, action, resource) when {{ {} }};",
        vec!["context.signal"; 600].join(" || ")
    ));
    assert!(said.contains("more than 1000 operators"), "{said}");
    let said = refused(&format!(
        "permit (principal, action, resource) when {{ {} true }};",
        "if context.signal then false else ".repeat(100)
    ));
    assert!(said.contains("more than 64 deep"), "{said}");
}

#[test]
fn a_purpose_called_like_a_group_of_which_it_is_not_is_refused() {
    let mut configuration = configuration();
    configuration.purposes[0].key = "sale".into();
    let said = compile(&[], &configuration, None).unwrap_err().to_string();
    assert!(said.contains("add `uses: [sale]`"), "{said}");
    configuration.purposes[0].uses = [domain::purpose_of_use::UseKind::Sale].into();
    compile(&[], &configuration, None).unwrap();
}

#[test]
fn a_later_table_keeps_the_places_of_an_earlier_one() {
    let first = compile(&[], &configuration(), None).unwrap().table;
    let mut less = configuration();
    less.purposes.remove(0);
    less.attributes.remove(0);
    let next = compile(&[], &less, Some(first.layout())).unwrap().table;
    let slot = |layout: &Layout| layout.attribute("email");
    assert_eq!(slot(next.layout()), slot(first.layout()));
    assert!(next.layout().understands(first.layout().mark()));
}

#[test]
fn a_slow_policy_says_why_and_is_no_way_around_a_mistake() {
    for (rule, named) in [
        (
            "@slow(\" \") permit (principal, action, resource);",
            "say why",
        ),
        (
            "@slow(\"x\") permit (principal, action, resource) when { context.age == \"old\" };",
            "which it never is",
        ),
        (
            "@slow(\"x\") permit (principal == Recipient::\"nobody\", action, resource);",
            "is not there",
        ),
        (
            "@slow(\"x\") forbid (principal, action, resource) when { 9223372036854775807 + context.least_age > 0 };",
            "overflow",
        ),
    ] {
        let said = refused(rule);
        assert!(said.contains(named), "{rule}: {said}");
    }
}
