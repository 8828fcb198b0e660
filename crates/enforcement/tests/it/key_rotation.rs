//! Rotation: keys change one step at a time, in memory and in the key file, and nothing that is still needed is destroyed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use domain::data_map::IdentifierKind;
use domain::key_service::{KeyService, KeyServiceError};
use enforcement::vault::{
    KeyChange, KeyFileError, KeyRing, KeyVersions, LocalKeyService, RotationError, VaultError,
};

use crate::log::{ORIGIN, SeededRng, request};
use crate::profiles::subject;

struct Place {
    folder: tempfile::TempDir,
    rng: SeededRng,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            rng: SeededRng::new(5),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("privity.keys")
    }

    fn change(&self, change: KeyChange) -> Result<KeyRing, KeyFileError> {
        KeyRing::change(&self.path(), change, &self.rng)
    }

    fn refused(&self, change: KeyChange) -> RotationError {
        match self.change(change) {
            Err(KeyFileError::Rotation(error)) => error,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it was changed"),
        }
    }
}

const fn destroy(epoch: u32, still_wrapped: u64) -> KeyChange {
    KeyChange::DestroyEpoch {
        epoch,
        still_wrapped,
    }
}

/// The answer of a service that is there at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits for something"),
    }
}

#[test]
fn an_epoch_is_pending_then_promoted_then_the_old_one_goes_when_nothing_needs_it() {
    let place = Place::new();
    let first = KeyRing::create(&place.path(), &place.rng).unwrap();
    let (key, wrapped) = first.new_subject_key(subject(1), 1, &place.rng).unwrap();
    let (_, of_request) = first.new_request_key(request(1), &place.rng).unwrap();
    drop(key);

    let pending = place.change(KeyChange::AddEpoch).unwrap();
    assert_eq!(
        pending.epoch_versions(),
        KeyVersions {
            present: 1,
            older: vec![],
            pending: Some(2)
        }
    );
    assert_eq!(
        pending
            .new_subject_key(subject(2), 1, &place.rng)
            .unwrap()
            .1
            .epoch(),
        Some(1),
        "a pending epoch wraps nothing"
    );
    assert_eq!(
        place.refused(KeyChange::AddEpoch),
        RotationError::Pending(2)
    );
    assert!(
        pending
            .rewrap_subject_key(subject(1), &wrapped, &place.rng)
            .unwrap()
            .is_none()
    );

    let promoted = place.change(KeyChange::PromoteEpoch).unwrap();
    assert_eq!(
        promoted.epoch_versions(),
        KeyVersions {
            present: 2,
            older: vec![1],
            pending: None
        }
    );
    assert_eq!(
        place.refused(KeyChange::PromoteEpoch),
        RotationError::NothingPending
    );
    assert_eq!(place.refused(destroy(2, 0)), RotationError::InUse(2));
    assert_eq!(
        place.refused(destroy(1, 1)),
        RotationError::StillReferred { key: 1, count: 1 }
    );
    let rewrapped = promoted
        .rewrap_subject_key(subject(1), &wrapped, &place.rng)
        .unwrap()
        .unwrap();
    let request_again = promoted
        .rewrap_request_key(request(1), &of_request, &place.rng)
        .unwrap()
        .unwrap();
    assert_eq!((rewrapped.epoch(), rewrapped.version), (Some(2), 1));
    assert!(
        promoted
            .rewrap_request_key(request(1), &request_again, &place.rng)
            .unwrap()
            .is_none()
    );
    // A node that still has the file from before reads what the promoted ones wrap, and does not wrap it back.
    assert!(pending.unwrap_subject_key(subject(1), &rewrapped).is_ok());
    assert!(
        pending
            .rewrap_subject_key(subject(1), &rewrapped, &place.rng)
            .unwrap()
            .is_none()
    );

    let last = place.change(destroy(1, 0)).unwrap();
    assert_eq!(place.refused(destroy(1, 0)), RotationError::Unknown(1));
    assert_eq!(
        last.unwrap_subject_key(subject(1), &wrapped).err(),
        Some(VaultError::UnknownEpoch(1)),
        "a backup from before is dead"
    );
    assert_eq!(
        last.unwrap_request_key(request(1), &of_request).err(),
        Some(VaultError::UnknownEpoch(1))
    );
    for ring in [last, KeyRing::open(&place.path()).unwrap()] {
        assert!(ring.unwrap_subject_key(subject(1), &rewrapped).is_ok());
        assert!(ring.unwrap_request_key(request(1), &request_again).is_ok());
        assert_eq!(ring.key_check(), first.key_check());
        assert_eq!(
            ring.log_verifier_key(ORIGIN),
            first.log_verifier_key(ORIGIN)
        );
    }
}

