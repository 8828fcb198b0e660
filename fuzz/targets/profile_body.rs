//! Any bytes as what is inside a sealed segment: they are refused, or they are exactly what would be written.
#![no_main]

use domain::id::SubjectId;
use domain::profile::{Profile, body};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(values) = body::decode(bytes) else {
        return;
    };
    let mut profile = Profile::new(SubjectId::from_uuid(uuid::Uuid::nil()));
    profile.extend(
        values
            .iter()
            .map(|value| (value.attribute, value.to_value())),
    );
    let Ok(written) = body::encode(&profile) else {
        panic!("what was read can't be written");
    };
    assert!(written.expose() == bytes, "one form for one content");
});
