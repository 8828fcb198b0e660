//! Privacy requests and our own vault: what is kept of a subject there is planned, held, handed out and forgotten like everything else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use domain::audit::{Action, Actor};
use domain::data_map::IdentifierKind;
use domain::id::{OperatorId, SubjectId};
use domain::privacy_request::{RequestKind, RequestState};
use domain::sensitive::Sensitive;
use domain::task::TaskKind;
use enforcement::vault::{KeyRing, VaultError, WrappedSubjectKey};
use governance::key::{self, KeyKind};
use governance::legal_hold::{self, Place};
use governance::privacy_request::intake::Received;
use governance::privacy_request::{access, plan};
use governance::profile::{Forgotten, Refusal, forget, take_back};
use governance::view::RequestDetail;
use governance::worker::{run_next, run_until_idle};
use storage::subject::StoredKey;
use tokio::io::AsyncReadExt as _;

use crate::vault_house::{
    CRM, HELP_DESK, SHOP, SIGN, VaultHouse, clock, count, fill, on_each_engine, open, stored,
};

/// What the plan says of our own collections: rows, rows to be deleted, rows that stay.
fn planned(detail: &RequestDetail) -> Vec<(String, u64, u64, u64)> {
    let plan = detail.plan.as_ref().expect("a plan");
    let own = plan
        .collections
        .iter()
        .filter(|one| one.system.as_ref() == "privity" && one.rows > 0);
    own.map(|one| {
        (
            one.collection.to_string(),
            one.rows,
            one.delete,
            one.kept.iter().map(|kept| kept.rows).sum(),
        )
    })
    .collect()
}

