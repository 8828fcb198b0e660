//! Writing profiles: new, known, bad and rival records, and who is who at the moment they come in; on both engines.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{Action, Actor, Hash};
use domain::id::SubjectId;
use domain::identity::{Review, ReviewKind};
use governance::profile::{Written, row_hash, row_text, write};
use storage::{Error, identity, profile_segment, subject};

use crate::profile_house::{CRM, HELP_DESK, ProfileHouse, SHOP, holds, on_each_engine};

fn came_of(written: &Written) -> (u64, u64, u64, usize) {
    (
        written.new,
        written.changed,
        written.unchanged,
        written.refused.len(),
    )
}

/// Which record stands for each.
async fn groups(house: &ProfileHouse, subjects: &[SubjectId]) -> Vec<SubjectId> {
    let ids: BTreeSet<_> = subjects.iter().copied().collect();
    let read = house
        .p
        .database()
        .read("read groups", move |tx| subject::get_many(tx, &ids));
    let stored = read.await.unwrap_or_else(|error: Error| panic!("{error}"));
    let by_id: BTreeMap<_, _> = stored
        .iter()
        .map(|one| (one.id, one.stands_for()))
        .collect();
    subjects.iter().map(|id| by_id[id]).collect()
}

async fn reviews(house: &ProfileHouse) -> Vec<Review> {
    let read = house
        .p
        .database()
        .read("read reviews", |tx| identity::open_reviews(tx, None, 100));
    read.await.unwrap_or_else(|error: Error| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_becomes_a_subject_and_the_same_again_changes_nothing() {
    on_each_engine(async |house| {
        let maya = [
            ("customer_number", "1"),
            ("email", "maya@example.org"),
            ("first_name", "Maya"),
            ("card_number", "4111"),
        ];
        let first = house
            .write(
                SHOP,
                &[&maya, &[("customer_number", "2"), ("city", "Oakland")]],
            )
            .await;
        assert_eq!(came_of(&first), (2, 0, 0, 0));
        let again = house.write(SHOP, &[&maya]).await;
        assert_eq!(came_of(&again), (0, 0, 1, 0));
        assert_eq!(again.subjects, first.subjects[..1]);
        let segments = house.count("profile_segment").await;
        let moved = house
            .write(SHOP, &[&[("customer_number", "1"), ("first_name", "May")]])
            .await;
        assert_eq!(
            (came_of(&moved), &moved.subjects),
            ((0, 1, 0, 0), &again.subjects)
        );
        assert_eq!(house.count("profile_segment").await, segments);
        let both = house
            .write(
                SHOP,
                &[
                    &[("customer_number", "3"), ("first_name", "A")],
                    &[("customer_number", "3"), ("first_name", "B")],
                ],
            )
            .await;
        assert_eq!(
            (came_of(&both), both.subjects[0]),
            ((1, 1, 0, 0), both.subjects[1])
        );
        assert_eq!(
            (
                house.count("subject").await,
                house.count("source_record").await
            ),
            (3, 3)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_record_is_refused_with_its_place_and_reason_and_the_rest_goes_on() {
    on_each_engine(async |house| {
        let huge = "x".repeat((1 << 20) + 1);
        let written = house
            .write(
                SHOP,
                &[
                    &[("customer_number", "1"), ("birth_date", "zqsecret-31st")],
                    &[("customer_number", " "), ("email", "a@example.org")],
                    &[("email", "a@example.org")],
                    &[("customer_number", "2"), ("delivery_note", &huge)],
                    &[("customer_number", "3"), ("sales_rep", "zqsecret")],
                    &[("customer_number", "4"), ("email", "zqsecret is no address")],
                    &[("customer_number", "5"), ("purchases", "{\"zqsecret\"")],
                ],
            )
            .await;
        let said: Vec<_> = written.refused.iter().map(|(place, reason)| format!("{place}: {reason}")).collect();
        assert_eq!(
            said,
            [
                "0: `birth_date`: the value is not a date such as `1990-12-31`; write it in the form that the schema's `kind` names",
                "1: `customer_number`, by which records of this source are found, is missing",
                "2: `customer_number`, by which records of this source are found, is missing",
                "3: `delivery_note`: the value has 1048577 bytes, at most 1,048,576 fit",
                "4: `sales_rep` does not come from this source; add it to the attribute's `sources` in the schema",
                "6: `purchases`: the value is not a JSON document; write it in the form that the schema's `kind` names",
            ]
        );
        // An address that is none is kept as it was written, and finds nobody.
        assert_eq!((written.new, house.count("identifier").await), (1, 1));
        let nothing = house.write(HELP_DESK, &[&[("email", "no address")]]).await;
        assert!(nothing.refused[0].1.to_string().contains("not an e-mail address"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proven_identifiers_make_two_records_one_subject_and_others_do_not() {
    on_each_engine(async |house| {
        let shop = house
            .write(
                SHOP,
                &[
                    &[("customer_number", "1"), ("email", "Maya@Example.org")],
                    &[("customer_number", "2"), ("email", "sam@example.org")],
                ],
            )
            .await;
        let crm = house
            .write(
                CRM,
                &[&[
                    ("customer_number", "1"),
                    ("email", "sam@example.org"),
                    ("phone", "+1 415 555 0100"),
                ]],
            )
            .await;
        let desk = house
            .write(HELP_DESK, &[&[("email", "sam@example.org")]])
            .await;
        let all: Vec<_> = [shop.subjects, crm.subjects, desk.subjects]
            .concat()
            .into_iter()
            .flatten()
            .collect();
        // The sales notes prove the customer number and not the address; the help desk proves nothing.
        assert_eq!(groups(house, &all).await, [all[0], all[1], all[0], all[3]]);
        let merges = house.records(Action::SubjectsMerged).await;
        assert_eq!(
            (merges.len(), merges[0].details["identifier"].as_str()),
            (1, Some("customer_number"))
        );
        // Once it is proven, it links.
        let mut proven = house.record(&[("email", "sam@example.org")]);
        proven.values[0].1.verified = Some(true);
        let written = house.write_given(HELP_DESK, vec![proven]).await;
        assert_eq!(came_of(&written), (0, 1, 0, 0));
        assert_eq!(groups(house, &all).await, [all[0], all[1], all[0], all[1]]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identifier_that_two_people_claim_links_nobody_and_asks_an_operator() {
    on_each_engine(async |house| {
        let written = house
            .write(
                SHOP,
                &[
                    &[("customer_number", "1"), ("email", "family@example.org")],
                    &[("customer_number", "2"), ("email", "family@example.org")],
                ],
            )
            .await;
        let ids: Vec<_> = written.subjects.into_iter().flatten().collect();
        assert_eq!(groups(house, &ids).await, ids);
        let asked = reviews(house).await;
        assert_eq!(
            (asked.len(), asked[0].kind, asked[0].other),
            (1, ReviewKind::Conflict, Some(ids[1]))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identifier_that_moves_within_a_batch_is_compared_where_it_is_afterwards() {
    on_each_engine(async |house| {
        let first = house
            .write(
                SHOP,
                &[&[("customer_number", "1"), ("email", "old@example.org")]],
            )
            .await;
        let written = house
            .write(
                SHOP,
                &[
                    &[("customer_number", "2"), ("email", "old@example.org")],
                    &[("customer_number", "1"), ("email", "new@example.org")],
                    &[("customer_number", "3"), ("email", "new@example.org")],
                ],
            )
            .await;
        assert_eq!(came_of(&written), (2, 1, 0, 0));
        assert_eq!(written.subjects[1], first.subjects[0]);
        let asked = reviews(house).await;
        let third = written.subjects[2];
        assert_eq!(
            asked
                .iter()
                .map(|review| (review.kind, Some(review.one), review.other))
                .collect::<Vec<_>>(),
            [(ReviewKind::Conflict, first.subjects[0], third)]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identifier_of_too_many_links_nobody_and_what_it_linked_is_taken_apart() {
    on_each_engine(async |house| {
        let mut ids = Vec::new();
        for number in 1..=11 {
            let mut record = house.record(&[
                ("email", &format!("n{number}@example.org")),
                ("device_id", "d"),
            ]);
            // The help desk finds its records by address; the till's address comes in beside it.
            record.values[0].1.verified = Some(true);
            ids.extend(
                house
                    .write_given(HELP_DESK, vec![record])
                    .await
                    .subjects
                    .into_iter()
                    .flatten(),
            );
        }
        assert_eq!(groups(house, &ids).await, ids, "different addresses");
        let mut others = Vec::new();
        for number in 1..=10 {
            let mut record = house.record(&[
                ("customer_number", &format!("c{number}")),
                ("email", "till@example.org"),
            ]);
            record.values[0].1.verified = Some(false);
            others.extend(
                house
                    .write_given(SHOP, vec![record])
                    .await
                    .subjects
                    .into_iter()
                    .flatten(),
            );
        }
        assert_eq!(
            groups(house, &others)
                .await
                .iter()
                .collect::<BTreeSet<_>>()
                .len(),
            1,
            "ten may share one"
        );
        let mut eleventh =
            house.record(&[("customer_number", "c11"), ("email", "till@example.org")]);
        eleventh.values[0].1.verified = Some(false);
        others.extend(
            house
                .write_given(SHOP, vec![eleventh])
                .await
                .subjects
                .into_iter()
                .flatten(),
        );
        assert_eq!(groups(house, &others).await, others);
        assert_eq!(house.records(Action::MergeSplit).await.len(), 9);
        assert!(
            reviews(house)
                .await
                .iter()
                .any(|review| review.kind == ReviewKind::Everybodys)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_name_birth_date_and_address_ask_an_operator() {
    on_each_engine(async |house| {
        let alike = [
            ("first_name", "Maya"),
            ("last_name", "Okafor"),
            ("birth_date", "1990-12-31"),
            ("street", "1 Rye Lane"),
            ("postal_code", "94601"),
        ];
        let one = [&[("customer_number", "1")], &alike[..]].concat();
        let shop = house.write(SHOP, &[&one]).await.subjects[0].unwrap();
        let desk = house
            .write(CRM, &[&[&[("customer_number", "7")], &alike[..4]].concat()])
            .await
            .subjects[0]
            .unwrap();
        assert!(
            reviews(house).await.is_empty(),
            "without the postal code it is another address"
        );
        house
            .write(
                CRM,
                &[&[("customer_number", "7"), ("postal_code", "94601")]],
            )
            .await;
        let asked = reviews(house).await;
        assert_eq!(
            (asked.len(), asked[0].kind, asked[0].one, asked[0].other),
            (1, ReviewKind::PossibleMatch, shop, Some(desk))
        );
        assert_eq!(groups(house, &[shop, desk]).await, [shop, desk]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_write_the_same_records_at_once_store_each_once() {
    on_each_engine(async |house| {
        let other = house.second().await;
        let records = |round: u32| -> Vec<_> {
            (0..200)
                .map(|number| {
                    house.record(&[
                        ("customer_number", &number.to_string()),
                        ("email", &format!("n{number}@example.org")),
                        ("first_name", &format!("Name {round}")),
                    ])
                })
                .collect()
        };
        for round in 0..3 {
            let (one, two) = tokio::join!(
                write(&house.p, SHOP, records(round), Actor::CommandLine),
                write(&other, SHOP, records(round), Actor::CommandLine)
            );
            let (one, two) = (one.unwrap(), two.unwrap());
            assert_eq!(one.subjects, two.subjects);
            assert_eq!(one.new + two.new, if round == 0 { 200 } else { 0 });
        }
        assert_eq!(
            (
                house.count("subject").await,
                house.count("source_record").await,
                house.count("identifier").await
            ),
            (200, 200, 400)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_of_one_subject_lose_nothing() {
    on_each_engine(async |house| {
        house.write(SHOP, &[&[("customer_number", "1")]]).await;
        let names = [
            "first_name",
            "last_name",
            "company",
            "street",
            "city",
            "language",
            "phone",
            "device_id",
        ];
        let writes = names.map(|name| {
            let record = house.record(&[("customer_number", "1"), (name, "0415 555 010")]);
            write(&house.p, SHOP, vec![record], Actor::CommandLine)
        });
        for written in futures_util::future::join_all(writes).await {
            assert_eq!(came_of(&written.unwrap()), (0, 1, 0, 0));
        }
        let again = house
            .write(
                SHOP,
                &[&names
                    .map(|name| (name, "0415 555 010"))
                    .into_iter()
                    .chain([("customer_number", "1")])
                    .collect::<Vec<_>>()],
            )
            .await;
        assert_eq!(came_of(&again), (0, 0, 1, 0), "each of them is there");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_is_readable_in_the_database_or_the_audit_log() {
    on_each_engine(async |house| {
        let planted = [
            ("customer_number", "zqnumber1"),
            ("email", "zqmail@example.org"),
            ("phone", "+14155557730"),
            ("first_name", "Zqfirst"),
            ("card_number", "zqcard4111"),
            ("allergies", "zqnuts"),
            ("purchases", "{\"what\":\"zqflour\"}"),
            ("street", "1 Zqstreet"),
        ];
        let shop: Vec<_> = planted
            .into_iter()
            .filter(|(key, _)| *key != "allergies")
            .collect();
        house.write(SHOP, &[&shop]).await;
        house
            .write(
                HELP_DESK,
                &[&[("email", "zqmail@example.org"), ("allergies", "zqnuts")]],
            )
            .await;
        house
            .write(
                SHOP,
                &[&[("customer_number", "zqnumber1"), ("city", "Zqcity")]],
            )
            .await;
        let stored = house.everything_stored().await;
        assert!(
            holds(&stored, "profiles_written"),
            "the log is among what is searched"
        );
        for word in [
            "zqnumber",
            "zqmail",
            "4155557730",
            "Zqfirst",
            "zqcard",
            "zqnuts",
            "zqflour",
            "Zqstreet",
            "Zqcity",
        ] {
            assert!(!holds(&stored, word), "{word}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_tells_a_row_that_was_rolled_back() {
    on_each_engine(async |house| {
        let id = house
            .write(SHOP, &[&[("customer_number", "1"), ("first_name", "A")]])
            .await
            .subjects[0]
            .unwrap();
        let row = async || {
            let read = house.p.database().read("read segment", move |tx| {
                profile_segment::of_subjects(tx, &[id].into())
            });
            read.await
                .unwrap_or_else(|error: Error| panic!("{error}"))
                .remove(0)
        };
        let old = row().await;
        house
            .write(SHOP, &[&[("customer_number", "1"), ("first_name", "B")]])
            .await;
        let new = row().await;
        let records = house.records(Action::ProfilesWritten).await;
        let listed: Vec<_> = records
            .iter()
            .flat_map(|record| record.details["rows"].as_array().unwrap())
            .map(|row| row.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            listed,
            [&old, &new].map(|row| row_text(row, &row_hash(row)))
        );
        let last = records.last().unwrap();
        assert_eq!(
            last.details["digest"].as_str(),
            Some(&*Hash::of(row_hash(&new).as_bytes()).to_string())
        );
        assert_eq!(
            (last.details["changed"].as_u64(), last.subject_of.as_deref()),
            (Some(1), Some("shop"))
        );
    })
    .await;
}
