//! What pages, API and command line show of a privacy request: plain data without a single personal value, ready to be serialised.

use std::collections::BTreeSet;

use domain::data_map::{CollectionKey, KeepReason, RecipientKey, SystemKey};
use domain::id::{OutreachId, RequestId, TaskId};
use domain::outreach::{Answer, OutreachAction};
use domain::plan::{Plan, Residue};
use domain::privacy_request::{Clock, IntakeChannel, RequestKind, RequestState, Waiting};
use domain::recipient::{ChannelKind, RecipientRole, VerificationLevel};
use domain::task::{TaskKind, TaskState};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use storage::attachment::AttachmentId;
use storage::legal_hold::LegalHoldId;

use crate::privacy_request::categories::Recorded;

/// One line of the Console's list.
#[derive(Clone, Debug, Serialize)]
pub struct ListedRequest {
    /// Its id.
    pub id: RequestId,
    /// The right.
    pub kind: RequestKind,
    /// The law.
    pub law: String,
    /// Where it stands.
    pub state: RequestState,
    /// What it waits for.
    pub waiting: Option<Waiting>,
    /// When it came in.
    pub received_on: Date,
    /// By when it must be answered.
    pub due: Option<Date>,
    /// Days until then; negative when late; `None` when closed or without a clock.
    pub days_left: Option<i32>,
    /// Tasks that call for an operator.
    pub stuck_tasks: u64,
}

/// What the Console counts on its first page.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// Open privacy requests.
    pub open: u64,
    /// Open ones past their date.
    pub overdue: u64,
    /// Open ones due within 7 days.
    pub due_soon: u64,
    /// Waiting for an operator's approval.
    pub to_approve: u64,
    /// With a stuck task or work by hand to do.
    pub need_operator: u64,
}

/// Everything the Console shows of one privacy request.
#[derive(Clone, Debug, Serialize)]
pub struct RequestDetail {
    /// The line of the list.
    pub listed: ListedRequest,
    /// How it came in.
    pub channel: IntakeChannel,
    /// When it came in.
    pub received_at: Timestamp,
    /// Its clock.
    pub clock: Clock,
    /// The rows of law behind the clock, in words.
    pub citations: Vec<String>,
    /// The plan, once made.
    pub plan: Option<Plan>,
    /// What the re-read found; empty when nothing remained; `None` before it.
    pub residue: Option<Vec<Residue>>,
    /// Why it was denied or only partly fulfilled.
    pub reasons: Vec<KeepReason>,
    /// Its tasks.
    pub tasks: Vec<TaskLine>,
    /// Its outreach.
    pub outreach: Vec<OutreachLine>,
    /// Legal holds in force that keep something of it.
    pub holds: Vec<HoldOnRequest>,
    /// Notes and files of recipients and of work by hand, none of them opened.
    pub attachments: Vec<AttachmentLine>,
    /// Its records in the audit log.
    pub records: Vec<RecordLine>,
    /// Which steps the operator can take now: `approve`, `deny`, `extend`.
    pub possible: BTreeSet<&'static str>,
}

/// A legal hold, as operators see it.
#[derive(Clone, Debug, Serialize)]
pub struct HoldLine {
    /// Its id; `None` for one that the data map names, which is changed there.
    pub id: Option<LegalHoldId>,
    /// Its name.
    pub name: String,
    /// Why, in the words that the subject reads.
    pub reason: KeepReason,
    /// The law behind the reason.
    pub citation: Option<String>,
    /// What operators should know.
    pub note: String,
    /// The collections that it covers, with their titles.
    pub covers: Vec<(CollectionKey, String)>,
    /// Only the data of this privacy request's subject.
    pub request: Option<RequestId>,
    /// The operator who placed it.
    pub placed_by: Option<String>,
    /// When it was placed.
    pub placed_at: Option<Timestamp>,
    /// Its last day.
    pub until: Option<Date>,
    /// When it was lifted.
    pub lifted_at: Option<Timestamp>,
    /// Whether it holds today.
    pub in_force: bool,
}

/// A legal hold in force, seen from one privacy request.
#[derive(Clone, Debug, Serialize)]
pub struct HoldOnRequest {
    /// The hold.
    pub hold: HoldLine,
    /// Collections that it covers and in which rows were found, with their number.
    pub found: Vec<(String, u64)>,
    /// Whether the plan's figures mind it; else it was placed later and counts when it is erased.
    pub counted: bool,
}

/// A sealed note or file.
#[derive(Clone, Debug, Serialize)]
pub struct AttachmentLine {
    /// What it is, and by what it is opened.
    pub what: Attached,
    /// The recipient or the system that it came from, by its title.
    pub from: String,
    /// Its media type.
    pub media_type: String,
    /// Its bytes; a note's length is not known before it is opened.
    pub size_bytes: Option<u64>,
    /// When it came.
    pub at: Timestamp,
}

/// What was attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Attached {
    /// What a recipient wrote with its answer.
    Note(OutreachId),
    /// A file.
    File(AttachmentId),
}

/// One task.
#[derive(Clone, Debug, Serialize)]
pub struct TaskLine {
    /// Its id.
    pub id: TaskId,
    /// What it does.
    pub kind: TaskKind,
    /// The system's or recipient's title, where it has one.
    pub target: String,
    /// Where it stands.
    pub state: TaskState,
    /// Attempts so far.
    pub attempts: u32,
    /// Not before.
    pub run_at: Timestamp,
    /// Why it is stuck or was retried.
    pub error: Option<String>,
    /// For work by hand: by when.
    pub due: Option<Date>,
    /// For work by hand: what is to be done.
    pub instructions: Option<String>,
}

