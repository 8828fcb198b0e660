//! The online shop's own API, as shops have one: it says everything about a customer to whoever has the one token. Privity's gateway stands
//! before it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Path as Segment, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::loopback::serve;

/// The shop's API while it runs.
pub struct ShopApi {
    /// Its address, without a slash at the end.
    pub url: String,
    /// What opens all of it.
    pub token: String,
}

struct Shop {
    database: PathBuf,
    token: String,
}

/// Starts the API over the shop's database.
///
/// # Errors
/// No port is free.
pub(crate) async fn start(servers: &mut JoinSet<()>, database: &Path) -> anyhow::Result<ShopApi> {
    let token = "shop-token-for-the-gateway-alone".to_owned();
    let shop = Arc::new(Shop {
        database: database.to_owned(),
        token: token.clone(),
    });
    let router = Router::new()
        .route("/api/customers/{number}", get(customer))
        .with_state(shop);
    Ok(ShopApi {
        url: serve(servers, router).await?,
        token,
    })
}

async fn customer(
    State(shop): State<Arc<Shop>>,
    Segment(number): Segment<String>,
    headers: HeaderMap,
) -> Response {
    let shown = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    if shown != Some(format!("Bearer {}", shop.token).as_str()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let read = tokio::task::spawn_blocking(move || read(&shop.database, &number)).await;
    match read {
        Ok(Ok(Some(customer))) => Json(customer).into_response(),
        Ok(Ok(None)) => StatusCode::NOT_FOUND.into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

const CUSTOMER: &str = "SELECT c.customer_id, c.email, c.first_name, c.last_name, c.phone, c.birth_date, c.taste,
    a.street, a.city, a.state, a.postal_code, (SELECT card_number FROM payment_card p WHERE p.customer_id = c.customer_id)
    FROM customer c LEFT JOIN customer_address h USING (customer_id) LEFT JOIN address a USING (address_id) WHERE c.customer_id = ?1";

fn read(database: &Path, number: &str) -> rusqlite::Result<Option<Value>> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection.prepare(CUSTOMER)?;
    let text = |row: &rusqlite::Row<'_>, at: usize| row.get::<_, Option<String>>(at);
    let customer = statement.query_row([number], |row| {
        Ok(json!({
            "number": row.get::<_, i64>(0)?,
            "email": text(row, 1)?,
            "name": { "first": text(row, 2)?, "last": text(row, 3)? },
            "phone": text(row, 4)?,
            "born": text(row, 5)?,
            "taste": text(row, 6)?,
            "address": { "street": text(row, 7)?, "city": text(row, 8)?, "state": text(row, 9)?, "postal_code": text(row, 10)? },
            "card": text(row, 11)?,
            "currency": "USD",
        }))
    });
    customer.optional()
}
