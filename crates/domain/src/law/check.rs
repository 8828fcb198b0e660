//! From files to a law book: every row is checked before one date is counted, and every fault names its file and rule.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use super::row::{parse_amount, parse_start};
use super::{
    Calendar, CalendarFile, CategoryFile, Confidence, Fault, Faults, JurisdictionFile, Law,
    LawBook, LawParts, LawText, Message, MessageFile, ReasonFile, RegulatorFile, Right, Row,
    RowText, Unit, normal,
};

/// Collects the faults of one file.
struct Check<'a> {
    file: &'a str,
    faults: &'a mut Vec<Fault>,
    sources: &'a BTreeSet<String>,
}

impl LawBook {
    /// Puts the files together and checks all of them.
    ///
    /// # Errors
    /// Every fault found, each with its file and rule.
    pub fn assemble(parts: LawParts) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let sources = parts
            .sources
            .map(|(_, file)| file.sources)
            .unwrap_or_default();
        let known: BTreeSet<String> = sources.iter().map(|source| source.source.clone()).collect();
        let mut check = Check {
            file: "",
            faults: &mut faults,
            sources: &known,
        };

        let calendars = check.calendars(parts.calendars.as_ref());
        let laws = check.laws(parts.jurisdictions, &calendars);
        check.categories(parts.categories.as_ref());
        check.reasons(parts.reasons.as_ref());
        let reasons: BTreeSet<&str> = parts
            .reasons
            .iter()
            .flat_map(|(_, file)| &file.reasons)
            .map(|reason| reason.reason.as_str())
            .collect();
        check.messages(parts.messages.as_ref(), &laws, &reasons);
        check.regulators(parts.regulators.as_ref(), &laws);
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
        let categories = parts.categories.map(|(_, file)| file);
        let (ccpa_categories, sensitive_categories, categories) = categories
            .map(|file| {
                (
                    file.ccpa_categories,
                    file.sensitive_categories,
                    file.categories,
                )
            })
            .unwrap_or_default();
        Ok(Self {
            laws,
            calendars,
            categories: categories
                .into_iter()
                .map(|category| (category.category.clone(), category))
                .collect(),
            ccpa_categories,
            sensitive_categories,
            reasons: parts
                .reasons
                .map(|(_, file)| file.reasons)
                .unwrap_or_default(),
            messages: parts
                .messages
                .map(|(_, file)| file.messages)
                .unwrap_or_default(),
            regulators: parts
                .regulators
                .map(|(_, file)| file.regulators)
                .unwrap_or_default(),
            sources,
        })
    }
}

impl<'a> Check<'a> {
    fn fault(&mut self, rule: &str, problem: impl Into<String>) {
        self.faults.push(Fault {
            file: self.file.to_owned(),
            rule: rule.to_owned(),
            problem: problem.into(),
        });
    }

    fn missing_file(&mut self, name: &'a str, purpose: &str) {
        self.file = name;
        self.fault("", format!("the file is missing; {purpose}"));
    }

    /// A citation is there, and whatever claims to be verified names a source that `sources.yaml` lists.
    fn cited(&mut self, rule: &str, citation: &str, confidence: Confidence, source: Option<&str>) {
        if citation.trim().is_empty() {
            self.fault(rule, "has no citation; say where it stands in `citation`");
        }
        let keys: Vec<&str> = source
            .unwrap_or("")
            .split(',')
            .map(str::trim)
            .filter(|key| !key.is_empty())
            .collect();
        if keys.is_empty() && !confidence.is_from_memory() {
            self.fault(
                rule,
                format!(
                    "is marked `{}` without a `source`; name one or mark it `memory`",
                    confidence.as_str()
                ),
            );
        }
        for key in keys {
            if !self.sources.contains(key) {
                self.fault(
                    rule,
                    format!("names the source `{key}`, which `sources.yaml` doesn't list"),
                );
            }
        }
    }

