#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;

fn attribute(number: u16) -> PlaceUse {
    PlaceUse::Attribute(AttributeNumber(number))
}

fn subject(key: &str) -> PlaceUse {
    PlaceUse::Subject {
        key: key.to_owned(),
    }
}

fn shape(named: &[(&str, PlaceUse)]) -> BodyShape {
    BodyShape::build(BodyForm::Json, named.iter().cloned()).unwrap()
}

/// The first of what is wrong, in words.
fn wrong(named: &[(&str, PlaceUse)]) -> String {
    let errors = BodyShape::build(BodyForm::Json, named.iter().cloned()).unwrap_err();
    errors.first().unwrap().to_string()
}

/// Follows names and `*` for elements.
fn at<'a>(shape: &'a BodyShape, names: &[&str]) -> Option<&'a Place> {
    let mut id = shape.root();
    for name in names {
        id = match shape.place(id).kind() {
            PlaceKind::Object(members) => members.find(name.as_bytes())?.place,
            PlaceKind::List(element) if *name == "*" => *element,
            _ => return None,
        };
    }
    Some(shape.place(id))
}

#[test]
fn a_path_leads_to_what_it_names() {
    let shape = shape(&[
        ("$.customers[*].email", attribute(2)),
        ("$.customers[*]['e mail'].old", attribute(2)),
        ("$.customers[*].name", attribute(1)),
        ("$.customers[*]", subject("$.customers[*].id")),
        ("$.meta.*", PlaceUse::Passed),
    ]);
    assert_eq!(shape.attributes(), [AttributeNumber(2), AttributeNumber(1)]);
    let email = at(&shape, &["customers", "*", "email"]).unwrap();
    assert!(matches!(
        email.kind(),
        PlaceKind::Value(ValueUse::Attribute(0))
    ));
    assert_eq!(email.written(), b",\"email\":");
    let old = at(&shape, &["customers", "*", "e mail", "old"]).unwrap();
    assert_eq!(old.path(), "$.customers[*]['e mail'].old");
    let key = at(&shape, &["customers", "*", "id"]).unwrap();
    assert!(key.is_key() && matches!(key.kind(), PlaceKind::Value(ValueUse::KeyOnly)));
    assert!(at(&shape, &["customers", "*"]).unwrap().is_subject());
    assert!(shape.has_subjects() && !at(&shape, &["meta"]).unwrap().has_subjects());
    let Some(PlaceKind::Object(meta)) = at(&shape, &["meta"]).map(Place::kind) else {
        panic!("an object");
    };
    assert!(meta.passes_others() && meta.find(b"page").is_none());
    assert!(at(&shape, &["customers", "*", "Email"]).is_none());
}

#[test]
fn what_is_inside_of_a_place_follows_it() {
    let shape = shape(&[
        ("$.a.b", attribute(1)),
        ("$.a.c[*].d", attribute(2)),
        ("$.e", attribute(3)),
    ]);
    let Some(Member { place, .. }) = (match shape.place(shape.root()).kind() {
        PlaceKind::Object(members) => members.find(b"a"),
        _ => None,
    }) else {
        panic!("it is there");
    };
    let inside: Vec<_> = shape.inside(place).map(|(_, place)| place.path()).collect();
    assert_eq!(inside, ["$.a", "$.a.b", "$.a.c", "$.a.c[*]", "$.a.c[*].d"]);
    assert_eq!(shape.inside(shape.root()).count(), shape.size());
}

#[test]
fn every_one_of_many_names_is_found() {
    let names: Vec<_> = (0..300).map(|n| format!("$.attribute_{n}")).collect();
    let named = names.iter().map(|name| (name.as_str(), attribute(1)));
    let shape = BodyShape::build(BodyForm::Json, named).unwrap();
    for n in 0..300 {
        assert!(at(&shape, &[&format!("attribute_{n}")]).is_some());
        assert!(at(&shape, &[&format!("attribute_{n}_")]).is_none());
    }
    for short in ["", "a", "ab", "abc", "attribute_"] {
        assert!(at(&shape, &[short]).is_none());
    }
}

