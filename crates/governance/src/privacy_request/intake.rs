//! Intake: a privacy request comes in. State, clock from law data, the first tasks and the first record, in one transaction.
//!
//! Law: 11 CCR 7020 (methods), 7021 (clocks run from receipt), 7026 and 7060(b) (an opt-out asks for no proof),
//! Cal. Civ. Code 1798.130(a)(2)(A) (no account needed).

use std::collections::BTreeMap;

use domain::audit::{Action, Actor, NewRecord, commit};
use domain::data_map::IdentifierKind;
use domain::id::{OperatorId, RequestId};
use domain::law::{DueError, Received as ReceivedAt};
use domain::privacy_request::{
    Clock, IntakeChannel, PrivacyRequest, RequestKind, RequestState, Waiting,
};
use domain::rng::{new_id, new_token};
use domain::sensitive::Sensitive;
use domain::task::{Task, TaskKind};
use enforcement::vault::{Place, token_tag};
use jiff::SignedDuration;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use storage::Tx;
use storage::privacy_request::NewPrivacyRequest;
use storage::suppression::{Suppression, SuppressionReason};

use crate::privacy_request::know_limit;
use crate::requester::{IDENTITY, Requester};
use crate::work::later;
use crate::{Privity, Problem};

/// The most identifiers that one privacy request carries, and the longest one.
const MOST_IDENTIFIERS: usize = 10;
const LONGEST_TEXT: usize = 320;

/// What comes in. The two forms can't be mixed: an opt-out has no place for proof of who somebody is.
pub enum Intake {
    /// A right that needs verification.
    Identified {
        /// Know or delete.
        kind: RequestKind,
        /// The law that she invokes; the business's default otherwise.
        law: Option<String>,
        /// Where to write to her, and the first identifier to search by.
        email: Sensitive<String>,
        /// How to address her.
        name: Option<Sensitive<String>>,
        /// Other identifiers that she gives.
        identifiers: Vec<(IdentifierKind, Sensitive<String>)>,
        /// BCP 47.
        language: String,
        /// How it came in.
        channel: IntakeChannel,
        /// For a request to know: the day from which she wants to know; everything otherwise (11 CCR 7020(e)).
        since: Option<Date>,
        /// The operator who vouches for her identity, because the business's own sign-in has verified it.
        verified_by: Option<OperatorId>,
        /// The network address that it came from, for the rate limit; only its keyed hash is kept.
        address: Option<String>,
    },
    /// Stop selling and sharing.
    OptOut {
        /// The law that she invokes; the business's default otherwise.
        law: Option<String>,
        /// By what she can be found; may be empty, then it holds for what the browser sends.
        locate: Vec<(IdentifierKind, Sensitive<String>)>,
        /// BCP 47.
        language: String,
        /// How it came in.
        channel: IntakeChannel,
        /// The network address that it came from, for the rate limit; only its keyed hash is kept.
        address: Option<String>,
    },
}

/// What the asker gets back.
pub struct Received {
    /// The reference.
    pub id: RequestId,
    /// The secret in the tracker's link: whoever has it can see the privacy request.
    pub tracker: Sensitive<String>,
    /// The clock that runs now.
    pub clock: Clock,
}

/// Takes in a privacy request.
pub async fn receive(p: &Privity, intake: Intake) -> Result<Received, Problem> {
    let prepared = admit(p, intake).await?;
    let received = prepared.received();
    p.write("receive privacy request", move |tx| {
        Ok(((), prepared.insert(tx)?))
    })
    .await?;
    Ok(received)
}

/// Checks what comes in and makes everything that is to be written.
pub(super) async fn admit(p: &Privity, intake: Intake) -> Result<Prepared, Problem> {
    limit_rate(p, intake.address()).await?;
    prepare(p, intake)
}

/// Everything that is written, made before the transaction begins.
pub(super) struct Prepared {
    new: NewPrivacyRequest,
    tracker: Sensitive<String>,
    tasks: Vec<Task>,
    suppressions: Vec<Suppression>,
    records: Vec<NewRecord>,
    p: Privity,
}

impl Prepared {
    /// What the asker gets back, once it is written.
    pub(super) fn received(&self) -> Received {
        Received {
            id: self.new.request.id,
            tracker: self.tracker.clone(),
            clock: self.new.request.clock.clone(),
        }
    }

    /// Writes all of it, and answers the records that belong to it.
    pub(super) fn insert(&self, tx: &mut Tx) -> Result<Vec<NewRecord>, Problem> {
        storage::privacy_request::insert(tx, &self.new)?;
        storage::task::insert_many(tx, &self.tasks, self.new.created_at)?;
        storage::suppression::insert_many(tx, &self.suppressions)?;
        let (request, tag) = (&self.new.request, self.new.identity_tag.as_deref());
        know_limit::mark(&self.p, tx, request, tag)?;
        Ok(self.records.clone())
    }
}

