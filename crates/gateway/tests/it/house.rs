//! A house with a gateway, an upstream that says what a test tells it, byte for byte, and a client that sends and reads bytes.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use domain::audit::Actor;
use domain::consent::{By, How, Party, Scope};
use domain::id::SubjectId;
use domain::notice::Way;
use domain::purpose_of_use::UseKind;
use domain::rng::Rng;
use domain::sensitive::Sensitive;
use domain::time::{Clock, FixedClock};
use gateway::{Gateway, Outcome};
use governance::Privity;
use governance::consent::{NewChoice, Recorded, Said};
use governance::disclosure::{CredentialTerms, add_key};
use governance::profile::{GivenRecord, GivenValue, write};
use governance::settings::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A value that stands only where nobody may see it.
pub(crate) const SIGN: &str = "zqplanted";

pub(crate) struct House {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) p: Privity,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) upstream: Upstream,
    key: String,
    _stop: watch::Sender<bool>,
}

/// The business's own API.
pub(crate) struct Upstream {
    pub(crate) address: std::net::SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    says: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// What came back, as bytes and read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// Whether the body ended in good order: by its length, or by its last chunk.
    pub(crate) is_whole: bool,
}

static NEXT: AtomicU64 = AtomicU64::new(1);

struct SeededRng(Mutex<u64>);

impl Rng for SeededRng {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for byte in bytes {
            *state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = (*state >> 33).to_le_bytes()[0];
        }
    }
}

/// Whom the recipient may see, and what of her: at most four lists of attributes, told apart by what their subjects chose.
pub(crate) type Allowed<'a> = &'a [(&'a str, &'a [&'a str])];

/// What a subject chose, as policies ask for it: whether she opted out of sale, and whether she limits what is sensitive.
const CHOSEN: [(bool, bool); 4] = [(false, false), (true, false), (false, true), (true, true)];

impl House {
    /// A house with these routes; `UPSTREAM` in them is the upstream's address.
    pub(crate) async fn new(routes: &str, allowed: Allowed<'_>) -> Self {
        Self::with(routes, allowed, "").await
    }

    /// The same, with more settings of the gateway.
    pub(crate) async fn with(routes: &str, allowed: Allowed<'_>, more: &str) -> Self {
        Self::with_map(routes, allowed, more, MAP).await
    }

    /// A house whose recipients may ask about so many subjects in a minute.
    pub(crate) async fn paced(routes: &str, allowed: Allowed<'_>, subjects: u32) -> Self {
        let paced = format!("    known_by: [email]\n    subjects_a_minute: {subjects}");
        let map = MAP.replace("    known_by: [email]", &paced);
        Self::with_map(routes, allowed, "", &map).await
    }

    /// Our own state with these settings of the gateway, which nobody has opened yet.
    pub(crate) async fn unopened(more: &str) -> Privity {
        let dir = folder(CUSTOMER, &[], MAP);
        open(&dir, more).await
    }

    async fn with_map(routes: &str, allowed: Allowed<'_>, more: &str, map: &str) -> Self {
        let upstream = Upstream::start().await;
        let lists = lists(allowed);
        let routes = routes.replace("UPSTREAM", &upstream.address.to_string());
        let dir = folder(&routes, &lists, map);
        let p = open(&dir, more).await;
        let key = key(&p, "carrier", Some("fulfil_orders")).await;
        write_subjects(&p, allowed, &lists).await;
        let gateway = Gateway::open(p.clone(), rng()).unwrap_or_else(|problem| panic!("{problem}"));
        let gateway = Arc::new(gateway);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, shutdown) = watch::channel(false);
        tokio::spawn(gateway::serve(Arc::clone(&gateway), listener, shutdown));
        Self {
            dir,
            p,
            gateway,
            address,
            upstream,
            key,
            _stop: stop,
        }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "").await
    }

    /// Sends a call with the recipient's key; `headers` each end with `\r\n`.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let length = if body.is_empty() {
            String::new()
        } else {
            format!(
                "content-length: {}\r\ncontent-type: application/json\r\n",
                body.len()
            )
        };
        let key = self.key();
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\n{length}{headers}connection: close\r\n\r\n{body}"
        ))
        .await
    }

    /// Sends bytes and reads until the connection ends.
    pub(crate) async fn raw(&self, call: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(call.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        // A connection that is broken off may end with an error.
        let _ = stream.read_to_end(&mut bytes).await;
        Answer::read(&bytes, call.starts_with("HEAD"))
    }

    pub(crate) fn count(&self, outcome: Outcome) -> u64 {
        let counted = self.gateway.counts().into_iter();
        let outcomes = counted.flat_map(|counted| counted.outcomes);
        outcomes
            .filter(|(one, _)| *one == outcome)
            .map(|(_, count)| count)
            .sum()
    }

    pub(crate) fn routes_file(&self) -> PathBuf {
        self.dir.path().join("routes/shop.yaml")
    }
}

pub(crate) fn rng() -> Arc<dyn Rng> {
    Arc::new(SeededRng(Mutex::new(7)))
}