#[test]
fn an_index_key_is_changed_while_both_are_looked_for() {
    let place = Place::new();
    let first = KeyRing::create(&place.path(), &place.rng).unwrap();
    let email = IdentifierKind::email();
    let tag = |ring: &KeyRing, version| {
        ring.index_key(version, &email)
            .map(|key| key.tag(&"ada@example.com".to_owned().into()))
    };
    place.change(KeyChange::AddIndexKey).unwrap();
    let promoted = place.change(KeyChange::PromoteIndexKey).unwrap();
    assert_eq!(
        promoted.index_versions(),
        KeyVersions {
            present: 2,
            older: vec![1],
            pending: None
        }
    );
    assert_eq!(tag(&promoted, 1), tag(&first, 1));
    assert!(tag(&promoted, 2) != tag(&promoted, 1));
    let still = KeyChange::DestroyIndexKey {
        version: 1,
        still_tagged: 3,
    };
    assert_eq!(
        place.refused(still),
        RotationError::StillReferred { key: 1, count: 3 }
    );
    let last = place
        .change(KeyChange::DestroyIndexKey {
            version: 1,
            still_tagged: 0,
        })
        .unwrap();
    assert!(last.index_key(1, &email).is_none());
    assert_eq!(
        tag(&KeyRing::open(&place.path()).unwrap(), 2),
        tag(&promoted, 2)
    );
}

#[test]
fn a_changed_key_file_is_private_whole_and_alone() {
    let place = Place::new();
    KeyRing::create(&place.path(), &place.rng).unwrap();
    let before = fs::read(place.path()).unwrap();
    place.refused(KeyChange::PromoteEpoch);
    assert_eq!(
        fs::read(place.path()).unwrap(),
        before,
        "a refused change changes nothing"
    );
    let link = place.folder.path().join("link.keys");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    KeyRing::change(&link, KeyChange::AddEpoch, &place.rng).unwrap();
    assert!(
        fs::symlink_metadata(&link).unwrap().is_symlink(),
        "the file is replaced, not the link to it"
    );
    assert_eq!(
        fs::metadata(place.path()).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        fs::read_dir(place.folder.path()).unwrap().count(),
        2,
        "no draft stays behind"
    );
    let whole = fs::read_to_string(place.path()).unwrap();
    for length in 0..whole.trim_end().len() {
        fs::write(place.path(), &whole[..length]).unwrap();
        assert!(
            matches!(KeyRing::open(&place.path()), Err(KeyFileError::Damaged(_))),
            "{length}"
        );
    }
    for (from, to) in [
        ("\"wrapping_epoch\": 1", "\"wrapping_epoch\": 7"),
        ("\"indexing_version\": 1", "\"indexing_version\": 7"),
        ("file\": 2", "file\": 1"),
    ] {
        fs::write(place.path(), whole.replace(from, to)).unwrap();
        assert!(
            matches!(KeyRing::open(&place.path()), Err(KeyFileError::Damaged(_))),
            "{to}"
        );
    }
}

