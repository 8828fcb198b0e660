//! Upstreams that misbehave: nothing of what they say leaves unchecked, and nothing that broke off looks whole.

use std::io::Write as _;

use gateway::Outcome;

use crate::house::{CUSTOMER, House, MAYA, SIGN};

async fn refused(head: &str, pieces: &[&[u8]]) -> House {
    let house = House::new(CUSTOMER, &[("1", &["email", "first_name"])]).await;
    let mut all = vec![head.as_bytes()];
    all.extend(pieces);
    house.upstream.says_raw(&all);
    let answer = house.get("/customers/1").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (502, "upstream_answer_refused"),
        "{head}: {answer:?}"
    );
    assert!(!answer.body.contains(SIGN) && !answer.head.contains(SIGN));
    assert_eq!(house.count(Outcome::BodyRefused), 1);
    house
}

const JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

#[tokio::test]
async fn broken_bodies_are_refused_before_anything_of_them_left() {
    let deep = "[".repeat(200);
    for body in [
        "",
        "{\"email\":\"zqplanted\"",
        "{\"email\":\"a\",\"email\":\"zqplanted\"}",
        "{\"email\":\"a\",\"em\\u0061il\":\"zqplanted\"}",
        "{\"email\":\"zqplanted\"} {\"email\":1}",
        "{\"email\":\"zqplanted\",}",
        "<html>zqplanted</html>",
        "\u{feff}{\"email\":\"zqplanted\"}",
        deep.as_str(),
    ] {
        let head = format!("{JSON}content-length: {}\r\n\r\n", body.len());
        refused(&head, &[body.as_bytes()]).await;
    }
}

#[tokio::test]
async fn a_body_shorter_than_announced_is_refused() {
    let head = format!("{JSON}content-length: 400\r\n\r\n");
    refused(&head, &[MAYA.as_bytes()]).await;
    refused(
        &format!("{JSON}transfer-encoding: chunked\r\n\r\n"),
        &[b"5\r\n{\"ema\r\n"],
    )
    .await;
}

#[tokio::test]
async fn what_is_no_json_is_refused_unless_the_route_passes_it() {
    for kind in [
        "content-type: text/html\r\n",
        "content-type: application/pdf\r\n",
        "",
        "content-type: application/json; charset=utf-16\r\n",
        "content-type: application/x-ndjson\r\n",
    ] {
        let head = format!(
            "HTTP/1.1 200 OK\r\n{kind}content-length: {}\r\n\r\n",
            MAYA.len()
        );
        refused(&head, &[MAYA.as_bytes()]).await;
    }
    let routes = with_documents();
    let allowed: &[(&str, &[&str])] = &[("1", &["purchases", "email"]), ("2", &["email"])];
    let house = House::new(&routes, allowed).await;
    house.upstream.says_with(
        "200 OK",
        "content-type: application/pdf\r\ncontent-disposition: zqplanted\r\n",
        "%PDF zqplanted",
    );
    let answer = house.get("/customers/1").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "%PDF zqplanted")
    );
    assert!(answer.is_whole && !answer.head.contains(SIGN));
    assert_eq!(house.get("/customers/2").await.status, 404);
}

fn with_documents() -> String {
    CUSTOMER.replace(
        "    query:\n",
        "      documents: { application/pdf: purchases }\n    limits: { answer_bytes: 300000 }\n    query:\n",
    )
}

#[tokio::test]
async fn documents_come_whole_or_are_seen_to_be_broken_off() {
    let house = House::new(&with_documents(), &[("1", &["purchases"])]).await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/pdf\r\n";
    for bytes in [0, 1, 2_000, 50_000, 250_000] {
        let body = "y".repeat(bytes);
        let with_length = format!("{head}content-length: {bytes}\r\n\r\n");
        let until_the_end = format!("{head}\r\n");
        for head in [with_length, until_the_end] {
            house.upstream.says_raw(&[head.as_bytes(), body.as_bytes()]);
            let answer = house.get("/customers/1").await;
            assert!((answer.status, answer.is_whole) == (200, true), "{head}");
            assert!(answer.body == body, "{head}: {}", answer.body.len());
        }
    }
    assert_eq!(house.count(Outcome::Served), 10);
    // Where all of it is there at once, its end is known with it.
    house
        .upstream
        .says_with("200 OK", "content-type: application/pdf\r\n", "y");
    let answer = house.get("/customers/1").await;
    assert_eq!(answer.header("content-length"), Some("1"));
    let (body, too_long) = ("y".repeat(100_000), "y".repeat(300_001));
    let too_soon = format!("{head}content-length: 100001\r\n\r\n");
    let until_the_end = format!("{head}\r\n");
    for (head, body) in [(&too_soon, &body), (&until_the_end, &too_long)] {
        house.upstream.says_raw(&[head.as_bytes(), body.as_bytes()]);
        let answer = house.get("/customers/1").await;
        assert!((answer.status, answer.is_whole) == (200, false), "{head}");
    }
    assert_eq!(house.count(Outcome::Aborted), 2);
    // One that says beforehand that it is longer than may be is not begun.
    house
        .upstream
        .says_with("200 OK", "content-type: application/pdf\r\n", &too_long);
    assert_eq!(house.get("/customers/1").await.status, 502);
    assert_eq!(house.count(Outcome::BodyRefused), 1);
}

