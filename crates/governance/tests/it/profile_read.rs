//! Reading profiles: found by an identifier, recorded before anything opens, several records as one; on both engines.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use domain::audit::{Action, Actor};
use domain::data_map::IdentifierKind;
use domain::id::{OperatorId, SubjectId};
use domain::sensitive::Sensitive;
use governance::Problem;
use governance::profile::read::{Shown, Viewer, WantedAttributes, find, show};
use serde_json::{Value, json};

use crate::profile_house::{CRM, HELP_DESK, ProfileHouse, SHOP, holds, on_each_engine};

fn operator() -> OperatorId {
    OperatorId::from_uuid(uuid::Uuid::from_u128(7))
}

async fn look(
    house: &ProfileHouse,
    kind: &str,
    value: &str,
    wanted: WantedAttributes,
) -> Result<Vec<Shown>, Problem> {
    let (kind, value) = (
        IdentifierKind(kind.to_owned()),
        Sensitive::new(value.to_owned()),
    );
    let viewer = Viewer::Operator(operator());
    find(
        &house.p,
        (&kind, &value),
        &wanted,
        viewer,
        &Actor::Operator(operator()),
    )
    .await
}

fn values(shown: &Shown) -> Value {
    serde_json::to_value(shown.profile()).unwrap()
}

