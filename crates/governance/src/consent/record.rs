//! Recording choices: each is checked by itself, those that are right are kept though others are refused, and a repeated call is one choice.
//!
//! A yes that would not count is refused with the reason, so that nobody believes to have a consent that isn't one. A no is refused for nothing but
//! a purpose or a place that doesn't exist (Civ. Code 1798.135(c)(1): whoever opts out is asked for nothing more than that).

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{Action, Actor, NewRecord};
use domain::consent::{
    Act, Age, Assent, By, ConsentEvent, ConsentId, How, InvalidConsent, Matter, Party, Question,
    Reason, Scope, Steps, Tag, depends_on_age, standing,
};
use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::notice::{NoticeKey, Shown};
use domain::rng::new_id;
use domain::sensitive::Sensitive;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use storage::Tx;
use storage::consent::{InsertedConsents, NewConsents, StoredConsent};

use super::age::{Ages, ages_of};
use crate::work::later;
use crate::{Privity, Problem, policy};

/// The most choices in one call.
pub const MOST_CHOICES: usize = 10_000;
/// Choices that are looked at together, and that one record in the audit log names.
const BATCH: usize = 1_000;
/// Choices in one transaction: one that holds many changes fewer pages for each, and one that held all of them would keep others waiting.
const TOGETHER: usize = 5_000;
/// How far the clock of whoever sends a choice may be ahead of ours.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// The longest key of anything in a choice, and the most attributes.
const LONGEST_KEY: usize = 100;
const MOST_ATTRIBUTES: usize = 50;

/// A choice to be recorded.
#[derive(Clone, Debug)]
pub struct NewChoice {
    /// The caller's own id of it: sent again it is the same choice, for good.
    pub id: Option<String>,
    /// For whom it holds.
    pub party: Party,
    /// What it is about.
    pub scope: Scope,
    /// What was chosen.
    pub said: Said,
    /// Who chose.
    pub by: By,
    /// How it reached the business.
    pub how: How,
    /// Where: the key of a site, an app or a desk.
    pub place: String,
    /// When; now, if nothing is said.
    pub at: Option<Timestamp>,
    /// The law that protects the subject; the business's own, if nothing is said.
    pub law: Option<String>,
}

/// What was chosen.
#[derive(Clone, Debug)]
pub enum Said {
    /// Yes.
    Given(Yes),
    /// Yes, after an opt-out.
    OptedInAgain(Yes),
    /// No, when asked.
    Refused(Option<ShownNotice>),
    /// No longer.
    Withdrawn(Option<ShownNotice>),
    /// No, without having been asked.
    OptedOut(Option<ShownNotice>),
}

/// What makes a yes count.
#[derive(Clone, Debug)]
pub struct Yes {
    /// What was shown.
    pub shown: ShownNotice,
    /// In how many steps it was said.
    pub steps: Steps,
    /// The device whose signal the subject was told of.
    pub despite_signal_of: Option<Tag>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
}

/// The notice that somebody was shown.
#[derive(Clone, Debug)]
pub struct ShownNotice {
    /// Its key.
    pub notice: NoticeKey,
    /// Its version.
    pub version: u32,
    /// The language.
    pub language: String,
    /// The digest of the text, if the caller has it; the published text's otherwise, which the caller then vouches for.
    pub digest: Option<domain::audit::Hash>,
}

/// What became of one choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is recorded, now or by an earlier call.
    Kept {
        /// Its id.
        id: ConsentId,
        /// Whether an earlier call recorded it.
        repeated: bool,
    },
    /// It isn't, and why.
    Refused(Problem),
}

/// A batch that is being written.
type Keeping = tokio::task::JoinHandle<Result<Vec<Recorded>, Problem>>;

/// Choices that are written together.
struct Batch {
    choices: Vec<NewChoice>,
    prepared: Vec<Result<ConsentEvent, Problem>>,
}

impl Batch {
    fn is_refused(&self) -> bool {
        self.prepared.iter().all(Result::is_err)
    }

    fn with(mut self, next: Self) -> Self {
        self.choices.extend(next.choices);
        self.prepared.extend(next.prepared);
        self
    }
}

