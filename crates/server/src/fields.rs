//! The fields of a form as they came: trimmed, without control characters, no longer than a person types.

use std::collections::BTreeSet;

use axum::extract::{FromRequest, Request};
use axum::http::Method;
use domain::sensitive::Sensitive;
use governance::Problem;

use crate::failure::{self, Failure};

/// The longest value of a form's field, in characters.
pub(crate) const LONGEST: usize = 2_000;

/// The fields of a form or a query; a repeated one counts by its first value, unless all are asked for.
#[derive(Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Wraps pairs that were read elsewhere.
    pub(crate) fn read(pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        if pairs
            .iter()
            .any(|(_, value)| value.chars().count() > LONGEST)
        {
            return Err(Problem::new(
                "value_too_long",
                422,
                "an answer is longer than 2000 characters; shorten it",
            ));
        }
        if pairs
            .iter()
            .any(|(_, value)| value.chars().any(is_unprintable))
        {
            return Err(Problem::new(
                "unreadable",
                400,
                "an answer holds characters that can't be printed; type it again",
            ));
        }
        Ok(Self(pairs))
    }

    /// What was typed, trimmed; `None` if nothing was.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// All that was chosen in boxes of this name.
    pub(crate) fn chosen(&self, name: &str) -> Vec<&str> {
        let boxes = self.0.iter().filter(|(field, _)| field == name);
        boxes.map(|(_, value)| value.trim()).collect()
    }

    /// What was typed, as a personal value.
    pub(crate) fn sensitive(&self, name: &str) -> Option<Sensitive<String>> {
        self.text(name)
            .map(|value| Sensitive::new(value.to_owned()))
    }

    /// What was typed, to be shown again to whoever typed it.
    pub(crate) fn typed(&self, name: &str) -> String {
        self.text(name).unwrap_or_default().to_owned()
    }

    /// The names of all fields, typed in or left empty.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }
}

fn is_unprintable(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\r' | '\t')
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        // Without a body a form is an empty one: a button is a form too.
        let is_empty = request.method() == Method::POST
            && request
                .headers()
                .get(axum::http::header::CONTENT_TYPE)
                .is_none();
        if is_empty {
            return Ok(Self::default());
        }
        let form = axum::Form::<Vec<(String, String)>>::from_request(request, state).await;
        let axum::Form(pairs) =
            form.map_err(|rejection| Failure(failure::refused(rejection.status())))?;
        Ok(Self::read(pairs)?)
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.0.iter_mut().for_each(|(_, value)| value.zeroize());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_value_that_nobody_types_is_refused() {
        assert!(Fields::read(vec![("a".into(), "x".repeat(LONGEST + 1))]).is_err());
        assert!(Fields::read(vec![("a".into(), "x\0y".into())]).is_err());
        let fields =
            Fields::read(vec![("a".into(), "  x  ".into()), ("b".into(), " ".into())]).unwrap();
        assert_eq!(
            (fields.text("a"), fields.text("b"), fields.text("c")),
            (Some("x"), None, None)
        );
    }
}
