//! The vault of profiles: a segment opens where it was sealed, under its subject's key, as far as a permit allows, and nowhere else.

use domain::data_map::IdentifierKind;
use domain::disclosure::DisclosureRecipient;
use domain::disclosure::Purpose;
use domain::identity::{IdentifierRule, normalise};
use domain::profile::{AttributeNumber, Profile, Segment, SourceNumber};
use domain::sensitive::Sealed;
use enforcement::vault::{
    Amendment, KeyRing, SegmentPlace, SubjectKey, VaultError, WrappedSubjectKey,
};
use enforcement::{Judgements, RecordedPermit, decide_profile};
use proptest::prelude::*;

use crate::log::{SeededRng, contact_permit, recorded};
use crate::profiles::{facts, operator, part, permit, place, query, schema, subject, value};

const CONTACT: Segment = Segment::Contact;

struct Vault {
    keys: KeyRing,
    rng: SeededRng,
    key: SubjectKey,
    wrapped: WrappedSubjectKey,
    sealed: Sealed,
}

fn vault() -> Vault {
    let rng = SeededRng::new(21);
    let keys = KeyRing::generate(&rng);
    let (key, wrapped) = keys.new_subject_key(subject(1), 1, &rng).unwrap();
    let sealed = key
        .seal_segment(&rng, &place(CONTACT), &part(subject(1), CONTACT))
        .unwrap();
    Vault {
        keys,
        rng,
        key,
        wrapped,
        sealed,
    }
}

fn all() -> RecordedPermit {
    permit(&[1], &["name", "email", "phone", "purchases"])
}

fn open(key: &SubjectKey, place: &SegmentPlace, sealed: &Sealed) -> Result<Profile, VaultError> {
    key.open_segment(&all(), &schema(), place, sealed)
        .map(|opened| opened.profile)
}

#[test]
fn a_segment_opens_again_with_the_unwrapped_key() {
    let vault = vault();
    let again = WrappedSubjectKey::from_parts(1, vault.wrapped.as_bytes().to_vec());
    let key = vault.keys.unwrap_subject_key(subject(1), &again).unwrap();
    assert!(open(&key, &place(CONTACT), &vault.sealed).unwrap() == part(subject(1), CONTACT));
    assert_eq!(again.epoch(), Some(1));
}

#[test]
fn only_the_attributes_that_the_permit_names_come_out() {
    let vault = vault();
    let opened = vault
        .key
        .open_segment(
            &permit(&[1], &["phone"]),
            &schema(),
            &place(CONTACT),
            &vault.sealed,
        )
        .unwrap();
    assert_eq!(
        opened
            .profile
            .values()
            .map(|(number, _)| number)
            .collect::<Vec<_>>(),
        [AttributeNumber(3)]
    );
    let other = permit(&[1], &["name"]);
    assert!(
        vault
            .key
            .open_segment(&other, &schema(), &place(CONTACT), &vault.sealed)
            .unwrap()
            .profile
            .is_empty()
    );
    let sensitive = vault
        .key
        .seal_segment(
            &vault.rng,
            &place(Segment::Sensitive),
            &part(subject(1), Segment::Sensitive),
        )
        .unwrap();
    let described = vault
        .key
        .open_segment(
            &permit(&[1], &["ssn"]),
            &schema(),
            &place(Segment::Sensitive),
            &sensitive,
        )
        .unwrap();
    assert!(described.profile.is_empty() && described.described.contains(&AttributeNumber(4)));
}

#[test]
fn a_permit_about_another_subject_or_a_privacy_request_opens_nothing() {
    let vault = vault();
    let (other, _) = vault
        .keys
        .new_subject_key(subject(2), 1, &vault.rng)
        .unwrap();
    let sealed = other
        .seal_segment(&vault.rng, &place(CONTACT), &part(subject(2), CONTACT))
        .unwrap();
    let tried = |permit: &RecordedPermit| {
        other
            .open_segment(permit, &schema(), &place(CONTACT), &sealed)
            .map(drop)
    };
    assert_eq!(tried(&all()), Err(VaultError::WrongSubject));
    assert_eq!(tried(&contact_permit()), Err(VaultError::WrongSubject));
    // Once the two are one, one permit opens both records.
    assert_eq!(tried(&permit(&[1, 2], &["email"])), Ok(()));
    let shown = query(Purpose::ShowOperator, operator(), &["email"]);
    assert_eq!(
        tried(&recorded(
            decide_profile(&shown, &facts(&[1, 2]), &Judgements::default()).unwrap()
        )),
        Ok(())
    );
    let strangers = query(
        Purpose::GiveAccess,
        DisclosureRecipient::Subject,
        &["email"],
    );
    assert!(decide_profile(&strangers, &facts(&[2]), &Judgements::default()).is_err());
}

