//! The vault: what it seals opens where it was sealed, with a permit, and nowhere else.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use domain::data_map::IdentifierKind;
use domain::disclosure::{AttributeName, DisclosureRecipient, OwnColumn, Purpose};
use domain::privacy_request::{RequestKind, RequestState};
use domain::rng::Rng;
use domain::sensitive::{Sealed, Sensitive};
use enforcement::decide;
use enforcement::vault::{
    KeyRing, Place, SecretPurpose, VaultError, WrappedKey, normalise, token_tag,
};
use proptest::prelude::*;

use crate::log::{CONTACT, SeededRng, attribute, contact_permit, facts, query, recorded, request};

const PLACE: Place<'_> = Place {
    column: CONTACT,
    row: "req_00000000000000000000000000000001",
};

fn secret(text: &str) -> Sensitive<String> {
    Sensitive::new(text.to_owned())
}

fn keys() -> (KeyRing, SeededRng) {
    let rng = SeededRng::new(9);
    (KeyRing::generate(&rng), rng)
}

/// Fills keys with 1, 2, 3, ... so that the envelope can be computed by hand.
struct CountingRng(std::sync::atomic::AtomicU8);

impl Rng for CountingRng {
    fn fill(&self, bytes: &mut [u8]) {
        let value = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        bytes.fill(value);
    }
}

#[test]
fn the_envelope_has_the_published_form() {
    let rng = CountingRng(std::sync::atomic::AtomicU8::new(1));
    // Keys 1 to 3 are the key ring's, 4 is the request's, 5 the nonce that wraps it, 6 the nonce that seals.
    let keys = KeyRing::generate(&rng);
    let (key, wrapped) = keys.new_request_key(request(1), &rng).unwrap();
    let sealed = key.seal(&rng, &PLACE, &secret("ada@example.com")).unwrap();

    let mut aad = b"privity seal v1".to_vec();
    for part in [
        request(1).to_string().as_str(),
        "privacy_request",
        PLACE.row,
        "contact",
    ] {
        aad.extend((part.len() as u64).to_be_bytes());
        aad.extend(part.as_bytes());
    }
    let mut body = vec![0, 0, 0, 15];
    body.extend(b"ada@example.com");
    body.resize(64, 0);
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[4; 32]).unwrap());
    cipher
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key([6; 12]),
            Aad::from(aad),
            &mut body,
        )
        .unwrap();
    assert_eq!(
        sealed.envelope(),
        [[1, 0, 0, 0, 1].as_slice(), &[6; 12], &body].concat()
    );
    assert_eq!(
        wrapped.as_bytes()[..17],
        [[1, 0, 0, 0, 1].as_slice(), &[5; 12]].concat()
    );
    assert_eq!(wrapped.as_bytes().len(), 17 + 32 + 16);
}

#[test]
fn a_value_opens_again_with_the_unwrapped_key_and_a_recorded_permit() {
    let (keys, rng) = keys();
    let (key, wrapped) = keys.new_request_key(request(1), &rng).unwrap();
    let sealed = key.seal(&rng, &PLACE, &secret("ada@example.com")).unwrap();
    drop(key);
    let key = keys
        .unwrap_request_key(
            request(1),
            &WrappedKey::from_bytes(wrapped.as_bytes().to_vec()),
        )
        .unwrap();
    assert_eq!(
        key.open_text(&contact_permit(), &PLACE, &sealed)
            .unwrap()
            .expose(),
        "ada@example.com"
    );
}

#[test]
fn every_changed_byte_and_every_shortening_is_noticed() {
    let (keys, rng) = keys();
    let (key, wrapped) = keys.new_request_key(request(1), &rng).unwrap();
    let sealed = key.seal(&rng, &PLACE, &secret("ada@example.com")).unwrap();
    let permit = contact_permit();
    for position in 0..sealed.envelope().len() {
        let mut bytes = sealed.envelope().to_vec();
        bytes[position] ^= 1 << (position % 8);
        assert!(matches!(
            key.open(&permit, &PLACE, &Sealed::from_envelope(bytes)),
            Err(VaultError::Damaged(_))
        ));
        let short = sealed.envelope()[..position].to_vec();
        assert!(matches!(
            key.open(&permit, &PLACE, &Sealed::from_envelope(short)),
            Err(VaultError::Damaged(_))
        ));
    }
    for position in 0..wrapped.as_bytes().len() {
        let mut bytes = wrapped.as_bytes().to_vec();
        bytes[position] ^= 1 << (position % 8);
        assert!(
            keys.unwrap_request_key(request(1), &WrappedKey::from_bytes(bytes))
                .is_err()
        );
    }
}

#[test]
fn a_value_does_not_open_in_another_row_column_table_or_request() {
    let (keys, rng) = keys();
    let (key, wrapped) = keys.new_request_key(request(1), &rng).unwrap();
    let (other_key, _) = keys.new_request_key(request(1), &rng).unwrap();
    let sealed = key.seal(&rng, &PLACE, &secret("ada@example.com")).unwrap();
    let columns = [
        OwnColumn {
            column: "answer",
            ..CONTACT
        },
        OwnColumn {
            table: "outreach",
            ..CONTACT
        },
    ];
    let attributes = columns
        .map(|column| attribute(AttributeName::Own(column), "user.contact.email"))
        .to_vec();
    let query = query(
        Purpose::WriteToSubject,
        DisclosureRecipient::Subject,
        attributes,
    );
    let permit =
        recorded(decide(&query, &facts(RequestKind::Delete, RequestState::Received)).unwrap());
    for column in columns {
        assert!(matches!(
            key.open(&permit, &Place { column, ..PLACE }, &sealed),
            Err(VaultError::Damaged(_))
        ));
    }
    let other_row = Place {
        row: "req_00000000000000000000000000000002",
        ..PLACE
    };
    assert!(matches!(
        key.open(&contact_permit(), &other_row, &sealed),
        Err(VaultError::Damaged(_))
    ));
    assert!(matches!(
        other_key.open(&contact_permit(), &PLACE, &sealed),
        Err(VaultError::Damaged(_))
    ));
    assert!(matches!(
        keys.unwrap_request_key(request(2), &wrapped),
        Err(VaultError::WrongKeyFile)
    ));
}

