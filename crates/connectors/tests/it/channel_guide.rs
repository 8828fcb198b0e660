//! What the guides and the documentation show as configuration is what the program reads.

use connectors::email::{EmailConfig, SmtpConfig};
use connectors::http::{HttpConfig, HttpConnector};
use connectors::opendsr::OpendsrConfig;
use connectors::webhook::WebhookConfig;
use serde::de::DeserializeOwned;

const GUIDE: &str = include_str!("../../../../docs/guides/recipients.md");

/// The YAML blocks of a text, in order.
fn blocks(text: &str) -> Vec<&str> {
    text.split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

fn reads<T: DeserializeOwned>(yaml: &str) -> T {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

#[tokio::test]
async fn the_guides_configurations_are_read() {
    let blocks = blocks(GUIDE);
    assert_eq!(blocks.len(), 4);
    let webhook: WebhookConfig = reads(blocks[0]);
    assert!(webhook.trusted_ca.is_none() && !webhook.allow_loopback);
    let opendsr: OpendsrConfig = reads(blocks[1]);
    assert_eq!(
        opendsr.identity_types["customer_number"],
        "controller_customer_id"
    );
    let email: EmailConfig = reads(blocks[2]);
    assert_eq!(email.reply_to.as_deref(), Some("privacy@shop.example"));
    let smtp: SmtpConfig = reads(blocks[3]);
    assert!(connectors::email::Mailer::new(&smtp).is_ok());
}

#[test]
fn the_documented_declaration_of_a_help_desk_is_read() {
    let source = include_str!("../../src/http.rs");
    let documentation: String = source
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect();
    let config: HttpConfig = reads(blocks(&documentation)[0]);
    assert_eq!(config.collections["tickets"].list.len(), 2);
    assert!(HttpConnector::new("desk".into(), config).is_ok());
}

#[test]
fn one_list_may_stand_without_a_dash() {
    let config: HttpConfig = reads(
        "base_url: https://a.example\ncollections:\n  a:\n    list: { by: [x], path: /a, query: { x: '{x}' }, pagination: none }\n",
    );
    assert_eq!(config.collections["a"].list[0].by, ["x"]);
}
