//! The shipped `law/` is whole, and a broken one is refused with the file and the rule.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use domain::law::{
    Confidence, DueError, ExtensionError, LawBook, LawParts, Occasion, ReasonKind, Received,
    Verification, earliest,
};
use jiff::civil::{Date, date};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../law")
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn parts() -> LawParts {
    let mut parts = LawParts::default();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths.iter().filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "yaml")
    }) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        match name.as_str() {
            "scenarios.yaml" => {}
            "calendars.yaml" => parts.calendars = Some((name, read(path))),
            "categories.yaml" => parts.categories = Some((name, read(path))),
            "reasons.yaml" => parts.reasons = Some((name, read(path))),
            "messages.yaml" => parts.messages = Some((name, read(path))),
            "regulators.yaml" => parts.regulators = Some((name, read(path))),
            "sources.yaml" => parts.sources = Some((name, read(path))),
            _ => parts.jurisdictions.push((name, read(path))),
        }
    }
    parts
}

pub(crate) fn book() -> &'static LawBook {
    static BOOK: LazyLock<LawBook> =
        LazyLock::new(|| LawBook::assemble(parts()).unwrap_or_else(|faults| panic!("{faults}")));
    &BOOK
}

fn on(day: Date) -> Received {
    Received::Date(day)
}

fn faults_of(change: impl FnOnce(&mut LawParts)) -> String {
    let mut parts = parts();
    change(&mut parts);
    LawBook::assemble(parts)
        .expect_err("the change is a fault")
        .to_string()
}

fn first_row(parts: &mut LawParts) -> &mut domain::law::RowText {
    let file = parts
        .jurisdictions
        .iter_mut()
        .find(|(name, _)| name == "california.yaml")
        .unwrap();
    file.1.laws[0]
        .rows
        .iter_mut()
        .find(|row| row.rule == "ccpa.respond")
        .unwrap()
}

#[test]
fn a_privacy_request_at_ten_to_midnight_in_los_angeles_is_received_that_day() {
    let received = "2026-11-02T23:50:00-08:00".parse().unwrap();
    let clocks = book().due("CCPA", "delete", &received).unwrap();
    assert_eq!(clocks.received_on, date(2026, 11, 2));
    assert_eq!(clocks.ack_by, Some(date(2026, 11, 17)));
    assert_eq!(clocks.respond_by, Some(date(2026, 12, 17)));
    assert_eq!(clocks.max_with_extension, Some(date(2027, 1, 31)));
    assert_eq!(clocks.internal_target, Some(date(2026, 12, 16)));
    assert_eq!(clocks.confidence(), Confidence::Memory);
    assert!(clocks.rows.iter().all(|row| !row.citation.is_empty()));
}

#[test]
fn an_opt_out_has_fifteen_business_days_no_acknowledgement_no_extension_and_no_verification() {
    let book = book();
    let clocks = book
        .due("ccpa", "opt_out_sale_share", &on(date(2026, 11, 20)))
        .unwrap();
    assert_eq!(clocks.respond_by, Some(date(2026, 12, 14)));
    assert_eq!((clocks.ack_by, clocks.max_with_extension), (None, None));
    assert_eq!(clocks.no_reask_before, Some(date(2027, 11, 20)));
    assert_eq!(
        book.verification("ccpa", "opt_out_sale_share").unwrap(),
        Verification::Forbidden
    );
    assert!(matches!(
        clocks.extend(date(2026, 11, 21)),
        Err(ExtensionError::NoExtension { .. })
    ));
}

#[test]
fn an_extension_counts_from_receipt_is_told_in_time_and_happens_once() {
    let clocks = book()
        .due("ccpa", "know_specific", &on(date(2026, 11, 2)))
        .unwrap();
    let extended = clocks.extend(date(2026, 12, 17)).unwrap();
    assert_eq!(extended.respond_by, Some(date(2027, 1, 31)));
    assert_eq!(
        extended.extend(date(2026, 12, 17)),
        Err(ExtensionError::AlreadyExtended(date(2026, 12, 17)))
    );
    assert!(matches!(
        clocks.extend(date(2026, 12, 18)),
        Err(ExtensionError::TooLate { .. })
    ));
    assert!(matches!(
        clocks.extend(date(2026, 11, 1)),
        Err(ExtensionError::BeforeReceipt { .. })
    ));
}

#[test]
fn every_kind_of_privacy_request_maps_onto_every_law_of_the_consumer() {
    let book = book();
    let laws = book.laws().filter(|law| law.rights.len() > 3);
    for law in laws.filter(|law| !["hipaa"].contains(&law.key.as_str())) {
        for kind in [
            "know_categories",
            "know_specific",
            "delete",
            "opt_out_sale_share",
        ] {
            assert!(
                law.right(kind).is_ok(),
                "{} has nothing for {kind}",
                law.key
            );
        }
    }
    assert_eq!(
        book.due("gdpr", "delete", &on(date(2026, 11, 2)))
            .unwrap()
            .right,
        "erase"
    );
    assert_eq!(
        book.due("GDPR", "know_specific", &on(date(2026, 11, 2)))
            .unwrap()
            .right,
        "access"
    );
}

