//! Calls that leave the house over HTTP: which destinations are allowed, how much of an answer is read, and what may be said
//! about a failure. Shared by the HTTP connector and the channels.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use domain::sensitive::Sensitive;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode, Url};

/// Where calls may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destinations {
    /// The business's own systems, wherever they are; in clear only to this machine, unless allowed.
    Own {
        /// Whether `http://` may leave this machine.
        allow_insecure: bool,
    },
    /// Somebody else's systems: `https://` to public addresses, so that nobody can make us knock at doors inside the
    /// business's network. The address that was checked is the one that is connected to.
    Public {
        /// Whether this machine is allowed as well, over `http://` too.
        allow_loopback: bool,
    },
}

impl Destinations {
    /// A client that can reach these destinations and no others, except through URLs that [`Self::check`] refuses.
    /// Follows no redirects.
    pub(crate) fn client(
        self,
        timeout: Duration,
        trusted_ca: Option<&str>,
    ) -> Result<Client, String> {
        self.build(timeout, trusted_ca, Policy::none())
    }

    /// The same for reading: follows redirects within the same host. Not for calls that change something, because some
    /// redirects turn them into a GET whose success would mean nothing.
    pub(crate) fn reading_client(
        self,
        timeout: Duration,
        trusted_ca: Option<&str>,
    ) -> Result<Client, String> {
        let policy = Policy::custom(|attempt| {
            let leaves = attempt
                .previous()
                .last()
                .is_none_or(|from| from.origin() != attempt.url().origin());
            if leaves || attempt.previous().len() > 5 {
                attempt.stop()
            } else {
                attempt.follow()
            }
        });
        self.build(timeout, trusted_ca, policy)
    }

    fn build(
        self,
        timeout: Duration,
        trusted_ca: Option<&str>,
        redirects: Policy,
    ) -> Result<Client, String> {
        let connecting = timeout.min(Duration::from_secs(10));
        let builder = Client::builder()
            .timeout(timeout)
            .connect_timeout(connecting)
            .user_agent("privity")
            .referer(false)
            .redirect(redirects);
        let builder = match self {
            Self::Own { .. } => builder,
            // A proxy would resolve the name itself, and our check would check nothing.
            Self::Public { .. } => builder.no_proxy().dns_resolver(Guarded(self)),
        };
        let bundle = trusted_ca.map(|pem| {
            Certificate::from_pem_bundle(pem.as_bytes())
                .ok()
                .filter(|certificates| !certificates.is_empty())
        });
        let certificates = bundle
            .map(|bundle| bundle.ok_or("`trusted_ca` holds no certificates in PEM form"))
            .transpose()?
            .unwrap_or_default();
        builder
            .tls_certs_merge(certificates)
            .build()
            .map_err(|_| "the HTTP client can't be set up; check `trusted_ca`".to_owned())
    }

    /// Refuses a URL whose scheme or literal address isn't allowed. Names are checked when they are resolved.
    pub(crate) fn check(self, url: &Url) -> Result<(), String> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a URL must not hold a name or password; use `auth`".to_owned());
        }
        let literal = literal_address(url);
        let loopback = url.host_str() == Some("localhost")
            || literal.is_some_and(|address| address.is_loopback());
        match (url.scheme(), self) {
            ("https", Self::Own { .. }) => Ok(()),
            ("http", Self::Own { allow_insecure }) if loopback || allow_insecure => Ok(()),
            ("http", Self::Own { .. }) => Err("personal data would travel in clear; use `https://`, or set `allow_insecure: true`".to_owned()),
            ("http", Self::Public { allow_loopback: true }) if loopback => Ok(()),
            ("https", Self::Public { .. }) if literal.is_none_or(|address| self.allows(address)) => Ok(()),
            ("https", Self::Public { .. }) => Err("its address is private; only public addresses may be told".to_owned()),
            _ => Err("only `https://` URLs may be told".to_owned()),
        }
    }

    /// Reads and checks a URL.
    pub(crate) fn parse(self, url: &str) -> Result<Url, String> {
        let url = Url::parse(url)
            .map_err(|_| "this is not a URL; it should look like `https://host/path`".to_owned())?;
        self.check(&url).map(|()| url)
    }

    fn allows(self, address: IpAddr) -> bool {
        match self {
            Self::Own { .. } => true,
            Self::Public { allow_loopback } => {
                is_public(address) || (allow_loopback && address.is_loopback())
            }
        }
    }
}