#[test]
fn every_changed_byte_and_every_shortening_of_a_segment_or_a_key_is_noticed() {
    let vault = vault();
    let damaged = |bytes: Vec<u8>| {
        matches!(
            open(&vault.key, &place(CONTACT), &Sealed::from_envelope(bytes)),
            Err(VaultError::Damaged(_))
        )
    };
    let lost = |bytes: Vec<u8>| {
        vault
            .keys
            .unwrap_subject_key(subject(1), &WrappedSubjectKey::from_parts(1, bytes))
            .is_err()
    };
    for (whole, noticed) in [
        (
            vault.sealed.envelope(),
            &damaged as &dyn Fn(Vec<u8>) -> bool,
        ),
        (vault.wrapped.as_bytes(), &lost as &dyn Fn(Vec<u8>) -> bool),
    ] {
        for position in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.to_vec();
                bytes[position] ^= 1 << bit;
                assert!(noticed(bytes), "bit {bit} of byte {position}");
            }
            assert!(noticed(whole[..position].to_vec()), "cut at {position}");
        }
        assert!(noticed([whole, &[0]].concat()), "one byte more");
    }
}

#[test]
fn a_segment_does_not_open_in_another_place() {
    let vault = vault();
    let here = place(CONTACT);
    for elsewhere in [
        SegmentPlace {
            table: "profile_segments",
            ..here
        },
        SegmentPlace {
            segment: Segment::Core,
            ..here
        },
        SegmentPlace {
            row_version: 2,
            ..here
        },
        SegmentPlace { schema: 2, ..here },
    ] {
        assert!(
            matches!(
                open(&vault.key, &elsewhere, &vault.sealed),
                Err(VaultError::Damaged(_))
            ),
            "{elsewhere:?}"
        );
    }
}

#[test]
fn a_key_does_not_unwrap_for_another_subject_version_or_key_file() {
    let vault = vault();
    let wrapped =
        |version| WrappedSubjectKey::from_parts(version, vault.wrapped.as_bytes().to_vec());
    let wrong = Some(VaultError::WrongSubjectKey);
    assert_eq!(
        vault.keys.unwrap_subject_key(subject(2), &wrapped(1)).err(),
        wrong
    );
    assert_eq!(
        vault.keys.unwrap_subject_key(subject(1), &wrapped(2)).err(),
        wrong
    );
    let others = KeyRing::generate(&SeededRng::new(22));
    assert_eq!(
        others.unwrap_subject_key(subject(1), &wrapped(1)).err(),
        wrong
    );
    // A privacy request's key is no subject's, even of the same number.
    let (_, request) = vault
        .keys
        .new_request_key(crate::log::request(1), &vault.rng)
        .unwrap();
    let passed_off = WrappedSubjectKey::from_parts(1, request.as_bytes().to_vec());
    assert_eq!(
        vault.keys.unwrap_subject_key(subject(1), &passed_off).err(),
        wrong
    );
}

#[test]
fn two_versions_of_a_subjects_key_open_only_their_own() {
    let vault = vault();
    let (next, _) = vault
        .keys
        .new_subject_key(subject(1), 2, &vault.rng)
        .unwrap();
    let (here, there) = (
        place(CONTACT),
        SegmentPlace {
            row_version: 2,
            ..place(CONTACT)
        },
    );
    assert!(matches!(
        open(&next, &here, &vault.sealed),
        Err(VaultError::Damaged(_))
    ));
    let resealed = vault
        .key
        .reseal_segment(&vault.rng, (&here, &vault.sealed), &there, &next)
        .unwrap();
    assert!(open(&next, &there, &resealed).unwrap() == part(subject(1), CONTACT));
    assert!(matches!(
        open(&vault.key, &there, &resealed),
        Err(VaultError::Damaged(_))
    ));
    let (stranger, _) = vault
        .keys
        .new_subject_key(subject(2), 1, &vault.rng)
        .unwrap();
    let passed_on = vault
        .key
        .reseal_segment(&vault.rng, (&here, &vault.sealed), &there, &stranger);
    assert_eq!(passed_on.err(), Some(VaultError::WrongSubject));
}

