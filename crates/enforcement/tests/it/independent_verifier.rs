//! A verifier that shares no code with ours says the same, and a file written by an earlier version still verifies.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use enforcement::evidence::verify;

use crate::log::{ORIGIN, busy_log, request};

fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Whether the Python verifier accepts the file; `None` where there is no Python.
fn python_accepts(bytes: &[u8], key: &str) -> Option<bool> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("evidence.json");
    fs::write(&file, bytes).unwrap();
    let script = tests_folder().join("independent/verify_evidence.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(file)
        .arg(key)
        .output()
        .ok()?;
    Some(output.status.success())
}

#[test]
fn a_verifier_written_from_the_documents_agrees_with_ours() {
    let log = busy_log(300);
    let key = log.keys.log_verifier_key(ORIGIN).unwrap().to_string();
    let whole = log.evidence(request(1)).to_bytes().unwrap();
    let Some(accepted) = python_accepts(&whole, &key) else {
        println!("not run: there is no python3 here to run the independent verifier with");
        return;
    };
    assert!(accepted && verify(&whole, Some(&key)).is_ok());
    let text = String::from_utf8(whole).unwrap();
    let mut without_fifth = log.evidence(request(1));
    without_fifth.records.remove(5);
    let forged_size = text.replacen("\\n301\\n", "\\n300\\n", 1);
    for changed in [without_fifth.to_bytes().unwrap(), forged_size.into_bytes()] {
        assert_eq!(python_accepts(&changed, &key), Some(false));
        assert!(verify(&changed, Some(&key)).is_err());
    }
}

#[test]
fn evidence_looks_as_it_always_has() {
    let path = tests_folder().join("vectors/own/evidence.json");
    let ours = busy_log(20).evidence(request(1)).to_bytes().unwrap();
    let known = fs::read(&path).unwrap();
    assert!(verify(&known, None).is_ok());
    assert_eq!(
        String::from_utf8(ours).unwrap(),
        String::from_utf8(known).unwrap(),
        "evidence out in the world must keep verifying"
    );
}
