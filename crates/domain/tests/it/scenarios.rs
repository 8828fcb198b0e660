//! Every dated scenario of `law/scenarios.yaml` is computed from the law data and compared.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeMap;

use domain::law::{Clocks, LawBook, Received};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value;

/// How many scenarios have a date; a smaller number computed is a step back.
const DATED: usize = 59;

/// Scenarios whose right is not said in `given.type`.
const RIGHTS: [(&str, &str); 11] = [
    ("CA-STL-01", "shine_the_light"),
    ("EU-01", "access"),
    ("EU-02", "access"),
    ("EU-03", "access"),
    ("EU-04", "access"),
    ("HIPAA-01", "access"),
    ("HIPAA-04", "accounting"),
    ("US-IA-01", "access"),
    ("US-UT-01", "access"),
    ("US-CT-01", "access"),
    ("US-MULTI-01", "access"),
];

/// Clocks of single duties: scenario, key of `due`, row, key of `given` that it counts from.
const DUTIES: [(&str, &str, &str, &str); 32] = [
    (
        "CA-VER-04",
        "keep_declaration_until_at_least",
        "ccpa.records",
        "response_sent",
    ),
    ("CA-KNOW-01", "floor", "ccpa.look_back_floor", "received"),
    (
        "CA-DEL-05",
        "hold_until",
        "ccpa.police_hold",
        "hold_received",
    ),
    (
        "CA-COR-04",
        "window_ends",
        "ccpa.correct_repeat",
        "previous_denial",
    ),
    ("CA-OPT-02", "notify_by", "ccpa.opt_out_notify", "received"),
    (
        "CA-MIN-02",
        "no_reask_before",
        "ccpa.silence_minor",
        "declined",
    ),
    (
        "CA-MIN-02",
        "sixteenth_birthday",
        "ccpa.age_of_opt_out",
        "birthdate",
    ),
    ("CA-MIN-08", "switch_on", "ccpa.age_of_opt_out", "birthdate"),
    (
        "CA-REC-01",
        "keep_until_at_least",
        "ccpa.records",
        "request_closed",
    ),
    (
        "CA-NOT-05",
        "no_reask_before",
        "ccpa.silence_incentive",
        "refused",
    ),
    (
        "CA-VEN-02",
        "notify_business_by",
        "ccpa.provider_cannot_comply",
        "determined",
    ),
    ("CA-ADM-02", "comply_by", "ccpa.admt_comply", "use_started"),
    (
        "CA-RA-02",
        "complete_before",
        "ccpa.risk_assessment",
        "planned_start",
    ),
    (
        "CA-RA-03",
        "update_by",
        "ccpa.risk_assessment_update",
        "change",
    ),
    (
        "CA-RA-04",
        "produce_by",
        "ccpa.risk_assessment_produce",
        "demand",
    ),
    ("CA-BR-04", "owner_by", "ca_breach.owner", "discovered"),
    (
        "CA-STL-02",
        "respond_by_max",
        "ca_shine.respond_elsewhere",
        "received",
    ),
    (
        "CA-DROP-01",
        "next_download_by",
        "ca_delete_act.download",
        "last_download",
    ),
    (
        "CA-DROP-01",
        "report_by",
        "ca_delete_act.report",
        "last_download",
    ),
    (
        "CA-DROP-04",
        "delete_by",
        "ca_delete_act.new_record",
        "new_record_acquired",
    ),
    ("CA-OPPA-01", "post_by", "ca_caloppa.post", "notified"),
    ("EU-03", "send_by", "gdpr.refuse", "received"),
    (
        "HIPAA-02",
        "individuals_by",
        "hipaa.breach_individuals",
        "discovered",
    ),
    ("HIPAA-02", "media_by", "hipaa.breach_media", "discovered"),
    ("HIPAA-02", "hhs_by", "hipaa.breach_hhs_large", "discovered"),
    (
        "HIPAA-03",
        "individuals_by",
        "hipaa.breach_individuals",
        "discovered",
    ),
    ("HIPAA-03", "hhs_by", "hipaa.breach_hhs_small", "discovered"),
    (
        "HIPAA-04",
        "lookback_from",
        "hipaa.accounting_look_back",
        "received",
    ),
    ("US-CO-01", "appeal_by", "cpa.appeal", "appeal_received"),
    (
        "US-CO-01",
        "appeal_max",
        "cpa.appeal_extended",
        "appeal_received",
    ),
    ("US-OR-01", "appeal_by", "ocpa.appeal", "appeal_received"),
    ("US-RI-01", "cease_by", "ridtppa.consent_revoked", "revoked"),
];