/// A key of a recipient, for one purpose or for whatever it declares.
pub(crate) async fn key(p: &Privity, recipient: &str, purpose: Option<&str>) -> String {
    let terms = CredentialTerms {
        purposes: purpose.map(|purpose| vec![purpose.into()]),
        ends_at: None,
    };
    let (_, key) = add_key(p, &recipient.into(), terms).await.unwrap();
    key.expose().clone()
}

fn lists<'a>(allowed: Allowed<'a>) -> Vec<&'a [&'a str]> {
    let mut lists: Vec<&[&str]> = Vec::new();
    for (_, attributes) in allowed {
        if !lists.contains(attributes) {
            lists.push(attributes);
        }
    }
    assert!(
        lists.len() <= CHOSEN.len(),
        "a house has four lists at most"
    );
    lists
}

/// Each list goes out of subjects who chose alike.
fn policies(lists: &[&[&str]]) -> String {
    let written = lists.iter().zip(CHOSEN).enumerate();
    let written = written.filter(|(_, (list, _))| !list.is_empty());
    let written = written.map(|(number, (list, (sale, limit)))| {
        let named: Vec<String> = list.iter().map(|key| format!("Attribute::\"{key}\"")).collect();
        let named = named.join(" || resource == ");
        let is = |fact: bool| if fact { "" } else { "!" };
        let (sale, limit) = (is(sale), is(limit));
        format!(
            "@id(\"house.{number}\")\n@citation(\"a test\")\n@title(\"the carrier\")\n@reason_subject(\"a test\")\n@reason_operator(\"a test\")\npermit (principal == Recipient::\"carrier\", action == Action::\"fulfil_orders\", resource)\nwhen {{ resource == {named} }}\nwhen {{ {sale}context.opted_out_of_sale && {limit}context.limited }};\n\n"
        )
    });
    written.collect()
}

async fn write_subjects(p: &Privity, allowed: Allowed<'_>, lists: &[&[&str]]) {
    let schema = p.schema().unwrap();
    let shop = schema.source_of("shop").unwrap();
    let number = schema.attribute_of("customer_number").unwrap().number;
    for (subject, attributes) in allowed {
        let value = GivenValue::from(Sensitive::new((*subject).to_owned()));
        let record = GivenRecord {
            values: vec![(number, value)],
            observed_at: None,
        };
        let written = write(p, shop, vec![record], Actor::CommandLine)
            .await
            .unwrap();
        let id = written.subjects[0].unwrap();
        let list = lists.iter().position(|list| list == attributes).unwrap();
        let (sale, limit) = CHOSEN[list];
        if sale {
            opt_out(p, id, Scope::every([UseKind::Sale, UseKind::Sharing])).await;
        }
        if limit {
            opt_out(p, id, Scope::every([UseKind::Sensitive])).await;
        }
    }
}

async fn opt_out(p: &Privity, subject: SubjectId, scope: Scope) {
    let choice = NewChoice {
        id: None,
        party: Party::Subject(subject),
        scope,
        said: Said::OptedOut(None),
        by: By::Subject,
        how: How::Told(Way::Web),
        place: "shop".to_owned(),
        at: None,
        law: None,
    };
    let recorded = p
        .record_consents(vec![choice], Actor::CommandLine, None)
        .await;
    match recorded.unwrap().pop().unwrap() {
        Recorded::Kept { .. } => {}
        Recorded::Refused(problem) => panic!("{problem}"),
    }
}

