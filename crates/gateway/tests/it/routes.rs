//! Files of routes: what is wrong is found when they are read, with file, line and what to do.

use gateway::{Gateway, Reloaded};

use crate::house::House;

const GOOD: &str = "
routes:
  customer:
    path: /customers/{number}
    upstream: http://127.0.0.1:9/{number}
    subject: { parameter: number, identifier: customer_number }
    answer:
      attributes: { $.email: email }
";

/// What is said of routes that differ from good ones in one place.
async fn wrong(house: &House, from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.yaml");
    std::fs::write(&file, GOOD.replace(from, to)).unwrap();
    match gateway::check_folder(&house.p, folder.path()) {
        Ok(Ok(routes)) => panic!("{to}: {routes} routes are taken for good"),
        Ok(Err(findings)) => findings.to_string(),
        Err(problem) => panic!("{problem}"),
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_line_and_what_to_do() {
    let house = House::new(GOOD, &[]).await;
    for (from, to, line, words) in [
        (
            "path: /customers/{number}",
            "path: customers",
            4,
            "begins with `/`",
        ),
        (
            "path: /customers/{number}",
            "path: /customers/{n}",
            5,
            "the parameter `number` is not in `path`",
        ),
        (
            "http://127.0.0.1:9/{number}",
            "http://shop.internal/{number}",
            5,
            "without TLS",
        ),
        (
            "http://127.0.0.1:9/{number}",
            "ftp://127.0.0.1/{number}",
            5,
            "`http` or `https`",
        ),
        (
            "http://127.0.0.1:9/{number}",
            "http://me:zqplanted@127.0.0.1/{number}",
            5,
            "without a name and a password",
        ),
        (
            "http://127.0.0.1:9/{number}",
            "http://127.0.0.1:9/{number}?all=1",
            5,
            "whole segment",
        ),
        (
            "http://127.0.0.1:9/{number}",
            "shop",
            5,
            "no URL with scheme",
        ),
        (
            "parameter: number",
            "parameter: nubmer",
            6,
            "no parameter `nubmer`",
        ),
        (
            "identifier: customer_number",
            "identifier: custmer_number",
            6,
            "did you mean `customer_number`",
        ),
        (
            "$.email: email",
            "$.email: emial",
            8,
            "did you mean `email`",
        ),
        ("$.email: email", "email: email", 8, "begins with `$`"),
        (
            "$.email: email",
            "$.email: email, $.email.host: company",
            8,
            "lies inside of",
        ),
        (
            "    subject: { parameter: number, identifier: customer_number }\n",
            "",
            4,
            "whose data this is",
        ),
        (
            "    answer:",
            "    methods: [DELETE]\n    answer:",
            7,
            "who may delete it",
        ),
        (
            "    answer:",
            "    methods: [GET, GET]\n    answer:",
            7,
            "twice",
        ),
        (
            "    answer:",
            "    methods: [POST]\n    answer:",
            4,
            "what may be written",
        ),
        (
            "    answer:",
            "    body: { attributes: { $.email: email } }\n    answer:",
            7,
            "a `GET` has no body",
        ),
        (
            "    answer:",
            "    headers: { to_recipient: [etag] }\n    answer:",
            7,
            "never passed",
        ),
        (
            "    answer:",
            "    headers: { to_upstream: [Cookie] }\n    answer:",
            7,
            "never passed",
        ),
        (
            "    answer:",
            "    query: { passed: [a], filter: { a: email } }\n    answer:",
            7,
            "named twice",
        ),
        (
            "    answer:",
            "    query: { sort: { sort: { mail: emial } } }\n    answer:",
            7,
            "did you mean `email`",
        ),
        (
            "    answer:",
            "    limits: { depth: 0 }\n    answer:",
            7,
            "numbers above 0",
        ),
        (
            "    answer:",
            "    limits: { body_bytes: 99999999 }\n    answer:",
            7,
            "below 8 MiB",
        ),
        (
            "    answer:",
            "    authorization: { value: 'Bearer ${NOT_SET_zq}' }\n    answer:",
            7,
            "NOT_SET_zq",
        ),
        (
            "    answer:",
            "    anwser:",
            7,
            "`anwser` is not known here",
        ),
        (
            "attributes: { $.email: email }",
            "{ attributes: { $.email: email }, documents: { application/json: company } }",
            8,
            "",
        ),
    ] {
        let said = wrong(&house, from, to).await;
        let place = format!("shop.yaml:{line}:");
        assert!(
            said.contains(&place) && said.contains(words),
            "{to}\n{said}"
        );
        assert!(!said.contains("zqplanted"), "{said}");
    }
}

#[tokio::test]
async fn two_routes_for_one_path_are_refused() {
    let house = House::new(GOOD, &[]).await;
    let again = GOOD
        .replace("routes:\n", "")
        .replace("customer:", "client:")
        .replace("{number}", "{id}")
        .replace("parameter: number", "parameter: id");
    let said = wrong(
        &house,
        "      attributes: { $.email: email }\n",
        &format!("      attributes: {{ $.email: email }}\n{again}"),
    )
    .await;
    assert!(said.contains("takes `GET` of this path, too"), "{said}");
}

#[tokio::test]
async fn a_count_beside_a_list_that_is_selected_by_an_attribute_is_refused() {
    let house = House::new(GOOD, &[]).await;
    let list = "      subjects: { '$.all[*]': '$.all[*].id' }\n      attributes: { '$.all[*].email': email }\n      passed: [$.total]\n    query: { filter: { mail: email } }\n";
    let base = "    subject: { parameter: number, identifier: customer_number }\n    answer:\n      attributes: { $.email: email }\n";
    let said = wrong(&house, base, &format!("    answer:\n{list}")).await;
    assert!(said.contains("a count would tell"), "{said}");
    let outside = list.replace("passed: [$.total]\n", "passed: []\n").replace(
        "'$.all[*].email': email",
        "'$.all[*].email': email, $.phone: phone",
    );
    let said = wrong(&house, base, &format!("    answer:\n{outside}")).await;
    assert!(said.contains("whose attribute `$.phone` is"), "{said}");
}

#[tokio::test]
async fn a_fixed_segment_comes_before_a_parameter() {
    let routes = format!(
        "{GOOD}  me:\n    path: /customers/me\n    methods: [POST]\n    subject: {{ parameter: number }}\n    answer: {{ attributes: {{ $.email: email }} }}\n"
    );
    let house = House::new(GOOD, &[]).await;
    std::fs::write(house.routes_file(), routes).unwrap();
    // `me` has no parameter: the set is wrong as a whole, and the old one stays.
    if let Reloaded::Kept(findings) = house.gateway.reload() {
        assert!(findings.to_string().contains("no parameter `number`"));
    }
    assert_eq!(house.gateway.routes().len(), 1);
    assert!(
        matches!(Gateway::open(house.p.clone(), crate::house::rng()), Err(problem) if problem.title.contains("shop.yaml:"))
    );
}
