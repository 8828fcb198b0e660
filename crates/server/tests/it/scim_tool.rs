//! SCIM as somebody else's client judges it: `scim test` of the PyPI package scim2-cli, over a real connection, at both doors.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tells what did not run; a test calls with the keys that it was given"
)]

use std::process::Stdio;

use tokio::net::TcpListener;

use crate::office::Office;

/// Every place that has a default, and one more of several.
pub(crate) const SCHEMA: &str = r#"version: 1
sources:
  - { source: staff, number: 1, title: Identity provider, record: user_name, proves: [user_name] }
attributes:
  - { attribute: user_name, number: 1, title: Account, category: user.unique_id, identifier: { rule: verbatim, unique: true } }
  - { attribute: external_id, number: 2, title: Number elsewhere, category: user.unique_id, identifier: { rule: verbatim } }
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
scim:
  source: staff
  attributes:
    nickName: nick_name
    'emails[type eq "home"].value': home_email
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department': department
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
