//! Whom a filter finds, worked out on resources (RFC 7644 3.4.2.2), and in which order (3.4.2.3). What a resource doesn't have, neither sees.

use std::cmp::Ordering;

use serde_json::Value;

use super::ScimError;
use super::path::Path;
use crate::sensitive::Sensitive;

/// Comparisons in one filter, at most.
const MOST_COMPARISONS: usize = 64;

/// Brackets and `not` within each other, at most.
const DEEPEST: usize = 16;

/// What a filter asks of a resource.
pub enum Condition {
    /// All of them.
    And(Vec<Condition>),
    /// One of them.
    Or(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// One of several values fulfils the condition about its parts.
    OneOf(Path, Box<Condition>),
    /// There is something.
    Present(Path),
    /// A comparison.
    Compare(Path, Operator, Operand),
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `eq`
    Equal,
    /// `ne`
    NotEqual,
    /// `co`
    Contains,
    /// `sw`
    StartsWith,
    /// `ew`
    EndsWith,
    /// `gt`
    Greater,
    /// `ge`
    GreaterOrEqual,
    /// `lt`
    Less,
    /// `le`
    LessOrEqual,
}

/// What a value is compared with. Values are texts and truths here; a number equals none of them.
pub enum Operand {
    /// A text, compared without regard to case, since no attribute here is `caseExact`.
    Text(Sensitive<String>),
    /// `true` or `false`.
    Truth(bool),
    /// `null`: that there is nothing.
    Nothing,
    /// A number.
    Number,
}

impl Condition {
    /// Reads a filter.
    ///
    /// # Errors
    /// `invalidFilter`, without repeating a value.
    pub fn parse(text: &str) -> Result<Self, ScimError> {
        let mut reading = Reading {
            rest: text.trim(),
            comparisons: 0,
            is_inside: false,
        };
        let condition = reading.any_of(0)?;
        if reading.rest.is_empty() {
            Ok(condition)
        } else {
            Err(unreadable())
        }
    }

    /// Whether a resource fulfils it.
    pub fn matches(&self, resource: &Value) -> bool {
        match self {
            Self::And(all) => all.iter().all(|one| one.matches(resource)),
            Self::Or(all) => all.iter().any(|one| one.matches(resource)),
            Self::Not(one) => !one.matches(resource),
            Self::OneOf(path, one) => found(resource, path)
                .into_iter()
                .any(|value| one.matches(value)),
            Self::Present(path) => found(resource, path).into_iter().any(is_something),
            Self::Compare(path, operator, operand) => {
                compared(&found(resource, path), *operator, operand)
            }
        }
    }

    /// All places that it looks at.
    pub fn places(&self) -> Vec<Path> {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().flat_map(Self::places).collect(),
            Self::Not(one) => one.places(),
            Self::OneOf(path, one) => {
                let parts = one.places().into_iter();
                let whole = |part: Path| Path {
                    part: Some(part.attribute),
                    ..path.clone()
                };
                parts.map(whole).collect()
            }
            Self::Present(path) | Self::Compare(path, ..) => vec![path.clone()],
        }
    }

    /// Places whose value whoever fulfils it surely has, with that text: by one of them whoever is meant may be found.
    pub fn equalities(&self) -> Vec<(&Path, &Sensitive<String>)> {
        match self {
            Self::And(all) => all.iter().flat_map(Self::equalities).collect(),
            Self::Compare(path, Operator::Equal, Operand::Text(text)) => vec![(path, text)],
            _ => Vec::new(),
        }
    }
}

/// The order of a list.
pub struct Order {
    /// By what.
    pub by: Path,
    descending: bool,
}