#[derive(Deserialize)]
struct File {
    meta: Meta,
    scenarios: Vec<Scenario>,
}

#[derive(Deserialize)]
struct Meta {
    calendars: BTreeMap<String, BTreeMap<i16, Vec<Date>>>,
}

#[derive(Deserialize)]
struct Scenario {
    id: String,
    law: String,
    given: BTreeMap<String, Value>,
    then: Then,
}

#[derive(Deserialize)]
struct Then {
    due: BTreeMap<String, String>,
}

impl Scenario {
    fn text(&self, key: &str) -> Option<&str> {
        self.given.get(key)?.as_str()
    }

    fn day(&self, key: &str) -> Option<Date> {
        self.text(key)?.parse().ok()
    }

    /// The earliest receipt of the same wish: of duplicates the first, of an agent's the agent's, of two steps the first.
    fn received(&self) -> Option<Received> {
        if let Some(moment) = self.text("received_utc") {
            return moment.parse().ok();
        }
        let keys = [
            "received",
            "received_from_agent",
            "first",
            "second",
            "submitted",
        ];
        keys.iter()
            .filter_map(|key| self.day(key))
            .min()
            .map(Received::Date)
    }

    fn right(&self) -> Option<&str> {
        let named = RIGHTS
            .iter()
            .find(|(id, _)| *id == self.id)
            .map(|(_, right)| *right);
        self.text("type").or(named)
    }

    fn clocks(&self, book: &LawBook, law: &str) -> Option<Clocks> {
        Some(
            book.due(law, self.right()?, &self.received()?)
                .unwrap_or_else(|error| panic!("{}: {error}", self.id)),
        )
    }

    /// What the law data says for one key of `due`; none if no rule is known for it.
    fn compute(&self, book: &LawBook, key: &str) -> Option<String> {
        let duty = DUTIES
            .iter()
            .find(|(id, due, ..)| *id == self.id && *due == key);
        if let Some((_, _, rule, given)) = duty {
            let from = self.day(given)?;
            // An age is asked about on the day of the scenario; everything else on the day it counts from.
            let on = self.day("today").or(self.day("declined")).unwrap_or(from);
            return Some(
                book.rule_date_on(rule, from, on)
                    .unwrap_or_else(|error| panic!("{error}"))
                    .date
                    .to_string(),
            );
        }
        self.compute_special(book, key)
            .or_else(|| self.compute_clock(book, key))
    }

    fn compute_clock(&self, book: &LawBook, key: &str) -> Option<String> {
        let clocks = self.clocks(book, &self.law)?;
        let date = match key {
            "received_local_date" => Some(clocks.received_on),
            "ack_by" => clocks.ack_by,
            "respond_by" | "stop_by" | "cease_by" => clocks.respond_by,
            "max_with_extension" | "max" => clocks.max_with_extension,
            "no_reask_before" => clocks.no_reask_before,
            _ => None,
        };
        date.map(|date| date.to_string())
    }

