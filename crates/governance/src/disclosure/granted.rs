//! What a recipient was granted of one subject: her profile of ours opens with it, and bodies of the business's own APIs pass through it.
//!
//! The recorded permit stays in here, so that doors can use it and not take it along.

use std::sync::{Arc, OnceLock};

use domain::body_shape::BodyShape;
use domain::data_map::RecipientKey;
use domain::disclosure::AttributeName;
use domain::id::SubjectId;
use domain::profile::{AttributeKey, AttributeNumber, Schema};
use domain::sensitive::Sensitive;
use enforcement::json_filter::{self, Alter, JsonFilter};
use enforcement::{Alteration, RecipientReading, RecordedPermit};
use jiff::Timestamp;

use crate::profile::read::Held;
use crate::profile::{place_of, subject_key};
use crate::{Privity, Problem};

pub use enforcement::json_filter::{
    AttributeCounts, Change, Counts, Effect, Fault, FilteredJson, Limits, Refused,
};
pub use enforcement::{Released, ReleasedProfile};

/// What a recipient was granted of one subject; often nothing, and then it doesn't say why.
pub struct Granted(Option<Given>);

struct Given {
    permit: RecordedPermit,
    held: Arc<Held>,
    schema: Arc<Schema>,
    /// Set when something is made of a value before it goes out.
    alteration: Option<Arc<Alteration>>,
    now: Timestamp,
    privity: Privity,
}

impl Granted {
    pub(super) const fn nothing() -> Self {
        Self(None)
    }

    pub(super) fn of(
        p: &Privity,
        recipient: &RecipientKey,
        schema: &Arc<Schema>,
        permit: RecordedPermit,
        held: Arc<Held>,
    ) -> Self {
        let changes = permit.permit().changes_values();
        let alteration = changes.then(|| p.keys().alteration(recipient, schema, p.now()));
        Self(Some(Given {
            alteration: alteration.map(Arc::new),
            permit,
            held,
            schema: Arc::clone(schema),
            now: p.now(),
            privity: p.clone(),
        }))
    }

    /// Whether it is nothing at all.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The canonical subject; `None` when nothing was granted.
    pub fn subject(&self) -> Option<SubjectId> {
        self.permit()?.subject()
    }

    /// Whether an attribute goes out as it is.
    pub fn keeps(&self, attribute: &AttributeKey) -> bool {
        self.effect(attribute) == Effect::Keep
    }

    /// The attributes that go out as they are.
    pub fn kept(&self) -> impl Iterator<Item = AttributeKey> + '_ {
        let permit = self.permit().into_iter();
        permit.flat_map(|permit| permit.permit().allowed().filter_map(key_of))
    }

    /// What becomes of an attribute.
    pub fn effect(&self, attribute: &AttributeKey) -> Effect {
        self.effect_on(attribute.as_ref())
    }

    /// The same of one that somebody names.
    pub fn effect_on(&self, attribute: &str) -> Effect {
        let Some(given) = &self.0 else {
            return Effect::Drop;
        };
        let rule = given.schema.attribute_of(attribute);
        rule.map_or(Effect::Drop, |rule| given.permit.effect_on(rule.number))
    }

    /// Her profile of ours, as it may go out; `None` when there is nothing in it.
    ///
    /// # Errors
    /// Keys or rows that don't go together.
    pub fn profile(&self) -> Result<Option<ReleasedProfile>, Problem> {
        let Some(given) = &self.0 else {
            return Ok(None);
        };
        let released = given.release()?;
        Ok((!released.is_empty()).then_some(released))
    }

    /// A body about her.
    pub fn filter(&self, shape: &Arc<BodyShape>, limits: Limits) -> BodyFilter {
        let Some(given) = &self.0 else {
            return BodyFilter::for_subjects(shape, limits);
        };
        let alter = Arc::new(Later::of(given.alteration.as_ref()));
        BodyFilter {
            filter: JsonFilter::for_subject(shape, &given.permit, alter.clone(), limits),
            alter,
        }
    }

    /// A body that the recipient wants to write about her: it may write what it may see as it is.
    pub fn check(&self, shape: &Arc<BodyShape>, limits: Limits) -> BodyCheck {
        match &self.0 {
            Some(given) => BodyCheck(json_filter::BodyCheck::for_subject(
                shape,
                &given.permit,
                limits,
            )),
            None => BodyCheck::for_subjects(shape, limits),
        }
    }

    fn permit(&self) -> Option<&RecordedPermit> {
        self.0.as_ref().map(|given| &given.permit)
    }
}

fn key_of(name: &AttributeName) -> Option<AttributeKey> {
    match name {
        AttributeName::Profile(_, key) => Some(key.clone()),
        AttributeName::Field(..) | AttributeName::Own(_) => None,
    }
}

