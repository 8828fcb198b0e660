//! A version is published, tried, activated, seen by every node, and taken back.

use std::io::{BufRead as _, Write as _};

use domain::audit::{Action, Actor};
use domain::consent::Party;
use domain::policy::{AttributeSet, Question, Release};
use governance::policy::Activation;
use jiff::SignedDuration;
use tokio::sync::watch;

use super::{COMPANY, facts, house, on_each_engine, release, write};
use crate::consent::{keep, no};
use crate::profile_house::ProfileHouse;
use crate::server::{Engine, engine};

/// The same policies, with the sale narrowed to whoever lives in California.
fn narrowed() -> String {
    COMPANY.replace(
        "when { context.choice_allows }",
        "when { context.choice_allows && context.jurisdiction == \"US-CA\" }",
    )
}

fn put(house: &ProfileHouse, text: &str) {
    std::fs::write(house.dir.path().join("policies/company.cedar"), text).unwrap();
}

fn one_purpose_more(house: &ProfileHouse) {
    let purposes = house.dir.path().join("consent/purposes.yaml");
    let text = std::fs::read_to_string(&purposes).unwrap();
    let more = "  extra:\n    title: {en: Extra}\n    description: {en: More of it.}\n    categories: [user.name]\n    choice: none\n";
    std::fs::write(&purposes, format!("{text}{more}")).unwrap();
}

