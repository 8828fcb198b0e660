//! The tables of profiles, on both engines.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use domain::data_map::IdentifierKind;
use domain::id::SubjectId;
use domain::identity::{
    Decided, History, IdentifierTag, IdentityEvent, Merge, MergeId, MergeReason, Review, ReviewId,
    ReviewKind, ReviewState,
};
use domain::profile::{Segment, SourceNumber};
use storage::identifier::StoredIdentifier;
use storage::identity::{EventId, StoredEvent};
use storage::profile_import::{ImportId, StoredImport};
use storage::profile_segment::StoredSegment;
use storage::source_record::StoredSourceRecord;
use storage::subject::{NewSubject, Rewrapped, StoredKey};
use storage::{
    Database, Error, Tx, identifier, identity, profile, profile_import, profile_segment,
    source_record, subject,
};
use uuid::Uuid;

use crate::place::on_each_engine;
use crate::sample::{at, operator_id, sealed};

fn id(number: u128) -> SubjectId {
    SubjectId::from_uuid(Uuid::from_u128(number))
}

fn ids(numbers: &[u128]) -> BTreeSet<SubjectId> {
    numbers.iter().map(|number| id(*number)).collect()
}

fn tag(byte: u8) -> IdentifierTag {
    IdentifierTag([byte; 16])
}

fn kind(name: &str) -> IdentifierKind {
    IdentifierKind(name.to_owned())
}

fn new_subject(number: u128, epoch: u32) -> NewSubject {
    NewSubject {
        id: id(number),
        key: StoredKey {
            version: 1,
            epoch,
            wrapped: vec![u8::try_from(number % 251).unwrap(); 65],
        },
        created_at: at(0),
    }
}

fn segment(number: u128, segment: Segment, row_version: u64, text: &str) -> StoredSegment {
    StoredSegment {
        subject: id(number),
        segment,
        row_version,
        schema_version: 3,
        sealed: sealed(text),
        updated_at: at(1),
    }
}

fn identifier(name: &str, byte: u8, number: u128, key_version: u32) -> StoredIdentifier {
    StoredIdentifier {
        kind: kind(name),
        tag: tag(byte),
        subject: id(number),
        source: SourceNumber(7),
        key_version,
        verified: true,
    }
}

async fn run<T: Send + 'static>(
    database: &Database,
    work: impl Fn(&mut Tx) -> Result<T, Error> + Send + 'static,
) -> T {
    database.write("test", work).await.unwrap()
}

#[tokio::test]
async fn subjects_are_stored_once_and_stand_for_each_other() {
    on_each_engine(async |database| {
        let new = [new_subject(1, 1), new_subject(2, 1), new_subject(3, 2)];
        let twice = new.clone();
        assert_eq!(
            run(database, move |tx| subject::insert_many(tx, &new)).await,
            3
        );
        let twice = database
            .write("twice", move |tx| subject::insert_many(tx, &twice))
            .await;
        assert!(matches!(twice, Err(Error::AlreadyExists { .. })));
        run(database, |tx| {
            subject::set_canonical(tx, &[(id(2), Some(id(1))), (id(3), Some(id(1)))])
        })
        .await;
        run(database, |tx| subject::set_canonical(tx, &[(id(3), None)])).await;
        let members = run(database, |tx| subject::members(tx, &ids(&[1]))).await;
        assert_eq!(
            members.iter().map(|one| one.id).collect::<BTreeSet<_>>(),
            ids(&[1, 2])
        );
        assert!(members.iter().all(|one| one.stands_for() == id(1)));
        let page = |after: Option<u128>, limit| {
            run(database, move |tx| {
                subject::page_of_canonical(tx, after.map(id), limit)
            })
        };
        assert_eq!(page(None, 9).await, [id(1), id(3)]);
        assert_eq!(page(None, 1).await, [id(1)]);
        assert_eq!(page(Some(1), 9).await, [id(3)]);
        let found = run(database, |tx| subject::get_many(tx, &ids(&[3, 9]))).await;
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].canonical, found[0].key.as_ref().unwrap().epoch),
            (None, 2)
        );
    })
    .await;
}

