//! Properties of counting days, months and business days.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use domain::law::{Received, Roll, add_calendar_days, add_months};
use jiff::civil::{Date, date};
use proptest::prelude::*;

use crate::law::book;

fn days() -> impl Strategy<Value = Date> {
    (0i64..365 * 6).prop_map(|offset| add_calendar_days(date(2025, 1, 1), offset).unwrap())
}

fn calendars() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["CA-MIN", "US-FED", "CA-STRICT", "EU-WEEKEND"])
}

proptest! {
    #[test]
    fn business_days_end_on_a_working_day_and_count_exactly(from in days(), count in 1i64..60, key in calendars()) {
        let calendar = book().calendar(key).unwrap();
        let end = calendar.add_business_days(from, count).unwrap();
        prop_assert!(calendar.is_working_day(end).unwrap());
        let mut seen = 0;
        let mut day = from;
        while day < end {
            day = day.tomorrow().unwrap();
            seen += i64::from(calendar.is_working_day(day).unwrap());
        }
        prop_assert_eq!(seen, count);
    }

    #[test]
    fn the_default_calendar_is_never_later_than_the_federal_one(from in days(), count in 0i64..60) {
        let end = |key| book().calendar(key).unwrap().add_business_days(from, count).unwrap();
        prop_assert!(end("CA-MIN") <= end("US-FED"));
        prop_assert!(end("CA-STRICT") <= end("CA-MIN"));
    }

    #[test]
    fn a_later_receipt_never_has_an_earlier_date(from in days(), count in 0i64..60, key in calendars()) {
        let calendar = book().calendar(key).unwrap();
        let next = from.tomorrow().unwrap();
        prop_assert!(calendar.add_business_days(from, count).unwrap() <= calendar.add_business_days(next, count).unwrap());
    }

    #[test]
    fn months_keep_the_day_or_take_the_last(from in days(), months in -30i64..60) {
        let end = add_months(from, months).unwrap();
        let whole = |day: Date| i64::from(day.year()) * 12 + i64::from(day.month());
        prop_assert_eq!(whole(end) - whole(from), months);
        prop_assert_eq!(end.day(), from.day().min(end.days_in_month()));
    }

    #[test]
    fn rolling_reaches_the_nearest_working_day_and_stays_there(from in days(), key in calendars()) {
        let calendar = book().calendar(key).unwrap();
        let next = calendar.roll(from, Roll::NextWorkingDay).unwrap();
        prop_assert!(next >= from && calendar.is_working_day(next).unwrap());
        prop_assert_eq!(calendar.roll(next, Roll::NextWorkingDay).unwrap(), next);
        let working_day = calendar.is_working_day(from).unwrap();
        prop_assert_eq!(working_day, next == from);
        prop_assert_eq!(calendar.roll(from, Roll::None).unwrap(), from);
    }

    #[test]
    fn clocks_stay_in_order(from in days()) {
        for (law, right) in [("ccpa", "delete"), ("gdpr", "erase"), ("icdpa", "delete"), ("hipaa", "access")] {
            let clocks = book().due(law, right, &Received::Date(from)).unwrap();
            let respond_by = clocks.respond_by.unwrap();
            prop_assert!(clocks.ack_by.is_none_or(|ack| from < ack && ack < respond_by));
            prop_assert!(clocks.internal_target.unwrap() <= respond_by);
            prop_assert!(respond_by < clocks.max_with_extension.unwrap());
        }
    }
}

#[test]
fn the_day_of_receipt_is_day_zero_and_calendar_days_do_not_roll() {
    let saturday = add_calendar_days(date(2026, 11, 4), 45).unwrap();
    assert_eq!(saturday, date(2026, 12, 19));
    assert_eq!(
        book()
            .calendar("CA-MIN")
            .unwrap()
            .add_business_days(date(2026, 11, 2), 0)
            .unwrap(),
        date(2026, 11, 2)
    );
}

#[test]
fn a_small_hhs_report_is_due_on_29_february_in_a_leap_year() {
    let due = book()
        .rule_date("hipaa.breach_hhs_small", date(2027, 5, 1))
        .unwrap();
    assert_eq!(due.date, date(2028, 2, 29));
}

#[test]
fn the_protection_of_a_minor_born_on_a_leap_day_ends_on_1_march() {
    let reached = |rule| {
        book()
            .rule_date_on(rule, date(2024, 2, 29), date(2026, 11, 21))
            .unwrap()
            .date
    };
    assert_eq!(reached("ccpa.age_of_own_opt_in"), date(2037, 3, 1));
    assert_eq!(reached("ccpa.age_of_opt_out"), date(2040, 2, 29));
}
