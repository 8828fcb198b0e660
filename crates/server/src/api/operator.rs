//! Who calls the API: an operator, by her key in `Authorization: Bearer`.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use gateway::bearer;
use governance::view::SignedIn;
use governance::{Problem, operator};

use crate::App;
use crate::failure::Failure;

/// The operator whose key came with the call; every route of the API takes one.
pub(super) struct Operator(pub(super) SignedIn);

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let Some(key) = bearer(&parts.headers) else {
            return Err(Failure(Problem::new(
                "key_missing",
                401,
                "this needs an operator's key: send `Authorization: Bearer KEY`",
            )));
        };
        let found = operator::by_key(&app.privity, &key).await?;
        found.map(Self).ok_or_else(|| {
            Failure(Problem::new(
                "key_wrong",
                401,
                "this key opens nothing here; make one with `privity operator add NAME`",
            ))
        })
    }
}
