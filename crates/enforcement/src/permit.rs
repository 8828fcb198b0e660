//! What a decision gives: a permit, which is worth nothing until it is recorded, and a recorded permit, which opens.
//!
//! Nobody can make either by hand: the fields are private, [`crate::decide()`] is the only source of a [`Permit`], and a
//! [`RecordedPermit`] takes the proof ([`Appended`]) that the audit log holds a record with this very permit's digest.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::audit::{Action, Actor, Appended, Details, Hash, NewRecord, Record};
use domain::disclosure::{
    AttributeName, DisclosureId, DisclosureRecipient, ProfileFacts, ProfileQuery, Purpose, Query,
    Withheld,
};
use domain::id::{RequestId, SubjectId};
use domain::profile::{AttributeNumber, Segment};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::judgement::Judgement;

/// More names than this are recorded as their number; the digest still covers each of them.
const MOST_NAMES: usize = 500;

/// What was decided for one attribute that may go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its value may.
    Allowed,
    /// Only a description of what is held may.
    Described { text: String, citation: String },
    /// Nothing may: only the vault reads it, for what it says of her age.
    AgeOnly,
}

pub(crate) type Verdicts = BTreeMap<AttributeName, Verdict>;

/// What was decided of each attribute.
#[derive(Debug)]
enum Decided {
    /// For a privacy request.
    Own {
        verdicts: Verdicts,
        withheld: Vec<Withheld>,
    },
    /// For a profile, as for every other that is asked for the same.
    Shared(Arc<Judgement>),
}

/// What a decision is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum About {
    /// A privacy request.
    Request(RequestId),
    /// A subject's profile: her records as the facts had them.
    Subject(SubjectId, BTreeSet<SubjectId>),
}

/// A decision that allowed something, not yet recorded: it opens nothing.
#[derive(Debug)]
pub struct Permit {
    id: DisclosureId,
    about: About,
    recipient: DisclosureRecipient,
    purpose: Purpose,
    decided: Decided,
    digest: Hash,
}

/// A permit whose record is in the audit log for good. Opening the vault and releasing rows demand one.
#[derive(Debug)]
pub struct RecordedPermit {
    permit: Permit,
    sequence: u64,
    leaf: Hash,
}

/// A decision that allowed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this disclosure is denied: {}", reason.text())]
pub struct Denial {
    id: DisclosureId,
    about: About,
    recipient: DisclosureRecipient,
    purpose: Purpose,
    reason: DenialReason,
    withheld: Vec<Withheld>,
}

/// Why a whole query is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DenialReason {
    /// The facts are those of another privacy request.
    OtherRequest,
    /// The facts are those of another subject.
    OtherSubject,
    /// The subject has not shown who she is.
    NotVerified,
    /// The purpose is not open to this recipient.
    WrongRecipient,
    /// The purpose is not open to this kind of privacy request.
    WrongKind,
    /// The privacy request is not, or no longer, in a state in which this may be done.
    WrongState,
    /// Every attribute is withheld.
    NothingPermitted,
}

impl DenialReason {
    /// The stable text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::OtherRequest => "other_request",
            Self::OtherSubject => "other_subject",
            Self::NotVerified => "not_verified",
            Self::WrongRecipient => "wrong_recipient",
            Self::WrongKind => "wrong_kind",
            Self::WrongState => "wrong_state",
            Self::NothingPermitted => "nothing_permitted",
        }
    }
}

/// The record that was shown is not this permit's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "record {sequence} of the audit log does not name this permit; append the record that the permit gives and show that one"
)]
pub struct NotRecorded {
    sequence: u64,
}

impl Permit {
    pub(crate) fn new(query: &Query, verdicts: Verdicts, withheld: Vec<Withheld>) -> Self {
        Self {
            digest: digest(query, &verdicts),
            id: query.id,
            about: About::Request(query.request),
            recipient: query.recipient.clone(),
            purpose: query.purpose,
            decided: Decided::Own { verdicts, withheld },
        }
    }

    pub(crate) fn for_profile(
        query: &ProfileQuery,
        facts: &ProfileFacts,
        judgement: Arc<Judgement>,
    ) -> Self {
        Self {
            digest: profile_digest(query, &facts.members, &judgement),
            id: query.id,
            about: About::Subject(query.subject, facts.members.clone()),
            recipient: query.recipient.clone(),
            purpose: query.purpose,
            decided: Decided::Shared(judgement),
        }
    }