/// All files that a house needs.
fn folder(routes: &str, lists: &[&[&str]], map: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["routes", "consent", "policies"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    for (name, text) in [
        ("map.yaml", map),
        ("consent/purposes.yaml", PURPOSES),
        ("policies/company.cedar", policies(lists).as_str()),
        ("routes/shop.yaml", routes),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

async fn open(dir: &tempfile::TempDir, more: &str) -> Privity {
    let base = dir.path().display();
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/profile.yaml");
    let yaml = format!(
        "business: {{name: Hearth & Crumb, privacy_contact: privacy@hearth.example}}\nbase_url: https://privacy.hearth.example\nstorage: \"sqlite:{base}/privity.db\"\nkey_file: {base}/privity.key\npackages_dir: {base}/packages\ndata_map: {base}/map.yaml\nprofile: {schema}\nconsent: {base}/consent\npolicies: {base}/policies\nmail: {{url: \"smtp://127.0.0.1:1\", tls: none, from: \"privacy@hearth.example\"}}\ngateway: {{listen: \"127.0.0.1:0\", routes: {base}/routes{more}}}\n"
    );
    let settings: Settings = serde_saphyr::from_str(&yaml).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::at("2026-11-02T18:00:00Z".parse().unwrap()));
    let seed = NEXT.fetch_add(1_000_003, Ordering::Relaxed) + u64::from(std::process::id());
    let rng: Arc<dyn Rng> = Arc::new(SeededRng(Mutex::new(seed)));
    governance::start(settings, clock, rng)
        .await
        .unwrap_or_else(|problem| panic!("{problem}"))
}

const MAP: &str = "
systems:
  shop:
    title: Web shop
    sources: [consumer_directly]
    purposes: [orders]
    connection: { kind: manual, operator: Robin, instructions: look it up, due_days: 3 }
recipients:
  carrier:
    title: The carrier
    role: service_provider
    contract_compliant: true
    categories: [user.name, user.contact.email]
    purpose: to carry parcels
    known_by: [email]
    required_level: delivered
    channel: { kind: email, to: privacy@carrier.example }
  broker:
    title: The broker
    role: third_party
    categories: [user.name, user.contact.email]
    purpose: it bought them
    known_by: [email]
    required_level: delivered
    channel: { kind: email, to: privacy@broker.example }
";

const PURPOSES: &str = "
purposes:
  fulfil_orders:
    title: { en: Your orders }
    description: { en: We send what you order. }
    categories: [user.contact.email, user.name]
    choice: none
    recipients: [carrier]
  sale:
    title: { en: Sale }
    description: { en: We sell addresses. }
    categories: [user.contact.email]
    uses: [sale, sharing]
    choice: opt_out
    recipients: [broker]
  allergies:
    title: { en: Allergies }
    description: { en: We warn you. }
    categories: [user.health_and_medical]
    uses: [sensitive]
    choice: opt_out
  marketing:
    title: { en: Letters }
    description: { en: We write to you. }
    categories: [user.contact.email]
    choice: none
";

impl Upstream {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, says) = (
            Arc::<Mutex<Vec<String>>>::default(),
            Arc::<Mutex<Vec<Vec<u8>>>>::default(),
        );
        let upstream = Self {
            address,
            asked: Arc::clone(&asked),
            says: Arc::clone(&says),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&asked), Arc::clone(&says)));
            }
        });
        upstream
    }

    /// What it answers from now on: pieces that are written one after the other, then the connection ends.
    pub(crate) fn says_raw(&self, pieces: &[&[u8]]) {
        *self.says.lock().unwrap() = pieces.iter().map(|piece| piece.to_vec()).collect();
    }

    /// A well-made JSON answer.
    pub(crate) fn says(&self, body: &str) {
        self.says_with("200 OK", "content-type: application/json\r\n", body);
    }

    pub(crate) fn says_with(&self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        let whole = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}");
        self.says_raw(&[whole.as_bytes()]);
    }

    /// The calls that came, whole.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    mut stream: TcpStream,
    asked: Arc<Mutex<Vec<String>>>,
    says: Arc<Mutex<Vec<Vec<u8>>>>,
) {
    let mut call = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = stream.read(&mut piece).await.unwrap_or(0);
        if read == 0 {
            return;
        }
        call.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&call);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            asked.lock().unwrap().push(text.into_owned());
            break;
        }
    }
    let pieces = says.lock().unwrap().clone();
    for piece in pieces {
        // Whoever stops reading has had enough.
        if stream.write_all(&piece).await.is_err() {
            return;
        }
        let _ = stream.flush().await;
        tokio::task::yield_now().await;
    }
    let _ = stream.shutdown().await;
}

impl Answer {
    pub(crate) fn read(bytes: &[u8], is_head: bool) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, rest) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let head = head.to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let (body, is_whole) = if is_head {
            (rest.to_owned(), rest.is_empty())
        } else if head.contains("transfer-encoding: chunked") {
            unchunked(rest)
        } else {
            let length = length.and_then(|length| length.parse::<usize>().ok());
            (
                rest.to_owned(),
                length.is_none_or(|length| length == rest.len()),
            )
        };
        Self {
            status: status.unwrap_or(0),
            head,
            body,
            is_whole,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let start = format!("{name}: ");
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(start.as_str()))
    }

    /// The code of a problem.
    pub(crate) fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        problem["code"].as_str().unwrap().to_owned()
    }
}

fn unchunked(mut rest: &str) -> (String, bool) {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let Some(chunk) = after.get(..size) else {
            body.push_str(after);
            break;
        };
        body.push_str(chunk);
        rest = after.get(size + 2..).unwrap_or_default();
    }
    (body, false)
}

/// One customer, by her number.
pub(crate) const CUSTOMER: &str = "
routes:
  customer:
    path: /customers/{number}
    upstream: http://UPSTREAM/api/customers/{number}
    authorization: { value: Bearer of-the-gateway }
    subject: { parameter: number, identifier: customer_number }
    answer:
      attributes:
        $.email: email
        $.name.first: first_name
        $.name.last: last_name
        $.orders[*].note: delivery_note
      passed: [$.currency]
    query:
      passed: [page]
      filter: { mail: email }
      sort: { sort: { name: last_name, id: } }
";

/// What the upstream knows of her.
pub(crate) const MAYA: &str = r#"{"email":"maya@example.org","name":{"first":"Maya","last":"zqplanted"},"ssn":"zqplanted","currency":"USD"}"#;
