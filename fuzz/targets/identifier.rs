//! Any text as an identifier: it is refused, or it has one normal form, which is its own.
#![no_main]

use domain::identity::{IdentifierRule, normalise};
use domain::sensitive::Sensitive;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for rule in [
        IdentifierRule::Email,
        IdentifierRule::Phone,
        IdentifierRule::Verbatim,
    ] {
        let Ok(normal) = normalise(rule, &Sensitive::new(text.to_owned()), None) else {
            continue;
        };
        let Ok(again) = normalise(rule, &normal, None) else {
            panic!("a normal form is refused");
        };
        assert!(again == normal, "a normal form has another");
    }
});