#[test]
fn a_permit_for_another_attribute_or_another_request_opens_nothing() {
    let (keys, rng) = keys();
    let (key, _) = keys.new_request_key(request(2), &rng).unwrap();
    let sealed = key.seal(&rng, &PLACE, &secret("ada@example.com")).unwrap();
    assert!(matches!(
        key.open(&contact_permit(), &PLACE, &sealed),
        Err(VaultError::NotPermitted(_))
    ));
    let (key, _) = keys.new_request_key(request(1), &rng).unwrap();
    let unnamed = Place {
        column: OwnColumn {
            column: "answer",
            ..CONTACT
        },
        ..PLACE
    };
    let sealed = key.seal(&rng, &unnamed, &secret("because")).unwrap();
    assert!(matches!(
        key.open(&contact_permit(), &unnamed, &sealed),
        Err(VaultError::NotPermitted(_))
    ));
}

#[test]
fn no_two_envelopes_share_a_nonce_and_none_holds_the_text() {
    let (keys, rng) = keys();
    let (key, _) = keys.new_request_key(request(1), &rng).unwrap();
    let envelopes: Vec<_> = (0..100)
        .map(|_| {
            key.seal(&rng, &PLACE, &secret("ada@example.com"))
                .unwrap()
                .envelope()
                .to_vec()
        })
        .collect();
    let nonces: std::collections::BTreeSet<_> = envelopes
        .iter()
        .map(|bytes| bytes[5..17].to_vec())
        .collect();
    assert_eq!(nonces.len(), envelopes.len());
    assert!(
        envelopes
            .iter()
            .all(|bytes| !bytes.windows(4).any(|window| window == b"ada@"))
    );
}

#[test]
fn tags_are_equal_for_one_identifier_however_typed_and_different_otherwise() {
    let (keys, _) = keys();
    let (email, phone, number) = (
        IdentifierKind::email(),
        IdentifierKind("phone".into()),
        IdentifierKind("customer_number".into()),
    );
    let tag = |kind: &IdentifierKind, text: &str| keys.blind_tag(kind, &secret(text));
    assert_eq!(
        tag(&email, " Ada@Example.COM "),
        tag(&email, "ada@example.com")
    );
    assert_ne!(
        tag(&email, "ada@example.com"),
        tag(&email, "adb@example.com")
    );
    let normal = normalise(&email, &secret(" \u{c9}lodie@Example.COM "));
    assert_eq!(normal.expose(), "\u{e9}lodie@example.com");
    assert_ne!(tag(&email, "4155550100"), tag(&phone, "4155550100"));
    for same in [
        "+1 (415) 555-0100",
        "415.555.0100",
        "14155550100",
        "0014155550100",
    ] {
        assert_eq!(
            normalise(&phone, &secret(same)).expose(),
            "14155550100",
            "{same}"
        );
    }
    assert_ne!(tag(&number, "A-7"), tag(&number, "a-7"));
    let others = KeyRing::generate(&SeededRng::new(10));
    assert_ne!(
        tag(&email, "ada@example.com"),
        others.blind_tag(&email, &secret("ada@example.com"))
    );
}

#[test]
fn codes_are_bound_to_their_request_and_links_to_nothing() {
    let (keys, _) = keys();
    let code = keys.code_tag(request(1), &secret("123456"));
    assert!(code.matches(&keys.code_tag(request(1), &secret(" 123456 "))));
    assert!(!code.matches(&keys.code_tag(request(2), &secret("123456"))));
    assert!(!code.matches(&keys.code_tag(request(1), &secret("123457"))));
    let link = keys.link_tag("sub_1.call.1793642400");
    assert!(link.matches(&keys.link_tag("sub_1.call.1793642400")));
    assert!(!link.matches(&keys.link_tag("sub_2.call.1793642400")));
    assert!(token_tag(&secret("a")).matches(&token_tag(&secret("a"))));
    assert!(!token_tag(&secret("a")).matches(&token_tag(&secret("b"))));
}

#[test]
fn each_use_has_its_own_secret() {
    let (keys, _) = keys();
    let uses = [
        SecretPurpose::Link,
        SecretPurpose::Callback,
        SecretPurpose::Session,
        SecretPurpose::ErasureHash,
    ];
    let secrets: std::collections::BTreeSet<_> = uses
        .into_iter()
        .map(|purpose| *keys.secret(purpose).expose())
        .collect();
    assert_eq!(secrets.len(), uses.len());
}

proptest! {
    #[test]
    fn whatever_is_sealed_opens_as_itself_and_its_length_is_blunted(value in proptest::collection::vec(any::<u8>(), 0..400), row in ".{0,40}") {
        let (keys, rng) = keys();
        let (key, _) = keys.new_request_key(request(1), &rng).unwrap();
        let place = Place { row: &row, ..PLACE };
        let sealed = key.seal(&rng, &place, &Sensitive::new(value.clone())).unwrap();
        prop_assert_eq!((sealed.envelope().len() - 33) % 64, 0);
        let opened = key.open(&contact_permit(), &place, &sealed).unwrap();
        prop_assert_eq!(opened.expose(), &value);
    }
}
