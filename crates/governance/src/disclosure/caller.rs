//! Who asks for data about subjects, through which door, and about whom.

use std::sync::Arc;

use domain::data_map::{IdentifierKind, RecipientKey};
use domain::id::{CredentialId, SubjectId};
use domain::purpose_of_use::PurposeKey;
use domain::sensitive::Sensitive;

/// A recipient that is known, and what it wants data for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub recipient: RecipientKey,
    /// What for.
    pub purpose: PurposeKey,
    /// Where it asks.
    pub door: Door,
    /// What proved who it is; `None` where Privity itself asks for it.
    pub proven_by: Option<ProvenBy>,
}

/// What proved who a recipient is. Records name it, so that whatever went out by a key that was lost can be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProvenBy {
    /// A key or certificate that the business gave it.
    Credential(CredentialId),
    /// A token.
    Token(Arc<TokenClient>),
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