/// When a batch is on the disk: nothing of a call is answered before its last one is.
#[derive(Clone, Copy, PartialEq)]
enum Durable {
    Now,
    WithTheLast,
}

fn stopping() -> Problem {
    Problem::internal("recording choices", &"the program is stopping")
}

impl Privity {
    /// Records choices, each for itself: what became of each is answered in the order given. What is answered as kept is durable.
    ///
    /// `key` is the `Idempotency-Key` of the call: the same choices sent again with it, in the same order, are recorded once. A choice with
    /// an id of its caller's doesn't need it. A call that broke off may always be repeated so.
    ///
    /// # Errors
    /// Too many choices; our database can't take them (then some may be kept: repeat the call).
    pub async fn record_consents(
        &self,
        choices: Vec<NewChoice>,
        by: Actor,
        key: Option<&Sensitive<String>>,
    ) -> Result<Vec<Recorded>, Problem> {
        if choices.len() > MOST_CHOICES {
            return Err(Problem::new(
                "too_many_choices",
                413,
                format!(
                    "at most {MOST_CHOICES} choices fit in one call; send the others in another"
                ),
            ));
        }
        let base = key.map(|key| self.call_base(&by, key));
        let mut recorded = Vec::with_capacity(choices.len());
        let mut keeping: Option<Keeping> = None;
        let mut held: Option<Batch> = None;
        let mut rest = choices.into_iter();
        let mut first = 0;
        while rest.len() > 0 {
            let choices: Vec<_> = rest.by_ref().take(BATCH).collect();
            let next = self.prepare_all(choices, &by, base, first).await?;
            first += next.choices.len();
            let Some(before) = held.take() else {
                held = Some(next);
                continue;
            };
            // The last one that is written has to be the one that waits for the disk.
            if before.choices.len() < TOGETHER || next.is_refused() {
                held = Some(before.with(next));
                continue;
            }
            if let Some(written) = keeping.take() {
                recorded.extend(written.await.map_err(|_| stopping())??);
            }
            // While one batch is written, the next one is prepared.
            let (p, by) = (self.clone(), by.clone());
            keeping = Some(tokio::spawn(async move {
                p.keep(before, by, Durable::WithTheLast).await
            }));
            held = Some(next);
        }
        if let Some(written) = keeping {
            recorded.extend(written.await.map_err(|_| stopping())??);
        }
        if let Some(last) = held {
            recorded.extend(self.keep(last, by, Durable::Now).await?);
        }
        Ok(recorded)
    }

    /// The events that choices become, or why one can't be recorded. `first` is the place of the first of them in its call.
    async fn prepare_all(
        &self,
        choices: Vec<NewChoice>,
        by: &Actor,
        base: Option<[u8; 16]>,
        first: usize,
    ) -> Result<Batch, Problem> {
        let who = Who::look_up(self, &choices).await?;
        let prepared = choices.iter().zip(first..).map(|(choice, position)| {
            let id = self.id_for(choice, by, base, position);
            self.prepare(choice, id, &who)
        });
        let prepared = prepared.collect();
        Ok(Batch { choices, prepared })
    }

    fn call_base(&self, by: &Actor, key: &Sensitive<String>) -> [u8; 16] {
        self.derived("consent_call", by, key)
    }

    #[expect(clippy::disallowed_methods, reason = "into a keyed hash")]
    fn derived(&self, what: &str, by: &Actor, text: &Sensitive<String>) -> [u8; 16] {
        let scoped = Sensitive::new(format!("{by}\n{}", text.expose()));
        self.keys()
            .blind_tag(&IdentifierKind(what.to_owned()), &scoped)
    }

