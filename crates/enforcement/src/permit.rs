//! What a decision gives: a permit, which is worth nothing until it is recorded, and a recorded permit, which opens.
//!
//! Nobody can make either by hand: the fields are private, [`crate::decide()`] is the only source of a [`Permit`], and a
//! [`RecordedPermit`] takes the proof ([`Appended`]) that the audit log holds a record with this very permit's digest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::audit::{Action, Actor, Appended, Detail, Hash, NewRecord, Record};
use domain::disclosure::{
    AttributeName, DisclosureId, DisclosureRecipient, ProfileFacts, ProfileQuery, Purpose, Query,
    RecipientQuery, Withheld,
};
use domain::id::{RequestId, SubjectId};
use domain::policy::Release;
use domain::profile::{AttributeNumber, Segment};
use domain::purpose_of_use::PurposeKey;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::json_filter::{Change, Effect};
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
    /// Its name may, without a value.
    Null,
    /// What is made of its value may.
    Changed(Change),
}

impl Verdict {
    /// What policies answered; `None` withholds.
    pub(crate) const fn of(release: Release) -> Option<Self> {
        match release {
            Release::Withhold => None,
            Release::Null => Some(Self::Null),
            Release::Token => Some(Self::Changed(Change::Token)),
            Release::Mask => Some(Self::Changed(Change::Mask)),
            Release::Generalise => Some(Self::Changed(Change::Generalise)),
            Release::Keep => Some(Self::Allowed),
        }
    }

    /// The form in which it goes out, as policies call it.
    const fn form(&self) -> &'static str {
        match self {
            Self::Allowed => Release::Keep.text(),
            other => other.text(),
        }
    }

    /// Under which name records list it.
    const fn text(&self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Described { .. } => "described",
            Self::AgeOnly => "age_only",
            Self::Null => "null",
            Self::Changed(Change::Token) => "token",
            Self::Changed(Change::Mask) => "mask",
            Self::Changed(Change::Generalise) => "generalise",
        }
    }
}

pub(crate) type Verdicts = BTreeMap<AttributeName, Verdict>;

/// Names of attributes by what was decided of them, as records list them.
pub type Lists = Map<String, Value>;

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
    /// Nobody was found.
    Nobody,
}

/// What data is used for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Use {
    /// By Privity itself.
    Own(Purpose),
    /// By a recipient, decided by policies.
    ByRecipient(PurposeKey, Decider),
}

/// What reasons can be worked out from again: they are in no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decider {
    /// Hash of the table of policies.
    pub policies: Hash,
    /// Version of the subject's facts.
    pub facts: u64,
}

/// A decision that allowed something, not yet recorded: it opens nothing.
#[derive(Debug)]
pub struct Permit {
    id: DisclosureId,
    about: About,
    recipient: DisclosureRecipient,
    purpose: Use,
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
    purpose: Use,
    reason: DenialReason,
    withheld: Refused,
}

