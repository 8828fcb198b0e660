//! A small business for tests: one system that is searched by hand, one recipient that is told by mail, a mailbox, and a log that is watched.

use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use domain::rng::Rng;
use domain::time::FixedClock;
use governance::Privity;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tower::ServiceExt;

/// Everything that a test needs; the folder goes with it.
pub(crate) struct Office {
    pub(crate) privity: Privity,
    pub(crate) router: Router,
    pub(crate) clock: Arc<FixedClock>,
    mails: Arc<Mutex<Vec<String>>>,
    folder: tempfile::TempDir,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) location: String,
    pub(crate) cookie: String,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) text: String,
    pub(crate) bytes: Vec<u8>,
}

/// Repeatable random bytes.
struct Counting(Mutex<u64>);

impl Rng for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for byte in bytes {
            *state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = u8::try_from(*state >> 56).unwrap();
        }
    }
}

pub(crate) const MAP: &str = r"
systems:
  cabinet:
    title: Filing cabinet
    connection: { kind: manual, operator: Robin, instructions: Look into the third drawer., due_days: 10 }
datasets:
  cabinet:
    system: cabinet
    collections:
      card:
        title: Index cards
        primary_key: [number]
        fields:
          number: { category: user.unique_id, type: integer, nullable: false }
          email: { category: user.contact.email, identity: email }
          phone: { category: user.contact.phone_number, identity: phone }
          customer_number: { category: user.unique_id, identity: customer_number }
recipients:
  mill:
    title: Paper <Mill>
    role: third_party
    sold: true
    categories: [user.contact.email]
    purpose: to send catalogues
    known_by: [email]
    required_level: attested
    channel: { kind: email, to: privacy@mill.example }
";

impl Office {
    pub(crate) async fn open() -> Self {
        Self::with(&[], "").await
    }

    /// An office with more files in its folder and more settings.
    pub(crate) async fn with(files: &[(&str, &str)], more: &str) -> Self {
        watch_log();
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("map.yaml", MAP)].iter().chain(files) {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mails = Arc::new(Mutex::new(Vec::new()));
        let smtp = mailbox(mails.clone()).await;
        let settings = format!("{}{more}", settings(&smtp));
        std::fs::write(folder.path().join("privity.yaml"), settings).unwrap();
        let clock = Arc::new(FixedClock::at("2026-11-21T20:00:00Z".parse().unwrap()));
        let privity = start(&folder, &clock, 7).await;
        Self {
            router: server::router(privity.clone()),
            privity,
            clock,
            mails,
            folder,
        }
    }

    /// Ends the program and starts it anew over the same files.
    pub(crate) async fn restart(&mut self) {
        self.privity.database().close().await;
        self.privity = start(&self.folder, &self.clock, 8).await;
        self.router = server::router(self.privity.clone());
    }

    /// As if a reverse proxy stood before it, which names every caller's address.
    pub(crate) fn stand_behind_proxy(&mut self) {
        let options = server::Options {
            behind_proxy: true,
            ..server::Options::default()
        };
        self.router = server::router_with(self.privity.clone(), &options).unwrap();
    }

