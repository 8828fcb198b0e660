//! Bodies on their way through: the upstream's is decoded and filtered piece by piece, a recipient's own is checked before it goes on.
//!
//! INVARIANT: what the upstream sent reaches a recipient through [`BodyFilter`] or as a document whose attribute was granted; nothing else
//! here makes an [`AnswerBody`] out of it. A body that is refused after part of it has left ends as an error, so that the connection is
//! broken off and nobody takes the part for the whole.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use domain::body_shape::BodyForm;
use futures_util::Stream;
use futures_util::stream::unfold;
use governance::Problem;
use governance::disclosure::{
    BodyCheck, BodyFilter, Fault, Granted, ListPace, Refused, SubjectAsked,
};
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use crate::answer::{Refusal, is_over_pace};
use crate::ask::Asking;
use crate::counts::Outcome;
use crate::decode::{Decoder, Undecodable};
use crate::learn::Sample;
use crate::route::{BodyRule, Bounds, KnownBy, Route};
use crate::upstream::bare;

/// What is sent to a recipient.
pub(crate) enum AnswerBody {
    /// All of it.
    Whole(Option<Bytes>),
    /// As it comes, and nothing after the last piece.
    Streaming(Pin<Box<dyn Stream<Item = Result<Piece, Aborted>> + Send>>),
}

/// What leaves at a time. Its last one says so, so that the end leaves in one write with it.
pub(crate) struct Piece {
    bytes: Bytes,
    is_last: bool,
}

/// The body can't be ended in good order; the connection is broken off.
#[derive(Debug, thiserror::Error)]
#[error("the answer was broken off")]
pub(crate) struct Aborted;