#[test]
fn who_comes_second_is_told_so_and_a_file_open_to_others_is_not_changed() {
    let place = Place::new();
    assert!(matches!(
        place.change(KeyChange::AddEpoch),
        Err(KeyFileError::Missing(_))
    ));
    KeyRing::create(&place.path(), &place.rng).unwrap();
    let held = fs::File::open(place.path()).unwrap();
    held.lock().unwrap();
    assert!(matches!(
        place.change(KeyChange::AddEpoch),
        Err(KeyFileError::Changed(_))
    ));
    drop(held);
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        place.change(KeyChange::AddEpoch),
        Err(KeyFileError::OpenToOthers { .. })
    ));
}

#[test]
fn a_key_file_under_a_key_service_opens_with_it_and_with_nothing_else() {
    let place = Place::new();
    let service_path = place.folder.path().join("service.key");
    let service = LocalKeyService::create(&service_path, Box::new(SeededRng::new(6))).unwrap();
    let made = now(KeyRing::create_with(&place.path(), &service, &place.rng)).unwrap();
    let (_, wrapped) = made.new_subject_key(subject(1), 1, &place.rng).unwrap();
    let again = LocalKeyService::open(&service_path, Box::new(SeededRng::new(8))).unwrap();
    let opened = now(KeyRing::open_with(&place.path(), &again)).unwrap();
    assert!(opened.unwrap_subject_key(subject(1), &wrapped).is_ok());
    assert_eq!(
        fs::metadata(&service_path).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let other = LocalKeyService::create(
        &place.folder.path().join("other.key"),
        Box::new(SeededRng::new(7)),
    )
    .unwrap();
    let error = now(KeyRing::open_with(&place.path(), &other))
        .err()
        .unwrap();
    assert!(matches!(
        error,
        KeyFileError::Service {
            source: KeyServiceError::Refused { .. },
            ..
        }
    ));
    assert!(
        matches!(KeyRing::open(&place.path()), Err(KeyFileError::OtherService { service, .. }) if service == "local_file")
    );

    now(KeyRing::change_with(
        &place.path(),
        &service,
        KeyChange::AddEpoch,
        &place.rng,
    ))
    .unwrap();
    now(KeyRing::change_with(
        &place.path(),
        &service,
        KeyChange::PromoteEpoch,
        &place.rng,
    ))
    .unwrap();
    let changed = now(KeyRing::open_with(&place.path(), &service)).unwrap();
    assert_eq!(changed.epoch_versions().present, 2);
    assert!(changed.unwrap_subject_key(subject(1), &wrapped).is_ok());
    let text = fs::read_to_string(place.path()).unwrap();
    let renamed = text.replace("local_file", "aws_kms:key");
    fs::write(place.path(), renamed).unwrap();
    assert!(matches!(
        now(KeyRing::open_with(&place.path(), &service)),
        Err(KeyFileError::OtherService { .. })
    ));
    let key = text.split("\"sealed\": \"").nth(1).unwrap();
    let damaged = text.replace(
        &key[..40],
        &key.chars()
            .take(40)
            .map(|letter| if letter == 'A' { 'B' } else { 'A' })
            .collect::<String>(),
    );
    fs::write(place.path(), damaged).unwrap();
    assert!(matches!(
        now(KeyRing::open_with(&place.path(), &service)),
        Err(KeyFileError::Damaged(_))
    ));
}

#[test]
fn a_wrapped_key_is_bound_to_what_it_was_wrapped_for() {
    let place = Place::new();
    let service = LocalKeyService::create(&place.path(), Box::new(SeededRng::new(6))).unwrap();
    let wrapped = now(service.wrap(&[7; 32].into(), "one use")).unwrap();
    assert_eq!(
        *now(service.unwrap(&wrapped, "one use")).unwrap().expose(),
        [7; 32]
    );
    assert!(now(service.unwrap(&wrapped, "another use")).is_err());
    for position in 0..wrapped.len() {
        let mut bytes = wrapped.clone();
        bytes[position] ^= 1;
        assert!(now(service.unwrap(&bytes, "one use")).is_err());
    }
}
