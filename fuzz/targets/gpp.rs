//! Any text as a GPP string: it is refused, or what was read of it stands when it is written and read again.
#![no_main]

use domain::gpp::Gpp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok((gpp, unreadable)) = Gpp::parse_readable(text) else {
        assert!(Gpp::parse(text).is_err(), "stricter is never laxer");
        return;
    };
    let signal = gpp.opt_out_signal();
    let written = gpp.to_string();
    let Ok((again, _)) = Gpp::parse_readable(&written) else {
        panic!("what was written can't be read");
    };
    assert!(again == gpp, "values survive");
    assert!(again.opt_out_signal() == signal, "a choice survives");
    assert_eq!(again.to_string(), written, "one form for one content");
    if unreadable.is_empty() {
        assert!(
            Gpp::parse(text).is_ok(),
            "what is readable as a whole is read as a whole"
        );
    }
});