impl Order {
    /// Reads `sortBy` and `sortOrder`.
    ///
    /// # Errors
    /// `invalidPath`, and `invalidValue` for an order that is none.
    pub fn parse(by: &str, order: Option<&str>) -> Result<Self, ScimError> {
        let descending = match order {
            None => false,
            Some(word) if word.eq_ignore_ascii_case("ascending") => false,
            Some(word) if word.eq_ignore_ascii_case("descending") => true,
            Some(_) => {
                return Err(ScimError::value(
                    "`sortOrder` is `ascending` or `descending`",
                ));
            }
        };
        let by = Path::parse(by)?;
        Ok(Self { by, descending })
    }

    /// Which resource comes first; whoever has no value comes last, or first where the order is descending.
    pub fn compare(&self, one: &Value, other: &Value) -> Ordering {
        let text = |resource| {
            let values = found(resource, &self.by).into_iter();
            values.filter_map(comparable).next()
        };
        let order = match (text(one), text(other)) {
            (Some(one), Some(other)) => one.cmp(&other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        if self.descending {
            order.reverse()
        } else {
            order
        }
    }
}

fn comparable(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_lowercase()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// The values at a place.
fn found<'r>(resource: &'r Value, path: &Path) -> Vec<&'r Value> {
    let Some(value) = member(resource, &path.attribute) else {
        return Vec::new();
    };
    match (value, &path.part) {
        (Value::Array(values), part) => {
            let of_type = |value: &&Value| {
                let wanted = path.of_type.as_deref();
                wanted.is_none_or(|wanted| type_of(value).is_some_and(|kind| kind == wanted))
            };
            let values = values.iter().filter(of_type);
            match part {
                Some(part) => values.filter_map(|value| member(value, part)).collect(),
                None => values.collect(),
            }
        }
        (value, Some(part)) => member(value, part).into_iter().collect(),
        (value, None) => vec![value],
    }
}

fn type_of(value: &Value) -> Option<String> {
    let kind = member(value, "type").and_then(Value::as_str);
    kind.map(str::to_ascii_lowercase)
}

fn member<'r>(value: &'r Value, name: &str) -> Option<&'r Value> {
    let mut members = value.as_object()?.iter();
    members
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn compared(values: &[&Value], operator: Operator, operand: &Operand) -> bool {
    let any = |operator| {
        let mut values = values.iter();
        values.any(|value| one_compared(value, operator, operand))
    };
    match (operator, operand) {
        (Operator::NotEqual, Operand::Nothing) => values.iter().any(|value| is_something(value)),
        (_, Operand::Nothing) => !values.iter().any(|value| is_something(value)),
        (Operator::NotEqual, _) => !any(Operator::Equal),
        (operator, _) => any(operator),
    }
}

fn one_compared(value: &Value, operator: Operator, operand: &Operand) -> bool {
    // Of several values as a whole, their `value` is compared.
    let value = member(value, "value").unwrap_or(value);
    match (value, operand) {
        (Value::String(text), Operand::Text(wanted)) => {
            let (text, wanted) = (text.to_lowercase(), wanted.expose().to_lowercase());
            match operator {
                Operator::Equal => text == wanted,
                Operator::NotEqual => text != wanted,
                Operator::Contains => text.contains(&wanted),
                Operator::StartsWith => text.starts_with(&wanted),
                Operator::EndsWith => text.ends_with(&wanted),
                Operator::Greater => text > wanted,
                Operator::GreaterOrEqual => text >= wanted,
                Operator::Less => text < wanted,
                Operator::LessOrEqual => text <= wanted,
            }
        }
        (Value::Bool(truth), Operand::Truth(wanted)) => {
            operator == Operator::Equal && truth == wanted
        }
        _ => false,
    }
}

fn unreadable() -> ScimError {
    ScimError::filter(
        "the filter can't be read; write e.g. `userName eq \"ada\" and (active eq true or emails.value co \"@example.com\")`",
    )
}

struct Reading<'t> {
    rest: &'t str,
    comparisons: usize,
    /// Inside of `[…]`, where names are parts of this.
    is_inside: bool,
}

