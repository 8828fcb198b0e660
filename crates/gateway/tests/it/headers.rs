//! What the recipient gets of the upstream's head, and calls that could be read as two.

use crate::house::{CUSTOMER, House, MAYA, SIGN};

#[tokio::test]
async fn only_headers_that_the_route_lists_pass() {
    let routes = CUSTOMER.replace(
        "    query:\n",
        "    headers: { to_recipient: [x-request-cost], to_upstream: [x-tenant] }\n    query:\n",
    );
    let house = House::new(&routes, &[("1", &["email"])]).await;
    let headers = "content-type: application/json; charset=UTF-8\r\netag: \"zqplanted\"\r\nlast-modified: zqplanted\r\naccept-ranges: bytes\r\ndigest: zqplanted\r\ncontent-digest: zqplanted\r\nset-cookie: zqplanted=1\r\nlocation: /zqplanted\r\nlink: </zqplanted>\r\nx-total: zqplanted\r\nserver: zqplanted\r\ncache-control: public, max-age=9999\r\nvary: *\r\nx-request-cost: 3\r\n";
    house.upstream.says_with("200 OK", headers, MAYA);
    let answer = house
        .send(
            "GET",
            "/customers/1",
            "x-tenant: bakery\r\nx-other: 1\r\n",
            "",
        )
        .await;
    assert_eq!(answer.status, 200);
    assert!(!answer.head.contains(SIGN), "{}", answer.head);
    assert_eq!(answer.header("x-request-cost"), Some("3"));
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let length: usize = answer.header("content-length").unwrap().parse().unwrap();
    assert_eq!(length, answer.body.len());
    let asked = house.upstream.asked().remove(0);
    assert!(asked.contains("x-tenant: bakery") && !asked.contains("x-other"));
}

#[tokio::test]
async fn a_call_that_could_be_read_as_two_is_refused_and_its_connection_ends() {
    let house = House::new(CUSTOMER, &[("1", &["email"])]).await;
    house.upstream.says(MAYA);
    let start = format!(
        "GET /customers/1 HTTP/1.1\r\nauthorization: Bearer {}\r\n",
        house.key()
    );
    let second = format!("{start}host: x\r\n\r\n");
    for head in [
        "host: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "host: x\r\ncontent-length: 0\r\ncontent-length: 4\r\n\r\n",
        "host: x\r\nhost: y\r\n\r\n",
        "host: x\r\ntransfer-encoding: identity\r\n\r\n",
        "host: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        "host: x\r\ncontent-length: 4\r\n\r\nabcd",
        "host: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ] {
        let answer = house.raw(&format!("{start}{head}{second}")).await;
        assert!(answer.status >= 400, "{head:?}: {answer:?}");
        assert!(!answer.body.contains("http/1.1 200"), "{head:?}");
    }
    // In the other order the length is not to be seen any more: the body ends where its last chunk does, and so does the connection.
    let other = "host: x\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n";
    let answer = house.raw(&format!("{start}{other}{second}")).await;
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(house.upstream.asked().len() <= 1);
}

#[tokio::test]
async fn http_1_0_is_refused_since_it_can_not_tell_a_broken_answer_from_a_whole_one() {
    let house = House::new(CUSTOMER, &[("1", &["email"])]).await;
    let call = format!(
        "GET /customers/1 HTTP/1.0\r\nauthorization: Bearer {}\r\n\r\n",
        house.key()
    );
    assert_eq!(house.raw(&call).await.status, 505);
    let proxied = format!(
        "GET http://elsewhere/customers/1 HTTP/1.1\r\nhost: elsewhere\r\nauthorization: Bearer {}\r\n\r\n",
        house.key()
    );
    assert_eq!(house.raw(&proxied).await.status, 400);
    assert!(house.upstream.asked().is_empty());
}

#[tokio::test]
async fn a_purpose_is_declared_beside_a_key_that_is_for_several() {
    let house = House::new(CUSTOMER, &[("1", &["email"])]).await;
    house.upstream.says(MAYA);
    let key = crate::house::key(&house.p, "carrier", None).await;
    let call = |purpose: &str| {
        format!(
            "GET /customers/1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n{purpose}connection: close\r\n\r\n"
        )
    };
    assert_eq!(house.raw(&call("")).await.status, 401);
    assert_eq!(
        house
            .raw(&call("x-privity-purpose: fulfil_orders\r\n"))
            .await
            .status,
        200
    );
    assert_eq!(
        house
            .raw(&call("x-privity-purpose: marketing\r\n"))
            .await
            .status,
        404
    );
    assert_eq!(
        house
            .raw(&call(
                "x-privity-purpose: marketing\r\nx-privity-purpose: fulfil_orders\r\n"
            ))
            .await
            .status,
        401
    );
    let broker = crate::house::key(&house.p, "broker", Some("fulfil_orders")).await;
    let call = format!(
        "GET /customers/1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {broker}\r\nconnection: close\r\n\r\n"
    );
    assert_eq!(house.raw(&call).await.status, 404);
}

#[tokio::test]
async fn a_certificate_that_the_front_tells_of_names_its_recipient() {
    let more = ", certificate_header: x-client-cert-sha256";
    let house = House::with(CUSTOMER, &[("1", &["email"])], more).await;
    house.upstream.says(MAYA);
    let terms = governance::disclosure::CredentialTerms {
        purposes: Some(vec!["fulfil_orders".into()]),
        ends_at: None,
    };
    let carrier = "carrier".into();
    governance::disclosure::add_certificate(&house.p, &carrier, terms, [0xab; 32])
        .await
        .unwrap();
    let call = |headers: &str| {
        format!("GET /customers/1 HTTP/1.1\r\nhost: x\r\n{headers}connection: close\r\n\r\n")
    };
    let told = format!("x-client-cert-sha256: {}\r\n", "ab".repeat(32));
    assert_eq!(house.raw(&call(&told)).await.status, 200);
    let other = format!("x-client-cert-sha256: {}\r\n", "ac".repeat(32));
    let key = format!("authorization: Bearer {}\r\n", house.key());
    for wrong in [
        other.clone(),
        format!("{told}{told}"),
        format!("{told}{other}"),
        format!("{told}{key}"),
        "x-client-cert-sha256: +b\r\n".to_owned(),
    ] {
        assert_eq!(house.raw(&call(&wrong)).await.status, 401, "{wrong}");
    }
    // Without the setting the header says nothing.
    let plain = House::new(CUSTOMER, &[("1", &["email"])]).await;
    assert_eq!(plain.raw(&call(&told)).await.status, 401);
}
