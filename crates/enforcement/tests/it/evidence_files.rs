//! Evidence: what is whole verifies, and whatever is changed, left out, doubled or moved does not.

use domain::audit::{Action, Actor, NewRecord, Record, leaf_hash};
use enforcement::evidence::{EvidenceError, EvidenceFile, EvidenceRecord, verify};
use enforcement::note::Checkpoint;
use enforcement::vault::KeyRing;
use jiff::Timestamp;
use proptest::prelude::*;

use crate::log::{Log, ORIGIN, SeededRng, busy_log, request};

fn bytes(file: &EvidenceFile) -> Vec<u8> {
    file.to_bytes().unwrap()
}

#[test]
fn evidence_of_a_closed_request_verifies_and_says_so() {
    let log = busy_log(600);
    let file = log.evidence(request(1));
    let key = log.keys.log_verifier_key(ORIGIN).unwrap().to_string();
    let verified = verify(&bytes(&file), Some(&key)).unwrap();
    assert_eq!(
        (
            verified.records.len(),
            verified.closed_at,
            verified.key_is_trusted
        ),
        (151, Some(600), true)
    );
    let summary = verified.summary().join("\n");
    assert!(
        summary.contains("151 records of req_")
            && summary.contains("was closed by record 600")
            && summary.contains("600 2026-11")
    );
    assert!(!verify(&bytes(&file), None).unwrap().key_is_trusted);
}

#[test]
fn evidence_of_an_open_request_says_that_more_may_follow() {
    let verified = verify(&bytes(&busy_log(10).evidence(request(2))), None).unwrap();
    assert_eq!(verified.closed_at, None);
    assert!(verified.summary().join("\n").contains("not closed here"));
}

#[test]
fn a_removed_doubled_or_swapped_record_is_found_and_named() {
    let whole = busy_log(40).evidence(request(1));
    let changed = |change: fn(&mut Vec<EvidenceRecord>)| {
        let mut file = whole.clone();
        change(&mut file.records);
        verify(&bytes(&file), None).unwrap_err()
    };
    assert!(matches!(
        changed(|records| drop(records.remove(0))),
        EvidenceError::Gap { position: 0 }
    ));
    assert!(matches!(
        changed(|records| drop(records.remove(4))),
        EvidenceError::Gap { position: 4 }
    ));
    assert!(matches!(
        changed(|records| records.insert(4, records[3].clone())),
        EvidenceError::Gap { position: 4 }
    ));
    assert!(matches!(
        changed(|records| records.swap(2, 3)),
        EvidenceError::Gap { position: 2 }
    ));
    assert!(matches!(
        changed(|records| records[1].sequence += 1),
        EvidenceError::Misplaced { position: 1, .. }
    ));
    assert!(matches!(changed(Vec::clear), EvidenceError::Empty));
}

#[test]
fn an_end_that_was_cut_off_no_longer_counts_as_closed() {
    let mut file = busy_log(40).evidence(request(1));
    file.records.pop();
    assert_eq!(verify(&bytes(&file), None).unwrap().closed_at, None);
}

#[test]
fn a_record_of_another_request_does_not_fill_a_gap() {
    let log = busy_log(40);
    let mut file = log.evidence(request(1));
    file.records[2] = log.evidence(request(2)).records[2].clone();
    assert!(matches!(
        verify(&bytes(&file), None).unwrap_err(),
        EvidenceError::Misplaced { position: 2, .. }
    ));
}

#[test]
fn a_record_that_was_never_in_the_log_is_found() {
    let log = busy_log(40);
    let mut file = log.evidence(request(1));
    let last = file.records.len() - 1;
    let mut record = log.entries.last().unwrap().record.clone();
    record.action = Action::Confirmed;
    file.records[last] = EvidenceRecord::new(
        record.sequence,
        &record.to_entry().unwrap(),
        file.records[last].proof.clone(),
    );
    assert!(
        matches!(verify(&bytes(&file), None).unwrap_err(), EvidenceError::NotInLog { position, .. } if position == last)
    );
}

#[test]
fn a_signed_log_whose_records_do_not_follow_one_another_proves_nothing() {
    let records = || {
        busy_log(20)
            .entries
            .into_iter()
            .map(|entry| entry.record)
            .collect::<Vec<_>>()
    };
    let refused = |change: fn(&mut Record)| {
        let mut records = records();
        change(&mut records[8]);
        verify(&bytes(&Log::signed(records).evidence(request(1))), None).unwrap_err()
    };
    assert!(verify(&bytes(&Log::signed(records()).evidence(request(1))), None).is_ok());
    let other_before =
        refused(|record| record.request.as_mut().unwrap().previous = Some(leaf_hash(b"another")));
    assert!(matches!(other_before, EvidenceError::Gap { position: 2 }));
    let other_number = refused(|record| record.request.as_mut().unwrap().sequence = 7);
    assert!(matches!(other_number, EvidenceError::Gap { position: 2 }));
    let other_log = refused(|record| record.log = "another.example/audit".to_owned());
    assert!(matches!(
        other_log,
        EvidenceError::Misplaced { position: 2, .. }
    ));
}