    fn compute_special(&self, book: &LawBook, key: &str) -> Option<String> {
        let received = || self.day("received");
        let text = match (self.id.as_str(), key) {
            ("CA-CLK-07", "respond_by") => self.extended(book, "extension_notice_sent")?,
            ("EU-02", "respond_by") => self.extended(book, "extended_on")?,
            ("EU-01", "nominal") => book
                .rule_date("gdpr.respond", received()?)
                .unwrap()
                .nominal
                .to_string(),
            ("EU-02", "first_by") => date_of(book, "gdpr.respond", received()?),
            ("EU-02", "nominal_max") => book
                .rule_date("gdpr.extended", received()?)
                .unwrap()
                .nominal
                .to_string(),
            ("EU-04", "conservative_respond_by") => {
                self.clocks(book, "gdpr")?.respond_by?.to_string()
            }
            ("EU-04", "suspended_respond_by") => {
                let clocks = self.clocks(book, "gdpr")?;
                let moved =
                    book.suspend(&clocks, self.day("id_requested")?, self.day("id_received")?);
                moved.unwrap().respond_by?.to_string()
            }
            ("EU-05", "authority_by") => {
                let aware: Timestamp = self.text("aware")?.parse().unwrap();
                book.rule_moment("gdpr.breach_authority", aware)
                    .unwrap()
                    .to_string()
            }
            ("EU-09", "inform_by") => {
                let at_latest = date_of(book, "gdpr.inform_indirect", self.day("obtained")?);
                at_latest.min(date_of(
                    book,
                    "gdpr.inform_first_communication",
                    self.day("first_communication")?,
                ))
            }
            ("CA-CYB-01", "report_by") => date_of(
                book,
                "ccpa.cyber_audit_over_100m",
                "2026-12-31".parse().unwrap(),
            ),
            ("CA-DROP-05", "register_by") => {
                let year = i16::try_from(self.given["first_year"].as_i64()?).unwrap();
                date_of(
                    book,
                    "ca_delete_act.register",
                    Date::new(year, 6, 1).unwrap(),
                )
            }
            ("US-MULTI-01", "governing") => {
                let both = [self.clocks(book, "ccpa")?, self.clocks(book, "gdpr")?];
                domain::law::earliest(&both)?.respond_by?.to_string()
            }
            ("US-MULTI-01", law) => self.clocks(book, law)?.respond_by?.to_string(),
            _ => return None,
        };
        Some(text)
    }

    fn extended(&self, book: &LawBook, notice: &str) -> Option<String> {
        let clocks = self.clocks(book, &self.law)?;
        Some(
            clocks
                .extend(self.day(notice)?)
                .unwrap()
                .respond_by?
                .to_string(),
        )
    }
}

fn date_of(book: &LawBook, rule: &str, from: Date) -> String {
    book.rule_date(rule, from)
        .unwrap_or_else(|error| panic!("{error}"))
        .date
        .to_string()
}

