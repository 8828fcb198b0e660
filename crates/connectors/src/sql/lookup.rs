//! Look-ups: rows whose fields equal one of the wanted combinations, exactly, and by an index where there is one.

use domain::data_map::{Collection, ValueKind};
use domain::plan::WaySearch;
use domain::row::Tuple;
use domain::sensitive::Sensitive;

use super::table::{Class, Column, Table};
use super::{Dialect, Parameter, Sql, moment};
use crate::ConnectorError;

/// A look-up whose values fit the live columns.
pub(crate) struct Fitted<'a> {
    columns: Vec<(&'a Column, Comparison)>,
    tuples: Sensitive<Vec<Tuple>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Exact,
    IgnoringCase,
    /// A UUID kept as text: in lower case or in upper case.
    UuidText,
}

/// The look-ups that can find anything: a value that a column's type can't hold equals none of its values, and sent to
/// the engine it would make the whole statement fail.
pub(crate) fn fit<'a>(
    table: &'a Table,
    collection: &Collection,
    ways: &[WaySearch],
) -> Result<Vec<Fitted<'a>>, ConnectorError> {
    let mut fitted = Vec::new();
    for way in ways {
        let columns = way.way.fields.iter().map(|field| {
            let column = table.column(field)?;
            let kind = collection
                .field(field)
                .map_or(column.class.kind(), |field| field.kind);
            let alone = way.way.fields.len() == 1;
            Ok((column, comparison(column, kind, way.way.ignore_case, alone)))
        });
        let columns: Vec<_> = columns.collect::<Result<_, ConnectorError>>()?;
        let tuples: Vec<Tuple> = way
            .values
            .expose()
            .iter()
            .filter_map(|tuple| fit_tuple(table.dialect, &columns, tuple))
            .collect();
        if !tuples.is_empty() {
            fitted.push(Fitted {
                columns,
                tuples: Sensitive::new(tuples),
            });
        }
    }
    Ok(fitted)
}

/// The canonical text of a UUID is in lower case; kept as text it may be in upper case.
fn comparison(column: &Column, kind: ValueKind, ignore_case: bool, alone: bool) -> Comparison {
    match (column.class, kind) {
        (Class::Text | Class::Other, _) if ignore_case => Comparison::IgnoringCase,
        (Class::Text | Class::Other, ValueKind::Uuid) if alone => Comparison::UuidText,
        (Class::Text | Class::Other, ValueKind::Uuid) => Comparison::IgnoringCase,
        _ => Comparison::Exact,
    }
}

fn fit_tuple(dialect: Dialect, columns: &[(&Column, Comparison)], tuple: &Tuple) -> Option<Tuple> {
    if tuple.len() != columns.len() {
        return None;
    }
    tuple
        .iter()
        .zip(columns)
        .map(|(text, (column, comparison))| {
            let text = if *comparison == Comparison::IgnoringCase {
                text.to_lowercase()
            } else {
                text.clone()
            };
            // SQLite's columns take any value, whatever their type says.
            if dialect == Dialect::Sqlite && column.class != Class::Bytes {
                let fits = !text.contains('\0') && !is_number_in_disguise(column.class, &text);
                fits.then_some(text)
            } else {
                fit_text(column.class, text)
            }
        })
        .collect()
}

fn fit_text(class: Class, text: String) -> Option<String> {
    let holds = match class {
        Class::Text | Class::Json | Class::Other => !text.contains('\0'),
        Class::Integer(least, most) => text
            .parse::<i128>()
            .is_ok_and(|number| number >= i128::from(least) && number <= i128::from(most)),
        Class::Decimal => is_number(&text),
        Class::Float => text.parse::<f64>().is_ok_and(f64::is_finite),
        Class::Boolean => matches!(text.as_str(), "true" | "false" | "1" | "0"),
        Class::Date => text.parse::<jiff::civil::Date>().is_ok(),
        Class::Timestamp | Class::TimestampZoned => {
            moment::read(&text).is_some() || moment::read(&format!("{text}:00")).is_some()
        }
        Class::Uuid => uuid::Uuid::try_parse(&text).is_ok(),
        Class::Bytes => super::cell::from_base64(&text).is_some(),
    };
    holds.then_some(text)
}

/// `1e0` in a column of numbers would be read by SQLite as 1, which is another value's text.
fn is_number_in_disguise(class: Class, text: &str) -> bool {
    matches!(class, Class::Integer(..) | Class::Decimal | Class::Float)
        && !is_number(text)
        && text.trim().parse::<f64>().is_ok()
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    plain(whole) && plain(fraction) && whole.len() <= 35 && fraction.len() <= 30
}