#[tokio::test]
async fn an_erased_subject_has_no_key_and_gets_none_again() {
    on_each_engine(async |database| {
        let new = [new_subject(1, 1), new_subject(2, 1)];
        run(database, move |tx| subject::insert_many(tx, &new)).await;
        assert_eq!(
            run(database, |tx| subject::erase(tx, &ids(&[1]), at(5))).await,
            1
        );
        assert_eq!(
            run(database, |tx| subject::erase(tx, &ids(&[1]), at(9))).await,
            0
        );
        let erased = run(database, |tx| subject::get_many(tx, &ids(&[1]))).await;
        assert_eq!((&erased[0].key, erased[0].erased_at), (&None, Some(at(5))));
        let rewrapped = |number: u128, expected: u8| Rewrapped {
            subject: id(number),
            expected: vec![expected; 65],
            epoch: 2,
            wrapped: vec![99; 65],
        };
        let changes = [rewrapped(1, 1), rewrapped(2, 2)];
        assert_eq!(
            run(database, move |tx| subject::save_wrapped_keys(tx, &changes)).await,
            1
        );
        let stale = [rewrapped(2, 2)];
        assert_eq!(
            run(database, move |tx| subject::save_wrapped_keys(tx, &stale)).await,
            0,
            "another one has rewrapped it"
        );
        assert_eq!(run(database, |tx| subject::count_in_epoch(tx, 1)).await, 0);
        assert_eq!(run(database, subject::count_by_epoch).await, [(2, 1)]);
    })
    .await;
}

#[tokio::test]
async fn a_walk_over_keys_meets_each_once() {
    on_each_engine(async |database| {
        let new: Vec<_> = (1..=7).map(|number| new_subject(number, 1)).collect();
        run(database, move |tx| subject::insert_many(tx, &new)).await;
        run(database, |tx| subject::erase(tx, &ids(&[4]), at(5))).await;
        let (mut met, mut after) = (Vec::new(), None);
        loop {
            let chunk = run(database, move |tx| subject::walk_keys(tx, after, 2)).await;
            let Some((last, _)) = chunk.last() else { break };
            after = Some(*last);
            met.extend(chunk.into_iter().map(|(subject, _)| subject));
        }
        assert_eq!(met, [1, 2, 3, 5, 6, 7].map(id));
    })
    .await;
}

#[tokio::test]
async fn a_segment_changes_only_from_the_version_that_was_read() {
    on_each_engine(async |database| {
        let new = [
            segment(1, Segment::Core, 1, "a"),
            segment(2, Segment::Core, 1, "b"),
        ];
        let again = new.clone();
        run(database, move |tx| profile_segment::insert_many(tx, &new)).await;
        let twice = database
            .write("twice", move |tx| profile_segment::insert_many(tx, &again))
            .await;
        assert!(matches!(twice, Err(Error::AlreadyExists { .. })));
        let changes = [
            segment(1, Segment::Core, 2, "c"),
            segment(2, Segment::Core, 3, "d"),
            segment(1, Segment::Contact, 1, "e"),
            segment(2, Segment::Core, 1, "f"),
        ];
        let missed = run(database, move |tx| {
            profile_segment::save_many(tx, &changes[..3])
        })
        .await;
        assert_eq!(missed, [(id(2), Segment::Core)].into());
        let new = [segment(2, Segment::Core, 1, "f")];
        let missed = run(database, move |tx| profile_segment::save_many(tx, &new)).await;
        assert_eq!(
            missed,
            [(id(2), Segment::Core)].into(),
            "another one made it first"
        );
        let mut found = run(database, |tx| {
            profile_segment::of_subjects(tx, &ids(&[1, 2]))
        })
        .await;
        found.sort_by_key(|one| (one.subject, one.segment));
        let expected = [
            segment(1, Segment::Core, 2, "c"),
            segment(1, Segment::Contact, 1, "e"),
            segment(2, Segment::Core, 1, "b"),
        ];
        assert_eq!(found, expected);
        assert_eq!(
            run(database, |tx| profile_segment::remove(tx, &ids(&[1]))).await,
            2
        );
    })
    .await;
}

