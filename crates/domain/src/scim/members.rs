//! Which members of a resource an answer has: `attributes` and `excludedAttributes` (RFC 7644 3.9).

use super::ScimError;
use super::path::Path;

/// More names than this are refused.
const MOST_NAMES: usize = 100;

/// What of a resource is wanted. `id` and `schemas` are always there (RFC 7643 3.1, 7).
#[derive(Clone, Debug, Default)]
pub struct Members {
    only: Vec<Path>,
    without: Vec<Path>,
}

impl Members {
    /// Reads the names of `attributes` and of `excludedAttributes`; none of the first are all.
    ///
    /// # Errors
    /// `invalidPath` for a name that can't be read, `invalidValue` for both at once, `tooMany`.
    pub fn parse<'t>(
        only: impl Iterator<Item = &'t str>,
        without: impl Iterator<Item = &'t str>,
    ) -> Result<Self, ScimError> {
        let (only, without) = (paths(only)?, paths(without)?);
        if only.is_empty() || without.is_empty() {
            return Ok(Self { only, without });
        }
        Err(ScimError::value(
            "send `attributes` or `excludedAttributes`, not both",
        ))
    }

    /// Whether what stands at a place is wanted.
    pub fn want(&self, place: &Path) -> bool {
        let is_named = |names: &[Path]| names.iter().any(|name| name.names_all_of(place));
        (self.only.is_empty() || is_named(&self.only)) && !is_named(&self.without)
    }

    /// Whether `meta` is wanted.
    pub fn want_meta(&self) -> bool {
        let meta = Path::found("meta", None, None);
        let is_named = |names: &[Path]| names.iter().any(|name| name.attribute == meta.attribute);
        (self.only.is_empty() || is_named(&self.only)) && !is_named(&self.without)
    }
}

fn paths<'t>(names: impl Iterator<Item = &'t str>) -> Result<Vec<Path>, ScimError> {
    let names = names.map(str::trim).filter(|name| !name.is_empty());
    let names: Vec<_> = names.take(MOST_NAMES + 1).collect();
    if names.len() > MOST_NAMES {
        return Err(ScimError::new(
            "tooMany",
            format!("name at most {MOST_NAMES} attributes"),
        ));
    }
    names.into_iter().map(Path::parse).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const WORK: &str = "emails[type eq \"work\"].value";
    const CITY: &str = "addresses[type eq \"work\"].locality";
    const COMPANY: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:organization";

    fn wants(only: &str, without: &str) -> Vec<&'static str> {
        let members = Members::parse(only.split(','), without.split(',')).unwrap();
        let all = [
            "userName",
            "name.givenName",
            "name.familyName",
            WORK,
            CITY,
            COMPANY,
        ];
        let wanted = all.into_iter();
        let wanted = wanted.filter(|place| members.want(&Path::parse(place).unwrap()));
        wanted
            .chain(members.want_meta().then_some("meta"))
            .collect()
    }

    #[test]
    fn only_what_is_named_is_wanted_and_all_but_what_is_excluded() {
        assert_eq!(wants("", "").len(), 7);
        assert_eq!(
            wants("USERNAME, name.familyName", ""),
            ["userName", "name.familyName"]
        );
        assert_eq!(
            wants("name,emails.value", ""),
            ["name.givenName", "name.familyName", WORK]
        );
        assert_eq!(wants("emails,meta", ""), [WORK, "meta"]);
        assert_eq!(
            wants(
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
                ""
            ),
            [COMPANY]
        );
        assert_eq!(
            wants("urn:ietf:params:scim:schemas:core:2.0:User", "").len(),
            5
        );
        assert_eq!(wants("id", ""), [""; 0]);
        assert_eq!(
            wants("", "name,addresses,emails,meta"),
            ["userName", COMPANY]
        );
        assert_eq!(wants("nickName", ""), [""; 0]);
    }

    #[test]
    fn both_at_once_and_what_is_no_name_are_refused() {
        let refused = |only: &'static str, without: &'static str| {
            let refused = Members::parse(only.split(','), without.split(','));
            refused.unwrap_err().code
        };
        assert_eq!(refused("userName", "active"), "invalidValue");
        assert_eq!(refused("1name", ""), "invalidPath");
        let many = vec!["userName"; 101];
        let refused = Members::parse(many.into_iter(), std::iter::empty());
        assert_eq!(refused.unwrap_err().code, "tooMany");
    }
}
