//! Policies, choices and withdrawals as recipients see them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::audit::Action;
use domain::consent::Party;
use domain::id::SubjectId;
use futures_util::future::join_all;
use governance::disclosure::{
    Caller, Door, Effect, Granted, Question, SubjectAsked, disclose, disclose_each,
};
use governance::profile::forget;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use super::{ALL, ask, by_email, caller, ledger, maya, on_each_engine, seen, write};
use crate::consent::{keep, no, yes};
use crate::profile_house::ProfileHouse;

async fn tom(house: &ProfileHouse) -> SubjectId {
    let values = [
        ("customer_number", "2"),
        ("email", "tom@example.org"),
        ("first_name", "Tom"),
        ("birth_date", "1985-01-02"),
        ("country", "US"),
        ("state", "TX"),
    ];
    write(house, &values).await
}

fn nobody() -> SubjectId {
    SubjectId::from_uuid(uuid::Uuid::from_u128(7))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_gets_what_policies_and_her_choices_allow_and_no_more() {
    on_each_engine(async |house| {
        let id = maya(house).await;
        let mill = seen(house, &caller("mill", "orders"), SubjectAsked::Id(id)).await;
        assert_eq!(mill.len(), 1);
        assert_eq!(mill["first_name"], "Maya");
        keep(&house.p, yes(Party::Subject(id), "sale")).await;
        let leads = seen(
            house,
            &caller("leads", "sale"),
            by_email("Maya@Example.org "),
        )
        .await;
        assert_eq!(leads.len(), 1);
        assert_eq!(leads["email"], "maya@example.org");
        for (recipient, purpose) in [
            ("leads", "orders"),
            ("mill", "sale"),
            ("mill", "no such purpose"),
            ("nobody", "orders"),
        ] {
            let none = seen(house, &caller(recipient, purpose), SubjectAsked::Id(id)).await;
            assert!(none.is_empty(), "{recipient} {purpose}");
        }
    })
    .await;
}

/// Who is asked about, what is kept of her, and her profile.
type Told = (
    Option<SubjectId>,
    BTreeSet<String>,
    Option<serde_json::Value>,
);

fn told(granted: &[Granted], with_profile: bool) -> Vec<Told> {
    let told = granted.iter().map(|one| {
        let kept = one.kept().map(|key| key.to_string()).collect();
        let profile = with_profile.then(|| serde_json::to_value(one.profile().unwrap()).unwrap());
        (one.subject(), kept, profile)
    });
    told.collect()
}

/// They are decided and recorded together, whoever they are, whatever door they came in by and however many they asked about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_ask_at_once_each_gets_what_is_its_own() {
    on_each_engine(async |house| {
        let (her, him) = (maya(house).await, tom(house).await);
        keep(&house.p, yes(Party::Subject(him), "sale")).await;
        keep(&house.p, no(Party::Subject(her), "sale")).await;
        governance::policy::refresh_facts(&house.p).await.unwrap();
        let at_gateway = |recipient, purpose| Caller {
            door: Door::Gateway,
            ..caller(recipient, purpose)
        };
        let email = || by_email("tom@example.org");
        let cases = [
            (caller("mill", "orders"), vec![SubjectAsked::Id(her)]),
            (caller("mill", "orders"), vec![SubjectAsked::Id(him)]),
            (caller("leads", "sale"), vec![SubjectAsked::Id(her)]),
            (caller("leads", "sale"), vec![email()]),
            (
                caller("mill", "orders"),
                vec![email(), SubjectAsked::Id(nobody()), SubjectAsked::Id(her)],
            ),
            (
                at_gateway("leads", "sale"),
                vec![SubjectAsked::Id(her), email()],
            ),
            (at_gateway("mill", "orders"), vec![SubjectAsked::Id(him)]),
            (
                caller("mill", "no such purpose"),
                vec![SubjectAsked::Id(him)],
            ),
            (caller("mill", "orders"), Vec::new()),
        ];
        let opens = |caller: &Caller| caller.door == Door::ProfileApi;
        let mut alone = Vec::new();
        for (caller, asked) in &cases {
            alone.push(told(&ask(house, caller, asked, &ALL).await, opens(caller)));
        }
        assert_eq!(
            alone.concat().iter().filter(|one| one.0.is_some()).count(),
            7
        );
        const ROUNDS: usize = 24;
        let attributes: Vec<_> = ALL.iter().map(|key| (*key).into()).collect();
        let all = (0..ROUNDS * cases.len()).map(|number| {
            let (caller, asked) = cases[number % cases.len()].clone();
            let (p, attributes) = (house.p.clone(), attributes.clone());
            tokio::spawn(async move { disclose(&p, &caller, &asked, &attributes).await })
        });
        for (number, granted) in join_all(all).await.into_iter().enumerate() {
            let case = number % cases.len();
            let granted = granted.unwrap().unwrap();
            assert_eq!(
                told(&granted, opens(&cases[case].0)),
                alone[case],
                "case {case}"
            );
        }
        for (subject, recipient, in_a_round) in
            [(her, "mill", 2), (him, "mill", 3), (him, "leads", 2)]
        {
            let entries = ledger(house, subject).await;
            let times = entries
                .iter()
                .filter(|one| one.recipient.as_ref() == recipient);
            let times: u64 = times.map(|one| one.times).sum();
            assert_eq!(times, in_a_round * (ROUNDS as u64 + 1), "{recipient}");
        }
        assert!(
            ledger(house, her)
                .await
                .iter()
                .all(|one| one.recipient.as_ref() == "mill")
        );
    })
    .await;
}

