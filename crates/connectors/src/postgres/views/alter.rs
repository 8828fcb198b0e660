//! What `enforcement` makes of a value that may go out only in part, as an expression in SQL. Nothing here can fail on a value, since an error of
//! PostgreSQL quotes it; what the expression doesn't understand is NULL, also where `enforcement` would have understood it.

use domain::profile::Manner;

use crate::sql::table::{Class, Column};

/// What Rust's `trim` takes off.
const BLANK: &str = r"E' \t\n\u000b\f\r\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'";

/// The column `t.…` as text, in one form whatever the session's settings are.
pub(super) fn text(column: &Column) -> String {
    let name = format!("t.{}", column.name);
    match column.class {
        Class::Date => format!("to_char({name}, 'YYYY-MM-DD')"),
        Class::Timestamp => moment(&name),
        Class::TimestampZoned => moment(&format!("({name} AT TIME ZONE 'UTC')")),
        _ => format!("{name}::text"),
    }
}

/// As RFC 3339 has it, in UTC and without zeros at the end.
fn moment(utc: &str) -> String {
    format!(r#"regexp_replace(to_char({utc}, 'YYYY-MM-DD"T"HH24:MI:SS.US'), '[.]?0+$', '') || 'Z'"#)
}

/// The column's value, altered; none where this type of column has nothing that could be shown.
pub(super) fn altered(manner: Manner, column: &Column) -> Option<String> {
    if manner == Manner::CityOfDocument {
        return (column.declared == "jsonb")
            .then(|| city_of_document(&format!("t.{}", column.name)));
    }
    let shown = of_text(manner);
    let text = text(column);
    Some(format!(
        "(SELECT {shown} FROM (VALUES (btrim({text}, {BLANK}))) AS v(x))"
    ))
}

/// An expression over `x`, a text without blanks around it.
pub(super) fn of_text(manner: Manner) -> String {
    match manner {
        Manner::Email => "CASE WHEN x ~ '^.+@[^@]+$' THEN CASE WHEN x ~ '^..+@[^@]+$' THEN left(x, 1) ELSE '' END || '***@' || substring(x FROM '[^@]+$') END".to_owned(),
        Manner::LastDigits => "(SELECT CASE WHEN length(d) >= 8 THEN '***' || right(d, 4) END FROM (VALUES (regexp_replace(x, '[^0-9A-Za-z]', '', 'g'))) AS w(d))".to_owned(),
        Manner::FirstLetter => "CASE WHEN length(x) >= 2 THEN left(x, 1) || '***' END".to_owned(),
        Manner::PostalPrefix => "(SELECT CASE WHEN x !~ '[^ -~]' AND length(d) > 3 THEN left(d, 3) || '**' END FROM (VALUES (regexp_replace(x, '[^0-9A-Za-z]', '', 'g'))) AS w(d))".to_owned(),
        Manner::Year => "CASE WHEN x ~ '^[0-9]{4}-' THEN left(x, 4) END".to_owned(),
        Manner::Step => "CASE WHEN x ~ '^[0-9]{1,18}([.].*)?$' THEN (SELECT (n / s * s)::text || '-' || (n / s * s + s - 1)::text \
            FROM (SELECT n, rpad('1', greatest(length(n::text), 2), '0')::bigint AS s FROM (VALUES (split_part(x, '.', 1)::bigint)) AS a(n)) AS b) END".to_owned(),
        Manner::AgeBand => age_band(),
        Manner::CityOfText => city_of_text(),
        Manner::CityOfDocument => "NULL::text".to_owned(),
    }
}

/// A day is looked at as text: a cast would fail on the thirtieth of February, and say so.
fn age_band() -> String {
    let is_day = "x ~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])([T ].*)?$' \
        AND substr(x, 6, 5) NOT IN ('02-30', '02-31', '04-31', '06-31', '09-31', '11-31') \
        AND (substr(x, 6, 5) <> '02-29' OR (left(x, 4)::integer % 4 = 0 AND (left(x, 4)::integer % 100 <> 0 OR left(x, 4)::integer % 400 = 0)))";
    let today = "(statement_timestamp() AT TIME ZONE 'UTC')";
    format!(
        "CASE WHEN x !~ '^[0-9]{{4}}-' THEN NULL WHEN {is_day} THEN \
         (SELECT CASE WHEN y < 0 THEN NULL WHEN y < 18 THEN '0-17' WHEN y < 20 THEN '18-19' WHEN y < 90 THEN (y / 10 * 10)::text || '-' || (y / 10 * 10 + 9)::text ELSE '90+' END \
         FROM (VALUES (extract(year FROM {today})::integer - left(x, 4)::integer - CASE WHEN to_char({today}, 'MM-DD') >= substr(x, 6, 5) THEN 0 ELSE 1 END)) AS a(y)) END"
    )
}

/// Letters of Latin scripts only: what else may be a number, PostgreSQL's regular expressions can't tell.
fn city_of_text() -> String {
    let part = r"p ~ E'^[A-Za-z\u00c0-\u024f .\'\u2019-]{3,}$'";
    format!(
        "(SELECT p FROM (SELECT btrim(s, {BLANK}) AS p, n, count(*) OVER () AS parts FROM regexp_split_to_table(x, E'[,\\n]') WITH ORDINALITY AS a(s, n)) AS b \
         WHERE parts >= 3 AND n >= 2 AND {part} ORDER BY n DESC LIMIT 1)"
    )
}

fn city_of_document(name: &str) -> String {
    let one = |key: &str| {
        format!("CASE WHEN jsonb_typeof({name} -> '{key}') = 'string' THEN {name} ->> '{key}' END")
    };
    let all = ["city", "locality", "town"].map(one);
    format!("COALESCE({})", all.join(", "))
}
