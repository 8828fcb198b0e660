//! The business's help desk: a service that speaks JSON over HTTP, with a token, pages of tickets, and its own rules.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::JoinSet;

use crate::customer::{Customer, Customers, MAYA, SPOUSE, days_before};
use crate::loopback;
use crate::random::Random;

/// From where Maya wrote once, because she was at work. Only her customer number leads there.
pub const MAYA_AT_WORK: &str = "maya@okafor-design.example";
/// What a page holds at most, whatever is asked for.
const LARGEST_PAGE: usize = 200;

/// The help desk as others reach it.
#[derive(Clone, Debug)]
pub struct HelpDesk {
    /// Its address, without a slash at the end.
    pub url: String,
    /// What it asks for in `Authorization: Bearer`.
    pub token: String,
}

/// A ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its number.
    pub id: u32,
    /// Who wrote.
    pub requester: Requester,
    /// The shop's customer number, where the desk asked for it.
    pub customer_number: Option<u32>,
    /// What it is about.
    pub subject: String,
    /// `open` or `solved`.
    pub status: String,
    /// When it came in.
    pub opened_at: String,
}

/// Who wrote a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requester {
    /// The name as signed.
    pub name: String,
    /// The address written from.
    pub email: String,
}

/// One message of a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// The ticket.
    pub ticket_id: u32,
    /// `customer` or `desk`.
    pub from: String,
    /// What it says.
    pub body: String,
    /// When it was sent.
    pub sent_at: String,
}

struct Desk {
    token: String,
    tickets: Mutex<BTreeMap<u32, Ticket>>,
    messages: Mutex<BTreeMap<String, Message>>,
}

/// Starts the help desk with tickets of some of the customers.
///
/// # Errors
/// No port is free.
pub async fn start(
    servers: &mut JoinSet<()>,
    customers: &Customers,
    today: Date,
) -> anyhow::Result<HelpDesk> {
    let (tickets, messages) = invent(customers, today);
    let token = "desk-of-hearth-and-crumb".to_owned();
    let desk = Arc::new(Desk {
        token: token.clone(),
        tickets: Mutex::new(tickets),
        messages: Mutex::new(messages),
    });
    let url = loopback::serve(servers, router(desk)).await?;
    Ok(HelpDesk { url, token })
}

fn router(desk: Arc<Desk>) -> Router {
    let api = Router::new()
        .route(
            "/me",
            get(async || Json(json!({ "name": "Privity", "may": ["read", "delete"] }))),
        )
        .route("/tickets", get(tickets))
        .route("/tickets/{id}", get(ticket).delete(delete_ticket))
        .route("/tickets/{id}/messages", get(messages))
        .route("/messages", get(all_messages))
        .route("/messages/{id}", get(message).delete(delete_message))
        .layer(from_fn_with_state(Arc::clone(&desk), sign_in));
    Router::new()
        .route("/", get(front))
        .nest("/api/v1", api)
        .with_state(desk)
}

type Shared = State<Arc<Desk>>;

async fn sign_in(State(desk): Shared, request: Request, next: Next) -> Response {
    let expected = format!("Bearer {}", desk.token);
    let given = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if given == Some(expected.as_str()) {
        next.run(request).await
    } else {
        refuse(StatusCode::UNAUTHORIZED, "send a token")
    }
}

fn refuse(status: StatusCode, words: &str) -> Response {
    (status, Json(json!({ "error": words }))).into_response()
}

#[derive(Deserialize)]
struct Wanted {
    requester: Option<String>,
    customer_number: Option<u32>,
    page: Option<usize>,
    per_page: Option<usize>,
}

impl Wanted {
    fn page<T: Clone>(&self, found: &[T]) -> (Vec<T>, serde_json::Value) {
        let size = self.per_page.unwrap_or(50).clamp(1, LARGEST_PAGE);
        let page = self.page.unwrap_or(1).max(1);
        let part = found
            .iter()
            .skip((page - 1).saturating_mul(size))
            .take(size)
            .cloned()
            .collect();
        (
            part,
            json!({ "page": page, "pages": found.len().div_ceil(size), "total": found.len() }),
        )
    }
}

async fn tickets(State(desk): Shared, Query(wanted): Query<Wanted>) -> Response {
    let is_wanted = |ticket: &&Ticket| {
        let by_requester = wanted
            .requester
            .as_ref()
            .is_none_or(|email| ticket.requester.email.eq_ignore_ascii_case(email));
        by_requester
            && wanted
                .customer_number
                .is_none_or(|number| ticket.customer_number == Some(number))
    };
    let found: Vec<Ticket> = locked(&desk.tickets)
        .values()
        .filter(is_wanted)
        .cloned()
        .collect();
    let (part, paging) = wanted.page(&found);
    Json(json!({ "tickets": part, "paging": paging })).into_response()
}

async fn ticket(State(desk): Shared, Path(id): Path<u32>) -> Response {
    locked(&desk.tickets).get(&id).map_or_else(
        || refuse(StatusCode::NOT_FOUND, "no such ticket"),
        |ticket| Json(ticket).into_response(),
    )
}