async fn somebody(house: &ProfileHouse, number: &str, state: &str) -> domain::id::SubjectId {
    let email = format!("c{number}@example.org");
    write(
        house,
        &[
            ("customer_number", number),
            ("email", &email),
            ("birth_date", "1990-05-20"),
            ("country", "US"),
            ("state", state),
        ],
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_the_first_start_are_version_one_and_stay_it() {
    on_each_engine(async |house| {
        let versions = house.p.policy_versions().await.unwrap();
        assert_eq!(versions.len(), 1);
        assert_eq!((versions[0].number, versions[0].state), (1, "active"));
        // A changed file changes nothing by itself.
        put(house, &narrowed());
        let second = house.second().await;
        assert_eq!(second.policies().unwrap().version, 1);
        assert_eq!(
            second.policies().unwrap().table.hash(),
            house.p.policies().unwrap().table.hash()
        );
        assert_eq!(second.policy_versions().await.unwrap(), versions);
        assert_eq!(house.records(Action::PoliciesPublished).await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_published_weighed_activated_and_taken_back_on_every_node() {
    on_each_engine(async |house| {
        let (p, other) = (&house.p, house.second().await);
        let (maya, tom) = (
            somebody(house, "1", "CA").await,
            somebody(house, "2", "TX").await,
        );
        put(house, &narrowed());
        let diff = p.policy_diff(1, None).await.unwrap();
        assert_eq!(
            (diff.added.len(), diff.removed.len(), diff.changed.len()),
            (0, 0, 1)
        );
        assert_eq!(diff.changed[0].id, "hearth.sale");
        let impact = p.policy_impact(None).await.unwrap();
        assert_eq!(impact.subjects, 2);
        assert_eq!(impact.heads.len(), 1, "{:?}", impact.heads);
        let heads = &impact.heads[0];
        assert_eq!(
            (
                heads.recipient.as_str(),
                heads.purpose.as_str(),
                heads.attribute.as_str()
            ),
            ("leads", "sale", "email")
        );
        assert_eq!((heads.gained, heads.lost, heads.changed), (0, 1, 0));
        assert!(impact.cells.iter().all(|cell| cell.purpose == "sale"));
        let published = p
            .publish_policies("less is sold", Actor::CommandLine)
            .await
            .unwrap();
        assert_eq!(published.number, 2);
        assert!(published.compared > 1_000, "{}", published.compared);
        assert_eq!(
            p.publish_policies("again", Actor::CommandLine)
                .await
                .unwrap_err()
                .code,
            "not_possible_now"
        );
        assert_eq!(
            release(house, tom, "leads", "sale", "email").await,
            Release::Keep,
            "a draft decides nothing"
        );
        assert_eq!(p.policy_impact(Some(2)).await.unwrap().heads, impact.heads);
        p.activate_policies(Activation::of(2), Actor::CommandLine)
            .await
            .unwrap();
        assert_eq!(
            release(house, tom, "leads", "sale", "email").await,
            Release::Withhold
        );
        assert_eq!(
            release(house, maya, "leads", "sale", "email").await,
            Release::Keep
        );
        assert_eq!(other.policies().unwrap().version, 1);
        assert!(other.adopt_policies().await.unwrap());
        assert_eq!(other.policies().unwrap().version, 2);
        assert!(!other.adopt_policies().await.unwrap());
        assert_eq!(
            other
                .roll_back_policies(None, Actor::CommandLine)
                .await
                .unwrap(),
            1
        );
        p.adopt_policies().await.unwrap();
        assert_eq!(
            release(house, tom, "leads", "sale", "email").await,
            Release::Keep
        );
        let states: Vec<_> = p
            .policy_versions()
            .await
            .unwrap()
            .iter()
            .map(|version| version.state)
            .collect();
        assert_eq!(states, ["retired", "active"]);
        assert_eq!(house.records(Action::PoliciesActivated).await.len(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_begins_at_its_moment() {
    on_each_engine(async |house| {
        let p = &house.p;
        let tom = somebody(house, "2", "TX").await;
        put(house, &narrowed());
        p.publish_policies("from tomorrow on", Actor::CommandLine)
            .await
            .unwrap();
        let past = p
            .activate_policies(Activation::of(2).at(p.now()), Actor::CommandLine)
            .await
            .unwrap_err();
        assert_eq!(past.field, Some("at"));
        let tomorrow = p.now() + SignedDuration::from_hours(24);
        p.activate_policies(Activation::of(2).at(tomorrow), Actor::CommandLine)
            .await
            .unwrap();
        assert!(!p.adopt_policies().await.unwrap());
        assert_eq!(
            release(house, tom, "leads", "sale", "email").await,
            Release::Keep
        );
        house.clock.set(tomorrow);
        assert!(p.adopt_policies().await.unwrap());
        assert_eq!(
            release(house, tom, "leads", "sale", "email").await,
            Release::Withhold
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_that_were_to_begin_the_last_one_does_and_none_comes_back() {
    on_each_engine(async |house| {
        let p = &house.p;
        let publish = async |text: &str| {
            put(house, text);
            let published = p.publish_policies("", Actor::CommandLine);
            published.await.unwrap().number
        };
        let second = publish(&narrowed()).await;
        let third = publish(&narrowed().replace("US-CA", "US-TX")).await;
        let is_active = || p.policies().unwrap().version;
        let tomorrow = p.now() + SignedDuration::from_hours(24);
        for number in [second, third] {
            p.activate_policies(Activation::of(number).at(tomorrow), Actor::CommandLine)
                .await
                .unwrap();
        }
        house.clock.set(tomorrow);
        p.adopt_policies().await.unwrap();
        assert_eq!(is_active(), third);
        for _ in 0..2 {
            assert!(!p.adopt_policies().await.unwrap());
        }
        assert_eq!(is_active(), third);
        // What was scheduled is taken back by saying that the one that decides goes on.
        let later = p.now() + SignedDuration::from_hours(1);
        p.activate_policies(Activation::of(second).at(later), Actor::CommandLine)
            .await
            .unwrap();
        p.activate_policies(Activation::of(third), Actor::CommandLine)
            .await
            .unwrap();
        house.clock.set(later);
        p.adopt_policies().await.unwrap();
        assert_eq!(is_active(), third);
        let again = p
            .activate_policies(Activation::of(third), Actor::CommandLine)
            .await;
        assert!(again.unwrap_err().title.contains("decides already"));
        // One that was to begin later doesn't outlive one that began by hand after that moment.
        let soon = p.now() + SignedDuration::from_hours(1);
        p.activate_policies(Activation::of(second).at(soon), Actor::CommandLine)
            .await
            .unwrap();
        house.clock.set(soon);
        p.activate_policies(Activation::of(1), Actor::CommandLine)
            .await
            .unwrap();
        p.adopt_policies().await.unwrap();
        assert_eq!(is_active(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_finds_the_one_before_though_it_is_a_shadow_by_now() {
    on_each_engine(async |house| {
        let p = &house.p;
        put(house, &narrowed());
        let second = p.publish_policies("", Actor::CommandLine).await.unwrap();
        let activate = async |number| {
            p.activate_policies(Activation::of(number), Actor::CommandLine)
                .await
        };
        activate(second.number).await.unwrap();
        house.clock.advance(SignedDuration::from_secs(1));
        put(house, &narrowed().replace("US-CA", "US-TX"));
        let third = p.publish_policies("", Actor::CommandLine).await.unwrap();
        activate(third.number).await.unwrap();
        p.shadow_policies(Some(second.number), Actor::CommandLine)
            .await
            .unwrap();
        house.clock.advance(SignedDuration::from_secs(1));
        // Who looked at another version than the one that decides takes nothing back.
        let stale = p.roll_back_policies(Some(second.number), Actor::CommandLine);
        let stale = stale.await.unwrap_err();
        assert!(stale.title.contains("another version decides"), "{stale}");
        let back = p.roll_back_policies(Some(third.number), Actor::CommandLine);
        assert_eq!(back.await.unwrap(), second.number);
        let again = p.roll_back_policies(Some(third.number), Actor::CommandLine);
        assert!(
            again.await.is_err(),
            "the second of two doesn't bring the bad one back"
        );
        assert_eq!(p.policies().unwrap().version, second.number);
        assert!(p.policies().unwrap().shadow.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_passes_over_the_same_policies_on_other_ground() {
    on_each_engine(async |house| {
        let p = &house.p;
        put(house, &narrowed());
        let second = p.publish_policies("", Actor::CommandLine).await.unwrap();
        p.activate_policies(Activation::of(second.number), Actor::CommandLine)
            .await
            .unwrap();
        house.clock.advance(SignedDuration::from_secs(1));
        // The same policies over other purposes are a version of their own.
        one_purpose_more(house);
        let with = house.second().await;
        assert_eq!(with.policies().unwrap().version, second.number + 1);
        house.clock.advance(SignedDuration::from_secs(1));
        let back = with.roll_back_policies(None, Actor::CommandLine).await;
        assert_eq!(back.unwrap(), 1, "the policies before, not the same ones");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_at_once_with_the_same_new_files_make_one_version_of_them() {
    on_each_engine(async |house| {
        one_purpose_more(house);
        let (one, other) = tokio::join!(house.second(), house.second());
        for node in [&one, &other] {
            assert_eq!(node.policies().unwrap().version, 2);
        }
        assert_eq!(one.policy_versions().await.unwrap().len(), 2);
    })
    .await;
}

/// Somebody who lets version 2 decide and takes her time over it.
struct Activating {
    done: tokio::task::JoinHandle<()>,
    go_on: std::sync::mpsc::Sender<()>,
}

impl Activating {
    async fn version_2(p: &governance::Privity) -> Self {
        let (held, is_held) = std::sync::mpsc::channel();
        let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
        let may_go_on = std::sync::Mutex::new(may_go_on);
        let (database, now) = (p.database().clone(), p.now());
        let done = tokio::spawn(async move {
            let activated = database.write::<_, storage::Error, _>("activate", move |tx| {
                storage::policy_version::hold(tx)?;
                storage::policy_version::activate(tx, 2, now)?;
                held.send(()).unwrap();
                may_go_on.lock().unwrap().recv().unwrap();
                Ok(())
            });
            activated.await.unwrap();
        });
        tokio::task::spawn_blocking(move || is_held.recv().unwrap())
            .await
            .unwrap();
        Self { done, go_on }
    }

    async fn goes_on_when_another_waits(self, p: &governance::Privity) {
        let waits = || {
            p.database().read::<_, storage::Error, _>("look", |tx| {
                let sql = "-- look\nSELECT COUNT(*) AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
                tx.query_one(sql, &[])?.count::<u64>("waiting")
            })
        };
        while waits().await.unwrap() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        self.go_on.send(()).unwrap();
        self.done.await.unwrap();
    }
}

/// In PostgreSQL, where two write at once.
#[tokio::test(flavor = "multi_thread")]
async fn who_changes_what_decides_waits_for_whoever_does_so_already() {
    let Some(store) = engine(Engine::Postgres) else {
        return;
    };
    let house = house(Some(store)).await;
    let (p, other) = (&house.p, house.second().await);
    for text in [narrowed(), narrowed().replace("US-CA", "US-TX")] {
        put(&house, &text);
        p.publish_policies("", Actor::CommandLine).await.unwrap();
    }
    let first = Activating::version_2(p).await;
    let second = tokio::spawn(async move {
        let activation = Activation::of(3).instead_of(1);
        other
            .activate_policies(activation, Actor::CommandLine)
            .await
    });
    first.goes_on_when_another_waits(p).await;
    let problem = second.await.unwrap().unwrap_err();
    assert!(
        problem.title.contains("another version decides"),
        "{problem}"
    );
    let versions = p.policy_versions().await.unwrap();
    let active = versions.iter().filter(|version| version.state == "active");
    let active: Vec<_> = active.map(|version| version.number).collect();
    assert_eq!(active, [2]);
}

/// A node that starts with other files follows what decides, and not what decided when it began to look.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_other_files_does_not_undo_what_was_activated_meanwhile() {
    let Some(store) = engine(Engine::Postgres) else {
        return;
    };
    let house = house(Some(store)).await;
    let p = &house.p;
    put(&house, &narrowed());
    p.publish_policies("", Actor::CommandLine).await.unwrap();
    one_purpose_more(&house);
    let activating = Activating::version_2(p).await;
    let (node, ()) = tokio::join!(house.second(), activating.goes_on_when_another_waits(p));
    assert_eq!(node.policies().unwrap().version, 3);
    let versions = p.policy_versions().await.unwrap();
    let of = |number| versions.iter().find(|one| one.number == number).unwrap();
    assert_eq!(versions.len(), 3);
    assert_eq!((of(2).state, of(3).state), ("retired", "active"));
    assert_eq!(of(3).note, "version 2 over a changed configuration");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_with_its_line_and_not_published() {
    on_each_engine(async |house| {
        put(
            house,
            &COMPANY.replace("context.choice_allows", "context.choice_alows"),
        );
        let problem = house
            .p
            .publish_policies("", Actor::CommandLine)
            .await
            .unwrap_err();
        assert_eq!(problem.code, "policies_wrong");
        assert!(
            problem
                .title
                .contains("company.cedar:9: policy `hearth.sale`"),
            "{}",
            problem.title
        );
        assert_eq!(house.p.policy_versions().await.unwrap().len(), 1);
        assert_eq!(
            house
                .p
                .activate_policies(Activation::of(7), Actor::CommandLine)
                .await
                .unwrap_err()
                .status,
            404
        );
        assert!(
            house
                .p
                .roll_back_policies(None, Actor::CommandLine)
                .await
                .is_err()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_counts_what_it_would_change_and_changes_nothing() {
    on_each_engine(async |house| {
        let p = &house.p;
        let (maya, tom) = (
            somebody(house, "1", "CA").await,
            somebody(house, "2", "TX").await,
        );
        put(house, &narrowed());
        p.publish_policies("", Actor::CommandLine).await.unwrap();
        p.shadow_policies(Some(2), Actor::CommandLine)
            .await
            .unwrap();
        let in_force = p.policies().unwrap();
        assert_eq!(in_force.version, 1);
        let table = &in_force.table;
        let wanted: AttributeSet = table.layout().attributes();
        for id in [maya, tom, tom] {
            let facts = facts(house, id).await;
            let question = Question {
                cell: table.cell(&"leads".into(), &"sale".into()).unwrap(),
                facts: &facts,
                on: p.now(),
                wanted: &wanted,
            };
            let decided = table.decide(&question);
            in_force.observe(&question, &decided);
        }
        let report = in_force.shadow.as_ref().unwrap().report();
        assert_eq!(
            (report.version, report.decisions, report.divergences.len()),
            (2, 3, 1)
        );
        let one = &report.divergences[0];
        assert_eq!(
            (one.attribute.as_str(), one.now, one.would, one.times),
            ("email", "keep", "withhold", 2)
        );
        assert_eq!(one.policy.as_deref(), Some("hearth.sale"));
        assert_eq!(
            release(house, tom, "leads", "sale", "email").await,
            Release::Keep
        );
        p.shadow_policies(None, Actor::CommandLine).await.unwrap();
        assert!(p.policies().unwrap().shadow.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_that_no_longer_fit_deny_everything_and_can_be_repaired() {
    on_each_engine(async |house| {
        let tom = somebody(house, "2", "TX").await;
        // The business calls a purpose otherwise, and forgets its policy about it.
        let purposes = house.dir.path().join("consent/purposes.yaml");
        let text = std::fs::read_to_string(&purposes).unwrap();
        std::fs::write(&purposes, text.replace("  orders:\n", "  shipping:\n")).unwrap();
        let second = house.second().await;
        assert!(second.policies().is_none(), "closed, but not stopped");
        assert_eq!(second.subject_facts(tom).await.unwrap(), None);
        put(
            house,
            &COMPANY.replace("Action::\"orders\"", "Action::\"shipping\""),
        );
        let published = second
            .publish_policies("renamed", Actor::CommandLine)
            .await
            .unwrap();
        second
            .activate_policies(Activation::of(published.number), Actor::CommandLine)
            .await
            .unwrap();
        assert_eq!(second.policies().unwrap().version, 2);
        assert!(second.subject_facts(tom).await.unwrap().is_some());
        // A node that still declares what the new version no longer names can't follow, and must not go on with the old one.
        assert!(house.p.policies().is_some());
        assert!(house.p.adopt_policies().await.is_err());
        assert!(house.p.policies().is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_that_fits_no_more_is_left_out_and_the_active_version_decides() {
    on_each_engine(async |house| {
        let purposes = house.dir.path().join("consent/purposes.yaml");
        let text = std::fs::read_to_string(&purposes).unwrap();
        one_purpose_more(house);
        let with = house.second().await;
        put(
            house,
            &COMPANY.replace("Action::\"orders\"", "Action::\"extra\""),
        );
        let published = with.publish_policies("", Actor::CommandLine).await.unwrap();
        with.shadow_policies(Some(published.number), Actor::CommandLine)
            .await
            .unwrap();
        assert!(with.policies().unwrap().shadow.is_some());
        std::fs::write(&purposes, &text).unwrap();
        let without = house.second().await;
        let in_force = without.policies().expect("the active version decides");
        assert!(in_force.shadow.is_none());
        assert!(
            !without.adopt_policies().await.unwrap(),
            "it isn't tried at each look"
        );
    })
    .await;
}

/// In PostgreSQL alone, where somebody else can hold a table.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_does_not_wait_for_facts_that_cannot_be_worked_out() {
    let Some(store) = engine(Engine::Postgres) else {
        return;
    };
    let url = store.url();
    let house = house(Some(store)).await;
    let maya = somebody(&house, "1", "CA").await;
    let second = house.second().await;
    let (stop, stopped) = watch::channel(false);
    put(&house, &narrowed());
    let published = house.p.publish_policies("less is sold", Actor::CommandLine);
    let number = published.await.unwrap().number;
    keep(&house.p, no(Party::Subject(maya), "sale")).await;
    let mut holding = std::process::Command::new("psql")
        .args(["-X", "-q", "-A", "-t", &url])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(holding.stdout.take().unwrap());
    let mut statements = holding.stdin.take().unwrap();
    writeln!(
        statements,
        "BEGIN; LOCK TABLE subject_facts IN EXCLUSIVE MODE; SELECT 'held';"
    )
    .unwrap();
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "held");
    let keeping = tokio::spawn(governance::policy::keep_current(second.clone(), stopped));
    house
        .p
        .activate_policies(Activation::of(number), Actor::CommandLine)
        .await
        .unwrap();
    let has_it = async {
        while second.policies().unwrap().version != number {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(60), has_it).await;
    assert!(waited.is_ok(), "the version waits for the facts");
    assert!(!is_worked_out(&second).await, "they were held");
    drop(statements);
    holding.wait().unwrap();
    while !is_worked_out(&second).await {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    stop.send(true).unwrap();
    keeping.await.unwrap();
}

async fn is_worked_out(p: &governance::Privity) -> bool {
    let now = p.now();
    let read = p
        .database()
        .read::<_, storage::Error, _>("look", move |tx| {
            storage::subject_facts::is_any_due(tx, now)
        });
    !read.await.unwrap()
}