/// Writes `(look-up OR look-up …)`; false in SQL where there are none.
pub(crate) fn write_any(sql: &mut Sql, alias: &str, ways: &[Fitted<'_>]) {
    if ways.is_empty() {
        sql.push("1 = 0");
        return;
    }
    sql.push("(");
    for (number, way) in ways.iter().enumerate() {
        if number > 0 {
            sql.push(" OR ");
        }
        write_one(sql, alias, way);
    }
    sql.push(")");
}

fn write_one(sql: &mut Sql, alias: &str, way: &Fitted<'_>) {
    if let ([(column, comparison)], tuples) = (way.columns.as_slice(), way.tuples.expose()) {
        let mut values: Vec<String> = tuples
            .iter()
            .filter_map(|tuple| tuple.first().cloned())
            .collect();
        if *comparison == Comparison::UuidText {
            let upper: Vec<String> = values.iter().map(|value| value.to_uppercase()).collect();
            values.extend(upper);
        }
        write_column(sql, alias, column, *comparison, values);
        return;
    }
    // The single columns narrow by whichever index there is; the combination decides.
    sql.push("(");
    for (place, (column, comparison)) in way.columns.iter().enumerate() {
        write_column(sql, alias, column, *comparison, values_at(way, place));
        sql.push(" AND ");
    }
    write_combination(sql, alias, way);
    sql.push(")");
}

fn values_at(way: &Fitted<'_>, place: usize) -> Vec<String> {
    let mut values: Vec<String> = way
        .tuples
        .expose()
        .iter()
        .filter_map(|tuple| tuple.get(place).cloned())
        .collect();
    values.sort_unstable();
    values.dedup();
    values
}

fn write_column(
    sql: &mut Sql,
    alias: &str,
    column: &Column,
    comparison: Comparison,
    values: Vec<String>,
) {
    let narrows = match comparison {
        Comparison::Exact | Comparison::UuidText => column.folds,
        Comparison::IgnoringCase => column.folds_case,
    };
    let spellings = if narrows {
        spellings(sql.dialect, comparison, &values)
    } else {
        None
    };
    let narrowed = spellings.is_some();
    if let Some(spellings) = spellings {
        sql.push(&format!(
            "({alias}.{} {}",
            column.name,
            collation(sql.dialect, comparison)
        ));
        write_values(sql, column, Comparison::Exact, spellings);
        sql.push(" AND ");
    }
    let values = if comparison == Comparison::IgnoringCase {
        with_plain_sigma(values)
    } else {
        values
    };
    sql.push(&exact(sql.dialect, alias, column, comparison));
    sql.push(" ");
    write_values(sql, column, comparison, values);
    if narrowed {
        sql.push(")");
    }
}

fn collation(dialect: Dialect, comparison: Comparison) -> &'static str {
    if dialect == Dialect::Sqlite && comparison == Comparison::IgnoringCase {
        "COLLATE NOCASE "
    } else {
        ""
    }
}

/// Values to narrow by. Where SQLite's index folds ASCII only, it is of use for texts in ASCII; the Kelvin sign is the one
/// letter outside of ASCII that has a small letter in it, and MySQL's collations don't know that either.
fn spellings(dialect: Dialect, comparison: Comparison, values: &[String]) -> Option<Vec<String>> {
    if comparison != Comparison::IgnoringCase {
        return Some(values.to_vec());
    }
    let mut spellings = Vec::new();
    for value in values {
        let kelvins = value.matches('k').count();
        if kelvins > 6 || (dialect == Dialect::Sqlite && !value.is_ascii()) {
            return None;
        }
        spellings.extend((0..1u32 << kelvins).map(|chosen| with_kelvins(value, chosen)));
    }
    // A statement of MySQL takes so many parameters and no more.
    (dialect != Dialect::Mysql || spellings.len() <= 16_384).then_some(spellings)
}

fn with_kelvins(value: &str, chosen: u32) -> String {
    let mut seen = 0;
    let spell = |letter| {
        if letter != 'k' {
            return letter;
        }
        seen += 1;
        if chosen & (1 << (seen - 1)) == 0 {
            'k'
        } else {
            '\u{212a}'
        }
    };
    value.chars().map(spell).collect()
}

/// Engines that lower letter by letter don't know the small sigma that ends a word.
fn with_plain_sigma(values: Vec<String>) -> Vec<String> {
    let plain: Vec<String> = values
        .iter()
        .filter(|value| value.contains('ς'))
        .map(|value| value.replace('ς', "σ"))
        .collect();
    values.into_iter().chain(plain).collect()
}

