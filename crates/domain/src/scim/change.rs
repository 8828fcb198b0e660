//! What a request changes: which of the places that a business maps get which value, or lose theirs.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::ScimError;
use super::path::Path;
use crate::sensitive::Sensitive;

/// The schema that a PATCH names.
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// More operations in one PATCH are refused.
const MOST_OPERATIONS: usize = 200;

/// New values by place, `None` for those that go; places that are not named stay as they are.
pub type Changes = BTreeMap<Path, Option<Sensitive<String>>>;

/// What a whole resource says of the mapped places (POST, PUT): those that it doesn't name lose their value. What isn't mapped is ignored.
///
/// # Errors
/// `invalidSyntax` when it is no object, `invalidValue` for a value that is no text, number or truth.
pub fn replaced(mapped: &[Path], resource: &Value) -> Result<Changes, ScimError> {
    let Value::Object(members) = resource else {
        return Err(ScimError::syntax("the body has to be an object"));
    };
    let mut changes: Changes = mapped.iter().map(|path| (path.clone(), None)).collect();
    set(mapped, members, &mut changes)?;
    Ok(changes)
}

/// What a PATCH changes of the mapped places (RFC 7644 3.5.2), one operation after the other. What isn't mapped is ignored.
///
/// # Errors
/// `invalidSyntax`, `invalidPath`, `invalidFilter`, `invalidValue`, and `noTarget` for a removal of nothing in particular.
pub fn patched(mapped: &[Path], patch: &Value) -> Result<Changes, ScimError> {
    let named = patch.get("schemas").and_then(Value::as_array);
    let named = named.is_some_and(|schemas| schemas.iter().any(|schema| schema == PATCH));
    let operations = member(patch, "Operations").and_then(Value::as_array);
    let operations = operations.filter(|_| named).ok_or_else(|| {
        ScimError::syntax(format!(
            "a PATCH has `schemas` with `{PATCH}`, and `Operations`"
        ))
    })?;
    if operations.len() > MOST_OPERATIONS {
        return Err(ScimError::new("tooMany", "send fewer operations at once"));
    }
    let mut changes = Changes::new();
    for operation in operations {
        apply(mapped, operation, &mut changes)?;
    }
    Ok(changes)
}

fn apply(mapped: &[Path], operation: &Value, changes: &mut Changes) -> Result<(), ScimError> {
    let verb = member(operation, "op")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let path = match member(operation, "path") {
        None | Some(Value::Null) => None,
        Some(Value::String(path)) => Some(Path::parse(path)?),
        Some(_) => return Err(ScimError::path("a `path` is a text")),
    };
    let value = member(operation, "value");
    match (verb.to_ascii_lowercase().as_str(), path) {
        ("remove", None) => Err(ScimError::new(
            "noTarget",
            "a removal names what goes in its `path`",
        )),
        ("remove", Some(path)) => {
            clear(mapped, &path, changes);
            Ok(())
        }
        ("add" | "replace", path) => {
            let value = value.ok_or_else(|| ScimError::value("an operation has no `value`"))?;
            match path {
                None => put_all(mapped, value, changes),
                Some(path) => {
                    if verb.eq_ignore_ascii_case("replace") {
                        clear(mapped, &path, changes);
                    }
                    put(mapped, &path, value, changes)
                }
            }
        }
        _ => Err(ScimError::syntax("an `op` is `add`, `replace` or `remove`")),
    }
}

fn clear(mapped: &[Path], path: &Path, changes: &mut Changes) {
    let gone = mapped.iter().filter(|place| path.covers(place));
    changes.extend(gone.map(|place| (place.clone(), None)));
}

/// Values without a path: a resource in part, whose members some clients name by paths.
fn put_all(mapped: &[Path], value: &Value, changes: &mut Changes) -> Result<(), ScimError> {
    let Value::Object(members) = value else {
        return Err(ScimError::value(
            "without a `path`, the `value` is an object",
        ));
    };
    let mut plain = Map::new();
    for (name, value) in members {
        if name.contains(['.', '[']) && !name.to_ascii_lowercase().starts_with("urn:") {
            put(mapped, &Path::parse(name)?, value, changes)?;
        } else {
            plain.insert(name.clone(), value.clone());
        }
    }
    set(mapped, &plain, changes)
}

