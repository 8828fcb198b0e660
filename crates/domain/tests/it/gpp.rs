//! Every published and generated GPP string, read and written again, and what strings mean in our words.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeMap;

use domain::gpp::{
    ChildProcessing, Choice, Choices, Gpp, GppError, MAX_LENGTH, Mspa, Offer, OptOutSignal,
    Section, SectionId, SensitiveCategory, Stated, Value,
};
use serde_json::{Value as Json, json};

pub(crate) const SECTION_STRINGS: &str = include_str!("../vectors/iab-gpp/section-strings.jsonl");
pub(crate) const GPP_STRINGS: &str = include_str!("../vectors/iab-gpp/gpp-strings.jsonl");
const GENERATED_US: &str = include_str!("../vectors/iab-gpp/generated-us.jsonl");
const GENERATED_TCF_EU: &str = include_str!("../vectors/iab-gpp/generated-tcfeuv2.jsonl");

pub(crate) fn lines(text: &str) -> Vec<Json> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// How many vectors of each section were read, and how many came out byte for byte.
#[derive(Default, Debug, PartialEq, Eq)]
struct Tally(BTreeMap<String, (usize, usize)>);

impl Tally {
    fn count(&mut self, section: &str, same: bool) {
        let (read, written) = self.0.entry(section.to_owned()).or_default();
        *read += 1;
        *written += usize::from(same);
    }
}

/// Compares all fields that the oracle names with ours.
fn assert_decodes(section: &Section, decoded: &Json) {
    for (name, expected) in decoded.as_object().unwrap() {
        let Some(value) = section.value(name) else {
            // The oracle fills in segments that are not there.
            assert!(is_blank(name, expected), "{name} of {}", section.id());
            continue;
        };
        let mut ours = serde_json::to_value(value).unwrap();
        if section.id() == SectionId::US_NATIONAL && section.version() == 1 {
            // In the layout of version 2, under version 1, the oracle cuts off what version 1 did not have; we keep it.
            shorten(&mut ours, expected);
        }
        assert_eq!(&ours, expected, "{name} of {}", section.id());
    }
}

fn shorten(ours: &mut Json, expected: &Json) {
    if let (Json::Array(ours), Json::Array(expected)) = (ours, expected) {
        ours.truncate(expected.len());
    }
}

fn is_blank(name: &str, value: &Json) -> bool {
    match value {
        Json::Number(_) => name.ends_with("SegmentType") || value == 0,
        Json::Array(items) => items.iter().all(|item| item == false || item == 0),
        _ => value == false,
    }
}

#[test]
fn generated_sections_of_the_united_states_survive() {
    let mut tally = Tally::default();
    for vector in lines(GENERATED_US) {
        let id = SectionId(u16::try_from(vector["section_id"].as_u64().unwrap()).unwrap());
        let text = vector["gpp"].as_str().unwrap();
        let gpp = Gpp::parse(text).unwrap();
        let section = gpp.section(id).unwrap();
        assert_eq!(section.to_string(), vector["string"].as_str().unwrap());
        assert_decodes(section, &vector["decoded"]);
        tally.count(vector["section"].as_str().unwrap(), gpp.to_string() == text);
    }
    assert_eq!(tally.0.len(), 21);
    for (section, counts) in &tally.0 {
        assert_eq!(*counts, (25, 25), "{section}");
    }
}

#[test]
fn generated_consents_of_the_european_framework_survive() {
    let vectors = lines(GENERATED_TCF_EU);
    for vector in &vectors {
        let text = vector["string"].as_str().unwrap();
        let section = Section::parse(SectionId::TCF_EU, text).unwrap();
        assert_decodes(&section, &vector["decoded"]);
        assert_eq!(section.to_string(), text);
    }
    assert_eq!(vectors.len(), 40);
}

/// What became of a string that was read and written again.
#[derive(Default, Debug, PartialEq, Eq)]
struct Written {
    /// Byte for byte.
    same: usize,
    /// But for zeros that fill up a segment.
    padded: usize,
    /// Version 2 of the national section in the layout of version 1, written in its own.
    lengthened: usize,
    refused: usize,
}