#[test]
fn another_key_another_log_and_a_forged_log_are_told_apart() {
    let log = busy_log(20);
    let file = log.evidence(request(1));
    let stranger = KeyRing::generate(&SeededRng::new(99));
    let stranger_key = stranger.log_verifier_key(ORIGIN).unwrap();
    assert!(matches!(
        verify(&bytes(&file), Some(&stranger_key.to_string())).unwrap_err(),
        EvidenceError::OtherKey
    ));

    // A forger with a key of his own can make a file that is consistent in itself, but not one that our key holds for.
    let forged_checkpoint = stranger
        .sign_checkpoint(&Checkpoint::new(ORIGIN, 21, log.state.frontier.root()).unwrap())
        .unwrap();
    let forged = EvidenceFile {
        checkpoint: forged_checkpoint,
        ..file.clone()
    };
    assert!(matches!(
        verify(&bytes(&forged), None).unwrap_err(),
        EvidenceError::Checkpoint(_)
    ));
    let consistent = EvidenceFile {
        verifier_key: stranger_key.to_string(),
        ..forged
    };
    let ours = log.keys.log_verifier_key(ORIGIN).unwrap().to_string();
    assert!(verify(&bytes(&consistent), None).is_ok_and(|verified| !verified.key_is_trusted));
    assert!(matches!(
        verify(&bytes(&consistent), Some(&ours)).unwrap_err(),
        EvidenceError::OtherKey
    ));
}

#[test]
fn a_checkpoint_of_a_shorter_log_does_not_cover_later_records() {
    let (short, long) = (busy_log(10), busy_log(30));
    let renamed = EvidenceFile {
        origin: "another.example/audit".to_owned(),
        ..long.evidence(request(1))
    };
    assert!(matches!(
        verify(&bytes(&renamed), None).unwrap_err(),
        EvidenceError::OtherOrigin
    ));
    let file = EvidenceFile {
        checkpoint: short.evidence(request(1)).checkpoint,
        ..long.evidence(request(1))
    };
    assert!(matches!(
        verify(&bytes(&file), None).unwrap_err(),
        EvidenceError::NotInLog { .. }
    ));
}

#[test]
fn a_file_of_a_newer_form_or_of_another_kind_says_so() {
    let text = String::from_utf8(bytes(&busy_log(4).evidence(request(1)))).unwrap();
    let newer = text.replace("\"privity_evidence\": 1", "\"privity_evidence\": 2");
    assert!(matches!(
        verify(newer.as_bytes(), None).unwrap_err(),
        EvidenceError::Form(2)
    ));
    assert!(matches!(
        verify(b"{}", None).unwrap_err(),
        EvidenceError::Unreadable(_)
    ));
    assert!(matches!(
        verify(&[0xff; 10], None).unwrap_err(),
        EvidenceError::Unreadable(_)
    ));
    assert!(matches!(
        verify(text.trim_end().as_bytes(), None).unwrap_err(),
        EvidenceError::NotOriginal
    ));
}

#[test]
fn every_single_changed_byte_of_a_file_is_noticed() {
    let record = |action| {
        NewRecord::new(Timestamp::UNIX_EPOCH, Actor::System, action).for_request(request(1))
    };
    let log = Log::of(vec![
        record(Action::RequestReceived),
        record(Action::Erased).with("rows", 3),
        record(Action::RequestClosed),
    ]);
    let whole = bytes(&log.evidence(request(1)));
    assert!(verify(&whole, None).is_ok());
    for position in 0..whole.len() {
        for mask in [1, 2, 0x20, 0x80] {
            let mut changed = whole.clone();
            changed[position] ^= mask;
            assert!(
                verify(&changed, None).is_err(),
                "byte {position} ^ {mask}: {}",
                String::from_utf8_lossy(&changed)
            );
        }
        let mut shorter = whole.clone();
        shorter.remove(position);
        assert!(verify(&shorter, None).is_err(), "byte {position} removed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_change_to_any_evidence_is_noticed(size in 4u32..700, whose in 1u128..4, place in any::<prop::sample::Index>(), new: u8) {
        let log = busy_log(size);
        let whole = bytes(&log.evidence(request(whose)));
        prop_assert!(verify(&whole, None).is_ok());
        let mut changed = whole.clone();
        let position = place.index(whole.len());
        changed[position] = new;
        prop_assert_eq!(verify(&changed, None).is_ok(), changed == whole);
    }

    #[test]
    fn records_read_back_from_evidence_are_those_of_the_log(size in 4u32..300) {
        let log = busy_log(size);
        let verified = verify(&bytes(&log.evidence(request(1))), None).unwrap();
        let of_the_log: Vec<Record> = log.entries.iter().filter(|entry| entry.record.request.is_some_and(|link| link.id == request(1))).map(|entry| entry.record.clone()).collect();
        prop_assert_eq!(verified.records, of_the_log);
    }
}