    /// A choice's id says by itself whether it was recorded before: it follows from what the caller calls it. The ids of one call lie together.
    fn id_for(
        &self,
        choice: &NewChoice,
        by: &Actor,
        base: Option<[u8; 16]>,
        position: usize,
    ) -> ConsentId {
        // Visitors share one name, so that one's key must not meet another's.
        let scope = match by {
            Actor::Subject => format!("{:?}", choice.party),
            _ => String::new(),
        };
        let bytes = match (&choice.id, base) {
            (Some(id), _) => {
                let own = Sensitive::new(format!("{scope}\n{id}"));
                self.derived("consent_item", by, &own)
            }
            (None, Some(base)) if scope.is_empty() => at_position(base, position),
            (None, Some(base)) => {
                let of_party = Sensitive::new(format!("{scope}\n{}", Tag(base)));
                at_position(self.derived("consent_call", by, &of_party), position)
            }
            (None, None) => return new_id(self.rng(), self.now()),
        };
        id_from(bytes)
    }

    /// The id of a choice that follows from something else of ours, e.g. from a privacy request.
    pub(crate) fn consent_id(&self, what: &str, follows_from: &str) -> ConsentId {
        let text = Sensitive::new(follows_from.to_owned());
        id_from(self.derived(what, &Actor::System, &text))
    }

    /// The event that a choice becomes, or why it can't be recorded.
    fn prepare(
        &self,
        choice: &NewChoice,
        id: ConsentId,
        who: &Who,
    ) -> Result<ConsentEvent, Problem> {
        who.check(&choice.party)?;
        check_keys(choice)?;
        let event = ConsentEvent {
            id,
            party: choice.party.clone(),
            scope: choice.scope.clone(),
            act: self.act(&choice.said),
            at: self.moment(choice.at)?,
            by: choice.by.clone(),
            how: choice.how,
            place: choice.place.clone(),
        };
        event
            .check(self.purposes(), self.notices())
            .map_err(|invalid| invalid_choice(&invalid))?;
        self.check_counts(&event, choice.law.as_deref(), who.ages.of(&event.party))?;
        Ok(event)
    }

    /// Whether it depends on her age if a choice counts. A no always does, and so does what came with data from elsewhere.
    fn looks_at_age(&self, choice: &NewChoice) -> bool {
        let is_yes = matches!(choice.said, Said::Given(_) | Said::OptedInAgain(_));
        let Matter::Purpose(key) = &choice.scope.of else {
            return false;
        };
        if !is_yes || choice.how == How::Imported {
            return false;
        }
        let on = choice.at.unwrap_or(Timestamp::MAX).min(self.now());
        // What is unknown is told when the choice itself is looked at.
        let ground = self.ground(choice.law.as_deref(), on).ok();
        let known = self.purposes().get(key).zip(ground);
        known.is_some_and(|(purpose, ground)| {
            depends_on_age(purpose, true, ground.on, &ground.facts(Age::Unknown))
        })
    }

    fn moment(&self, at: Option<Timestamp>) -> Result<Timestamp, Problem> {
        let now = self.now();
        let at = at.unwrap_or(now);
        if at > later(now, AHEAD) {
            return Err(Problem::invalid(
                "at",
                "this moment is still to come; send when the choice was made, or leave it out for now",
            ));
        }
        // The columns count microseconds; what is hashed must be what is read back.
        Timestamp::from_microsecond(at.min(now).as_microsecond())
            .map_err(|error| Problem::internal("recording a choice", &error))
    }

    fn act(&self, said: &Said) -> Act {
        match said {
            Said::Given(yes) => Act::Given(self.assent(yes)),
            Said::OptedInAgain(yes) => Act::OptedInAgain(self.assent(yes)),
            Said::Refused(shown) => Act::Refused {
                shown: self.told(shown.as_ref()),
            },
            Said::Withdrawn(shown) => Act::Withdrawn {
                shown: self.told(shown.as_ref()),
            },
            Said::OptedOut(shown) => Act::OptedOut {
                shown: self.told(shown.as_ref()),
            },
        }
    }

    fn assent(&self, yes: &Yes) -> Assent {
        Assent {
            shown: self.shown(&yes.shown),
            steps: yes.steps,
            despite_signal_of: yes.despite_signal_of,
            expires: yes.expires,
        }
    }

