//! A help desk with tickets and comments, as strange as real services are: it searches loosely, pages in four ways, and
//! fails on demand.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

/// What goes wrong with a call.
pub enum Fault {
    /// Answers this status, and when to come back.
    Status(u16, Option<&'static str>),
    /// Never answers.
    Hang,
    /// Never stops answering.
    Endless,
    /// Sends the caller somewhere else.
    Redirect(String),
    /// Answers a page that isn't JSON.
    Html,
}

#[derive(Default)]
pub struct Desk {
    pub tickets: Mutex<Vec<Value>>,
    pub comments: Mutex<Vec<Value>>,
    /// Faults by call number, from 0.
    pub faults: Mutex<HashMap<usize, Fault>>,
    /// Calls so far: method and path with query.
    pub calls: Mutex<Vec<String>>,
    /// Whether deletions are only pretended.
    pub pretends: Mutex<bool>,
    /// Tokens that are taken, in order of issue, when OAuth is used.
    pub tokens: Mutex<VecDeque<String>>,
    /// Whether pages repeat for ever.
    pub repeats: Mutex<bool>,
}

type Shared = State<Arc<Desk>>;

impl Desk {
    pub fn new() -> Arc<Self> {
        let desk = Self::default();
        let ticket = |id: u32, email: &str, customer: u32, opened: &str| json!({"id": id, "requester": {"email": email, "name": "Somebody"}, "customer_id": customer, "subject": format!("Order {id}"), "opened_at": opened});
        *desk.tickets.lock().unwrap() = vec![
            ticket(1, "mia@bakery.example", 7, "2024-01-01T10:00:00Z"),
            ticket(2, "mia@bakery.example.net", 8, "2024-01-01T10:00:00Z"),
            ticket(3, "Mia@Bakery.Example", 7, "2024-02-01T10:00:00Z"),
            ticket(4, "noa@bakery.example", 9, "2024-01-01T10:00:00Z"),
            ticket(5, "mia@bakery.example", 7, "2026-05-01T10:00:00Z"),
        ];
        *desk.comments.lock().unwrap() = vec![
            json!({"id": "c1", "ticket_id": 1, "text": "Thank you"}),
            json!({"id": "c4", "ticket_id": 4, "text": "Hello"}),
        ];
        Arc::new(desk)
    }

    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/api/me", get(|| async { Json(json!({"ok": true})) }))
            .route("/api/openapi.json", get(openapi))
            .route("/api/token", axum::routing::post(token))
            .route("/api/tickets", get(tickets))
            .route(
                "/api/tickets/{id}",
                get(ticket).delete(delete_ticket).patch(patch_ticket),
            )
            .route("/api/customers/{customer}/tickets", get(customers_tickets))
            .route("/api/by-cursor", get(by_cursor))
            .route("/api/by-offset", get(by_offset))
            .route("/api/comments", get(comments))
            .route("/api/comments/{id}", axum::routing::delete(delete_comment))
            .layer(from_fn_with_state(Arc::clone(self), interfere))
            .with_state(Arc::clone(self))
    }

    pub fn fail(&self, call: usize, fault: Fault) {
        self.faults.lock().unwrap().insert(call, fault);
    }

    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    pub fn ids(&self) -> Vec<u64> {
        self.tickets
            .lock()
            .unwrap()
            .iter()
            .map(|ticket| ticket["id"].as_u64().unwrap())
            .collect()
    }
}

async fn interfere(State(desk): Shared, request: Request, next: Next) -> Response {
    let number = {
        let mut calls = desk.calls.lock().unwrap();
        calls.push(format!("{} {}", request.method(), request.uri()));
        calls.len() - 1
    };
    let expected = desk.tokens.lock().unwrap().front().map_or_else(
        || "Bearer the-token".to_owned(),
        |token| format!("Bearer {token}"),
    );
    let authorization = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if authorization != expected && !request.uri().path().ends_with("/token") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let fault = desk.faults.lock().unwrap().remove(&number);
    match fault {
        None => next.run(request).await,
        Some(Fault::Status(status, after)) => {
            let headers: HeaderMap = after
                .into_iter()
                .map(|after| (axum::http::header::RETRY_AFTER, after.parse().unwrap()))
                .collect();
            (
                StatusCode::from_u16(status).unwrap(),
                headers,
                "mia@bakery.example is not welcome",
            )
                .into_response()
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Endless) => {
            let piece = Bytes::from(vec![b' '; 64 * 1024]);
            Body::from_stream(futures_util::stream::repeat_with(move || {
                Ok::<_, std::io::Error>(piece.clone())
            }))
            .into_response()
        }
        Some(Fault::Redirect(to)) => (StatusCode::FOUND, [("location", to)]).into_response(),
        Some(Fault::Html) => "<p>Good morning</p>".into_response(),
    }
}

/// Searches loosely: whatever contains the text, in any case.
fn loosely(desk: &Desk, email: &str) -> Vec<Value> {
    let email = email.to_lowercase();
    desk.tickets
        .lock()
        .unwrap()
        .iter()
        .filter(|ticket| {
            ticket["requester"]["email"]
                .as_str()
                .unwrap_or_default()
                .to_lowercase()
                .contains(&email)
        })
        .cloned()
        .collect()
}