fn put(
    mapped: &[Path],
    path: &Path,
    value: &Value,
    changes: &mut Changes,
) -> Result<(), ScimError> {
    let (attribute, of_type) = (path.attribute.as_str(), path.of_type.as_deref());
    match (value, &path.part) {
        (Value::Array(_), None) if path.is_several() => {
            let one = Map::from_iter([(attribute.to_owned(), value.clone())]);
            set(mapped, &one, changes)
        }
        (Value::Object(parts), None) => parts.iter().try_for_each(|(part, value)| {
            let own_type = parts.get("type").and_then(Value::as_str);
            let of_type = of_type.or(own_type);
            let part = if attribute.starts_with("urn:") || part != "type" {
                Some(part.as_str())
            } else {
                return Ok(());
            };
            keep(
                mapped,
                &Path::found(attribute, of_type, part),
                value,
                changes,
            )
        }),
        (value, part) => {
            let found = Path::found(attribute, of_type, part.as_deref());
            keep(mapped, &found, value, changes)
        }
    }
}

/// Walks through a resource, whole or in part.
fn set(
    mapped: &[Path],
    members: &Map<String, Value>,
    changes: &mut Changes,
) -> Result<(), ScimError> {
    for (name, value) in members {
        match value {
            Value::Object(parts) => parts.iter().try_for_each(|(part, value)| {
                keep(mapped, &Path::found(name, None, Some(part)), value, changes)
            })?,
            Value::Array(values) if Path::found(name, None, None).is_several() => {
                set_several(mapped, name, values, changes)?;
            }
            Value::Array(_) => {}
            value => keep(mapped, &Path::found(name, None, None), value, changes)?,
        }
    }
    Ok(())
}

/// The one that counts comes last, so that it wins where several have one type.
fn set_several(
    mapped: &[Path],
    name: &str,
    values: &[Value],
    changes: &mut Changes,
) -> Result<(), ScimError> {
    let is_primary = |value: &&Value| value.get("primary").is_some_and(is_true);
    let others = values.iter().filter(|value| !is_primary(value));
    for value in others.chain(values.iter().filter(is_primary)) {
        match value {
            Value::Object(parts) => {
                let of_type = parts.get("type").and_then(Value::as_str);
                let of_type =
                    of_type.filter(|_| values.len() > 1 || is_known(mapped, name, of_type));
                for (part, value) in parts
                    .iter()
                    .filter(|(part, _)| *part != "type" && *part != "primary")
                {
                    keep(
                        mapped,
                        &Path::found(name, of_type, Some(part)),
                        value,
                        changes,
                    )?;
                }
            }
            plain => keep(mapped, &Path::found(name, None, None), plain, changes)?,
        }
    }
    Ok(())
}

fn is_known(mapped: &[Path], name: &str, of_type: Option<&str>) -> bool {
    let found = Path::found(name, of_type, None);
    mapped
        .iter()
        .any(|place| place.attribute == found.attribute && place.of_type == found.of_type)
}

fn is_true(value: &Value) -> bool {
    value == &Value::Bool(true)
        || value
            .as_str()
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// Keeps a value where it is mapped.
fn keep(
    mapped: &[Path],
    found: &Path,
    value: &Value,
    changes: &mut Changes,
) -> Result<(), ScimError> {
    let same_kind = |place: &&Path| {
        Path {
            of_type: None,
            ..found.clone()
        }
        .covers(place)
    };
    let first = mapped.iter().find(same_kind);
    for place in mapped {
        if place.takes(found, first == Some(place)) {
            changes.insert(place.clone(), text(value)?);
        }
    }
    Ok(())
}

fn text(value: &Value) -> Result<Option<Sensitive<String>>, ScimError> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.is_empty() => return Ok(None),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => {
            return Err(ScimError::value(
                "a value is a text, a number, or `true` or `false`",
            ));
        }
    };
    Ok(Some(Sensitive::new(text)))
}

