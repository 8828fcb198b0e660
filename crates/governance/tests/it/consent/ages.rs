//! What profiles say acts in consent: a child's guardian consents for her, a minor opts in to sale herself, and a birthday changes the
//! answer by itself.

use domain::audit::{Action, Actor, Record};
use domain::consent::{By, GuardianProof, Party, Reason};
use domain::id::SubjectId;
use governance::consent::NewChoice;
use governance::profile::forget;
use jiff::Timestamp;

use super::{NOTICES, PURPOSES, ask, keep, no, reason, record, refusal, yes};
use crate::profile_house::{ProfileHouse, SHOP, SUBJECT, holds};
use crate::server::{Engine, engine};

/// Runs a test on SQLite, and on PostgreSQL where there is one.
async fn on_each_engine(test: impl AsyncFn(&ProfileHouse)) {
    let files = [
        ("consent/purposes.yaml", PURPOSES),
        ("consent/notices.yaml", NOTICES),
    ];
    test(&ProfileHouse::with_files(None, &files).await).await;
    if let Some(store) = engine(Engine::Postgres) {
        test(&ProfileHouse::with_files(Some(store), &files).await).await;
    }
}

async fn born(house: &ProfileHouse, number: &str, on: &str) -> SubjectId {
    let values = [("customer_number", number), ("birth_date", on)];
    house.write(SHOP, &[&values]).await.subjects[0].unwrap()
}

fn at(house: &ProfileHouse, moment: &str) {
    house.clock.set(moment.parse().unwrap());
}

fn guardians(choice: NewChoice, proof: Option<GuardianProof>) -> NewChoice {
    NewChoice {
        by: By::Guardian { proof },
        ..choice
    }
}