impl Given {
    /// Opens those segments that hold something that the permit names; the others stay shut.
    fn release(&self) -> Result<ReleasedProfile, Problem> {
        let mut reading = RecipientReading::new(&self.permit, Arc::clone(&self.schema));
        let named = self.permit.permit().segments();
        for record in &self.held.records {
            let Some(stored) = &record.key else { continue };
            let key = subject_key(&self.privity, record.id, stored)?;
            let own = self.held.segments.iter();
            let own = own.filter(|one| one.subject == record.id && named.contains(&one.segment));
            for one in own {
                reading
                    .open(&key, &place_of(one), &one.sealed)
                    .map_err(|error| Problem::internal("opening a profile", &error))?;
            }
        }
        let alter = Later::of(self.alteration.as_ref());
        Ok(reading.release(&alter, self.now))
    }
}

/// Alters values as soon as somebody was granted altered ones. Until then there are none.
#[derive(Default)]
struct Later(OnceLock<Arc<Alteration>>);

impl Later {
    fn of(alteration: Option<&Arc<Alteration>>) -> Self {
        let later = Self::default();
        later.know(alteration);
        later
    }

    fn know(&self, alteration: Option<&Arc<Alteration>>) {
        if let Some(alteration) = alteration {
            self.0.get_or_init(|| Arc::clone(alteration));
        }
    }
}

impl Alter for Later {
    fn alter(
        &self,
        subject: Option<SubjectId>,
        attribute: AttributeNumber,
        change: Change,
        value: &Sensitive<String>,
    ) -> Option<Sensitive<String>> {
        let known = self.0.get()?;
        known.alter(subject, attribute, change, value)
    }
}

/// A body of the business's own API on its way to one recipient: what it was granted passes. See [`JsonFilter`] for how to use it, and what
/// to do when a body is refused.
pub struct BodyFilter {
    filter: JsonFilter,
    alter: Arc<Later>,
}

impl BodyFilter {
    /// For a body about the subjects whose keys are in it.
    pub fn for_subjects(shape: &Arc<BodyShape>, limits: Limits) -> Self {
        let alter = Arc::new(Later::default());
        Self {
            filter: JsonFilter::for_subjects(shape, alter.clone(), limits),
            alter,
        }
    }

    /// Takes what comes of the body; how many bytes of it were taken. Less than all: [`Self::answer`] the needs, then push the rest.
    ///
    /// # Errors
    /// The body is refused, once and for all.
    pub fn push(&mut self, chunk: &[u8]) -> Result<usize, Refused> {
        self.filter.push(chunk)
    }

    /// Keys of the subjects whose decisions are awaited, in the order in which to answer.
    pub fn needs(&self) -> impl ExactSizeIterator<Item = &Sensitive<String>> {
        self.filter.needs()
    }

    /// Takes what was granted of each subject that is awaited, in order. All to the same recipient.
    ///
    /// INVARIANT: the filter can't know whose key it read; whoever answers has asked about the subject with that key.
    ///
    /// # Errors
    /// More or fewer answers than needs, or a body of which nothing is left.
    pub fn answer(&mut self, granted: &[Option<&Granted>]) -> Result<(), Refused> {
        let alterations = granted.iter().flatten();
        alterations
            .filter_map(|one| one.0.as_ref()?.alteration.as_ref())
            .for_each(|one| self.alter.know(Some(one)));
        self.filter.answer(&permits(granted))
    }

    /// What may leave by now.
    pub fn take(&mut self) -> FilteredJson {
        self.filter.take()
    }

    /// Whether anything has left, so that a refusal can no longer be answered with an error.
    pub const fn has_released(&self) -> bool {
        self.filter.has_released()
    }

    /// What became of the body so far.
    pub const fn counts(&self) -> &Counts {
        self.filter.counts()
    }

    /// The body is at its end: the rest of what may leave.
    ///
    /// # Errors
    /// It ends too early, or decisions are still awaited.
    pub fn finish(self) -> Result<(FilteredJson, Counts), Refused> {
        self.filter.finish()
    }
}

/// A body that a recipient wants to write.
pub struct BodyCheck(json_filter::BodyCheck);

impl BodyCheck {
    /// For a body about the subjects whose keys are in it.
    pub fn for_subjects(shape: &Arc<BodyShape>, limits: Limits) -> Self {
        Self(json_filter::BodyCheck::for_subjects(shape, limits))
    }

    /// As [`BodyFilter::push`].
    ///
    /// # Errors
    /// What may not be written, by its path in the shape; what is no JSON.
    pub fn push(&mut self, chunk: &[u8]) -> Result<usize, Refused> {
        self.0.push(chunk)
    }

    /// As [`BodyFilter::needs`].
    pub fn needs(&self) -> impl ExactSizeIterator<Item = &Sensitive<String>> {
        self.0.needs()
    }

    /// As [`BodyFilter::answer`].
    ///
    /// # Errors
    /// What may not be written of these subjects, or one of whom nothing may.
    pub fn answer(&mut self, granted: &[Option<&Granted>]) -> Result<(), Refused> {
        self.0.answer(&permits(granted))
    }

    /// The body is at its end, and may be written.
    ///
    /// # Errors
    /// It ends too early, or decisions are still awaited.
    pub fn finish(self) -> Result<(), Refused> {
        self.0.finish()
    }
}

fn permits<'g>(granted: &[Option<&'g Granted>]) -> Vec<Option<&'g RecordedPermit>> {
    let granted = granted.iter();
    granted.map(|one| one.and_then(Granted::permit)).collect()
}
