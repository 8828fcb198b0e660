//! Files of purposes and notices: whole ones are taken, and of broken ones every fault is told at once with its place.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use domain::notice::{NotShown, NoticeFile, NoticeKey, Text, digest};
use domain::purpose_of_use::{Choice, PurposeFile};

use crate::consent::fixture::{
    NOTICES, PURPOSES, at, notices, notices_of, purpose, purposes, purposes_of, shown,
};

#[test]
fn what_is_declared_is_read_and_what_is_not_said_is_the_strict_way() {
    let found = purpose("marketing_email");
    assert_eq!(
        (found.declared("ccpa"), found.declared("gdpr")),
        (Choice::OptOut, Choice::OptIn)
    );
    assert!(!found.is_sale_like() && !found.is_sensitive());
    assert!(
        purpose("sell_places")
            .sensitive
            .contains("precise_geolocation")
    );
    let text = "purposes: {news: {title: {en: News}, description: {en: We write.}, categories: [user.contact.email]}}";
    let book = purposes_of(text).unwrap();
    assert_eq!(book.iter().next().unwrap().choice, Choice::OptIn);
    assert_eq!(purposes().iter().count(), 8);
}

#[test]
fn every_fault_of_a_file_of_purposes_is_told_at_once() {
    let faults = purposes_of(
        r#"
purposes:
  Sell-It:
    title: {en: "Sale", es: "Venta"}
    description: {en: ""}
    categories: [user.shoe_size]
    uses: [sale]
    choice: none
    choice_under: {moon_act: opt_in}
    consent_lasts_months: 0
    dpv: "dpv:SellProducts"
  card:
    title: {}
    description: {en: "Points."}
    categories: []
    uses: [incentive]
    choice: opt_out
    recipients: [nobody]
"#,
    )
    .unwrap_err()
    .to_string();
    for expected in [
        "purposes.yaml: `Sell-It`: is not a key",
        "`Sell-It.description`: is empty in `en`",
        "`Sell-It.description`: is missing in `es`",
        "`Sell-It.categories`: no data category is called `user.shoe_size`",
        "`Sell-It.recipients`: is empty, but what is sold",
        "`Sell-It.choice`: is `none`, but nobody may be kept from opting out",
        "`Sell-It.choice_under`: no law is called `moon_act`",
        "`Sell-It.consent_lasts_months`: is 0",
        "`Sell-It.dpv`: `dpv:SellProducts` is not a term",
        "`card.title`: has no text",
        "`card.categories`: is empty",
        "`card.recipients`: no recipient of the data map is called `nobody`",
        "`card.choice`: must be `opt_in`",
    ] {
        assert!(faults.contains(expected), "{expected}\n{faults}");
    }
    assert_eq!(faults.lines().count(), 13, "{faults}");
    assert!(
        purposes_of("purposes: {}")
            .unwrap_err()
            .to_string()
            .contains("declare at least one")
    );
}

#[test]
fn a_member_that_nobody_knows_is_refused() {
    let text = PURPOSES.replace("    choice: none\n", "    chioce: none\n");
    assert!(serde_saphyr::from_str::<PurposeFile>(&text).is_err());
    let text = NOTICES.replace(
        "    kind: consent\n",
        "    kind: consent\n    colour: red\n",
    );
    assert!(serde_saphyr::from_str::<NoticeFile>(&text).is_err());
}

#[test]
fn what_was_shown_is_proven_by_its_digest() {
    let of_two = shown("newsletter", 2);
    assert_eq!(
        notices().prove(&of_two, at("2026-01-01")).unwrap().version,
        2
    );
    assert!(matches!(
        notices().prove(&of_two, at("2024-06-01")),
        Err(NotShown::NotYet { .. })
    ));
    let mut other = of_two.clone();
    other.digest = shown("newsletter", 1).digest;
    assert!(matches!(
        notices().prove(&other, at("2026-01-01")),
        Err(NotShown::OtherText { .. })
    ));
    other.language = "fi".to_owned();
    assert!(matches!(
        notices().prove(&other, at("2026-01-01")),
        Err(NotShown::Unknown { .. })
    ));
    let changed = NOTICES.replace("We write to you weekly.", "We write to you daily.");
    let book = notices_of(&changed).unwrap();
    assert!(
        matches!(
            book.prove(&of_two, at("2026-01-01")),
            Err(NotShown::OtherText { .. })
        ),
        "changed without a new version"
    );
}