fn prepare(p: &Privity, intake: Intake) -> Result<Prepared, Problem> {
    let id: RequestId = new_id(p.rng(), p.now());
    let tracker = new_token(p.rng());
    let asked = Asked::from(intake, &tracker, p)?;
    let law = asked
        .law
        .unwrap_or_else(|| p.settings().business.default_law.clone());
    let (clock, law) = start_clock(p, &law, asked.kind)?;
    let (key, wrapped) = p
        .keys()
        .new_request_key(id, p.rng())
        .map_err(|error| Problem::internal("sealing this", &error))?;
    let identity = key
        .seal(
            p.rng(),
            &Place {
                column: IDENTITY,
                row: &id.to_string(),
            },
            &asked.requester.to_bytes(),
        )
        .map_err(|error| Problem::internal("sealing this", &error))?;
    let verified = !asked.kind.needs_verification() || asked.verified_by.is_some();
    let request = PrivacyRequest {
        id,
        kind: asked.kind,
        law: law.clone(),
        state: if verified {
            RequestState::Verified
        } else {
            RequestState::Received
        },
        waiting: (!verified).then_some(Waiting::Verification),
        channel: asked.channel,
        language: asked.language,
        received_at: p.now(),
        clock,
        closed_at: None,
        version: 1,
    };
    let suppressions = if asked.kind == RequestKind::OptOutSaleShare {
        suppressions(p, &asked.requester, id, SuppressionReason::OptedOut)
    } else {
        Vec::new()
    };
    let records = records(
        p,
        &request,
        &asked.requester,
        asked.verified_by,
        suppressions.len(),
    );
    let tasks = first_tasks(p, &request, asked.requester.email.is_some());
    let new = NewPrivacyRequest {
        request,
        jurisdiction: law,
        tracker_tag: token_tag(&tracker).as_bytes().to_vec(),
        wrapped_key: wrapped.as_bytes().to_vec(),
        identity: Some(identity),
        identity_tag: know_limit::tag(p, asked.kind, &asked.requester),
        look_back: asked.since,
        created_at: p.now(),
    };
    Ok(Prepared {
        new,
        tracker,
        tasks,
        suppressions,
        records,
        p: p.clone(),
    })
}

/// The parts that both forms share.
struct Asked {
    kind: RequestKind,
    law: Option<String>,
    requester: Requester,
    language: String,
    channel: IntakeChannel,
    since: Option<Date>,
    verified_by: Option<OperatorId>,
}

impl Asked {
    #[expect(
        clippy::disallowed_methods,
        reason = "what she typed is checked and goes straight into the envelope"
    )]
    fn from(intake: Intake, tracker: &Sensitive<String>, p: &Privity) -> Result<Self, Problem> {
        let salt = new_token(p.rng());
        let mut requester = Requester {
            tracker: tracker.expose().clone(),
            salt: salt.expose().clone(),
            ..Requester::default()
        };
        match intake {
            Intake::Identified {
                kind,
                law,
                email,
                name,
                identifiers,
                language,
                channel,
                since,
                verified_by,
                ..
            } => {
                if !kind.needs_verification() {
                    return Err(Problem::invalid(
                        "kind",
                        "an opt-out takes no proof of who you are; send it by its own form",
                    ));
                }
                requester.email = Some(checked_email(&email)?);
                requester.name = name
                    .map(|name| checked_text("name", &name))
                    .transpose()?
                    .filter(|name| !name.is_empty());
                requester.identifiers = checked_identifiers(p, identifiers)?;
                Ok(Self {
                    kind,
                    law,
                    requester,
                    language: checked_language(&language),
                    channel,
                    since: checked_since(p, kind, since)?,
                    verified_by,
                })
            }
            Intake::OptOut {
                law,
                locate,
                language,
                channel,
                ..
            } => {
                let mut identifiers = checked_identifiers(p, locate)?;
                requester.email = identifiers
                    .remove(&IdentifierKind::email())
                    .and_then(|mut emails| emails.pop());
                requester.identifiers = identifiers;
                Ok(Self {
                    kind: RequestKind::OptOutSaleShare,
                    law,
                    requester,
                    language: checked_language(&language),
                    channel,
                    since: None,
                    verified_by: None,
                })
            }
        }
    }
}

impl Intake {
    fn address(&self) -> Option<&str> {
        match self {
            Self::Identified { address, .. } | Self::OptOut { address, .. } => address.as_deref(),
        }
    }
}

