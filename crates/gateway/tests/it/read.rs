//! One subject, named by the path.

use gateway::Outcome;

use crate::house::{CUSTOMER, House, MAYA, SIGN};

#[tokio::test]
async fn a_recipient_gets_what_was_granted_and_nothing_else() {
    let house = House::new(CUSTOMER, &[("48213", &["email", "first_name"])]).await;
    house.upstream.says(MAYA);
    let answer = house.get("/customers/48213").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.body,
        r#"{"email":"maya@example.org","name":{"first":"Maya"},"currency":"USD"}"#
    );
    assert!(answer.is_whole && !answer.body.contains(SIGN));
    assert_eq!(house.count(Outcome::Served), 1);
}

#[tokio::test]
async fn an_unknown_subject_and_a_forbidden_one_answer_alike_and_the_upstream_is_not_asked() {
    let allowed: &[(&str, &[&str])] = &[("absent", &["email"]), ("forbidden", &[])];
    let house = House::new(CUSTOMER, allowed).await;
    house.upstream.says(MAYA);
    let unknown = house.get("/customers/unknown").await;
    let forbidden = house.get("/customers/forbidden").await;
    let no_route = house.get("/nobody").await;
    let absent = {
        house.upstream.says_with(
            "404 Not Found",
            "x-who: zqplanted\r\n",
            "{\"id\":\"zqplanted\"}",
        );
        let before = house.upstream.asked().len();
        assert_eq!(before, 0);
        house.get("/customers/absent").await
    };
    let plain = |answer: &crate::house::Answer| {
        let lines = answer
            .head
            .lines()
            .filter(|line| !line.starts_with("x-trace-id") && !line.starts_with("date"));
        let mut body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        body.as_object_mut().unwrap().remove("trace_id").unwrap();
        (lines.collect::<Vec<_>>().join("\n"), body.to_string())
    };
    assert_eq!(unknown.status, 404);
    for other in [&forbidden, &no_route, &absent] {
        assert_eq!(plain(&unknown), plain(other));
    }
    assert_eq!(house.upstream.asked().len(), 1);
    assert_eq!(house.count(Outcome::Denied), 2);
}

#[tokio::test]
async fn nobody_gets_anything_without_a_key() {
    let house = House::new(CUSTOMER, &[("48213", &["email"])]).await;
    house.upstream.says(MAYA);
    let key = house.key();
    for headers in [
        String::new(),
        "authorization: Bearer wrong\r\n".to_owned(),
        "authorization: Bearer \r\n".to_owned(),
        format!("authorization: Basic {key}\r\n"),
        format!("authorization: Bearer {key}\r\nauthorization: Bearer {key}\r\n"),
    ] {
        for path in ["/customers/48213", "/nowhere"] {
            let call =
                format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}connection: close\r\n\r\n");
            let answer = house.raw(&call).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (401, "sign_in_refused")
            );
            assert_eq!(answer.header("www-authenticate"), Some("bearer"));
        }
    }
    assert!(house.upstream.asked().is_empty());
}

#[tokio::test]
async fn the_upstream_sees_our_credentials_and_a_path_written_anew() {
    let allowed: &[(&str, &[&str])] = &[("a b/c", &["email"]), ("a b", &["email"])];
    let house = House::new(CUSTOMER, allowed).await;
    house.upstream.says(MAYA);
    let headers = "cookie: session=zqplanted\r\nx-forwarded-for: 6.6.6.6\r\naccept-language: fr\r\nif-none-match: \"x\"\r\nrange: bytes=0-3\r\naccept-encoding: br\r\n";
    let answer = house
        .send("GET", "/customers/%61%20b?page=2", headers, "")
        .await;
    assert_eq!(answer.status, 200);
    let asked = house.upstream.asked().remove(0);
    assert!(
        asked.starts_with("GET /api/customers/a%20b?page=2 HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(asked.contains("authorization: Bearer of-the-gateway"));
    assert!(asked.contains("accept-language: fr"));
    assert!(asked.contains("accept-encoding: identity"));
    for never in [
        SIGN,
        house.key(),
        "x-forwarded-for",
        "if-none-match",
        "range",
    ] {
        assert!(!asked.contains(never), "{never}");
    }
    assert_eq!(house.get("/customers/a%20b%2fc").await.status, 404);
    assert_eq!(house.upstream.asked().len(), 1);
}

#[tokio::test]
async fn a_query_by_what_is_withheld_is_refused() {
    let house = House::new(CUSTOMER, &[("1", &["email"])]).await;
    house.upstream.says(MAYA);
    assert_eq!(house.get("/customers/1?mail=x&sort=id").await.status, 200);
    let refused = house.get("/customers/1?sort=-name").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (403, "query_refused")
    );
    let unknown = house.get("/customers/1?zqplanted=ssn").await;
    assert_eq!(
        (unknown.status, unknown.code().as_str()),
        (400, "query_refused")
    );
    assert!(!unknown.body.contains(SIGN));
    // Whoever may not know of her learns nothing of the query either.
    assert_eq!(house.get("/customers/2?sort=-name").await.status, 404);
    assert_eq!(house.upstream.asked().len(), 1);
    assert_eq!(house.count(Outcome::QueryRefused), 2);
}

#[tokio::test]
async fn a_method_that_no_route_has_is_refused_with_those_that_it_has() {
    let house = House::new(CUSTOMER, &[("1", &["email"])]).await;
    for method in ["DELETE", "POST", "OPTIONS", "TRACE", "QUERY"] {
        let answer = house.send(method, "/customers/1", "", "").await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("get"));
    }
    assert!(house.upstream.asked().is_empty());
}

#[tokio::test]
async fn head_answers_as_get_would_without_a_body() {
    let house = House::new(CUSTOMER, &[("1", &["email"])]).await;
    house.upstream.says_raw(&[b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\netag: \"x\"\r\n\r\n"]);
    let answer = house.send("HEAD", "/customers/1", "", "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    // Its length would tell how much is withheld.
    assert!(
        answer
            .header("content-length")
            .is_none_or(|length| length != "500")
    );
    assert_eq!(answer.header("etag"), None);
    assert_eq!(house.send("HEAD", "/customers/2", "", "").await.status, 404);
    assert!(house.upstream.asked()[0].starts_with("HEAD "));
}

#[tokio::test]
async fn no_content_stays_without_content() {
    let house = House::new(CUSTOMER, &[("1", &["email"])]).await;
    house
        .upstream
        .says_raw(&[b"HTTP/1.1 204 No Content\r\nx-note: zqplanted\r\n\r\n"]);
    let answer = house.get("/customers/1").await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert!(!answer.head.contains(SIGN));
}

#[tokio::test]
async fn a_body_of_which_nothing_is_left_says_that_there_is_nothing() {
    let house = House::new(CUSTOMER, &[("1", &["phone", "delivery_note"])]).await;
    house.upstream.says(r#"{"email":"zqplanted","unknown":1}"#);
    let answer = house.get("/customers/1").await;
    assert!(!answer.body.contains(SIGN));
    assert_eq!(answer.body, "{}", "{answer:?}");
}