impl AnswerBody {
    pub(crate) const fn empty() -> Self {
        Self::Whole(None)
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        let body = self.get_mut();
        let piece = match body {
            Self::Whole(bytes) => {
                return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))));
            }
            Self::Streaming(pieces) => ready!(pieces.as_mut().poll_next(context)),
        };
        if matches!(&piece, Some(Ok(piece)) if piece.is_last) {
            *body = Self::empty();
        }
        Poll::Ready(piece.map(|piece| piece.map(|piece| Frame::data(piece.bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Streaming(_) => SizeHint::default(),
        }
    }
}

/// Why an answer is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyFault {
    #[error("the upstream broke off")]
    BrokenOff,
    #[error("the upstream fell silent")]
    Silent,
    #[error("{0}")]
    Undecodable(#[from] Undecodable),
    #[error("{0}")]
    Refused(#[from] Refused),
    #[error("it is longer than {0} bytes")]
    TooLong(u64),
    #[error("deciding failed: {}", .0.code)]
    Asking(Problem),
}

/// The upstream's body, decoded, with bounds on time and length.
pub(crate) struct Source {
    body: Incoming,
    decoder: Option<Decoder>,
    waiting: Bytes,
    route: Arc<Route>,
    until: Instant,
    came: u64,
    sample: Option<Sample>,
    /// Keeps the call counted among those of its route.
    _call: OwnedSemaphorePermit,
}

impl Source {
    pub(crate) fn new(
        route: &Arc<Route>,
        headers: &HeaderMap,
        body: Incoming,
        call: OwnedSemaphorePermit,
    ) -> Result<Self, BodyFault> {
        let (decoder, most) = (Decoder::of(headers)?, route.bounds.answer_bytes);
        // Announced as longer than it may be: none of it needs to leave.
        if matches!(decoder, Decoder::Plain) && body.size_hint().lower() > most {
            return Err(BodyFault::TooLong(most));
        }
        Ok(Self {
            body,
            decoder: Some(decoder),
            waiting: Bytes::new(),
            until: Instant::now() + route.bounds.whole,
            route: Arc::clone(route),
            came: 0,
            sample: route.observed.as_ref().map(|observed| observed.sample()),
            _call: call,
        })
    }

    /// The next piece; `None` at the end. A plain body whose length was announced is at its end with its last piece.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyFault> {
        loop {
            let Some(decoder) = &mut self.decoder else {
                return Ok(None);
            };
            if self.waiting.is_empty() {
                match frame(&mut self.body, self.route.bounds.pause, self.until).await? {
                    Some(frame) => self.waiting = frame.into_data().unwrap_or_default(),
                    None => {
                        let rest = decoder.finish()?;
                        self.decoder = None;
                        return self.counted(rest).map(Some);
                    }
                }
            }
            let piece = decoder.decode(&mut self.waiting)?;
            if matches!(decoder, Decoder::Plain) && self.body.is_end_stream() {
                self.decoder = None;
            }
            if !piece.is_empty() {
                return self.counted(piece).map(Some);
            }
        }
    }

    fn counted(&mut self, piece: Bytes) -> Result<Bytes, BodyFault> {
        self.came += piece.len() as u64;
        if self.came > self.route.bounds.answer_bytes {
            return Err(BodyFault::TooLong(self.route.bounds.answer_bytes));
        }
        if let Some(sample) = &mut self.sample {
            sample.take(&piece);
        }
        Ok(piece)
    }

    fn is_at_end(&self) -> bool {
        self.decoder.is_none()
    }
}

/// The next part of a body as it came, unless that takes too long; `None` after the last one.
async fn frame(
    body: &mut Incoming,
    pause: Duration,
    until: Instant,
) -> Result<Option<Frame<Bytes>>, BodyFault> {
    let silent = Instant::now() + pause;
    let frame = timeout_at(silent.min(until), body.frame()).await;
    let frame = frame.map_err(|_| BodyFault::Silent)?;
    frame.transpose().map_err(|_| BodyFault::BrokenOff)
}

/// An answer on its way through the permits.
pub(crate) struct Filtering {
    source: Source,
    /// Missing after its end.
    filter: Option<BodyFilter>,
    piece: Bytes,
    asking: Asking,
    list: ListPace,
}

/// What came of an answer before anything of it left.
pub(crate) enum Begun {
    /// All of it.
    Whole(Bytes),
    /// Its beginning; the rest follows.
    Partly(Bytes, Box<Filtering>),
}

impl Filtering {
    /// `granted` of the subject whom the path names, where it names one.
    pub(crate) fn new(
        source: Source,
        granted: Option<&Granted>,
        asking: Asking,
        list: ListPace,
    ) -> Self {
        let route = &asking.route;
        let (shape, limits) = (&route.answer.shape, route.answer_limits());
        let filter = match granted {
            Some(granted) => granted.filter(shape, limits),
            None => BodyFilter::for_subjects(shape, limits),
        };
        Self {
            source,
            filter: Some(filter),
            piece: Bytes::new(),
            asking,
            list,
        }
    }

    /// Goes on until something may leave.
    ///
    /// # Errors
    /// [`BodyFault`] when the body is refused; nothing of it has left yet.
    pub(crate) async fn begin(mut self) -> Result<Begun, BodyFault> {
        let first = self.next().await?.unwrap_or_default();
        if self.filter.is_none() {
            return Ok(Begun::Whole(first));
        }
        Ok(Begun::Partly(first, Box::new(self)))
    }

    /// The next bytes that may leave; `None` after the last ones.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyFault> {
        loop {
            let Some(filter) = &mut self.filter else {
                return Ok(None);
            };
            if self.piece.is_empty() {
                match self.source.next().await? {
                    Some(piece) => self.piece = piece,
                    None => return self.finish().await.map(Some),
                }
            }
            let taken = filter.push(&self.piece)?;
            self.piece.advance(taken);
            if !self.piece.is_empty() {
                self.answer().await?;
            } else if self.source.is_at_end() {
                return self.finish().await.map(Some);
            }
            let Some(filter) = &mut self.filter else {
                return Ok(None);
            };
            let out = filter.take();
            if !out.is_empty() {
                return Ok(Some(out.into_bytes().into()));
            }
        }
    }

    async fn finish(&mut self) -> Result<Bytes, BodyFault> {
        self.answer().await?;
        if let Some(sample) = self.source.sample.take() {
            sample.note();
        }
        let Some(filter) = self.filter.take() else {
            return Ok(Bytes::new());
        };
        let (rest, _) = filter.finish()?;
        Ok(rest.into_bytes().into())
    }

    /// Asks for the decisions that the filter waits for, all in one go.
    async fn answer(&mut self) -> Result<(), BodyFault> {
        let Some(filter) = &mut self.filter else {
            return Ok(());
        };
        let known_by = &self.asking.route.answer.known_by;
        let subjects = asked(known_by, filter.needs());
        if subjects.is_empty() {
            return Ok(());
        }
        let granted = self.asking.about_listed(&mut self.list, &subjects).await;
        let granted = granted.map_err(BodyFault::Asking)?;
        let granted: Vec<_> = granted.iter().map(Option::as_ref).collect();
        Ok(filter.answer(&granted)?)
    }
}

