//! How old a subject is, as the vault says it: for a permit of its own, and never as a text.

use domain::consent::{Age, BirthDate};
use domain::disclosure::{DisclosureRecipient, Purpose};
use domain::profile::{AttributeNumber, AttributeValue, Profile, Segment, SourceNumber};
use domain::sensitive::Sealed;
use enforcement::vault::{KeyRing, SubjectKey, VaultError};
use enforcement::{Judgements, RecordedPermit, decide_profile, release_profile};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::log::{SeededRng, contact_permit, recorded};
use crate::profiles::{facts, permit, place, query, schema, subject, value};

const BORN: AttributeNumber = AttributeNumber(6);

fn key(rng: &SeededRng) -> SubjectKey {
    let keys = KeyRing::generate(rng);
    keys.new_subject_key(subject(1), 1, rng).unwrap().0
}

fn for_ages(members: &[u128]) -> RecordedPermit {
    let asked = query(
        Purpose::KnowWhoMayConsent,
        DisclosureRecipient::Nobody,
        &["born"],
    );
    recorded(decide_profile(&asked, &facts(members), &Judgements::default()).unwrap())
}

/// What the sources with these numbers say, sealed.
fn sealed(rng: &SeededRng, key: &SubjectKey, said: &[(u16, &str)]) -> Sealed {
    let mut profile = Profile::new(subject(1));
    for (source, text) in said {
        let value = AttributeValue {
            source: SourceNumber(*source),
            ..value(text)
        };
        profile.set(BORN, value);
    }
    let place = place(Segment::Preferences);
    key.seal_segment(rng, &place, &profile).unwrap()
}

fn read(said: &[(u16, &str)], permit: &RecordedPermit) -> Result<Age, VaultError> {
    let rng = SeededRng::new(5);
    let key = key(&rng);
    let sealed = sealed(&rng, &key, said);
    let now: Timestamp = "2026-11-02T18:00:00Z".parse().unwrap();
    let place = place(Segment::Preferences);
    key.age(permit, &schema(), &place, &sealed, now)
}

fn born(text: &str) -> Age {
    Age::Born(BirthDate::new(text.parse::<Date>().unwrap()))
}

#[test]
fn a_birth_date_is_known_and_nothing_else_is_taken_for_one() {
    let ask = |text| read(&[(1, text)], &for_ages(&[1])).unwrap();
    assert_eq!(ask("2014-05-20"), born("2014-05-20"));
    for nothing in ["", "twelve", "2014-02-30", "2199-01-01"] {
        assert_eq!(ask(nothing), Age::Unknown, "{nothing}");
    }
    assert_eq!(read(&[], &for_ages(&[1])).unwrap(), Age::Unknown);
}

#[test]
fn a_source_that_the_schema_no_longer_has_says_nothing() {
    let ask = |said: &[_]| read(said, &for_ages(&[1])).unwrap();
    assert_eq!(ask(&[(9, "2014-05-20")]), Age::Unknown);
    let both = [(9, "2014-05-20"), (1, "1990-05-20")];
    assert_eq!(ask(&both), born("1990-05-20"));
}

#[test]
fn a_permit_for_anything_else_says_nothing_of_her_age() {
    let said = [(1, "2014-05-20")];
    let refused = read(&said, &permit(&[1], &["born", "email"]));
    assert!(matches!(refused, Err(VaultError::NotPermitted(_))));
    assert_eq!(read(&said, &for_ages(&[1, 2])), Ok(born("2014-05-20")));
    assert_eq!(
        read(&said, &contact_permit()),
        Err(VaultError::WrongSubject)
    );
}

#[test]
fn a_permit_for_her_age_lets_no_value_out() {
    let rng = SeededRng::new(6);
    let key = key(&rng);
    let sealed = sealed(&rng, &key, &[(1, "2014-05-20")]);
    let place = place(Segment::Preferences);
    let permit = for_ages(&[1]);
    let opened = key.open_segment(&permit, &schema(), &place, &sealed);
    let opened = opened.unwrap();
    assert!(opened.profile.is_empty() && opened.described.is_empty());
    // Not even when the value came out by another way.
    let mut profile = Profile::new(subject(1));
    profile.set(BORN, value("2014-05-20"));
    let merged = domain::profile::merge(&schema(), [&profile], Timestamp::UNIX_EPOCH);
    let released = release_profile(&permit, &schema(), &merged, &opened.described);
    assert_eq!(serde_json::to_string(&released).unwrap(), "{}");
}
