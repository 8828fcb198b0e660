//! Bodies that recipients write: what they may not see they may not write.

use gateway::Outcome;

use crate::house::{CUSTOMER, House, SIGN};

fn routes() -> String {
    CUSTOMER
        .replace("    upstream:", "    methods: [GET, PATCH]\n    upstream:")
        .replace("    query:\n", "    body:\n      attributes: { $.email: email, $.name.last: last_name }\n      passed: [$.reason]\n    limits: { body_bytes: 2000 }\n    query:\n")
}

#[tokio::test]
async fn what_may_be_seen_may_be_written() {
    let house = House::new(&routes(), &[("1", &["email"])]).await;
    house
        .upstream
        .says(r#"{"email":"new@example.org","ssn":"zqplanted"}"#);
    let body = r#"{"email":"new@example.org","reason":"moved"}"#;
    let answer = house.send("PATCH", "/customers/1", "", body).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"email":"new@example.org"}"#)
    );
    let asked = house.upstream.asked().remove(0);
    assert!(
        asked.starts_with("PATCH /api/customers/1 ") && asked.ends_with(body),
        "{asked}"
    );
    assert!(asked.contains("content-type: application/json"));
}

#[tokio::test]
async fn what_may_not_be_seen_is_not_written_and_the_upstream_hears_nothing() {
    let house = House::new(&routes(), &[("1", &["email"])]).await;
    house.upstream.says("{}");
    for (body, status, code) in [
        (
            r#"{"email":"a","name":{"last":"zqplanted"}}"#,
            403,
            "write_refused",
        ),
        (r#"{"is_admin":"zqplanted"}"#, 403, "write_refused"),
        (r#"{"email":"a","email":"zqplanted"}"#, 400, "unreadable"),
        (r#"{"email":"zqplanted""#, 400, "unreadable"),
        ("zqplanted", 400, "unreadable"),
    ] {
        let answer = house.send("PATCH", "/customers/1", "", body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{body}"
        );
        assert!(!answer.body.contains(SIGN));
    }
    let long = format!("{{\"email\":\"{}\"}}", "x".repeat(3000));
    assert_eq!(
        house.send("PATCH", "/customers/1", "", &long).await.status,
        413
    );
    assert_eq!(
        house.send("PATCH", "/customers/2", "", "{}").await.status,
        404
    );
    assert!(house.upstream.asked().is_empty());
    assert_eq!(house.count(Outcome::WriteRefused), 6);
}

#[tokio::test]
async fn a_body_that_is_no_plain_json_is_refused() {
    let house = House::new(&routes(), &[("1", &["email"])]).await;
    let call = |headers: &str| {
        format!(
            "PATCH /customers/1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{headers}content-length: 2\r\n\r\n{{}}",
            house.key()
        )
    };
    for headers in [
        "",
        "content-type: text/plain\r\n",
        "content-type: application/xml\r\n",
        "content-type: application/json\r\ncontent-encoding: gzip\r\n",
        "content-type: application/json; charset=latin1\r\n",
    ] {
        assert_eq!(house.raw(&call(headers)).await.status, 415, "{headers}");
    }
    assert_eq!(
        house.send("GET", "/customers/1", "", "{}").await.status,
        400
    );
    assert!(house.upstream.asked().is_empty());
}

#[tokio::test]
async fn a_body_in_pieces_is_checked_whole() {
    let house = House::new(&routes(), &[("1", &["email"])]).await;
    house.upstream.says(r#"{"email":"a"}"#);
    let call = format!(
        "PATCH /customers/1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{{\"ema\r\n8\r\nil\":\"a\"}}\r\n0\r\n\r\n",
        house.key()
    );
    assert_eq!(house.raw(&call).await.status, 200);
    let asked = house.upstream.asked().remove(0);
    assert!(
        asked.contains("content-length: 13") && asked.ends_with(r#"{"email":"a"}"#),
        "{asked}"
    );
}
