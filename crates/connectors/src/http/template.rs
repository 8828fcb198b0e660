//! Paths, queries and bodies with places for values: a value can never leave its place.

use serde_json::Value;

use super::outbound::percent_encode;

/// Names of the places in a text: `{name}`.
pub(super) fn places(template: &str) -> Result<Vec<&str>, String> {
    let mut names = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.find(['{', '}']) {
        let after = rest.get(open..).unwrap_or_default();
        let name = after
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'));
        let Some((name, remaining)) =
            name.filter(|(name, _)| !name.is_empty() && !name.contains('{'))
        else {
            return Err(format!("`{template}` has a brace without its partner"));
        };
        names.push(name);
        rest = remaining;
    }
    Ok(names)
}

/// The path with the values in their places, percent-encoded. A value that would step out of its segment is refused.
pub(super) fn fill_path(template: &str, values: &[(String, String)]) -> Result<String, String> {
    let segments: Result<Vec<String>, String> = template
        .split('/')
        .map(|segment| fill_segment(segment, values))
        .collect();
    segments.map(|segments| segments.join("/"))
}

fn fill_segment(segment: &str, values: &[(String, String)]) -> Result<String, String> {
    if !segment.contains('{') {
        return Ok(segment.to_owned());
    }
    let filled = fill_text(segment, values, percent_encode);
    if matches!(filled.as_str(), "" | "." | "..") {
        return Err(format!(
            "a value can't stand in a path in the place of `{segment}`"
        ));
    }
    Ok(filled)
}

/// A text with the values in their places, each passed through `encode`.
pub(super) fn fill_text(
    template: &str,
    values: &[(String, String)],
    encode: impl Fn(&str) -> String,
) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, remaining)) = after.split_once('}') else {
            break;
        };
        if let Some((_, value)) = values.iter().find(|(known, _)| known == name) {
            filled.push_str(&encode(value));
        }
        rest = remaining;
    }
    filled.push_str(rest);
    filled
}

/// A JSON body with the values in the places of its texts.
pub(super) fn fill_body(template: &Value, values: &[(String, String)]) -> Value {
    match template {
        Value::String(text) => Value::String(fill_text(text, values, str::to_owned)),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| fill_body(item, values)).collect())
        }
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, member)| (name.clone(), fill_body(member, values)))
                .collect(),
        ),
        scalar => scalar.clone(),
    }
}

/// A JSON body in which a text that is exactly `{values}` becomes the object of new values.
pub(super) fn place_values(template: &Value, new: &Value) -> Value {
    match template {
        Value::String(text) if text == "{values}" => new.clone(),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| place_values(item, new)).collect())
        }
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, member)| (name.clone(), place_values(member, new)))
                .collect(),
        ),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests"
    )]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn one(value: &str) -> Vec<(String, String)> {
        vec![("id".to_owned(), value.to_owned())]
    }

    #[test]
    fn a_value_can_not_step_out_of_its_place_in_a_path() {
        assert_eq!(
            fill_path("/tickets/{id}", &one("../customers?x#y")).unwrap(),
            "/tickets/..%2Fcustomers%3Fx%23y"
        );
        for value in ["..", ".", ""] {
            assert!(fill_path("/tickets/{id}", &one(value)).is_err());
        }
        assert_eq!(
            fill_path("/tickets/{id}.json", &one("..")).unwrap(),
            "/tickets/...json"
        );
    }

    #[test]
    fn a_value_that_looks_like_a_place_is_not_filled_again() {
        assert_eq!(
            fill_text("{id}-{id}", &one("{id}"), str::to_owned),
            "{id}-{id}"
        );
        assert_eq!(
            fill_body(&json!({"q": "id:{id}", "n": [1, "{id}"]}), &one("7")),
            json!({"q": "id:7", "n": [1, "7"]})
        );
    }

    #[test]
    fn braces_must_come_in_pairs() {
        assert_eq!(places("/a/{b.c}/{d}").unwrap(), ["b.c", "d"]);
        for template in ["/a/{b", "/a/b}", "/{}", "/{a{b}}"] {
            assert!(places(template).is_err(), "{template}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_value_the_host_and_the_path_before_it_stay(value in ".*") {
            let Ok(path) = fill_path("/tickets/{id}", &one(&value)) else { return Ok(()) };
            let url = reqwest::Url::parse(&format!("https://desk.example/api{path}")).unwrap();
            prop_assert_eq!(url.host_str(), Some("desk.example"));
            prop_assert_eq!(url.path_segments().unwrap().count(), 3);
            prop_assert!(url.path().starts_with("/api/tickets/") && url.query().is_none() && url.fragment().is_none());
        }
    }
}