#[test]
fn a_change_touches_what_it_names_and_nothing_else() {
    let vault = vault();
    let there = SegmentPlace {
        row_version: 2,
        ..place(CONTACT)
    };
    let amendment = Amendment {
        set: vec![
            (AttributeNumber(2), value("ada@lovelace.example")),
            (AttributeNumber(999), value("of an older schema")),
        ],
        remove: vec![(AttributeNumber(3), SourceNumber(1))],
    };
    let changed = vault
        .key
        .amend_segment(
            &vault.rng,
            (&place(CONTACT), &vault.sealed),
            &there,
            amendment,
        )
        .unwrap();
    let opened = open(&vault.key, &there, &changed).unwrap();
    assert_eq!(opened.values().len(), 1);
    assert_eq!(
        opened
            .get(AttributeNumber(2), SourceNumber(1))
            .unwrap()
            .value
            .expose(),
        "ada@lovelace.example"
    );
    assert!(matches!(
        vault
            .key
            .seal_segment(&vault.rng, &there, &part(subject(2), CONTACT)),
        Err(VaultError::WrongSubject)
    ));
}

#[test]
fn tags_of_a_segment_are_those_of_its_normalised_identifiers() {
    let vault = vault();
    let kinds = ["email", "phone", "name"].map(|kind| IdentifierKind(kind.to_owned()));
    let keys: Vec<_> = kinds
        .iter()
        .map(|kind| vault.keys.index_key(1, kind).unwrap())
        .collect();
    let tags = vault
        .key
        .segment_tags(&schema(), &keys, &place(CONTACT), &vault.sealed)
        .unwrap();
    let normal = |rule, text: &str| normalise(rule, &text.to_owned().into(), None).unwrap();
    let expected = [
        keys[0].tag(&normal(IdentifierRule::Email, "ada@example.com")),
        keys[1].tag(&normal(IdentifierRule::Phone, "+1 415 555 0100")),
    ];
    assert_eq!(tags.iter().map(|tag| tag.tag).collect::<Vec<_>>(), expected);
    assert!(tags.iter().all(|tag| tag.verified && tag.version == 1));
    // Another kind, another key file: another tag for the same text.
    let text = normal(IdentifierRule::Verbatim, "ada@example.com");
    let others = KeyRing::generate(&SeededRng::new(22))
        .index_key(1, &kinds[0])
        .unwrap();
    assert!(keys[0].tag(&text) != keys[1].tag(&text) && keys[0].tag(&text) != others.tag(&text));
    assert!(vault.keys.index_key(2, &kinds[0]).is_none());
}

#[test]
fn sealed_bytes_hold_no_value_and_share_no_nonce() {
    let vault = vault();
    let sealed: Vec<_> = (0..200)
        .map(|_| {
            vault
                .key
                .seal_segment(&vault.rng, &place(CONTACT), &part(subject(1), CONTACT))
                .unwrap()
        })
        .collect();
    let nonces: std::collections::BTreeSet<_> = sealed
        .iter()
        .map(|sealed| sealed.envelope()[5..17].to_vec())
        .collect();
    assert_eq!(nonces.len(), sealed.len());
    for planted in ["Ada", "example", "415", "0100"] {
        let holds = |sealed: &Sealed| {
            sealed
                .envelope()
                .windows(planted.len())
                .any(|window| window == planted.as_bytes())
        };
        assert!(!sealed.iter().any(holds), "{planted}");
    }
}

proptest! {
    #[test]
    fn whatever_is_sealed_opens_as_itself_in_steps_of_64_bytes(texts in proptest::collection::vec(".{0,60}", 0..4), row_version in any::<u64>()) {
        let vault = vault();
        let place = SegmentPlace { row_version, ..place(CONTACT) };
        let mut profile = Profile::new(subject(1));
        for (source, text) in (0..).zip(&texts) {
            profile.set(AttributeNumber(2), domain::profile::AttributeValue { source: SourceNumber(source), ..value(text) });
        }
        let sealed = vault.key.seal_segment(&vault.rng, &place, &profile).unwrap();
        prop_assert_eq!((sealed.envelope().len() - 33) % 64, 0);
        prop_assert!(open(&vault.key, &place, &sealed).unwrap() == profile);
    }

    #[test]
    fn no_bytes_open_that_nobody_sealed(bytes in proptest::collection::vec(any::<u8>(), 0..200), head in any::<bool>()) {
        let vault = vault();
        // With the right head, so that the cipher itself has to refuse.
        let bytes = if head { [&vault.sealed.envelope()[..17], &bytes].concat() } else { bytes };
        prop_assert!(open(&vault.key, &place(CONTACT), &Sealed::from_envelope(bytes.clone())).is_err());
        prop_assert!(vault.keys.unwrap_subject_key(subject(1), &WrappedSubjectKey::from_parts(1, bytes)).is_err());
    }
}
