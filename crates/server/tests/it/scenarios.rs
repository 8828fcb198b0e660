//! Scenarios of law/scenarios.yaml without a date, as far as settings and pages decide them. The table of all of them stands in
//! crates/domain/tests/it/scenarios.rs.

use crate::office::Office;

#[tokio::test]
async fn ca_int_02_a_store_without_a_toll_free_number_is_told_so() {
    let office = Office::open().await;
    let mut settings = office.privity.settings().clone();
    let toll_free = |settings: &governance::settings::Settings| {
        let findings = server::config::check(settings);
        let finding = findings.into_iter().find(|finding| finding.rule == "INT-1");
        finding.unwrap()
    };
    settings.business.online_only = false;
    settings.business.toll_free_number = None;
    let finding = toll_free(&settings);
    assert!(!finding.ok && finding.words.contains("a number that costs nothing"));
    settings.business.toll_free_number = Some("+1 800 555 0100".to_owned());
    assert!(toll_free(&settings).ok);
}

#[tokio::test]
async fn ca_del_08_the_form_to_be_forgotten_asks_for_all_and_offers_no_pieces() {
    let office = Office::open().await;
    let page = office.get("/ask/delete").await.text;
    assert!(page.contains("Ask to be forgotten"), "{page}");
    for choice in ["type=\"checkbox\"", "type=\"radio\""] {
        assert!(!page.contains(choice), "{choice} would let her pick pieces");
    }
}
