//! Choices of somebody who has shown who she is: of the subject behind a privacy request, and of a child by its guardian.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use domain::audit::Actor;
use domain::consent::{By, GuardianProof, Party, Reason};
use domain::id::SubjectId;
use domain::purpose_of_use::PurposeKey;
use domain::sensitive::Sensitive;
use governance::consent::{Asked, StoredConsent};
use governance::profile::{GivenRecord, GivenValue};
use serde_json::{Value, json};

use crate::office::{Answer, Office};

const PURPOSES: &str = r"
purposes:
  sell_addresses:
    title: { en: Sale of addresses }
    description: { en: Paper Mill pays us for your address. }
    categories: [user.contact.email]
    uses: [sale]
    choice: opt_out
    recipients: [mill]
    notice: { key: sale, from_version: 1 }
";

const NOTICES: &str = r"
notices:
  - { notice: choices, version: 1, kind: right_to_opt_out, published_from: 2025-01-01T00:00:00Z, purposes: [sell_addresses], told_by: [web], contains: [right, how_to_opt_out],
      texts: { en: { title: Your Privacy Choices, body: You may stop it here. } } }
  - { notice: sale, version: 1, kind: consent, published_from: 2025-01-01T00:00:00Z, purposes: [sell_addresses], told_by: [web],
      texts: { en: { title: May we sell it?, body: Paper Mill prints it on envelopes. } } }
";

const HER: &str = "maya@example.org";
const SALE: &str = "sell_addresses";

async fn office(more: &str) -> Office {
    let files = [
        ("consent/purposes.yaml", PURPOSES),
        ("consent/notices.yaml", NOTICES),
    ];
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/profile.yaml");
    Office::with(
        &files,
        &format!("consent: consent\nprofile: {schema}\n{more}"),
    )
    .await
}

impl Office {
    /// Her profile, as the shop knows her.
    async fn knows(&self, born: &str) -> SubjectId {
        let schema = self.privity.schema().unwrap();
        let values = [
            ("customer_number", "7"),
            ("email", HER),
            ("birth_date", born),
        ];
        let values = values.map(|(key, value)| {
            let number = schema.attribute_of(key).unwrap().number;
            (number, GivenValue::from(Sensitive::new(value.to_owned())))
        });
        let record = GivenRecord {
            values: values.to_vec(),
            observed_at: None,
        };
        let shop = schema.source_of("shop").unwrap();
        let by = Actor::CommandLine;
        let written = governance::profile::write(&self.privity, shop, vec![record], by).await;
        written.unwrap().subjects[0].unwrap()
    }

    /// The page of a privacy request whose code she has not typed.
    async fn asked(&self) -> String {
        let fields = [("kind", "know_categories"), ("email", HER), ("law", "ccpa")];
        let sent = self.post("/ask/know", "", &fields).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
        self.work().await;
        sent.location
    }

    async fn verified(&self) -> String {
        let tracker = self.asked().await;
        let code = self.code(HER);
        let typed = self
            .post(&format!("{tracker}/code"), "", &[("code", &code)])
            .await;
        assert_eq!(typed.status, StatusCode::SEE_OTHER, "{}", typed.text);
        tracker
    }

    async fn chosen(&self, party: Party) -> Vec<StoredConsent> {
        let asked = Asked::of(party);
        self.privity.consent_history(&asked).await.unwrap().own
    }

    async fn sale(&self, id: SubjectId) -> Reason {
        let (asked, sale) = (Asked::of(Party::Subject(id)), PurposeKey::from(SALE));
        let standing = self.privity.standing(&asked, &sale, None, None).await;
        standing.unwrap().reason
    }

    async fn guardian(&self, child: SubjectId, proof: &str) -> Answer {
        let body = json!({"child": {"subject": child.to_string()}, "proof": proof});
        let request = Request::post("/api/v1/guardians")
            .header("authorization", format!("Bearer {}", self.key().await))
            .header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap())
            .await
    }
}

/// What a form of the page would send with a yes: what was shown stands in it.
fn yes(page: &str, sure: bool) -> Vec<(&'static str, String)> {
    let value = |name: &str| {
        let field = format!("name=\"{name}\" value=\"");
        let rest = page
            .split(&field)
            .nth(1)
            .unwrap_or_else(|| panic!("no {name}: {page}"));
        rest.split('"').next().unwrap().to_owned()
    };
    let mut fields = vec![
        ("purpose", SALE.to_owned()),
        ("choice", "yes".to_owned()),
        ("twice", "1".to_owned()),
    ];
    for name in ["notice", "version", "language", "digest"] {
        fields.push((name, value(name)));
    }
    if sure {
        fields.push(("sure", "1".to_owned()));
    }
    fields
}

