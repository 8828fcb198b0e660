//! Answers about several subjects: a decision for each, whose key is in the answer.

use gateway::Outcome;

use crate::house::{House, SIGN};

const CUSTOMERS: &str = "
routes:
  customers:
    path: /customers
    upstream: http://UPSTREAM/api/customers
    answer:
      subjects: { '$.customers[*]': '$.customers[*].number' }
      identifier: customer_number
      attributes:
        $.customers[*].email: email
        $.customers[*].name: last_name
    query:
      passed: [page]
      filter: { mail: email, name: last_name }
";

fn body(numbers: impl Iterator<Item = String>) -> String {
    let customers: Vec<String> = numbers
        .map(|number| format!(r#"{{"email":"{number}@example.org","name":"name-{number}","ssn":"zqplanted","number":"{number}"}}"#))
        .collect();
    format!(r#"{{"customers":[{}],"total":17}}"#, customers.join(","))
}

const ALLOWED: &[(&str, &[&str])] = &[
    ("1", &["email"]),
    ("2", &["email", "last_name"]),
    ("3", &[]),
];

#[tokio::test]
async fn each_subject_in_a_list_has_her_own_decision() {
    let house = House::new(CUSTOMERS, ALLOWED).await;
    house.upstream.says(&body(
        ["1", "2", "3", "unknown"].into_iter().map(str::to_owned),
    ));
    let answer = house.get("/customers?page=1").await;
    assert_eq!(
        answer.body,
        r#"{"customers":[{"email":"1@example.org"},{"email":"2@example.org","name":"name-2"}]}"#
    );
    assert!(!answer.body.contains(SIGN));
}

#[tokio::test]
async fn a_list_that_is_selected_by_what_is_withheld_leaves_that_subject_out() {
    let house = House::new(CUSTOMERS, ALLOWED).await;
    house
        .upstream
        .says(&body(["1", "2", "3"].into_iter().map(str::to_owned)));
    let answer = house.get("/customers?name=name-1").await;
    assert_eq!(
        answer.body,
        r#"{"customers":[{"email":"2@example.org","name":"name-2"}]}"#
    );
    let answer = house.get("/customers?mail=x").await;
    assert!(answer.body.contains("1@example.org"));
}

#[tokio::test]
async fn a_long_list_streams_in_batches_of_decisions() {
    let house = House::new(CUSTOMERS, ALLOWED).await;
    let numbers = (0..3_000).map(|number| ["1", "2", "3", "unknown"][number % 4].to_owned());
    house.upstream.says(&body(numbers));
    let answer = house.get("/customers").await;
    assert!(answer.is_whole);
    let read: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(read["customers"].as_array().unwrap().len(), 1_500);
    assert_eq!(house.count(Outcome::Served), 1);
}

#[tokio::test]
async fn lines_are_filtered_line_by_line() {
    let routes = CUSTOMERS
        .replace(
            "      subjects: { '$.customers[*]': '$.customers[*].number' }",
            "      lines: true\n      subjects: { $: $.number }",
        )
        .replace("$.customers[*].", "$.");
    let house = House::new(&routes, ALLOWED).await;
    let lines = "{\"number\":\"1\",\"email\":\"a\",\"ssn\":\"zqplanted\"}\n{\"number\":\"3\",\"email\":\"zqplanted\"}\n{\"name\":\"b\",\"number\":\"2\"}\n";
    house
        .upstream
        .says_with("200 OK", "content-type: application/x-ndjson\r\n", lines);
    let answer = house.get("/customers").await;
    assert_eq!(answer.body, "{\"email\":\"a\"}\n{\"name\":\"b\"}\n");
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
}

#[tokio::test]
async fn a_body_about_one_subject_of_whom_nothing_goes_out_is_not_found() {
    let routes = CUSTOMERS
        .replace("'$.customers[*]': '$.customers[*].number'", "$: $.number")
        .replace("$.customers[*].", "$.");
    let house = House::new(&routes, ALLOWED).await;
    house.upstream.says(r#"{"number":"3","email":"zqplanted"}"#);
    let answer = house.get("/customers").await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
    house.upstream.says(r#"{"number":"1","email":"a"}"#);
    assert_eq!(house.get("/customers").await.body, r#"{"email":"a"}"#);
}

#[tokio::test]
async fn a_list_about_more_than_the_recipient_may_ask_about_in_a_minute_is_refused() {
    let house = House::paced(CUSTOMERS, ALLOWED, 1_000).await;
    let list = |count: usize| body((0..count).map(|number| format!("unknown-{number}")));
    house.upstream.says(&list(300));
    assert_eq!(house.get("/customers").await.status, 200);
    house.upstream.says(&list(1_500));
    let answer = house.get("/customers").await;
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert!(answer.body.contains("too_many_subjects"));
    assert!(
        answer.head.to_lowercase().contains("retry-after: 60"),
        "{}",
        answer.head
    );
    assert_eq!(house.count(Outcome::OverPace), 1);
}

#[tokio::test]
async fn a_list_that_runs_over_the_pace_after_part_of_it_left_is_broken_off_and_counted_as_that() {
    let routes = CUSTOMERS.replace(
        "    query:\n",
        "    limits: { held_back_bytes: 0 }\n    query:\n",
    );
    let house = House::paced(&routes, ALLOWED, 320).await;
    let numbers = (0..2_000).map(|_| "1".to_owned());
    house.upstream.says(&body(numbers));
    let answer = house.get("/customers").await;
    assert_eq!(answer.status, 200);
    assert!(!answer.is_whole && answer.body.contains("1@example.org"));
    let counts = [Outcome::OverPace, Outcome::Aborted].map(|outcome| house.count(outcome));
    assert_eq!(counts, [1, 0]);
}

#[tokio::test]
async fn what_is_left_of_a_pace_does_not_tell_of_whom_a_list_shows_nothing() {
    for hidden in [0, 1, 3, 32] {
        let house = House::paced(CUSTOMERS, ALLOWED, 95).await;
        let numbers = (0..hidden).map(|_| "3".to_owned());
        house.upstream.says(&body(numbers));
        let statuses = [(); 3].map(|()| house.get("/customers"));
        let mut seen = Vec::new();
        for status in statuses {
            seen.push(status.await.status);
        }
        assert_eq!(seen, [200, 200, 429], "{hidden} of whom nothing is shown");
        assert_eq!(
            house.upstream.asked().len(),
            2,
            "asked before the upstream is"
        );
    }
}
