//! `/choices.json`: what the page script asks and sends, open to the business's own sites and to nobody else's pages.
//!
//! The device's id comes in the body, is hashed at once and kept nowhere; no cookie is read, so that no other site can speak for a visitor.

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, VARY};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use domain::consent::{By, Steps};
use domain::gpp::{Gpp, Section, SectionId, Value};
use domain::notice::Shown;
use domain::sensitive::Sensitive;
use governance::consent::choices::{Choices, Chosen, OfferedPurpose, Visitor, said, text_for};
use governance::consent::{Recorded, ShownNotice};
use governance::{Privity, Problem};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json_, json};

use super::super::words as page_words;
use super::words::Words;
use super::{Sight, device_id};
use crate::Shared;
use crate::border::ClientAddress;
use crate::failure::Failure;

/// The most choices in one call of a page.
const MOST_CHOICES: usize = 50;

/// What a page says of itself and its visitor.
#[derive(Deserialize)]
pub(super) struct Page {
    site: Option<String>,
    lang: Option<String>,
    law: Option<String>,
    /// Whether the browser's signal is there, as the script sees it.
    #[serde(default)]
    gpc: bool,
    /// Whether it was there on an earlier page.
    #[serde(default)]
    mark: bool,
}
