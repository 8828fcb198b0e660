//! Rows to test with.

use domain::id::{OperatorId, OutreachId, RequestId, TaskId};
use domain::privacy_request::{
    Clock, IntakeChannel, PrivacyRequest, RequestKind, RequestState, Waiting,
};
use domain::sensitive::Sealed;
use domain::task::{Task, TaskKind, TaskState};
use jiff::{SignedDuration, Timestamp};
use storage::privacy_request::NewPrivacyRequest;
use storage::{Database, Error};
use uuid::Uuid;

/// The moment `seconds` after the test's day began.
pub(crate) fn at(seconds: i64) -> Timestamp {
    "2026-11-02T08:00:00.000123Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

pub(crate) fn request_id(number: u32) -> RequestId {
    RequestId::from_uuid(Uuid::from_u128(u128::from(number)))
}

pub(crate) fn task_id(number: u32) -> TaskId {
    TaskId::from_uuid(Uuid::from_u128(u128::from(number)))
}

pub(crate) fn outreach_id(number: u32) -> OutreachId {
    OutreachId::from_uuid(Uuid::from_u128(u128::from(number)))
}

pub(crate) fn operator_id(number: u32) -> OperatorId {
    OperatorId::from_uuid(Uuid::from_u128(u128::from(number)))
}

pub(crate) fn sealed(text: &str) -> Sealed {
    Sealed::from_envelope(text.as_bytes().to_vec())
}

pub(crate) fn request(number: u32) -> PrivacyRequest {
    PrivacyRequest {
        id: request_id(number),
        kind: RequestKind::Delete,
        law: "ccpa".to_owned(),
        state: RequestState::Received,
        waiting: Some(Waiting::Verification),
        channel: IntakeChannel::PrivacyCenter,
        language: "es-US".to_owned(),
        received_at: at(0),
        clock: Clock {
            received_on: "2026-11-02".parse().unwrap(),
            ack_by: Some("2026-11-17".parse().unwrap()),
            respond_by: Some("2026-12-17".parse().unwrap()),
            max_with_extension: Some("2027-01-31".parse().unwrap()),
            extended_to: None,
        },
        closed_at: None,
        version: 1,
    }
}

pub(crate) fn new_request(number: u32) -> NewPrivacyRequest {
    NewPrivacyRequest {
        request: request(number),
        jurisdiction: "US-CA".to_owned(),
        tracker_tag: format!("tracker {number}").into_bytes(),
        wrapped_key: format!("wrapped key {number}").into_bytes(),
        identity: Some(sealed("identity")),
        identity_tag: None,
        look_back: None,
        created_at: at(1),
    }
}

/// Stores privacy requests 0 to `count`.
pub(crate) async fn insert_requests(database: &Database, count: u32) {
    let new: Vec<_> = (0..count).map(new_request).collect();
    database
        .write::<_, Error, _>("insert requests", move |tx| {
            storage::privacy_request::insert_many(tx, &new)
        })
        .await
        .unwrap();
}

pub(crate) fn task(
    number: u32,
    kind: TaskKind,
    request: u32,
    target: &str,
    run_at: Timestamp,
) -> Task {
    Task {
        id: task_id(number),
        kind,
        request: request_id(request),
        target: target.to_owned(),
        state: TaskState::Ready,
        run_at,
        attempts: 0,
        error: None,
        due: None,
    }
}