#[tokio::test]
async fn identifiers_find_whoever_has_them_and_tell_what_is_shared() {
    on_each_engine(async |database| {
        let stored = [
            identifier("email", 1, 1, 1),
            identifier("email", 1, 2, 1),
            identifier("email", 3, 3, 2),
            identifier("phone", 3, 1, 1),
        ];
        let again = stored.clone();
        run(database, move |tx| identifier::insert_many(tx, &stored)).await;
        run(database, move |tx| identifier::insert_many(tx, &again)).await;
        let find = run(database, |tx| {
            identifier::find(tx, &kind("email"), &[tag(1), tag(3), tag(9)])
        })
        .await;
        assert_eq!(find, ids(&[1, 2, 3]));
        let shared = run(database, |tx| {
            let (email, phone) = (kind("email"), kind("phone"));
            identifier::shared(
                tx,
                &[
                    (&email, tag(1), id(2)),
                    (&email, tag(3), id(3)),
                    (&phone, tag(3), id(4)),
                ],
            )
        });
        assert_eq!(
            shared.await,
            [(kind("email"), tag(1)), (kind("phone"), tag(3))].into()
        );
        let both = BTreeSet::from([(kind("email"), tag(1)), (kind("phone"), tag(3))]);
        assert_eq!(
            run(database, move |tx| identifier::holders_of_each(
                tx, &both, 1
            ))
            .await,
            [
                ((kind("email"), tag(1)), ids(&[1])),
                ((kind("phone"), tag(3)), ids(&[1]))
            ]
        );
        assert_eq!(
            run(database, |tx| identifier::remove_many(
                tx,
                &[identifier("email", 1, 2, 1)]
            ))
            .await,
            1
        );
        assert_eq!(
            run(database, |tx| identifier::find(
                tx,
                &kind("email"),
                &[tag(1)]
            ))
            .await,
            ids(&[1])
        );
    })
    .await;
}

#[tokio::test]
async fn an_identifier_finds_everything_sealed_of_whoever_has_it_in_one_go() {
    on_each_engine(async |database| {
        let from_crm = StoredIdentifier {
            source: SourceNumber(2),
            ..identifier("email", 1, 1, 1)
        };
        let rows = [
            identifier("email", 1, 1, 1),
            from_crm,
            identifier("email", 2, 2, 1),
            identifier("email", 3, 3, 1),
            identifier("phone", 1, 3, 1),
        ];
        let segments = [
            segment(1, Segment::Core, 1, "a"),
            segment(1, Segment::Contact, 1, "b"),
            segment(3, Segment::Core, 1, "c"),
        ];
        let stored = segments.clone();
        run(database, move |tx| {
            let subjects: Vec<_> = (1..=3).map(|number| new_subject(number, 1)).collect();
            subject::insert_many(tx, &subjects)?;
            profile_segment::insert_many(tx, &stored)?;
            storage::identifier::insert_many(tx, &rows)?;
            subject::set_canonical(tx, &[(id(3), Some(id(2)))])
        })
        .await;
        let find = async |name: &'static str, bytes: &'static [u8]| {
            let tags: Vec<_> = bytes.iter().map(|byte| tag(*byte)).collect();
            run(database, move |tx| profile::find(tx, &kind(name), &tags)).await
        };
        let one = find("email", &[1, 9]).await;
        assert_eq!(one.len(), 1, "two sources say the same");
        assert_eq!((one[0].subject.id, one[0].has_others), (id(1), false));
        let mut found = one[0].segments.clone();
        found.sort_by_key(|segment| segment.segment);
        assert_eq!(found, segments[..2]);
        let all = find("email", &[2, 3]).await;
        let brief =
            |one: &profile::FoundProfile| (one.subject.id, one.has_others, one.segments.len());
        let all: Vec<_> = all.iter().map(brief).collect();
        assert_eq!(all, [(id(2), true, 0), (id(3), true, 1)]);
        assert_eq!(find("phone", &[2]).await, []);
    })
    .await;
}