    fn shown(&self, shown: &ShownNotice) -> Shown {
        let published = || {
            let mut all = self.notices().iter();
            let is_it = |notice: &&domain::notice::Notice| {
                notice.key == shown.notice && notice.version == shown.version
            };
            Some(all.find(is_it)?.shown_in(&shown.language)?.digest)
        };
        let digest = shown.digest.or_else(published);
        Shown {
            notice: shown.notice.clone(),
            version: shown.version,
            language: shown.language.clone(),
            digest: digest.unwrap_or(domain::audit::Hash([0; 32])),
        }
    }

    /// What was shown beside a no is kept where it was published; a no stands without it.
    fn told(&self, shown: Option<&ShownNotice>) -> Option<Shown> {
        let shown = self.shown(shown?);
        let is_published = self.notices().prove(&shown, Timestamp::MAX).is_ok();
        is_published.then_some(shown)
    }

    /// Whether a yes would count: it is held against a no of the moment before. What comes with data from elsewhere is kept as evidence even
    /// where it no longer counts.
    fn check_counts(
        &self,
        event: &ConsentEvent,
        law: Option<&str>,
        age: Age,
    ) -> Result<(), Problem> {
        let ground = self.ground(law, event.at)?;
        let Matter::Purpose(key) = &event.scope.of else {
            return Ok(());
        };
        let purpose = self.purposes().get(key);
        let Some(purpose) =
            purpose.filter(|_| event.act.assent().is_some() && event.how != How::Imported)
        else {
            return Ok(());
        };
        let before = ConsentEvent {
            act: Act::Refused { shown: None },
            by: By::Subject,
            at: event
                .at
                .checked_sub(SignedDuration::from_micros(1))
                .unwrap_or(Timestamp::MIN),
            ..event.clone()
        };
        let question = Question {
            purpose,
            recipient: event.scope.recipient.as_ref(),
            attribute: event.scope.attributes.first(),
        };
        let answer = standing(
            &[before, event.clone()],
            &question,
            ground.on,
            &ground.facts(age),
        );
        if answer.allowed {
            return Ok(());
        }
        Err(Problem {
            field: Some("act"),
            ..Problem::new("consent_would_not_count", 422, why(answer.reason))
        })
    }

    /// Stores what was prepared of one batch, with one record that names it, in one transaction.
    async fn keep(
        &self,
        batch: Batch,
        by: Actor,
        durable: Durable,
    ) -> Result<Vec<Recorded>, Problem> {
        let Batch { choices, prepared } = batch;
        let events: Vec<_> = prepared.iter().flatten().collect();
        let (inserted, before) = if events.is_empty() {
            (BTreeSet::new(), Vec::new())
        } else {
            self.insert(&events, by, durable).await?
        };
        let before: BTreeMap<_, _> = before
            .into_iter()
            .map(|stored| (stored.event.id, stored.event))
            .collect();
        let mut new = inserted;
        let outcome = |(choice, prepared): (NewChoice, Result<ConsentEvent, Problem>)| {
            let event = match prepared {
                Ok(event) => event,
                Err(problem) => return Recorded::Refused(problem),
            };
            let is_same = before
                .get(&event.id)
                .is_none_or(|kept| same(kept, &event, &choice));
            if !is_same {
                return Recorded::Refused(Problem::new(
                    "idempotency_key_reused",
                    422,
                    "another choice came before under this id or `Idempotency-Key`; use a new one for a new choice",
                ));
            }
            Recorded::Kept {
                id: event.id,
                repeated: !new.remove(&event.id),
            }
        };
        Ok(choices.into_iter().zip(prepared).map(outcome).collect())
    }

