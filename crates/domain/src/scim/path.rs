//! Where a value stands in a resource: `userName`, `name.givenName`, `emails[type eq "work"].value` (RFC 7644 3.5.2, figure 7).

use std::fmt;

use super::ScimError;

/// The schema of a User; paths may begin with it.
const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:user:";

/// Attributes with several values, whose values are objects.
const SEVERAL: [&str; 8] = [
    "emails",
    "phonenumbers",
    "ims",
    "photos",
    "addresses",
    "groups",
    "entitlements",
    "roles",
];

/// A place in a resource. Names are compared without regard to case, as RFC 7643 2.1 wants it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// The attribute, in lower case; of an extension, its schema.
    pub(super) attribute: String,
    /// Which of several values, by its `type` in lower case.
    pub(super) of_type: Option<String>,
    /// The part of it, in lower case.
    pub(super) part: Option<String>,
    /// As it was written.
    pub(super) written: String,
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// `invalidPath`, and `invalidFilter` for a choice by anything but `type` or `primary`.
    pub fn parse(text: &str) -> Result<Self, ScimError> {
        let written = text.trim();
        let rest = without_core(written);
        if rest.len() > 4
            && rest
                .get(..4)
                .is_some_and(|urn| urn.eq_ignore_ascii_case("urn:"))
        {
            return Self::of_extension(rest, written);
        }
        let (front, part) = match rest.rsplit_once(']') {
            Some((front, after)) => (
                format!("{front}]"),
                after.strip_prefix('.').map(str::to_owned),
            ),
            None => match rest.split_once('.') {
                Some((front, part)) => (front.to_owned(), Some(part.to_owned())),
                None => (rest.to_owned(), None),
            },
        };
        let (attribute, of_type) = match front.split_once('[') {
            Some((attribute, inside)) => (
                attribute,
                chosen(inside.strip_suffix(']').unwrap_or(inside))?,
            ),
            None => (front.as_str(), None),
        };
        let sound = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_alphabetic())
                && name
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter))
        };
        if !sound(attribute) || part.as_deref().is_some_and(|part| !sound(part)) {
            return Err(ScimError::path(
                "a path can't be read; write e.g. `name.givenName` or `emails[type eq \"work\"].value`",
            ));
        }
        Ok(Self {
            attribute: attribute.to_ascii_lowercase(),
            of_type,
            part: part.map(|part| part.to_ascii_lowercase()),
            written: written.to_owned(),
        })
    }

    fn of_extension(text: &str, written: &str) -> Result<Self, ScimError> {
        let unreadable = || ScimError::path("a path into an extension can't be read");
        // The schema itself ends with a name, so a path to the whole extension can't be told from one to a part but by its form.
        let (schema, part) = text.rsplit_once(':').ok_or_else(unreadable)?;
        let whole = schema.ends_with(|last: char| last.is_ascii_digit());
        Ok(Self {
            attribute: if whole { text } else { schema }.to_ascii_lowercase(),
            of_type: None,
            part: (!whole).then(|| part.to_ascii_lowercase()),
            written: written.to_owned(),
        })
    }

    /// A value's place, as it was found in a resource.
    pub(super) fn found(attribute: &str, of_type: Option<&str>, part: Option<&str>) -> Self {
        Self {
            attribute: attribute.to_ascii_lowercase(),
            of_type: of_type.map(str::to_ascii_lowercase),
            part: part.map(str::to_ascii_lowercase),
            written: String::new(),
        }
    }

    /// Whether the attribute has several values.
    pub fn is_several(&self) -> bool {
        SEVERAL.contains(&self.attribute.as_str())
    }

    /// Whether a place is this one or inside of it.
    pub fn covers(&self, other: &Self) -> bool {
        let part = |path: &Self| {
            path.part
                .clone()
                .or_else(|| path.is_several().then(|| "value".to_owned()))
        };
        self.attribute == other.attribute
            && (self.of_type.is_none() || self.of_type == other.of_type)
            && (self.part.is_none() || part(self) == part(other))
    }

    /// Whether a name in a request means all of what stands at a place: this place, what it is inside of, or its whole schema.
    pub fn names_all_of(&self, place: &Self) -> bool {
        if self.attribute.starts_with("urn:") && self.part.is_none() {
            return match CORE.strip_suffix(':') {
                Some(core) if core == self.attribute => !place.attribute.starts_with("urn:"),
                _ => self.attribute == place.attribute,
            };
        }
        self.covers(place)
    }

    /// Whether this is the `type` of one of several values, which says no more than that there is one.
    pub fn is_type_of(&self, place: &Self) -> bool {
        self.is_several()
            && self.part.as_deref() == Some("type")
            && self.attribute == place.attribute
    }

    /// Whether this is the `id` of a resource.
    pub fn is_id(&self) -> bool {
        self.attribute == "id" && self.part.is_none()
    }

    /// Whether a found value belongs here. One without a type belongs to the first place of its kind, which `first` tells.
    pub(super) fn takes(&self, found: &Self, first: bool) -> bool {
        let same_type = match (&self.of_type, &found.of_type) {
            (Some(here), Some(there)) => here == there,
            (Some(_), None) => first,
            (None, _) => true,
        };
        let part = |path: &Self| {
            path.part
                .clone()
                .or_else(|| path.is_several().then(|| "value".to_owned()))
        };
        self.attribute == found.attribute && same_type && part(self) == part(found)
    }

    /// The names under which it is written into a resource: attribute, type, part, each as the business wrote it.
    pub fn names(&self) -> (&str, Option<&str>, Option<&str>) {
        if self.attribute.starts_with("urn:") {
            let (schema, part) = self.written.rsplit_once(':').unwrap_or((&self.written, ""));
            return (schema, None, Some(part));
        }
        let own = without_core(&self.written);
        let attribute = own.split(['[', '.']).next().unwrap_or_default();
        let part = self.part.as_ref().and_then(|_| own.rsplit('.').next());
        (attribute, self.of_type.as_deref(), part)
    }
}

