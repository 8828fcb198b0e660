//! Sealed streams: whole they open as themselves, and no chunk can be changed, moved, doubled, dropped or cut off.

use std::io::{Read, Write};

use domain::disclosure::{AttributeName, OwnColumn};
use enforcement::vault::{KeyRing, Place, RequestKey, VaultError};
use proptest::prelude::*;

use crate::log::{CONTACT, SeededRng, contact_permit, request};

const PLACE: Place<'_> = Place {
    column: CONTACT,
    row: "package",
};
const HEAD: usize = 37;
const CHUNK: usize = 64 * 1024 + 16;

fn key() -> (RequestKey, SeededRng) {
    let rng = SeededRng::new(21);
    (
        KeyRing::generate(&rng)
            .new_request_key(request(1), &rng)
            .unwrap()
            .0,
        rng,
    )
}

fn seal(key: &RequestKey, rng: &SeededRng, content: &[u8], step: usize) -> Vec<u8> {
    let mut writer = key.seal_stream(rng, &PLACE, Vec::new()).unwrap();
    content
        .chunks(step)
        .for_each(|piece| writer.write_all(piece).unwrap());
    writer.finish().unwrap()
}

fn open(key: &RequestKey, place: &Place<'_>, sealed: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    key.open_stream(&contact_permit(), place, sealed)
        .ok()?
        .read_to_end(&mut content)
        .ok()?;
    Some(content)
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8).collect()
}

#[test]
fn streams_of_every_length_around_a_chunk_open_as_themselves() {
    let (key, rng) = key();
    for length in [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000] {
        let content = content(length);
        let sealed = seal(&key, &rng, &content, 1000);
        assert_eq!(
            sealed.len(),
            HEAD + length + 16 * length.div_ceil(65_536).max(1)
        );
        assert_eq!(open(&key, &PLACE, &sealed), Some(content));
    }
}

#[test]
fn chunks_cannot_be_dropped_doubled_or_swapped() {
    let (key, rng) = key();
    let sealed = seal(&key, &rng, &content(3 * 65_536), 65_536);
    let chunk =
        |n: usize| sealed[HEAD + n * CHUNK..(HEAD + (n + 1) * CHUNK).min(sealed.len())].to_vec();
    let with = |order: &[usize]| {
        [
            sealed[..HEAD].to_vec(),
            order.iter().flat_map(|n| chunk(*n)).collect(),
        ]
        .concat()
    };
    assert!(open(&key, &PLACE, &with(&[0, 1, 2])).is_some());
    for order in [
        [0, 1].as_slice(),
        &[0, 2],
        &[1, 2],
        &[1, 0, 2],
        &[0, 1, 1, 2],
        &[0, 1, 2, 2],
        &[],
    ] {
        assert_eq!(open(&key, &PLACE, &with(order)), None, "{order:?}");
    }
}

#[test]
fn an_unfinished_stream_does_not_open() {
    let (key, rng) = key();
    let mut sealed = Vec::new();
    let mut writer = key.seal_stream(&rng, &PLACE, &mut sealed).unwrap();
    writer.write_all(&content(100_000)).unwrap();
    drop(writer);
    assert_eq!(open(&key, &PLACE, &sealed), None);
}

#[test]
fn a_stream_opens_only_in_its_place_with_its_key_and_with_a_permit() {
    let (key, rng) = key();
    let sealed = seal(&key, &rng, b"everything", 3);
    assert_eq!(
        open(
            &key,
            &Place {
                row: "other",
                ..PLACE
            },
            &sealed
        ),
        None
    );
    let (other, _) = KeyRing::generate(&rng)
        .new_request_key(request(1), &rng)
        .unwrap();
    assert_eq!(open(&other, &PLACE, &sealed), None);
    let unnamed = Place {
        column: OwnColumn {
            column: "package",
            ..CONTACT
        },
        ..PLACE
    };
    let name = AttributeName::Own(unnamed.column).to_string();
    assert_eq!(
        key.open_stream(&contact_permit(), &unnamed, &sealed[..])
            .err(),
        Some(VaultError::NotPermitted(name))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_changed_byte_and_every_cut_of_a_stream_is_noticed(length in 0usize..140_000, step in 1usize..100_000, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (key, rng) = key();
        let sealed = seal(&key, &rng, &content(length), step);
        prop_assert_eq!(open(&key, &PLACE, &sealed).map(|opened| opened.len()), Some(length));
        let at = at.index(sealed.len());
        prop_assert_eq!(open(&key, &PLACE, &sealed[..at]), None);
        let mut changed = sealed;
        changed[at] ^= 1 << bit;
        prop_assert_eq!(open(&key, &PLACE, &changed), None);
    }
}