    /// The record that has to be in the audit log before anything goes out.
    pub fn new_record(&self, at: Timestamp, actor: Actor) -> NewRecord {
        let details = named(&self.id, self.purpose, &self.recipient)
            .with("permit", self.digest().to_string());
        let details = match &self.decided {
            Decided::Own { verdicts, withheld } => {
                let lists = lists(verdicts, withheld).into_iter();
                lists.fold(details, |details, (name, list)| details.with(&name, list))
            }
            Decided::Shared(judgement) => {
                details.with("attributes", judgement.names.hash.to_string())
            }
        };
        self.about.put_into(NewRecord {
            at,
            actor,
            action: Action::Disclosed,
            ..details
        })
    }

    /// The record that lists the attributes for all that name them by their hash; `None` when this program has put it into the log
    /// already, or when the permit's own record lists them.
    pub fn names(&self, at: Timestamp) -> Option<NewRecord> {
        let Decided::Shared(judgement) = &self.decided else {
            return None;
        };
        (!judgement.names.is_recorded()).then(|| judgement.names.new_record(at))
    }

    /// Takes the proof that the record of [`Permit::names`] is in the audit log.
    ///
    /// # Errors
    /// [`NotRecorded`] when the proof is for any other record.
    pub fn names_recorded(&self, proof: &Appended) -> Result<(), NotRecorded> {
        match &self.decided {
            Decided::Shared(judgement) if judgement.names.take(proof.record()) => Ok(()),
            _ => Err(NotRecorded {
                sequence: proof.record().sequence,
            }),
        }
    }

    /// Turns the permit into one that opens, given the proof that its record is in the audit log.
    ///
    /// # Errors
    /// [`NotRecorded`] when the proof is for any other record, or the attributes that the record names by their hash aren't listed in the
    /// log.
    pub fn record(self, proof: Appended) -> Result<RecordedPermit, NotRecorded> {
        let (record, leaf) = (proof.record(), proof.leaf());
        let are_listed = match &self.decided {
            Decided::Own { .. } => true,
            Decided::Shared(judgement) => judgement.names.is_recorded(),
        };
        let names_this = are_listed
            && record.action == Action::Disclosed
            && self.about.is_named_by(record)
            && named_in::<Hash>(record, "permit") == Some(self.digest());
        if !names_this {
            return Err(NotRecorded {
                sequence: record.sequence,
            });
        }
        Ok(RecordedPermit {
            sequence: record.sequence,
            permit: self,
            leaf,
        })
    }

    /// What it is for.
    pub const fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// What is withheld, and why.
    pub fn withheld(&self) -> &[Withheld] {
        match &self.decided {
            Decided::Own { withheld, .. } => withheld,
            Decided::Shared(judgement) => &judgement.withheld,
        }
    }

    /// Attributes whose values may go out.
    pub fn allowed(&self) -> impl Iterator<Item = &AttributeName> {
        allowed(self.verdicts())
    }

    /// Attributes of which only a description may go out.
    pub fn described(&self) -> impl Iterator<Item = &AttributeName> {
        described(self.verdicts())
    }

    /// Attributes that the vault reads for what they say of her age, and that stay in it.
    pub fn age_only(&self) -> impl Iterator<Item = &AttributeName> {
        age_only(self.verdicts())
    }

    /// Segments of a profile that hold something that it names, in words or in values; none when it is about something else.
    pub fn segments(&self) -> &[Segment] {
        match &self.decided {
            Decided::Own { .. } => &[],
            Decided::Shared(judgement) => &judgement.segments,
        }
    }

    fn verdicts(&self) -> &Verdicts {
        match &self.decided {
            Decided::Own { verdicts, .. } => verdicts,
            Decided::Shared(judgement) => &judgement.verdicts,
        }
    }

    /// A hash over every part of the permit; its id is fresh, so no two permits share one.
    pub const fn digest(&self) -> Hash {
        self.digest
    }
}

impl RecordedPermit {
    /// The privacy request that it serves; `None` when it is about a profile.
    pub const fn request(&self) -> Option<RequestId> {
        match &self.permit.about {
            About::Request(request) => Some(*request),
            About::Subject(..) => None,
        }
    }

    /// The canonical subject whose profile it is about; `None` when it serves a privacy request.
    pub const fn subject(&self) -> Option<SubjectId> {
        match &self.permit.about {
            About::Request(_) => None,
            About::Subject(subject, _) => Some(*subject),
        }
    }

