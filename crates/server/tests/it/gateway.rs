//! The demo's shop behind the gateway: its API tells everything to whoever has its token, and recipients get what the business's policies say.

use std::sync::Arc;

use ::gateway::Gateway;
use demo::{Business, start_business};
use domain::audit::Actor;
use domain::consent::{By, How, Party, Scope};
use domain::id::SubjectId;
use domain::notice::Way;
use domain::purpose_of_use::UseKind;
use domain::sensitive::Sensitive;
use governance::Privity;
use governance::consent::{NewChoice, Recorded, Said};
use governance::disclosure::{CredentialTerms, add_key};
use governance::profile::{GivenRecord, GivenValue, write};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[expect(
    clippy::disallowed_methods,
    reason = "a test calls with the key that a recipient was given"
)]
async fn key(p: &Privity, recipient: &str, purpose: &str) -> String {
    let terms = CredentialTerms {
        purposes: Some(vec![purpose.into()]),
        ends_at: None,
    };
    let (_, key) = add_key(p, &recipient.into(), terms).await.unwrap();
    key.expose().clone()
}

async fn knows_maya(p: &Privity, business: &Business) -> SubjectId {
    let schema = p.schema().unwrap();
    let born = business.maya.birth_date.unwrap().to_string();
    let number = business.maya.number.to_string();
    let values = [
        ("customer_number", number.as_str()),
        ("email", business.maya.email.as_str()),
        ("birth_date", born.as_str()),
        ("country", "US"),
        ("state", "CA"),
    ];
    let values = values.map(|(key, value)| {
        let value = GivenValue::from(Sensitive::new(value.to_owned()));
        (schema.attribute_of(key).unwrap().number, value)
    });
    let record = GivenRecord {
        values: values.into(),
        observed_at: None,
    };
    let shop = schema.source_of("shop").unwrap();
    let written = write(p, shop, vec![record], Actor::System).await.unwrap();
    written.subjects[0].unwrap()
}

/// Status and body.
async fn get(gateway: std::net::SocketAddr, key: &str, number: u32) -> (u16, Value) {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    let call = format!(
        "GET /customers/{number} HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(call.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_recipient_of_the_demo_gets_of_a_customer_what_policies_say() {
    let folder = tempfile::tempdir().unwrap();
    let now: demo::Now = Arc::new(|| "2026-11-02T18:00:00Z".parse().unwrap());
    let business = start_business(folder.path(), 1, now).await.unwrap();
    let settings = demo::settings::settings(&business, "http://127.0.0.1:1").unwrap();
    let (clock, rng) = (governance::system_clock(), governance::system_rng());
    let p = governance::start(settings, clock, rng.clone())
        .await
        .unwrap();
    let maya = knows_maya(&p, &business).await;
    let gateway = Arc::new(Gateway::open(p.clone(), rng).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_stop, shutdown) = watch::channel(false);
    tokio::spawn(::gateway::serve(gateway, listener, shutdown));

    let post = key(&p, "parcel_post", "fulfil_orders").await;
    let number = business.maya.number;
    let (status, got) = get(address, &post, number).await;
    assert_eq!(status, 200, "{got}");
    assert_eq!(got["name"]["first"], business.maya.first_name.as_str());
    assert!(got["address"]["street"].is_string(), "{got}");
    for withheld in ["card", "born", "taste", "number"] {
        assert_eq!(got.get(withheld), None, "{withheld}");
    }

    let leads = key(&p, "sweet_leads", "sale_to_brokers").await;
    let (_, got) = get(address, &leads, number).await;
    for withheld in ["card", "born", "taste", "phone", "address"] {
        assert_eq!(got.get(withheld), None, "{withheld}");
    }
    let no_sale = NewChoice {
        id: None,
        party: Party::Subject(maya),
        scope: Scope::every([UseKind::Sale, UseKind::Sharing]),
        said: Said::OptedOut(None),
        by: By::Subject,
        how: How::Told(Way::Web),
        place: "shop".to_owned(),
        at: None,
        law: None,
    };
    let recorded = p.record_consents(vec![no_sale], Actor::System, None).await;
    assert!(matches!(
        recorded.unwrap().pop(),
        Some(Recorded::Kept { .. })
    ));
    // From this moment on she is nobody to whoever bought her data, and her parcels still come.
    assert_eq!(get(address, &leads, number).await.0, 404);
    assert_eq!(get(address, &post, number).await.0, 200);
    // As somebody whom the vault doesn't know.
    assert_eq!(get(address, &post, number + 1).await.0, 404);
}