fn sent<'f>(fields: &'f [(&'static str, String)]) -> Vec<(&'static str, &'f str)> {
    fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

fn device(office: &Office, cookie: &str) -> Party {
    let cookie = cookie.split(';').next().unwrap();
    let number = cookie.split_once('=').unwrap().1.to_owned();
    Party::Device(office.privity.device_tag(&Sensitive::new(number)))
}

#[tokio::test]
async fn after_the_code_choices_hold_for_all_that_is_known_of_her_and_not_before() {
    let office = office("").await;
    let her = office.knows("1990-05-20").await;
    let tracker = office.asked().await;
    let path = format!("{tracker}/choices");
    let no = [("purpose", SALE), ("choice", "no")];
    assert_eq!(office.get(&path).await.status, StatusCode::CONFLICT);
    assert_eq!(
        office.post(&path, "", &no).await.status,
        StatusCode::CONFLICT
    );
    assert!(
        !office
            .get(&tracker)
            .await
            .text
            .contains("Make your choices")
    );
    let code = office.code(HER);
    office
        .post(&format!("{tracker}/code"), "", &[("code", &code)])
        .await;
    assert!(
        office
            .get(&tracker)
            .await
            .text
            .contains("Make your choices"),
        "her page leads there"
    );
    let page = office.get(&path).await;
    assert!(
        page.text.contains("You have shown who you are"),
        "{}",
        page.text
    );
    assert!(!page.text.contains(HER));
    let saved = office.post(&path, "", &no).await;
    assert_eq!(saved.location, format!("{path}?said=saved#{SALE}"));
    assert_eq!(office.sale(her).await, Reason::OptedOut);
    let hers = office.chosen(Party::Subject(her)).await;
    assert!(matches!(hers[0].event.by, By::Subject));
    assert_eq!(office.chosen(device(&office, &saved.cookie)).await.len(), 1);
    let stranger = office.get("/requests/nobody/choices").await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_yes_of_hers_is_said_twice_and_lifts_her_no() {
    let office = office("").await;
    let her = office.knows("1990-05-20").await;
    let path = format!("{}/choices", office.verified().await);
    office
        .post(&path, "", &[("purpose", SALE), ("choice", "no")])
        .await;
    office.clock.advance(jiff::SignedDuration::from_secs(1));
    let page = office.get(&path).await.text;
    let once = yes(&page, false);
    let asked_again = office.post(&path, "", &sent(&once)).await;
    assert_eq!(
        asked_again.location,
        format!("{path}?confirm={SALE}#{SALE}")
    );
    assert_eq!(office.sale(her).await, Reason::OptedOut);
    let twice = yes(&page, true);
    let saved = office.post(&path, "", &sent(&twice)).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    assert_eq!(office.sale(her).await, Reason::ConsentedAgain);
}

#[tokio::test]
async fn what_her_browser_refused_before_holds_for_her_once_she_is_known() {
    let office = office("").await;
    let her = office.knows("1990-05-20").await;
    let no = [("purpose", SALE), ("choice", "no")];
    let cookie = office.post("/choices", "", &no).await.cookie;
    let cookie = cookie.split(';').next().unwrap().to_owned();
    assert_eq!(office.sale(her).await, Reason::NotOptedOut);
    let path = format!("{}/choices", office.verified().await);
    office.get_as(&path, &cookie).await;
    assert_eq!(office.sale(her).await, Reason::OptedOut);
}

#[tokio::test]
async fn a_child_who_has_shown_who_she_is_is_offered_no_yes() {
    let office = office("").await;
    let child = office.knows("2015-05-20").await;
    let path = format!("{}/choices", office.verified().await);
    let page = office.get(&path).await.text;
    assert!(
        page.contains("Only a parent or guardian can say yes"),
        "{page}"
    );
    assert!(!page.contains("value=\"yes\""), "{page}");
    let minors = office.get("/choices").await.text;
    let forced = yes(&minors, true);
    let refused = office.post(&path, "", &sent(&forced)).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(office.sale(child).await, Reason::GuardianNeeded);
}

#[tokio::test]
async fn a_guardian_says_yes_where_the_business_takes_her_proof() {
    let office = office("guardian_proofs: [call]\n").await;
    let child = office.knows("2015-05-20").await;
    let told = office.get("/choices?for=child").await.text;
    assert!(told.contains("in a call with our trained staff"), "{told}");
    let confirmed = office.guardian(child, "call").await;
    assert_eq!(confirmed.status, StatusCode::CREATED, "{}", confirmed.text);
    let confirmed: Value = serde_json::from_str(&confirmed.text).unwrap();
    let url = confirmed["url"].as_str().unwrap();
    let path = url.strip_prefix("http://office.test").unwrap();
    let page = office.get(path).await;
    assert!(
        page.text.contains("You choose for your child"),
        "{}",
        page.text
    );
    let saved = office.post(path, "", &sent(&yes(&page.text, true))).await;
    assert_eq!(saved.location, format!("{path}?said=saved#{SALE}"));
    assert_eq!(saved.cookie, "", "her browser is not her child’s");
    assert_eq!(office.sale(child).await, Reason::Consented);
    let proof = Some(GuardianProof::Call);
    assert_eq!(
        office.chosen(Party::Subject(child)).await[0].event.by,
        By::Guardian { proof }
    );
    office.clock.advance(jiff::SignedDuration::from_secs(1));
    office
        .post(path, "", &[("purpose", SALE), ("choice", "no")])
        .await;
    assert_eq!(office.sale(child).await, Reason::Withdrawn);
    // One letter changed, another child's name, another proof, later: none of them opens.
    for forged in [
        format!("{path}0"),
        path.replace(".call.", ".in_person."),
        path.replace(&child.to_string(), "sub_00000000000000000000000000000001"),
    ] {
        assert_ne!(forged, path);
        assert_eq!(
            office.get(&forged).await.status,
            StatusCode::NOT_FOUND,
            "{forged}"
        );
    }
    office.clock.advance(jiff::SignedDuration::from_hours(24));
    assert_eq!(office.get(path).await.status, StatusCode::GONE);
}

#[tokio::test]
async fn no_guardian_is_confirmed_by_a_proof_that_the_business_has_not_enabled() {
    let office = office("").await;
    let child = office.knows("2015-05-20").await;
    let refused = office.guardian(child, "call").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.text.contains("guardian_proof_not_enabled"),
        "{}",
        refused.text
    );
    assert!(
        refused.text.contains("`guardian_proofs`"),
        "{}",
        refused.text
    );
    let page = office.get("/choices?for=child").await.text;
    assert!(page.contains("we take no yes for a child here"), "{page}");
    let fields = [("purpose", SALE), ("choice", "yes"), ("for", "child")];
    let refused = office.post("/choices", "", &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
}
