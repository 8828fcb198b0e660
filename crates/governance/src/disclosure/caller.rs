//! Who asks for data about subjects, through which door, and about whom.

use std::sync::Arc;

use domain::audit::NewRecord;
use domain::data_map::{IdentifierKind, RecipientKey};
use domain::id::{CredentialId, SubjectId};
use domain::purpose_of_use::PurposeKey;
use domain::sensitive::Sensitive;

/// A recipient that is known, and what it wants data for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub recipient: RecipientKey,
    /// The application of the business that asks for it, and enforces the answer; `None` where it asks for itself.
    pub asked_by: Option<RecipientKey>,
    /// What for.
    pub purpose: PurposeKey,
    /// Where it asks.
    pub door: Door,
    /// What proved who asks; `None` where Privity itself does.
    pub proven_by: Option<ProvenBy>,
}

impl Caller {
    /// Who asks: the recipient, or an application of the business in its place.
    pub(super) fn asker(&self) -> &RecipientKey {
        self.asked_by.as_ref().unwrap_or(&self.recipient)
    }
}

/// What proved who a recipient is. Records name it, so that whatever went out by a key that was lost can be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProvenBy {
    /// A key or certificate that the business gave it.
    Credential(CredentialId),
    /// A token.
    Token(Arc<TokenClient>),
}

impl ProvenBy {
    /// Names it in a record.
    pub(super) fn named_in(&self, record: NewRecord) -> NewRecord {
        match self {
            Self::Credential(id) => record.with("credential", *id),
            Self::Token(token) => record
                .with("issuer", token.issuer.to_string())
                .with("client", token.client.clone()),
        }
    }
}

/// A client that the business's identity provider vouched for. Records name it, and never its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenClient {
    /// The identity provider.
    pub issuer: Arc<str>,
    /// The client, as the configuration names it.
    pub client: String,
}

/// Where a recipient asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Door {
    /// Our own API of profiles.
    ProfileApi,
    /// The business's own APIs, through the gateway.
    Gateway,
    /// SCIM 2.0.
    Scim,
    /// AuthZEN 1.0: whoever enforces reads by the answer.
    AuthZen,
    /// Envoy's `ext_authz`.
    ExtAuthz,
    /// Views in the business's own database.
    Postgres,
}

impl Door {
    /// The stable text, as audit records have it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::ProfileApi => "profile_api",
            Self::Gateway => "gateway",
            Self::Scim => "scim",
            Self::AuthZen => "authzen",
            Self::ExtAuthz => "ext_authz",
            Self::Postgres => "postgres",
        }
    }

    /// Whether values come from our own profiles.
    pub(super) const fn opens_profiles(self) -> bool {
        matches!(self, Self::ProfileApi | Self::Scim)
    }
}

/// About whom a recipient asks.
#[derive(Clone)]
pub enum SubjectAsked {
    /// By the id of any of her records.
    Id(SubjectId),
    /// By an identifier of hers.
    Identifier(IdentifierKind, Sensitive<String>),
}
