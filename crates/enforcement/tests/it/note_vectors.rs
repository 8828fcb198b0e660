//! Notes and checkpoints against the vectors of C2SP and golang.org/x/mod/sumdb/note.

use std::fs;
use std::path::Path;

use domain::audit::leaf_hash;
use enforcement::note::{Checkpoint, NoteError, VerifierKey, verify_checkpoint, verify_note};
use enforcement::vault::KeyRing;
use serde_json::Value;

use crate::log::SeededRng;

fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors/c2sp")
        .join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn key(text: &Value) -> VerifierKey {
    text.as_str().unwrap().parse().unwrap()
}

#[test]
fn the_specifications_example_verifies_and_its_key_reads_back() {
    let example = &vectors("signed-note.json")["spec_example"];
    let key = key(&example["vkey"]);
    assert_eq!(key.to_string(), example["vkey"].as_str().unwrap());
    assert_eq!(
        verify_note(example["note"].as_str().unwrap(), &[key]),
        Ok("This is an example message.\n")
    );
}

#[test]
fn notes_of_the_go_checksum_database_verify_with_one_known_key_or_two() {
    let sumdb = &vectors("signed-note.json")["sumdb"];
    let (peter, enoch) = (key(&sumdb["vkeys"][0]), key(&sumdb["vkeys"][1]));
    let text = sumdb["text"].as_str().unwrap();
    let (first, second) = (
        sumdb["signatures"][0].as_str().unwrap(),
        sumdb["signatures"][1].as_str().unwrap(),
    );
    let note = format!("{text}\n{first}{second}");
    for keys in [
        vec![peter.clone()],
        vec![enoch.clone()],
        vec![enoch.clone(), peter.clone()],
    ] {
        assert_eq!(verify_note(&note, &keys), Ok(text));
    }
    assert_eq!(verify_note(&note, &[]), Err(NoteError::NotSigned));
    assert_eq!(
        verify_note(&format!("{text}\n{first}"), &[enoch]),
        Err(NoteError::NotSigned)
    );
}

#[test]
fn what_the_vectors_say_to_reject_is_rejected() {
    let sumdb = &vectors("signed-note.json")["sumdb"];
    let peter = || key(&sumdb["vkeys"][0]);
    let (text, signature) = (
        sumdb["text"].as_str().unwrap(),
        sumdb["signatures"][0].as_str().unwrap(),
    );
    let note = format!("{text}\n{signature}");
    let refusal = |note: &str| verify_note(note, &[peter()]).unwrap_err();
    assert_eq!(
        refusal(note.trim_end()),
        NoteError::Malformed,
        "no final newline"
    );
    assert_eq!(refusal(text), NoteError::Malformed, "no signature");
    assert_eq!(
        refusal(&note.replace("PeterNeumann", "Peter+Neumann")),
        NoteError::Malformed,
        "plus in a name"
    );
    assert_eq!(
        refusal(&format!("{text}\n{}", signature.repeat(101))),
        NoteError::Malformed,
        "101 signatures"
    );
    assert_eq!(
        refusal(&note.replace("x08go/ZJ", "x08go/ZK")),
        NoteError::WrongSignature,
        "known key, corrupt signature"
    );
    assert_eq!(
        refusal(&note.replace("cryptography", "criptography")),
        NoteError::WrongSignature,
        "changed text"
    );
    assert_eq!(
        refusal(&note.replace("cryptography", "crypto\tgraphy")),
        NoteError::Malformed,
        "control character"
    );
    assert_eq!(
        VerifierKey::new("with space", [0; 32]),
        Err(NoteError::InvalidName)
    );
    let wrong_id = sumdb["vkeys"][0]
        .as_str()
        .unwrap()
        .replace("c74f20a3", "c74f20a4");
    assert_eq!(wrong_id.parse::<VerifierKey>(), Err(NoteError::InvalidKey));
}

#[test]
fn checkpoints_are_accepted_and_refused_as_the_vectors_say() {
    let vectors = vectors("checkpoint.json");
    for text in vectors["valid"].as_array().unwrap() {
        let checkpoint = Checkpoint::parse(text.as_str().unwrap()).unwrap();
        assert_eq!(
            (checkpoint.size(), checkpoint.root()),
            (123, leaf_hash(b"hello world"))
        );
        assert_eq!(checkpoint.to_text(), text.as_str().unwrap());
    }
    for text in vectors["invalid"].as_array().unwrap() {
        assert_eq!(
            Checkpoint::parse(text.as_str().unwrap()),
            Err(NoteError::MalformedCheckpoint),
            "{text}"
        );
    }
    assert!(Checkpoint::parse("o\n007\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n").is_err());
}

#[test]
fn our_own_checkpoint_verifies_with_our_key_and_with_no_other() {
    let keys = KeyRing::generate(&SeededRng::new(1));
    let checkpoint = Checkpoint::new("privity.example/audit", 7, leaf_hash(b"x")).unwrap();
    let note = keys.sign_checkpoint(&checkpoint).unwrap();
    let key = keys.log_verifier_key("privity.example/audit").unwrap();
    assert_eq!(verify_checkpoint(&note, &key), Ok(checkpoint));
    let other = KeyRing::generate(&SeededRng::new(2))
        .log_verifier_key("privity.example/audit")
        .unwrap();
    assert_eq!(verify_checkpoint(&note, &other), Err(NoteError::NotSigned));
}