async fn delete_ticket(State(desk): Shared, Path(id): Path<u32>) -> Response {
    if locked(&desk.messages)
        .values()
        .any(|message| message.ticket_id == id)
    {
        return refuse(StatusCode::CONFLICT, "delete its messages first");
    }
    let gone = locked(&desk.tickets).remove(&id);
    if gone.is_some() {
        StatusCode::NO_CONTENT.into_response()
    } else {
        refuse(StatusCode::NOT_FOUND, "no such ticket")
    }
}

async fn messages(
    State(desk): Shared,
    Path(id): Path<u32>,
    Query(wanted): Query<Wanted>,
) -> Response {
    let found: Vec<Message> = locked(&desk.messages)
        .values()
        .filter(|message| message.ticket_id == id)
        .cloned()
        .collect();
    let (part, paging) = wanted.page(&found);
    Json(json!({ "messages": part, "paging": paging })).into_response()
}

async fn all_messages(State(desk): Shared, Query(wanted): Query<Wanted>) -> Response {
    let all: Vec<Message> = locked(&desk.messages).values().cloned().collect();
    let (part, paging) = wanted.page(&all);
    Json(json!({ "messages": part, "paging": paging })).into_response()
}

async fn message(State(desk): Shared, Path(id): Path<String>) -> Response {
    locked(&desk.messages).get(&id).map_or_else(
        || refuse(StatusCode::NOT_FOUND, "no such message"),
        |message| Json(message).into_response(),
    )
}

async fn delete_message(State(desk): Shared, Path(id): Path<String>) -> Response {
    let gone = locked(&desk.messages).remove(&id);
    if gone.is_some() {
        StatusCode::NO_CONTENT.into_response()
    } else {
        refuse(StatusCode::NOT_FOUND, "no such message")
    }
}

async fn front(State(desk): Shared) -> Html<String> {
    let tickets = locked(&desk.tickets);
    let rows = tickets.values().rev().take(50).map(|ticket| {
        vec![
            ticket.id.to_string(),
            ticket.requester.name.clone(),
            ticket.subject.clone(),
            ticket.status.clone(),
        ]
    });
    let shown = loopback::table(&["Ticket", "From", "About", "Status"], rows);
    Html(loopback::page(
        "Help desk of Hearth & Crumb",
        &format!(
            "<p>{} tickets; the newest 50 are shown. Its API is under <code>/api/v1</code>.</p>{shown}",
            tickets.len()
        ),
    ))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Tickets = (BTreeMap<u32, Ticket>, BTreeMap<String, Message>);

fn invent(customers: &Customers, today: Date) -> Tickets {
    let mut random = Random::of("help desk");
    let (mut tickets, mut messages) = (BTreeMap::new(), BTreeMap::new());
    for customer in &customers.all {
        let written_from: &[&str] = match customer.number {
            MAYA => &[&customer.email, "Maya.Okafor@Example.com", MAYA_AT_WORK],
            SPOUSE => &[&customer.email],
            _ if random.happens(25) => &[&customer.email],
            _ => &[],
        };
        for email in written_from {
            let id = u32::try_from(tickets.len()).unwrap_or(u32::MAX) + 1;
            let opened = days_before(today, random.below(1_000)).to_string();
            let ticket = ticket_of(&mut random, customer, email, id, &opened);
            for place in 1..=2 + random.below(3) {
                let message = message_of(&mut random, customer, id, place, &opened);
                messages.insert(message.id.clone(), message);
            }
            tickets.insert(id, ticket);
        }
    }
    (tickets, messages)
}

fn ticket_of(
    random: &mut Random,
    customer: &Customer,
    email: &str,
    id: u32,
    opened: &str,
) -> Ticket {
    Ticket {
        id,
        requester: Requester {
            name: customer.full_name(),
            email: email.to_owned(),
        },
        customer_number: (customer.number == MAYA || random.happens(50)).then_some(customer.number),
        subject: random
            .pick(&[
                "Where is my parcel?",
                "The bag was torn",
                "Invoice for my tax adviser",
                "Can I change the address?",
                "Why do others write to me?",
            ])
            .to_owned(),
        status: random.pick(&["open", "solved", "solved"]).to_owned(),
        opened_at: format!("{opened}T08:{:02}:00Z", random.below(60)),
    }
}

fn message_of(
    random: &mut Random,
    customer: &Customer,
    ticket: u32,
    place: u32,
    day: &str,
) -> Message {
    let from_customer = place % 2 == 1;
    let body = if from_customer {
        format!(
            "{} Regards, {}, {}",
            random.pick(&[
                "I have waited for a week.",
                "Please look into this.",
                "Who gave them my address?"
            ]),
            customer.full_name(),
            customer.phone
        )
    } else {
        format!(
            "Hello {}, {}",
            customer.first_name,
            random.pick(&[
                "we are looking into it.",
                "we sent you a new one.",
                "we are sorry to hear that."
            ])
        )
    };
    Message {
        id: format!("m{ticket}-{place}"),
        ticket_id: ticket,
        from: if from_customer { "customer" } else { "desk" }.to_owned(),
        body,
        sent_at: format!("{day}T{:02}:30:00Z", 8 + place),
    }
}