    fn calendars(
        &mut self,
        part: Option<&'a (String, CalendarFile)>,
    ) -> BTreeMap<String, Calendar> {
        let mut calendars = BTreeMap::new();
        let Some((file, part)) = part else {
            self.missing_file("calendars.yaml", "business days are counted with it");
            return calendars;
        };
        self.file = file;
        for text in &part.calendars {
            self.cited(
                &text.calendar,
                &text.citation,
                text.confidence,
                text.source.as_deref(),
            );
            if calendars.contains_key(&text.calendar) {
                self.fault(&text.calendar, "is listed twice");
            }
            match Calendar::from_text(text) {
                Ok(calendar) => drop(calendars.insert(text.calendar.clone(), calendar)),
                Err(problem) => self.fault(&text.calendar, problem),
            }
        }
        calendars
    }

    fn laws(
        &mut self,
        files: Vec<(String, JurisdictionFile)>,
        calendars: &BTreeMap<String, Calendar>,
    ) -> BTreeMap<String, Law> {
        let mut laws: BTreeMap<String, Law> = BTreeMap::new();
        let mut names = BTreeSet::new();
        for (file, jurisdiction) in files {
            let mut check = Check {
                file: &file,
                faults: self.faults,
                sources: self.sources,
            };
            let Ok(time_zone) = TimeZone::get(&jurisdiction.time_zone) else {
                check.fault(
                    "",
                    format!(
                        "`{}` is not a time zone; use a name like `America/Los_Angeles`",
                        jurisdiction.time_zone
                    ),
                );
                continue;
            };
            for text in jurisdiction.laws {
                for name in text.aliases.iter().chain([&text.law]) {
                    if !names.insert(normal(name)) {
                        check.fault(
                            &text.law,
                            format!("the name `{name}` is already taken by another law or alias"),
                        );
                    }
                }
                let law = check.law(
                    text,
                    &jurisdiction.jurisdiction,
                    time_zone.clone(),
                    calendars,
                );
                laws.insert(law.key.clone(), law);
            }
        }
        if laws.is_empty() {
            self.missing_file("california.yaml", "at least one file with laws is needed");
        }
        laws
    }

    fn law(
        &mut self,
        text: LawText,
        jurisdiction: &str,
        time_zone: TimeZone,
        calendars: &BTreeMap<String, Calendar>,
    ) -> Law {
        if text.citation.trim().is_empty() {
            self.fault(
                &text.law,
                "has no citation; say where it stands in `citation`",
            );
        }
        if !calendars.contains_key(&text.calendar) {
            self.fault(
                &text.law,
                format!(
                    "uses the calendar `{}`, which `calendars.yaml` doesn't list",
                    text.calendar
                ),
            );
        }
        self.rights(&text.law, &text.rights);
        let known: BTreeSet<&str> = text
            .rights
            .iter()
            .map(|right| right.right.as_str())
            .collect();
        let rows: Vec<Row> = text
            .rows
            .into_iter()
            .filter_map(|row| self.row(row, &text.law, &known, calendars))
            .collect();
        self.overlaps(&rows);
        Law {
            key: text.law,
            aliases: text.aliases.iter().map(|alias| normal(alias)).collect(),
            title: text.title,
            citation: text.citation,
            jurisdiction: jurisdiction.to_owned(),
            file: self.file.to_owned(),
            rights: text.rights,
            rows,
            time_zone,
            calendar: text.calendar,
        }
    }

    fn rights(&mut self, law: &str, rights: &[Right]) {
        let mut names = BTreeSet::new();
        for right in rights {
            let place = format!("{law}: {}", right.right);
            self.cited(
                &place,
                &right.citation,
                right.confidence,
                right.source.as_deref(),
            );
            for name in right.aliases.iter().chain([&right.right]) {
                if name != &normal(name) {
                    self.fault(
                        &place,
                        format!("the name `{name}` must be in lower case with `_`"),
                    );
                }
                if !names.insert(name.as_str()) {
                    self.fault(
                        &place,
                        format!("the name `{name}` is already taken by another right or alias"),
                    );
                }
            }
        }
    }