/// One outreach.
#[derive(Clone, Debug, Serialize)]
pub struct OutreachLine {
    /// Its id.
    pub id: OutreachId,
    /// The recipient.
    pub recipient: RecipientKey,
    /// Its name.
    pub title: String,
    /// The role that counts in law.
    pub role: RecipientRole,
    /// Whether data was sold to it or shared with it.
    pub sold_or_shared: bool,
    /// What it got and why.
    pub categories: BTreeSet<String>,
    /// Why it got it.
    pub purpose: String,
    /// How it is told.
    pub channel: ChannelKind,
    /// What it is to do.
    pub action: OutreachAction,
    /// How far that is proven.
    pub level: VerificationLevel,
    /// How far it must be proven.
    pub required_level: VerificationLevel,
    /// Whether the matter has ended.
    pub settled: bool,
    /// What it answered.
    pub answer: Option<Answer>,
    /// When it was told.
    pub sent_at: Option<Timestamp>,
    /// When it answered.
    pub answered_at: Option<Timestamp>,
    /// Reminders sent.
    pub reminders: u16,
    /// Whether an operator was called because it is silent.
    pub escalated: bool,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// One record of the audit log, in words.
#[derive(Clone, Debug, Serialize)]
pub struct RecordLine {
    /// Its place in the log.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// Ids, counts and codes.
    pub details: serde_json::Value,
}

/// What the subject sees: a tracker like a parcel's.
#[derive(Clone, Debug, Serialize)]
pub struct Tracker {
    /// Its id, to quote when she writes.
    pub id: RequestId,
    /// The right.
    pub kind: RequestKind,
    /// The law.
    pub law: String,
    /// Where it stands.
    pub state: RequestState,
    /// What it waits for.
    pub waiting: Option<Waiting>,
    /// When it came in.
    pub received_at: Timestamp,
    /// Its clock.
    pub clock: Clock,
    /// Days until it must be answered.
    pub days_left: Option<i32>,
    /// The day from which she asked to know; `None` for everything.
    pub since: Option<Date>,
    /// Set while she is to type a code.
    pub verification: Option<VerificationLine>,
    /// The stages in order; each is done, under way or to come.
    pub stages: Vec<Stage>,
    /// Each system, by its title.
    pub systems: Vec<SystemLine>,
    /// Each recipient.
    pub recipients: Vec<OutreachLine>,
    /// To whom data of hers went by the ledger of disclosures; empty until she has shown who she is.
    pub received: Vec<Recorded>,
    /// What stays and why.
    pub kept: Vec<KeptLine>,
    /// Why it was denied or only partly fulfilled.
    pub reasons: Vec<KeepReason>,
    /// The answer to fetch.
    pub package: Option<PackageLine>,
}

/// The code that the subject is to type.
#[derive(Clone, Debug, Serialize)]
pub struct VerificationLine {
    /// Until when the code works.
    pub expires_at: Timestamp,
    /// Tries left with this code.
    pub tries_left: u32,
    /// From when another code can be sent.
    pub resend_from: Timestamp,
    /// Whether a code has been mailed already.
    pub sent: bool,
}

/// A stage of the tracker.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// `received`, `verified`, `searched`, `approved`, `erased`, `confirmed`, `recipients_told`, `package_ready`, `stopped`, `closed`.
    pub name: &'static str,
    /// `done`, `now`, `later`, `failed`.
    pub progress: &'static str,
    /// When it was done.
    pub at: Option<Timestamp>,
}

/// A system in the tracker.
#[derive(Clone, Debug, Serialize)]
pub struct SystemLine {
    /// Its key.
    pub system: SystemKey,
    /// Its name.
    pub title: String,
    /// Rows found.
    pub rows: u64,
    /// Rows deleted or overwritten.
    pub erased: u64,
    /// Rows kept.
    pub kept: u64,
    /// `searching`, `found`, `nothing_found`, `erasing`, `erased`, `proven_gone`, `residue`, `by_hand`, `failed`.
    pub progress: &'static str,
}

/// What stays.
#[derive(Clone, Debug, Serialize)]
pub struct KeptLine {
    /// What it is, in words.
    pub title: String,
    /// The system's name.
    pub system: String,
    /// How many rows.
    pub rows: u64,
    /// Why.
    pub reason: KeepReason,
    /// The law behind the reason.
    pub citation: Option<String>,
}

/// An access package.
#[derive(Clone, Debug, Serialize)]
pub struct PackageLine {
    /// Its size.
    pub size_bytes: u64,
    /// Until when the link works.
    pub expires_at: Timestamp,
    /// Whether it can be fetched now.
    pub available: bool,
}

/// What a recipient's privacy desk sees on its page without an account.
#[derive(Clone, Debug, Serialize)]
pub struct OutreachPage {
    /// The business that asks.
    pub business: String,
    /// The recipient.
    pub recipient: String,
    /// What is to be done.
    pub action: OutreachAction,
    /// The law.
    pub law: String,
    /// By when.
    pub due: Option<Date>,
    /// When the privacy request came in.
    pub received_on: Date,
    /// The identifiers by which this recipient knows the subject, released by a recorded permit.
    pub identifiers: Vec<(String, String)>,
    /// What it answered already.
    pub answer: Option<Answer>,
    /// The reasons that it may give.
    pub reasons: Vec<KeepReason>,
}

/// An operator who is signed in.
#[derive(Clone, Debug, Serialize)]
pub struct SignedIn {
    /// Who.
    pub id: domain::id::OperatorId,
    /// The name that the Console shows.
    pub name: String,
}