    /// The folder of its files, with `privity.yaml` in it.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Every byte of its files.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        paths
            .filter(|path| path.is_file())
            .flat_map(|path| std::fs::read(path).unwrap())
            .collect()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let header = |name: &str| {
            parts
                .headers
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
                .unwrap_or_default()
        };
        let (location, cookie) = (header("location"), header("set-cookie"));
        let bytes = to_bytes(body, 64 << 20).await.unwrap().to_vec();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer {
            status: parts.status,
            location,
            cookie,
            headers: parts.headers,
            text,
            bytes,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn get_as(&self, path: &str, cookie: &str) -> Answer {
        self.send(
            Request::get(path)
                .header("cookie", cookie)
                .body(Body::empty())
                .unwrap(),
        )
        .await
    }

    /// A form as a browser on our own page sends it.
    pub(crate) async fn post(&self, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(
            form(path, cookie, fields)
                .body(Body::from(encoded(fields)))
                .unwrap(),
        )
        .await
    }

    /// Lets all work that is due now be done.
    pub(crate) async fn work(&self) -> u64 {
        governance::worker::run_until_idle(&self.privity)
            .await
            .unwrap()
    }

    /// An operator's key.
    pub(crate) async fn key(&self) -> String {
        #[expect(clippy::disallowed_methods, reason = "a test signs in with it")]
        let key = governance::operator::add(&self.privity, "Robin")
            .await
            .unwrap()
            .1
            .expose()
            .clone();
        key
    }

    /// The session cookie of an operator who has signed in on the page.
    pub(crate) async fn session(&self) -> String {
        let key = self.key().await;
        let answer = self.post("/console/sign-in", "", &[("key", &key)]).await;
        assert_eq!(
            (answer.status, answer.location.as_str()),
            (StatusCode::SEE_OTHER, "/console")
        );
        assert!(
            answer.cookie.contains("HttpOnly") && answer.cookie.contains("SameSite=Strict"),
            "the session can be stolen"
        );
        answer.cookie.split(';').next().unwrap().to_owned()
    }

    /// The newest mail to an address that has something in it.
    pub(crate) fn mail(&self, to: &str, with: &str) -> String {
        let mails = self.mails.lock().unwrap();
        let found = mails
            .iter()
            .rev()
            .find(|mail| mail.contains(&format!("<{to}>")) && mail.contains(with));
        found
            .unwrap_or_else(|| panic!("no mail to {to} has {with}: {mails:?}"))
            .clone()
    }

    /// The code in the newest mail to her.
    pub(crate) fn code(&self, to: &str) -> String {
        let mail = self.mail(to, "Your code");
        let is_code = |line: &&str| {
            line.trim().len() == 6 && line.trim().chars().all(|digit| digit.is_ascii_digit())
        };
        mail.lines().find(is_code).unwrap().trim().to_owned()
    }
}

/// `seed` is another one after a restart, or the same ids would come again.
async fn start(folder: &tempfile::TempDir, clock: &Arc<FixedClock>, seed: u64) -> Privity {
    let settings = server::config::load(&folder.path().join("privity.yaml"))
        .unwrap_or_else(|error| panic!("{error}"));
    let rng = Arc::new(Counting(Mutex::new(seed)));
    governance::start(settings, clock.clone(), rng)
        .await
        .unwrap_or_else(|problem| panic!("{problem}"))
}

fn settings(smtp: &str) -> String {
    format!(
        "business: {{name: 'Crumb & Co.', privacy_contact: privacy@crumb.example, online_only: true}}\nbase_url: http://office.test\ndata_map: map.yaml\nmail: {{url: 'smtp://{smtp}', tls: none, from: privacy@crumb.example}}\nverification: {{code_minutes: 30, tries: 5, sends: 5, resend_seconds: 60, expire_days: 30}}\nlimits: {{requests_per_hour_per_address: 20, body_bytes: 65536}}\n"
    )
}

pub(crate) fn form(
    path: &str,
    cookie: &str,
    _fields: &[(&str, &str)],
) -> axum::http::request::Builder {
    Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin")
        .header("cookie", cookie)
}

pub(crate) fn encoded(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| {
        text.bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect::<String>()
    };
    fields
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect::<Vec<_>>()
        .join("&")
}

/// A form with a file, as a browser sends it.
pub(crate) fn multipart(
    path: &str,
    cookie: &str,
    fields: &[(&str, &str)],
    file: &[u8],
) -> Request<Body> {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend_from_slice(
            format!("--cut\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .as_bytes(),
        );
    }
    body.extend_from_slice(b"--cut\r\nContent-Disposition: form-data; name=\"file\"; filename=\"proof.txt\"\r\nContent-Type: text/plain\r\n\r\n");
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--cut--\r\n");
    Request::post(path)
        .header("content-type", "multipart/form-data; boundary=cut")
        .header("sec-fetch-site", "same-origin")
        .header("cookie", cookie)
        .body(Body::from(body))
        .unwrap()
}

/// A mail server that takes everything and keeps it.
async fn mailbox(mails: Arc<Mutex<Vec<String>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take_mail(stream, mails.clone()));
        }
    });
    address
}

async fn take_mail(stream: tokio::net::TcpStream, mails: Arc<Mutex<Vec<String>>>) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 test\r\n").await.unwrap();
    let mut mail = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = match line
            .get(..4)
            .unwrap_or_default()
            .to_ascii_uppercase()
            .as_str()
        {
            "EHLO" => "250-test\r\n250 8BITMIME\r\n",
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await.unwrap();
                while let Ok(Some(line)) = lines.next_line().await {
                    if line == "." {
                        break;
                    }
                    mail.push_str(&line);
                    mail.push('\n');
                }
                // Long lines come quoted-printable.
                mails.lock().unwrap().push(
                    std::mem::take(&mut mail)
                        .replace("=\n", "")
                        .replace("=3D", "="),
                );
                "250 kept\r\n"
            }
            "RCPT" => {
                mail.push_str(&format!("{line}\n"));
                "250 yes\r\n"
            }
            "QUIT" => "221 bye\r\n",
            _ => "250 yes\r\n",
        };
        writer.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// Everything that was logged by any test of this binary.
static LOG: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();

struct Watched(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn watch_log() {
    LOG.get_or_init(|| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let writer = log.clone();
        let filter = tracing_subscriber::EnvFilter::new("debug");
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(move || Watched(writer.clone()))
            .init();
        log
    });
}

/// The log so far.
pub(crate) fn log() -> String {
    LOG.get()
        .map(|log| String::from_utf8_lossy(&log.lock().unwrap()).into_owned())
        .unwrap_or_default()
}
