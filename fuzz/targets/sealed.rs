//! Anything in place of what the vault sealed: envelopes of values, segments of profiles, wrapped keys, streams and bookmarks open when
//! they are the very bytes that were sealed for that place, and never otherwise; and whatever is inside under the right key is read or
//! refused.
//!
//! Input: `0 kind which (edit at with)*` is something sealed and then changed, `1 kind bytes` is anything at all, `2 bytes` is a body that
//! is sealed under the right key by code of our own, as a program that went wrong would.
#![no_main]

use std::io::{Read, Write};
use std::sync::{LazyLock, Mutex};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use domain::profile::{AttributeNumber, Profile, Segment, body};
use domain::rng::Rng;
use domain::sensitive::{Sealed, Sensitive};
use enforcement::RecordedPermit;
use enforcement::vault::{
    Amendment, KeyRing, Place, RequestKey, SegmentPlace, SubjectKey, WrappedKey, WrappedSubjectKey,
};
use libfuzzer_sys::fuzz_target;

use crate::log::{CONTACT, SeededRng, contact_permit, request};
use crate::profiles::{part, permit, schema, subject};

// The schema, the log and the permits that the tests of the vault use.
#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../../crates/enforcement/tests/it/log.rs"]
mod log;
#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../../crates/enforcement/tests/it/profiles.rs"]
mod profiles;

const ROWS: [&str; 3] = ["one", "two", "three"];
const READINGS: [&str; 3] = ["shop.customer", "crm.contact", "shop"];

fuzz_target!(|bytes: &[u8]| {
    match bytes {
        [0, kind, which, edits @ ..] => {
            let all = originals(*kind);
            let one = &all[usize::from(*which) % all.len()];
            try_all(*kind, &changed(one, all, edits));
        }
        [1, kind, raw @ ..] => try_all(*kind, raw),
        [2, inside @ ..] => open_any_body(inside),
        _ => {}
    }
});

/// What is sealed once, and tried with every input.
struct World {
    rng: SeededRng,
    keys: KeyRing,
    /// The same subject's key in two versions, and another subject's.
    subjects: Vec<SubjectKey>,
    /// The first key as it is, since it came from our own randomness.
    first_key: Vec<u8>,
    requests: Vec<RequestKey>,
    permit: RecordedPermit,
    contact: RecordedPermit,
    originals: [Vec<Vec<u8>>; 6],
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let rng = Remembering(SeededRng::new(21), Mutex::default());
    let keys = KeyRing::generate(&rng);
    rng.1.lock().unwrap().clear();
    let subjects = [(1, 1), (1, 2), (2, 1)].map(|(number, version)| {
        keys.new_subject_key(subject(number), version, &rng)
            .unwrap()
    });
    let first_key = rng.1.lock().unwrap()[0].clone();
    let requests = [1, 2, 3].map(|number| keys.new_request_key(request(number), &rng).unwrap());
    let segments = (0..SEGMENTS.len()).map(|at| seal_segment(&subjects, at, &rng));
    let (key, _) = &requests[0];
    let values = ROWS.map(|row| {
        let text = Sensitive::new(format!("{row}@example.com"));
        key.seal(&rng, &place(row), &text)
            .unwrap()
            .envelope()
            .to_vec()
    });
    let streams = ROWS.map(|row| {
        let mut writer = key.seal_stream(&rng, &place(row), Vec::new()).unwrap();
        writer.write_all(row.as_bytes()).unwrap();
        writer.finish().unwrap()
    });
    let bookmarks = READINGS.map(|reading| {
        let text = Sensitive::new(reading.to_owned());
        keys.seal_bookmark(&rng, reading, &text)
            .unwrap()
            .into_bytes()
    });
    let originals = [
        segments.collect(),
        subjects
            .iter()
            .map(|(_, wrapped)| wrapped.as_bytes().to_vec())
            .collect(),
        values.into(),
        requests
            .iter()
            .map(|(_, wrapped)| wrapped.as_bytes().to_vec())
            .collect(),
        streams.into(),
        bookmarks.into(),
    ];
    World {
        rng: SeededRng::new(22),
        subjects: subjects.into_iter().map(|(key, _)| key).collect(),
        first_key,
        requests: requests.into_iter().map(|(key, _)| key).collect(),
        permit: permit(&[1, 2], &["name", "email", "phone", "purchases"]),
        contact: contact_permit(),
        keys,
        originals,
    }
});