fn literal_address(url: &Url) -> Option<IpAddr> {
    url.host_str()?
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

/// Resolves names and withholds addresses that aren't allowed.
struct Guarded(Destinations);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let destinations = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found
                .filter(|address| destinations.allows(address.ip()))
                .collect();
            if allowed.is_empty() {
                return Err("the name leads to a private address".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Whether an address belongs to the public internet (IANA's special-purpose registries, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match a {
        0 | 10 | 127 | 224.. => true,
        100 => (64..128).contains(&b),
        169 => b == 254,
        172 => (16..32).contains(&b),
        192 => b == 168 || (b == 0 && (c == 0 || c == 2)) || (b == 88 && c == 99),
        198 => b == 18 || b == 19 || (b == 51 && c == 100),
        203 => b == 0 && c == 113,
        _ => false,
    };
    !special
}

/// Only 2000::/3 is given out; within it, tunnels that end at an IPv4 address are judged by that address.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, _, _, g, h] = address.segments();
    let embedded = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match a {
        0x64 if b == 0xff9b && c == 0 && d == 0 => is_public_v4(embedded(g, h)),
        0x2001 if b < 0x200 || b == 0xdb8 => false,
        0x2002 => is_public_v4(embedded(b, c)),
        0x3fff if b < 0x1000 => false,
        _ => match address.to_ipv4_mapped() {
            Some(mapped) => is_public_v4(mapped),
            None => (0x2000..0x4000).contains(&a),
        },
    }
}

/// Why a call brought no answer. Holds no value and no URL.
#[derive(Debug)]
pub(crate) enum CallError {
    /// No connection, or it broke.
    Unreachable(String),
    /// Too slow.
    TimedOut,
    /// The answer is larger than allowed.
    TooLarge,
}

impl CallError {
    /// In words.
    pub(crate) fn reason(&self, max_bytes: usize) -> String {
        match self {
            Self::Unreachable(reason) => reason.clone(),
            Self::TimedOut => "no complete answer came within the time limit".to_owned(),
            Self::TooLarge => format!("an answer was larger than {max_bytes} bytes"),
        }
    }
}

impl From<reqwest::Error> for CallError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::TimedOut;
        }
        if error.is_connect() {
            return Self::Unreachable(format!("no connection ({})", innermost(&error)));
        }
        Self::Unreachable("the connection broke before the answer was complete".to_owned())
    }
}

/// What the network or TLS said. Only asked for failures to connect, at which nothing but the host's name has been used.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// Reads an answer up to `max_bytes`, piece by piece, so that an endless one is dropped early.
pub(crate) async fn read(
    mut response: Response,
    max_bytes: usize,
) -> Result<Sensitive<Vec<u8>>, CallError> {
    if response
        .content_length()
        .is_some_and(|length| usize::try_from(length).map_or(true, |length| length > max_bytes))
    {
        return Err(CallError::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > max_bytes {
            return Err(CallError::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Sensitive::new(body))
}

/// An answer that has been read whole.
pub(crate) struct Exchange {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Sensitive<Vec<u8>>,
}

impl Exchange {
    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON, if it is.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(self.body.expose()).ok()
    }

    /// Whether trying again later, unchanged, can help.
    pub(crate) fn is_transient(&self) -> bool {
        let status = self.status;
        status.is_server_error()
            || matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY
            )
    }
}

/// Sends a request and reads the answer.
pub(crate) async fn exchange(
    request: RequestBuilder,
    max_bytes: usize,
) -> Result<Exchange, CallError> {
    let response = request.send().await?;
    let (status, headers) = (response.status(), response.headers().clone());
    Ok(Exchange {
        status,
        headers,
        body: read(response, max_bytes).await?,
    })
}

/// Percent-encodes everything but the unreserved characters of RFC 3986, for one path segment or one part of a query.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests"
    )]
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_count_as_public() {
        let inside = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "::10.0.0.1",
        ];
        for address in inside {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn recipients_are_told_over_https_at_public_addresses_only() {
        let public = Destinations::Public {
            allow_loopback: false,
        };
        let refused = [
            "http://recipient.example/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://169.254.169.254/",
            "ftp://a.example/",
            "https://a:b@c.example/",
        ];
        for url in refused {
            assert!(public.parse(url).is_err(), "{url}");
        }
        assert!(public.parse("https://recipient.example/hook").is_ok());
        assert!(
            Destinations::Public {
                allow_loopback: true
            }
            .parse("http://127.0.0.1:8080/")
            .is_ok()
        );
        assert!(
            Destinations::Public {
                allow_loopback: true
            }
            .parse("https://10.0.0.1/")
            .is_err()
        );
    }

    #[test]
    fn clear_text_stays_on_this_machine_unless_allowed() {
        let own = Destinations::Own {
            allow_insecure: false,
        };
        assert!(own.parse("http://desk.example/").is_err());
        assert!(own.parse("http://localhost:1/").is_ok() && own.parse("https://10.0.0.1/").is_ok());
        assert!(
            Destinations::Own {
                allow_insecure: true
            }
            .parse("http://desk.example/")
            .is_ok()
        );
    }
}