/// What a denial withheld.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refused {
    /// Each with its reason, in the denial's own record.
    Own(Vec<Withheld>),
    /// As for every other that is asked for the same.
    Shared(Arc<Judgement>),
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
    /// There is no such subject. To the recipient it looks as if every attribute were withheld.
    UnknownSubject,
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
            Self::UnknownSubject => "unknown_subject",
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
            purpose: Use::Own(query.purpose),
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
            purpose: Use::Own(query.purpose),
            decided: Decided::Shared(judgement),
        }
    }

    pub(crate) fn for_recipient(
        query: &RecipientQuery,
        subject: SubjectId,
        members: &BTreeSet<SubjectId>,
        decider: Decider,
        judgement: Arc<Judgement>,
    ) -> Self {
        Self {
            digest: recipient_digest(query, members, decider, &judgement),
            id: query.id,
            about: About::Subject(subject, members.clone()),
            recipient: recipient(query),
            purpose: Use::ByRecipient(query.purpose.clone(), decider),
            decided: Decided::Shared(judgement),
        }
    }

    /// The record that has to be in the audit log before anything goes out.
    pub fn new_record(&self, at: Timestamp, actor: Actor) -> NewRecord {
        let details = named(self.id, &self.purpose, &self.recipient).with("permit", self.digest());
        let details = match &self.decided {
            Decided::Own { verdicts, withheld } => {
                let lists = lists(verdicts, withheld).into_iter();
                lists.fold(details, |details, (name, list)| details.with(name, list))
            }
            Decided::Shared(judgement) => details.with("attributes", judgement.names.hash),
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
        self.shared()?.names.missing(at)
    }

    /// Names of the attributes, by the hash of their list, with the list; `None` when the permit's own record lists them.
    pub fn attribute_set(&self) -> Option<(Hash, &Lists)> {
        self.shared().map(|judgement| judgement.names.list())
    }

    fn shared(&self) -> Option<&Judgement> {
        match &self.decided {
            Decided::Own { .. } => None,
            Decided::Shared(judgement) => Some(judgement),
        }
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
            && record.details.hash("permit") == Some(self.digest());
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

    /// What Privity itself uses it for; `None` when it is for a recipient's use.
    pub const fn purpose(&self) -> Option<Purpose> {
        match &self.purpose {
            Use::Own(purpose) => Some(*purpose),
            Use::ByRecipient(..) => None,
        }
    }

    /// Whether something is made of a value before it goes out.
    pub fn changes_values(&self) -> bool {
        let mut verdicts = self.verdicts().values();
        verdicts.any(|verdict| matches!(verdict, Verdict::Changed(_)))
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

    /// What becomes of an attribute of a profile.
    pub fn effect_on(&self, number: AttributeNumber) -> Effect {
        match self.verdict_of(number) {
            Some(Verdict::Allowed) => Effect::Keep,
            Some(Verdict::Null) => Effect::Null,
            Some(Verdict::Changed(change)) => Effect::Change(*change),
            // A description is no value of the attribute's type, so that nobody may find it in its place.
            Some(Verdict::Described { .. } | Verdict::AgeOnly) | None => Effect::Drop,
        }
    }

    fn verdict_of(&self, number: AttributeNumber) -> Option<&Verdict> {
        self.shared()?.verdict(number)
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
            About::Subject(..) | About::Nobody => None,
        }
    }

    /// The canonical subject whose profile it is about; `None` when it serves a privacy request.
    pub const fn subject(&self) -> Option<SubjectId> {
        match &self.permit.about {
            About::Request(_) | About::Nobody => None,
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

    /// What becomes of an attribute of a profile.
    pub fn effect_on(&self, number: AttributeNumber) -> Effect {
        self.permit.effect_on(number)
    }

    pub(crate) fn verdict(&self, name: &AttributeName) -> Option<&Verdict> {
        self.permit.verdicts().get(name)
    }

    /// What was decided of an attribute of a profile; `None` for a permit that is about something else.
    pub(crate) fn verdict_of(&self, number: AttributeNumber) -> Option<&Verdict> {
        self.permit.verdict_of(number)
    }
}

impl Denial {
    pub(crate) fn new(query: &Query, reason: DenialReason, withheld: Vec<Withheld>) -> Self {
        Self {
            id: query.id,
            about: About::Request(query.request),
            recipient: query.recipient.clone(),
            purpose: Use::Own(query.purpose),
            reason,
            withheld: Refused::Own(withheld),
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
            purpose: Use::Own(query.purpose),
            reason,
            withheld: Refused::Own(withheld),
        }
    }

    pub(crate) fn for_recipient(
        query: &RecipientQuery,
        reason: DenialReason,
        decider: Decider,
        nothing: Arc<Judgement>,
    ) -> Self {
        let about = query.subject.map_or(About::Nobody, |subject| {
            About::Subject(subject, BTreeSet::new())
        });
        Self {
            id: query.id,
            about,
            recipient: recipient(query),
            purpose: Use::ByRecipient(query.purpose.clone(), decider),
            reason,
            withheld: Refused::Shared(nothing),
        }
    }

    /// Why.
    pub const fn reason(&self) -> DenialReason {
        self.reason
    }

    /// What was withheld, and why.
    pub fn withheld(&self) -> &[Withheld] {
        match &self.withheld {
            Refused::Own(withheld) => withheld,
            Refused::Shared(judgement) => &judgement.withheld,
        }
    }

    /// As [`Permit::names`], for a refusal that names the attributes by the hash of their list.
    pub fn names(&self, at: Timestamp) -> Option<NewRecord> {
        self.shared()?.names.missing(at)
    }

    /// As [`Permit::names_recorded`].
    ///
    /// # Errors
    /// [`NotRecorded`] when the proof is for any other record.
    pub fn names_recorded(&self, proof: &Appended) -> Result<(), NotRecorded> {
        match self.shared() {
            Some(judgement) if judgement.names.take(proof.record()) => Ok(()),
            _ => Err(NotRecorded {
                sequence: proof.record().sequence,
            }),
        }
    }

    /// As [`Permit::attribute_set`].
    pub fn attribute_set(&self) -> Option<(Hash, &Lists)> {
        self.shared().map(|judgement| judgement.names.list())
    }

    fn shared(&self) -> Option<&Judgement> {
        match &self.withheld {
            Refused::Own(_) => None,
            Refused::Shared(judgement) => Some(judgement),
        }
    }

    /// The record of the refusal.
    pub fn new_record(&self, at: Timestamp, actor: Actor) -> NewRecord {
        let details = named(self.id, &self.purpose, &self.recipient)
            .with("reason", Detail::Word(self.reason.text()));
        let details = match &self.withheld {
            Refused::Own(withheld) => details.with("withheld", reasons(withheld)),
            Refused::Shared(judgement) => details.with("attributes", judgement.names.hash),
        };
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
            Self::Subject(subject, _) => record.with("subject", *subject),
            Self::Nobody => record,
        }
    }

    fn is_named_by(&self, record: &Record) -> bool {
        match self {
            Self::Request(request) => record.request.is_some_and(|link| link.id == *request),
            Self::Subject(subject, _) => {
                record.request.is_none() && record.details.id("subject") == Some(*subject)
            }
            Self::Nobody => false,
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

fn recipient_digest(
    query: &RecipientQuery,
    members: &BTreeSet<SubjectId>,
    decider: Decider,
    judgement: &Judgement,
) -> Hash {
    let mut whole = Parts(Vec::with_capacity(512));
    whole.part("privity recipient permit 1");
    whole.bytes(query.id.uuid().as_bytes());
    whole.bytes(&(members.len() as u64).to_be_bytes());
    for subject in query.subject.iter().chain(members) {
        whole.bytes(subject.uuid().as_bytes());
    }
    whole.part(query.recipient.as_ref());
    whole.bytes(&[query.role as u8]);
    whole.part(query.purpose.as_ref());
    whole.bytes(decider.policies.as_bytes());
    whole.bytes(&decider.facts.to_be_bytes());
    whole.bytes(judgement.digest.as_bytes());
    Hash::of(&whole.0)
}

fn recipient(query: &RecipientQuery) -> DisclosureRecipient {
    DisclosureRecipient::Recipient(query.recipient.clone(), query.role)
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
            self.part(verdict.text());
            if let Verdict::Described { text, citation } = verdict {
                self.part(text);
                self.part(citation);
            }
        }
    }
}

fn named(id: DisclosureId, purpose: &Use, recipient: &DisclosureRecipient) -> NewRecord {
    let record = NewRecord::new(Timestamp::UNIX_EPOCH, Actor::System, Action::Disclosed)
        .with("disclosure", id)
        .with("recipient", recipient.to_string());
    match purpose {
        Use::Own(purpose) => record.with("purpose", Detail::Word(purpose.text())),
        // Under a name of its own, since a business may call a purpose whatever we call one of ours.
        Use::ByRecipient(purpose, decider) => record
            .with("purpose_of_use", purpose.clone())
            .with("policies", decider.policies)
            .with("facts", decider.facts),
    }
}

/// Attributes as records list them.
fn lists(verdicts: &Verdicts, withheld: &[Withheld]) -> Lists {
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
    lists: Lists,
    /// SHA-256 over what is listed.
    hash: Hash,
    is_recorded: AtomicBool,
}

impl Names {
    pub(crate) fn of(verdicts: &Verdicts, withheld: &[Withheld]) -> Self {
        Self::listing(lists(verdicts, withheld))
    }

    /// By the form in which each goes out. Why some are withheld depends on the subject, and is said nowhere.
    pub(crate) fn by_release(verdicts: &Verdicts, withheld: &[Withheld]) -> Self {
        let mut by_form: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (name, verdict) in verdicts {
            let form = by_form.entry(verdict.form()).or_default();
            form.push(name.to_string());
        }
        for one in withheld {
            let form = by_form.entry("withheld").or_default();
            form.push(one.attribute.to_string());
        }
        let lists = by_form.into_iter();
        Self::listing(
            lists
                .map(|(form, names)| (form.to_owned(), json!(names)))
                .collect(),
        )
    }

    fn listing(lists: Lists) -> Self {
        let mut whole = Parts(Vec::with_capacity(1_024));
        whole.part("privity attributes 1");
        // Sorted here, because whether serde_json's map is sorted depends on a feature that any crate can switch on.
        let sorted: BTreeMap<_, _> = lists.iter().collect();
        for (name, list) in sorted {
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

    pub(crate) const fn list(&self) -> (Hash, &Lists) {
        (self.hash, &self.lists)
    }

    /// The record that lists them, unless this program has put it into the log already.
    fn missing(&self, at: Timestamp) -> Option<NewRecord> {
        (!self.is_recorded()).then(|| self.new_record(at))
    }

    fn new_record(&self, at: Timestamp) -> NewRecord {
        let record = NewRecord::new(at, Actor::System, Action::AttributesNamed)
            .with("attributes", self.hash);
        let lists = self.lists.iter();
        lists.fold(record, |record, (name, list)| {
            record.with(name.clone(), list.clone())
        })
    }

    fn take(&self, record: &Record) -> bool {
        let is_it = record.action == Action::AttributesNamed
            && record.details.hash("attributes") == Some(self.hash);
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
        .collect::<Lists>()
        .into()
}