impl Written {
    fn count(&mut self, text: &str, again: &str) {
        if text == again {
            self.same += 1;
        } else if unpadded(text) == unpadded(again) {
            self.padded += 1;
        } else {
            let lengthened = [
                "CVQqAAAACg",
                "DBABLA~CAAAAAAAAQA.QA",
                "DBABLA~CAAAAAABEQA.QA",
            ];
            assert!(lengthened.contains(&text), "{text} became {again}");
            self.lengthened += 1;
        }
    }
}

/// Each part without the zeros at its end; `A` is six of them.
fn unpadded(text: &str) -> Vec<&str> {
    let parts = text.split(['~', '.']);
    parts.map(|part| part.trim_end_matches('A')).collect()
}

/// The section that a test class of the upstream suites is about; earlier names of the same are in it too.
fn section_of(class: &str) -> SectionId {
    let name = class.to_lowercase();
    let known = SectionId::named(&name);
    let renamed = || SectionId::named(&name.replace("usp", "us").replace("v1", ""));
    known.or_else(renamed).unwrap()
}

#[test]
fn every_published_section_string_is_read_as_the_oracle_reads_it() {
    let vectors = lines(SECTION_STRINGS);
    assert_eq!(vectors.len(), 153);
    let (headers, sections): (Vec<_>, Vec<_>) = vectors
        .iter()
        .partition(|vector| vector["section"] == "HeaderV1");
    for header in &headers {
        let text = header["string"].as_str().unwrap();
        let named = header["decoded"]["SectionIds"]
            .as_array()
            .map_or(0, Vec::len);
        let whole = format!(
            "{text}{}",
            ["", "~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA", "~1YNN"][..=named].concat()
        );
        assert_eq!(
            Gpp::parse(&whole).is_err(),
            header.get("error").is_some(),
            "{whole}"
        );
    }
    let mut tally = Tally::default();
    let mut written = Written::default();
    for vector in sections {
        let (class, text) = (
            vector["section"].as_str().unwrap(),
            vector["string"].as_str().unwrap(),
        );
        let Ok(section) = Section::parse(section_of(class), text) else {
            assert!(vector.get("decoded").is_none(), "{class} {text}");
            written.refused += 1;
            continue;
        };
        assert!(vector.get("error").is_none(), "{class} {text}");
        if let Some(decoded) = vector.get("decoded") {
            assert_decodes(&section, decoded);
        }
        let again = section.to_string();
        assert!(
            vector.get("reencoded") != Some(&json!(text)) || again == text,
            "{text} is canonical"
        );
        written.count(text, &again);
        tally.count(section.id().name().unwrap(), again == text);
    }
    println!(
        "{} headers; {written:?}; read and byte for byte: {tally:?}",
        headers.len()
    );
    assert_eq!(headers.len(), 4);
    assert_eq!(
        written,
        Written {
            same: 114,
            padded: 7,
            lengthened: 1,
            refused: 27
        }
    );
    let counts: Vec<_> = tally
        .0
        .iter()
        .map(|(name, counts)| (name.as_str(), *counts))
        .collect();
    let expected = [
        ("tcfcav1", (8, 7)),
        ("tcfeuv2", (14, 9)),
        ("usca", (10, 10)),
        ("usco", (4, 4)),
        ("usct", (10, 10)),
        ("usde", (4, 4)),
        ("usfl", (2, 2)),
        ("usia", (4, 4)),
        ("usin", (3, 3)),
        ("usky", (3, 3)),
        ("usmd", (3, 3)),
        ("usmn", (4, 4)),
        ("usmt", (4, 4)),
        ("usnat", (12, 10)),
        ("usne", (4, 4)),
        ("usnh", (4, 4)),
        ("usnj", (4, 4)),
        ("usor", (4, 4)),
        ("uspv1", (6, 6)),
        ("usri", (3, 3)),
        ("ustn", (4, 4)),
        ("ustx", (4, 4)),
        ("usut", (2, 2)),
        ("usva", (2, 2)),
    ];
    assert_eq!(counts, expected);
}

