//! How far back an answer reaches: by the form, by the API, and on her page (11 CCR 7020(e)); where she complains.

use crate::office::Office;

async fn asked(office: &Office, since: &str) -> crate::office::Answer {
    let fields = [
        ("kind", "know_specific"),
        ("email", "maya@example.org"),
        ("law", "ccpa"),
        ("since", since),
    ];
    office.post("/ask/know", "", &fields).await
}

#[tokio::test]
async fn the_form_takes_a_day_and_her_page_repeats_it() {
    let office = Office::open().await;
    assert!(
        office
            .get("/ask/know")
            .await
            .text
            .contains("name=\"since\"")
    );
    assert!(
        !office
            .get("/ask/delete")
            .await
            .text
            .contains("name=\"since\"")
    );
    let sent = asked(&office, "2024-05-31").await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    let page = office.get(&sent.location).await.text;
    assert!(page.contains("May 31, 2024 or later"), "{page}");
    let everything = asked(&office, "").await;
    let page = office.get(&everything.location).await.text;
    assert!(!page.contains("You asked for what dates from"), "{page}");
    assert!(
        page.contains("cppa.ca.gov") && page.contains("California Privacy Protection Agency"),
        "the law data says where she complains: {page}"
    );
}

#[tokio::test]
async fn a_day_that_is_none_or_is_still_to_come_is_told_at_its_field() {
    let office = Office::open().await;
    for (day, words) in [
        ("last summer", "type it like 2024-05-31"),
        ("2099-01-01", "still to come"),
    ] {
        let answer = asked(&office, day).await;
        assert_eq!(answer.status, 422, "{day}");
        assert!(
            answer.text.contains("since-error") && answer.text.contains(words),
            "{day}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn the_api_takes_a_day_for_a_request_to_know_only() {
    let office = Office::open().await;
    let key = office.key().await;
    let send = async |kind: &str| {
        let body =
            serde_json::json!({"kind": kind, "email": "maya@example.org", "since": "2024-05-31"});
        let request = axum::http::Request::post("/api/v1/privacy-requests")
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .body(axum::body::Body::from(body.to_string()))
            .unwrap();
        office.send(request).await
    };
    let taken = send("know_categories").await;
    assert_eq!(taken.status, 201, "{}", taken.text);
    for kind in ["delete", "opt_out_sale_share"] {
        let refused = send(kind).await;
        assert_eq!(refused.status, 422, "{kind}: {}", refused.text);
        assert!(
            refused.text.contains("only a request to know"),
            "{}",
            refused.text
        );
    }
}
