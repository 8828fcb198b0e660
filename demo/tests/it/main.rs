//! The demo's business without Privity: that it is the same every time, holds together, and that its servers do what real ones do.

mod data_map;
mod ends;
mod invented;
mod mail;
mod policies;
mod vendors;

use std::sync::Arc;

/// A moment that is the same in every run.
fn now() -> demo::Now {
    let moment = jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * 20_778);
    Arc::new(move || moment)
}