/// The expression whose comparison with a text is exact.
fn exact(dialect: Dialect, alias: &str, column: &Column, comparison: Comparison) -> String {
    let name = format!("{alias}.{}", column.name);
    match (dialect, comparison) {
        (Dialect::Postgres, Comparison::IgnoringCase) => {
            let text = if column.folds || column.class == Class::Other {
                format!("{name}::text")
            } else {
                name
            };
            column.collation.as_ref().map_or_else(
                || format!("lower({text})"),
                |collation| format!("lower({text} COLLATE {collation})"),
            )
        }
        (Dialect::Postgres, _) if column.folds => format!("{name}::text COLLATE \"C\""),
        (Dialect::Postgres, _) if matches!(column.class, Class::Other | Class::Json) => {
            format!("{name}::text")
        }
        (Dialect::Sqlite, Comparison::IgnoringCase) => format!("privity_lower({name})"),
        (Dialect::Sqlite, _) if column.folds => format!("{name} COLLATE BINARY"),
        (Dialect::Mysql, Comparison::IgnoringCase) => {
            format!("CAST(LOWER(CONVERT({name} USING utf8mb4)) AS BINARY)")
        }
        (Dialect::Mysql, _) if column.class == Class::Text => binary(&name),
        _ => name,
    }
}

/// A text column's characters, without its collation (MySQL).
pub(crate) fn binary(name: &str) -> String {
    format!("CAST(CONVERT({name} USING utf8mb4) AS BINARY)")
}

fn write_values(sql: &mut Sql, column: &Column, comparison: Comparison, values: Vec<String>) {
    match sql.dialect {
        Dialect::Postgres => {
            sql.push("= ANY(");
            write_array(sql, column, comparison, values);
            sql.push(")");
        }
        Dialect::Sqlite => {
            let value = if column.class == Class::Bytes {
                "unhex(value)"
            } else {
                "value"
            };
            sql.push(&format!("IN (SELECT {value} FROM json_each("));
            let values = values
                .into_iter()
                .flat_map(|value| json_forms(column, value))
                .collect();
            sql.bind(Parameter::Text(
                serde_json::Value::Array(values).to_string(),
            ))
            .push("))");
        }
        Dialect::Mysql => {
            sql.push("IN (");
            // Lists of few different lengths make few different statements for the server to prepare.
            let length = values.len().next_power_of_two();
            let last = values.last().cloned();
            let padded = values
                .into_iter()
                .map(Some)
                .chain(std::iter::repeat(last))
                .take(length)
                .flatten();
            for (number, value) in padded.enumerate() {
                if number > 0 {
                    sql.push(",");
                }
                write_value(sql, column, value);
            }
            sql.push(")");
        }
    }
}

fn write_array(sql: &mut Sql, column: &Column, comparison: Comparison, values: Vec<String>) {
    if column.class == Class::Bytes {
        let blobs = values
            .iter()
            .filter_map(|value| super::cell::from_base64(value))
            .collect();
        sql.bind(Parameter::Blobs(blobs)).push("::bytea[]");
        return;
    }
    sql.bind(Parameter::Texts(values)).push("::text[]");
    if let Some(element) = column
        .element
        .as_ref()
        .filter(|_| comparison != Comparison::IgnoringCase)
    {
        sql.push(&format!("::{element}[]"));
    }
}

/// A column of SQLite without a type keeps numbers as numbers and digits as digits.
fn json_forms(column: &Column, value: String) -> Vec<serde_json::Value> {
    if column.class == Class::Bytes {
        let bytes = super::cell::from_base64(&value).unwrap_or_default();
        return vec![super::hash::hex(&bytes).into()];
    }
    let mut forms = Vec::new();
    if column.class == Class::Boolean {
        forms.extend(match value.as_str() {
            "true" => Some(serde_json::Value::from(1)),
            "false" => Some(serde_json::Value::from(0)),
            _ => None,
        });
    }
    if column.class == Class::Other {
        forms.extend(value.parse::<i64>().map(serde_json::Value::from));
        forms.extend(
            value
                .parse::<f64>()
                .ok()
                .filter(|_| is_number(&value))
                .map(serde_json::Value::from),
        );
    }
    forms.push(value.into());
    forms
}

/// One value (MySQL).
fn write_value(sql: &mut Sql, column: &Column, value: String) {
    match column.class {
        Class::Integer(..) => match value.parse::<i64>() {
            Ok(number) => sql.bind(Parameter::Integer(number)),
            Err(_) => sql.bind(Parameter::Unsigned(value.parse().unwrap_or_default())),
        },
        Class::Boolean => sql.bind(Parameter::Integer(i64::from(
            value == "true" || value == "1",
        ))),
        Class::Decimal => sql
            .push("CAST(")
            .bind(Parameter::Text(value))
            .push(" AS DECIMAL(65,30))"),
        Class::Float => sql.bind(Parameter::Float(value.parse().unwrap_or_default())),
        Class::Bytes => sql.bind(Parameter::Bytes(
            super::cell::from_base64(&value).unwrap_or_default(),
        )),
        _ => sql.bind(Parameter::Text(value)),
    };
}