#[test]
fn every_right_of_every_law_gives_clocks_when_it_is_in_force() {
    let book = book();
    for law in book.laws() {
        for right in &law.rights {
            let clocks = book.due(&law.key, &right.right, &on(date(2028, 2, 1)));
            assert!(clocks.is_ok(), "{} {}: {:?}", law.key, right.right, clocks);
        }
    }
}

#[test]
fn a_law_that_is_not_in_force_yet_says_when_it_starts() {
    let error = book()
        .due("okcdpa", "delete", &on(date(2026, 11, 2)))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the next one starts on 2027-01-01"),
        "{error}"
    );
    let utah = book()
        .due("ucpa", "correct", &on(date(2026, 6, 30)))
        .unwrap_err();
    assert!(matches!(utah, DueError::NotInForce { from, .. } if from == Some(date(2026, 7, 1))));
    assert!(book().due("ucpa", "correct", &on(date(2026, 7, 1))).is_ok());
}

#[test]
fn unknown_names_list_the_known_ones() {
    let book = book();
    let law = book
        .due("ccpb", "delete", &on(date(2026, 11, 2)))
        .unwrap_err()
        .to_string();
    assert!(
        law.contains("`ccpb`") && law.contains("ccpa, ") && law.contains("gdpr"),
        "{law}"
    );
    let right = book
        .due("ccpa", "forget", &on(date(2026, 11, 2)))
        .unwrap_err()
        .to_string();
    assert!(
        right.contains("`forget`") && right.contains("opt_out_sale_share"),
        "{right}"
    );
    assert!(matches!(
        book.rule_date("ccpa.nothing", date(2026, 1, 1)),
        Err(DueError::UnknownRule { .. })
    ));
}

#[test]
fn a_count_that_leaves_the_listed_years_names_the_file_to_extend() {
    let error = book()
        .due("ccpa", "delete", &on(date(2031, 12, 29)))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`CA-MIN`") && error.contains("add 2032 to `law/calendars.yaml`"),
        "{error}"
    );
    assert!(
        book()
            .due("ccpa", "delete", &on(date(2024, 12, 30)))
            .is_err()
    );
}

#[test]
fn a_missing_amount_for_2027_is_an_error_and_not_the_old_amount() {
    let book = book();
    assert_eq!(
        book.number("ccpa.covered_revenue", date(2026, 1, 1)),
        Ok(26_625_000)
    );
    assert!(matches!(
        book.number("ccpa.covered_revenue", date(2027, 1, 4)),
        Err(DueError::NotInForce { .. })
    ));
}

#[test]
fn california_never_lets_the_clock_stand_still() {
    let book = book();
    let clocks = book.due("ccpa", "delete", &on(date(2026, 11, 2))).unwrap();
    let stopped = book.suspend(&clocks, date(2026, 11, 4), date(2026, 11, 14));
    assert!(matches!(stopped, Err(DueError::NoSuspension { .. })));
}

#[test]
fn an_extended_time_stays_extended_when_the_clock_stood_still() {
    let book = book();
    let clocks = book.due("gdpr", "erase", &on(date(2026, 11, 2))).unwrap();
    let extended = clocks.extend(date(2026, 11, 3)).unwrap();
    let moved = book
        .suspend(&extended, date(2026, 11, 4), date(2026, 11, 14))
        .unwrap();
    assert_eq!(extended.respond_by, Some(date(2027, 2, 2)));
    assert_eq!(moved.respond_by, Some(date(2027, 2, 12)));
}

#[test]
fn of_several_laws_the_earliest_date_governs() {
    let book = book();
    let day = on(date(2026, 11, 2));
    let both = [
        book.due("ccpa", "access", &day).unwrap(),
        book.due("gdpr", "access", &day).unwrap(),
    ];
    assert_eq!(earliest(&both).unwrap().law, "gdpr");
    assert!(earliest(&[]).is_none());
}

#[test]
fn identifiers_that_are_never_disclosed_say_where_it_stands() {
    let book = book();
    for key in [
        "user.government_id.national_identification_number",
        "user.government_id.drivers_license_number",
        "user.financial.bank_account",
        "user.financial.bank_account.iban",
        "user.authorization.password",
        "user.authorization.security_answer",
        "user.health.insurance_id",
        "user.biometric.fingerprint",
    ] {
        assert!(
            book.never_disclosed(key).unwrap().contains("7024(d)"),
            "{key}"
        );
    }
    assert_eq!(book.never_disclosed("user.contact.email"), None);
    assert_eq!(book.never_disclosed("nonsense"), None);
}

