//! From a file to a schema: everything wrong in it is said at once, in words, with what to do.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Span;

use super::file::{AttributeText, IdentifierText, RetentionText, SchemaFile};
use super::key::{AttributeKey, AttributeNumber, SourceKey, SourceNumber};
use super::schema::{
    AttributeRetention, AttributeRule, IdentifierUse, LivesIn, PossibleMatchRule, Schema, Segment,
    Sensitivity, Source,
};
use crate::data_map::{IdentifierKind, ValueKind};
use crate::identity::{Country, IdentifierRule, IdentityRules, LinkRule, POSSIBLE_MATCH_KIND};
use crate::law::{Category, Fault, Faults};

/// More attributes would make a profile larger than one look-up should read.
const MOST_ATTRIBUTES: usize = 1000;

impl Schema {
    /// Checks a file against the data categories that law data knows.
    ///
    /// # Errors
    /// Every fault, each with the attribute or source that it is in.
    pub fn check(
        name: &str,
        file: &SchemaFile,
        categories: &BTreeMap<String, Category>,
    ) -> Result<Self, Faults> {
        let mut check = Check {
            name,
            categories,
            faults: Vec::new(),
        };
        let (mut sources, source_numbers) = check.sources(file);
        let mut identity = check.identity(file);
        let (attributes, numbers) = check.attributes(file, &source_numbers, &mut identity);
        check.records(file, &attributes, &mut sources);
        check.proofs(file, &attributes, &mut sources);
        let possible_match = check.possible_match(file, &attributes);
        let birth_date = check
            .birth_date(file, &attributes)
            .or_else(|| possible_match.as_ref().map(|rule| rule.birth_date));
        let lives_in = check.lives_in(file, &attributes);
        if !check.faults.is_empty() {
            return Err(Faults(check.faults));
        }
        let plain = |rule: &&AttributeRule| rule.sensitivity != Sensitivity::Sensitive;
        let key = |rule: &AttributeRule| rule.key.clone();
        Ok(Self {
            version: file.version,
            identity,
            sources,
            keys: attributes.values().map(key).collect(),
            plain_keys: attributes.values().filter(plain).map(key).collect(),
            attributes: attributes.into_values().collect(),
            numbers,
            source_numbers,
            possible_match,
            birth_date,
            lives_in,
            retired_attributes: file
                .retired_attributes
                .iter()
                .copied()
                .map(AttributeNumber)
                .collect(),
            retired_sources: file
                .retired_sources
                .iter()
                .copied()
                .map(SourceNumber)
                .collect(),
        })
    }

    /// Whether this schema may take the place of another: what is sealed under the old one must mean the same under the new one.
    ///
    /// # Errors
    /// Every number that changed its meaning, and every one that vanished without being retired.
    pub fn follows(&self, name: &str, before: &Self) -> Result<(), Faults> {
        let mut found = self.changed_attributes(before);
        found.extend(self.changed_sources(before));
        if self.version <= before.version {
            let next = before.version.saturating_add(1);
            let problem = format!(
                "version {} follows version {}; write `version: {next}`",
                self.version, before.version
            );
            found.push((String::new(), problem));
        }
        if found.is_empty() {
            return Ok(());
        }
        let faults = found.into_iter();
        Err(Faults(
            faults
                .map(|(rule, problem)| new_fault(name, &rule, problem))
                .collect(),
        ))
    }

    fn changed_attributes(&self, before: &Self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for old in before.attributes() {
            let number = old.number.0;
            match self.attribute(old.number) {
                None if !self.retired_attributes.contains(&old.number) => found.push((
                    old.key.to_string(),
                    format!("is gone; add its number {number} to `retired_attributes`"),
                )),
                Some(new) if new.key != old.key || new.kind != old.kind => found.push((
                    new.key.to_string(),
                    format!("takes number {number} of `{}` or changes its kind; give it a new number and retire the old one", old.key),
                )),
                Some(new) if new.segment != old.segment => found.push((
                    new.key.to_string(),
                    format!("moves from segment `{}` to `{}`; what is sealed stays where it is, so give it a new number", old.segment.text(), new.segment.text()),
                )),
                _ => {}
            }
        }
        let retired = before.retired_attributes.iter();
        found.extend(
            retired
                .filter(|number| !self.retired_attributes.contains(number))
                .map(|number| {
                    let problem = format!(
                        "number {} was retired; keep it in `retired_attributes`",
                        number.0
                    );
                    (String::new(), problem)
                }),
        );
        found
    }