    fn row(
        &mut self,
        text: RowText,
        law: &str,
        rights: &BTreeSet<&str>,
        calendars: &BTreeMap<String, Calendar>,
    ) -> Option<Row> {
        let rule = text.rule.as_str();
        self.cited(
            rule,
            &text.citation,
            text.confidence,
            text.source.as_deref(),
        );
        if !rule
            .strip_prefix(law)
            .is_some_and(|rest| rest.starts_with('.'))
        {
            self.fault(
                rule,
                format!("the id of a row of `{law}` begins with `{law}.`"),
            );
        }
        for right in &text.rights {
            if !rights.contains(right.as_str()) {
                self.fault(
                    rule,
                    format!("names the right `{right}`, which `{law}` doesn't list"),
                );
            }
        }
        if text.valid_to.is_some_and(|last| last < text.valid_from) {
            self.fault(
                rule,
                "ends before it begins; check `valid_from` and `valid_to`",
            );
        }
        if let Some(calendar) = text
            .calendar
            .as_ref()
            .filter(|key| !calendars.contains_key(*key))
        {
            self.fault(
                rule,
                format!("uses the calendar `{calendar}`, which `calendars.yaml` doesn't list"),
            );
        }
        self.counted(text)
    }

    /// The row with its unit and amount, if they fit each other.
    fn counted(&mut self, text: RowText) -> Option<Row> {
        let rule = text.rule.as_str();
        let Some(unit) = Unit::parse(&text.unit) else {
            self.fault(
                rule,
                format!(
                    "`{}` is not a unit; use one of {}",
                    text.unit,
                    Unit::words().join(", ")
                ),
            );
            return None;
        };
        match parse_amount(&text.value, unit) {
            Ok(amount) => Some(Row {
                unit,
                amount,
                start: parse_start(&text.counted_from),
                text,
            }),
            Err(wanted) => {
                self.fault(
                    rule,
                    format!(
                        "the value `{}` does not fit the unit `{}`, which takes {wanted}",
                        text.value, text.unit
                    ),
                );
                None
            }
        }
    }

    /// On one day at most one row may answer one question: by its id, and by its clock for a right.
    fn overlaps(&mut self, rows: &[Row]) {
        for (index, row) in rows.iter().enumerate() {
            for other in rows
                .iter()
                .skip(index + 1)
                .filter(|other| row.overlaps(other))
            {
                if row.text.rule == other.text.rule {
                    self.fault(
                        &row.text.rule,
                        format!(
                            "two rows hold at once from {}; set `valid_to` on the older",
                            later(row, other)
                        ),
                    );
                } else if let Some(right) = shared_right(row, other) {
                    let problem = format!(
                        "gives `{}` for `{right}` at the same time as `{}` from {}; set `valid_to` on one",
                        row.text.clock,
                        other.text.rule,
                        later(row, other)
                    );
                    self.fault(&row.text.rule, problem);
                }
            }
        }
    }

    fn categories(&mut self, part: Option<&'a (String, CategoryFile)>) {
        let Some((file, part)) = part else {
            return self.missing_file("categories.yaml", "data categories are known from it");
        };
        self.file = file;
        for (key, term) in part
            .ccpa_categories
            .iter()
            .chain(&part.sensitive_categories)
        {
            self.cited(key, &term.citation, term.confidence, term.source.as_deref());
        }
        let mut keys = BTreeSet::new();
        for category in &part.categories {
            let key = category.category.as_str();
            if !keys.insert(key) {
                self.fault(key, "is listed twice");
            }
            for letter in category
                .ccpa
                .iter()
                .filter(|letter| !part.ccpa_categories.contains_key(*letter))
            {
                self.fault(
                    key,
                    format!("`{letter}` is not one of the letters under `ccpa_categories`"),
                );
            }
            let spi = category
                .sensitive
                .as_ref()
                .filter(|spi| !part.sensitive_categories.contains_key(*spi));
            if let Some(spi) = spi {
                self.fault(
                    key,
                    format!("`{spi}` is not one of the keys under `sensitive_categories`"),
                );
            }
            if let Some(never) = &category.never_disclose {
                self.cited(
                    key,
                    &never.citation,
                    never.confidence,
                    never.source.as_deref(),
                );
            }
        }
    }

    fn reasons(&mut self, part: Option<&'a (String, ReasonFile)>) {
        let Some((file, part)) = part else {
            return self.missing_file(
                "reasons.yaml",
                "what is kept or denied is explained with it",
            );
        };
        self.file = file;
        let mut codes = BTreeSet::new();
        for reason in &part.reasons {
            self.cited(
                &reason.reason,
                &reason.citation,
                reason.confidence,
                reason.source.as_deref(),
            );
            if !codes.insert(reason.reason.as_str()) {
                self.fault(&reason.reason, "is listed twice");
            }
        }
        for reason in &part.reasons {
            if let Some(bucket) = reason
                .bucket
                .as_ref()
                .filter(|bucket| !codes.contains(bucket.as_str()))
            {
                self.fault(
                    &reason.reason,
                    format!("counts in the bucket `{bucket}`, which is not listed"),
                );
            }
        }
    }