#[tokio::test]
async fn tags_of_an_old_key_go_in_steps_and_others_stay() {
    on_each_engine(async |database| {
        let stored: Vec<_> = (0..9)
            .map(|byte| identifier("email", byte, u128::from(byte) + 1, 1 + u32::from(byte) % 2))
            .collect();
        let records: Vec<_> = stored
            .iter()
            .map(|one| StoredSourceRecord {
                source: one.source,
                tag: one.tag,
                subject: one.subject,
                key_version: one.key_version,
            })
            .collect();
        run(database, move |tx| identifier::insert_many(tx, &stored)).await;
        run(database, move |tx| source_record::insert_many(tx, &records)).await;
        let (mut gone, mut after) = (0, None);
        loop {
            let place = after.clone();
            let (count, next) = run(database, move |tx| {
                identifier::delete_with_key_version(tx, 1, place.as_ref(), 2)
            })
            .await;
            gone += count;
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(gone, 5);
        let (mut gone, mut after) = (0, None);
        loop {
            let place = after.clone();
            let (count, next) = run(database, move |tx| {
                source_record::delete_with_key_version(tx, 1, place.as_ref(), 4)
            })
            .await;
            gone += count;
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(gone, 5);
        for version in [1, 2] {
            let left = run(database, move |tx| {
                Ok((
                    identifier::count_with_key_version(tx, version)?,
                    source_record::count_with_key_version(tx, version)?,
                ))
            });
            assert_eq!(left.await, if version == 1 { (0, 0) } else { (4, 4) });
        }
    })
    .await;
}

#[tokio::test]
async fn two_imports_at_once_meet_at_the_record_and_the_second_learns_whose_it_is() {
    on_each_engine(async |database| {
        let record = |byte, number| StoredSourceRecord {
            source: SourceNumber(7),
            tag: tag(byte),
            subject: id(number),
            key_version: 1,
        };
        let first = [record(2, 1), record(1, 2)];
        assert_eq!(
            run(database, move |tx| source_record::insert_many(tx, &first))
                .await
                .len(),
            2
        );
        let second = [record(2, 3), record(3, 4)];
        assert_eq!(
            run(database, move |tx| source_record::insert_many(tx, &second)).await,
            [id(4)]
        );
        let found = run(database, |tx| {
            source_record::find_many(tx, SourceNumber(7), [tag(2), tag(3), tag(9)])
        })
        .await;
        assert_eq!(found, [(tag(2), id(1)), (tag(3), id(4))].into());
        assert_eq!(
            run(database, move |tx| source_record::remove_many(
                tx,
                &[record(2, 9), record(3, 4)]
            ))
            .await,
            1
        );
    })
    .await;
}

/// A row in each table for each of these subjects; the tags are made of the numbers.
struct Crowd {
    records: Vec<StoredSourceRecord>,
    subjects: Vec<NewSubject>,
    segments: Vec<StoredSegment>,
    identifiers: Vec<StoredIdentifier>,
}

impl Crowd {
    fn of(numbers: Range<u128>) -> Self {
        let tag = |number: u128| IdentifierTag((number * 7_919 % 100_003).to_be_bytes());
        Self {
            records: numbers
                .clone()
                .map(|number| StoredSourceRecord {
                    source: SourceNumber(7),
                    tag: tag(number),
                    subject: id(number),
                    key_version: 1,
                })
                .collect(),
            subjects: numbers
                .clone()
                .map(|number| new_subject(number, 1))
                .collect(),
            segments: numbers
                .clone()
                .map(|number| segment(number, Segment::Core, 1, &"x".repeat(number as usize)))
                .collect(),
            identifiers: numbers
                .map(|number| StoredIdentifier {
                    tag: tag(number),
                    ..identifier("email", 0, number, 1)
                })
                .collect(),
        }
    }

    fn store(&self, tx: &mut Tx) -> Result<(), Error> {
        source_record::insert_unmet(tx, &self.records)?;
        subject::insert_many(tx, &self.subjects)?;
        profile_segment::insert_many(tx, &self.segments)?;
        identifier::insert_of_new(tx, &self.identifiers).map(drop)
    }

    async fn is_stored(&self, database: &Database) -> bool {
        let ids: BTreeSet<_> = self.subjects.iter().map(|one| one.id).collect();
        let whose: BTreeMap<_, _> = self
            .records
            .iter()
            .map(|one| (one.tag, one.subject))
            .collect();
        let found = run(database, move |tx| {
            let tags = whose.keys().copied();
            let is_whole = source_record::find_many(tx, SourceNumber(7), tags)? == whose;
            let keys = subject::get_many(tx, &ids)?.into_iter().map(|one| one.key);
            let keys: BTreeSet<_> = keys.flatten().map(|key| key.wrapped).collect();
            let tags = identifier::find(
                tx,
                &kind("email"),
                &whose.keys().copied().collect::<Vec<_>>(),
            )?;
            Ok((
                is_whole && tags == ids,
                keys,
                profile_segment::of_subjects(tx, &ids)?,
            ))
        });
        let (is_whole, keys, mut segments) = found.await;
        segments.sort_by_key(|one| one.subject);
        let subjects = self.subjects.iter().map(|one| one.key.wrapped.clone());
        is_whole && keys == subjects.collect() && segments == self.segments
    }
}

#[tokio::test]
async fn a_crowd_of_new_rows_is_stored_as_it_was_given_or_not_at_all() {
    on_each_engine(async |database| {
        run(database, |tx| Crowd::of(1..1_400).store(tx)).await;
        assert!(Crowd::of(1..1_400).is_stored(database).await);
        for _ in 0..3 {
            // The last of them is there.
            let refused = database.write("twice", |tx| {
                let mut crowd = Crowd::of(2_000..2_600);
                crowd.records.push(Crowd::of(700..701).records[0]);
                crowd.store(tx)
            });
            let refused = refused.await;
            assert!(
                matches!(refused, Err(Error::AlreadyExists { .. })),
                "{refused:?}"
            );
        }
        // Whatever connections there are, none of them is left in the middle of it.
        let writes = (0..32).map(|number| {
            database.write("after it", move |tx| {
                Crowd::of(3_000 + number..3_001 + number).store(tx)
            })
        });
        for written in futures_util::future::join_all(writes).await {
            written.unwrap();
        }
        assert!(Crowd::of(3_000..3_032).is_stored(database).await);
        let subjects = run(database, |tx| {
            Ok((subject::count_by_epoch(tx)?, profile_segment::count(tx)?))
        });
        assert_eq!(subjects.await, (vec![(1, 1_431)], 1_431));
    })
    .await;
}

#[tokio::test]
async fn a_crowd_that_is_refused_takes_nobody_along_who_shares_the_commit() {
    on_each_engine(async |database| {
        run(database, |tx| Crowd::of(1..2).store(tx)).await;
        let ranges = [10..700, 1..700, 1_000..1_700_u128];
        let writes = ranges.map(|range| {
            database.write_recorded("crowd", move |tx| {
                Crowd::of(range.clone()).store(tx)?;
                Ok::<_, Error>(((), storage::audit::append(tx, "log", Vec::new())?))
            })
        });
        let written = futures_util::future::join_all(writes).await;
        assert!(written[0].is_ok() && written[2].is_ok());
        assert!(matches!(written[1], Err(Error::AlreadyExists { .. })));
        assert!(Crowd::of(10..700).is_stored(database).await);
        assert!(Crowd::of(1_000..1_700).is_stored(database).await);
    })
    .await;
}

#[tokio::test]
async fn the_history_reads_back_as_it_was_written_and_is_forgotten_with_a_subject() {
    on_each_engine(async |database| {
        let merge = |number: u128, one, other, reason| StoredEvent {
            id: EventId::from_uuid(Uuid::from_u128(number)),
            subjects: (id(one), id(other)),
            event: IdentityEvent::Merged(Merge {
                id: MergeId::from_uuid(Uuid::from_u128(number)),
                one: id(one),
                other: id(other),
                reason,
            }),
            at: at(0),
        };
        let events = vec![
            merge(1, 1, 2, MergeReason::Identifier(kind("email"), tag(1))),
            merge(2, 2, 3, MergeReason::Operator(operator_id(1))),
            StoredEvent {
                id: EventId::from_uuid(Uuid::from_u128(3)),
                subjects: (id(1), id(2)),
                event: IdentityEvent::Split {
                    merge: MergeId::from_uuid(Uuid::from_u128(1)),
                    by: Decided::Operator(operator_id(1)),
                },
                at: at(0),
            },
            StoredEvent {
                id: EventId::from_uuid(Uuid::from_u128(4)),
                subjects: (id(4), id(1)),
                event: IdentityEvent::KeptApart {
                    one: id(4),
                    other: id(1),
                    by: operator_id(2),
                },
                at: at(1),
            },
        ];
        let mut backwards = events.clone();
        backwards.reverse();
        run(database, move |tx| identity::insert_events(tx, &backwards)).await;
        let found = run(database, |tx| identity::events_of(tx, &ids(&[1, 2, 3, 4]))).await;
        assert_eq!(found, events);
        assert!(History::of(found.into_iter().map(|stored| stored.event)).is_ok());
        let reasons = [
            MergeReason::Identifier(kind("email"), tag(1)),
            MergeReason::Identifier(kind("email"), tag(2)),
        ];
        assert_eq!(
            run(database, move |tx| identity::merges_because_of(
                tx, &reasons
            ))
            .await,
            events[..1]
        );
        let first = MergeId::from_uuid(Uuid::from_u128(1));
        assert!(
            !run(database, move |tx| identity::merge(tx, first))
                .await
                .unwrap()
                .1
        );
        let second = MergeId::from_uuid(Uuid::from_u128(2));
        assert!(
            run(database, move |tx| identity::merge(tx, second))
                .await
                .unwrap()
                .1
        );
        run(database, |tx| identity::forget(tx, &ids(&[3, 4]))).await;
        assert_eq!(
            run(database, |tx| identity::events_of(tx, &ids(&[1, 2])))
                .await
                .len(),
            2
        );
    })
    .await;
}

#[tokio::test]
async fn a_question_is_asked_once_and_answered_once() {
    on_each_engine(async |database| {
        let review = |number: u128, kind, other: Option<u128>| Review {
            id: ReviewId::from_uuid(Uuid::from_u128(number)),
            kind,
            one: id(1),
            other: other.map(id),
            identifier: other.is_none().then(|| IdentifierKind("email".to_owned())),
            state: ReviewState::Open,
            decided: None,
            created_at: at(0),
        };
        let asked = [
            review(1, ReviewKind::PossibleMatch, Some(2)),
            review(2, ReviewKind::Everybodys, None),
        ];
        let (stored, again) = (
            asked.clone(),
            [review(3, ReviewKind::PossibleMatch, Some(2))],
        );
        assert_eq!(
            run(database, move |tx| identity::insert_reviews(tx, &stored)).await,
            2
        );
        assert_eq!(
            run(database, move |tx| identity::insert_reviews(tx, &again)).await,
            0
        );
        assert_eq!(
            run(database, |tx| identity::open_reviews(tx, None, 9)).await,
            asked
        );
        let first = asked[0].id;
        assert_eq!(
            run(database, move |tx| identity::open_reviews(
                tx,
                Some(first),
                9
            ))
            .await,
            asked[1..]
        );
        assert_eq!(
            run(database, |tx| identity::open_reviews_between(
                tx,
                &ids(&[1, 2])
            ))
            .await,
            asked[..1]
        );
        let decided = Some((operator_id(1), at(3)));
        for changed in [1, 0] {
            assert_eq!(
                run(database, move |tx| identity::close_reviews(
                    tx,
                    &[first],
                    ReviewState::KeptApart,
                    decided
                ))
                .await,
                changed
            );
        }
        let answered = run(database, move |tx| identity::review_with_id(tx, first))
            .await
            .unwrap();
        assert_eq!(
            (answered.state, answered.decided),
            (ReviewState::KeptApart, decided)
        );
        assert_eq!(run(database, identity::count_open_reviews).await, 1);
        let again = review(4, ReviewKind::PossibleMatch, Some(2));
        assert_eq!(
            run(database, move |tx| identity::insert_reviews(
                tx,
                std::slice::from_ref(&again)
            ))
            .await,
            0,
            "what an operator answered stays answered"
        );
        // What answered itself is asked again when it comes up again.
        let second = asked[1].id;
        run(database, move |tx| {
            identity::close_reviews(tx, &[second], ReviewState::Settled, None)
        })
        .await;
        let again = review(5, ReviewKind::Everybodys, None);
        run(database, move |tx| {
            identity::insert_reviews(tx, std::slice::from_ref(&again))
        })
        .await;
        assert_eq!(
            run(database, |tx| identity::open_reviews_of(tx, &ids(&[1]))).await,
            asked[1..]
        );
        assert!(
            run(database, |tx| identity::open_reviews_of(tx, &ids(&[2])))
                .await
                .is_empty()
        );
        run(database, |tx| identity::forget(tx, &ids(&[1]))).await;
        assert_eq!(run(database, identity::count_open_reviews).await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_import_goes_on_where_it_stopped_and_two_of_the_same_do_not_both_write() {
    on_each_engine(async |database| {
        let import = |number: u128, position| StoredImport {
            id: ImportId::from_uuid(Uuid::from_u128(number)),
            source: SourceNumber(1),
            origin: "a file".to_owned(),
            position,
            watermark: None,
            counts: "{}".to_owned(),
            finished: false,
            started_at: at(0),
            updated_at: at(0),
        };
        let begun = run(database, move |tx| profile_import::begin(tx, &import(1, 0))).await;
        assert_eq!(begun, import(1, 0));
        run(database, move |tx| {
            profile_import::save(tx, &import(1, 500), 0)
        })
        .await;
        let again = run(database, move |tx| profile_import::begin(tx, &import(2, 0))).await;
        assert_eq!(again, import(1, 500));
        let rival = database
            .write("rival", move |tx| {
                profile_import::save(tx, &import(1, 500), 0)
            })
            .await;
        assert!(matches!(rival, Err(Error::Changed { .. })));
        assert_eq!(
            run(database, |tx| profile_import::latest(tx, 5)).await,
            [import(1, 500)]
        );
    })
    .await;
}