    fn changed_sources(&self, before: &Self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (number, old) in &before.sources {
            match self.source(*number) {
                None if !self.retired_sources.contains(number) => found.push((
                    old.key.to_string(),
                    format!("is gone; add its number {} to `retired_sources`", number.0),
                )),
                Some(new) if new.key != old.key => found.push((
                    new.key.to_string(),
                    format!(
                        "takes number {} of `{}`; give it a new one",
                        number.0, old.key
                    ),
                )),
                _ => {}
            }
        }
        let retired = before.retired_sources.iter();
        found.extend(
            retired
                .filter(|number| !self.retired_sources.contains(number))
                .map(|number| {
                    let problem = format!(
                        "source number {} was retired; keep it in `retired_sources`",
                        number.0
                    );
                    (String::new(), problem)
                }),
        );
        found
    }
}

struct Check<'a> {
    name: &'a str,
    categories: &'a BTreeMap<String, Category>,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn fault(&mut self, rule: &str, problem: impl Into<String>) {
        self.faults.push(new_fault(self.name, rule, problem.into()));
    }

    fn sources(
        &mut self,
        file: &SchemaFile,
    ) -> (
        BTreeMap<SourceNumber, Source>,
        BTreeMap<SourceKey, SourceNumber>,
    ) {
        let (mut sources, mut numbers) = (BTreeMap::new(), BTreeMap::new());
        if file.version == 0 {
            self.fault("", "has version 0; the first version is 1");
        }
        if file.sources.is_empty() {
            self.fault(
                "",
                "names no source; say in `sources` where attributes come from",
            );
        }
        for text in &file.sources {
            let number = SourceNumber(text.number);
            self.key(&text.source);
            self.number(&text.source, text.number, &file.retired_sources);
            let source = Source {
                key: text.source.as_str().into(),
                title: text.title.clone(),
                record: None,
                proves: BTreeSet::new(),
            };
            if let Some(other) = sources.insert(number, source) {
                self.fault(
                    &text.source,
                    format!(
                        "has the number {} of `{}`; give it its own",
                        text.number, other.key
                    ),
                );
            }
            if numbers
                .insert(text.source.as_str().into(), number)
                .is_some()
            {
                self.fault(&text.source, "is declared twice; remove one");
            }
        }
        (sources, numbers)
    }

    fn identity(&mut self, file: &SchemaFile) -> IdentityRules {
        let written = &file.identity;
        let mut rules = IdentityRules::default();
        if let Some(code) = &written.default_country {
            rules.default_country = Country::of(code);
            if rules.default_country.is_none() {
                self.fault("identity", format!("`default_country: {code}` is not a country whose phone numbers this version knows; use a code such as `US`, or leave it out and write numbers with `+`"));
            }
        }
        if let Some(most) = written.most_subjects {
            rules.most_subjects = usize::try_from(most).unwrap_or(usize::MAX);
            if most < 2 {
                self.fault(
                    "identity",
                    "`most_subjects` is below 2, so nothing could ever be linked; write 2 or more",
                );
            }
        }
        rules
    }

    /// By which identifier the records of each source are found again.
    fn records(
        &mut self,
        file: &SchemaFile,
        attributes: &BTreeMap<AttributeNumber, AttributeRule>,
        sources: &mut BTreeMap<SourceNumber, Source>,
    ) {
        for text in &file.sources {
            let Some(key) = &text.record else { continue };
            let number = SourceNumber(text.number);
            let found = attributes.values().find(|rule| rule.key.as_ref() == key);
            match found {
                Some(rule) if rule.identifier.is_some() && rule.sources.contains(&number) => {
                    if let Some(source) = sources.get_mut(&number) {
                        source.record = Some(rule.number);
                    }
                }
                Some(rule) if rule.identifier.is_some() => self.fault(&text.source, format!("finds its records by `{key}`, which does not come from it; add it to the attribute's `sources`")),
                Some(_) => self.fault(&text.source, format!("finds its records by `{key}`, which is no identifier; give that attribute an `identifier`, or choose another")),
                None => self.unknown_attribute(&text.source, key, attributes),
            }
        }
    }

    /// Which identifiers each source has proven.
    fn proofs(
        &mut self,
        file: &SchemaFile,
        attributes: &BTreeMap<AttributeNumber, AttributeRule>,
        sources: &mut BTreeMap<SourceNumber, Source>,
    ) {
        for text in &file.sources {
            for key in &text.proves {
                let found = attributes.values().find(|rule| rule.key.as_ref() == key);
                match found {
                    Some(rule) if rule.identifier.is_some() => {
                        if let Some(source) = sources.get_mut(&SourceNumber(text.number)) {
                            source.proves.insert(rule.number);
                        }
                    }
                    Some(_) => self.fault(&text.source, format!("proves `{key}`, which is no identifier; remove it, or give that attribute an `identifier`")),
                    None => self.unknown_attribute(&text.source, key, attributes),
                }
            }
        }
    }

    /// Which attributes make a possible match.
    fn possible_match(
        &mut self,
        file: &SchemaFile,
        attributes: &BTreeMap<AttributeNumber, AttributeRule>,
    ) -> Option<PossibleMatchRule> {
        let text = file.identity.possible_match.as_ref()?;
        let name = self.numbers_of(&text.name, attributes);
        let address = self.numbers_of(&text.address, attributes);
        let birth_date = self.date("identity", &text.birth_date, attributes)?;
        if name.is_empty() || address.is_empty() {
            self.fault("identity", "`possible_match` needs a name, a birth date and an address, since two of them are shared by too many; name attributes for all three");
        }
        Some(PossibleMatchRule {
            name,
            birth_date,
            address,
        })
    }

    /// Which attribute says how old a subject is.
    fn birth_date(
        &mut self,
        file: &SchemaFile,
        attributes: &BTreeMap<AttributeNumber, AttributeRule>,
    ) -> Option<AttributeNumber> {
        self.date("birth_date", file.birth_date.as_ref()?, attributes)
    }

    /// Which attributes say where she lives.
    fn lives_in(
        &mut self,
        file: &SchemaFile,
        attributes: &BTreeMap<AttributeNumber, AttributeRule>,
    ) -> Option<LivesIn> {
        let text = file.lives_in.as_ref()?;
        let mut find = |key: &Option<String>| {
            let key = key.as_ref()?;
            let found = attributes.values().find(|rule| rule.key.as_ref() == key);
            if found.is_none() {
                self.unknown_attribute("lives_in", key, attributes);
            }
            found.map(|rule| rule.number)
        };
        Some(LivesIn {
            country: find(&text.country),
            region: find(&text.region),
        })
    }

    /// The attribute with a birth date, which has to be a date; `place` is where it is named.
    fn date(
        &mut self,
        place: &str,
        key: &str,
        attributes: &BTreeMap<AttributeNumber, AttributeRule>,
    ) -> Option<AttributeNumber> {
        let Some(rule) = attributes.values().find(|rule| rule.key.as_ref() == key) else {
            self.unknown_attribute(place, key, attributes);
            return None;
        };
        if rule.kind != ValueKind::Date {
            let problem = format!("the birth date `{key}` has to be of `kind: date`");
            self.fault(place, problem);
        }
        Some(rule.number)
    }

    fn numbers_of(
        &mut self,
        keys: &[String],
        attributes: &BTreeMap<AttributeNumber, AttributeRule>,
    ) -> Vec<AttributeNumber> {
        let mut numbers = Vec::new();
        for key in keys {
            match attributes.values().find(|rule| rule.key.as_ref() == key) {
                Some(rule) => numbers.push(rule.number),
                None => self.unknown_attribute("identity", key, attributes),
            }
        }
        numbers
    }

    fn unknown_attribute(
        &mut self,
        rule: &str,
        key: &str,
        attributes: &BTreeMap<AttributeNumber, AttributeRule>,
    ) {
        let known = attributes.values().map(|rule| rule.key.as_ref());
        let nearest = known
            .map(|known| (distance(known, key), known))
            .filter(|(distance, _)| *distance <= 3)
            .min();
        let problem = nearest.map_or_else(
            || format!("names the attribute `{key}`, which is not declared; declare it under `attributes`"),
            |(_, nearest)| format!("names the attribute `{key}`, which is not declared; did you mean `{nearest}`?"),
        );
        self.fault(rule, problem);
    }

    fn attributes(
        &mut self,
        file: &SchemaFile,
        sources: &BTreeMap<SourceKey, SourceNumber>,
        identity: &mut IdentityRules,
    ) -> (
        BTreeMap<AttributeNumber, AttributeRule>,
        HashMap<AttributeKey, AttributeNumber>,
    ) {
        let (mut rules, mut numbers) = (BTreeMap::new(), HashMap::new());
        if file.attributes.len() > MOST_ATTRIBUTES {
            self.fault("", format!("declares {} attributes; at most {MOST_ATTRIBUTES} fit, put documents into one of kind `json`", file.attributes.len()));
        }
        for text in &file.attributes {
            let rule = self.attribute(text, file, sources, identity);
            if numbers.insert(rule.key.clone(), rule.number).is_some() {
                self.fault(&text.attribute, "is declared twice; remove one");
            }
            let key = rule.key.clone();
            if let Some(other) = rules.insert(rule.number, rule)
                && other.key != key
            {
                self.fault(
                    &text.attribute,
                    format!(
                        "has the number {} of `{}`; give it its own",
                        text.number, other.key
                    ),
                );
            }
        }
        (rules, numbers)
    }

    fn attribute(
        &mut self,
        text: &AttributeText,
        file: &SchemaFile,
        sources: &BTreeMap<SourceKey, SourceNumber>,
        identity: &mut IdentityRules,
    ) -> AttributeRule {
        self.key(&text.attribute);
        self.number(&text.attribute, text.number, &file.retired_attributes);
        self.category(text);
        self.kind(text);
        AttributeRule {
            number: AttributeNumber(text.number),
            key: text.attribute.as_str().into(),
            title: text.title.clone(),
            kind: text.kind,
            category: text.category.clone(),
            sensitivity: text.sensitivity,
            segment: self.segment(text),
            sources: self.attribute_sources(text, file, sources),
            prefer: text.prefer,
            retention: (text.retention.as_ref())
                .and_then(|written| self.retention(&text.attribute, written)),
            identifies: text.identifies || text.identifier.is_some(),
            identifier: (text.identifier.as_ref())
                .map(|written| self.identifier(text, written, identity)),
        }
    }

    fn key(&mut self, key: &str) {
        let first = key
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_lowercase());
        let rest = key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !first || !rest || key.len() > 64 {
            self.fault(key, "is no key; use up to 64 lower-case letters, digits and underscores, beginning with a letter");
        }
    }

    fn number(&mut self, key: &str, number: u16, retired: &[u16]) {
        if number == 0 {
            self.fault(key, "has number 0; numbers start at 1");
        }
        if retired.contains(&number) {
            self.fault(
                key,
                format!("has the retired number {number}; give it one that was never used"),
            );
        }
    }

    fn category(&mut self, text: &AttributeText) {
        let Some(category) = self.categories.get(&text.category) else {
            let problem = format!(
                "has the data category `{}`, which law/categories.yaml does not know; choose one of its keys",
                text.category
            );
            return self.fault(&text.attribute, problem);
        };
        let guarded = category.sensitive.is_some() || category.never_disclose.is_some();
        if guarded && text.sensitivity == Sensitivity::Basic {
            let problem = format!(
                "is of the data category `{}`, which law data calls sensitive; write `sensitivity: sensitive`",
                text.category
            );
            self.fault(&text.attribute, problem);
        }
    }

    fn kind(&mut self, text: &AttributeText) {
        match (text.kind, text.sensitivity) {
            (ValueKind::Bytes | ValueKind::Other, _) => self.fault(
                &text.attribute,
                "has a kind that a profile cannot hold; use text, integer, decimal, boolean, date, timestamp, uuid or json",
            ),
            (ValueKind::Json, Sensitivity::Basic) => self.fault(
                &text.attribute,
                "is a JSON document; write `sensitivity: unstructured`, or `sensitive` where it says so much",
            ),
            (kind, Sensitivity::Unstructured) if kind != ValueKind::Json => self.fault(
                &text.attribute,
                "is unstructured, so its kind has to be `json`",
            ),
            _ => {}
        }
    }

    fn segment(&mut self, text: &AttributeText) -> Segment {
        let own = match text.sensitivity {
            Sensitivity::Basic => Segment::Core,
            Sensitivity::Sensitive => Segment::Sensitive,
            Sensitivity::Unstructured => Segment::Events,
        };
        let segment = text.segment.unwrap_or(own);
        let sensitive = text.sensitivity == Sensitivity::Sensitive;
        if sensitive != (segment == Segment::Sensitive) {
            self.fault(&text.attribute, "the segment `sensitive` holds what is sensitive, all of it and nothing else; leave `segment` out or change `sensitivity`");
        }
        segment
    }

    fn attribute_sources(
        &mut self,
        text: &AttributeText,
        file: &SchemaFile,
        known: &BTreeMap<SourceKey, SourceNumber>,
    ) -> Vec<SourceNumber> {
        if text.sources.is_empty() {
            return file
                .sources
                .iter()
                .map(|source| SourceNumber(source.number))
                .collect();
        }
        let mut numbers = Vec::new();
        for key in &text.sources {
            match known.get(key.as_str()) {
                None => self.fault(
                    &text.attribute,
                    format!(
                        "comes from `{key}`, which is not among the `sources`; declare it there"
                    ),
                ),
                Some(number) if numbers.contains(number) => self.fault(
                    &text.attribute,
                    format!("names the source `{key}` twice; remove one"),
                ),
                Some(number) => numbers.push(*number),
            }
        }
        numbers
    }

    fn retention(&mut self, attribute: &str, text: &RetentionText) -> Option<AttributeRetention> {
        if text.because.trim().is_empty() {
            self.fault(
                attribute,
                "has a retention rule without a reason; say why in `because`",
            );
        }
        match text.keep_for.parse::<Span>() {
            Ok(keep_for) if keep_for.is_positive() => Some(AttributeRetention {
                keep_for: keep_for.fieldwise(),
                because: text.because.clone(),
            }),
            _ => {
                self.fault(attribute, format!("`keep_for: {}` is not a span of time; write it like `3 years` or `18 months`", text.keep_for));
                None
            }
        }
    }

    fn identifier(
        &mut self,
        attribute: &AttributeText,
        text: &IdentifierText,
        identity: &mut IdentityRules,
    ) -> IdentifierUse {
        let kind = IdentifierKind(
            text.kind
                .clone()
                .unwrap_or_else(|| attribute.attribute.clone()),
        );
        if !matches!(
            attribute.kind,
            ValueKind::Text | ValueKind::Integer | ValueKind::Uuid
        ) {
            self.fault(
                &attribute.attribute,
                "is an identifier, so its kind has to be `text`, `integer` or `uuid`",
            );
        }
        if text.one_per_subject && !text.unique {
            self.fault(
                &attribute.attribute,
                "can prove two subjects different only if it is `unique: true`",
            );
        }
        if kind.0 == POSSIBLE_MATCH_KIND {
            self.fault(
                &attribute.attribute,
                format!("`{POSSIBLE_MATCH_KIND}` is what possible matches are kept under; give the identifier another kind"),
            );
        }
        if text.pseudonym && text.rule != IdentifierRule::Verbatim {
            self.fault(
                &attribute.attribute,
                "is a pseudonym of pages and apps only as they write it; use `rule: verbatim`, or remove `pseudonym`",
            );
        }
        let link = LinkRule {
            unique: text.unique,
            one_per_subject: text.one_per_subject,
            rule: text.rule,
        };
        let before = identity.kinds.insert(kind.clone(), link);
        if before.is_some_and(|before| before != link) {
            self.fault(&attribute.attribute, format!("says other things of the identifier `{}` than the attribute before it; say the same", kind.0));
        }
        if text.rule == IdentifierRule::Phone && text.one_per_subject {
            self.fault(
                &attribute.attribute,
                "people have more than one phone number; remove `one_per_subject`",
            );
        }
        IdentifierUse {
            kind,
            rule: text.rule,
            pseudonym: text.pseudonym,
        }
    }
}