    async fn insert(
        &self,
        events: &[&ConsentEvent],
        by: Actor,
        durable: Durable,
    ) -> Result<(BTreeSet<ConsentId>, Vec<StoredConsent>), Problem> {
        let now = self.now();
        let rows = NewConsents::new(events.iter().copied(), now)?;
        // Of an id that came twice, the first one is kept.
        let acts: BTreeMap<ConsentId, &'static str> = events
            .iter()
            .rev()
            .map(|event| (event.id, event.act.as_str()))
            .collect();
        let ids: Vec<ConsentId> = events.iter().map(|event| event.id).collect();
        let inside = self.clone();
        let parties: BTreeSet<Party> = events.iter().map(|event| event.party.clone()).collect();
        let write = move |tx: &mut Tx| {
            let inserted = storage::consent::insert_many(tx, &rows)?;
            policy::outdate(&inside, tx, parties.iter().cloned())?;
            let new: BTreeSet<ConsentId> = inserted.new.iter().copied().collect();
            let old: Vec<_> = repeated(&ids, &new);
            let before = if old.is_empty() {
                Vec::new()
            } else {
                storage::consent::get_many(tx, &old)?
            };
            let records = inserted.parts(BATCH);
            let records = records.filter_map(|part| record_of(now, &by, &part, &acts));
            Ok(((new, before), records.collect()))
        };
        match durable {
            Durable::Now => Ok(self.write_silently("record consents", write).await?.0),
            Durable::WithTheLast => self.write_in_passing("record consents", write).await,
        }
    }
}

/// Ids that were there before, and those that came twice in one call.
fn repeated(ids: &[ConsentId], new: &BTreeSet<ConsentId>) -> Vec<ConsentId> {
    let mut seen = BTreeSet::new();
    let is_repeated = |id: &&ConsentId| !new.contains(id) || !seen.insert(**id);
    let repeated: BTreeSet<_> = ids.iter().filter(is_repeated).copied().collect();
    repeated.into_iter().collect()
}

/// Ids and counts, and a hash by which a row that was changed or taken away is found out; none when nothing is new.
pub(crate) fn record_of(
    now: Timestamp,
    by: &Actor,
    inserted: &InsertedConsents,
    acts: &BTreeMap<ConsentId, &'static str>,
) -> Option<NewRecord> {
    if inserted.new.is_empty() {
        return None;
    }
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for act in inserted.new.iter().filter_map(|id| acts.get(id)) {
        *counts.entry(act).or_default() += 1;
    }
    let counts = counts
        .into_iter()
        .map(|(act, count)| (act.to_owned(), count.into()));
    let ids = inserted.new.iter().map(|id| Value::from(id.to_string()));
    let record = NewRecord::new(now, by.clone(), Action::ConsentRecorded)
        .with("counts", Value::Object(counts.collect()))
        .with("consents", ids.collect::<Vec<_>>())
        .with("rows", inserted.digest().to_string());
    Some(record)
}

fn id_from(bytes: [u8; 16]) -> ConsentId {
    let uuid = uuid::Builder::from_bytes(bytes)
        .with_variant(uuid::Variant::RFC4122)
        .with_version(uuid::Version::Custom);
    ConsentId::from_uuid(uuid.into_uuid())
}

/// The id of the item at a position of a call.
fn at_position(mut base: [u8; 16], position: usize) -> [u8; 16] {
    let number = u32::try_from(position).unwrap_or(u32::MAX).to_be_bytes();
    for (place, byte) in base.iter_mut().skip(12).zip(number) {
        *place = byte;
    }
    base
}

/// Whether a repeated choice says the same. A moment that the caller didn't name is that of the first call.
fn same(kept: &ConsentEvent, again: &ConsentEvent, choice: &NewChoice) -> bool {
    let at = if choice.at.is_some() {
        again.at
    } else {
        kept.at
    };
    *kept
        == ConsentEvent {
            at,
            ..again.clone()
        }
}

/// Who choices are for, as far as we know them.
struct Who {
    known: BTreeSet<SubjectId>,
    ages: Ages,
}

impl Who {
    async fn look_up(p: &Privity, choices: &[NewChoice]) -> Result<Self, Problem> {
        let subjects = choices.iter().filter_map(|choice| match choice.party {
            Party::Subject(id) => Some(id),
            Party::Pseudonym(_) | Party::Device(_) => None,
        });
        let subjects: BTreeSet<SubjectId> = subjects.collect();
        let of_age = choices.iter().filter(|choice| p.looks_at_age(choice));
        let of_age = of_age.filter_map(|choice| match choice.party {
            Party::Subject(id) => Some(id),
            Party::Pseudonym(_) | Party::Device(_) => None,
        });
        let ages = ages_of(p, &of_age.collect()).await?;
        Ok(Self {
            known: p.known_subjects(subjects).await?,
            ages,
        })
    }