#[test]
fn categories_are_known_exactly_and_described_by_their_nearest_parent() {
    let book = book();
    assert!(
        book.is_known_category("user.contact.email")
            && !book.is_known_category("user.contact.email.work")
    );
    assert_eq!(book.ccpa_categories("user.contact.email.work"), ["A"]);
    assert_eq!(
        book.ccpa_categories("user.government_id.passport_number"),
        ["A", "B", "L"]
    );
    assert!(book.ccpa_categories("nonsense").is_empty());
    assert!(
        book.categories()
            .filter(|category| category.sensitive.is_some())
            .all(|c| c.ccpa.contains(&"L".to_owned()))
    );
}

#[test]
fn exceptions_and_denials_have_plain_words_and_a_citation() {
    let book = book();
    assert_eq!(book.exceptions().count(), 17);
    let kept = book.reason("D8_legal_obligation").unwrap();
    assert_eq!(
        (kept.kind, kept.citation.as_str()),
        (ReasonKind::DeletionException, "Civ. Code 1798.105(d)(8)")
    );
    assert!(
        book.reasons()
            .iter()
            .filter(|reason| reason.kind == ReasonKind::Denial)
            .all(|r| r.bucket.is_some())
    );
}

#[test]
fn a_message_with_an_empty_mandatory_field_is_named() {
    let book = book();
    let message = book.message("extension").unwrap();
    assert_eq!(message.missing(&["reason"]), ["new_due_date"]);
    assert!(message.missing(&["new_due_date", "reason"]).is_empty());
}

#[test]
fn a_message_holds_for_its_law_right_and_reason_only() {
    let keys = |law, right, reason, occasion| -> Vec<&str> {
        let found = book().messages_for(law, right, reason, &[occasion]);
        found
            .iter()
            .map(|message| message.message.as_str())
            .collect()
    };
    let denied = Occasion::Denied;
    assert_eq!(keys("ccpa", "delete", None, denied), ["delete_denied"]);
    assert_eq!(keys("ccpa", "know", None, denied), ["know_denied"]);
    assert_eq!(keys("gdpr", "delete", None, denied), ["gdpr_refusal"]);
    assert_eq!(keys("vcdpa", "delete", None, denied), ["state_denial"]);
    assert_eq!(
        keys("ucpa", "delete", None, denied),
        ["state_denial_without_appeal"]
    );
    assert_eq!(
        keys("ccpa", "delete", Some("service_provider_role"), denied),
        ["delete_denied", "service_provider_redirect"]
    );
    assert!(keys("ccpa", "opt_out_sale_share", None, Occasion::Receipt).is_empty());
}

#[test]
fn two_know_requests_in_twelve_months_are_the_limit_in_california_and_no_law_is_given_one_it_lacks()
{
    let limit = |law, right| book().limit(law, right, date(2026, 11, 2)).unwrap();
    let found = limit("ccpa", "know").unwrap();
    assert_eq!((found.most, found.after), (2, date(2025, 11, 2)));
    assert_eq!(found.rights, ["know_categories", "know_specific"]);
    assert_eq!(found.citation, "Civ. Code 1798.130(b)");
    assert_eq!(limit("ccpa", "delete"), None);
    assert_eq!(
        limit("vcdpa", "know"),
        None,
        "free answers twice a year are another rule"
    );
}

#[test]
fn whoever_may_be_asked_under_a_law_has_a_place_to_complain() {
    let kinds = ["know", "delete", "opt_out_sale_share"];
    let asked = |law: &&domain::law::Law| kinds.iter().any(|kind| law.right(kind).is_ok());
    let without: Vec<&str> = book()
        .laws()
        .filter(asked)
        .map(|law| law.key.as_str())
        .filter(|law| book().regulator(law).is_none())
        .collect();
    assert_eq!(without, [""; 0]);
    let agency = book().regulator("ccpa").unwrap();
    assert!(agency.url.as_deref().unwrap().starts_with("https://"));
    assert!(agency.confidence.is_from_memory());
}

#[test]
fn a_message_or_regulator_of_an_unknown_law_right_or_reason_is_refused() {
    let faults = faults_of(|parts| {
        let message = &mut parts.messages.as_mut().unwrap().1.messages[0];
        message.laws.push("moon_act".to_owned());
        message.rights.push("dance".to_owned());
        message.reason = Some("because".to_owned());
        let regulator = &mut parts.regulators.as_mut().unwrap().1.regulators[0];
        regulator.laws = vec!["gdpr".to_owned()];
        regulator.url = Some("javascript:alert(1)".to_owned());
    });
    for expected in [
        "messages.yaml: `ack`: names the law `moon_act`, which no file has",
        "messages.yaml: `ack`: names the right `dance`, which `ccpa` doesn't list",
        "messages.yaml: `ack`: holds for the reason `because`",
        "regulators.yaml: `data_protection_authority`: `gdpr` has a regulator already",
        "regulators.yaml: `california_privacy_protection_agency`: its `url` must begin",
    ] {
        assert!(faults.contains(expected), "{expected}\n{faults}");
    }
}