impl<'t> Reading<'t> {
    fn any_of(&mut self, depth: usize) -> Result<Condition, ScimError> {
        let mut all = vec![self.all_of(depth)?];
        while self.take_word("or") {
            all.push(self.all_of(depth)?);
        }
        Ok(one_or(all, Condition::Or))
    }

    fn all_of(&mut self, depth: usize) -> Result<Condition, ScimError> {
        let mut all = vec![self.one(depth)?];
        while self.take_word("and") {
            all.push(self.one(depth)?);
        }
        Ok(one_or(all, Condition::And))
    }

    fn one(&mut self, depth: usize) -> Result<Condition, ScimError> {
        if depth > DEEPEST {
            return Err(ScimError::filter(format!(
                "the filter nests deeper than {DEEPEST}"
            )));
        }
        if self.take_sign('(') {
            let inner = self.any_of(depth + 1)?;
            return if self.take_sign(')') {
                Ok(inner)
            } else {
                Err(unreadable())
            };
        }
        let before = self.rest;
        if self.take_word("not") {
            if self.rest.trim_start().starts_with('(') {
                return Ok(Condition::Not(Box::new(self.one(depth + 1)?)));
            }
            self.rest = before;
        }
        self.comparison(depth)
    }

    fn comparison(&mut self, depth: usize) -> Result<Condition, ScimError> {
        self.comparisons += 1;
        if self.comparisons > MOST_COMPARISONS {
            return Err(ScimError::filter(format!(
                "a filter has at most {MOST_COMPARISONS} comparisons"
            )));
        }
        self.rest = self.rest.trim_start();
        let name =
            self.take_while(|letter| letter.is_ascii_alphanumeric() || "-_.:$".contains(letter));
        if self.rest.starts_with('[') {
            return self.of_several(name, depth);
        }
        let path = self.path(name)?;
        self.about(path)
    }

    /// `emails[type eq "work" and value co "@example.com"]`, or `emails[type eq "work"].value` with a comparison after it.
    fn of_several(&mut self, name: &str, depth: usize) -> Result<Condition, ScimError> {
        if self.is_inside || name.contains('.') {
            return Err(unreadable());
        }
        let from = self.rest;
        self.rest = self.rest.strip_prefix('[').unwrap_or(self.rest);
        self.is_inside = true;
        let inner = self.any_of(depth + 1);
        self.is_inside = false;
        let inner = inner?;
        if !self.take_sign(']') {
            return Err(unreadable());
        }
        if !self.rest.starts_with('.') {
            let path = self.path(name)?;
            if !path.is_several() {
                return Err(unreadable());
            }
            return Ok(Condition::OneOf(path, Box::new(inner)));
        }
        self.take_while(|letter| letter == '.' || letter.is_ascii_alphanumeric());
        let length = from.len().saturating_sub(self.rest.len());
        let chosen = from.get(..length).unwrap_or_default();
        let path = Path::parse(&format!("{name}{chosen}")).map_err(|_| unreadable())?;
        self.about(path)
    }

    fn about(&mut self, path: Path) -> Result<Condition, ScimError> {
        self.rest = self.rest.trim_start();
        let word = self.take_while(|letter| letter.is_ascii_alphabetic());
        let operator = match word.to_ascii_lowercase().as_str() {
            "pr" => return Ok(Condition::Present(path)),
            "eq" => Operator::Equal,
            "ne" => Operator::NotEqual,
            "co" => Operator::Contains,
            "sw" => Operator::StartsWith,
            "ew" => Operator::EndsWith,
            "gt" => Operator::Greater,
            "ge" => Operator::GreaterOrEqual,
            "lt" => Operator::Less,
            "le" => Operator::LessOrEqual,
            _ => return Err(unreadable()),
        };
        let operand = self.operand()?;
        let by_equality = matches!(operator, Operator::Equal | Operator::NotEqual);
        if by_equality || matches!(operand, Operand::Text(_)) {
            return Ok(Condition::Compare(path, operator, operand));
        }
        Err(ScimError::filter(
            "`true`, `false`, `null` and numbers are compared with `eq` and `ne` alone",
        ))
    }