/// Its Canadian restrictions are in none of the two codings; the oracle reads half of them and drops the rest.
const CONTRADICTORY: &str = "DBACOeA~CPSG_8APSG_8ANwAAAENAwCgAAAAAAAAAAAAAAAAAAAA.IAAA.YAAAAAAAAAAA~BPSG_8APSG_8AAyACAENGdCgf_gfgAfgfgBgABABAAABAB4AACACADwAAEAE.fHHHA4444ao~1YNN";

#[test]
fn every_published_gpp_string_is_read_as_the_oracle_reads_it() {
    let vectors = lines(GPP_STRINGS);
    assert_eq!(vectors.len(), 71);
    let mut written = Written::default();
    let mut sections = 0;
    for vector in vectors {
        let text = vector["gpp_string"].as_str().unwrap();
        let Ok(gpp) = Gpp::parse(text) else {
            assert!(
                vector.get("error").is_some() || text == CONTRADICTORY,
                "{text}"
            );
            written.refused += 1;
            continue;
        };
        assert!(vector.get("error").is_none(), "{text}");
        let decoded = vector["sections"].as_object().into_iter().flatten();
        for (name, decoded) in decoded {
            assert_decodes(
                gpp.section(SectionId::named(name).unwrap()).unwrap(),
                decoded,
            );
            sections += 1;
        }
        if text.is_empty() {
            assert_eq!(gpp.to_string(), "DBAA");
        } else {
            written.count(text, &gpp.to_string());
        }
    }
    println!("{written:?}; {sections} sections in them");
    assert_eq!(
        written,
        Written {
            same: 50,
            padded: 11,
            lengthened: 2,
            refused: 7
        }
    );
    assert_eq!(sections, 152);
}

#[test]
fn a_contradictory_section_hides_nothing_in_the_others() {
    let (gpp, unreadable) = Gpp::parse_readable(CONTRADICTORY).unwrap();
    assert_eq!(unreadable.len(), 1);
    assert_eq!(
        unreadable[0].to_string(),
        "section `tcfcav1` goes on where it should end"
    );
    assert_eq!(
        gpp.sections().map(|(id, _)| id.0).collect::<Vec<_>>(),
        [2, 6]
    );
    assert_eq!(gpp.to_string(), CONTRADICTORY);
}

#[test]
fn the_string_that_makes_the_published_library_run_out_of_memory_is_read() {
    let vectors = lines(GPP_STRINGS);
    let vector = vectors
        .iter()
        .find(|vector| vector.get("lib_crash").is_some())
        .unwrap();
    let gpp = Gpp::parse(vector["gpp_string"].as_str().unwrap()).unwrap();
    let section = gpp.section(SectionId::TCF_CA).unwrap();
    let vendors = section.ids("VendorExpressConsent").unwrap();
    assert_eq!((vendors.len(), vendors.contains(1_358)), (66, true));
}

#[test]
fn a_section_that_nobody_knows_yet_survives() {
    let text = "DBABYA~BOEFEAyOEFEAyAHABDENAI4AAAB9vABAASA";
    let mut gpp = Gpp::parse(text).unwrap();
    assert_eq!(gpp.section_ids().collect::<Vec<_>>(), [SectionId(1)]);
    assert_eq!(gpp.sections().count(), 0);
    assert_eq!(gpp.to_string(), text);
    gpp.insert(Section::parse(SectionId::USP, "1YNN").unwrap());
    let again = Gpp::parse(&gpp.to_string()).unwrap();
    assert!(
        again == gpp
            && again
                .to_string()
                .contains("~BOEFEAyOEFEAyAHABDENAI4AAAB9vABAASA~1YNN")
    );
}

#[test]
fn a_segment_that_nobody_knows_yet_survives() {
    let text = "DBABBg~BAAAAABA.QA.gAAA";
    assert_eq!(Gpp::parse(text).unwrap().to_string(), text);
}