#[tokio::test]
async fn encoded_bodies_are_decoded_or_refused_and_never_passed() {
    let gzip = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let house = House::new(CUSTOMER, &[("1", &["email"])]).await;
    let body = gzip(MAYA.as_bytes());
    let head = format!(
        "{JSON}content-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    house.upstream.says_raw(&[head.as_bytes(), &body]);
    let answer = house.get("/customers/1").await;
    assert_eq!(
        answer.body,
        r#"{"email":"maya@example.org","currency":"USD"}"#
    );
    assert_eq!(answer.header("content-encoding"), None);
    refused(
        &format!("{JSON}content-encoding: br\r\ncontent-length: 2\r\n\r\n"),
        &[b"{}"],
    )
    .await;
    refused(
        &format!("{JSON}content-encoding: gzip\r\ncontent-length: 2\r\n\r\n"),
        &[b"{}"],
    )
    .await;
    let bomb = gzip(&vec![b' '; 40 << 20]);
    let head = format!(
        "{JSON}content-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        bomb.len()
    );
    refused(&head, &[&bomb]).await;
}

#[tokio::test]
async fn an_answer_that_goes_wrong_after_part_of_it_left_is_broken_off() {
    let house = House::new(CUSTOMER, &[("1", &["email", "delivery_note"])]).await;
    let order = format!("{{\"note\":\"{}\"}},", "x".repeat(1000)).repeat(200);
    for end in ["{\"note\":1,\"note\":\"zqplanted\"}]}", "zqplanted", ""] {
        let body = format!("{{\"email\":\"maya@example.org\",\"orders\":[{order}{end}");
        house.upstream.says(&body);
        let answer = house.get("/customers/1").await;
        assert_eq!(answer.status, 200);
        assert!(
            answer.body.len() > 64 * 1024,
            "part of it left: {}",
            answer.body.len()
        );
        assert!(!answer.is_whole, "it must not look whole");
        assert!(!answer.body.contains(SIGN));
    }
    assert_eq!(house.count(Outcome::Aborted), 3);
}

#[tokio::test]
async fn an_endless_answer_is_broken_off_at_its_limit() {
    let routes = CUSTOMER.replace(
        "    query:\n",
        "    limits: { answer_bytes: 300000, held_back_bytes: 0 }\n    query:\n",
    );
    let house = House::new(&routes, &[("1", &["email"])]).await;
    let more = vec![b' '; 64 * 1024];
    let mut pieces: Vec<&[u8]> =
        vec![b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"email\":\"maya\","];
    pieces.extend((0..2_000).map(|_| more.as_slice()));
    house.upstream.says_raw(&pieces);
    let answer = house.get("/customers/1").await;
    assert!(!answer.is_whole);
    assert_eq!(answer.body, "{\"email\":\"maya\"");
    assert_eq!(house.count(Outcome::Aborted), 1);
}

#[tokio::test]
async fn an_upstream_that_says_no_is_passed_as_a_status_and_not_a_word_more() {
    let house = House::new(CUSTOMER, &[("1", &["email"])]).await;
    for (status, expected) in [
        ("400 zqplanted", 400),
        ("409 Conflict", 409),
        ("422 Unprocessable", 422),
        ("429 Slow", 429),
        ("500 zqplanted", 500),
        ("503 Busy", 503),
        // Our own credentials were refused, or the answer is one that nobody asked for.
        ("401 Unauthorized", 502),
        ("403 Forbidden", 502),
        ("302 Found", 502),
        ("304 Not Modified", 502),
        ("206 Partial", 502),
    ] {
        house.upstream.says_with(status, "content-type: application/json\r\nlocation: http://zqplanted/\r\nx-debug: zqplanted\r\n", r#"{"email":"zqplanted"}"#);
        let answer = house.get("/customers/1").await;
        assert_eq!(answer.status, expected, "{status}");
        assert_eq!(answer.code(), "upstream_failed");
        assert!(
            !answer.body.contains(SIGN) && !answer.head.contains(SIGN),
            "{answer:?}"
        );
    }
    assert_eq!(house.count(Outcome::UpstreamFailed), 11);
    assert_eq!(
        house.upstream.asked().len(),
        11,
        "a redirect is not followed"
    );
}

#[tokio::test]
async fn an_upstream_that_is_not_there_or_says_nothing_is_told_as_such() {
    let routes = CUSTOMER.replace("http://UPSTREAM/", "http://127.0.0.1:9/");
    let house = House::new(&routes, &[("1", &["email"])]).await;
    assert_eq!(house.get("/customers/1").await.status, 502);
    let house = House::new(CUSTOMER, &[("1", &["email"])]).await;
    house.upstream.says_raw(&[]);
    assert_eq!(house.get("/customers/1").await.status, 502);
    house.upstream.says_raw(&[b"zqplanted\r\n\r\n"]);
    let answer = house.get("/customers/1").await;
    assert_eq!(answer.status, 502);
    assert!(!answer.body.contains(SIGN));
}
