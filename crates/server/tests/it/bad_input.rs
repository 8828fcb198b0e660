//! What comes in that should not: too much, markup, SQL, forms of other sites, proof of identity, ids of nothing.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use crate::office::{Office, encoded, multipart};

const NASTY: [&str; 6] = [
    "'; DROP TABLE privacy_request; --",
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "\" onfocus=\"alert(1)",
    "a@b.example\r\nBcc: x@evil.example",
    "../../etc/passwd\u{202e}",
];

#[tokio::test]
async fn ten_megabytes_in_a_field_are_refused_in_words() {
    let office = Office::open().await;
    let large = "x".repeat(10 << 20);
    for path in ["/ask/delete", "/opt-out", "/console/sign-in"] {
        let answer = office.post(path, "", &[("email", &large)]).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        assert!(
            answer.text.contains("larger than we take") && answer.text.len() < 10_000,
            "{path}"
        );
    }
    let note = office
        .send(multipart(
            "/outreach/0",
            "",
            &[("answer", "done"), ("note", &"y".repeat(9 << 20))],
            b"",
        ))
        .await;
    assert_eq!(
        note.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "a text is no file"
    );
    let file = office
        .send(multipart(
            "/outreach/0",
            "",
            &[("answer", "done")],
            &vec![0; 12 << 20],
        ))
        .await;
    assert_eq!(file.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn markup_and_sql_come_back_escaped_and_change_nothing() {
    let office = Office::open().await;
    for nasty in NASTY {
        for (path, field) in [
            ("/ask/delete", "email"),
            ("/ask/know", "email"),
            ("/opt-out", "email"),
            ("/ask/delete", "law"),
            ("/ask/know", "kind"),
        ] {
            let fields = if field == "email" {
                vec![("email", nasty), ("kind", "know_specific")]
            } else {
                vec![("email", "a@b.example"), (field, nasty)]
            };
            let fields: Vec<(&str, &str)> = if path == "/opt-out" {
                fields
                    .into_iter()
                    .filter(|(name, _)| *name != "kind")
                    .collect()
            } else {
                fields
            };
            let answer = office.post(path, "", &fields).await;
            assert!(
                answer.status.is_client_error(),
                "{path} takes {nasty:?} as {field}: {}",
                answer.status
            );
            assert!(
                !answer.text.contains("<script>alert")
                    && !answer.text.contains("\" onfocus")
                    && !answer.text.contains(">49<"),
                "{path} {field}"
            );
        }
    }
    let taken = office
        .post(
            "/ask/delete",
            "",
            &[
                ("email", "a@b.example"),
                ("name", NASTY[1]),
                ("id_customer_number", NASTY[0]),
            ],
        )
        .await;
    assert_eq!(
        taken.status,
        StatusCode::SEE_OTHER,
        "a strange name is a name"
    );
    let session = office.session().await;
    let list = office
        .get_as("/console/requests?show=all", &session)
        .await
        .text;
    assert_eq!(
        list.matches("/console/requests/req_").count(),
        1,
        "only the last one came in, and the table is still there"
    );
    let id = &list[list.find("req_").unwrap()..][..36];
    let revealed = office
        .post(&format!("/console/requests/{id}/reveal"), &session, &[])
        .await
        .text;
    assert!(
        revealed.contains("&lt;script&gt;alert(1)") && !revealed.contains("<script>alert"),
        "the Console shows it as text"
    );
}

#[tokio::test]
async fn an_opt_out_carries_no_proof_of_identity() {
    let office = Office::open().await;
    for field in [
        "code",
        "birth_date",
        "id_number",
        "name",
        "ssn",
        "id_customer_number",
    ] {
        let answer = office
            .post("/opt-out", "", &[("email", "a@b.example"), (field, "1")])
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{field}");
        assert!(
            answer.text.contains("needs no proof of who you are"),
            "{field}"
        );
    }
    let session = office.session().await;
    assert!(
        !office
            .get_as("/console/requests?show=all", &session)
            .await
            .text
            .contains("req_"),
        "nothing was stored"
    );
}

#[tokio::test]
async fn a_form_of_another_site_is_refused_everywhere() {
    let office = Office::open().await;
    let session = office.session().await;
    let forged = |path: &str, header: (&str, &str)| {
        Request::post(path)
            .header(header.0, header.1)
            .header("host", "office.test")
            .header("cookie", &session)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(encoded(&[("email", "a@b.example")])))
            .unwrap()
    };
    for path in [
        "/ask/delete",
        "/opt-out",
        "/console/sign-in",
        "/console/sign-out",
        "/console/requests/req_00000000000000000000000000000000/approve",
        "/requests/0/withdraw",
    ] {
        for header in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
        ] {
            let answer = office.send(forged(path, header)).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {header:?}");
        }
    }
    assert_eq!(
        office.get_as("/console", &session).await.status,
        StatusCode::OK,
        "she is still signed in"
    );
}

#[tokio::test]
async fn what_does_not_exist_and_what_is_no_id_look_the_same() {
    let office = Office::open().await;
    let session = office.session().await;
    let without_trace = |text: &str| {
        text.lines()
            .filter(|line| !line.contains("quote"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    for (there, broken) in [
        (
            format!("/requests/{}", "0".repeat(64)),
            "/requests/%3Cb%3E".to_owned(),
        ),
        (
            format!("/outreach/{}", "0".repeat(64)),
            "/outreach/x".to_owned(),
        ),
        (
            "/console/requests/req_00000000000000000000000000000000".to_owned(),
            "/console/requests/1%27--".to_owned(),
        ),
    ] {
        let (one, other) = (
            office.get_as(&there, &session).await,
            office.get_as(&broken, &session).await,
        );
        assert_eq!(
            (one.status, other.status),
            (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND),
            "{there}"
        );
        assert_eq!(
            without_trace(&one.text),
            without_trace(&other.text),
            "{there}"
        );
    }
    assert_eq!(
        office.get("/nothing/here").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        office
            .send(Request::delete("/opt-out").body(Body::empty()).unwrap())
            .await
            .status,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn the_console_shows_nothing_to_who_is_not_signed_in() {
    let office = Office::open().await;
    for path in [
        "/console",
        "/console/requests",
        "/console/requests/req_00000000000000000000000000000000",
        "/console/requests/req_00000000000000000000000000000000/evidence",
    ] {
        for cookie in ["", "privity_session=wrong", "privity_session="] {
            let answer = office.get_as(path, cookie).await;
            assert_eq!(
                (answer.status, answer.location.as_str()),
                (StatusCode::SEE_OTHER, "/console/sign-in"),
                "{path} {cookie}"
            );
        }
    }
    for step in ["approve", "deny", "extend", "reveal"] {
        let answer = office
            .post(
                &format!("/console/requests/req_00000000000000000000000000000000/{step}"),
                "",
                &[],
            )
            .await;
        assert_eq!(answer.location, "/console/sign-in", "{step}");
    }
}

#[tokio::test]
async fn personal_pages_are_kept_from_caches_frames_and_referrers() {
    let office = Office::open().await;
    let taken = office
        .post("/opt-out", "", &[("email", "a@b.example")])
        .await;
    let page = office.get(&taken.location).await;
    let header = |name: &str| {
        page.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(
        (
            header("cache-control").as_str(),
            header("referrer-policy").as_str(),
            header("x-content-type-options").as_str()
        ),
        ("no-store", "no-referrer", "nosniff")
    );
    let policy = header("content-security-policy");
    assert!(
        policy.contains("frame-ancestors 'none'")
            && policy.contains("script-src 'self'")
            && !policy.contains("unsafe")
    );
}