#[test]
fn a_string_that_is_too_long_or_foreign_is_refused_without_being_repeated() {
    assert_eq!(
        Gpp::parse(&"A".repeat(MAX_LENGTH + 1)),
        Err(GppError::TooLong)
    );
    let foreign = Gpp::parse("DBABBg~BAAAAABA.QA\nPlanted").unwrap_err();
    assert_eq!(foreign, GppError::Character { position: 19 });
    for text in [
        "DBABBg~BPlant",
        "DBABBg~BA",
        "DBABTA~1YXN",
        "DBABTA~1Planted",
        "DBABBg~BAAAAABA.",
        "DBABBg~BAAAAABA.QA.YA",
    ] {
        let error = Gpp::parse(text).unwrap_err().to_string();
        let section = error.contains("`usca`") || error.contains("`uspv1`");
        assert!(
            section && !error.contains("Planted") && !error.contains("YXN"),
            "{text}: {error}"
        );
    }
}

#[test]
fn an_error_names_section_and_field() {
    let error = Gpp::parse("DBABBg~BAA").unwrap_err().to_string();
    assert_eq!(
        error,
        "field `KnownChildSensitiveDataConsents` of section `usca` ends too early"
            .replace("KnownChildSensitiveDataConsents", "SensitiveDataProcessing")
    );
}

#[test]
fn what_somebody_chose_is_in_no_debug_output() {
    let gpp = Gpp::parse("DBABBg~BVqqqqpY.YA").unwrap();
    assert_eq!(format!("{gpp:?}"), "{SectionId(8)}");
    assert_eq!(
        format!("{:?}", gpp.section(SectionId(8)).unwrap()),
        "Section(usca)"
    );
}

#[test]
fn a_section_is_shown_to_pages_field_by_field() {
    let section = Section::parse(SectionId::US_CALIFORNIA, "BVVVVVVY.YA").unwrap();
    let shown = json!({
        "Version": 1, "SaleOptOutNotice": 1, "SharingOptOutNotice": 1, "SensitiveDataLimitUseNotice": 1,
        "SaleOptOut": 1, "SharingOptOut": 1, "SensitiveDataProcessing": [1, 1, 1, 1, 1, 1, 1, 1, 1],
        "KnownChildSensitiveDataConsents": [1, 1], "PersonalDataConsents": 1, "MspaCoveredTransaction": 1,
        "MspaOptOutOptionMode": 1, "MspaServiceProviderMode": 2, "GpcSegmentType": 1, "Gpc": true,
    });
    assert_eq!(serde_json::to_value(&section).unwrap(), shown);
}

#[test]
fn global_privacy_control_in_a_string_stops_sale_whatever_the_fields_say() {
    let signal = Gpp::parse("DBABBg~BVqqqqpY.YA").unwrap().opt_out_signal();
    assert_eq!(
        signal.sale,
        Some(Stated {
            refused: false,
            by: SectionId::US_CALIFORNIA
        })
    );
    assert_eq!(signal.gpc, Some(SectionId::US_CALIFORNIA));
    assert!(signal.stops_sale() && signal.stops_sharing() && signal.stops_targeted_advertising());
}

#[test]
fn a_string_without_an_opt_out_stops_nothing() {
    let signal = Gpp::parse("DBABBg~BVqqqqpY.QA").unwrap().opt_out_signal();
    assert!(
        !signal.stops_sale() && !signal.stops_sharing() && !signal.stops_targeted_advertising()
    );
    assert_eq!(Gpp::default().opt_out_signal(), OptOutSignal::default());
}

#[test]
fn where_sections_differ_the_refusal_wins_and_says_whose_it_is() {
    let mut gpp = Gpp::parse("DBABLA~CqqqqqqqqqpY.QA").unwrap();
    gpp.insert(Section::parse(SectionId::US_CALIFORNIA, "BVWVVVVY.QA").unwrap());
    gpp.insert(Section::parse(SectionId::USP, "1YNN").unwrap());
    let signal = gpp.opt_out_signal();
    assert_eq!(
        signal.sale,
        Some(Stated {
            refused: true,
            by: SectionId::US_CALIFORNIA
        })
    );
    let national = Stated {
        refused: false,
        by: SectionId::US_NATIONAL,
    };
    assert_eq!(signal.targeted_advertising, Some(national));
    assert_eq!(
        signal.sensitive[&SensitiveCategory::VictimOfCrime],
        national
    );
    assert!(signal.sensitive[&SensitiveCategory::UnionMembership].refused);
    assert_eq!(
        signal
            .sections
            .iter()
            .map(|one| one.section.0)
            .collect::<Vec<_>>(),
        [6, 7, 8]
    );
}

