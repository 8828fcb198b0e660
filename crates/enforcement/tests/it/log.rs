//! What the tests share: repeatable randomness, a log in memory, a privacy request in a state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use domain::audit::merkle::{Frontier, prove_inclusion};
use domain::audit::{
    Action, Actor, Appended, ChainHeads, Hash, LogState, NewEntry, NewRecord, Record, append,
    leaf_hash,
};
use domain::disclosure::{
    Attribute, AttributeName, Disclosure, DisclosureRecipient, Facts, NeverDisclosed, OwnColumn,
    Purpose, Query, RequestFacts,
};
use domain::id::RequestId;
use domain::privacy_request::{RequestKind, RequestState};
use domain::rng::{Rng, new_id};
use enforcement::evidence::{EvidenceFile, EvidenceRecord};
use enforcement::note::Checkpoint;
use enforcement::vault::KeyRing;
use enforcement::{Permit, RecordedPermit, decide};
use jiff::Timestamp;

pub(crate) const ORIGIN: &str = "privity.example/audit";
pub(crate) const CONTACT: OwnColumn = OwnColumn {
    table: "privacy_request",
    column: "contact",
};

/// Bytes that are the same in every run: SHA-256 of a seed and a counter.
pub(crate) struct SeededRng(Mutex<u64>);

impl SeededRng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(seed << 32))
    }
}

impl Rng for SeededRng {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let mut counter = self.0.lock().unwrap();
            *counter += 1;
            chunk.copy_from_slice(&Hash::of(&counter.to_be_bytes()).0[..chunk.len()]);
        }
    }
}

pub(crate) fn request(number: u128) -> RequestId {
    RequestId::from_uuid(uuid::Uuid::from_u128(number))
}

pub(crate) fn field(text: &str) -> AttributeName {
    let (collection, field) = text.rsplit_once('.').unwrap();
    AttributeName::Field(collection.into(), field.into())
}

pub(crate) fn attribute(name: AttributeName, category: &str) -> Attribute {
    Attribute {
        name,
        category: Some(category.to_owned()),
        identifier: None,
    }
}

pub(crate) fn query(
    purpose: Purpose,
    recipient: DisclosureRecipient,
    attributes: Vec<Attribute>,
) -> Query {
    static RNG: SeededRng = SeededRng(Mutex::new(77));
    let id = new_id::<Disclosure>(&RNG, Timestamp::UNIX_EPOCH);
    Query {
        id,
        request: request(1),
        recipient,
        purpose,
        attributes,
    }
}

pub(crate) fn facts(kind: RequestKind, state: RequestState) -> Facts {
    let known = [
        "user.contact.email",
        "user.contact.phone_number",
        "user.name",
        "user.behavior",
        "user.government_id.national",
        "system.operations",
    ];
    Facts {
        request: RequestFacts {
            id: request(1),
            kind,
            state,
        },
        recipient: None,
        known_categories: known
            .into_iter()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
            .into(),
        never_disclosed: [NeverDisclosed {
            category: "user.government_id".to_owned(),
            description: "a government identification number".to_owned(),
            citation: "11 CCR 7024(d)".to_owned(),
        }]
        .into(),
    }
}

/// Appends one record to a new log, as storage does, and gives the proof.
pub(crate) fn appended(record: NewRecord) -> Appended {
    append(&LogState::empty(ORIGIN), &ChainHeads::new(), vec![record])
        .unwrap()
        .durable()
        .pop()
        .unwrap()
}

pub(crate) fn recorded(permit: Permit) -> RecordedPermit {
    if let Some(names) = permit.names(Timestamp::UNIX_EPOCH) {
        permit.names_recorded(&appended(names)).unwrap();
    }
    let record = permit.new_record(Timestamp::UNIX_EPOCH, Actor::System);
    permit.record(appended(record)).unwrap()
}

/// A recorded permit to write to the subject of the first privacy request.
pub(crate) fn contact_permit() -> RecordedPermit {
    let query = query(
        Purpose::WriteToSubject,
        DisclosureRecipient::Subject,
        vec![attribute(AttributeName::Own(CONTACT), "user.contact.email")],
    );
    recorded(decide(&query, &facts(RequestKind::Delete, RequestState::Received)).unwrap())
}

/// A log in memory with everything that evidence is made from.
pub(crate) struct Log {
    pub(crate) keys: KeyRing,
    pub(crate) entries: Vec<NewEntry>,
    pub(crate) state: LogState,
    stored: BTreeMap<(u8, u64), Hash>,
}

impl Log {
    pub(crate) fn of(records: Vec<NewRecord>) -> Self {
        let pending = append(&LogState::empty(ORIGIN), &ChainHeads::new(), records).unwrap();
        let mut stored: BTreeMap<_, _> = pending
            .subtrees()
            .iter()
            .map(|subtree| ((subtree.level, subtree.index), subtree.hash))
            .collect();
        stored.extend(
            pending
                .entries()
                .iter()
                .map(|entry| ((0, entry.record.sequence), entry.leaf)),
        );
        Self {
            keys: KeyRing::generate(&SeededRng::new(3)),
            entries: pending.entries().to_vec(),
            state: pending.state().clone(),
            stored,
        }
    }

    /// A log with any records in it, signed all the same: what a program that went wrong could sign.
    pub(crate) fn signed(records: Vec<Record>) -> Self {
        let (mut frontier, mut stored) = (Frontier::default(), BTreeMap::new());
        let mut entries = Vec::new();
        for (place, record) in (0u64..).zip(records) {
            let bytes = record.to_entry().unwrap();
            let leaf = leaf_hash(&bytes);
            frontier.append(leaf, &mut Vec::new());
            stored.insert((0, place), leaf);
            entries.push(NewEntry {
                record,
                bytes,
                leaf,
            });
        }
        let state = LogState {
            log: ORIGIN.to_owned(),
            frontier,
        };
        Self {
            keys: KeyRing::generate(&SeededRng::new(3)),
            entries,
            state,
            stored,
        }
    }

    pub(crate) fn evidence(&self, about: RequestId) -> EvidenceFile {
        let size = self.state.frontier.size();
        let checkpoint = Checkpoint::new(ORIGIN, size, self.state.frontier.root()).unwrap();
        let records = self
            .entries
            .iter()
            .filter(|entry| entry.record.request.is_some_and(|link| link.id == about))
            .map(|entry| {
                let sequence = entry.record.sequence;
                EvidenceRecord::new(
                    sequence,
                    &entry.bytes,
                    prove_inclusion(sequence, size, &self.stored).unwrap(),
                )
            })
            .collect();
        let note = self.keys.sign_checkpoint(&checkpoint).unwrap();
        EvidenceFile::new(
            about,
            &self.keys.log_verifier_key(ORIGIN).unwrap(),
            note,
            records,
        )
    }
}

/// Three privacy requests and the program's own records, interleaved; the first request ends with its closing.
pub(crate) fn busy_log(size: u32) -> Log {
    let at = |second: u32| Timestamp::from_second(1_795_000_000 + i64::from(second)).unwrap();
    let mut records: Vec<_> = (0..size)
        .map(|n| {
            let record = NewRecord::new(at(n), Actor::System, Action::ALL[n as usize % 20])
                .about("shop")
                .with("rows", n);
            if n % 4 == 3 {
                record
            } else {
                record.for_request(request(u128::from(n % 4) + 1))
            }
        })
        .collect();
    records.push(
        NewRecord::new(at(size), Actor::System, Action::RequestClosed).for_request(request(1)),
    );
    Log::of(records)
}