    fn check(&self, party: &Party) -> Result<(), Problem> {
        match party {
            Party::Subject(id) if !self.known.contains(id) => Err(unknown_subject()),
            _ => Ok(()),
        }
    }
}

/// A subject that was forgotten looks the same as one that never was.
pub(crate) fn unknown_subject() -> Problem {
    Problem {
        field: Some("subject"),
        ..Problem::new(
            "unknown_subject",
            422,
            "there is no such subject here; send an identifier of hers instead, and the choice is held under its pseudonym until she is known",
        )
    }
}

impl Privity {
    /// Those of these subjects that we have a record of.
    pub(crate) async fn known_subjects(
        &self,
        subjects: BTreeSet<SubjectId>,
    ) -> Result<BTreeSet<SubjectId>, Problem> {
        if subjects.is_empty() {
            return Ok(subjects);
        }
        let is_alone = subjects.len() == 1;
        let known = move |tx: &mut Tx| Ok(storage::consent::known_subjects(tx, &subjects)?);
        if is_alone {
            return self.read_few("know subjects", known).await;
        }
        self.read("know subjects", known).await
    }
}

/// Names are kept in the open, so that nothing may pass for one that isn't a key.
fn check_keys(choice: &NewChoice) -> Result<(), Problem> {
    let is_key = |text: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
        !text.is_empty() && text.len() <= LONGEST_KEY && text.bytes().all(is_letter)
    };
    let scope = &choice.scope;
    if let Some(recipient) = &scope.recipient
        && !is_key(recipient.as_ref())
    {
        return Err(Problem::invalid(
            "recipient",
            "this is not the key of a recipient of the data map",
        ));
    }
    let attributes = &scope.attributes;
    if attributes.len() > MOST_ATTRIBUTES || attributes.iter().any(|key| !is_key(key.as_ref())) {
        return Err(Problem::invalid(
            "attributes",
            format!("attributes are keys like `purchase_history`, at most {MOST_ATTRIBUTES}"),
        ));
    }
    if let Some(id) = &choice.id
        && (id.is_empty() || id.len() > LONGEST_KEY)
    {
        return Err(Problem::invalid(
            "id",
            format!("an id of your own has 1 to {LONGEST_KEY} characters; use a UUID"),
        ));
    }
    Ok(())
}

fn invalid_choice(invalid: &InvalidConsent) -> Problem {
    let field = match invalid {
        InvalidConsent::UnknownPurpose(_)
        | InvalidConsent::NotParticular
        | InvalidConsent::NoChoice(_) => "purpose",
        InvalidConsent::UnknownRecipient { .. } => "recipient",
        InvalidConsent::NotShown(_) | InvalidConsent::NotExplained { .. } => "shown",
        InvalidConsent::SignalSaysMore => "by",
        InvalidConsent::UnknownInFaceOfSignal => "despite_signal_of",
        InvalidConsent::EndsBeforeItBegins => "expires",
        InvalidConsent::Place => "place",
    };
    Problem::invalid(field, invalid.to_string())
}

/// Why a yes doesn't count, and what to do.
const fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Expired => "this consent has already ended; ask for it again",
        Reason::NotConfirmed => {
            "this consent was said in one step; ask, then let the subject confirm it separately, and send `steps: two` (11 CCR 7028(a))"
        }
        Reason::OldNotice => {
            "this consent rests on a notice that no longer says what happens; show the newest version and ask again"
        }
        Reason::NotHersToGive => {
            "whoever gave this consent can't: an agent needs the subject's power of attorney, and a guardian consents for a child only (Civ. Code 1798.140(h))"
        }
        Reason::GuardianNeeded => {
            "only a parent or guardian can consent for a child of that age, and must be shown to be one; send `proof` (11 CCR 7070(a)(2))"
        }
        Reason::MinorsConsentNeeded => "only the minor herself can consent (Civ. Code 1798.120(c))",
        Reason::TooYoung => "nobody can consent to this at her age",
        Reason::NeverAllowed => {
            "the law doesn't allow this use of such data, not even with consent"
        }
        _ => "this consent would not count",
    }
}
