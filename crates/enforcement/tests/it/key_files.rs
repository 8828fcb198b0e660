//! The key file: made once, kept private, and every mishap with it says what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use domain::data_map::IdentifierKind;
use domain::sensitive::Sensitive;
use enforcement::vault::{KeyFileError, KeyRing};

use crate::log::{ORIGIN, SeededRng, request};

#[test]
fn a_key_file_gives_the_same_keys_back_and_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("privity.keys");
    let rng = SeededRng::new(5);
    let made = KeyRing::create(&path, &rng).unwrap();
    let (_, wrapped) = made.new_request_key(request(1), &rng).unwrap();
    let opened = KeyRing::open(&path).unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(made.key_check(), opened.key_check());
    assert!(opened.unwrap_request_key(request(1), &wrapped).is_ok());
    assert_eq!(
        made.log_verifier_key(ORIGIN),
        opened.log_verifier_key(ORIGIN)
    );
    let email = Sensitive::new("ada@example.com".to_owned());
    assert_eq!(
        made.blind_tag(&IdentifierKind::email(), &email),
        opened.blind_tag(&IdentifierKind::email(), &email)
    );
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no draft stays behind"
    );
}

#[test]
fn a_key_file_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("privity.keys");
    KeyRing::create(&path, &SeededRng::new(5)).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(
        KeyRing::create(&path, &SeededRng::new(6)),
        Err(KeyFileError::Exists(_))
    ));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no draft stays behind"
    );
}

#[test]
fn a_key_file_that_others_can_read_is_refused_with_the_command_that_helps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("privity.keys");
    KeyRing::create(&path, &SeededRng::new(5)).unwrap();
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = KeyRing::open(&path).err().unwrap();
        assert!(matches!(error, KeyFileError::OpenToOthers { .. }));
        assert!(
            error
                .to_string()
                .contains(&format!("chmod 600 {}", path.display()))
        );
    }
}

#[test]
fn a_missing_cut_or_newer_key_file_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("privity.keys");
    assert!(matches!(
        KeyRing::open(&path),
        Err(KeyFileError::Missing(_))
    ));
    KeyRing::create(&path, &SeededRng::new(5)).unwrap();
    let whole = fs::read_to_string(&path).unwrap();
    for length in 0..whole.trim_end().len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(
            matches!(KeyRing::open(&path), Err(KeyFileError::Damaged(_))),
            "{length}"
        );
    }
    fs::write(
        &path,
        whole.replace(
            "\"privity_key_file\": 1",
            "\"privity_key_file\": 4, \"new\": 1",
        ),
    )
    .unwrap();
    assert!(matches!(
        KeyRing::open(&path),
        Err(KeyFileError::Form { form: 4, .. })
    ));
    fs::write(&path, whole.replace("\"1\": ", "\"one\": ")).unwrap();
    assert!(matches!(
        KeyRing::open(&path),
        Err(KeyFileError::Damaged(_))
    ));
}

#[test]
fn errors_never_repeat_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("privity.keys");
    KeyRing::create(&path, &SeededRng::new(5)).unwrap();
    let whole = fs::read_to_string(&path).unwrap();
    let root = whole
        .split("\"root\": \"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    fs::write(&path, whole.replace(&root, &root[1..])).unwrap();
    let error = KeyRing::open(&path).err().unwrap();
    assert!(!format!("{error:?} {error}").contains(&root[1..]));
}

#[test]
fn another_key_file_has_another_check_value() {
    let (one, two) = (
        KeyRing::generate(&SeededRng::new(1)),
        KeyRing::generate(&SeededRng::new(2)),
    );
    assert_ne!(one.key_check(), two.key_check());
}