fn write_combination(sql: &mut Sql, alias: &str, way: &Fitted<'_>) {
    if sql.dialect == Dialect::Mysql {
        return write_alternatives(sql, alias, way);
    }
    let names: Vec<String> = way
        .columns
        .iter()
        .map(|(column, comparison)| exact(sql.dialect, alias, column, *comparison))
        .collect();
    sql.push(&format!("({}) IN (SELECT ", names.join(", ")));
    if sql.dialect == Dialect::Postgres {
        sql.push("* FROM unnest(");
        for (place, (column, comparison)) in way.columns.iter().enumerate() {
            sql.push(if place > 0 { ", " } else { "" });
            let values = way
                .tuples
                .expose()
                .iter()
                .filter_map(|tuple| tuple.get(place).cloned())
                .collect();
            write_array(sql, column, *comparison, values);
        }
        sql.push("))");
        return;
    }
    for (place, (column, _)) in way.columns.iter().enumerate() {
        let value = format!("json_extract(value, '$[{place}]')");
        sql.push(if place > 0 { ", " } else { "" });
        sql.push(&if column.class == Class::Bytes {
            format!("unhex({value})")
        } else {
            value
        });
    }
    let tuples = way
        .tuples
        .expose()
        .iter()
        .flat_map(|tuple| json_tuples(way, tuple))
        .collect();
    sql.push(" FROM json_each(")
        .bind(Parameter::Text(
            serde_json::Value::Array(tuples).to_string(),
        ))
        .push("))");
}

fn json_tuples(way: &Fitted<'_>, tuple: &Tuple) -> Vec<serde_json::Value> {
    let mut tuples = vec![Vec::new()];
    for (text, (column, _)) in tuple.iter().zip(&way.columns) {
        let forms = json_forms(column, text.clone());
        tuples = tuples
            .into_iter()
            .flat_map(|tuple| {
                forms.iter().map(move |form| {
                    tuple
                        .iter()
                        .cloned()
                        .chain([form.clone()])
                        .collect::<Vec<_>>()
                })
            })
            .collect();
    }
    tuples.into_iter().map(serde_json::Value::Array).collect()
}

fn write_alternatives(sql: &mut Sql, alias: &str, way: &Fitted<'_>) {
    sql.push("(");
    for (number, tuple) in way.tuples.expose().iter().enumerate() {
        sql.push(if number > 0 { " OR (" } else { "(" });
        for (place, (text, (column, comparison))) in tuple.iter().zip(&way.columns).enumerate() {
            sql.push(if place > 0 { " AND " } else { "" });
            sql.push(&exact(sql.dialect, alias, column, *comparison))
                .push(" = ");
            write_value(sql, column, text.clone());
        }
        sql.push(")");
    }
    sql.push(")");
}

/// Splits look-ups so that no statement has more than `most` of them; a row that several find may come with each.
pub(crate) fn chunks(ways: &[WaySearch], most: usize) -> Vec<Vec<WaySearch>> {
    let total: usize = ways.iter().map(|way| way.values.expose().len()).sum();
    if total <= most {
        return vec![ways.to_vec()];
    }
    ways.iter()
        .flat_map(|way| {
            way.values.expose().chunks(most.max(1)).map(|values| {
                vec![WaySearch {
                    way: way.way.clone(),
                    values: Sensitive::new(values.to_vec()),
                }]
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_a_column_cannot_hold_is_never_sent() {
        let fits = |class, text: &str| fit_text(class, text.to_owned()).is_some();
        assert!(
            fits(Class::Integer(-128, 127), "127")
                && !fits(Class::Integer(-128, 127), "128")
                && !fits(Class::Integer(-128, 127), "abc")
        );
        assert!(
            fits(Class::Decimal, "-1.5")
                && !fits(Class::Decimal, "1e5")
                && !fits(Class::Decimal, "-")
                && !fits(Class::Decimal, "")
        );
        assert!(
            !fits(Class::Uuid, "42")
                && !fits(Class::Date, "yesterday")
                && !fits(Class::Text, "a\0b")
                && !fits(Class::Float, "nan")
        );
        assert!(
            fits(Class::Timestamp, "2024-01-01 10:00:00")
                && fits(Class::TimestampZoned, "2024-01-01 10:00:00+00")
        );
    }

    #[test]
    fn every_spelling_with_a_kelvin_sign_is_looked_up() {
        let spelled = spellings(
            Dialect::Sqlite,
            Comparison::IgnoringCase,
            &["kk".to_owned()],
        )
        .unwrap_or_default();
        assert_eq!(
            spelled,
            ["kk", "\u{212a}k", "k\u{212a}", "\u{212a}\u{212a}"]
        );
        assert!(spellings(Dialect::Sqlite, Comparison::IgnoringCase, &["é".to_owned()]).is_none());
    }
}