/// How many letters have to be changed, added or removed to make one name of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (line, letter) in (1..).zip(one.chars()) {
        let (mut diagonal, mut left) = (line - 1, line);
        for (above, wanted) in row.iter_mut().skip(1).zip(other.chars()) {
            let cost = diagonal + usize::from(letter != wanted);
            diagonal = *above;
            left = cost.min(left + 1).min(*above + 1);
            *above = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line;
        }
    }
    row.last().copied().unwrap_or_default()
}

fn new_fault(file: &str, rule: &str, problem: String) -> Fault {
    Fault {
        file: file.to_owned(),
        rule: rule.to_owned(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;
    use crate::law::CategoryFile;

    const CATEGORIES: &str = include_str!("../../../../law/categories.yaml");

    fn categories() -> BTreeMap<String, Category> {
        let file: CategoryFile = serde_saphyr::from_str(CATEGORIES).unwrap();
        let named = |category: Category| (category.category.clone(), category);
        file.categories.into_iter().map(named).collect()
    }

    fn checked(text: &str) -> Result<Schema, Faults> {
        let file: SchemaFile = serde_saphyr::from_str(text).unwrap();
        Schema::check("profile.yaml", &file, &categories())
    }

    const GOOD: &str = r"
version: 1
identity: { default_country: US, most_subjects: 5 }
sources:
  - { source: crm, number: 1, title: Customer records }
  - { source: shop, number: 2, title: Shop }
attributes:
  - attribute: email
    number: 1
    title: E-mail address
    category: user.contact.email
    segment: contact
    sources: [shop, crm]
    identifier: { rule: email, unique: true }
  - attribute: passport
    number: 2
    title: Passport number
    category: user.government_id.passport_number
    sensitivity: sensitive
    identifier: { rule: verbatim, unique: true, one_per_subject: true }
  - attribute: purchases
    number: 3
    title: Purchases
    kind: json
    category: user.behavior.purchase_history
    sensitivity: unstructured
    retention: { keep_for: 3 years, because: warranty }
";

    #[test]
    fn a_good_file_says_what_each_attribute_is() {
        let schema = checked(GOOD).unwrap();
        let email = schema.attribute_of("email").unwrap();
        assert_eq!(email.sources, [SourceNumber(2), SourceNumber(1)]);
        assert!(email.identifies && email.segment == Segment::Contact);
        let purchases = schema.attribute(AttributeNumber(3)).unwrap();
        assert_eq!(purchases.segment, Segment::Events);
        let end = purchases.expires("2024-02-29T12:00:00Z".parse().unwrap());
        assert_eq!(end.unwrap().to_string(), "2027-02-28T12:00:00Z");
        assert_eq!(schema.identity().most_subjects, 5);
        assert_eq!(schema.source_of("shop"), Some(SourceNumber(2)));
    }

    #[test]
    fn every_fault_is_said_at_once() {
        let faults = checked(
            r"
version: 0
identity: { default_country: XX, most_subjects: 1 }
sources:
  - { source: crm, number: 1, title: Customer records }
  - { source: crm, number: 1, title: Again }
  - { source: Shop, number: 0, title: Shop }
retired_attributes: [7]
attributes:
  - { attribute: email, number: 7, title: E, category: user.nothing, sources: [till, crm, crm] }
  - { attribute: passport, number: 2, title: P, category: user.government_id.passport_number }
  - { attribute: blob, number: 2, title: B, kind: bytes, category: user.name }
  - { attribute: blob, number: 4, title: B, kind: json, category: user.name }
  - { attribute: loud, number: 5, title: L, category: user.name, segment: sensitive, retention: { keep_for: long, because: '' } }
  - { attribute: phone, number: 6, title: T, kind: json, sensitivity: unstructured, category: user.name, identifier: { rule: phone, one_per_subject: true } }
",
        )
        .unwrap_err();
        insta::assert_snapshot!(faults);
    }

    #[test]
    fn records_are_found_by_an_identifier_and_possible_matches_by_three_attributes() {
        let good = GOOD
            .replace("number: 2, title: Shop", "number: 2, title: Shop, record: email, proves: [email]")
            .replace("most_subjects: 5 }", "most_subjects: 5, possible_match: { name: [name], birth_date: born, address: [street] } }")
            + "  - { attribute: name, number: 4, title: N, category: user.name }\n  - { attribute: born, number: 5, title: B, kind: date, category: user.name }\n  - { attribute: street, number: 6, title: S, category: user.name }\n";
        let schema = checked(&good).unwrap();
        let shop = schema.source(SourceNumber(2)).unwrap();
        assert_eq!(shop.record, Some(AttributeNumber(1)));
        assert_eq!(shop.proves, [AttributeNumber(1)].into());
        let rule = schema.possible_match().unwrap();
        assert_eq!(schema.birth_date().unwrap().number, rule.birth_date);
        assert!(checked(GOOD).unwrap().birth_date().is_none());
        assert_eq!(
            (
                rule.name.as_slice(),
                rule.birth_date,
                rule.address.as_slice()
            ),
            (
                &[AttributeNumber(4)][..],
                AttributeNumber(5),
                &[AttributeNumber(6)][..]
            )
        );
        for (right, wrong, said) in [
            ("record: email", "record: emial", "did you mean `email`?"),
            ("record: email", "record: purchases", "no identifier"),
            (
                "sources: [shop, crm]",
                "sources: [crm]",
                "does not come from it",
            ),
            ("birth_date: born", "birth_date: name", "`kind: date`"),
            (
                "version: 1\n",
                "version: 1\nbirth_date: name\n",
                "`kind: date`",
            ),
            (
                "version: 1\n",
                "version: 1\nbirth_date: brn\n",
                "did you mean `born`?",
            ),
            ("address: [street]", "address: []", "needs a name"),
            ("name: [name]", "name: [colour]", "not declared"),
            (
                "rule: email, unique",
                "kind: possible_match, rule: email, unique",
                "another kind",
            ),
        ] {
            let faults = checked(&good.replace(right, wrong))
                .unwrap_err()
                .to_string();
            assert!(faults.contains(said), "{faults}");
        }
    }

    #[test]
    fn unknown_members_are_refused() {
        let misspelt = GOOD.replace("identifier:", "identifer:");
        assert!(serde_saphyr::from_str::<SchemaFile>(&misspelt).is_err());
    }

    #[test]
    fn a_number_never_changes_its_meaning() {
        let before = checked(GOOD).unwrap();
        assert!(
            before.follows("profile.yaml", &before).is_err(),
            "same version"
        );
        let next = GOOD.replace("version: 1", "version: 2");
        assert!(
            checked(&next)
                .unwrap()
                .follows("profile.yaml", &before)
                .is_ok()
        );
        let changed = next
            .replace("attribute: email", "attribute: mail")
            .replace(
                "number: 2\n    title: Passport",
                "number: 9\n    title: Passport",
            )
            .replace("source: crm, number: 1", "source: crm, number: 3")
            .replace("sources: [shop, crm]", "sources: [shop]");
        let faults = checked(&changed).unwrap().follows("profile.yaml", &before);
        assert_eq!(faults.unwrap_err().0.len(), 3);
        let retired = next
            .replace(
                "number: 2\n    title: Passport",
                "number: 9\n    title: Passport",
            )
            .replace(
                "attributes:\n  -",
                "retired_attributes: [2]\nattributes:\n  -",
            );
        let retired = checked(&retired).unwrap();
        assert!(retired.follows("profile.yaml", &before).is_ok());
        assert_eq!(
            before
                .follows("profile.yaml", &retired)
                .unwrap_err()
                .0
                .len(),
            4 - 1
        );
    }
}