/// Where pieces of an answer come from, one by one.
pub(crate) trait Pieces: Send + 'static {
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, BodyFault>> + Send;
    /// Whether it is known that no more come.
    fn is_at_end(&self) -> bool;
    fn route(&self) -> &Route;
}

impl Pieces for Box<Filtering> {
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, BodyFault>> + Send {
        Filtering::next(self)
    }

    fn is_at_end(&self) -> bool {
        self.filter.is_none()
    }

    fn route(&self) -> &Route {
        &self.asking.route
    }
}

impl Pieces for Source {
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, BodyFault>> + Send {
        Self::next(self)
    }

    fn is_at_end(&self) -> bool {
        Self::is_at_end(self)
    }

    fn route(&self) -> &Route {
        &self.route
    }
}

/// A piece and those that follow it, as a body that breaks off when one of them is refused.
pub(crate) fn stream(first: Bytes, rest: impl Pieces) -> AnswerBody {
    let begin = (Some(first), Some(rest));
    AnswerBody::Streaming(Box::pin(unfold(begin, |(first, rest)| async move {
        let mut rest = rest?;
        let piece = match first {
            Some(first) => Ok(Some(first)),
            None => rest.next().await,
        };
        match piece {
            Ok(Some(bytes)) => {
                let is_last = rest.is_at_end();
                Some((Ok(Piece { bytes, is_last }), (None, Some(rest))))
            }
            Ok(None) => None,
            Err(fault) => {
                abort(rest.route(), &fault);
                Some((Err(Aborted), (None, None)))
            }
        }
    })))
}

fn abort(route: &Route, fault: &BodyFault) {
    let is_over = matches!(fault, BodyFault::Asking(problem) if is_over_pace(problem));
    route.counts.add(if is_over {
        Outcome::OverPace
    } else {
        Outcome::Aborted
    });
    tracing::warn!(gateway.route = %route.key, cause = %fault, "an answer was broken off after part of it had left");
}

fn asked<'s>(
    known_by: &KnownBy,
    keys: impl Iterator<Item = &'s domain::sensitive::Sensitive<String>>,
) -> Vec<SubjectAsked> {
    keys.map(|key| known_by.subject(key)).collect()
}

/// A document as it is: no JSON, and one attribute as a whole, which was granted.
///
/// # Errors
/// [`BodyFault`] when it is refused; nothing of it has left yet.
pub(crate) async fn document(mut source: Source) -> Result<AnswerBody, BodyFault> {
    let first = source.next().await?.unwrap_or_default();
    if source.is_at_end() {
        return Ok(AnswerBody::Whole(Some(first)));
    }
    Ok(stream(first, source))
}