    fn operand(&mut self) -> Result<Operand, ScimError> {
        if !self.rest.starts_with(' ') {
            return Err(unreadable());
        }
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('"') {
            return self.text();
        }
        let word = self.take_while(|letter| !letter.is_whitespace() && !")]".contains(letter));
        match word {
            "true" => Ok(Operand::Truth(true)),
            "false" => Ok(Operand::Truth(false)),
            "null" => Ok(Operand::Nothing),
            word => {
                let number: Result<serde_json::Number, _> = serde_json::from_str(word);
                number.map(|_| Operand::Number).map_err(|_| unreadable())
            }
        }
    }

    /// A string in a filter is written as in JSON.
    fn text(&mut self) -> Result<Operand, ScimError> {
        let mut is_escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, letter)| {
            let ends = *letter == '"' && !is_escaped;
            is_escaped = *letter == '\\' && !is_escaped;
            ends
        });
        let (end, _) = end.ok_or_else(unreadable)?;
        let (written, rest) = self.rest.split_at_checked(end + 1).ok_or_else(unreadable)?;
        let text: String = serde_json::from_str(written).map_err(|_| unreadable())?;
        self.rest = rest;
        Ok(Operand::Text(Sensitive::new(text)))
    }

    fn path(&self, name: &str) -> Result<Path, ScimError> {
        let path = Path::parse(name).map_err(|_| unreadable())?;
        let is_part = path.part.is_none() && !path.attribute.starts_with("urn:");
        if self.is_inside && !is_part {
            return Err(unreadable());
        }
        Ok(path)
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|letter| !belongs(letter));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn take_sign(&mut self, sign: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Takes a word that is followed by a space or a bracket.
    fn take_word(&mut self, word: &str) -> bool {
        let trimmed = self.rest.trim_start();
        let Some((front, rest)) = trimmed.split_at_checked(word.len()) else {
            return false;
        };
        let is_it = front.eq_ignore_ascii_case(word) && rest.starts_with([' ', '(']);
        if is_it {
            self.rest = rest;
        }
        is_it
    }
}

