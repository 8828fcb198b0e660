//! Proposes routes: from an OpenAPI document, and from what passes by. Names and types of members are looked at, values never kept.

mod matching;
mod observed;
mod openapi;

use domain::profile::Schema;

pub(crate) use observed::{Observed, Sample};
pub use openapi::{LearnError, from_openapi};

use crate::route::Route;
use matching::Matching;

/// The path of a member.
fn member(path: &str, name: &str) -> String {
    let is_plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.is_empty();
    if is_plain {
        format!("{path}.{name}")
    } else {
        format!("{path}['{name}']")
    }
}

/// What a route's answers had that the route doesn't name yet, as lines for its file; `None` where nothing was seen.
pub(crate) fn proposal(route: &Route, schema: &Schema) -> Option<String> {
    let (answers, places) = route.observed.as_ref()?.places();
    if answers == 0 {
        return None;
    }
    let shape = &route.answer.shape;
    let named: Vec<&str> = shape
        .inside(shape.root())
        .map(|(_, place)| place.path())
        .collect();
    let matching = Matching::new(schema);
    let mut text = format!(
        "# Seen in {answers} answers of the route `{}`: names and kinds, never values. What is not named in the route is withheld.\n",
        route.key
    );
    for place in places
        .iter()
        .filter(|place| !named.contains(&place.path.as_str()))
    {
        let line = match matching.attribute(&place.path) {
            Some(key) => format!(
                "#   {}: {key}    # {}; looks like it\n",
                place.path, place.kind
            ),
            None => format!(
                "#   {}    # {}; nothing like it in the schema\n",
                place.path, place.kind
            ),
        };
        text.push_str(&line);
    }
    Some(text)
}
