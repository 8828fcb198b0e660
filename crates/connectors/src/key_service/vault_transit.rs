//! The transit engine of HashiCorp Vault (1.12 and later) and of OpenBao: it wraps with a key that never leaves it.
//!
//! Source: the HTTP API of the transit engine and of the AppRole login, which the two have in common. The login needs `update` on
//! `MOUNT/encrypt/KEY` and `MOUNT/decrypt/KEY` and nothing else; with `create` a misspelt name would make a new key.

use std::path::PathBuf;

use domain::key_service::{KeyService, KeyServiceAnswer, KeyServiceError, Refusal};
use domain::sensitive::Sensitive;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::call::{
    ask, client, decoded, default_timeout_seconds, encoded, quoted, refused, unintelligible,
};
use crate::http::outbound::{Destinations, Exchange, percent_encode};

/// Where the service is, which key to use, and how to log in: with a token, or by AppRole.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultTransitConfig {
    /// E.g. `https://vault.example:8200`.
    pub address: String,
    /// Name of the key in the transit engine.
    pub key: String,
    /// Where the engine is mounted.
    #[serde(default = "default_mount")]
    pub mount: String,
    /// The namespace, if the service has them.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Whether the key is derived (`derived=true`), which takes a context instead of associated data.
    #[serde(default)]
    pub derived: bool,
    /// A token.
    #[serde(default)]
    pub token: Option<Sensitive<String>>,
    /// A file that holds the token, read anew for each call, since an agent may change it.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// The role of an AppRole login.
    #[serde(default)]
    pub role_id: Option<String>,
    /// The role's secret.
    #[serde(default)]
    pub secret_id: Option<Sensitive<String>>,
    /// A file that holds the role's secret.
    #[serde(default)]
    pub secret_id_file: Option<PathBuf>,
    /// Where AppRole logins are mounted.
    #[serde(default = "default_auth_mount")]
    pub auth_mount: String,
    /// Certificates to trust beside this machine's, in PEM form.
    #[serde(default)]
    pub trusted_ca: Option<String>,
    /// Allow `http://` to another machine.
    #[serde(default)]
    pub allow_insecure: bool,
    /// How long one try may take.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: u64,
}

fn default_mount() -> String {
    "transit".to_owned()
}
fn default_auth_mount() -> String {
    "approle".to_owned()
}

/// The transit engine as key service.
pub struct VaultTransit {
    name: String,
    config: VaultTransitConfig,
    base: Url,
    login: Login,
    client: Client,
}

/// Where a secret stands.
enum Secret {
    Given(Sensitive<String>),
    InFile(PathBuf),
}

enum Login {
    Token(Secret),
    AppRole { role: String, secret: Secret },
}

#[derive(Deserialize)]
struct Wrapped {
    data: WrappedData,
}
#[derive(Deserialize)]
struct WrappedData {
    ciphertext: String,
}
#[derive(Deserialize)]
struct Unwrapped {
    data: UnwrappedData,
}
#[derive(Deserialize)]
struct UnwrappedData {
    plaintext: Sensitive<String>,
}
#[derive(Deserialize)]
struct LoggedIn {
    auth: LoggedInAuth,
}
#[derive(Deserialize)]
struct LoggedInAuth {
    client_token: Sensitive<String>,
}

impl VaultTransit {
    /// A service that is reached when it is asked.
    ///
    /// # Errors
    /// In words, when the settings can't work.
    pub fn new(config: VaultTransitConfig) -> Result<Self, String> {
        let destinations = Destinations::Own {
            allow_insecure: config.allow_insecure,
        };
        let base = destinations
            .parse(&config.address)
            .map_err(|reason| format!("`key_service.address`: {reason}"))?;
        let client = client(
            config.allow_insecure,
            config.timeout_seconds,
            config.trusted_ca.as_deref(),
        )?;
        let namespace = config.namespace.as_deref().map(|name| format!("{name}/"));
        Ok(Self {
            // Without the address, which may change while the key stays.
            name: format!(
                "vault_transit:{}{}/{}",
                namespace.unwrap_or_default(),
                config.mount,
                config.key
            ),
            login: Login::of(&config)?,
            config,
            base,
            client,
        })
    }

    async fn wrap_there(
        &self,
        key: &Sensitive<[u8; 32]>,
        bound_to: &str,
    ) -> Result<Vec<u8>, KeyServiceError> {
        let plaintext = encoded(key);
        let body = self.body("plaintext", &plaintext, bound_to);
        let answer = self.transit("encrypt", &body).await?;
        self.is_willing(&answer, Refusal::Key)?;
        let wrapped: Wrapped = answer.json().ok_or_else(|| unintelligible(&self.name))?;
        Ok(wrapped.data.ciphertext.into_bytes())
    }

    async fn unwrap_there(
        &self,
        wrapped: &[u8],
        bound_to: &str,
    ) -> Result<Sensitive<[u8; 32]>, KeyServiceError> {
        let wrapped =
            std::str::from_utf8(wrapped).map_err(|_| refused(&self.name, Refusal::Wrapped))?;
        let body = self.body("ciphertext", wrapped, bound_to);
        let answer = self.transit("decrypt", &body).await?;
        self.is_willing(&answer, Refusal::Wrapped)?;
        let unwrapped: Unwrapped = answer.json().ok_or_else(|| unintelligible(&self.name))?;
        decoded(&unwrapped.data.plaintext).ok_or_else(|| unintelligible(&self.name))
    }