async fn tickets(State(desk): Shared, Query(query): Query<HashMap<String, String>>) -> Response {
    let mut all = loosely(&desk, query.get("email").map_or("", String::as_str));
    if let Some(since) = query.get("updated_since") {
        all.retain(|ticket| ticket["opened_at"].as_str().unwrap() >= since.as_str());
    }
    // It never gives more than two a page, whatever is asked for.
    let page: usize = if *desk.repeats.lock().unwrap() {
        1
    } else {
        query.get("page").map_or(1, |page| page.parse().unwrap())
    };
    let items: Vec<Value> = all.into_iter().skip((page - 1) * 2).take(2).collect();
    Json(json!({"data": {"items": items}})).into_response()
}

async fn customers_tickets(
    State(desk): Shared,
    Path(customer): Path<u64>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let page: usize = query.get("page").map_or(1, |page| page.parse().unwrap());
    let all: Vec<Value> = desk
        .tickets
        .lock()
        .unwrap()
        .iter()
        .filter(|ticket| ticket["customer_id"] == json!(customer))
        .cloned()
        .collect();
    let mut item: Vec<Value> = all.iter().skip(page - 1).take(1).cloned().collect();
    item.iter_mut()
        .for_each(|item| drop(item.as_object_mut().unwrap().remove("customer_id")));
    let next = query
        .get("lead_to")
        .cloned()
        .unwrap_or_else(|| format!("/api/customers/{customer}/tickets?page={}", page + 1));
    let link = if page < all.len() {
        format!("</x>; rel=\"prev\", <{next}>; rel=\"next\"")
    } else {
        "</x>; rel=\"prev\"".to_owned()
    };
    ([("link", link)], Json(Value::Array(item))).into_response()
}

async fn by_cursor(
    State(desk): Shared,
    Query(query): Query<HashMap<String, String>>,
) -> Json<Value> {
    let all = loosely(&desk, query.get("email").map_or("", String::as_str));
    let at: usize = query
        .get("cursor")
        .map_or(0, |cursor| cursor.trim_start_matches("m-").parse().unwrap());
    let next = if at + 1 < all.len() {
        json!(format!("m-{}", at + 1))
    } else {
        Value::Null
    };
    Json(json!({"items": all.get(at).into_iter().collect::<Vec<_>>(), "meta": {"next": next}}))
}

async fn by_offset(
    State(desk): Shared,
    Query(query): Query<HashMap<String, String>>,
) -> Json<Value> {
    let all = loosely(&desk, query.get("email").map_or("", String::as_str));
    let skip: usize = query.get("skip").map_or(0, |skip| skip.parse().unwrap());
    Json(all.into_iter().skip(skip).take(2).collect())
}

async fn ticket(State(desk): Shared, Path(id): Path<u64>) -> Response {
    match desk
        .tickets
        .lock()
        .unwrap()
        .iter()
        .find(|ticket| ticket["id"] == json!(id))
    {
        Some(ticket) => Json(json!({ "ticket": ticket })).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn delete_ticket(State(desk): Shared, Path(id): Path<u64>) -> StatusCode {
    let mut tickets = desk.tickets.lock().unwrap();
    let before = tickets.len();
    if !*desk.pretends.lock().unwrap() {
        tickets.retain(|ticket| ticket["id"] != json!(id));
    }
    if tickets.len() < before || *desk.pretends.lock().unwrap() {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

async fn patch_ticket(
    State(desk): Shared,
    Path(id): Path<u64>,
    Json(body): Json<Value>,
) -> StatusCode {
    let mut tickets = desk.tickets.lock().unwrap();
    let Some(ticket) = tickets.iter_mut().find(|ticket| ticket["id"] == json!(id)) else {
        return StatusCode::NOT_FOUND;
    };
    merge(ticket, &body["ticket"]);
    StatusCode::OK
}

fn merge(old: &mut Value, new: &Value) {
    match new {
        Value::Object(members) if old.is_object() => members
            .iter()
            .for_each(|(name, value)| merge(&mut old[name.as_str()], value)),
        value => *old = value.clone(),
    }
}

async fn comments(
    State(desk): Shared,
    Query(query): Query<HashMap<String, String>>,
) -> Json<Value> {
    let wanted = query.get("ticket_id").cloned();
    let comments = desk.comments.lock().unwrap();
    Json(
        comments
            .iter()
            .filter(|comment| {
                wanted
                    .as_ref()
                    .is_none_or(|wanted| comment["ticket_id"].as_u64() == wanted.parse().ok())
            })
            .cloned()
            .collect(),
    )
}

async fn delete_comment(State(desk): Shared, Path(id): Path<String>) -> StatusCode {
    desk.comments
        .lock()
        .unwrap()
        .retain(|comment| comment["id"] != json!(id));
    StatusCode::NO_CONTENT
}

async fn token(State(desk): Shared, _method: Method, headers: HeaderMap, body: String) -> Response {
    let ours = headers
        .get("authorization")
        .is_some_and(|value| value == "Basic cHJpdml0eTpzM2NyZXQlMjY=");
    if !ours || body != "grant_type=client_credentials&scope=tickets" {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let token = desk
        .tokens
        .lock()
        .unwrap()
        .front()
        .cloned()
        .unwrap_or_default();
    Json(json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600})).into_response()
}

async fn openapi() -> Json<Value> {
    Json(json!({"openapi": "3.1.0", "components": {"schemas": {
        "Person": {"type": "object", "required": ["email"], "properties": {"email": {"type": "string", "format": "email", "maxLength": 200}, "name": {"type": ["string", "null"]}}},
        "Ticket": {"type": "object", "required": ["id", "requester"], "properties": {
            "id": {"type": "integer"}, "requester": {"$ref": "#/components/schemas/Person"}, "opened_at": {"type": "string", "format": "date-time"}, "tags": {"type": "array"}
        }}
    }}}))
}