    /// Whether a record is one of the subject's that it is about.
    pub fn covers(&self, member: SubjectId) -> bool {
        matches!(&self.permit.about, About::Subject(_, members) if members.contains(&member))
    }

    /// The decision.
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Where in the audit log its record is.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Leaf hash of its record.
    pub const fn leaf(&self) -> Hash {
        self.leaf
    }

    pub(crate) fn verdict(&self, name: &AttributeName) -> Option<&Verdict> {
        self.permit.verdicts().get(name)
    }

    /// What was decided of an attribute of a profile; `None` for a permit that is about something else.
    pub(crate) fn verdict_of(&self, number: AttributeNumber) -> Option<&Verdict> {
        match &self.permit.decided {
            Decided::Own { .. } => None,
            Decided::Shared(judgement) => judgement.verdict(number),
        }
    }
}

impl Denial {
    pub(crate) fn new(query: &Query, reason: DenialReason, withheld: Vec<Withheld>) -> Self {
        Self {
            id: query.id,
            about: About::Request(query.request),
            recipient: query.recipient.clone(),
            purpose: query.purpose,
            reason,
            withheld,
        }
    }

    pub(crate) fn for_profile(
        query: &ProfileQuery,
        reason: DenialReason,
        withheld: Vec<Withheld>,
    ) -> Self {
        Self {
            id: query.id,
            about: About::Subject(query.subject, BTreeSet::new()),
            recipient: query.recipient.clone(),
            purpose: query.purpose,
            reason,
            withheld,
        }
    }

    /// Why.
    pub const fn reason(&self) -> DenialReason {
        self.reason
    }

    /// What was withheld, and why.
    pub fn withheld(&self) -> &[Withheld] {
        &self.withheld
    }

    /// The record of the refusal.
    pub fn new_record(&self, at: Timestamp, actor: Actor) -> NewRecord {
        let details = named(&self.id, self.purpose, &self.recipient)
            .with("reason", self.reason.text())
            .with("withheld", reasons(&self.withheld));
        self.about.put_into(NewRecord {
            at,
            actor,
            action: Action::DisclosureDenied,
            ..details
        })
    }
}

impl About {
    /// Says in a record what it is about: a privacy request by its chain, a subject by her id.
    fn put_into(&self, record: NewRecord) -> NewRecord {
        match self {
            Self::Request(request) => record.for_request(*request),
            Self::Subject(subject, _) => record.with("subject", subject.to_string()),
        }
    }

    fn is_named_by(&self, record: &Record) -> bool {
        match self {
            Self::Request(request) => record.request.is_some_and(|link| link.id == *request),
            Self::Subject(subject, _) => {
                record.request.is_none()
                    && named_in::<SubjectId>(record, "subject") == Some(*subject)
            }
        }
    }
}

/// Every part is written with its length before it, so that no two permits have the same bytes.
fn digest(query: &Query, verdicts: &Verdicts) -> Hash {
    let mut whole = Parts(Vec::with_capacity(512));
    whole.part("privity permit 2");
    whole.part(&query.id.to_string());
    whole.part(&query.request.to_string());
    whole.part(&query.recipient.to_string());
    whole.part(query.purpose.text());
    whole.verdicts(verdicts);
    Hash::of(&whole.0)
}

fn profile_digest(
    query: &ProfileQuery,
    members: &BTreeSet<SubjectId>,
    judgement: &Judgement,
) -> Hash {
    let mut whole = Parts(Vec::with_capacity(512));
    whole.part("privity profile permit 2");
    whole.part(&query.id.to_string());
    whole.part(&query.subject.to_string());
    whole.part(&members.len().to_string());
    for member in members {
        whole.part(&member.to_string());
    }
    whole.part(&query.recipient.to_string());
    whole.part(query.purpose.text());
    whole.bytes(judgement.digest.as_bytes());
    Hash::of(&whole.0)
}

/// A hash over what was decided of each attribute.
pub(crate) fn digest_of_verdicts(verdicts: &Verdicts) -> Hash {
    let mut whole = Parts(Vec::with_capacity(1_024));
    whole.part("privity verdicts 1");
    whole.verdicts(verdicts);
    Hash::of(&whole.0)
}

struct Parts(Vec<u8>);

