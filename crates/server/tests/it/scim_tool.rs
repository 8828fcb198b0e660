//! SCIM as somebody else's client judges it: `scim test` of the PyPI package scim2-cli, over a real connection, at both doors.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tells what did not run; a test calls with the keys that it was given"
)]

use std::process::Stdio;

use governance::disclosure::{CredentialTerms, add_key};
use tokio::net::TcpListener;

use crate::office::Office;

/// Every place that has a default, more of a User and of an enterprise's, and an extension of the business's own.
pub(crate) const SCHEMA: &str = r#"version: 1
sources:
  - { source: staff, number: 1, title: Identity provider, record: external_id, proves: [external_id] }
attributes:
  - { attribute: user_name, number: 1, title: Account, category: user.unique_id, identifier: { rule: verbatim } }
  - { attribute: external_id, number: 2, title: Number elsewhere, category: user.unique_id, identifier: { rule: verbatim, unique: true } }
  - { attribute: active, number: 3, title: Has an account, kind: boolean, category: user.account }
  - { attribute: display_name, number: 4, title: Shown name, category: user.name }
  - { attribute: first_name, number: 5, title: First name, category: user.name.first }
  - { attribute: last_name, number: 6, title: Last name, category: user.name.last }
  - { attribute: email, number: 7, title: E-mail, category: user.contact.email, identifier: { rule: email } }
  - { attribute: phone, number: 8, title: Telephone, category: user.contact.phone_number }
  - { attribute: street, number: 9, title: Street, category: user.contact.address.street }
  - { attribute: city, number: 10, title: City, category: user.contact.address.city }
  - { attribute: state, number: 11, title: State, category: user.contact.address.state }
  - { attribute: postal_code, number: 12, title: Postal code, category: user.contact.address.postal_code }
  - { attribute: country, number: 13, title: Country, category: user.contact.address.country }
  - { attribute: language, number: 14, title: Language, category: user.account }
  - { attribute: job_title, number: 15, title: Job title, category: user.job_title }
  - { attribute: company, number: 16, title: Company, category: user.contact.organization }
  - { attribute: home_email, number: 17, title: E-mail at home, category: user.contact.email }
  - { attribute: nick_name, number: 18, title: Nickname, category: user.name }
  - { attribute: department, number: 19, title: Department, category: user.account }
  - { attribute: profile_url, number: 20, title: Profile url, category: user.account }
  - { attribute: user_type, number: 21, title: User type, category: user.account }
  - { attribute: locale, number: 22, title: Locale, category: user.account }
  - { attribute: timezone, number: 23, title: Timezone, category: user.account }
  - { attribute: im, number: 24, title: Im, category: user.account }
  - { attribute: photo, number: 25, title: Photo, category: user.account }
  - { attribute: entitlement, number: 26, title: Entitlement, category: user.account }
  - { attribute: role, number: 27, title: Role, category: user.account }
  - { attribute: employee_number, number: 28, title: Employee number, category: user.account }
  - { attribute: cost_center, number: 29, title: Cost center, category: user.account }
  - { attribute: division, number: 30, title: Division, category: user.account }
  - { attribute: loyalty_tier, number: 31, title: Loyalty tier, category: user.account }
  - { attribute: loyalty_since, number: 32, title: Loyalty since, category: user.account }
  - { attribute: loyalty_card, number: 33, title: Loyalty card, category: user.account }
  - { attribute: loyalty_store, number: 34, title: Loyalty store, category: user.account }
  - { attribute: loyalty_points, number: 35, title: Loyalty points, category: user.account }
  - { attribute: loyalty_referredby, number: 36, title: Loyalty referredby, category: user.account }
  - { attribute: loyalty_newsletter, number: 37, title: Loyalty newsletter, category: user.account }
  - { attribute: loyalty_segment, number: 38, title: Loyalty segment, category: user.account }
  - { attribute: loyalty_note, number: 39, title: Loyalty note, category: user.account }
  - { attribute: loyalty_birthday, number: 40, title: Loyalty birthday, category: user.account }