/// Reads a recipient's body whole and checks that it holds nothing that the recipient may not see.
///
/// # Errors
/// [`Refusal`] with the place in the route's paths, never with what stands there.
pub(crate) async fn checked(
    rule: &BodyRule,
    body: Incoming,
    granted: Option<&Granted>,
    asking: &Asking,
) -> Result<Bytes, Refusal> {
    let route = &asking.route;
    let whole = read(body, &route.bounds).await?;
    let limits = route.body_limits();
    let mut check = match granted {
        Some(granted) => granted.check(&rule.shape, limits),
        None => BodyCheck::for_subjects(&rule.shape, limits),
    };
    let mut rest = whole.as_ref();
    loop {
        let taken = check.push(rest).map_err(|refused| unwritable(&refused))?;
        rest = rest.get(taken..).unwrap_or_default();
        let subjects = asked(&rule.known_by, check.needs());
        if !subjects.is_empty() {
            let granted = asking.about_each(&subjects).await?;
            let granted: Vec<_> = granted.iter().map(Option::as_ref).collect();
            check
                .answer(&granted)
                .map_err(|refused| unwritable(&refused))?;
        }
        if rest.is_empty() {
            break;
        }
    }
    check.finish().map_err(|refused| unwritable(&refused))?;
    Ok(whole)
}

async fn read(mut body: Incoming, bounds: &Bounds) -> Result<Bytes, Refusal> {
    let announced = body.size_hint().lower();
    if announced > bounds.body_bytes {
        return Err(too_large());
    }
    let mut whole = Vec::with_capacity(usize::try_from(announced).unwrap_or_default());
    let until = Instant::now() + bounds.until_answer;
    loop {
        match frame(&mut body, bounds.pause, until).await {
            Ok(Some(frame)) => {
                let piece = frame.into_data().unwrap_or_default();
                if (whole.len() + piece.len()) as u64 > bounds.body_bytes {
                    return Err(too_large());
                }
                whole.extend_from_slice(&piece);
            }
            Ok(None) => return Ok(whole.into()),
            Err(_) => {
                let words = "the body of this call did not come to its end; send it again";
                return Err(Refusal::new("unreadable", 400, words).last());
            }
        }
    }
}

fn too_large() -> Refusal {
    let words = "the body of this call is longer than this route takes; send less at once";
    Refusal::new("body_too_large", 413, words)
        .counted(Outcome::WriteRefused)
        .last()
}

fn unwritable(refused: &Refused) -> Refusal {
    let refusal = match &refused.fault {
        Fault::NotWritable { .. } | Fault::UnknownMember { .. } | Fault::MisshapenAt { .. } => {
            Refusal::new("write_refused", 403, refused.fault.to_string())
        }
        // Somebody whom nobody knows, and somebody of whom nothing may be written.
        Fault::SubjectWithheld => Refusal::nothing_here(),
        fault => Refusal::new(
            "unreadable",
            400,
            format!("the body of this call can't be read: {fault}"),
        ),
    };
    refusal.counted(Outcome::WriteRefused)
}

/// Whether a content type, without parameters and in small letters, is JSON (RFC 8259, RFC 6839).
pub(crate) fn is_json(kind: &str) -> bool {
    kind == "application/json"
        || (kind.starts_with("application/") && kind.ends_with("+json"))
        || is_lines(kind)
}

fn is_lines(kind: &str) -> bool {
    matches!(
        kind,
        "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/json-lines"
    )
}

/// Whether a content type is the one that the rule is about, in UTF-8.
pub(crate) fn fits(headers: &HeaderMap, form: BodyForm) -> bool {
    let value = headers.get(hyper::header::CONTENT_TYPE);
    let kind = bare(value);
    let text = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let charset = text
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("charset"));
    let is_utf8 =
        charset.is_none_or(|(_, charset)| charset.trim_matches('"').eq_ignore_ascii_case("utf-8"));
    is_utf8
        && match form {
            BodyForm::Json => is_json(&kind) && !is_lines(&kind),
            BodyForm::Lines => is_lines(&kind),
        }
}