#[test]
fn no_two_texts_have_one_digest_by_running_into_each_other() {
    let text = |title: &str, body: &str| Text {
        title: title.to_owned(),
        body: body.to_owned(),
    };
    let key = NoticeKey::from("a");
    let all = [
        digest(&key, 1, "en", &text("ab", "c")),
        digest(&key, 1, "en", &text("a", "bc")),
        digest(&key, 11, "en", &text("ab", "c")),
        digest(&key, 1, "es", &text("ab", "c")),
        digest(&NoticeKey::from("b"), 1, "en", &text("ab", "c")),
    ];
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    // Consents rest on it for years: it must never change.
    assert_eq!(
        all[0].to_string(),
        "c68b5bf74bc12b7adea253c9d78322641f7a5b8f9c00ce454165802993100ce3"
    );
}

#[test]
fn the_version_in_force_is_the_newest_that_is_out() {
    let key = NoticeKey::from("newsletter");
    let version = |on| {
        notices()
            .in_force(&key, at(on))
            .map(|notice| notice.version)
    };
    assert_eq!(
        (
            version("2023-12-31"),
            version("2024-06-01"),
            version("2026-01-01")
        ),
        (None, Some(1), Some(2))
    );
    assert_eq!(
        notices().in_force(&NoticeKey::from("news"), at("2026-01-01")),
        None
    );
}

#[test]
fn ca_not_01_a_notice_at_collection_without_retention_is_not_published() {
    let text = format!(
        "{NOTICES}  - notice: collection\n    version: 1\n    kind: at_collection\n    published_from: 2026-01-01T00:00:00Z\n    \
         purposes: [fulfil_orders]\n    told_by: [web]\n    contains: [categories, purposes, sold_or_shared]\n    \
         texts: {{en: {{title: What we collect, body: Your address.}}}}\n"
    );
    let faults = notices_of(&text).unwrap_err().to_string();
    assert!(
        faults.contains(
            "collection version 1: contains`: lacks `retention`, which Civ. Code 1798.100(a)"
        ),
        "{faults}"
    );
    assert!(notices_of(&text.replace("sold_or_shared]", "sold_or_shared, retention]")).is_ok());
}

#[test]
fn ca_not_04_who_gives_sensitive_data_by_phone_hears_of_the_right_to_limit_there() {
    let by_phone =
        purposes_of(&PURPOSES.replace("collected_by: [web]", "collected_by: [web, phone]"))
            .unwrap();
    let check = |text: &str| {
        let file: NoticeFile = serde_saphyr::from_str(text).unwrap();
        domain::notice::NoticeBook::check("notices.yaml", file, crate::law::book(), &by_phone)
    };
    let faults = check(NOTICES).unwrap_err().to_string();
    assert!(
        faults.contains(
            "`purpose infer_health: collected_by`: sensitive data is collected by `phone`"
        ),
        "{faults}"
    );
    let told = NOTICES.replace(
        "purposes: [infer_health]\n    told_by: [web]",
        "purposes: [infer_health]\n    told_by: [web, phone]",
    );
    assert!(check(&told).is_ok());
}

#[test]
fn every_fault_of_a_file_of_notices_is_told_at_once() {
    let text = NOTICES
        .replace(
            "version: 2\n    kind: consent\n    published_from: 2025",
            "version: 2\n    kind: consent\n    published_from: 2023",
        )
        .replace(
            "purposes: [train_ad_model]\n    told_by: [web]",
            "purposes: [dance]\n    told_by: []",
        )
        .replace(
            "es: {title: \"Boletín\", body: \"Le escribimos cada semana.\"}",
            "spanish: {title: \"Boletín\", body: \"\"}",
        )
        .replace("contains: [right, how_to_opt_out]", "contains: [right]");
    let faults = notices_of(&text).unwrap_err().to_string();
    for expected in [
        "notices.yaml: `newsletter version 2: published_from`: must be later than that of version 1",
        "`newsletter version 2: texts`: `spanish` is not a language",
        "`newsletter version 2: texts`: title or body is empty in `spanish`",
        "`model version 1: purposes`: no purpose is called `dance`",
        "`model version 1: told_by`: is empty",
        "`choices version 1: contains`: lacks `how_to_opt_out`",
        "`model`: no version from 1 explains the purpose `train_ad_model`",
    ] {
        assert!(faults.contains(expected), "{expected}\n{faults}");
    }
    assert_eq!(faults.lines().count(), 7, "{faults}");
    let twice = NOTICES.replace("version: 2", "version: 1");
    assert!(
        notices_of(&twice)
            .unwrap_err()
            .to_string()
            .contains("is listed twice")
    );
}
