//! Who we are to AWS: keys from the environment, from the container that we run in, or from the machine.
//!
//! Source: AWS SDKs and Tools Reference Guide, "Standardized credential providers". Not here: shared files, single sign-on, and web
//! identities, which need another service; a business that has only those sets the three variables by other means.

use domain::key_service::{KeyServiceError, Refusal};
use domain::sensitive::Sensitive;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde::Deserialize;

use super::call::{ask, refused, unintelligible};
use super::sigv4::Credentials;
use crate::http::outbound::Exchange;

/// Where a container's credentials are when only a path is said.
const CONTAINER: &str = "http://169.254.170.2";
/// Where a machine's are.
const MACHINE: &str = "http://169.254.169.254";
/// Hosts that give credentials over `http://`: they are on this machine's own wire (ECS, EKS Pod Identity).
const LINK_LOCAL: [&str; 4] = [
    "169.254.170.2",
    "169.254.170.23",
    "[fd00:ec2::23]",
    "localhost",
];

/// Where credentials come from.
pub(super) enum Source {
    Given {
        access_key_id: String,
        secret_access_key: Sensitive<String>,
        session_token: Option<Sensitive<String>>,
    },
    Container {
        url: Url,
        token: Option<Sensitive<String>>,
        token_file: Option<String>,
    },
    Machine {
        base: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: Sensitive<String>,
    token: Option<Sensitive<String>>,
}

impl Source {
    /// What the environment says.
    pub(super) fn find(environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let keys = (
            environment("AWS_ACCESS_KEY_ID"),
            environment("AWS_SECRET_ACCESS_KEY"),
        );
        if let (Some(access_key_id), Some(secret)) = keys {
            return Ok(Self::Given {
                access_key_id,
                secret_access_key: Sensitive::new(secret),
                session_token: environment("AWS_SESSION_TOKEN").map(Sensitive::new),
            });
        }
        let relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
            .map(|path| format!("{CONTAINER}{path}"));
        if let Some(url) = relative.or_else(|| environment("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
            return Ok(Self::Container {
                url: container_url(&url)?,
                token: environment("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Sensitive::new),
                token_file: environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
            });
        }
        if environment("AWS_EC2_METADATA_DISABLED").is_some_and(|said| said == "true") {
            return Err(
                "there are no credentials for AWS; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                    .to_owned(),
            );
        }
        let base = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        Ok(Self::Machine {
            base: base.map_or_else(
                || MACHINE.to_owned(),
                |base| base.trim_end_matches('/').to_owned(),
            ),
        })
    }

    /// Credentials as they are now; those of containers and machines change every few hours.
    pub(super) async fn credentials(
        &self,
        name: &str,
        client: &Client,
    ) -> Result<Credentials, KeyServiceError> {
        match self {
            Self::Given {
                access_key_id,
                secret_access_key,
                session_token,
            } => Ok(Credentials {
                access_key_id: access_key_id.clone(),
                secret_access_key: secret_access_key.clone(),
                session_token: session_token.clone(),
            }),
            Self::Container {
                url,
                token,
                token_file,
            } => {
                let token = match token_file {
                    Some(path) => Some(token_in(name, path).await?),
                    None => token.clone(),
                };
                let request = || match &token {
                    Some(token) => client
                        .get(url.clone())
                        .header("Authorization", token.expose()),
                    None => client.get(url.clone()),
                };
                parsed(name, &got(name, request).await?)
            }
            Self::Machine { base } => of_machine(name, client, base).await,
        }
    }
}

async fn token_in(name: &str, path: &str) -> Result<Sensitive<String>, KeyServiceError> {
    let text = tokio::fs::read_to_string(path).await;
    text.map(|text| Sensitive::new(text.trim().to_owned()))
        .map_err(|_| refused(name, Refusal::Login))
}

/// Version 2 of the machine's service: a token first, so that no careless proxy can be made to ask.
async fn of_machine(
    name: &str,
    client: &Client,
    base: &str,
) -> Result<Credentials, KeyServiceError> {
    let asking = || {
        client
            .put(format!("{base}/latest/api/token"))
            .header("X-aws-ec2-metadata-token-ttl-seconds", "60")
    };
    let token = Sensitive::new(text_of(name, &got(name, asking).await?)?);
    let roles = format!("{base}/latest/meta-data/iam/security-credentials/");
    let get = |url: &str| {
        client
            .get(url)
            .header("X-aws-ec2-metadata-token", token.expose())
    };
    let role = text_of(name, &got(name, || get(&roles)).await?)?;
    let role = role.lines().next().unwrap_or_default().trim().to_owned();
    if role.is_empty() || role.contains(['/', '?', '#']) {
        return Err(refused(name, Refusal::Login));
    }
    let url = format!("{roles}{role}");
    parsed(name, &got(name, || get(&url)).await?)
}

async fn got(
    name: &str,
    request: impl FnMut() -> RequestBuilder,
) -> Result<Exchange, KeyServiceError> {
    let answer = ask(name, request, |_| false).await?;
    match answer.status {
        StatusCode::OK => Ok(answer),
        _ => Err(refused(name, Refusal::Login)),
    }
}

fn text_of(name: &str, answer: &Exchange) -> Result<String, KeyServiceError> {
    std::str::from_utf8(answer.body.expose())
        .map(str::to_owned)
        .map_err(|_| unintelligible(name))
}

fn parsed(name: &str, answer: &Exchange) -> Result<Credentials, KeyServiceError> {
    let answer: Answer = answer.json().ok_or_else(|| unintelligible(name))?;
    Ok(Credentials {
        access_key_id: answer.access_key_id,
        secret_access_key: answer.secret_access_key,
        session_token: answer.token,
    })
}

fn container_url(text: &str) -> Result<Url, String> {
    let wrong = || {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI must be `https://`, or `http://` on this machine or at the container's own address".to_owned()
    };
    let url = Url::parse(text).map_err(|_| wrong())?;
    let host = url.host_str().unwrap_or_default();
    let loopback = host.starts_with("127.") || host == "[::1]";
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback || LINK_LOCAL.contains(&host) => Ok(url),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_credentials_are_not_fetched_in_clear_from_afar() {
        for url in [
            "http://credentials.example/",
            "http://10.0.0.1/",
            "ftp://127.0.0.1/",
            "x",
        ] {
            assert!(container_url(url).is_err(), "{url}");
        }
        for url in [
            "https://credentials.example/",
            "http://127.0.0.1:1/",
            "http://169.254.170.23/v1/credentials",
        ] {
            assert!(container_url(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn without_any_credentials_the_words_say_what_to_set() {
        let nothing = |name: &str| (name == "AWS_EC2_METADATA_DISABLED").then(|| "true".to_owned());
        let words = Source::find(&nothing).err().unwrap_or_default();
        assert!(words.contains("AWS_ACCESS_KEY_ID"), "{words}");
    }
}