fn file() -> File {
    let text = std::fs::read_to_string(crate::law::folder().join("scenarios.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

#[test]
fn every_dated_scenario_comes_out_of_the_law_data() {
    let book = crate::law::book();
    let (mut computed, mut wrong, mut left) = (0, Vec::new(), Vec::new());
    let scenarios = file().scenarios;
    for scenario in scenarios
        .iter()
        .filter(|scenario| !scenario.then.due.is_empty())
    {
        let mut is_computed = true;
        for (key, expected) in &scenario.then.due {
            match scenario.compute(book, key) {
                Some(date) if date == *expected => {}
                Some(date) => wrong.push(format!(
                    "{} {key}: expected {expected}, computed {date}",
                    scenario.id
                )),
                None => is_computed = false,
            }
        }
        computed += usize::from(is_computed);
        if !is_computed {
            left.push(scenario.id.clone());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        computed >= DATED,
        "computed {computed} of {DATED}; not computed: {}",
        left.join(", ")
    );
}

/// Where a scenario without a date is proven, or why not yet.
enum Proof {
    /// By the law data or the domain alone.
    Here(fn(&LawBook, &Scenario)),
    /// By this test in that file.
    In(&'static str, &'static str),
    /// By an issue to come: 3 is the vault, consent and signals; 4 is policies and the ledger.
    Issue(u8, &'static str),
    /// By nothing that is planned in an issue yet.
    Unplanned(&'static str),
}

use Proof::{Here, In, Issue, Unplanned};

const GOVERNANCE: &str = include_str!("../../../governance/tests/it/scenarios.rs");
const CONSENT: &str = include_str!("consent.rs");
const NOTICE: &str = include_str!("purpose_and_notice.rs");
const SERVER: &str = include_str!("../../../server/tests/it/scenarios.rs");

/// Every scenario without a date.
const UNDATED: [(&str, Proof); 61] = [
    ("CA-CLK-05", In(GOVERNANCE, "ca_clk_05")),
    ("CA-INT-01", In(GOVERNANCE, "ca_int_01")),
    ("CA-INT-02", In(SERVER, "ca_int_02")),
    ("CA-INT-03", In(CONSENT, "ca_int_03")),
    ("CA-APP-02", Here(received_records_do_not_count)),
    ("CA-APP-03", Here(no_value_stands_for_2027)),
    ("CA-VER-01", In(GOVERNANCE, "ca_ver_01")),
    ("CA-VER-02", Here(data_points_suffice)),
    ("CA-VER-03", Here(data_points_do_not_suffice)),
    ("CA-VER-06", Issue(3, "accounts and signs of fraud")),
    ("CA-VER-08", Issue(3, "other ways to verify than a code")),
    ("CA-VER-10", Issue(3, "other ways to verify than a code")),
    ("CA-VER-12", Issue(3, "agents")),
    ("CA-VER-13", Issue(3, "agents")),
    ("CA-VER-14", In(CONSENT, "ca_ver_14")),
    ("CA-VER-16", In(GOVERNANCE, "ca_ver_16")),
    ("CA-KNOW-04", Issue(4, "exemptions as tags on data")),
    ("CA-KNOW-05", In(GOVERNANCE, "ca_know_05")),
    ("CA-KNOW-06", Issue(4, "exemptions as tags on systems")),
    ("CA-KNOW-08", In(GOVERNANCE, "ca_know_08")),
    ("CA-KNOW-10", Unplanned("answers by post")),
    (
        "CA-DEL-02",
        Issue(3, "destroyed keys, so that backups forget too"),
    ),
    ("CA-DEL-03", In(GOVERNANCE, "ca_del_03")),
    ("CA-DEL-07", In(GOVERNANCE, "ca_del_07")),
    ("CA-DEL-08", In(SERVER, "ca_del_08")),
    ("CA-DEL-10", In(GOVERNANCE, "ca_del_10")),
    ("CA-COR-01", Issue(3, "correction")),
    ("CA-COR-02", Issue(3, "correction")),
    ("CA-COR-05", Issue(3, "correction")),
    ("CA-COR-07", Issue(3, "correction")),
    ("CA-COR-08", Issue(3, "correction")),
    ("CA-OPT-06", In(CONSENT, "ca_opt_06")),
    ("CA-OPT-07", In(CONSENT, "ca_opt_07")),
    ("CA-OPT-08", In(CONSENT, "ca_opt_08")),
    ("CA-OPT-09", In(CONSENT, "ca_opt_09")),
    ("CA-OPT-12", Issue(4, "purposes of sensitive data")),
    ("CA-OPT-13", In(CONSENT, "ca_opt_13")),
    ("CA-OPT-14", In(CONSENT, "ca_opt_14")),
    ("CA-OPT-15", In(CONSENT, "ca_opt_15")),
    ("CA-OPT-16", In(GOVERNANCE, "ca_opt_16")),
    ("CA-OPT-17", In(CONSENT, "ca_opt_17")),
    ("CA-MIN-01", In(CONSENT, "ca_min_01")),
    ("CA-MIN-03", In(CONSENT, "ca_min_03")),
    ("CA-REC-02", Issue(4, "purposes of the records")),
    ("CA-REC-05", Here(metrics_are_optional_below_the_threshold)),
    ("CA-NOT-01", In(NOTICE, "ca_not_01")),
    ("CA-NOT-03", In(CONSENT, "ca_not_03")),
    ("CA-NOT-04", In(NOTICE, "ca_not_04")),
    (
        "CA-VEN-01",
        Here(without_a_compliant_contract_it_is_a_third_party),
    ),
    ("CA-VEN-03", Issue(4, "disclosures that are shares")),
    ("CA-BR-03", Unplanned("incidents")),
    ("CA-BR-05", Unplanned("incidents")),
    ("EU-06", In(GOVERNANCE, "eu_06")),
    ("EU-07", In(GOVERNANCE, "eu_07")),
    ("EU-08", In(CONSENT, "eu_08")),
    ("US-MT-01", Here(no_cure_period_is_left)),
    ("US-MD-01", In(CONSENT, "us_md_01")),
    ("US-DE-01", In(CONSENT, "us_de_01")),
    ("US-VA-02", In(CONSENT, "us_va_02")),
    ("US-TX-01", In(CONSENT, "us_tx_01")),
    ("US-OK-01", In(GOVERNANCE, "us_ok_01")),
];

/// Only who buys, sells or shares counts; what was merely collected has no row.
fn received_records_do_not_count(book: &LawBook, scenario: &Scenario) {
    let on = Date::new(2026, 1, 1).unwrap();
    let (_, row) = row_of(book, "ccpa.covered_consumers", on);
    assert!(
        row.text
            .note
            .as_deref()
            .unwrap()
            .contains("bought, sold or shared")
    );
    let given = |key: &str| scenario.given[key].as_i64().unwrap();
    let most = book.number("ccpa.covered_consumers", on).unwrap();
    assert!(given("consumers_bought_sold_shared") < most && given("consumers_collected") >= most);
    assert!(given("revenue_2025") < book.number("ccpa.covered_revenue", on).unwrap());
}

/// The value of 2025 has an end, so nobody takes it for that of 2027 by mistake. An assessment that marks itself provisional is not
/// there yet.
fn no_value_stands_for_2027(book: &LawBook, scenario: &Scenario) {
    let today = scenario.day("today").unwrap();
    assert!(book.number("ccpa.covered_revenue", today).is_err());
    assert!(
        book.number(
            "ccpa.covered_revenue",
            today
                .yesterday()
                .unwrap()
                .with()
                .year(2026)
                .build()
                .unwrap()
        )
        .is_ok()
    );
}

/// What the rows ask of somebody without an account. The program itself mails a code, which is another method.
fn matches(book: &LawBook, scenario: &Scenario, rule: &str) -> bool {
    let on = Date::new(2026, 11, 2).unwrap();
    let wanted = book.number(rule, on).unwrap();
    scenario.given["matched_data_points"].as_i64().unwrap() >= wanted
}

fn data_points_suffice(book: &LawBook, scenario: &Scenario) {
    assert!(matches(book, scenario, "ccpa.verify_categories"));
    let level = book
        .verification("ccpa", scenario.right().unwrap())
        .unwrap();
    assert_eq!(level, domain::law::Verification::Reasonable);
}

fn data_points_do_not_suffice(book: &LawBook, scenario: &Scenario) {
    assert!(!matches(book, scenario, "ccpa.verify_specific"));
    let level = book
        .verification("ccpa", scenario.right().unwrap())
        .unwrap();
    assert_eq!(level, domain::law::Verification::ReasonablyHigh);
}

fn metrics_are_optional_below_the_threshold(book: &LawBook, scenario: &Scenario) {
    let on = Date::new(2026, 7, 1).unwrap();
    let threshold = book.number("ccpa.metrics_threshold", on).unwrap();
    assert!(scenario.given["consumers"].as_i64().unwrap() < threshold);
}

/// A person judges the contract's words; the data map says whether it is compliant, and the role follows.
fn without_a_compliant_contract_it_is_a_third_party(_: &LawBook, scenario: &Scenario) {
    use domain::recipient::{
        ChannelKind, Recipient, RecipientRole, ReminderRule, VerificationLevel,
    };
    assert_eq!(scenario.text("role"), Some("service_provider"));
    let recipient = |contract_compliant| Recipient {
        key: "mill".into(),
        title: "Paper Mill".to_owned(),
        role: RecipientRole::ServiceProvider,
        contract_compliant,
        categories: std::collections::BTreeSet::new(),
        purpose: scenario.text("purpose_text").unwrap().to_owned(),
        sold: false,
        shared: false,
        known_by: Vec::new(),
        required_level: VerificationLevel::Attested,
        consideration: None,
        channel: ChannelKind::Email,
        reminders: ReminderRule::default(),
        subjects_a_minute: Recipient::SUBJECTS_A_MINUTE,
    };
    assert_eq!(recipient(false).effective_role(), RecipientRole::ThirdParty);
    assert_eq!(
        recipient(true).effective_role(),
        RecipientRole::ServiceProvider
    );
}

fn no_cure_period_is_left(book: &LawBook, scenario: &Scenario) {
    let violation = scenario.day("violation").unwrap();
    assert!(book.rule_date("mtcdpa.cure", violation).is_err());
    assert!(
        book.rule_date("mtcdpa.cure", "2025-09-30".parse().unwrap())
            .is_ok()
    );
}

fn row_of<'b>(
    book: &'b LawBook,
    rule: &str,
    on: Date,
) -> (&'b domain::law::Law, &'b domain::law::Row) {
    let law = book.law(rule.split('.').next().unwrap()).unwrap();
    let row = law
        .rows
        .iter()
        .find(|row| row.text.rule == rule && row.is_valid_on(on));
    (law, row.unwrap())
}

#[test]
fn every_scenario_without_a_date_is_proven_or_named_with_what_it_waits_for() {
    let book = crate::law::book();
    let scenarios = file().scenarios;
    let undated: Vec<&Scenario> = scenarios
        .iter()
        .filter(|scenario| scenario.then.due.is_empty())
        .collect();
    let ids: Vec<&str> = undated
        .iter()
        .map(|scenario| scenario.id.as_str())
        .collect();
    assert_eq!(
        ids,
        UNDATED.map(|(id, _)| id),
        "one place each, in the order of the file"
    );
    let (mut proven, mut waiting) = (0, 0);
    for (scenario, (id, proof)) in undated.iter().zip(&UNDATED) {
        match proof {
            Here(prove) => prove(book, scenario),
            In(tests, name) => assert!(
                tests.contains(&format!("fn {name}_")),
                "{id}: no test begins with `{name}_`"
            ),
            Issue(number, what) => assert!(matches!(number, 3 | 4) && !what.is_empty(), "{id}"),
            Unplanned(what) => assert!(!what.is_empty(), "{id}"),
        }
        if matches!(proof, Here(_) | In(..)) {
            proven += 1;
        } else {
            waiting += 1;
        }
    }
    assert_eq!((proven, waiting), (42, 19), "what is proven stays proven");
}

#[test]
fn no_extension_is_granted_after_the_first_month_of_the_gdpr() {
    let clocks = crate::law::book()
        .due(
            "gdpr",
            "access",
            &Received::Date("2026-11-30".parse().unwrap()),
        )
        .unwrap();
    assert!(clocks.extend("2026-12-31".parse().unwrap()).is_err());
}

#[test]
fn the_calendars_of_2026_and_2027_are_the_given_ones() {
    let book = crate::law::book();
    for (key, years) in file().meta.calendars {
        for (year, days) in years {
            assert_eq!(
                book.calendar(&key).unwrap().holidays_in(year),
                Some(days),
                "{key} {year}"
            );
        }
    }
}