async fn forgotten(house: &VaultHouse, email: &str) -> Received {
    let operator = house.operator().await;
    let received = house.ask_verified(RequestKind::Delete, email).await;
    plan::approve(&house.p, received.id, operator)
        .await
        .unwrap();
    house.work().await;
    house.recipients_answer().await;
    received
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_forgotten_in_our_own_vault_and_it_is_proven() {
    on_each_engine(async |house| {
        let (maya, sam) = house.fill().await;
        let (keys, segments) = house.stored(&maya).await;
        assert!(!house.holds(SIGN.as_bytes()), "nothing is stored in clear");
        assert!(
            house.holds(segments[0].sealed.envelope()),
            "the sealed bytes are found while they are there"
        );

        let operator = house.operator().await;
        let received = house
            .ask_verified(RequestKind::Delete, "maya@example.org")
            .await;
        let records = maya.iter().collect::<BTreeSet<_>>().len() as u64;
        assert_eq!(
            planned(&house.detail(&received).await),
            [
                ("privity.identifier".to_owned(), 2, 2, 0),
                ("privity.profile".to_owned(), records, records, 0)
            ],
            "all records that were merged, and what the help desk knows of the same address"
        );
        assert_eq!(
            house.stored(&maya).await.1.len(),
            segments.len(),
            "nothing is touched before approval"
        );
        plan::approve(&house.p, received.id, operator)
            .await
            .unwrap();
        house.work().await;
        house.recipients_answer().await;

        let detail = house.detail(&received).await;
        assert_eq!(
            detail.residue.as_ref().map(Vec::len),
            Some(0),
            "{:?}",
            detail.tasks
        );
        assert_eq!(
            detail.listed.state,
            RequestState::PartlyFulfilled,
            "{:?}",
            detail.tasks
        );
        let evidence = governance::evidence::export(&house.p, received.id)
            .await
            .unwrap();
        let key = governance::evidence::public_key(&house.p).unwrap();
        governance::evidence::verify(&evidence, Some(&key)).unwrap();
        let erased = house.records(Action::Erased).await;
        let own = erased
            .iter()
            .find(|record| record.subject_of.as_deref() == Some("privity"))
            .expect("the vault's part of the evidence");
        assert_eq!(own.request.map(|link| link.id), Some(received.id));
        let done = &own.details["pass"]["collections"]["privity.profile"];
        assert_eq!(done["deleted"], records);

        let (after, left) = house.stored(&maya).await;
        assert!(left.is_empty());
        assert!(
            after
                .iter()
                .all(|one| one.key.is_none() && one.erased_at.is_some() && one.canonical.is_none())
        );
        for key in keys.iter().filter_map(|one| one.key.as_ref()) {
            assert!(!house.holds(&key.wrapped), "a wrapped key is left");
        }
        for segment in &segments {
            assert!(
                !house.holds(segment.sealed.envelope()),
                "a sealed segment is left"
            );
        }
        assert!(!house.holds(SIGN.as_bytes()));
        let (sams, rest) = house.stored(&[sam]).await;
        assert!(
            sams[0].key.is_some() && !rest.is_empty(),
            "nobody else's profile is touched"
        );
        assert_eq!(
            (
                house.count("source_record").await,
                house.count("identifier").await
            ),
            (1, 2),
            "Sam's customer number and e-mail"
        );
        assert_eq!(
            (
                house.count("identity_event").await,
                house.count("identity_review").await
            ),
            (0, 0)
        );
        let told = house.records(Action::ProfileErased).await;
        assert_eq!(told.len(), 2, "one for each subject");
        let keys: u64 = told
            .iter()
            .map(|record| record.details["keys"].as_u64().unwrap())
            .sum();
        assert_eq!(keys, records);
        assert!(told.iter().all(|record| record.details["swept"] == 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_twice_is_once_and_a_stranger_is_passed_over() {
    on_each_engine(async |house| {
        let (maya, sam) = house.fill().await;
        let stranger = SubjectId::from_uuid(uuid::Uuid::from_u128(7));
        let ids: BTreeSet<SubjectId> = [maya[1], stranger].into();
        let first = forget(&house.p, ids.clone(), Actor::CommandLine)
            .await
            .unwrap();
        assert_eq!(
            first.subjects, 1,
            "by the id of a record that was merged into another"
        );
        assert!(
            first.segments > first.records && first.identifiers > 0 && first.source_records > 0
        );
        let again = forget(&house.p, ids, Actor::CommandLine).await.unwrap();
        assert_eq!(again, Forgotten::default());
        assert_eq!(house.records(Action::ProfileErased).await.len(), 1);
        assert_eq!(house.stored(&[sam]).await.0[0].erased_at, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_segment_leaves_no_tag_behind() {
    on_each_engine(async |house| {
        let (maya, _) = house.fill().await;
        house.tamper(&format!(
            "UPDATE profile_segment SET row_version = row_version + 1 WHERE segment = 'contact' AND subject_id = {}",
            literal(maya[0], house)
        ));
        let before = house.count("identifier").await;
        let done = forget(&house.p, maya.iter().copied().collect(), Actor::CommandLine).await.unwrap();
        let told = house.records(Action::ProfileErased).await;
        assert_eq!(told.iter().map(|one| one.details["swept"].as_u64().unwrap()).sum::<u64>(), 1);
        assert_eq!((house.count("identifier").await, house.count("source_record").await), (2, 1), "only Sam's are left of {before}");
        assert_eq!(done.identifiers, before - 2);
    })
    .await;
}

/// An id as the engine's SQL writes it.
fn literal(id: SubjectId, house: &VaultHouse) -> String {
    let hex = id.uuid().simple();
    if house.is_postgres() {
        format!("decode('{hex}', 'hex')")
    } else {
        format!("X'{hex}'")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_gets_what_her_profile_holds_with_who_said_so_and_when() {
    on_each_engine(async |house| {
        let (maya, _) = house.fill().await;
        let received = house
            .ask_verified(RequestKind::KnowSpecific, "maya@example.org")
            .await;
        let package = package(house, &received).await;
        for wanted in [
            "zqplanted Maya",
            "zqplanted rye",
            "zqplanted Ada",
            "Web shop",
            "Sales team",
            "2026-03-04T05:06:07Z",
            "privity.profile",
        ] {
            assert!(package.contains(wanted), "{wanted} is missing");
        }
        for never in ["zqplanted4111", "zqplanted-078-05", "privity.identifier"] {
            assert!(!package.contains(never), "{never} must not leave");
        }
        assert!(
            package.contains("The law forbids us to send it"),
            "what never leaves is described"
        );
        let disclosed = house.records(Action::Disclosed).await;
        let of_profile: Vec<_> = disclosed
            .iter()
            .filter(|one| one.details.get("subject").is_some())
            .collect();
        assert_eq!(
            of_profile.len(),
            2,
            "one recorded decision for each subject"
        );
        assert_eq!(of_profile[0].details["recipient"], "subject");
        assert_eq!(of_profile[0].details["purpose"], "give_access");
        assert!(
            house.listed(of_profile[0]).await["allowed"]
                .to_string()
                .contains("profile:first_name")
        );
        assert!(
            house.listed(of_profile[0]).await["described"]
                .to_string()
                .contains("profile:tax_id")
        );
        assert!(
            maya.iter()
                .any(|id| of_profile[0].details["subject"] == id.to_string())
        );
        assert!(!house.holds(SIGN.as_bytes()));
    })
    .await;
}

/// Every file of the package, one after the other.
async fn package(house: &VaultHouse, received: &Received) -> String {
    let mut bytes = Vec::new();
    let mut package = access::fetch(&house.p, &received.tracker).await.unwrap();
    package.file.read_to_end(&mut bytes).await.unwrap();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut whole = String::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        whole.push_str(&file.name().unwrap());
        file.read_to_string(&mut whole).unwrap();
    }
    whole
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legal_hold_keeps_the_profile_with_its_identifiers_and_says_why() {
    on_each_engine(async |house| {
        let (maya, _) = house.fill().await;
        let operator = house.operator().await;
        hold(house, operator).await;
        let received = house
            .ask_verified(RequestKind::Delete, "maya@example.org")
            .await;
        let records = maya.iter().collect::<BTreeSet<_>>().len() as u64;
        assert_eq!(
            planned(&house.detail(&received).await),
            [
                ("privity.identifier".to_owned(), 2, 0, 2),
                ("privity.profile".to_owned(), records, 0, records)
            ]
        );
        let before = house.count("identifier").await;
        plan::approve(&house.p, received.id, operator)
            .await
            .unwrap();
        house.work().await;
        house.recipients_answer().await;
        let detail = house.detail(&received).await;
        assert_eq!(
            detail.listed.state,
            RequestState::PartlyFulfilled,
            "{:?}",
            detail.tasks
        );
        assert_eq!(
            detail.residue.map(|residue| residue.len()),
            Some(0),
            "what is held is no residue"
        );
        assert!(
            detail
                .reasons
                .iter()
                .any(|reason| reason.code == "X8_legal_claims")
        );
        assert_eq!(house.count("identifier").await, before);
        assert!(
            house
                .stored(&maya)
                .await
                .0
                .iter()
                .all(|one| one.key.is_some())
        );
        assert!(house.records(Action::ProfileErased).await.is_empty());
    })
    .await;
}

async fn hold(house: &VaultHouse, operator: OperatorId) {
    let place = Place {
        name: "Okafor against Hearth & Crumb".to_owned(),
        reason_code: "X8_legal_claims".to_owned(),
        note: String::new(),
        covers: ["privity.profile".into()].into(),
        request: None,
        until: None,
    };
    legal_hold::place(&house.p, operator, place).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_import_brings_between_erasing_and_reading_again_is_erased_as_well() {
    on_each_engine(async |house| {
        let (_, sam) = house.fill().await;
        let operator = house.operator().await;
        let received = house
            .ask_verified(RequestKind::Delete, "maya@example.org")
            .await;
        plan::approve(&house.p, received.id, operator)
            .await
            .unwrap();
        while house.records(Action::ProfileErased).await.is_empty() {
            assert!(run_next(&house.p).await.unwrap().is_some());
        }
        let back = house
            .write(
                CRM,
                &[
                    ("customer_number", "77"),
                    ("email", "maya@example.org"),
                    ("first_name", "zqplanted again"),
                ],
            )
            .await;
        house.work().await;
        let detail = house.detail(&received).await;
        assert_eq!(
            detail.residue.map(|residue| residue.len()),
            Some(0),
            "{:?}",
            detail.tasks
        );
        assert!(
            house.stored(&[back.subjects[0].unwrap()]).await.0[0]
                .erased_at
                .is_some()
        );
        assert!(house.stored(&[sam]).await.0[0].erased_at.is_none());
        assert_eq!(house.records(Action::ResidueFound).await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_forgotten_comes_back_with_no_import_but_by_herself() {
    on_each_engine(async |house| {
        house.fill().await;
        forgotten(house, "maya@example.org").await;
        let shop: &[(&str, &str)] = &[("customer_number", "1"), ("email", "maya@example.org")];
        let other_number: &[(&str, &str)] =
            &[("customer_number", "9"), ("email", "Maya@Example.org")];
        let crm: &[(&str, &str)] = &[
            ("customer_number", "1"),
            ("email", "maya.okafor@work.example"),
        ];
        let lee: &[(&str, &str)] = &[("customer_number", "5"), ("first_name", "Lee")];
        let lees: &[(&str, &str)] = &[("email", "lee@example.org"), ("first_name", "Lee")];
        let desk: &[(&str, &str)] = &[("email", "maya@example.org"), ("allergies", "nuts")];
        for (source, values, other) in [
            (SHOP, shop, lee),
            (SHOP, other_number, lee),
            (CRM, crm, lee),
            (HELP_DESK, desk, lees),
        ] {
            let written = house.write_all(source, &[values, other]).await;
            assert_eq!(written.refused.len(), 1, "{:?}", written.refused);
            assert!(matches!(&written.refused[0], (0, Refusal::Suppressed(_))));
            assert!(!written.refused[0].1.to_string().contains("maya"));
            assert!(written.subjects[1].is_some(), "the rest goes on");
        }
        let unproven: &[(&str, &str)] = &[("customer_number", "6"), ("email", "maya@example.org")];
        let written = house.write_all(CRM, &[unproven]).await;
        assert!(
            written.refused.is_empty(),
            "an address that nobody proved names nobody for sure"
        );

        let back = vec![
            (
                IdentifierKind::email(),
                Sensitive::new("Maya@example.org".to_owned()),
            ),
            (
                IdentifierKind("customer_number".to_owned()),
                Sensitive::new("1".to_owned()),
            ),
        ];
        assert_eq!(
            take_back(&house.p, back.clone(), Actor::Subject)
                .await
                .unwrap(),
            2
        );
        assert_eq!(take_back(&house.p, back, Actor::Subject).await.unwrap(), 0);
        let written = house.write_all(SHOP, &[shop]).await;
        assert_eq!((written.new, written.refused.len()), (1, 0));
        assert_eq!(
            house.records(Action::Suppressed).await.len(),
            2,
            "put on the list, and taken back"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_opens_until_its_epoch_is_destroyed_and_never_again() {
    let house = VaultHouse::new(None).await;
    let (maya, sam) = house.fill().await;
    // What a backup of that day holds.
    let (backup, segments) = house.stored(&maya).await;
    let old: Vec<(SubjectId, StoredKey)> = backup
        .into_iter()
        .filter_map(|one| Some((one.id, one.key?)))
        .collect();
    forgotten(&house, "maya@example.org").await;
    let file = house.dir.path().join("privity.key");
    let ring = KeyRing::open(&file).unwrap();
    let opens = |ring: &KeyRing, (id, key): &(SubjectId, StoredKey)| {
        ring.unwrap_subject_key(
            *id,
            &WrappedSubjectKey::from_parts(key.version, key.wrapped.clone()),
        )
        .map(drop)
    };
    assert!(
        old.iter().all(|one| opens(&ring, one).is_ok()) && !segments.is_empty(),
        "until then a backup and the key file still open her"
    );

    key::rotate(&house.p, KeyKind::Epoch, Duration::ZERO)
        .await
        .unwrap();
    let ring = KeyRing::open(&file).unwrap();
    for one in &old {
        assert!(
            matches!(opens(&ring, one), Err(VaultError::UnknownEpoch(_))),
            "a backup of the forgotten opens no more"
        );
    }
    let sams = house.stored(&[sam]).await.0[0].key.clone().unwrap();
    assert!(
        opens(&ring, &(sam, sams)).is_ok(),
        "whoever was not forgotten still opens"
    );
}

const DIR: &str = "PRIVITY_FORGET_TEST_DIR";
const PORT: &str = "PRIVITY_FORGET_TEST_MAIL_PORT";

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_killed_between_erasing_and_reading_again_goes_on() {
    let house = VaultHouse::new(None).await;
    let (maya, sam) = house.fill().await;
    let operator = house.operator().await;
    let received = house
        .ask_verified(RequestKind::Delete, "maya@example.org")
        .await;
    plan::approve(&house.p, received.id, operator)
        .await
        .unwrap();
    house.p.database().close().await;
    let (dir, port) = (house.dir.path().to_owned(), house.mailbox.port);
    tokio::task::spawn_blocking(move || kill_after_erasing(&dir, port))
        .await
        .unwrap();

    let p = house.reopened().await;
    let (killed, left) = stored(&p, &maya).await;
    assert!(
        killed.iter().all(|one| one.key.is_none()) && left.is_empty(),
        "what was erased stays erased"
    );
    let before = governance::privacy_request::console::detail(&p, received.id)
        .await
        .unwrap();
    assert!(before.residue.is_none(), "nobody has read again yet");
    // The dead worker's lease has to end.
    house.clock.advance(jiff::SignedDuration::from_mins(11));
    run_until_idle(&p).await.unwrap();
    let after = governance::privacy_request::console::detail(&p, received.id)
        .await
        .unwrap();
    assert_eq!(
        after.residue.map(|residue| residue.len()),
        Some(0),
        "{:?}",
        after.tasks
    );
    assert!(stored(&p, &[sam]).await.0[0].key.is_some());
    assert_eq!(
        (
            count(&p, "source_record").await,
            count(&p, "identifier").await
        ),
        (1, 2)
    );
}

/// Runs the worker in a process of its own, and kills it when the profile is erased.
fn kill_after_erasing(dir: &Path, port: u16) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "profile_erase::worker_for_the_crash_test",
            "--nocapture",
            "--ignored",
        ])
        .env(DIR, dir)
        .env(PORT, port.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let erased = lines
        .map_while(Result::ok)
        .any(|line| line.contains("ERASED"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(erased, "the worker came as far as erasing");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by a_deletion_killed_between_erasing_and_reading_again_goes_on"]
async fn worker_for_the_crash_test() {
    let (Ok(dir), Ok(port)) = (std::env::var(DIR), std::env::var(PORT)) else {
        return;
    };
    let dir = Path::new(&dir);
    let storage = format!("sqlite:{}/privity.db", dir.display());
    let p = open(dir, &storage, port.parse().unwrap(), &clock()).await;
    while count(&p, "profile_segment").await > 3 {
        let ran = run_next(&p).await.unwrap();
        assert!(
            !matches!(ran, None | Some((TaskKind::Confirm, _))),
            "{ran:?}"
        );
    }
    println!("ERASED");
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_schema_a_database_with_profiles_does_not_start() {
    let house = VaultHouse::new(None).await;
    fill(&house.p).await;
    let mut settings = house.p.settings().clone();
    settings.profile = None;
    let started = governance::start(
        settings,
        clock(),
        std::sync::Arc::new(crate::house::SeededRng::new(3)),
    )
    .await;
    let problem = started.err().expect("no start");
    assert!(
        problem.title.contains("set it to the schema's file"),
        "{problem}"
    );
}