    /// What is wrapped, and what it is bound to.
    fn body(&self, member: &str, text: &str, bound_to: &str) -> Zeroizing<String> {
        use base64::Engine;
        let bound_to = base64::engine::general_purpose::STANDARD.encode(bound_to);
        let binding = if self.config.derived {
            "context"
        } else {
            "associated_data"
        };
        Zeroizing::new(format!(
            "{{\"{member}\":{},\"{binding}\":\"{bound_to}\"}}",
            *Zeroizing::new(quoted(text))
        ))
    }

    async fn transit(&self, verb: &str, body: &str) -> Result<Exchange, KeyServiceError> {
        let token = self.token().await?;
        let path = format!(
            "{}/{verb}/{}",
            self.config.mount,
            percent_encode(&self.config.key)
        );
        let request = || {
            self.post(&path, body)
                .header("X-Vault-Token", token.expose())
        };
        ask(&self.name, request, |_| false).await
    }

    async fn token(&self) -> Result<Sensitive<String>, KeyServiceError> {
        let (role, secret) = match &self.login {
            Login::Token(secret) => return self.secret(secret).await,
            Login::AppRole { role, secret } => (role, self.secret(secret).await?),
        };
        let body = Zeroizing::new(format!(
            "{{\"role_id\":{},\"secret_id\":{}}}",
            quoted(role),
            *Zeroizing::new(quoted(secret.expose()))
        ));
        let path = format!("auth/{}/login", self.config.auth_mount);
        let answer = ask(&self.name, || self.post(&path, &body), |_| false).await?;
        self.is_willing(&answer, Refusal::Login)?;
        let logged_in: LoggedIn = answer.json().ok_or_else(|| unintelligible(&self.name))?;
        Ok(logged_in.auth.client_token)
    }

    /// A secret that can't be read is a login that can't be made.
    async fn secret(&self, secret: &Secret) -> Result<Sensitive<String>, KeyServiceError> {
        match secret {
            Secret::Given(secret) => Ok(secret.clone()),
            Secret::InFile(path) => {
                let text = tokio::fs::read_to_string(path).await.map(Zeroizing::new);
                text.map(|text| Sensitive::new(text.trim().to_owned()))
                    .map_err(|_| refused(&self.name, Refusal::Login))
            }
        }
    }

    fn post(&self, path: &str, body: &str) -> RequestBuilder {
        let base = self.base.as_str().trim_end_matches('/');
        let request = self
            .client
            .post(format!("{base}/v1/{path}"))
            .header("Content-Type", "application/json")
            .header("X-Vault-Request", "true")
            .body(body.to_owned());
        match &self.config.namespace {
            Some(namespace) => request.header("X-Vault-Namespace", namespace),
            None => request,
        }
    }

    /// Whether it did what it was asked for; `otherwise` is what its 400 means here.
    fn is_willing(&self, answer: &Exchange, otherwise: Refusal) -> Result<(), KeyServiceError> {
        let refusal = match answer.status {
            StatusCode::OK => return Ok(()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Refusal::Login,
            StatusCode::NOT_FOUND => Refusal::Key,
            StatusCode::BAD_REQUEST if is_about_the_key(answer) => Refusal::Key,
            StatusCode::BAD_REQUEST => otherwise,
            _ => return Err(unintelligible(&self.name)),
        };
        Err(refused(&self.name, refusal))
    }
}

/// The service says in words alone whether it lacks the key.
fn is_about_the_key(answer: &Exchange) -> bool {
    let text = String::from_utf8_lossy(answer.body.expose());
    let about = ["key not found", "no existing key", "for key derivation"];
    about.iter().any(|words| text.contains(words))
}

impl Login {
    fn of(config: &VaultTransitConfig) -> Result<Self, String> {
        let token = secret_of(&config.token, &config.token_file);
        let secret = secret_of(&config.secret_id, &config.secret_id_file);
        match (token, config.role_id.clone(), secret) {
            (Some(token), None, None) => Ok(Self::Token(token)),
            (None, Some(role), Some(secret)) => Ok(Self::AppRole { role, secret }),
            _ => Err("`key_service` needs one login: `token` or `token_file`, or `role_id` with `secret_id` or `secret_id_file`".to_owned()),
        }
    }
}

fn secret_of(given: &Option<Sensitive<String>>, file: &Option<PathBuf>) -> Option<Secret> {
    let given = given.clone().map(Secret::Given);
    given.or_else(|| file.clone().map(Secret::InFile))
}

impl KeyService for VaultTransit {
    fn name(&self) -> &str {
        &self.name
    }

    fn wrap<'a>(
        &'a self,
        key: &'a Sensitive<[u8; 32]>,
        bound_to: &'a str,
    ) -> KeyServiceAnswer<'a, Vec<u8>> {
        Box::pin(self.wrap_there(key, bound_to))
    }

    fn unwrap<'a>(
        &'a self,
        wrapped: &'a [u8],
        bound_to: &'a str,
    ) -> KeyServiceAnswer<'a, Sensitive<[u8; 32]>> {
        Box::pin(self.unwrap_there(wrapped, bound_to))
    }
}