scim:
  source: staff
  writers: [mill]
  attributes:
    nickName: nick_name
    'emails[type eq "home"].value': home_email
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department': department
    'profileUrl': profile_url
    'userType': user_type
    'locale': locale
    'timezone': timezone
    'ims[type eq "chat"].value': im
    'photos[type eq "photo"].value': photo
    'entitlements[type eq "plan"].value': entitlement
    'roles[type eq "role"].value': role
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber': employee_number
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter': cost_center
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:division': division
    'urn:example:params:scim:schemas:loyalty:2.0:Customer:tier': loyalty_tier
    'urn:example:params:scim:schemas:loyalty:2.0:Customer:since': loyalty_since
    'urn:example:params:scim:schemas:loyalty:2.0:Customer:card': loyalty_card
    'urn:example:params:scim:schemas:loyalty:2.0:Customer:store': loyalty_store
    'urn:example:params:scim:schemas:loyalty:2.0:Customer:points': loyalty_points
    'urn:example:params:scim:schemas:loyalty:2.0:Customer:referredBy': loyalty_referredby
    'urn:example:params:scim:schemas:loyalty:2.0:Customer:newsletter': loyalty_newsletter
    'urn:example:params:scim:schemas:loyalty:2.0:Customer:segment': loyalty_segment
    'urn:example:params:scim:schemas:loyalty:2.0:Customer:note': loyalty_note
    'urn:example:params:scim:schemas:loyalty:2.0:Customer:birthday': loyalty_birthday
"#;

/// What the tool says of one check.
#[derive(Debug)]
struct Checked {
    is_passed: bool,
    words: String,
}

/// What scim2-cli says of a door, or nothing where it is not installed.
async fn checked(office: &Office, door: &str, key: &str) -> Option<Vec<Checked>> {
    let Ok(tool) = std::env::var("PRIVITY_TEST_SCIM2_CLI") else {
        println!("did not run: PRIVITY_TEST_SCIM2_CLI names no `scim` of scim2-cli");
        return None;
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = office.router.clone();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let output = tokio::process::Command::new(tool)
        .args(["--url", &format!("http://{address}{door}"), "test", "-v"])
        .env("SCIM_CLI_HEADERS", format!("Authorization: Bearer {key}"))
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    serving.abort();
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let mut checks: Vec<Checked> = Vec::new();
    for line in said.lines() {
        let status = line.split_whitespace().next().unwrap_or_default();
        let is_status = [
            "SUCCESS",
            "COMPLIANT",
            "ACCEPTABLE",
            "DEVIATION",
            "ERROR",
            "CRITICAL",
            "SKIPPED",
        ]
        .contains(&status);
        if is_status && !line.starts_with(' ') {
            checks.push(Checked {
                is_passed: status == "SUCCESS",
                words: line.to_owned(),
            });
        } else if let Some(last) = checks.last_mut() {
            last.words.push('\n');
            last.words.push_str(line);
        }
    }
    assert!(!checks.is_empty(), "{said}\n{complained}");
    Some(checks)
}

/// All pass, and there are as many as these places make.
fn all_pass(checks: &[Checked], expected: usize) {
    let failed: Vec<_> = checks.iter().filter(|one| !one.is_passed).collect();
    let words: Vec<_> = failed.iter().map(|one| one.words.as_str()).collect();
    assert!(
        failed.is_empty(),
        "{} of {} fail:\n{}",
        failed.len(),
        checks.len(),
        words.join("\n")
    );
    assert_eq!(checks.len(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_of_the_business_passes_all_checks() {
    let office = Office::with(&[("profile.yaml", SCHEMA)], "profile: profile.yaml\n").await;
    let key = office.key().await;
    if let Some(checks) = checked(&office, "/scim/v2", &key).await {
        all_pass(&checks, 135);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_of_a_recipient_that_may_see_and_write_all_passes_all_checks() {
    let files = [
        ("profile.yaml", SCHEMA),
        ("consent/purposes.yaml", PURPOSES),
        ("consent/notices.yaml", "notices: []\n"),
        ("policies/company.cedar", POLICIES),
    ];
    let more = "profile: profile.yaml\nconsent: consent\npolicies: policies\n";
    let office = Office::with(&files, more).await;
    let terms = CredentialTerms {
        purposes: Some(vec!["directory".into()]),
        ends_at: None,
    };
    let added = add_key(&office.privity, &"mill".into(), terms).await;
    let (_, key) = added.unwrap();
    if let Some(checks) = checked(&office, "/recipient/scim/v2", key.expose()).await {
        all_pass(&checks, 135);
    }
}

const PURPOSES: &str = "purposes:
  directory:
    title: {en: Directory}
    description: {en: Who is who.}
    categories: [user]
    choice: none
    recipients: [mill]
";

const POLICIES: &str = r#"
@id("office.directory")
@citation("Contract with Paper Mill")
@title("Paper Mill keeps the directory")
@reason_subject("So that there is a directory.")
@reason_operator("All of an account goes to whoever keeps the directory.")
permit (principal == Recipient::"mill", action == Action::"directory", resource);
"#;
