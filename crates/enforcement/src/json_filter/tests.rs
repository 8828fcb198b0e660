//! The filter with every effect, and with anything that calls itself JSON.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod bodies;
mod model;
mod properties;

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::body_shape::{BodyForm, BodyShape, PlaceUse};
use domain::id::SubjectId;
use domain::profile::AttributeNumber;
use domain::sensitive::Sensitive;

use super::check::Checker;
use super::effect::{Alter, Change, Effect, Effects, Grants};
use super::walk::Walk;
use super::{BodyCheck, Counts, Fault, JsonFilter, Limits, Refused};

/// What a permit grants, by attribute.
#[derive(Clone, Debug, Default)]
struct Granted(BTreeMap<u16, Effect>);

impl Grants for Granted {
    fn effect(&self, number: AttributeNumber) -> Effect {
        self.0.get(&number.0).copied().unwrap_or(Effect::Drop)
    }

    fn subject(&self) -> Option<SubjectId> {
        None
    }
}

/// Says what it was asked for, and how long the value is.
struct Spoken;

impl Alter for Spoken {
    fn alter(
        &self,
        _: Option<SubjectId>,
        number: AttributeNumber,
        change: Change,
        value: &Sensitive<String>,
    ) -> Option<Sensitive<String>> {
        let length = value.expose().chars().count();
        // One of them can't be generalised.
        (change != Change::Generalise || !length.is_multiple_of(7))
            .then(|| Sensitive::new(format!("{change:?} {} \"{length}\"", number.0)))
    }
}

fn attribute(number: u16) -> PlaceUse {
    PlaceUse::Attribute(AttributeNumber(number))
}

fn subject(key: &str) -> PlaceUse {
    PlaceUse::Subject {
        key: key.to_owned(),
    }
}

fn shape(form: BodyForm, named: &[(&str, PlaceUse)]) -> Arc<BodyShape> {
    Arc::new(BodyShape::build(form, named.iter().cloned()).unwrap())
}

fn granted(effects: &[(u16, Effect)]) -> Granted {
    Granted(effects.iter().copied().collect())
}

fn filter(shape: &Arc<BodyShape>, outer: &Granted, limits: Limits) -> JsonFilter {
    JsonFilter::new(shape, Effects::of(shape, outer), Arc::new(Spoken), limits)
}

fn check(shape: &Arc<BodyShape>, outer: &Granted) -> BodyCheck {
    BodyCheck {
        walk: Walk::new(
            Arc::clone(shape),
            Limits::default(),
            Checker::new(shape, Effects::of(shape, outer)),
        ),
    }
}

type Permits<'a> = &'a dyn Fn(&str) -> Option<&'a Granted>;

/// Whom nobody knows.
fn nobody(_: &str) -> Option<&'static Granted> {
    None
}

fn answer(filter: &mut JsonFilter, permits: Permits<'_>) -> Result<(), Refused> {
    let grants: Vec<_> = filter.needs().map(|key| permits(key.expose())).collect();
    filter.answer_with(&grants)
}

/// Filters a body in chunks, and answers as late as it may.
fn run(
    filter: JsonFilter,
    chunks: impl IntoIterator<Item = impl AsRef<[u8]>>,
    permits: Permits<'_>,
) -> Result<(Vec<u8>, Counts), Refused> {
    run_answering(filter, chunks, permits, usize::MAX)
}

/// Answers after every so many chunks, too, wherever in the body that is.
fn run_answering(
    mut filter: JsonFilter,
    chunks: impl IntoIterator<Item = impl AsRef<[u8]>>,
    permits: Permits<'_>,
    every: usize,
) -> Result<(Vec<u8>, Counts), Refused> {
    let mut out = Vec::new();
    for (number, chunk) in chunks.into_iter().enumerate() {
        if number % every == every - 1 {
            answer(&mut filter, permits)?;
        }
        let mut rest = chunk.as_ref();
        while !rest.is_empty() {
            let taken = filter.push(rest)?;
            rest = &rest[taken..];
            if !rest.is_empty() {
                answer(&mut filter, permits)?;
            }
            out.extend(filter.take().into_bytes());
        }
    }
    answer(&mut filter, permits)?;
    let (last, counts) = filter.finish()?;
    out.extend(last.into_bytes());
    Ok((out, counts))
}

/// The whole and byte by byte: they must agree.
fn filtered(
    shape: &Arc<BodyShape>,
    outer: &Granted,
    body: &[u8],
    permits: Permits<'_>,
) -> Result<(String, Counts), Fault> {
    let of = |chunks: Vec<&[u8]>| {
        let filtered = run(filter(shape, outer, Limits::default()), chunks, permits);
        let filtered = filtered.map(|(out, counts)| (String::from_utf8(out).unwrap(), counts));
        // Where a bound was passed is seen at the end of a chunk.
        filtered.map_err(|refused| refused.fault)
    };
    let whole = of(vec![body]);
    assert!(whole == of(body.chunks(1).collect()), "however it is cut");
    whole
}

fn text(shape: &Arc<BodyShape>, outer: &Granted, body: &str) -> String {
    filtered(shape, outer, body.as_bytes(), &nobody).unwrap().0
}

fn fault(shape: &Arc<BodyShape>, outer: &Granted, body: &[u8]) -> Fault {
    filtered(shape, outer, body, &nobody).unwrap_err()
}