async fn limit_rate(p: &Privity, address: Option<&str>) -> Result<(), Problem> {
    let Some(address) = address else {
        return Ok(());
    };
    let tag = p.keys().blind_tag(
        &IdentifierKind("network_address".to_owned()),
        &Sensitive::new(address.to_owned()),
    );
    let (now, most) = (p.now(), p.settings().limits.requests_per_hour_per_address);
    let hits = p
        .write("count intake", move |tx| {
            Ok((
                storage::rate_limit::count(tx, "intake", &tag, now, SignedDuration::from_hours(1))?,
                Vec::new(),
            ))
        })
        .await?
        .0;
    if hits > most {
        return Err(Problem::new(
            "too_many_requests",
            429,
            "too many privacy requests came from your network within the hour; please try again later, or write to us",
        ));
    }
    Ok(())
}

/// The clock of law data, in the time zone of the law.
fn start_clock(p: &Privity, law: &str, kind: RequestKind) -> Result<(Clock, String), Problem> {
    let clocks = p
        .law()
        .due(law, kind.as_str(), &ReceivedAt::At(p.now()))
        .map_err(|error| Problem::invalid("law", without_input(&error)))?;
    let clock = Clock {
        received_on: clocks.received_on,
        ack_by: clocks.ack_by,
        respond_by: clocks.respond_by,
        max_with_extension: clocks.max_with_extension,
        extended_to: None,
    };
    Ok((clock, clocks.law))
}

/// What was typed as a law is not repeated: forms get filled in wrongly, and then it may be anything.
fn without_input(error: &DueError) -> String {
    match error {
        DueError::UnknownLaw { known, .. } => format!(
            "this law is not known here; known laws: {}",
            known.join(", ")
        ),
        other => other.to_string(),
    }
}

fn first_tasks(p: &Privity, request: &PrivacyRequest, has_address: bool) -> Vec<Task> {
    let mut tasks = match (request.kind, request.state) {
        (RequestKind::OptOutSaleShare, _) => vec![p.task(TaskKind::OptOut, request.id, "")],
        (_, RequestState::Verified) => vec![p.task(TaskKind::Plan, request.id, "")],
        _ => {
            let days = i64::from(p.settings().verification.expire_days);
            let end = Task {
                run_at: later(p.now(), SignedDuration::from_hours(24 * days)),
                ..p.task(TaskKind::Close, request.id, "unverified")
            };
            return vec![p.task(TaskKind::SendCode, request.id, ""), end];
        }
    };
    if has_address {
        tasks.push(p.task(TaskKind::Acknowledge, request.id, ""));
    }
    tasks
}

fn records(
    p: &Privity,
    request: &PrivacyRequest,
    requester: &Requester,
    verified_by: Option<OperatorId>,
    suppressed: usize,
) -> Vec<NewRecord> {
    let actor = verified_by.map_or(Actor::Subject, Actor::Operator);
    let received = NewRecord::new(p.now(), actor.clone(), Action::RequestReceived)
        .for_request(request.id)
        .with("kind", request.kind.as_str())
        .with("law", request.law.clone())
        .with("channel", request.channel.as_str())
        .with("received_on", request.clock.received_on.to_string())
        .with(
            "respond_by",
            request.clock.respond_by.map(|date| date.to_string()),
        )
        .with("commitments", commitments(requester));
    let mut records = vec![received];
    if let Some(operator) = verified_by {
        records.push(
            NewRecord::new(p.now(), Actor::Operator(operator), Action::Verified)
                .for_request(request.id)
                .with("how", "the business's own sign-in"),
        );
    }
    if request.kind == RequestKind::OptOutSaleShare {
        records.push(
            NewRecord::new(p.now(), Actor::Subject, Action::OptedOut)
                .for_request(request.id)
                .with("suppressed_identifiers", suppressed),
        );
    }
    records
}

/// Salted hashes of what she gave: whoever has the value and the salt can show later that this was it.
fn commitments(requester: &Requester) -> serde_json::Value {
    let mut salt = [0u8; 32];
    salt.iter_mut()
        .zip(requester.salt.as_bytes().chunks(2))
        .for_each(|(byte, hex)| {
            *byte = std::str::from_utf8(hex)
                .ok()
                .and_then(|hex| u8::from_str_radix(hex, 16).ok())
                .unwrap_or(0)
        });
    let salt = Sensitive::new(salt);
    let hashes = named_values(requester).into_iter().map(|(kind, value)| {
        (
            kind.0.clone(),
            commit(&salt, &kind.0, &value).to_string().into(),
        )
    });
    serde_json::Value::Object(hashes.collect())
}

/// All identifiers that she gave.
pub(crate) fn named_values(requester: &Requester) -> Vec<(IdentifierKind, Sensitive<String>)> {
    let email = requester
        .email
        .iter()
        .map(|email| (IdentifierKind::email(), Sensitive::new(email.clone())));
    let others = requester.identifiers.iter().flat_map(|(kind, values)| {
        values
            .iter()
            .map(|value| (kind.clone(), Sensitive::new(value.clone())))
    });
    email.chain(others).collect()
}

