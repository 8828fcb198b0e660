//! A token, taken apart: header, claims, signature (RFC 7515, RFC 7519), with what RFC 8725 asks for. Nothing in it is believed before its
//! signature was verified, but for the issuer, which says by whose keys.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::Value;

use super::{Algorithm, IdentityProviderConfig, TokenError};

/// Longer tokens are refused unread.
const LONGEST: usize = 8 * 1024;

/// A token that was taken apart and not yet verified.
pub(super) struct Token<'t> {
    header: Members,
    claims: Members,
    message: &'t [u8],
    signature: Vec<u8>,
}

/// Members of an object, of which none stands there twice: two readers could take different ones.
struct Members(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member stands there twice"));
                    }
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Once)
    }
}

impl Members {
    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A NumericDate in seconds, `None` where there is none.
    fn seconds(&self, name: &str) -> Result<Option<f64>, TokenError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(number.as_f64()),
            Some(_) => Err(TokenError::Refused("a moment in it is no number")),
        }
    }
}

impl<'t> Token<'t> {
    /// Takes a token apart.
    pub(super) fn read(text: &'t str) -> Result<Self, TokenError> {
        let refused = |why| move || TokenError::Refused(why);
        if text.len() > LONGEST {
            return Err(TokenError::Refused("it is too long"));
        }
        let unreadable = refused("it isn't three parts of base64url");
        let (message, signature) = text.rsplit_once('.').ok_or_else(unreadable)?;
        let (header, claims) = message.split_once('.').ok_or_else(unreadable)?;
        let decode = |part: &str| {
            BASE64_URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| unreadable())
        };
        let members = |part: &str| {
            serde_json::from_slice::<Members>(&decode(part)?)
                .map_err(|_| TokenError::Refused("it holds no object of JSON, or a member twice"))
        };
        Ok(Self {
            header: members(header)?,
            claims: members(claims)?,
            message: message.as_bytes(),
            signature: decode(signature)?,
        })
    }

    /// Who says to have made it.
    pub(super) fn issuer(&self) -> Result<&str, TokenError> {
        let issuer = self.claims.text("iss");
        issuer.ok_or(TokenError::Refused("it names no issuer"))
    }

    /// What was signed, and the signature.
    pub(super) fn signed(&self) -> (&[u8], &[u8]) {
        (self.message, &self.signature)
    }

    /// The key that it says to be signed with.
    pub(super) fn kid(&self) -> Result<Option<&str>, TokenError> {
        match self.header.0.get("kid") {
            None => Ok(None),
            Some(Value::String(kid)) => Ok(Some(kid)),
            Some(_) => Err(TokenError::Refused("its `kid` is no text")),
        }
    }

    /// How it says to be signed, if that is allowed and it is what it has to be. Keys in the header (`jwk`, `jku`, `x5c`, `x5u`) are not looked at.
    pub(super) fn algorithm(
        &self,
        config: &IdentityProviderConfig,
    ) -> Result<Algorithm, TokenError> {
        // We understand no extension, so each one that must be understood is a refusal (RFC 7515, 4.1.11).
        if self.header.has("crit") || self.header.has("b64") || self.header.has("zip") {
            return Err(TokenError::Refused(
                "its header asks for what we don't know",
            ));
        }
        let kind = self.header.text("typ").unwrap_or_default();
        let short = match kind.split_at_checked("application/".len()) {
            Some((front, rest)) if front.eq_ignore_ascii_case("application/") => rest,
            _ => kind,
        };
        if !config
            .types
            .iter()
            .any(|one| one.eq_ignore_ascii_case(short))
        {
            return Err(TokenError::Refused(
                "it is no token of the kind that is taken",
            ));
        }
        let named = self.header.text("alg");
        let mut allowed = config.algorithms.iter();
        let found = allowed.find(|one| named == Some(one.text()));
        found.copied().ok_or(TokenError::Refused(
            "it isn't signed in a way that is allowed",
        ))
    }

    /// The client that it names, if it is for us and holds now.
    pub(super) fn client(
        &self,
        config: &IdentityProviderConfig,
        now: Timestamp,
    ) -> Result<String, TokenError> {
        if !self.is_for(&config.audience) {
            return Err(TokenError::Refused("it is for somebody else"));
        }
        // Bound to a key that whoever sends it would have to show (RFC 7800), which we can't check.
        if self.claims.has("cnf") {
            return Err(TokenError::Refused("it holds only together with a key"));
        }
        self.holds(now, f64::from(config.leeway_seconds))?;
        let client = self.claims.text(&config.client_claim);
        let client = client.ok_or(TokenError::Refused("it names no client"))?;
        Ok(client.to_owned())
    }

    fn is_for(&self, audience: &str) -> bool {
        match self.claims.0.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(audience)),
            _ => false,
        }
    }

    fn holds(&self, now: Timestamp, leeway: f64) -> Result<(), TokenError> {
        let now = now.as_duration().as_secs_f64();
        let ends = self.claims.seconds("exp")?;
        let ends = ends.ok_or(TokenError::Refused("it has no end"))?;
        let is_over = now >= ends + leeway;
        let begins = [self.claims.seconds("nbf")?, self.claims.seconds("iat")?];
        let is_early = begins.iter().flatten().any(|at| *at > now + leeway);
        match (is_over, is_early) {
            (false, false) => Ok(()),
            (true, _) => Err(TokenError::Refused("it is over")),
            (_, true) => Err(TokenError::Refused("it doesn't hold yet")),
        }
    }
}