impl Parts {
    fn part(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0
            .extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn verdicts(&mut self, verdicts: &Verdicts) {
        for (name, verdict) in verdicts {
            self.part(&name.to_string());
            match verdict {
                Verdict::Allowed => self.part("allowed"),
                Verdict::Described { text, citation } => {
                    self.part("described");
                    self.part(text);
                    self.part(citation);
                }
                Verdict::AgeOnly => self.part("age_only"),
            }
        }
    }
}

fn named(id: &DisclosureId, purpose: Purpose, recipient: &DisclosureRecipient) -> NewRecord {
    NewRecord::new(Timestamp::UNIX_EPOCH, Actor::System, Action::Disclosed)
        .with("disclosure", id.to_string())
        .with("purpose", purpose.text())
        .with("recipient", recipient.to_string())
}

fn named_in<T: FromStr>(record: &Record, detail: &str) -> Option<T> {
    record.details.get(detail)?.as_str()?.parse().ok()
}

/// Attributes as records list them.
fn lists(verdicts: &Verdicts, withheld: &[Withheld]) -> Details {
    let for_age: Vec<_> = age_only(verdicts).collect();
    let for_age = (!for_age.is_empty()).then(|| ("age_only", names(for_age.into_iter())));
    let always = [
        ("allowed", names(allowed(verdicts))),
        ("described", names(described(verdicts))),
        ("withheld", reasons(withheld)),
    ];
    let all = always.into_iter().chain(for_age);
    all.map(|(name, list)| (name.to_owned(), list)).collect()
}

/// The attributes of many permits, listed in one record and named in theirs by a hash: thirty names would be most of every record.
#[derive(Debug)]
pub(crate) struct Names {
    lists: Details,
    /// SHA-256 over what is listed.
    hash: Hash,
    is_recorded: AtomicBool,
}

impl Names {
    pub(crate) fn of(verdicts: &Verdicts, withheld: &[Withheld]) -> Self {
        let lists = lists(verdicts, withheld);
        let mut whole = Parts(Vec::with_capacity(1_024));
        whole.part("privity attributes 1");
        for (name, list) in &lists {
            whole.part(name);
            whole.part(&list.to_string());
        }
        Self {
            hash: Hash::of(&whole.0),
            lists,
            is_recorded: AtomicBool::new(false),
        }
    }

    fn is_recorded(&self) -> bool {
        self.is_recorded.load(Ordering::Acquire)
    }

    fn new_record(&self, at: Timestamp) -> NewRecord {
        let record = NewRecord::new(at, Actor::System, Action::AttributesNamed)
            .with("attributes", self.hash.to_string());
        let lists = self.lists.iter();
        lists.fold(record, |record, (name, list)| {
            record.with(name, list.clone())
        })
    }

    fn take(&self, record: &Record) -> bool {
        let is_it = record.action == Action::AttributesNamed
            && named_in::<Hash>(record, "attributes") == Some(self.hash);
        if is_it {
            self.is_recorded.store(true, Ordering::Release);
        }
        is_it
    }
}

fn allowed(verdicts: &Verdicts) -> impl Iterator<Item = &AttributeName> {
    let allowed = verdicts.iter();
    let allowed = allowed.filter(|(_, verdict)| **verdict == Verdict::Allowed);
    allowed.map(|(name, _)| name)
}

fn described(verdicts: &Verdicts) -> impl Iterator<Item = &AttributeName> {
    let described = verdicts.iter();
    let described = described.filter(|(_, verdict)| matches!(verdict, Verdict::Described { .. }));
    described.map(|(name, _)| name)
}

fn age_only(verdicts: &Verdicts) -> impl Iterator<Item = &AttributeName> {
    let read = verdicts.iter();
    let read = read.filter(|(_, verdict)| **verdict == Verdict::AgeOnly);
    read.map(|(name, _)| name)
}

fn names<'a>(attributes: impl Iterator<Item = &'a AttributeName>) -> Value {
    let names: Vec<_> = attributes.map(ToString::to_string).collect();
    if names.len() > MOST_NAMES {
        json!({ "count": names.len() })
    } else {
        json!(names)
    }
}

fn reasons(withheld: &[Withheld]) -> Value {
    let mut by_reason: BTreeMap<String, Vec<&AttributeName>> = BTreeMap::new();
    for one in withheld {
        by_reason
            .entry(json!(one.reason).as_str().unwrap_or_default().to_owned())
            .or_default()
            .push(&one.attribute);
    }
    by_reason
        .into_iter()
        .map(|(reason, attributes)| (reason, names(attributes.into_iter())))
        .collect::<Details>()
        .into()
}
