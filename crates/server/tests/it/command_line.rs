//! `privity recipient key` and `privity ledger` as somebody types them, over the folder of an office.

use std::path::Path;
use std::process::{Command, Output};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::Value;

use crate::office::Office;
use crate::recipient::{get, office};

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_privity"))
        .arg("--config")
        .arg(folder.join("privity.yaml"))
        .args(arguments)
        .env("NO_COLOR", "1")
        .current_dir(folder)
        .output()
        .unwrap()
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

pub(crate) fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipients_key_is_made_shown_once_used_listed_and_revoked() {
    let (office, id, _) = office().await;
    let folder = office.folder();
    let add = [
        "recipient",
        "key",
        "add",
        "mill",
        "--purpose",
        "catalogue",
        "--json",
    ];
    let added = json(folder, &add);
    let (crd, key) = (
        added["id"].as_str().unwrap().to_owned(),
        added["key"].as_str().unwrap().to_owned(),
    );
    let path = format!("/recipient/v1/profiles/{id}?attributes=first_name");
    assert!(get(&office, &key, &path).await.text.contains("Maya"));

    let listed = run(folder, &["recipient", "key", "list"]);
    assert!(
        said(&listed).contains(&crd) && !said(&listed).contains(&key),
        "{}",
        said(&listed)
    );
    let listed = json(folder, &["recipient", "key", "list", "--json"]);
    let listed = listed.as_array().unwrap().iter();
    let purposes: Vec<_> = listed
        .filter(|one| one["id"] == crd.as_str())
        .map(|one| one["purposes"].to_string())
        .collect();
    assert_eq!(purposes, ["[\"catalogue\"]"]);

    let revoked = run(folder, &["recipient", "key", "revoke", &crd]);
    assert!(revoked.status.success(), "{}", said(&revoked));
    // Another process took it back: the server may take it for a second more, and would for ever if it did not look again.
    while get(&office, &key, &path).await.status == 200 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(get(&office, &key, &path).await.status, 401);
    for (arguments, words) in [
        (
            &["recipient", "key", "revoke", crd.as_str()][..],
            "credential that still holds",
        ),
        (
            &["recipient", "key", "revoke", "maya"],
            "privity recipient key list",
        ),
        (
            &["recipient", "key", "add", "nobody"],
            "the data map has no recipient `nobody`",
        ),
        (
            &["recipient", "key", "add", "mill", "--purpose", "odd"],
            "nobody declared a purpose `odd`",
        ),
        (
            &["recipient", "key", "add", "mill", "--certificate", "ab"],
            "64 hexadecimal digits",
        ),
    ] {
        let refused = run(folder, arguments);
        assert!(!refused.status.success(), "{arguments:?}");
        assert!(
            said(&refused).contains(words),
            "{words}: {}",
            said(&refused)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_shown_exported_and_looked_through() {
    let (office, id, key) = office().await;
    let folder = office.folder();
    #[expect(clippy::disallowed_methods, reason = "a test calls with it")]
    let key = key.expose().clone();
    let path =
        format!("/recipient/v1/profiles/{id}?purpose=catalogue&attributes=first_name,last_name");
    assert_eq!(get(&office, &key, &path).await.status, 200);

    let shown = said(&run(folder, &["ledger", "show", &id.to_string()]));
    assert!(
        shown.contains("mill") && shown.contains("keep: first_name"),
        "{shown}"
    );
    let shown = json(folder, &["ledger", "show", &id.to_string(), "--json"]);
    assert_eq!(shown[0]["times"], 1);

    for (format, file) in [("jsonl", "ledger.jsonl"), ("parquet", "ledger.parquet")] {
        let export = ["ledger", "export", "--format", format, "--to", file];
        let done = run(folder, &export);
        assert!(said(&done).contains("Wrote 1 lines"), "{}", said(&done));
        let again = run(folder, &export);
        assert!(!again.status.success() && said(&again).contains("not there yet"));
    }
    let line: Value =
        serde_json::from_slice(&std::fs::read(folder.join("ledger.jsonl")).unwrap()).unwrap();
    assert_eq!(line, shown[0]);
    let parquet = std::fs::read(folder.join("ledger.parquet")).unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));

    let report = said(&run(folder, &["ledger", "minimise", "--days", "3650"]));
    assert!(
        report.contains("mill asked 1 times for catalogue and never got: last_name"),
        "{report}"
    );
    let nobody = run(folder, &["ledger", "show", "maya"]);
    assert!(!nobody.status.success() && said(&nobody).contains("no id of a subject"));
}

/// The certificate with which the gateway ends TLS: until when it counts, and what is wrong with it.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_looks_at_the_gateways_certificate() {
    let key = KeyPair::generate().unwrap();
    let until = |year| {
        let mut params = CertificateParams::new(vec!["gateway.example".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        params.self_signed(&key).unwrap().pem()
    };
    let settings = "gateway: { listen: \"127.0.0.1:0\", routes: routes, tls_certificate: gateway.pem, tls_key: gateway.key }\n";
    let files = [
        ("gateway.pem", until(2090)),
        ("gateway.key", key.serialize_pem()),
    ];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let office = Office::with(&files, settings).await;
    let folder = office.folder();
    let looked = || {
        let output = run(folder, &["doctor", "--json"]);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = found["findings"].as_array().unwrap().clone();
        let mut findings = findings.into_iter();
        let of = findings.find(|one| one["what"] == "gateway's certificate");
        let of = of.unwrap_or_else(|| panic!("{found}"));
        (of["ok"] == true, of["words"].as_str().unwrap().to_owned())
    };
    let ends = "its certificate ends at 2090-01-01T00:00:00Z".to_owned();
    assert_eq!(looked(), (true, ends));
    std::fs::write(folder.join("gateway.pem"), until(2020)).unwrap();
    let ended = "its certificate ends at 2020-01-01T00:00:00Z".to_owned();
    assert_eq!(looked(), (false, ended));
    std::fs::write(folder.join("gateway.pem"), "nothing").unwrap();
    let (is_ok, words) = looked();
    assert!(
        !is_ok && words.contains("holds no certificate in PEM form"),
        "{words}"
    );
}