/// Entries for the suppression list.
pub(crate) fn suppressions(
    p: &Privity,
    requester: &Requester,
    request: RequestId,
    reason: SuppressionReason,
) -> Vec<Suppression> {
    let entry = |(kind, value): (IdentifierKind, Sensitive<String>)| Suppression {
        tag: p.keys().blind_tag(&kind, &value).to_vec(),
        kind: kind.0,
        reason,
        request,
        created_at: p.now(),
    };
    named_values(requester).into_iter().map(entry).collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "checked and handed on into the envelope"
)]
fn checked_text(field: &'static str, value: &Sensitive<String>) -> Result<String, Problem> {
    let text = value.expose().trim();
    if text.chars().count() > LONGEST_TEXT {
        return Err(Problem::invalid(
            field,
            format!("this is too long; at most {LONGEST_TEXT} characters fit"),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::invalid(
            field,
            "this holds signs that can't be typed; please type it again",
        ));
    }
    Ok(text.to_owned())
}

/// An address that mail can reach; whether it does, the code will show.
fn checked_email(email: &Sensitive<String>) -> Result<String, Problem> {
    let text = checked_text("email", email)?;
    let wrong = || {
        Problem::invalid(
            "email",
            "this is not an e-mail address; it should look like name@example.com",
        )
    };
    let (local, host) = text.rsplit_once('@').ok_or_else(wrong)?;
    let plain = |part: &str| {
        !part.is_empty()
            && !part.contains(|c: char| {
                c.is_whitespace()
                    || matches!(
                        c,
                        '<' | '>' | '"' | ',' | ';' | ':' | '(' | ')' | '[' | ']' | '\\' | '@'
                    )
            })
    };
    let dotted = host.contains('.')
        && !host.starts_with('.')
        && !host.ends_with('.')
        && !host.contains("..");
    if plain(local) && plain(host) && dotted {
        Ok(text)
    } else {
        Err(wrong())
    }
}

fn checked_identifiers(
    p: &Privity,
    given: Vec<(IdentifierKind, Sensitive<String>)>,
) -> Result<BTreeMap<IdentifierKind, Vec<String>>, Problem> {
    if given.len() > MOST_IDENTIFIERS {
        return Err(Problem::invalid(
            "identifiers",
            format!("at most {MOST_IDENTIFIERS} identifiers fit in one privacy request"),
        ));
    }
    let known = p.identifier_kinds();
    let mut identifiers: BTreeMap<IdentifierKind, Vec<String>> = BTreeMap::new();
    for (kind, value) in given {
        if !known.contains(&kind) {
            let names = known
                .iter()
                .map(|kind| kind.0.as_str())
                .collect::<Vec<_>>()
                .join(", ");
            return Err(Problem::invalid(
                "identifiers",
                format!("nobody can be found by this kind of identifier here; known are: {names}"),
            ));
        }
        let text = if kind == IdentifierKind::email() {
            checked_email(&value)?
        } else {
            checked_text("identifiers", &value)?
        };
        if !text.is_empty() {
            identifiers.entry(kind).or_default().push(text);
        }
    }
    Ok(identifiers)
}

/// A look-back belongs to a request to know, and begins before tomorrow.
fn checked_since(
    p: &Privity,
    kind: RequestKind,
    since: Option<Date>,
) -> Result<Option<Date>, Problem> {
    let Some(day) = since else {
        return Ok(None);
    };
    if !matches!(
        kind,
        RequestKind::KnowCategories | RequestKind::KnowSpecific
    ) {
        return Err(Problem::invalid(
            "since",
            "only a request to know has a day from which on; leave it out here",
        ));
    }
    let today = p.now().to_zoned(TimeZone::UTC).date();
    if day > today {
        return Err(Problem::invalid(
            "since",
            "this day is still to come; choose an earlier one, or leave it out to get everything",
        ));
    }
    Ok(Some(day))
}

/// A language tag by the shape of BCP 47; it is kept in the open, so nothing else may pass for one.
fn checked_language(language: &str) -> String {
    let mut parts = language.split('-');
    let first = parts.next().is_some_and(|part| {
        (2..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    let tag = first
        && language.len() <= 35
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
    if tag {
        language.to_owned()
    } else {
        "en".to_owned()
    }
}

impl Privity {
    /// Kinds of identifier by which the data map finds subjects; e-mail always.
    pub fn identifier_kinds(&self) -> std::collections::BTreeSet<IdentifierKind> {
        let fields = self
            .map()
            .collections
            .values()
            .flat_map(|collection| &collection.fields);
        fields
            .filter_map(|field| field.identity.as_ref())
            .map(|identity| identity.kind.clone())
            .chain([IdentifierKind::email()])
            .collect()
    }
}