/// Without the schema of a User before it.
fn without_core(written: &str) -> &str {
    match written.split_at_checked(CORE.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(CORE) => rest,
        _ => written,
    }
}

/// `type eq "work"`; `primary eq true` chooses the one that counts.
fn chosen(inside: &str) -> Result<Option<String>, ScimError> {
    let words: Vec<&str> = inside.split_whitespace().collect();
    match words.as_slice() {
        [name, eq, value] if name.eq_ignore_ascii_case("type") && eq.eq_ignore_ascii_case("eq") => {
            let value = value
                .strip_prefix('"')
                .and_then(|value| value.strip_suffix('"'));
            let unquoted =
                || ScimError::path("a type stands in double quotes: `[type eq \"work\"]`");
            value
                .map(|value| Some(value.to_ascii_lowercase()))
                .ok_or_else(unquoted)
        }
        [name, eq, truth]
            if name.eq_ignore_ascii_case("primary")
                && eq.eq_ignore_ascii_case("eq")
                && truth.eq_ignore_ascii_case("true") =>
        {
            Ok(None)
        }
        _ => Err(ScimError::filter(
            "one of several values is chosen by `[type eq \"…\"]` or `[primary eq true]`",
        )),
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_path_is_read_whatever_its_case_and_its_schema() {
        for (one, other) in [
            ("userName", "USERNAME"),
            (
                "userName",
                "urn:ietf:params:scim:schemas:core:2.0:User:userName",
            ),
            (
                "emails[type eq \"work\"].value",
                "Emails[Type EQ \"WORK\"].Value",
            ),
            (
                "name.givenName",
                "urn:ietf:params:scim:schemas:core:2.0:User:name.givenname",
            ),
        ] {
            let (one, other) = (Path::parse(one).unwrap(), Path::parse(other).unwrap());
            assert!(one.covers(&other) && other.covers(&one), "{other}");
        }
        let number = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber";
        let number = Path::parse(number).unwrap();
        assert_eq!(number.names().2, Some("employeeNumber"));
        let name =
            Path::parse("urn:ietf:params:scim:schemas:core:2.0:User:name.givenName").unwrap();
        assert_eq!(name.names(), ("name", None, Some("givenName")));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for wrong in [
            "",
            ".",
            "emails[",
            "emails[type eq work].value",
            "a b",
            "name.",
            "1name",
            "emails[value ew \"x\"]",
        ] {
            assert!(Path::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_place_covers_what_is_inside_of_it() {
        let path = |text: &str| Path::parse(text).unwrap();
        assert!(path("emails").covers(&path("emails[type eq \"work\"].value")));
        assert!(path("emails[type eq \"work\"]").covers(&path("emails[type eq \"work\"].value")));
        assert!(!path("emails[type eq \"home\"]").covers(&path("emails[type eq \"work\"].value")));
        assert!(path("name").covers(&path("name.familyName")));
        assert!(!path("name.givenName").covers(&path("name.familyName")));
    }
}