fn originals(kind: u8) -> &'static [Vec<u8>] {
    &WORLD.originals[usize::from(kind) % 6]
}

/// Something sealed, changed: flip, cut, add, the rest of another, another as a whole, take out, put in.
fn changed(one: &[u8], all: &[Vec<u8>], edits: &[u8]) -> Vec<u8> {
    let mut bytes = one.to_vec();
    for edit in edits.chunks_exact(3) {
        let (at, with) = (usize::from(edit[1]), edit[2]);
        let other = &all[usize::from(with) % all.len()];
        match (edit[0] % 7, at < bytes.len()) {
            (0, true) => bytes[at] ^= with,
            (1, _) => bytes.truncate(at),
            (2, _) => bytes.push(with),
            (3, true) => {
                bytes.truncate(at);
                bytes.extend(other.iter().skip(at));
            }
            (4, _) => bytes.clone_from(other),
            (5, true) => drop(bytes.remove(at)),
            (6, true) => bytes.insert(at, with),
            _ => {}
        }
    }
    bytes
}

/// Tries the bytes in each place of their kind.
fn try_all(kind: u8, bytes: &[u8]) {
    for (at, original) in originals(kind).iter().enumerate() {
        let opened = match kind % 6 {
            0 => opens_as_segment(at, bytes),
            1 => opens_as_subject_key(at, bytes),
            2 => opens_as_value(at, bytes),
            3 => opens_as_request_key(at, bytes),
            4 => opens_as_stream(at, bytes),
            _ => opens_as_bookmark(at, bytes),
        };
        assert_eq!(
            opened,
            bytes == original.as_slice(),
            "it opens if it is what was sealed there, and not otherwise"
        );
    }
}

/// Which subject key, segment and row version.
const SEGMENTS: [(usize, Segment, u64); 4] = [
    (0, Segment::Contact, 1),
    (0, Segment::Contact, 2),
    (0, Segment::Core, 1),
    (2, Segment::Contact, 1),
];

fn segment_place(at: usize) -> SegmentPlace {
    let (_, segment, row_version) = SEGMENTS[at];
    SegmentPlace {
        table: "profile_segment",
        segment,
        row_version,
        schema: 1,
    }
}

fn sealed_part(of: &SubjectKey, at: usize) -> Profile {
    part(of.subject(), SEGMENTS[at].1)
}

fn seal_segment(subjects: &[(SubjectKey, WrappedSubjectKey)], at: usize, rng: &dyn Rng) -> Vec<u8> {
    let (key, _) = &subjects[SEGMENTS[at].0];
    let sealed = key.seal_segment(rng, &segment_place(at), &sealed_part(key, at));
    sealed.unwrap().envelope().to_vec()
}

/// Whether it opens, which every way into a segment must say alike.
fn opens_as_segment(at: usize, bytes: &[u8]) -> bool {
    let world = &*WORLD;
    let (place, key) = (segment_place(at), &world.subjects[SEGMENTS[at].0]);
    let sealed = Sealed::from_envelope(bytes.to_vec());
    let schema = schema();
    let opened = key.open_segment(&world.permit, &schema, &place, &sealed);
    let index = world.keys.index_keys(&schema);
    let others = [
        key.record_tags(&schema, &index, [(place, &sealed)]).is_ok(),
        key.suppression_tags(&world.keys, &schema, &place, &sealed)
            .is_ok(),
        key.amend_segment(&world.rng, (&place, &sealed), &place, Amendment::default())
            .is_ok(),
    ];
    assert_eq!(others, [opened.is_ok(); 3]);
    let Ok(opened) = opened else { return false };
    assert!(opened.profile == sealed_part(key, at), "as it was sealed");
    true
}

fn opens_as_subject_key(at: usize, bytes: &[u8]) -> bool {
    let (number, version) = [(1, 1), (1, 2), (2, 1)][at];
    let wrapped = WrappedSubjectKey::from_parts(version, bytes.to_vec());
    let world = &*WORLD;
    let again = world
        .keys
        .rewrap_subject_key(subject(number), &wrapped, &world.rng);
    assert!(!matches!(again, Ok(Some(_))), "there is no newer epoch");
    let key = world.keys.unwrap_subject_key(subject(number), &wrapped);
    key.is_ok()
}

