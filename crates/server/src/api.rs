//! REST under `/api/v1` for the business's own systems, described in OpenAPI 3.1; callbacks of recipients; health; explanations of problems.

mod authzen;
mod body;
mod callback;
mod consent;
mod error_page;
mod evidence;
mod identity;
mod ledger;
mod legal_hold;
mod operator;
mod overview;
mod policy;
mod privacy_request;
mod profile;
mod recipient;
mod recipient_profile;
mod recipient_scim;
mod repeat;
mod scim;
mod task;
mod well_known;
mod words;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::routing::{get, post};
use utoipa::Modify;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use consent::LARGEST_BULK;

use crate::App;

#[derive(OpenApi)]
#[openapi(
    info(title = "Privity", description = "Privacy requests, their tasks and their evidence. Every call needs an operator's key as a Bearer token. Problems are `application/problem+json` (RFC 9457) with a stable `code`."),
    modifiers(&OperatorKey),
    tags(
        (name = "privacy requests", description = "A right that a subject exercises: know, delete, opt out."),
        (name = "tasks", description = "Durable steps of work; some need a person."),
        (name = "consents", description = "Choices about purposes of use, how they stand, and opt-out preference signals."),
        (name = "legal holds", description = "Named reasons that keep named data from deletion for now."),
        (name = "identity", description = "Which records are one subject's: questions to operators, merges, and taking them apart."),
        (name = "profiles", description = "Everything that is known about a subject in one place, sealed; every look is recorded."),
        (name = "policies", description = "Who may have which attribute for what: versions, what one would change, why a decision is as it is."),
        (name = "disclosures", description = "What a recipient may have of a subject for a purpose, with the recipient's own key; each is decided and recorded."),
        (name = "evidence", description = "What proves that each step was done."),
    )
)]
struct Description;

struct OperatorKey;

impl Modify for OperatorKey {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The key that `privity operator add NAME` printed."))
            .build();
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("operator_key", SecurityScheme::Http(scheme));
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "The key that `privity recipient key add RECIPIENT` printed.",
            ))
            .build();
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("recipient_key", SecurityScheme::Http(scheme));
    }
}

fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(privacy_request::create, privacy_request::list))
        .routes(routes!(privacy_request::show))
        .routes(routes!(privacy_request::approve))
        .routes(routes!(privacy_request::deny))
        .routes(routes!(privacy_request::extend))
        .routes(routes!(privacy_request::reveal))
        .routes(routes!(evidence::export))
        .routes(routes!(evidence::key))
        .routes(routes!(task::retry))
        .routes(routes!(task::complete))
        .routes(routes!(legal_hold::place, legal_hold::list))
        .routes(routes!(legal_hold::lift))
        .routes(routes!(identity::reviews))
        .routes(routes!(identity::review))
        .routes(routes!(identity::compare))
        .routes(routes!(identity::decide))
        .routes(routes!(identity::merge))
        .routes(routes!(identity::split))
        .routes(routes!(identity::keep_apart))
        .routes(routes!(identity::history))
        .routes(routes!(profile::create))
        .routes(routes!(profile::find))
        .routes(routes!(profile::show))
        .routes(routes!(recipient_profile::show))
        .routes(routes!(recipient_profile::find))
        .routes(routes!(recipient_profile::batch))
        .routes(routes!(ledger::export))
        .routes(routes!(ledger::of_subject))
        .routes(routes!(ledger::minimise))
        .routes(routes!(overview::show))
        .routes(routes!(policy::matrix))
        .routes(routes!(policy::versions))
        .routes(routes!(policy::activate))
        .routes(routes!(policy::impact))
        .routes(routes!(policy::shadow))
        .routes(routes!(policy::explain))
        .routes(routes!(consent::create, consent::show))
        .routes(routes!(consent::create_many))
        .routes(routes!(consent::find))
        .routes(routes!(consent::record))
        .routes(routes!(consent::signal))
        .routes(routes!(consent::link))
        .routes(routes!(consent::confirm_guardian))
}

/// An error as SCIM tells it.
pub(crate) fn scim_error(status: axum::http::StatusCode, detail: &str) -> axum::response::Response {
    scim::error(status, detail)
}

/// The API's description.
pub fn openapi() -> utoipa::openapi::OpenApi {
    described().split_for_parts().1
}

/// All routes for machines.
pub(crate) fn routes() -> Router<Arc<App>> {
    let (api, description) = described().split_for_parts();
    Router::new()
        .merge(api)
        .merge(scim::routes())
        .merge(recipient_scim::routes())
        .merge(authzen::routes())
        .route(
            "/openapi.json",
            get(async move || Json(description.clone())),
        )
        .route("/callbacks/{recipient}", post(callback::receive))
        .route("/healthz", get(well_known::health))
        .route("/.well-known/security.txt", get(well_known::security))
        .route(domain::signal::GPC_PATH, get(crate::signal::gpc_file))
        .route("/docs/errors/{code}", get(error_page::show))
}
