//! The audit log on both engines.

use std::collections::BTreeSet;

use domain::audit::merkle::{
    consistency_needs, inclusion_needs, prove_consistency, prove_inclusion, verify_consistency,
    verify_inclusion,
};
use domain::audit::{Action, Actor, NewRecord, Record, leaf_hash};
use storage::audit::{self, Checkpoint};
use storage::{Database, Error, Tx};

use crate::place::on_each_engine;
use crate::sample::{at, insert_requests, request_id};

const LOG: &str = "privity.test/audit";

fn record(number: u32, request: Option<u32>) -> NewRecord {
    let record = NewRecord::new(at(0), Actor::System, Action::Erased).with("rows", number);
    request.map_or(record.clone(), |request| {
        record.for_request(request_id(request))
    })
}

async fn append(database: &Database, records: Vec<NewRecord>) -> Result<usize, Error> {
    let ((), appended) = database
        .write_recorded("append", move |tx| {
            Ok(((), audit::append(tx, LOG, records.clone())?))
        })
        .await?;
    Ok(appended.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_appends_make_one_log_and_one_chain_for_each_request() {
    on_each_engine(async |database| {
        insert_requests(database, 3).await;
        let writes = (0..120_u32).map(|number| {
            append(
                database,
                vec![
                    record(number, Some(number % 3)),
                    record(number, None),
                    record(number, Some((number + 1) % 3)),
                ],
            )
        });
        let results = futures_util::future::join_all(writes).await;
        assert!(results.iter().all(|result| *result == Ok(3)), "{results:?}");
        database
            .read::<_, Error, _>("verify", |tx| {
                let entries = audit::entries(tx, LOG, 0, 1_000)?;
                assert_eq!(
                    entries
                        .iter()
                        .map(|entry| entry.sequence)
                        .collect::<Vec<_>>(),
                    (0..360).collect::<Vec<_>>()
                );
                assert!(
                    entries
                        .iter()
                        .all(|entry| leaf_hash(&entry.bytes) == entry.leaf)
                );
                for request in 0..3 {
                    check_chain(tx, request)?;
                }
                Ok(())
            })
            .await
            .unwrap();
    })
    .await;
}

fn check_chain(tx: &mut Tx, request: u32) -> Result<(), Error> {
    let chain = audit::of_request(tx, LOG, request_id(request))?;
    assert_eq!(chain.len(), 80);
    let mut previous = None;
    for (sequence, entry) in (0_u64..).zip(&chain) {
        let link = Record::from_entry(&entry.bytes).unwrap().request.unwrap();
        assert_eq!(
            (link.id, link.sequence, link.previous),
            (request_id(request), sequence, previous)
        );
        previous = Some(entry.leaf);
    }
    let head =
        audit::chain_heads(tx, &BTreeSet::from([request_id(request)]))?[&request_id(request)];
    assert_eq!((head.records, Some(head.last)), (80, previous));
    Ok(())
}

#[tokio::test]
async fn every_record_is_proven_from_the_stored_hashes() {
    on_each_engine(async |database| {
        let mut roots = Vec::new();
        for batch in [1_u32, 254, 2, 400, 43] {
            append(
                database,
                (0..batch).map(|number| record(number, None)).collect(),
            )
            .await
            .unwrap();
            let state = database
                .read("state", |tx| audit::state(tx, LOG))
                .await
                .unwrap();
            roots.push((state.frontier.size(), state.frontier.root()));
        }
        let (size, root) = *roots.last().unwrap();
        assert_eq!(size, 700);
        database
            .read::<_, Error, _>("prove", move |tx| {
                for entry in audit::entries(tx, LOG, 0, 1_000)?
                    .iter()
                    .filter(|entry| entry.sequence % 37 < 2)
                {
                    let stored =
                        audit::hashes(tx, LOG, &inclusion_needs(entry.sequence, size).unwrap())?;
                    let proof = prove_inclusion(entry.sequence, size, &stored).unwrap();
                    assert_eq!(
                        verify_inclusion(entry.sequence, size, entry.leaf, &proof, root),
                        Ok(())
                    );
                }
                for (older, older_root) in &roots {
                    let stored = audit::hashes(tx, LOG, &consistency_needs(*older, size).unwrap())?;
                    let proof = prove_consistency(*older, size, &stored).unwrap();
                    assert_eq!(
                        verify_consistency(*older, size, *older_root, root, &proof),
                        Ok(())
                    );
                }
                Ok(())
            })
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_fails_with_its_transaction_is_not_in_the_log() {
    on_each_engine(async |database| {
        insert_requests(database, 1).await;
        append(database, vec![record(1, Some(0))]).await.unwrap();
        let undone: Result<(), Error> = database
            .write("undone", |tx| {
                audit::append(tx, LOG, vec![record(2, Some(0))])?;
                Err(Error::Closed)
            })
            .await;
        assert!(undone.is_err());
        let personal = record(4, None).with("whom", "ada@example.com");
        let refused = append(database, vec![record(5, None), personal])
            .await
            .unwrap_err();
        assert!(
            matches!(&refused, Error::Record { position: 1, .. })
                && !refused.to_string().contains("ada"),
            "{refused}"
        );
        append(database, vec![record(6, Some(0))]).await.unwrap();
        let entries = database
            .read("entries", |tx| audit::entries(tx, LOG, 0, 10))
            .await
            .unwrap();
        let rows: Vec<_> = entries
            .iter()
            .map(|entry| Record::from_entry(&entry.bytes).unwrap().details["rows"].clone())
            .collect();
        assert_eq!(rows, [1, 6]);
    })
    .await;
}

#[tokio::test]
async fn the_checkpoint_that_covers_a_record_is_found() {
    on_each_engine(async |database| {
        append(
            database,
            (0..9).map(|number| record(number, None)).collect(),
        )
        .await
        .unwrap();
        let root = database
            .read("state", |tx| audit::state(tx, LOG))
            .await
            .unwrap()
            .frontier
            .root();
        let checkpoint = move |size, note: &str| Checkpoint {
            size,
            root,
            note: note.to_owned(),
        };
        database
            .write::<_, Error, _>("save", move |tx| {
                for (size, note) in [(4, "four"), (9, "nine"), (4, "another four")] {
                    audit::save_checkpoint(tx, LOG, &checkpoint(size, note))?;
                }
                Ok(())
            })
            .await
            .unwrap();
        let covering = |sequence| {
            database.read("covering", move |tx| {
                audit::checkpoint_covering(tx, LOG, sequence)
            })
        };
        assert_eq!(covering(3).await, Ok(Some(checkpoint(4, "four"))));
        assert_eq!(covering(4).await, Ok(Some(checkpoint(9, "nine"))));
        assert_eq!(covering(9).await, Ok(None));
        assert_eq!(
            database
                .read("latest", |tx| audit::latest_checkpoint(tx, LOG))
                .await,
            Ok(Some(checkpoint(9, "nine")))
        );
        assert_eq!(
            database
                .read("other", |tx| audit::latest_checkpoint(tx, "other"))
                .await,
            Ok(None)
        );
    })
    .await;
}