fn place(row: &'static str) -> Place<'static> {
    Place {
        column: CONTACT,
        row,
    }
}

fn opens_as_value(at: usize, bytes: &[u8]) -> bool {
    let world = &*WORLD;
    let sealed = Sealed::from_envelope(bytes.to_vec());
    let foreign = world.requests[1].open(&world.contact, &place(ROWS[at]), &sealed);
    assert!(foreign.is_err(), "the permit is another request's");
    let Ok(opened) = world.requests[0].open_text(&world.contact, &place(ROWS[at]), &sealed) else {
        return false;
    };
    assert!(*opened.expose() == format!("{}@example.com", ROWS[at]));
    true
}

fn opens_as_request_key(at: usize, bytes: &[u8]) -> bool {
    let wrapped = WrappedKey::from_bytes(bytes.to_vec());
    let numbers = [1, 2, 3];
    let key = WORLD
        .keys
        .unwrap_request_key(request(numbers[at]), &wrapped);
    key.is_ok()
}

fn opens_as_stream(at: usize, bytes: &[u8]) -> bool {
    let world = &*WORLD;
    let stream = world.requests[0].open_stream(&world.contact, &place(ROWS[at]), bytes);
    let Ok(mut stream) = stream else { return false };
    let mut content = Vec::new();
    if stream.read_to_end(&mut content).is_err() {
        return false;
    }
    assert!(content == ROWS[at].as_bytes());
    true
}

fn opens_as_bookmark(at: usize, bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Some(opened) = WORLD.keys.open_bookmark(READINGS[at], text) else {
        return false;
    };
    assert!(*opened.expose() == READINGS[at]);
    true
}

/// Any bytes inside a segment that is sealed as it should be: refused, or read as what they are.
fn open_any_body(inside: &[u8]) {
    let world = &*WORLD;
    let (place, key) = (segment_place(0), &world.subjects[0]);
    let sealed = Sealed::from_envelope(sealed_by_hand(inside));
    let opened = key.open_segment(&world.permit, &schema(), &place, &sealed);
    let amended = key.amend_segment(
        &world.rng,
        (&place, &sealed),
        &segment_place(1),
        Amendment::default(),
    );
    let Some(expected) = expected(inside) else {
        assert!(opened.is_err() && amended.is_err(), "it is no body");
        return;
    };
    assert!(opened.is_ok_and(|opened| opened.profile == expected));
    let again = amended
        .and_then(|sealed| key.open_segment(&world.permit, &schema(), &segment_place(1), &sealed));
    assert!(again.is_ok_and(|opened| opened.profile == expected));
    let index = world.keys.index_keys(&schema());
    assert!(
        key.record_tags(&schema(), &index, [(place, &sealed)])
            .is_ok()
    );
}

/// What the permit lets out of a body, when it is one.
fn expected(inside: &[u8]) -> Option<Profile> {
    let (length, rest) = inside.split_first_chunk::<4>()?;
    let body = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let mut profile = Profile::new(subject(1));
    let allowed = [1, 2, 3, 5].map(AttributeNumber);
    let values = body::decode(body).ok()?.into_iter();
    let allowed = values.filter(|value| allowed.contains(&value.attribute));
    profile.extend(allowed.map(|value| (value.attribute, value.to_value())));
    Some(profile)
}

/// The envelope of the first segment around any body, by the published form.
fn sealed_by_hand(inside: &[u8]) -> Vec<u8> {
    let mut data = b"privity segment v1".to_vec();
    for name in ["profile_segment", Segment::Contact.text()] {
        data.extend((name.len() as u64).to_be_bytes());
        data.extend(name.as_bytes());
    }
    data.extend(subject(1).uuid().as_bytes());
    data.extend(1u64.to_be_bytes());
    data.extend(1u32.to_be_bytes());
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &WORLD.first_key).unwrap());
    let mut sealed = inside.to_vec();
    let nonce = Nonce::assume_unique_for_key([9; 12]);
    key.seal_in_place_append_tag(nonce, Aad::from(data), &mut sealed)
        .unwrap();
    [[1, 0, 0, 0, 1].as_slice(), &[9; 12], &sealed].concat()
}

/// Randomness that remembers what it gave, so that a key is known here.
struct Remembering(SeededRng, Mutex<Vec<Vec<u8>>>);

impl Rng for Remembering {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes);
        self.1.lock().unwrap().push(bytes.to_vec());
    }
}
