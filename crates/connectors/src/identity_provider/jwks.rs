//! A provider's public keys (RFC 7517, RFC 7518, RFC 8037), and whether one of them signed. A key says itself what it may verify: never the
//! token alone.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
    VerificationAlgorithm,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::TokenError;

/// Keys of one provider, at most.
const MOST_KEYS: usize = 64;

/// How a token is signed. All with a pair of keys: what verifies can't sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Rs256,
        Self::Ps256,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Its name in a token's header.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }
}

#[derive(Deserialize)]
struct Written {
    keys: Vec<serde_json::Value>,
}

/// One key as written; members of other kinds are left alone.
#[derive(Deserialize)]
struct WrittenKey {
    kty: String,
    #[serde(rename = "use")]
    used_for: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

/// Keys that may verify.
#[derive(Default)]
pub(super) struct KeySet(Vec<Key>);

struct Key {
    kid: Option<String>,
    /// The only ones that it verifies.
    algorithms: Vec<Algorithm>,
    material: Material,
}

enum Material {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// A point, or an Ed25519 key.
    Plain(Vec<u8>),
}

impl KeySet {
    /// Reads a JWK set; keys that verify nothing that is allowed are left out.
    pub(super) fn read(bytes: &[u8], allowed: &[Algorithm]) -> Result<Self, String> {
        let written: Written = serde_json::from_slice(bytes)
            .map_err(|_| "this is no JWK set; it should look like `{\"keys\": […]}`".to_owned())?;
        if written.keys.len() > MOST_KEYS {
            return Err(format!("there are more than {MOST_KEYS} keys"));
        }
        let keys = written.keys.into_iter();
        let keys = keys.filter_map(|key| Key::read(serde_json::from_value(key).ok()?, allowed));
        let keys: Vec<_> = keys.collect();
        if keys.is_empty() {
            return Err("there is no public key for an algorithm that is allowed".to_owned());
        }
        Ok(Self(keys))
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a key may be the one that is named. One that is not named is looked for only among those that are known.
    pub(super) fn may_know(&self, kid: Option<&str>) -> bool {
        kid.is_none() || self.0.iter().any(|key| key.kid.as_deref() == kid)
    }

    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenError> {
        let fitting = self.0.iter().filter(|key| {
            key.algorithms.contains(&algorithm) && (kid.is_none() || key.kid.as_deref() == kid)
        });
        let mut fitting = fitting.take(2);
        match (fitting.next(), fitting.next()) {
            (Some(key), None) if key.verifies(algorithm, message, signature) => Ok(()),
            (Some(_), None) => Err(TokenError::Refused("its signature doesn't fit")),
            (None, _) => Err(TokenError::Refused(
                "no key is known that it could be signed with",
            )),
            // Trying all would let whoever sends tokens choose how much work they make.
            (Some(_), Some(_)) => Err(TokenError::Refused(
                "it doesn't say by `kid` which key it is signed with",
            )),
        }
    }
}

impl Key {
    fn read(written: WrittenKey, allowed: &[Algorithm]) -> Option<Self> {
        let verifies = written.key_ops.as_ref();
        let verifies = verifies.is_none_or(|all| all.iter().any(|one| one == "verify"));
        if !verifies
            || written
                .used_for
                .as_deref()
                .is_some_and(|used| used != "sig")
        {
            return None;
        }
        let curve = written.crv.as_deref();
        let (kinds, material): (&[Algorithm], _) = match (written.kty.as_str(), curve) {
            ("RSA", _) => {
                let (n, e) = (number(written.n.as_deref())?, number(written.e.as_deref())?);
                // Shorter ones would be refused by each token; better not to have them.
                if n.len() < 256 {
                    return None;
                }
                let components = RsaPublicKeyComponents { n, e };
                (
                    &[Algorithm::Rs256, Algorithm::Ps256],
                    Material::Rsa(components),
                )
            }
            ("EC", Some("P-256")) => (&[Algorithm::Es256], point(&written, 32)?),
            ("EC", Some("P-384")) => (&[Algorithm::Es384], point(&written, 48)?),
            ("OKP", Some("Ed25519")) => {
                let key = bytes(written.x.as_deref())?;
                (&[Algorithm::EdDsa], Material::Plain(key))
            }
            _ => return None,
        };
        let own = |one: &&Algorithm| {
            let named = written.alg.as_deref();
            allowed.contains(one) && named.is_none_or(|named| named == one.text())
        };
        let algorithms: Vec<_> = kinds.iter().filter(own).copied().collect();
        (!algorithms.is_empty()).then_some(Self {
            kid: written.kid,
            algorithms,
            material,
        })
    }

    fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let plain = |with: &'static dyn VerificationAlgorithm| match &self.material {
            Material::Plain(key) => {
                let key = UnparsedPublicKey::new(with, key);
                key.verify(message, signature).is_ok()
            }
            Material::Rsa(_) => false,
        };
        let rsa = |with: &'static RsaParameters| match &self.material {
            Material::Rsa(key) => key.verify(with, message, signature).is_ok(),
            Material::Plain(_) => false,
        };
        match algorithm {
            Algorithm::Rs256 => rsa(&RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Ps256 => rsa(&RSA_PSS_2048_8192_SHA256),
            Algorithm::Es256 => plain(&ECDSA_P256_SHA256_FIXED),
            Algorithm::Es384 => plain(&ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDsa => plain(&ED25519),
        }
    }
}

fn bytes(text: Option<&str>) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text?).ok()
}

/// Some providers write zeros in front of a number.
fn number(text: Option<&str>) -> Option<Vec<u8>> {
    let read = bytes(text)?;
    let start = read.iter().position(|byte| *byte != 0)?;
    read.get(start..).map(<[u8]>::to_vec)
}

fn point(written: &WrittenKey, size: usize) -> Option<Material> {
    let (x, y) = (bytes(written.x.as_deref())?, bytes(written.y.as_deref())?);
    let is_whole = x.len() == size && y.len() == size;
    // An uncompressed point (SEC 1, 2.3.3).
    is_whole.then(|| Material::Plain([&[4][..], &x, &y].concat()))
}