#[test]
fn a_path_that_cannot_be_read_is_refused_with_what_to_write() {
    for (path, reason) in [
        ("customer", "begins with `$`"),
        ("$customer", "begins with `.` or `[`"),
        ("$.", "['name']"),
        ("$.a b", "['name']"),
        ("$..email", "write the way to it"),
        ("$.list[0]", "write `[*]`"),
        ("$.list[?(@.a)]", "write `[*]`"),
        ("$.a.*.b", "name the members"),
        ("$['a", "write `']`"),
        ("$['a'x", "`]` has to follow"),
        ("$['a\\n']", "escapes"),
        (&format!("${}", ".a".repeat(33)), "further out"),
    ] {
        let message = wrong(&[(path, attribute(1))]);
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn paths_that_contradict_or_shadow_each_other_are_refused() {
    let (one, other) = (attribute(1), attribute(2));
    for (paths, reason) in [
        (["$.a", "$.a"], "named twice"),
        (["$.a", "$['a']"], "named twice"),
        (["$.a", "$.a.b"], "`$.a.b` lies inside of `$.a`"),
        (["$.a.b", "$.a"], "`$.a.b` lies inside of `$.a`"),
        (["$.a[*]", "$.a"], "`$.a[*]` lies inside of `$.a`"),
        (["$", "$.a"], "`$.a` lies inside of `$`"),
        (["$.a[*]", "$.a.b"], "takes `$.a` for an object"),
        (["$.a.b", "$.a[*].b"], "takes `$.a` for an object"),
    ] {
        let named = paths.into_iter().zip([one.clone(), other.clone()]);
        let message = wrong(&named.collect::<Vec<_>>());
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn a_path_that_names_nothing_is_refused() {
    let passed = PlaceUse::Passed;
    for (named, reason) in [
        (vec![], "no place of the body is named"),
        (vec![("$.a.*", attribute(1))], "without `.*`"),
        (
            vec![("$.a.*", passed.clone()), ("$.a.b", passed.clone())],
            "already passed by `$.a.*`",
        ),
        (
            vec![("$.a.*", passed.clone()), ("$.a.*", passed)],
            "named twice",
        ),
        (vec![("$.a", subject("$.a.id"))], "no attribute is inside"),
        (
            vec![("$.a", attribute(1)), ("$.a", subject("$.a.id"))],
            "no attribute is inside",
        ),
        (
            vec![("$.a.b", attribute(1)), ("$.a", subject("$.id"))],
            "can't be the key",
        ),
        (
            vec![("$.a.b", attribute(1)), ("$.a", subject("$.a"))],
            "can't be the key",
        ),
        (
            vec![("$.a.b", attribute(1)), ("$.a", subject("$.a.c[*].d"))],
            "can't be the key",
        ),
        (
            vec![("$.a.b.c", attribute(1)), ("$.a", subject("$.a.b"))],
            "can't be the key",
        ),
        (
            vec![
                ("$.a[*].b.c", attribute(1)),
                ("$.a[*]", subject("$.a[*].id")),
                ("$.a[*].b", subject("$.a[*].b.id")),
            ],
            "is inside of the subject",
        ),
    ] {
        let message = wrong(&named);
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let named = [
        ("a", attribute(1)),
        ("$.b", attribute(1)),
        ("$.b", attribute(2)),
    ];
    let errors = BodyShape::build(BodyForm::Lines, named).unwrap_err();
    assert_eq!(errors.len(), 2);
}

#[test]
fn a_key_may_be_an_attribute_too() {
    let shape = shape(&[("$.id", attribute(9)), ("$", subject("$.id"))]);
    let id = at(&shape, &["id"]).unwrap();
    assert!(id.is_key() && matches!(id.kind(), PlaceKind::Value(ValueUse::Attribute(0))));
}