/// What the audit log says of birth dates that were looked at.
async fn looks(house: &ProfileHouse) -> Vec<Record> {
    let mut records = house.records(Action::Disclosed).await;
    records.retain(|record| record.details["purpose"] == "know_who_may_consent");
    records
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_is_not_sold_before_her_guardian_says_yes() {
    on_each_engine(async |house| {
        let p = &house.p;
        let child = Party::Subject(born(house, "1", "2014-05-20").await);
        assert_eq!(
            reason(p, child.clone(), "sale").await,
            Reason::GuardianNeeded
        );
        let refused = refusal(p, yes(child.clone(), "sale")).await;
        assert_eq!(refused.code, "consent_would_not_count");
        assert!(refused.title.contains("guardian"), "{}", refused.title);
        let unproven = guardians(yes(child.clone(), "sale"), None);
        assert_eq!(refusal(p, unproven).await.code, "consent_would_not_count");
        assert!(!ask(p, child.clone(), "sale").await.allowed);
        let call = Some(GuardianProof::Call);
        keep(p, guardians(yes(child.clone(), "sale"), call)).await;
        assert_eq!(reason(p, child.clone(), "sale").await, Reason::Consented);
        keep(p, no(child.clone(), "sale")).await;
        assert_eq!(reason(p, child, "sale").await, Reason::Withdrawn);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minor_opts_in_herself_and_no_guardian_can_for_her() {
    on_each_engine(async |house| {
        let p = &house.p;
        let minor = Party::Subject(born(house, "1", "2012-05-20").await);
        assert_eq!(
            reason(p, minor.clone(), "sale").await,
            Reason::MinorsConsentNeeded
        );
        let call = Some(GuardianProof::Call);
        let guardians = guardians(yes(minor.clone(), "sale"), call);
        assert_eq!(refusal(p, guardians).await.code, "consent_would_not_count");
        keep(p, yes(minor.clone(), "sale")).await;
        assert_eq!(reason(p, minor, "sale").await, Reason::Consented);
        let adult = Party::Subject(born(house, "2", "1990-05-20").await);
        assert_eq!(reason(p, adult, "sale").await, Reason::NotOptedOut);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn birthdays_change_the_answer_by_themselves() {
    on_each_engine(async |house| {
        let p = &house.p;
        let child = Party::Subject(born(house, "1", "2014-05-20").await);
        let call = Some(GuardianProof::Call);
        keep(p, guardians(yes(child.clone(), "sale"), call)).await;
        let standing = ask(p, child.clone(), "sale").await;
        // Midnight in California.
        let thirteen: Timestamp = "2027-05-20T07:00:00Z".parse().unwrap();
        assert_eq!(standing.until, Some(thirteen));
        at(house, "2027-05-20T06:59:59Z");
        assert!(ask(p, child.clone(), "sale").await.allowed);
        at(house, "2027-05-20T07:00:00Z");
        let standing = ask(p, child.clone(), "sale").await;
        assert_eq!(
            (standing.allowed, standing.reason),
            (false, Reason::MinorsConsentNeeded)
        );
        at(house, "2030-05-20T06:59:59Z");
        assert!(!ask(p, child.clone(), "sale").await.allowed);
        at(house, "2030-05-20T07:00:00Z");
        assert_eq!(reason(p, child, "sale").await, Reason::NotOptedOut);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_birth_date_that_was_taken_out_is_unknown_again_and_so_is_whoever_was_forgotten() {
    on_each_engine(async |house| {
        let p = &house.p;
        let one = born(house, "1", "2014-05-20").await;
        let other = born(house, "2", "2014-05-20").await;
        for id in [one, other] {
            let before = reason(p, Party::Subject(id), "sale").await;
            assert_eq!(before, Reason::GuardianNeeded);
        }
        let values = [("customer_number", "1"), ("birth_date", "")];
        house.write(SHOP, &[&values]).await;
        assert_eq!(
            reason(p, Party::Subject(one), "sale").await,
            Reason::NotOptedOut
        );
        forget(p, [other].into(), Actor::CommandLine).await.unwrap();
        let before = looks(house).await.len();
        assert_eq!(
            reason(p, Party::Subject(other), "sale").await,
            Reason::NotOptedOut
        );
        assert_eq!(
            refusal(p, yes(Party::Subject(other), "sale")).await.code,
            "unknown_subject"
        );
        assert_eq!(
            looks(house).await.len(),
            before,
            "there was nothing to open"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_youngest_that_any_source_says_is_protected() {
    on_each_engine(async |house| {
        let p = &house.p;
        let values = [
            ("customer_number", "1"),
            ("email", "a@example.org"),
            ("birth_date", "1990-05-20"),
        ];
        let id = house.write(SHOP, &[&values]).await.subjects[0].unwrap();
        assert_eq!(
            reason(p, Party::Subject(id), "sale").await,
            Reason::NotOptedOut
        );
        let values = [("email", "a@example.org"), ("birth_date", "2014-05-20")];
        let other = house.write(SUBJECT, &[&values]).await.subjects[0].unwrap();
        // One subject, by the address that both have proven.
        for id in [id, other] {
            let reason = reason(p, Party::Subject(id), "sale").await;
            assert_eq!(reason, Reason::GuardianNeeded);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_birth_date_is_opened_where_an_answer_depends_on_it_and_nowhere_else() {
    on_each_engine(async |house| {
        let p = &house.p;
        let id = born(house, "1", "2014-05-20").await;
        let child = Party::Subject(id);
        keep(p, no(child.clone(), "sale")).await;
        assert_eq!(reason(p, child.clone(), "orders").await, Reason::NoChoice);
        assert_eq!(looks(house).await.len(), 0, "nothing depended on it");
        assert_eq!(reason(p, child.clone(), "sale").await, Reason::Withdrawn);
        let outcomes = record(
            p,
            vec![yes(child.clone(), "sale"), yes(child.clone(), "newsletter")],
        );
        assert_eq!(outcomes.await.len(), 2);
        let looks = looks(house).await;
        assert_eq!(
            looks.len(),
            2,
            "once for each question, not for each choice"
        );
        for record in looks {
            assert_eq!(record.details["subject"], id.to_string());
            assert_eq!(record.details["recipient"], "nobody");
            let listed = house.listed(&record).await;
            assert_eq!(listed["age_only"][0], "profile:birth_date");
            assert_eq!(listed["allowed"], serde_json::json!([]));
            let text = serde_json::to_string(&record).unwrap();
            assert!(!text.contains("2014-05-20"), "{text}");
        }
        assert!(!holds(&house.everything_stored().await, "2014-05-20"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_birth_date_that_cannot_be_read_makes_nobody_an_adult() {
    on_each_engine(async |house| {
        let p = &house.p;
        let child = Party::Subject(born(house, "1", "2014-05-20").await);
        p.database()
            .write::<_, storage::Error, _>("damage", |tx| {
                let sql = "-- damage\nUPDATE profile_segment SET row_version = row_version + 1";
                tx.execute(sql, &[])
            })
            .await
            .unwrap();
        let asked = governance::consent::Asked::of(child.clone());
        let problem = p.standings(&asked).await.unwrap_err();
        assert_eq!(problem.status, 500);
        assert!(!format!("{problem:?}").contains("2014"), "{problem:?}");
        let tried = p.record_consents(vec![yes(child.clone(), "sale")], Actor::CommandLine, None);
        assert!(tried.await.is_err());
        keep(p, no(child, "sale")).await;
    })
    .await;
}
