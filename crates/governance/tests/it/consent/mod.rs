//! Choices about consent: a shop with purposes and notices, and choices in one line each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod ages;
mod cost;
mod crash;
mod flood;
mod history;
mod links;
mod profiles;
mod recording;
mod signals;

use domain::audit::{Action, Actor, Record};
use domain::consent::{By, ConsentId, How, Party, Reason, Scope, Standing, Steps, Tag};
use domain::id::SubjectId;
use domain::notice::{NoticeKey, Way};
use domain::purpose_of_use::PurposeKey;
use domain::sensitive::Sensitive;
use governance::consent::{Asked, NewChoice, Recorded, Said, ShownNotice, Yes};
use governance::{Privity, Problem};
use uuid::Uuid;

use crate::house::House;

const PURPOSES: &str = r#"
purposes:
  orders:
    title: {en: Your orders}
    description: {en: We send what you order.}
    categories: [user.contact.email]
    choice: none
  newsletter:
    title: {en: Newsletter}
    description: {en: We write to you.}
    categories: [user.contact.email]
    choice: opt_in
    consent_lasts_months: 24
    notice: {key: newsletter, from_version: 2}
  sale:
    title: {en: Sale}
    description: {en: Sweet Leads pays us for your address.}
    categories: [user.contact.email]
    uses: [sale, sharing]
    choice: opt_out
    recipients: [leads]
    notice: {key: sale, from_version: 1}
  allergies:
    title: {en: Allergies}
    description: {en: We warn you of nuts.}
    categories: [user.health_and_medical]
    uses: [sensitive]
    choice: opt_in
    notice: {key: allergies, from_version: 1}
"#;

pub(crate) const NOTICES: &str = r#"
notices:
  - {notice: newsletter, version: 1, kind: consent, published_from: 2024-01-01T00:00:00Z, purposes: [newsletter], told_by: [web], texts: {en: {title: News, body: We write monthly.}}}
  - {notice: newsletter, version: 2, kind: consent, published_from: 2025-01-01T00:00:00Z, purposes: [newsletter], told_by: [web], texts: {en: {title: News, body: We write weekly.}}}
  - {notice: sale, version: 1, kind: consent, published_from: 2025-01-01T00:00:00Z, purposes: [sale], told_by: [web], texts: {en: {title: Sale, body: May we sell your address?}}}
  - {notice: allergies, version: 1, kind: consent, published_from: 2025-01-01T00:00:00Z, purposes: [allergies], told_by: [web], texts: {en: {title: Nuts, body: May we warn you?}}}
  - {notice: choices, version: 1, kind: right_to_opt_out, published_from: 2025-01-01T00:00:00Z, purposes: [sale], told_by: [web], contains: [right, how_to_opt_out], texts: {en: {title: Your Privacy Choices, body: Say no here.}}}
"#;

async fn house() -> House {
    house_with("").await
}

async fn house_with(more: &str) -> House {
    let files = [
        ("consent/purposes.yaml", PURPOSES),
        ("consent/notices.yaml", NOTICES),
    ];
    House::with_files(&files, &format!("consent: $DIR/consent\n{more}")).await
}

const PHONE: Tag = Tag([1; 16]);
const LAPTOP: Tag = Tag([2; 16]);

fn device() -> Party {
    Party::Device(PHONE)
}

/// A subject that profiles know.
async fn subject(p: &Privity, number: u128) -> SubjectId {
    let id = SubjectId::from_uuid(Uuid::from_u128(number));
    let bytes = id.uuid().as_bytes().to_vec();
    p.database()
        .write::<_, storage::Error, _>("insert subject", move |tx| {
            let sql = "-- insert subject\nINSERT INTO subject (id, key_version, created_at) VALUES (?1, 1, 0)";
            tx.execute(sql, &[bytes.clone().into()])
        })
        .await
        .unwrap();
    id
}

pub(crate) fn shown(notice: &str, version: u32) -> ShownNotice {
    ShownNotice {
        notice: NoticeKey::from(notice),
        version,
        language: "en".to_owned(),
        digest: None,
    }
}

pub(crate) fn choice(party: Party, purpose: &str, said: Said) -> NewChoice {
    NewChoice {
        id: None,
        party,
        scope: Scope::purpose(purpose),
        said,
        by: By::Subject,
        how: How::Told(Way::Web),
        place: "shop".to_owned(),
        at: None,
        law: None,
    }
}

pub(crate) fn yes(party: Party, purpose: &str) -> NewChoice {
    let notice = if purpose == "newsletter" {
        shown("newsletter", 2)
    } else {
        shown(purpose, 1)
    };
    let yes = Yes {
        shown: notice,
        steps: Steps::Two,
        despite_signal_of: None,
        expires: None,
    };
    choice(party, purpose, Said::Given(yes))
}

pub(crate) fn no(party: Party, purpose: &str) -> NewChoice {
    choice(party, purpose, Said::Withdrawn(None))
}

async fn record(p: &Privity, choices: Vec<NewChoice>) -> Vec<Recorded> {
    p.record_consents(choices, Actor::CommandLine, None)
        .await
        .unwrap()
}

/// Records one choice that must be kept.
pub(crate) async fn keep(p: &Privity, choice: NewChoice) -> ConsentId {
    match record(p, vec![choice]).await.pop().unwrap() {
        Recorded::Kept { id, .. } => id,
        Recorded::Refused(problem) => panic!("{problem}"),
    }
}

/// Why one choice is refused.
async fn refusal(p: &Privity, choice: NewChoice) -> Problem {
    match record(p, vec![choice]).await.pop().unwrap() {
        Recorded::Refused(problem) => problem,
        Recorded::Kept { .. } => panic!("it was kept"),
    }
}

async fn ask(p: &Privity, party: Party, purpose: &str) -> Standing {
    let purpose = PurposeKey::from(purpose);
    p.standing(&Asked::of(party), &purpose, None, None)
        .await
        .unwrap()
}

async fn reason(p: &Privity, party: Party, purpose: &str) -> Reason {
    ask(p, party, purpose).await.reason
}

/// All records of one sort in the audit log.
async fn records(p: &Privity, action: Action) -> Vec<Record> {
    let entries = p
        .database()
        .read::<_, storage::Error, _>("read log", |tx| {
            let logs = tx.query("-- list logs\nSELECT log FROM audit_log", &[])?;
            match logs.first() {
                Some(row) => storage::audit::entries(tx, row.text("log")?, 0, 100_000),
                None => Ok(Vec::new()),
            }
        })
        .await
        .unwrap();
    let all = entries
        .iter()
        .map(|entry| serde_json::from_slice::<Record>(&entry.bytes).unwrap());
    all.filter(|record| record.action == action).collect()
}

async fn count(p: &Privity) -> u64 {
    p.database()
        .read("count", storage::consent::count)
        .await
        .unwrap()
}

pub(crate) fn secret(text: &str) -> Sensitive<String> {
    Sensitive::new(text.to_owned())
}