fn one_or(mut all: Vec<Condition>, several: impl Fn(Vec<Condition>) -> Condition) -> Condition {
    match all.pop() {
        Some(only) if all.is_empty() => only,
        Some(last) => {
            all.push(last);
            several(all)
        }
        None => several(all),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn ada() -> Value {
        json!({
            "id": "sub_1",
            "userName": "Ada",
            "active": true,
            "name": {"givenName": "Ada", "familyName": "Lovelace"},
            "emails": [{"type": "work", "value": "ada@example.com"}, {"type": "home", "value": "al@home.example"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"organization": "Engine \"1\""},
        })
    }

    #[test]
    fn filters_of_the_standard_find_whom_they_describe() {
        for (filter, finds) in [
            ("userName eq \"ADA\"", true),
            ("userName ne \"ada\"", false),
            ("USERNAME Eq \"bea\"", false),
            ("name.familyName co \"LACE\"", true),
            (
                "urn:ietf:params:scim:schemas:core:2.0:User:userName sw \"A\"",
                true,
            ),
            ("userName ew \"b\"", false),
            (
                "userName gt \"abc\" and userName lt \"b\" and userName ge \"ada\" and userName le \"ada\"",
                true,
            ),
            ("title pr", false),
            ("name pr and emails pr", true),
            ("title eq null and active eq true", true),
            ("active eq false", false),
            ("active ne false", true),
            ("emails eq \"al@home.example\"", true),
            ("emails.value eq \"ada@example.com\"", true),
            ("emails.type eq \"home\"", true),
            (
                "emails[type eq \"work\"].value eq \"al@home.example\"",
                false,
            ),
            ("emails[type eq \"home\" and value co \"@home.\"]", true),
            ("emails[type eq \"work\" and value co \"@home.\"]", false),
            ("emails[not (type eq \"work\")]", true),
            ("title pr or userName eq \"ada\" and active eq true", true),
            (
                "(title pr or userName eq \"ada\") and not (active eq true)",
                false,
            ),
            (
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:organization eq \"engine \\\"1\\\"\"",
                true,
            ),
            ("userName eq 7", false),
            ("notes pr", false),
        ] {
            let condition = Condition::parse(filter).map_err(|error| format!("{filter}: {error}"));
            assert_eq!(condition.unwrap().matches(&ada()), finds, "{filter}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_being_repeated() {
        let deep = format!("{}userName pr{}", "(".repeat(40), ")".repeat(40));
        let long = vec!["userName eq \"planted\""; 65].join(" or ");
        for text in [
            "",
            "userName",
            "userName eq",
            "userName eq planted",
            "userName eq \"planted",
            "userName eq\"planted\"",
            "userName like \"planted\"",
            "userName eq \"planted\" and",
            "userName eq \"planted\" userName pr",
            "(userName eq \"planted\"",
            "userName eq \"planted\")",
            "emails[value eq \"planted\"",
            "emails[phoneNumbers[type eq \"planted\"]]",
            "emails[name.givenName eq \"planted\"]",
            "emails[value eq \"planted\"].value pr",
            "userName[value eq \"planted\"]",
            "active gt true",
            "userName sw null",
            "not userName eq \"planted\"",
            &deep,
            &long,
        ] {
            let error = Condition::parse(text)
                .err()
                .map(|error| (error.code, error.detail));
            let (code, detail) = error.ok_or_else(|| text.to_owned()).unwrap();
            assert_eq!(code, "invalidFilter", "{text}");
            assert!(!detail.contains("planted"), "{text}");
        }
    }

    #[test]
    fn places_and_equalities_are_those_of_the_whole_filter() {
        let filter = "userName eq \"ada\" and (active eq true or not (emails[type eq \"work\" and value co \"x\"]))";
        let condition = Condition::parse(filter).unwrap();
        let places: Vec<_> = condition
            .places()
            .into_iter()
            .map(|place| (place.attribute, place.part))
            .collect();
        let part =
            |attribute: &str, part: Option<&str>| (attribute.to_owned(), part.map(str::to_owned));
        assert_eq!(
            places,
            [
                part("username", None),
                part("active", None),
                part("emails", Some("type")),
                part("emails", Some("value"))
            ]
        );
        assert_eq!(condition.equalities().len(), 1);
        let either = Condition::parse("userName eq \"ada\" or active eq true").unwrap();
        assert_eq!(either.equalities().len(), 0);
        let other = Condition::parse("not (userName eq \"ada\")").unwrap();
        assert_eq!(other.equalities().len(), 0);
    }

    #[test]
    fn whoever_has_no_value_comes_last() {
        let users = [
            json!({"userName": "b"}),
            json!({}),
            json!({"userName": "C"}),
            json!({"userName": "a"}),
        ];
        let sorted = |order: &str| {
            let order = Order::parse("userName", Some(order)).unwrap();
            let mut sorted = users.clone();
            sorted.sort_by(|one, other| order.compare(one, other));
            sorted.map(|user| user["userName"].as_str().unwrap_or("-").to_owned())
        };
        assert_eq!(sorted("ascending"), ["a", "b", "C", "-"]);
        assert_eq!(sorted("Descending"), ["-", "C", "b", "a"]);
        assert!(Order::parse("userName", Some("upwards")).is_err());
    }

    proptest! {
        #[test]
        fn nothing_makes_the_reader_stumble(text in "[a-z\\[\\]()\" .=\\\\:-]{0,60}|.{0,40}") {
            if let Ok(condition) = Condition::parse(&text) {
                let _known = condition.matches(&ada());
            }
        }
    }
}