    fn messages(
        &mut self,
        part: Option<&'a (String, MessageFile)>,
        laws: &BTreeMap<String, Law>,
        reasons: &BTreeSet<&str>,
    ) {
        let Some((file, part)) = part else {
            return self.missing_file("messages.yaml", "what a message must say is known from it");
        };
        self.file = file;
        let mut keys = BTreeSet::new();
        for message in &part.messages {
            self.cited(
                &message.message,
                &message.citation,
                message.confidence,
                message.source.as_deref(),
            );
            if !keys.insert(message.message.as_str()) {
                self.fault(&message.message, "is listed twice");
            }
            self.laws_of(&message.message, &message.laws, laws);
            self.rights_of(message, laws);
            let is_row = |rule: &String| {
                laws.values()
                    .any(|law| law.rows.iter().any(|row| row.text.rule == *rule))
            };
            if let Some(rule) = message.within.as_ref().filter(|rule| !is_row(rule)) {
                self.fault(
                    &message.message,
                    format!("is due by the row `{rule}`, which no law has"),
                );
            }
            let unknown = |code: &&String| !reasons.contains(code.as_str());
            if let Some(code) = message.reason.as_ref().filter(unknown) {
                self.fault(
                    &message.message,
                    format!("holds for the reason `{code}`, which `reasons.yaml` doesn't list"),
                );
            }
        }
    }

    fn regulators(
        &mut self,
        part: Option<&'a (String, RegulatorFile)>,
        laws: &BTreeMap<String, Law>,
    ) {
        let Some((file, part)) = part else {
            return self.missing_file(
                "regulators.yaml",
                "where a subject complains is known from it",
            );
        };
        self.file = file;
        let mut taken = BTreeSet::new();
        for regulator in &part.regulators {
            let key = regulator.regulator.as_str();
            self.cited(
                key,
                &regulator.citation,
                regulator.confidence,
                regulator.source.as_deref(),
            );
            self.laws_of(key, &regulator.laws, laws);
            for law in &regulator.laws {
                if !taken.insert(law.as_str()) {
                    self.fault(key, format!("`{law}` has a regulator already"));
                }
            }
            let is_web = |url: &String| url.starts_with("https://");
            if regulator.url.as_ref().is_some_and(|url| !is_web(url)) {
                self.fault(key, "its `url` must begin with `https://`");
            }
        }
    }

    /// Laws that a row names, of which there must be one at least.
    fn laws_of(&mut self, rule: &str, named: &[String], laws: &BTreeMap<String, Law>) {
        if named.is_empty() {
            self.fault(rule, "names no law; list the keys of its laws in `laws`");
        }
        for law in named.iter().filter(|law| !laws.contains_key(*law)) {
            self.fault(rule, format!("names the law `{law}`, which no file has"));
        }
    }

    /// A right that a message names is one of each law that it names, by key: aliases would hide from which row it comes.
    fn rights_of(&mut self, message: &Message, laws: &BTreeMap<String, Law>) {
        for law in message.laws.iter().filter_map(|key| laws.get(key)) {
            let is_right = |key: &String| law.rights.iter().any(|right| right.right == *key);
            for right in message.rights.iter().filter(|key| !is_right(key)) {
                self.fault(
                    &message.message,
                    format!(
                        "names the right `{right}`, which `{}` doesn't list",
                        law.key
                    ),
                );
            }
        }
    }
}

fn later(row: &Row, other: &Row) -> jiff::civil::Date {
    row.text.valid_from.max(other.text.valid_from)
}

/// A right for which both rows give the same clock from the same event.
fn shared_right<'r>(row: &'r Row, other: &Row) -> Option<&'r String> {
    let is_same_clock =
        row.text.clock == other.text.clock && row.text.counted_from == other.text.counted_from;
    row.text
        .rights
        .iter()
        .find(|right| is_same_clock && other.text.rights.contains(right))
}
