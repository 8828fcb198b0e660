//! Who asks as a recipient: by its key in `Authorization: Bearer`, with the purpose that it declares. Whatever is wrong with either is
//! answered alike.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::purpose_of_use::PurposeKey;
use domain::sensitive::Sensitive;
use gateway::bearer;
use governance::disclosure::{
    Caller, Credential, Door, KnownRecipient, caller_for, known_recipient,
};
use governance::{Privity, Problem};

use crate::App;
use crate::failure::Failure;

/// The recipient whose key came with the call, before it says what for. It is taken first: nobody else learns what is wrong with a call.
pub(super) struct Recipient(pub(super) KnownRecipient);

impl FromRequestParts<Arc<App>> for Recipient {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let key = bearer(&parts.headers).unwrap_or_else(|| Sensitive::new(String::new()));
        let known = known_recipient(&app.privity, &Credential::Bearer(&key)).await?;
        Ok(Self(known))
    }
}

impl Recipient {
    /// The caller for a purpose.
    ///
    /// # Errors
    /// 401 when the key is not for that.
    pub(super) async fn caller(
        &self,
        privity: &Privity,
        purpose: Option<&str>,
        door: Door,
    ) -> Result<Caller, Problem> {
        let purpose = purpose.map(PurposeKey::from);
        caller_for(privity, &self.0, purpose.as_ref(), door).await
    }
}