/// Counts what the transactions of a name ask of our database.
#[derive(Clone, Default)]
struct Statements(Arc<AtomicUsize>);

impl Statements {
    fn take(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct IsLoad(bool);
        impl Visit for IsLoad {
            fn record_str(&mut self, field: &Field, value: &str) {
                self.0 |= field.name() == "transaction"
                    && (value == "append records" || value == "decide for recipients");
            }
            fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
        }
        let mut is_load = IsLoad(false);
        event.record(&mut is_load);
        self.0.fetch_add(usize::from(is_load.0), Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_unknown_is_looked_for_as_often_as_whoever_is_known() {
    let statements = Statements::default();
    // For the whole process: readers have threads of their own.
    let counting = tracing_subscriber::registry().with(statements.clone());
    tracing::subscriber::set_global_default(counting).unwrap();
    on_each_engine(async |house| {
        let id = maya(house).await;
        governance::policy::refresh_facts(&house.p).await.unwrap();
        let (mill, withheld) = (caller("mill", "orders"), caller("mill", "sale"));
        let mut counts = Vec::new();
        for (caller, asked) in [
            (&mill, SubjectAsked::Id(id)),
            (&withheld, SubjectAsked::Id(id)),
            (&mill, SubjectAsked::Id(nobody())),
            (&mill, by_email("maya@example.org")),
            (&mill, by_email("nobody@example.org")),
        ] {
            statements.take();
            ask(house, caller, &[asked], &ALL).await;
            counts.push(statements.take());
        }
        assert!(
            counts[0] > 0 && counts.iter().all(|one| *one == counts[0]),
            "{counts:?}"
        );
    })
    .await;
}

/// Each is decided and recorded by itself, and a call that asks forty doesn't wait for the disk forty times.
#[tokio::test(flavor = "multi_thread")]
async fn the_questions_of_one_call_wait_for_the_disk_together() {
    const QUESTIONS: usize = 40;
    let statements = Statements::default();
    let counting = tracing_subscriber::registry().with(statements.clone());
    tracing::subscriber::set_global_default(counting).unwrap();
    on_each_engine(async |house| {
        let (her, him) = (maya(house).await, tom(house).await);
        governance::policy::refresh_facts(&house.p).await.unwrap();
        let subjects = [
            SubjectAsked::Id(her),
            by_email("tom@example.org"),
            SubjectAsked::Id(nobody()),
        ];
        let question = |number: usize| Question {
            caller: caller(["mill", "leads"][number % 2], "orders"),
            subject: subjects[number % 3].clone(),
            attributes: vec!["first_name".into(), "email".into()],
        };
        let questions: Vec<_> = (0..QUESTIONS).map(question).collect();
        statements.take();
        let granted = disclose_each(&house.p, &questions).await.unwrap();
        let together = statements.take();
        for (number, granted) in granted.iter().enumerate() {
            let whom = match (number % 2, number % 3) {
                (0, 0) => Some(her),
                (0, 1) => Some(him),
                _ => None,
            };
            assert_eq!(granted.subject(), whom, "{number}");
        }
        assert_eq!(granted.len(), QUESTIONS);
        assert!(together < 2 * QUESTIONS, "{together} statements");
        let records = house.records(Action::Disclosed).await.len()
            + house.records(Action::DisclosureDenied).await.len();
        assert_eq!(records, QUESTIONS);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_that_was_answered_is_seen_by_whoever_asks_after_it_on_every_node() {
    on_each_engine(async |house| {
        let id = maya(house).await;
        let second = house.second().await;
        let leads = caller("leads", "sale");
        let gets = async |p: &governance::Privity| {
            let asked = [SubjectAsked::Id(id)];
            let email = ["email".into()];
            let granted = governance::disclosure::disclose(p, &leads, &asked, &email);
            !granted.await.unwrap()[0].is_empty()
        };
        for round in 0..4 {
            house.clock.advance(jiff::SignedDuration::from_secs(1));
            keep(&house.p, no(Party::Subject(id), "sale")).await;
            assert!(
                !gets(&house.p).await && !gets(&second).await,
                "round {round}"
            );
            house.clock.advance(jiff::SignedDuration::from_secs(1));
            keep(&house.p, yes(Party::Subject(id), "sale")).await;
            assert!(gets(&house.p).await && gets(&second).await, "round {round}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_unknown_erased_or_withheld_looks_the_same_and_is_recorded() {
    on_each_engine(async |house| {
        let id = maya(house).await;
        let gone = super::write(
            house,
            &[("customer_number", "2"), ("email", "jo@example.org")],
        )
        .await;
        forget(&house.p, [gone].into(), domain::audit::Actor::CommandLine)
            .await
            .unwrap();
        let asked = [
            SubjectAsked::Id(nobody()),
            SubjectAsked::Id(gone),
            SubjectAsked::Id(id),
            by_email("nobody@example.org"),
            by_email("jo@example.org"),
            by_email("not an address"),
        ];
        let granted = ask(house, &caller("mill", "sale"), &asked, &ALL).await;
        assert_eq!(granted.len(), asked.len());
        for one in &granted {
            assert!(one.is_empty() && one.subject().is_none());
            assert!(one.profile().unwrap().is_none());
            assert_eq!(one.effect(&"email".into()), Effect::Drop);
        }
        let denied = house.records(Action::DisclosureDenied).await;
        assert_eq!(denied.len(), asked.len());
        let reasons: Vec<_> = denied
            .iter()
            .map(|one| one.details["reason"].as_str().unwrap())
            .collect();
        assert_eq!(
            reasons,
            [
                "unknown_subject",
                "unknown_subject",
                "nothing_permitted",
                "unknown_subject",
                "unknown_subject",
                "unknown_subject"
            ]
        );
        assert_eq!(ledger(house, id).await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_decided_in_order_each_with_her_own_record_and_the_ledger_counts() {
    on_each_engine(async |house| {
        let id = maya(house).await;
        let jo = super::write(
            house,
            &[
                ("customer_number", "2"),
                ("email", "jo@example.org"),
                ("first_name", "Jo"),
            ],
        )
        .await;
        let asked = [
            SubjectAsked::Id(jo),
            SubjectAsked::Id(nobody()),
            SubjectAsked::Id(id),
            SubjectAsked::Id(jo),
        ];
        let granted = ask(house, &caller("mill", "orders"), &asked, &["first_name"]).await;
        let subjects: Vec<_> = granted
            .iter()
            .map(governance::disclosure::Granted::subject)
            .collect();
        assert_eq!(subjects, [Some(jo), None, Some(id), Some(jo)]);
        ask(
            house,
            &caller("mill", "orders"),
            &asked[..1],
            &["first_name"],
        )
        .await;
        let (of_jo, of_maya) = (ledger(house, jo).await, ledger(house, id).await);
        assert_eq!((of_jo.len(), of_jo[0].times), (1, 3));
        assert_eq!((of_maya.len(), of_maya[0].times), (1, 1));
        assert_eq!(of_jo[0].names["keep"], ["profile:first_name"]);
        let recorded = house.records(Action::Disclosed).await;
        assert_eq!(recorded.len(), 4);
        assert_eq!(recorded.last().unwrap().sequence, of_jo[0].last_sequence);
        assert_eq!(recorded[0].details["door"], "profile_api");
        assert_eq!(recorded[0].details["purpose_of_use"], "orders");
        assert_eq!(recorded[0].actor.to_string(), "recipient:mill");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sold_is_marked_and_nothing_else_is() {
    on_each_engine(async |house| {
        let id = maya(house).await;
        keep(&house.p, yes(Party::Subject(id), "sale")).await;
        seen(house, &caller("mill", "orders"), SubjectAsked::Id(id)).await;
        seen(house, &caller("leads", "sale"), SubjectAsked::Id(id)).await;
        let sold: Vec<_> = ledger(house, id)
            .await
            .iter()
            .map(|one| (one.recipient.to_string(), one.sale.sold, one.sale.shared))
            .collect();
        assert_eq!(
            sold,
            [
                ("leads".to_owned(), true, false),
                ("mill".to_owned(), false, false)
            ]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_and_no_text_of_the_recipient_gets_into_records_or_ledger() {
    on_each_engine(async |house| {
        let id = maya(house).await;
        let asked = [SubjectAsked::Id(id), by_email("maya@example.org")];
        let odd = ["first_name", "maya@example.org", "4111 1111 1111 1111"];
        ask(house, &caller("mill", "orders"), &asked, &odd).await;
        ask(house, &caller("mill", "maya@example.org"), &asked, &odd).await;
        for action in [
            Action::Disclosed,
            Action::DisclosureDenied,
            Action::AttributesNamed,
        ] {
            for record in house.records(action).await {
                let text = serde_json::to_string(&record).unwrap();
                assert!(!text.contains('@') && !text.contains("4111") && !text.contains("Maya"));
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_were_merged_are_one_subject_and_her_choice_counts_for_all() {
    on_each_engine(async |house| {
        let id = maya(house).await;
        let other = house
            .write(
                crate::profile_house::CRM,
                &[&[("customer_number", "1"), ("first_name", "May")]],
            )
            .await
            .subjects[0]
            .unwrap();
        assert_ne!(id, other);
        let granted = ask(
            house,
            &caller("mill", "orders"),
            &[SubjectAsked::Id(other)],
            &["first_name"],
        )
        .await;
        let canonical = granted[0].subject().unwrap();
        assert!(canonical == id || canonical == other);
        assert_eq!(ledger(house, canonical).await.len(), 1);
        keep(&house.p, no(Party::Subject(other), "sale")).await;
        let leads = ask(
            house,
            &caller("leads", "sale"),
            &[SubjectAsked::Id(id)],
            &["email"],
        )
        .await;
        assert!(leads[0].is_empty());
    })
    .await;
}