/// A member, whatever the case of its name.
fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Object(members) = value else {
        return None;
    };
    let mut found = members.iter();
    found
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
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

    const MAPPED: [&str; 9] = [
        "userName",
        "externalId",
        "active",
        "name.givenName",
        "name.familyName",
        "emails[type eq \"work\"].value",
        "emails[type eq \"home\"].value",
        "addresses[type eq \"work\"].streetAddress",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
    ];

    fn mapped() -> Vec<Path> {
        MAPPED
            .iter()
            .map(|path| Path::parse(path).unwrap())
            .collect()
    }

    fn plain(changes: Changes) -> Vec<(String, Option<String>)> {
        let mut plain: Vec<_> = changes
            .into_iter()
            .map(|(path, value)| (path.to_string(), value.map(|value| value.expose().clone())))
            .collect();
        plain.sort_unstable();
        plain
    }

    fn example(name: &str) -> Value {
        let path = format!(
            "{}/tests/vectors/scim/{name}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn patch(operations: Value) -> Value {
        json!({"schemas": [PATCH], "Operations": operations})
    }

    fn changed(operations: Value) -> Vec<(String, Option<String>)> {
        plain(patched(&mapped(), &patch(operations)).unwrap())
    }

    fn pair(path: &str, value: Option<&str>) -> (String, Option<String>) {
        (path.to_owned(), value.map(str::to_owned))
    }

    const WORK: &str = "emails[type eq \"work\"].value";
    const HOME: &str = "emails[type eq \"home\"].value";

    #[test]
    fn the_full_and_the_enterprise_example_of_the_standard_are_read() {
        let full = plain(replaced(&mapped(), &example("rfc7643-8.2-user-full")).unwrap());
        for (path, value) in [
            ("userName", "bjensen@example.com"),
            ("name.familyName", "Jensen"),
            (WORK, "bjensen@example.com"),
            (HOME, "babs@jensen.org"),
            (
                "addresses[type eq \"work\"].streetAddress",
                "100 Universal City Plaza",
            ),
            ("active", "true"),
        ] {
            assert!(full.contains(&pair(path, Some(value))), "{path}: {full:?}");
        }
        let enterprise =
            plain(replaced(&mapped(), &example("rfc7643-8.3-enterprise_user")).unwrap());
        assert!(
            enterprise.contains(&pair(MAPPED[8], Some("701984"))),
            "{enterprise:?}"
        );
    }

    #[test]
    fn what_a_put_does_not_name_goes() {
        let changes =
            plain(replaced(&mapped(), &example("rfc7644-3.3-user-post_request")).unwrap());
        assert_eq!(changes.len(), MAPPED.len());
        assert!(changes.contains(&pair("userName", Some("bjensen"))));
        assert!(changes.contains(&pair(WORK, None)));
    }

    #[test]
    fn the_patches_of_the_standard_change_what_they_name() {
        let changes = |name: &str| plain(patched(&mapped(), &example(name)).unwrap());
        assert_eq!(
            changes("rfc7644-3.5.2.1-patch_op-add_emails"),
            [pair(HOME, Some("babs@jensen.org"))]
        );
        assert_eq!(
            changes("rfc7644-3.5.2.3-patch_op-replace_street_address"),
            [pair(
                "addresses[type eq \"work\"].streetAddress",
                Some("1010 Broadway Ave")
            )]
        );
        assert_eq!(
            changes("rfc7644-3.5.2.3-patch_op-replace_user_work_address"),
            [pair(
                "addresses[type eq \"work\"].streetAddress",
                Some("911 Universal City Plaza")
            )]
        );
        assert_eq!(
            changes("rfc7644-3.5.2.3-patch_op-replace_all_email_values"),
            [
                pair(HOME, Some("babs@jensen.org")),
                pair(WORK, Some("bjensen@example.com"))
            ]
        );
    }

    #[test]
    fn clients_that_write_paths_as_names_and_truth_as_text_are_understood() {
        assert_eq!(
            changed(
                json!([{"op": "Replace", "value": {"active": "False", "name.givenName": "Ann", "emails[type eq \"work\"].value": "a@b.example"}}])
            ),
            [
                pair("active", Some("False")),
                pair(WORK, Some("a@b.example")),
                pair("name.givenName", Some("Ann"))
            ]
        );
        assert_eq!(
            changed(
                json!([{"op": "add", "path": "emails", "value": [{"value": "only@b.example", "type": "other"}]}])
            ),
            [pair(HOME, None), pair(WORK, Some("only@b.example"))][1..]
        );
    }

    #[test]
    fn removing_takes_out_what_it_names_and_what_is_inside() {
        assert_eq!(
            changed(json!([{"op": "remove", "path": "name"}])),
            [pair("name.familyName", None), pair("name.givenName", None)]
        );
        assert_eq!(
            changed(
                json!([{"op": "remove", "path": "emails[type eq \"work\"]"}, {"op": "add", "path": "name", "value": {"givenName": "Ann"}}])
            ),
            [pair(WORK, None), pair("name.givenName", Some("Ann"))]
        );
        assert_eq!(
            changed(json!([{"op": "replace", "path": "nickName", "value": "x"}])),
            []
        );
    }

    #[test]
    fn what_is_no_patch_is_refused_with_its_code() {
        for (operations, code) in [
            (json!([{"op": "remove"}]), "noTarget"),
            (json!([{"op": "delete", "path": "title"}]), "invalidSyntax"),
            (
                json!([{"op": "add", "path": "a b", "value": 1}]),
                "invalidPath",
            ),
            (json!([{"op": "add", "path": "userName"}]), "invalidValue"),
            (json!([{"op": "add", "value": "x"}]), "invalidValue"),
            (
                json!([{"op": "add", "path": "userName", "value": ["x"]}]),
                "invalidValue",
            ),
            (
                json!([{"op": "replace", "path": "emails[value eq \"x\"].value", "value": "y"}]),
                "invalidFilter",
            ),
        ] {
            let error = patched(&mapped(), &patch(operations.clone()))
                .err()
                .unwrap();
            assert_eq!(error.code, code, "{operations}");
        }
        assert!(patched(&mapped(), &json!({"Operations": []})).is_err());
        assert!(replaced(&mapped(), &json!([])).is_err());
    }

    proptest! {
        /// A resource that is replaced member by member says the same as one that is put as a whole.
        #[test]
        fn a_patch_of_every_member_is_a_put(user in "[a-z]{1,8}", given in proptest::option::of("[A-Z][a-z]{0,8}"), work in proptest::option::of("[a-z]{1,5}@b[.]example"), active in any::<bool>()) {
            let mut resource = json!({"userName": user, "active": active, "name": {}, "emails": []});
            if let Some(given) = &given { resource["name"]["givenName"] = json!(given); }
            if let Some(work) = &work { resource["emails"] = json!([{"type": "work", "value": work}]); }
            let whole = replaced(&mapped(), &resource).unwrap();
            let mut operations: Vec<Value> = MAPPED.iter().map(|path| json!({"op": "remove", "path": path})).collect();
            operations.extend(resource.as_object().unwrap().iter().map(|(name, value)| json!({"op": "replace", "path": name, "value": value})));
            let patched = patched(&mapped(), &patch(json!(operations))).unwrap();
            prop_assert_eq!(plain(whole), plain(patched));
        }

        #[test]
        fn no_path_and_no_patch_makes_it_fall_over(path in ".{0,40}", value in ".{0,20}") {
            let _read = Path::parse(&path);
            let _read = crate::scim::Filter::parse(&path);
            let _changed = patched(&mapped(), &patch(json!([{"op": "add", "path": path, "value": {value.clone(): value}}])));
        }
    }
}
