//! Known answers of every envelope around a profile, fixed for ever, and read by a program that shares no code with ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use domain::data_map::IdentifierKind;
use domain::identity::normalise;
use domain::key_service::KeyService;
use domain::profile::{Segment, body};
use domain::sensitive::Sealed;
use enforcement::vault::{KeyRing, LocalKeyService, WrappedKey, WrappedSubjectKey};
use serde_json::{Value, json};

use crate::log::{SeededRng, request};
use crate::profiles::{part, permit, place, schema, subject};

fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn vectors_path() -> PathBuf {
    tests_folder().join("vectors/own/profile-vault.json")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &Value) -> Vec<u8> {
    let digits = text.as_str().unwrap().as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Everything that the vault makes, from seeds.
fn made() -> Value {
    let (folder, rng) = (tempfile::tempdir().unwrap(), SeededRng::new(31));
    let key_file = folder.path().join("privity.keys");
    let keys = KeyRing::create(&key_file, &rng).unwrap();
    let service_file = folder.path().join("service.key");
    let service = LocalKeyService::create(&service_file, Box::new(SeededRng::new(32))).unwrap();
    let file_key = [9; 32].into();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Ok(wrapped_by_service)) = service
        .wrap(&file_key, "privity key file v3")
        .as_mut()
        .poll(&mut context)
    else {
        panic!("the service did not answer");
    };

    let (key, wrapped) = keys.new_subject_key(subject(1), 3, &rng).unwrap();
    let (_, wrapped_request) = keys.new_request_key(request(1), &rng).unwrap();
    let segments: Vec<_> = [Segment::Core, Segment::Contact, Segment::Sensitive, Segment::Events].into_iter().map(|segment| {
        let part = part(subject(1), segment);
        let sealed = key.seal_segment(&rng, &place(segment), &part).unwrap();
        json!({"segment": segment.text(), "table": "profile_segment", "row_version": 1, "schema": 1, "sealed": hex(sealed.envelope()), "body": hex(body::encode(&part).unwrap().expose())})
    }).collect();
    let tags: Vec<_> = [("email", "Ada@Example.com"), ("phone", "(415) 555-0100")].into_iter().map(|(kind, text)| {
        let rule = serde_json::from_value(kind.into()).unwrap();
        let normal = normalise(rule, &text.to_owned().into(), schema().identity().default_country).unwrap();
        let tag = keys.index_key(1, &IdentifierKind(kind.to_owned())).unwrap().tag(&normal);
        json!({"kind": kind, "version": 1, "typed": text, "normal": normal.expose(), "tag": hex(&tag.0)})
    }).collect();
    json!({
        "key_file": std::fs::read_to_string(&key_file).unwrap(),
        "service_file": std::fs::read_to_string(&service_file).unwrap(),
        "wrapped_by_service": {"bound_to": "privity key file v3", "wrapped": hex(&wrapped_by_service), "key": hex(&[9; 32])},
        "request": {"id": request(1).to_string(), "wrapped_key": hex(wrapped_request.as_bytes())},
        "subject": {"id": hex(subject(1).uuid().as_bytes()), "key_version": 3, "wrapped_key": hex(wrapped.as_bytes())},
        "segments": segments,
        "tags": tags,
    })
}

/// Whether the program without our code accepts them; `None` where it cannot run.
fn python_accepts(vectors: &Path) -> Option<bool> {
    let script = tests_folder().join("independent/open_profile.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(vectors)
        .output()
        .ok()?;
    match output.status.code() {
        Some(3) => None,
        _ => Some(output.status.success()),
    }
}

#[test]
fn every_envelope_has_the_bytes_that_it_always_had() {
    let made = made();
    if std::env::var_os("PRIVITY_WRITE_VECTORS").is_some() {
        std::fs::write(
            vectors_path(),
            serde_json::to_string_pretty(&made).unwrap() + "\n",
        )
        .unwrap();
    }
    let kept: Value = serde_json::from_slice(&std::fs::read(vectors_path()).unwrap()).unwrap();
    assert_eq!(made, kept);
}

#[test]
fn what_was_sealed_then_still_opens() {
    let kept: Value = serde_json::from_slice(&std::fs::read(vectors_path()).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("privity.keys");
    std::fs::write(&path, kept["key_file"].as_str().unwrap()).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let keys = KeyRing::open(&path).unwrap();
    let wrapped = WrappedSubjectKey::from_parts(3, unhex(&kept["subject"]["wrapped_key"]));
    let key = keys.unwrap_subject_key(subject(1), &wrapped).unwrap();
    assert!(
        keys.unwrap_request_key(
            request(1),
            &WrappedKey::from_bytes(unhex(&kept["request"]["wrapped_key"]))
        )
        .is_ok()
    );
    for segment in kept["segments"].as_array().unwrap() {
        let part_of = Segment::from_text(segment["segment"].as_str().unwrap()).unwrap();
        let sealed = Sealed::from_envelope(unhex(&segment["sealed"]));
        let opened = key
            .open_segment(
                &permit(&[1], &["name", "email", "phone", "purchases"]),
                &schema(),
                &place(part_of),
                &sealed,
            )
            .unwrap();
        if part_of != Segment::Sensitive {
            assert!(opened.profile == part(subject(1), part_of));
        }
    }
}

#[test]
fn a_program_written_from_the_description_opens_the_same() {
    let Some(accepted) = python_accepts(&vectors_path()) else {
        println!(
            "not run: there is no python3 with the package cryptography here to open envelopes with"
        );
        return;
    };
    assert!(accepted);
    let text = std::fs::read_to_string(vectors_path()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.json");
    let kept: Value = serde_json::from_str(&text).unwrap();
    for one in [
        &kept["segments"][0]["sealed"],
        &kept["subject"]["wrapped_key"],
        &kept["tags"][0]["tag"],
        &kept["wrapped_by_service"]["wrapped"],
    ] {
        let whole = one.as_str().unwrap();
        let last = if whole.ends_with('0') { '1' } else { '0' };
        std::fs::write(
            &path,
            text.replace(whole, &format!("{}{last}", &whole[..whole.len() - 1])),
        )
        .unwrap();
        assert_eq!(
            python_accepts(&path),
            Some(false),
            "it has to look at what it says it looks at"
        );
    }
}
