//! Which attribute a place of a body may hold, by its name and by the data category that its name speaks of.

use std::collections::BTreeMap;

use domain::profile::Schema;

/// Attributes by the words that name them.
pub(super) struct Matching<'s> {
    by_words: BTreeMap<String, &'s str>,
}

/// Names that APIs use for what schemas call otherwise.
const OTHER_NAMES: [(&str, &str); 14] = [
    ("emailaddress", "email"),
    ("mail", "email"),
    ("givenname", "firstname"),
    ("forename", "firstname"),
    ("namefirst", "firstname"),
    ("familyname", "lastname"),
    ("surname", "lastname"),
    ("namelast", "lastname"),
    ("phonenumber", "phone"),
    ("mobile", "phone"),
    ("dateofbirth", "birthdate"),
    ("birthday", "birthdate"),
    ("zip", "postalcode"),
    ("zipcode", "postalcode"),
];

impl<'s> Matching<'s> {
    pub(super) fn new(schema: &'s Schema) -> Self {
        let mut by_words = BTreeMap::new();
        for rule in schema.attributes() {
            by_words
                .entry(plain(&rule.title))
                .or_insert(rule.key.as_ref());
        }
        for rule in schema.attributes() {
            by_words.insert(plain(rule.key.as_ref()), rule.key.as_ref());
        }
        Self { by_words }
    }

    /// The attribute that the place at this path looks like.
    pub(super) fn attribute(&self, path: &str) -> Option<&'s str> {
        let names: Vec<String> = path
            .split(['.', '[', ']', '\'', '*', '$'])
            .filter(|part| !part.is_empty())
            .map(plain)
            .collect();
        let last = names.last()?;
        let with_parent = names
            .iter()
            .rev()
            .nth(1)
            .map(|parent| format!("{parent}{last}"));
        [Some(last.clone()), with_parent]
            .into_iter()
            .flatten()
            .find_map(|name| self.named(&name))
    }

    fn named(&self, name: &str) -> Option<&'s str> {
        let other = OTHER_NAMES.iter().find(|(other, _)| *other == name);
        let meant = other.map_or(name, |(_, meant)| meant);
        self.by_words.get(meant).copied()
    }
}

/// Letters and digits alone, small.
pub(super) fn plain(text: &str) -> String {
    let letters = text.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}
