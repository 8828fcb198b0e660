//! The ledger in the Console and to take away: who has what of a subject, what recipients ask for and get, and the same lines as JSON Lines and
//! as Parquet.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use crate::office::{Answer, Office};
use crate::recipient::{get, office};

/// Asks as the recipient, and answers its key.
async fn asked(office: &Office, id: domain::id::SubjectId, key: &str) {
    for attributes in ["first_name,last_name", "first_name,last_name", "email"] {
        let path = format!("/recipient/v1/profiles/{id}?purpose=catalogue&attributes={attributes}");
        assert_eq!(get(office, key, &path).await.status, 200);
    }
}

#[expect(clippy::disallowed_methods, reason = "a test calls with it")]
fn exposed(key: &domain::sensitive::Sensitive<String>) -> String {
    key.expose().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_who_got_what_of_a_subject_and_finds_her_without_an_address_in_an_address()
{
    let (office, id, key) = office().await;
    let session = office.session().await;
    let key = exposed(&key);
    let hers = format!("/console/disclosures?subject={id}");
    let nothing = office.get_as(&hers, &session).await.text;
    assert!(nothing.contains("Nobody got anything"), "{nothing}");
    asked(&office, id, &key).await;
    let found = office.get_as(&hers, &session).await.text;
    for words in [
        "Paper &lt;Mill&gt;",
        "Catalogue",
        "First name",
        ">mask<",
        "2 times, first",
    ] {
        assert!(found.contains(words), "{words}: {found}");
    }
    assert!(
        !found.contains("Last name") && !found.contains("Maya"),
        "{found}"
    );

    let fields = [("kind", "email"), ("value", "maya@example.org")];
    let sought = office.post("/console/disclosures", &session, &fields).await;
    assert_eq!(sought.location, hers);
    let fields = [("kind", "email"), ("value", "nobody@example.org")];
    let sought = office.post("/console/disclosures", &session, &fields).await;
    assert_eq!(sought.status, 422);
    assert!(
        sought.text.contains("value-error") && !sought.text.contains("nobody@example.org"),
        "{}",
        sought.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_recipients_ask_for_and_never_a_key() {
    let (office, id, key) = office().await;
    let session = office.session().await;
    let key = exposed(&key);
    asked(&office, id, &key).await;
    let page = office
        .get_as("/console/disclosures/recipients", &session)
        .await
        .text;
    for words in [
        "Asked 3 times, and got something 3 times",
        "Last name",
        "withheld",
        "crd_",
        "until it is revoked",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains(&key) && !page.contains("Maya"));
    let path = "/console/disclosures/minimisation?days=30";
    let page = office.get_as(path, &session).await.text;
    let after = |title: &str| page.split_once(title).unwrap().1.to_owned();
    assert!(
        after("Asked for, and never given").contains("Last name"),
        "{page}"
    );
    assert!(after("Purposes for which nothing went out").contains("Letters"));
    for days in ["0", "many", "99999"] {
        for page in ["recipients", "minimisation"] {
            let path = format!("/console/disclosures/{page}?days={days}");
            let answer = office.get_as(&path, &session).await;
            assert_eq!(answer.status, 422, "{path}");
            assert!(answer.text.contains("days-error"), "{}", answer.text);
        }
    }
}

async fn exported(office: &Office, query: &str) -> Answer {
    let key = office.key().await;
    let answer = get(office, &key, &format!("/api/v1/disclosures{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

fn lines(answer: &Answer) -> Vec<Value> {
    let lines = answer.text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_taken_away_as_lines_and_as_parquet_with_the_same_content() {
    let (office, id, key) = office().await;
    assert_eq!(exported(&office, "").await.text, "");
    asked(&office, id, &exposed(&key)).await;
    let jsonl = exported(&office, "?format=jsonl").await;
    assert_eq!(jsonl.headers["content-type"], "application/x-ndjson");
    let lines = lines(&jsonl);
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line["recipient"] == "mill"));
    let parquet = exported(&office, "?format=parquet").await;
    assert_eq!(
        parquet.headers["content-type"],
        "application/vnd.apache.parquet"
    );
    assert!(parquet.bytes.starts_with(b"PAR1") && parquet.bytes.ends_with(b"PAR1"));
    if let Some(read) = read_elsewhere(&office, &parquet.bytes) {
        assert_eq!(read, lines);
    }
    let operator = office.key().await;
    let wrong = get(&office, &operator, "/api/v1/disclosures?format=xml").await;
    assert_eq!(wrong.status, 422, "{}", wrong.text);
}

/// The rows of a Parquet file as Apache Arrow's C++ reader sees them, in the words of JSON Lines.
const READER: &str = r#"
import json, sys
import pyarrow.parquet as parquet
for row in parquet.read_table(sys.argv[1]).to_pylist():
    row["attributes"] = dict(row["attributes"])
    for name in ("first_at", "last_at"):
        row[name] = row[name].isoformat()
    if row["consideration"] is None:
        del row["consideration"]
    print(json.dumps(row))
"#;

/// `None`, with words, where no Python with pyarrow is there: `./test` puts one into PRIVITY_TEST_PARQUET_PYTHON.
#[expect(clippy::print_stdout, reason = "says that the comparison was not made")]
fn read_elsewhere(office: &Office, bytes: &[u8]) -> Option<Vec<Value>> {
    let Ok(python) = std::env::var("PRIVITY_TEST_PARQUET_PYTHON") else {
        println!(
            "not compared with another reader: PRIVITY_TEST_PARQUET_PYTHON names no Python with pyarrow"
        );
        return None;
    };
    let file = office.folder().join("ledger.parquet");
    std::fs::write(&file, bytes).unwrap();
    let output = Command::new(python)
        .arg("-c")
        .arg(READER)
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = text.lines().map(|line| {
        let mut row: BTreeMap<String, Value> = serde_json::from_str(line).unwrap();
        for name in ["first_at", "last_at"] {
            let at: jiff::Timestamp = row[name].as_str().unwrap().parse().unwrap();
            row.insert(name.to_owned(), json!(at.to_string()));
        }
        json!(row)
    });
    Some(rows.collect())
}
