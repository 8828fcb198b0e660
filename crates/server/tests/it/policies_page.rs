//! Policies in the Console: what decides, who gets what and why, and the steps that let a version decide and take it back.

use domain::audit::Actor;

use crate::office::Office;
use crate::recipient::{get, log_size, office};

/// What the first version permits, without the first names.
pub(crate) const NARROWER: &str = r#"
@id("office.address")
@citation("Contract with Paper Mill")
@title("Paper Mill sees whose address it is")
@reason_subject("So that the catalogue reaches you.")
@reason_operator("Only a mask goes to the printer.")
@release("mask")
permit (principal == Recipient::"mill", action == Action::"catalogue", resource == Attribute::"email");
"#;

pub(crate) const CASES: &str = "cases:
  - {case: the printer sees first names, recipient: mill, purpose: catalogue, attributes: [first_name], expect: keep}
  - {case: the printer never sees last names, recipient: mill, purpose: catalogue, attributes: [last_name], expect: keep}
";

async fn page(office: &Office, session: &str, path: &str) -> String {
    let answer = office.get_as(path, session).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.text
}

/// Publishes other files as version 2.
pub(crate) async fn publish(office: &Office) {
    std::fs::write(office.folder().join("policies/company.cedar"), NARROWER).unwrap();
    let published = office
        .privity
        .publish_policies("fewer <names>", Actor::CommandLine)
        .await;
    assert_eq!(published.unwrap().number, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_decides_whether_its_cases_hold_and_who_gets_what() {
    let (office, id, _) = office().await;
    let session = office.session().await;
    let now = page(&office, &session, "/console/policies").await;
    assert!(
        now.contains("Version 1 decides") && now.contains("There are no cases"),
        "{now}"
    );
    assert!(now.contains("office.catalogue") && now.contains("the program, at its start"));
    std::fs::write(office.folder().join("policies/tests.yaml"), CASES).unwrap();
    let now = page(&office, &session, "/console/policies").await;
    assert!(
        now.contains("1 case fails") && now.contains("the printer never sees last names"),
        "{now}"
    );

    let anybody = page(&office, &session, "/console/policies/matrix").await;
    assert!(
        anybody.contains("Paper &lt;Mill&gt;") && anybody.contains("First name"),
        "{anybody}"
    );
    assert!(anybody.contains(">mask<") && !anybody.contains("office.catalogue"));
    let facts = "/console/policies/matrix?who=facts&jurisdiction=other&age=adult&is=choice_allows";
    let facts = page(&office, &session, facts).await;
    assert!(
        facts.contains("office.catalogue") && facts.contains("Contract with Paper Mill"),
        "{facts}"
    );
    let before = log_size(&office).await;
    let hers = format!("/console/policies/matrix?who=subject&subject={id}");
    assert!(
        page(&office, &session, &hers)
            .await
            .contains("office.address")
    );
    assert_eq!(log_size(&office).await - before, 1, "the look is recorded");
    let nowhere = "/console/policies/matrix?who=facts&jurisdiction=Atlantis";
    let nowhere = office.get_as(nowhere, &session).await;
    assert_eq!(nowhere.status, 422);
    assert!(
        nowhere.text.contains("jurisdiction-error"),
        "{}",
        nowhere.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_told_why_in_words_with_the_citation() {
    let (office, id, _) = office().await;
    let session = office.session().await;
    let asked = "recipient=mill&purpose=catalogue&attribute=first_name";
    let hers = format!("/console/policies/explain?subject={id}&{asked}");
    let hers = page(&office, &session, &hers).await;
    for words in [
        "allowed",
        "office.catalogue",
        "Contract with Paper Mill",
        "She is told: So that the catalogue reaches you.",
        "that you asked is recorded",
    ] {
        assert!(hers.contains(words), "{words}: {hers}");
    }
    let none = "/console/policies/explain?recipient=mill&purpose=letters&attribute=email";
    let none = page(&office, &session, none).await;
    assert!(
        none.contains("no policy") && none.contains("data minimisation"),
        "{none}"
    );
    let nobody = uuid::Uuid::from_u128(7).simple();
    for (subject, status) in [("maya".to_owned(), 422), (format!("sub_{nobody}"), 404)] {
        let path = format!("/console/policies/explain?subject={subject}&{asked}");
        let answer = office.get_as(&path, &session).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(answer.text.contains("subject-error"), "{}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_decides_only_after_somebody_looked_at_what_it_changes_and_can_be_taken_back() {
    let (office, _, _) = office().await;
    let session = office.session().await;
    publish(&office).await;
    let version = "/console/policies/versions/2";
    let shown = page(&office, &session, version).await;
    for words in [
        "Compared with version 1",
        "Of 1 subject:",
        "removed",
        "office.catalogue",
        "fewer &lt;names&gt;",
        "Activate version 2",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let activate = "/console/policies/versions/2/activate";
    for (fields, status, words) in [
        (&[("against", "1")][..], 422, "confirm-error"),
        (
            &[("confirm", "yes"), ("against", "7")],
            409,
            "another version decides by now",
        ),
        (
            &[("confirm", "yes"), ("against", "1"), ("at", "soon")],
            422,
            "at-error",
        ),
        (
            &[
                ("confirm", "yes"),
                ("against", "1"),
                ("at", "2020-01-01T00:00"),
            ],
            422,
            "is over",
        ),
    ] {
        let answer = office.post(activate, &session, fields).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(
            answer.text.to_lowercase().contains(words),
            "{words}: {}",
            answer.text
        );
        assert_eq!(office.privity.policies().unwrap().version, 1);
    }
    let forged = axum::http::Request::post(activate)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "cross-site")
        .header("cookie", &session)
        .body(axum::body::Body::from("confirm=yes&against=1"));
    assert_eq!(office.send(forged.unwrap()).await.status, 403);
    assert_eq!(office.privity.policies().unwrap().version, 1);

    let confirmed = [("confirm", "yes"), ("against", "1")];
    let done = office.post(activate, &session, &confirmed).await;
    assert_eq!(done.location, "/console/policies?said=activated");
    let now = page(&office, &session, &done.location).await;
    assert!(now.contains("Version 2 decides") && now.contains("role=\"status\""));
    let before = page(&office, &session, "/console/policies/versions/1").await;
    assert!(before.contains("Go back to version 1"), "{before}");
    let back = [("confirm", "yes"), ("against", "2")];
    office
        .post("/console/policies/versions/1/activate", &session, &back)
        .await;
    assert_eq!(office.privity.policies().unwrap().version, 1);

    let later = [
        ("confirm", "yes"),
        ("against", "1"),
        ("at", "2030-01-01T00:00"),
    ];
    let done = office.post(activate, &session, &later).await;
    assert_eq!(done.location, "/console/policies?said=scheduled");
    let now = page(&office, &session, "/console/policies").await;
    assert!(
        now.contains("decides from January 1, 2030, 12:00 am PST on"),
        "{now}"
    );
    // What is to follow is taken back on the page of the version that decides.
    let active = "/console/policies/versions/1";
    let shown = page(&office, &session, active).await;
    assert!(shown.contains("Version 2 is to follow"), "{shown}");
    let keep = [("confirm", "yes"), ("against", "1")];
    let keeps = format!("{active}/activate");
    let kept = office.post(&keeps, &session, &keep);
    assert_eq!(kept.await.location, "/console/policies?said=activated");
    let shown = page(&office, &session, active).await;
    assert!(!shown.contains("is to follow"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_beside_the_active_version_counts_and_changes_nothing() {
    let (office, id, key) = office().await;
    let session = office.session().await;
    publish(&office).await;
    let begun = office
        .post("/console/policies/versions/2/shadow", &session, &[])
        .await;
    assert_eq!(begun.location, "/console/policies?said=shadow");
    #[expect(clippy::disallowed_methods, reason = "a test calls with it")]
    let key = key.expose().clone();
    let path = format!("/recipient/v1/profiles/{id}?purpose=catalogue&attributes=first_name");
    assert!(get(&office, &key, &path).await.text.contains("Maya"));
    let now = page(&office, &session, "/console/policies").await;
    for words in ["Version 2 decides beside it", "keep → withhold", "1 times"] {
        assert!(now.contains(words), "{words}: {now}");
    }
    let ended = office
        .post("/console/policies/shadow/end", &session, &[])
        .await;
    assert_eq!(ended.location, "/console/policies?said=shadow-ended");
    let now = page(&office, &session, "/console/policies").await;
    assert!(!now.contains("decides beside it"), "{now}");
}