#[test]
fn the_us_privacy_string_says_sale() {
    let signal = |text: &str| {
        Gpp::parse(&format!("DBABTA~{text}"))
            .unwrap()
            .opt_out_signal()
    };
    assert!(signal("1YYN").stops_sale());
    assert_eq!(
        signal("1YNN").sale,
        Some(Stated {
            refused: false,
            by: SectionId::USP
        })
    );
    assert_eq!(signal("1---").sale, None);
}

#[test]
fn a_known_child_is_known_by_what_is_said_about_it() {
    let mut section = Section::blank(SectionId(17)).unwrap();
    assert_eq!(
        section.set(
            "KnownChildSensitiveDataConsents",
            Value::Integers(vec![0, 1, 2, 0, 0])
        ),
        Ok(())
    );
    let mut gpp = Gpp::default();
    gpp.insert(section);
    let signal = gpp.opt_out_signal();
    assert!(signal.is_child());
    assert!(signal.known_child[&ChildProcessing::SaleFrom13To15].refused);
    assert!(!signal.known_child[&ChildProcessing::AdvertisingFrom13To15].refused);
    assert_eq!(signal.known_child.len(), 2);
}

/// Refused all she could, sensitive data by category, in opt-out option mode.
fn refusals() -> Choices {
    let refused = Offer {
        notice_given: true,
        choice: Choice::Refused,
    };
    Choices {
        processing_notice: Some(true),
        sale: refused,
        sharing: refused,
        targeted_advertising: refused,
        sensitive_notice: Some(true),
        sensitive: BTreeMap::from([
            (SensitiveCategory::RacialOrEthnicOrigin, Choice::Allowed),
            (SensitiveCategory::Health, Choice::Refused),
            (SensitiveCategory::PreciseGeolocation, Choice::Refused),
        ]),
        other_purposes: Choice::Refused,
        gpc: true,
        mspa: Mspa::OptOutOption,
        ..Choices::default()
    }
}

#[test]
fn choices_become_the_strings_that_the_published_library_writes() {
    let expected: [(&str, &str); 5] = [
        ("usca", "DBABBg~BVUGAQFY.YA"),
        ("usnat", "DBABLA~CVVVhAEAAAFY.YA"),
        ("usmd", "DBABEYA~BVVU.YA"),
        ("usky", "DBABCYA~BVVR.hAE"),
        ("uspv1", "DBABTA~1YYY"),
    ];
    for (section, text) in expected {
        let gpp = Gpp::from_choices([SectionId::named(section).unwrap()], &refusals()).unwrap();
        assert_eq!(gpp.to_string(), text, "{section}");
    }
}

#[test]
fn refusals_in_any_section_of_the_united_states_stop_sale_again() {
    let us: Vec<SectionId> = SectionId::known().filter(|id| id.is_us()).collect();
    assert_eq!(us.len(), 22);
    for id in us {
        let text = Gpp::from_choices([id], &refusals()).unwrap().to_string();
        let signal = Gpp::parse(&text).unwrap().opt_out_signal();
        assert_eq!(
            signal.sale,
            Some(Stated {
                refused: true,
                by: id
            })
        );
        assert_eq!(signal.mspa_covered, (id != SectionId::USP).then_some(true));
    }
}

#[test]
fn global_privacy_control_is_an_opt_out_in_sections_that_have_no_field_for_it() {
    let choices = Choices {
        gpc: true,
        ..Choices::default()
    };
    let signal = Gpp::from_choices([SectionId(9), SectionId(25)], &choices)
        .unwrap()
        .opt_out_signal();
    assert_eq!(signal.gpc, None);
    assert!(signal.stops_sale() && signal.stops_targeted_advertising());
}

#[test]
fn no_consents_are_minted_for_the_frameworks() {
    let error = Gpp::from_choices([SectionId::TCF_EU], &refusals()).unwrap_err();
    assert_eq!(
        error,
        GppError::NotWritten {
            section: SectionId::TCF_EU
        }
    );
}