async fn planted(house: &ProfileHouse) -> (SubjectId, SubjectId) {
    let shop = house
        .write(
            SHOP,
            &[&[
                ("customer_number", "1"),
                ("email", "Maya@Example.org"),
                ("first_name", "Maya"),
                ("phone", "(415) 555-0100"),
                ("card_number", "4111"),
                ("tax_id", "98-7654321"),
                ("purchases", "{\"flour\": 2}"),
                ("loyalty_points", "0042"),
                ("newsletter", "true"),
            ]],
        )
        .await;
    let crm = house
        .write(
            CRM,
            &[&[
                ("customer_number", "1"),
                ("first_name", "May"),
                ("phone", "+1 415 555 0100"),
                ("lead_score", "7"),
            ]],
        )
        .await;
    (shop.subjects[0].unwrap(), crm.subjects[0].unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_is_found_by_any_identifier_however_it_is_typed_and_her_records_are_one() {
    on_each_engine(async |house| {
        let (shop, crm) = planted(house).await;
        for (kind, value) in [("email", " MAYA@example.ORG "), ("phone", "+1-415-555-0100"), ("customer_number", "1")] {
            let found = look(house, kind, value, WantedAttributes::Plain).await.unwrap();
            assert_eq!((found.len(), found[0].subject), (1, shop), "{kind}");
            assert_eq!(found[0].records, [shop, crm].into());
        }
        let found = look(house, "email", "maya@example.org", WantedAttributes::Plain).await.unwrap();
        let expected = json!({
            "customer_number": "1", "email": "Maya@Example.org", "first_name": "Maya", "phone": "(415) 555-0100", "purchases": {"flour": 2},
            "loyalty_points": 42, "lead_score": 7, "newsletter": true,
        });
        assert_eq!(values(&found[0]), expected);
        let sources = serde_json::to_value(found[0].sources()).unwrap();
        let name = &sources["first_name"];
        assert_eq!((name["value"].as_str(), name["source"].as_str()), (Some("Maya"), Some("shop")));
        assert_eq!((name["others"][0]["value"].as_str(), name["others"][0]["conflicts"].as_bool()), (Some("May"), Some(true)));
        assert_eq!(sources["customer_number"]["others"][0]["conflicts"].as_bool(), Some(false));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sensitive_is_shown_only_when_asked_for_and_what_never_leaves_not_even_then() {
    on_each_engine(async |house| {
        let (shop, _) = planted(house).await;
        let by = |wanted| look(house, "customer_number", "1", wanted);
        assert!(
            values(&by(WantedAttributes::Plain).await.unwrap()[0])
                .get("card_number")
                .is_none()
        );
        let these = WantedAttributes::These(vec![
            "card_number".into(),
            "first_name".into(),
            "colour".into(),
        ]);
        let found = by(these).await.unwrap();
        let withheld: Vec<_> = found[0]
            .withheld()
            .iter()
            .map(|one| one.attribute.to_string())
            .collect();
        let shown = values(&found[0]);
        assert_eq!(shown["first_name"], "Maya");
        assert!(withheld.contains(&"profile:colour".to_owned()));
        let all = by(WantedAttributes::All).await.unwrap();
        assert!(
            values(&all[0]).get("tax_id").is_none(),
            "a government number is never shown"
        );
        // The subject is told that it is held, and sees the rest herself.
        let hers = show(
            &house.p,
            shop,
            &WantedAttributes::All,
            Viewer::Subject,
            &Actor::Subject,
        )
        .await
        .unwrap();
        let hers = values(&hers);
        assert_ne!(hers["tax_id"], "98-7654321");
        assert!(hers["tax_id"].is_string() && hers["first_name"] == "Maya");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_look_is_recorded_with_names_and_without_values() {
    on_each_engine(async |house| {
        let (shop, crm) = planted(house).await;
        look(house, "email", "maya@example.org", WantedAttributes::Plain)
            .await
            .unwrap();
        assert!(
            look(
                house,
                "email",
                "nobody@example.org",
                WantedAttributes::Plain
            )
            .await
            .unwrap()
            .is_empty()
        );
        let viewer = Viewer::Operator(operator());
        let unknown = show(
            &house.p,
            SubjectId::from_uuid(uuid::Uuid::from_u128(5)),
            &WantedAttributes::Plain,
            viewer,
            &Actor::Operator(operator()),
        )
        .await;
        assert_eq!(unknown.err().unwrap().code, "not_found");
        let by_record = show(
            &house.p,
            crm,
            &WantedAttributes::Plain,
            viewer,
            &Actor::Operator(operator()),
        )
        .await
        .unwrap();
        assert_eq!(by_record.subject, shop);
        let looks = house.records(Action::Disclosed).await;
        assert_eq!(looks.len(), 2);
        assert_eq!(
            (
                looks[0].details["subject"].as_str(),
                looks[0].details["found_by"].as_str()
            ),
            (Some(&*shop.to_string()), Some("email"))
        );
        assert!(
            house.listed(&looks[0]).await["allowed"]
                .to_string()
                .contains("profile:first_name")
        );
        let missed = house.records(Action::DisclosureDenied).await;
        assert_eq!(
            (missed.len(), missed[0].details["reason"].as_str()),
            (1, Some("nobody_found"))
        );
        let stored = house.everything_stored().await;
        assert!(!holds(&stored, "aya@") && !holds(&stored, "nobody@"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_was_taken_out_or_whose_time_is_over_is_not_shown() {
    on_each_engine(async |house| {
        planted(house).await;
        house
            .write(
                SHOP,
                &[&[("customer_number", "1"), ("first_name", ""), ("email", "")]],
            )
            .await;
        let found = look(house, "customer_number", "1", WantedAttributes::Plain)
            .await
            .unwrap();
        assert_eq!(values(&found[0])["first_name"], "May");
        assert!(
            look(house, "email", "maya@example.org", WantedAttributes::Plain)
                .await
                .unwrap()
                .is_empty(),
            "nobody is found by what is gone"
        );
        house
            .clock
            .advance(jiff::SignedDuration::from_hours(24 * 400));
        let found = look(house, "customer_number", "1", WantedAttributes::Plain)
            .await
            .unwrap();
        assert!(values(&found[0]).get("lead_score").is_none());
        assert_eq!(values(&found[0])["purchases"], json!({"flour": 2}));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_find_anybody_is_told_so() {
    on_each_engine(async |house| {
        let unknown = look(house, "shoe_size", "42", WantedAttributes::Plain)
            .await
            .err()
            .unwrap();
        assert!(
            unknown
                .title
                .contains("they are by customer_number, device_id, email, phone"),
            "{}",
            unknown.title
        );
        let wrong = look(house, "email", "zqwrong", WantedAttributes::Plain)
            .await
            .err()
            .unwrap();
        assert!(!wrong.title.contains("zqwrong") && wrong.status == 422);
        for number in 0..11 {
            house
                .write(
                    HELP_DESK,
                    &[&[
                        ("email", &format!("n{number}@example.org")),
                        ("phone", "+14155550100"),
                    ]],
                )
                .await;
        }
        let many = look(house, "phone", "+14155550100", WantedAttributes::Plain)
            .await
            .err()
            .unwrap();
        assert_eq!(many.status, 409);
    })
    .await;
}
