//! Opt-out preference signals: the `Sec-GPC` header, what it says no to, and the file that tells browsers that it is honoured.
//!
//! Global Privacy Control, W3C editor's draft of 3 April 2026; Civ. Code 1798.135(e); 11 CCR 7025.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::consent::{Act, By, ConsentEvent, ConsentId, How, Party, Scope, Tag};
use crate::purpose_of_use::UseKind;

/// Name of the request header.
pub const GPC_HEADER: &str = "sec-gpc";
/// Where the file lies that says whether the signal is honoured.
pub const GPC_PATH: &str = "/.well-known/gpc.json";

/// An opt-out preference signal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Global Privacy Control.
    Gpc,
    /// A section of a GPP string that says no to these uses.
    Gpp {
        /// Number of the section, e.g. 8 for California.
        section: u16,
        /// What it says no to.
        uses: BTreeSet<UseKind>,
    },
}

impl Signal {
    /// What it says no to. Global Privacy Control means sale and sharing, and the other states' targeted advertising.
    pub fn uses(&self) -> BTreeSet<UseKind> {
        match self {
            Self::Gpc => [
                UseKind::Sale,
                UseKind::Sharing,
                UseKind::TargetedAdvertising,
            ]
            .into(),
            Self::Gpp { uses, .. } => uses.clone(),
        }
    }

    /// The opt-outs that a signal makes: one for each party, which are the device, the pseudonyms linked to it and, when known, the subject
    /// (11 CCR 7025(c)(1)). Nothing more is asked of anybody. `device` is the one that sent it; ids come from the caller.
    pub fn opt_outs(
        &self,
        parties: impl IntoIterator<Item = Party>,
        device: Option<Tag>,
        at: Timestamp,
        place: &str,
        mut new_id: impl FnMut() -> ConsentId,
    ) -> Vec<ConsentEvent> {
        let event = |party| ConsentEvent {
            id: new_id(),
            party,
            scope: Scope::every(self.uses()),
            act: Act::OptedOut { shown: None },
            at,
            by: By::Signal {
                signal: self.clone(),
                device,
            },
            how: How::Header,
            place: place.to_owned(),
        };
        parties.into_iter().map(event).collect()
    }
}

/// Whether `Sec-GPC` is on, from the values of all its lines: when one is exactly `1` between optional blanks. A list such as `1, 1` isn't.
pub fn is_gpc_on<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> bool {
    let trimmed = |value: &'v [u8]| {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let from = value.iter().position(|byte| !is_blank(byte))?;
        let to = value.iter().rposition(|byte| !is_blank(byte))?;
        value.get(from..=to)
    };
    values
        .into_iter()
        .any(|value| trimmed(value) == Some(b"1".as_slice()))
}

/// What a site says about the signal in [`GPC_PATH`], served as `application/json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GpcFile {
    /// Whether it honours the signal.
    pub gpc: bool,
    /// The day on which that was last said anew.
    #[serde(rename = "lastUpdate")]
    pub last_update: Date,
}

impl GpcFile {
    /// The file's text.
    pub fn text(&self) -> String {
        format!(
            "{{\"gpc\":{},\"lastUpdate\":\"{}\"}}",
            self.gpc, self.last_update
        )
    }
}

/// What another site's file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It honours the signal.
    Yes,
    /// It doesn't.
    No,
    /// Nobody can tell.
    Unknown,
}

/// Reads another site's file. Unknown members are ignored; whatever is not JSON with a true or false `gpc` says nothing.
pub fn read_gpc_file(content_type: &str, body: &[u8]) -> Support {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Support::Unknown;
    }
    let read: Option<Value> = serde_json::from_slice(body).ok();
    match read.as_ref().and_then(|file| file.get("gpc")) {
        Some(Value::Bool(true)) => Support::Yes,
        Some(Value::Bool(false)) => Support::No,
        _ => Support::Unknown,
    }
}
