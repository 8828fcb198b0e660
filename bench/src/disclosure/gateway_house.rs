//! Privity with a gateway: 25 subjects, a recipient, and a policy that grants half of what bodies hold. Our own database is SQLite.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use domain::audit::Actor;
use domain::sensitive::Sensitive;
use gateway::Gateway;
use governance::Privity;
use governance::disclosure::{CredentialTerms, add_key};
use governance::policy::refresh_facts;
use governance::profile::{GivenRecord, GivenValue, write};
use governance::settings::Settings;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::threads::Thread;

/// The house; it goes with its folder.
pub(crate) struct House {
    gateway: Arc<Gateway>,
    pub(crate) key: String,
    _folder: tempfile::TempDir,
    stop: watch::Sender<bool>,
}

impl House {
    pub(crate) async fn start(upstream: SocketAddr) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let base = folder.path();
        std::fs::create_dir(base.join("consent"))?;
        std::fs::create_dir(base.join("policies"))?;
        std::fs::write(base.join("profile.yaml"), PROFILE)?;
        std::fs::write(base.join("map.yaml"), MAP)?;
        std::fs::write(base.join("consent/purposes.yaml"), PURPOSES)?;
        std::fs::write(base.join("policies/company.cedar"), POLICY)?;
        std::fs::write(base.join("routes.yaml"), routes(&upstream.to_string()))?;
        let (clock, rng) = (governance::system_clock(), governance::system_rng());
        let privity = governance::start(settings(base)?, clock, rng.clone()).await?;
        let schema = privity
            .schema()
            .ok_or_else(|| anyhow::anyhow!("no schema"))?
            .clone();
        let of = |key: &str| {
            schema
                .attribute_of(key)
                .map(|rule| rule.number)
                .ok_or_else(|| anyhow::anyhow!("no {key}"))
        };
        let (number, source) = (
            of("number")?,
            schema
                .source_of("shop")
                .ok_or_else(|| anyhow::anyhow!("no shop"))?,
        );
        let records = (0..25).map(|one: u32| GivenRecord {
            values: vec![(number, GivenValue::from(Sensitive::new(one.to_string())))],
            observed_at: None,
        });
        write(&privity, source, records.collect(), Actor::CommandLine).await?;
        // As the worker of a house that runs does it.
        refresh_facts(&privity).await?;
        let key = key(&privity).await?;
        let gateway = Arc::new(Gateway::open(privity, rng)?);
        let (stop, _) = watch::channel(false);
        Ok(Self {
            gateway,
            key,
            _folder: folder,
            stop,
        })
    }

    pub(crate) async fn serve(&self, thread: &Thread) -> anyhow::Result<SocketAddr> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (gateway, shutdown) = (Arc::clone(&self.gateway), self.stop.subscribe());
        thread.handle.spawn(async move {
            if let Ok(listener) = TcpListener::from_std(listener) {
                gateway::serve(gateway, listener, shutdown).await;
            }
        });
        Ok(address)
    }
}

async fn key(privity: &Privity) -> anyhow::Result<String> {
    let terms = CredentialTerms {
        purposes: Some(vec!["orders".into()]),
        ends_at: None,
    };
    let (_, key) = add_key(privity, &"carrier".into(), terms).await?;
    Ok(key.expose().clone())
}

fn settings(base: &Path) -> anyhow::Result<Settings> {
    let base = base.display();
    Ok(serde_saphyr::from_str(&format!(
        "business: {{name: Bench, privacy_contact: privacy@bench.example}}\nstorage: \"sqlite:{base}/privity.db\"\nkey_file: {base}/privity.key\npackages_dir: {base}/packages\ndata_map: {base}/map.yaml\nprofile: {base}/profile.yaml\nconsent: {base}/consent\npolicies: {base}/policies\nmail: {{url: \"smtp://127.0.0.1:1\", tls: none, from: privacy@bench.example}}\ngateway: {{listen: \"127.0.0.1:0\", routes: {base}/routes.yaml}}\n"
    ))?)
}

const PROFILE: &str = "version: 1
identity: { default_country: US }
sources:
  - { source: shop, number: 1, title: Shop, record: number, proves: [number] }
attributes:
  - { attribute: number, number: 1, title: Number, category: user.unique_id, identifier: { rule: verbatim, unique: true } }
  - { attribute: email, number: 2, title: E-mail, category: user.contact.email }
  - { attribute: first_name, number: 3, title: First name, category: user.name.first }
  - { attribute: last_name, number: 4, title: Last name, category: user.name.last }
  - { attribute: phone, number: 5, title: Phone, category: user.contact.phone_number }
  - { attribute: note, number: 6, title: Notes, category: user.content }
  - { attribute: document, number: 7, title: Documents, category: user.content }
";

const MAP: &str = "systems:
  shop: { title: Shop, sources: [consumer_directly], purposes: [orders], connection: { kind: manual, operator: Robin, instructions: look it up, due_days: 3 } }
recipients:
  carrier: { title: The carrier, role: service_provider, contract_compliant: true, categories: [user.name, user.contact.email, user.content], purpose: to carry parcels, known_by: [email], required_level: delivered, subjects_a_minute: 1000000000, channel: { kind: email, to: privacy@carrier.example } }
";

const PURPOSES: &str = "purposes:
  orders: { title: { en: Orders }, description: { en: We send what you order. }, categories: [user.name, user.contact.email, user.content], choice: none, recipients: [carrier] }
";

const POLICY: &str = "@id(\"bench.orders\")
@citation(\"a benchmark\")
@title(\"The carrier delivers\")
@reason_subject(\"So that your parcel finds you.\")
@reason_operator(\"Name, e-mail, notes.\")
permit (principal == Recipient::\"carrier\", action == Action::\"orders\", resource)
when { resource in [Category::\"user.name\", Category::\"user.contact.email\", Category::\"user.content\"] };
";

fn routes(upstream: &str) -> String {
    let attributes = |at: &str| {
        let named = [
            ("email", "email"),
            ("first", "first_name"),
            ("last", "last_name"),
            ("phone", "phone"),
            ("orders[*].note", "note"),
        ];
        let named = named.map(|(place, key)| format!("\"{at}.{place}\": {key}"));
        format!("{{ {} }}", named.join(", "))
    };
    let subject = "subject: { parameter: number, identifier: number }";
    let one = attributes("$");
    let each = attributes("$.customers[*]");
    format!(
        "routes:
  small:
    path: /customers/2/{{number}}
    upstream: http://{upstream}/customers/2/{{number}}
    {subject}
    answer: {{ attributes: {one} }}
  large:
    path: /customers/50/{{number}}
    upstream: http://{upstream}/customers/50/{{number}}
    {subject}
    answer: {{ attributes: {one} }}
  list:
    path: /customers/list/{{page}}
    upstream: http://{upstream}/customers/list/{{page}}
    answer: {{ attributes: {each}, subjects: {{ \"$.customers[*]\": \"$.customers[*].number\" }}, identifier: number }}
  documents:
    path: /documents/{{size}}/{{number}}
    upstream: http://{upstream}/documents/{{size}}/{{number}}
    {subject}
    answer: {{ attributes: {{ $.email: email }}, documents: {{ application/x-document: document }} }}
"
    )
}