#[test]
fn an_unknown_unit_names_file_and_rule() {
    let faults = faults_of(|parts| first_row(parts).unit = "fortnights".to_owned());
    assert!(
        faults.contains("california.yaml: `ccpa.respond`: `fortnights` is not a unit"),
        "{faults}"
    );
}

#[test]
fn a_row_without_citation_is_refused() {
    let faults = faults_of(|parts| first_row(parts).citation = " ".to_owned());
    assert!(
        faults.contains("california.yaml: `ccpa.respond`: has no citation"),
        "{faults}"
    );
}

#[test]
fn two_rows_that_hold_at_once_are_refused() {
    let faults = faults_of(|parts| {
        let mut copy = first_row(parts).clone();
        copy.valid_from = date(2026, 6, 1);
        let file = parts
            .jurisdictions
            .iter_mut()
            .find(|(name, _)| name == "california.yaml")
            .unwrap();
        file.1.laws[0].rows.push(copy);
    });
    assert!(
        faults.contains("`ccpa.respond`: two rows hold at once from 2026-06-01"),
        "{faults}"
    );
    let renamed = faults_of(|parts| {
        let mut copy = first_row(parts).clone();
        copy.rule = "ccpa.respond_too".to_owned();
        let file = parts
            .jurisdictions
            .iter_mut()
            .find(|(name, _)| name == "california.yaml")
            .unwrap();
        file.1.laws[0].rows.push(copy);
    });
    assert!(
        renamed.contains("at the same time as `ccpa.respond_too`"),
        "{renamed}"
    );
}

#[test]
fn a_new_row_replaces_an_old_one_from_its_first_day() {
    let mut parts = parts();
    let row = first_row(&mut parts);
    row.valid_to = Some(date(2026, 12, 31));
    let mut newer = row.clone();
    (newer.valid_from, newer.valid_to) = (date(2027, 1, 1), None);
    newer.value = domain::law::Value::Number(30);
    let file = parts
        .jurisdictions
        .iter_mut()
        .find(|(name, _)| name == "california.yaml")
        .unwrap();
    file.1.laws[0].rows.push(newer);
    let book = LawBook::assemble(parts).unwrap();
    let respond_by = |day| {
        book.due("ccpa", "delete", &on(day))
            .unwrap()
            .respond_by
            .unwrap()
    };
    assert_eq!(respond_by(date(2026, 12, 31)), date(2027, 2, 14));
    assert_eq!(respond_by(date(2027, 1, 1)), date(2027, 1, 31));
}

#[test]
fn other_faults_name_what_is_wrong() {
    let value =
        faults_of(|parts| first_row(parts).value = domain::law::Value::Text("soon".to_owned()));
    assert!(
        value.contains("the value `soon` does not fit the unit `calendar_days`"),
        "{value}"
    );
    let right = faults_of(|parts| first_row(parts).rights.push("forget".to_owned()));
    assert!(right.contains("names the right `forget`"), "{right}");
    let source = faults_of(|parts| first_row(parts).source = Some("S99".to_owned()));
    assert!(source.contains("names the source `S99`"), "{source}");
    let unsourced = faults_of(|parts| first_row(parts).source = None);
    assert!(
        unsourced.contains("is marked `verified` without a `source`"),
        "{unsourced}"
    );
    let zone =
        faults_of(|parts| parts.jurisdictions[0].1.time_zone = "America/Atlantis".to_owned());
    assert!(
        zone.contains("`America/Atlantis` is not a time zone"),
        "{zone}"
    );
    let missing = faults_of(|parts| parts.reasons = None);
    assert!(
        missing.contains("reasons.yaml: the file is missing"),
        "{missing}"
    );
}

#[test]
fn a_time_of_receipt_has_two_accepted_forms() {
    assert_eq!("2026-11-02".parse(), Ok(on(date(2026, 11, 2))));
    for wrong in [
        "2026-11-02T23:50:00",
        "2026-02-30",
        "yesterday",
        "",
        "02.11.2026",
        "2026-1-2",
    ] {
        let error = wrong.parse::<Received>().unwrap_err().to_string();
        assert!(
            error.contains("`2026-11-02`") && error.contains("`2026-11-02T23:50:00-08:00`"),
            "{error}"
        );
    }
}
