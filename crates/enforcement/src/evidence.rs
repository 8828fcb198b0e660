//! Evidence: one file that proves what was done for one privacy request, and that nothing was left out or changed.
//!
//! Whoever has the file and the public key needs nothing else: no database, no network, no trust in us. Each record is shown to be
//! in the tree that the signed checkpoint names, and the records are chained, so that none in between can be missing.
//! Described for people in docs/guides/evidence.md.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::audit::merkle::{ProofError, verify_inclusion};
use domain::audit::{Action, Hash, InvalidRecord, Record, leaf_hash};
use domain::id::RequestId;
use domain::progress::Progress;
use serde::{Deserialize, Serialize};

use crate::note::{Checkpoint, NoteError, VerifierKey, verify_checkpoint};

/// The form of evidence files that this version writes and reads.
const FORM: u32 = 1;

/// The content of an evidence file, in the order in which it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceFile {
    /// Form of the file: 1.
    pub privity_evidence: u32,
    /// The privacy request.
    pub request: RequestId,
    /// The log's name, as in the checkpoint.
    pub origin: String,
    /// The public key, for convenience; whoever verifies should have it from elsewhere.
    pub verifier_key: String,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// Every record of the privacy request, in order.
    pub records: Vec<EvidenceRecord>,
}

/// One record with the proof that it is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceRecord {
    /// Its place in the log.
    pub sequence: u64,
    /// Its bytes in base64.
    pub entry: String,
    /// The inclusion proof, from the leaf up, in hexadecimal.
    pub proof: Vec<Hash>,
}

/// What an evidence file proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The privacy request.
    pub request: RequestId,
    /// The signed checkpoint.
    pub checkpoint: Checkpoint,
    /// The key that signed it.
    pub key: VerifierKey,
    /// Whether the caller brought the key; otherwise it came from the file itself and proves only that the file is consistent.
    pub key_is_trusted: bool,
    /// The records, in order.
    pub records: Vec<Record>,
    /// Place in the log of the record that closed the privacy request; until there is one, the file may end too early.
    pub closed_at: Option<u64>,
}

/// Why an evidence file proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// Not JSON, or members are missing or unknown.
    #[error("this is not an evidence file")]
    Unreadable(#[source] serde_json::Error),
    /// A form from the future.
    #[error(
        "this evidence file has the form {0}; this version of privity reads form 1, use a newer one"
    )]
    Form(u32),
    /// Same content, other bytes.
    #[error(
        "this evidence file is not as privity wrote it: its layout or spelling was changed; ask for the original"
    )]
    NotOriginal,
    /// The key that the caller brought, or that of the file, is none.
    #[error("the public key cannot be used")]
    Key(#[source] NoteError),
    /// The key that the caller brought isn't that of the file.
    #[error(
        "the evidence file names another public key than the one given; it is evidence of another log, or a forgery"
    )]
    OtherKey,
    /// The checkpoint isn't signed by the key.
    #[error("the checkpoint does not hold")]
    Checkpoint(#[source] NoteError),
    /// The file's origin isn't the checkpoint's.
    #[error("the evidence file names another log than its checkpoint")]
    OtherOrigin,
    /// No records, so nothing is proven.
    #[error("the evidence file has no records")]
    Empty,
    /// The bytes are no record.
    #[error("record {position} of the evidence file was changed: its bytes cannot be read")]
    RecordEncoding {
        /// Counted from 0.
        position: usize,
    },
    /// The bytes are no record.
    #[error("record {position} of the evidence file was changed")]
    Record {
        /// Counted from 0.
        position: usize,
        /// What is wrong.
        #[source]
        source: InvalidRecord,
    },
    /// It isn't in the log that was signed.
    #[error("record {position} of the evidence file is not in the signed log")]
    NotInLog {
        /// Counted from 0.
        position: usize,
        /// What is wrong.
        #[source]
        source: ProofError,
    },
    /// Its place, its log or its privacy request isn't what the file says.
    #[error("record {position} of the evidence file belongs elsewhere: {what}")]
    Misplaced {
        /// Counted from 0.
        position: usize,
        /// What differs.
        what: &'static str,
    },
    /// Something before it is missing, doubled or in another order.
    #[error(
        "before record {position} of the evidence file a record is missing, doubled or out of order"
    )]
    Gap {
        /// Counted from 0.
        position: usize,
    },
}

impl EvidenceFile {
    /// Puts a file together. Nothing is checked here; [`verify`] is what checks.
    pub fn new(
        request: RequestId,
        key: &VerifierKey,
        checkpoint_note: String,
        records: Vec<EvidenceRecord>,
    ) -> Self {
        let (origin, verifier_key) = (key.name().to_owned(), key.to_string());
        Self {
            privity_evidence: FORM,
            request,
            origin,
            verifier_key,
            checkpoint: checkpoint_note,
            records,
        }
    }

    /// The file's bytes. One content has one form, so that every changed byte is noticed.
    ///
    /// # Errors
    /// None in practice; serde_json's in form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

impl EvidenceRecord {
    /// A record's bytes and its inclusion proof.
    pub fn new(sequence: u64, entry: &[u8], proof: Vec<Hash>) -> Self {
        Self {
            sequence,
            entry: STANDARD.encode(entry),
            proof,
        }
    }
}

/// Checks an evidence file with nothing but a public key (`name+id+key`). Without one the file's own is used, which shows only
/// that the file is consistent in itself.
///
/// # Errors
/// [`EvidenceError`], naming the record that fails.
pub fn verify(bytes: &[u8], verifier_key: Option<&str>) -> Result<Verified, EvidenceError> {
    verify_watched(bytes, verifier_key, &Progress::unwatched())
}

/// [`verify`], telling how many records are verified of all.
///
/// # Errors
/// As [`verify`].
pub fn verify_watched(
    bytes: &[u8],
    verifier_key: Option<&str>,
    progress: &Progress,
) -> Result<Verified, EvidenceError> {
    let file = read(bytes)?;
    let key: VerifierKey = file.verifier_key.parse().map_err(EvidenceError::Key)?;
    if let Some(trusted) = verifier_key
        && trusted
            .trim()
            .parse::<VerifierKey>()
            .map_err(EvidenceError::Key)?
            != key
    {
        return Err(EvidenceError::OtherKey);
    }
    let checkpoint =
        verify_checkpoint(&file.checkpoint, &key).map_err(EvidenceError::Checkpoint)?;
    if checkpoint.origin() != file.origin {
        return Err(EvidenceError::OtherOrigin);
    }
    let records = check_records(&file, &checkpoint, progress)?;
    let closed_at = records
        .iter()
        .find(|record| record.action == Action::RequestClosed)
        .map(|record| record.sequence);
    Ok(Verified {
        request: file.request,
        checkpoint,
        key,
        key_is_trusted: verifier_key.is_some(),
        records,
        closed_at,
    })
}

fn read(bytes: &[u8]) -> Result<EvidenceFile, EvidenceError> {
    #[derive(Deserialize)]
    struct Form {
        privity_evidence: u32,
    }
    let form: Form = serde_json::from_slice(bytes).map_err(EvidenceError::Unreadable)?;
    if form.privity_evidence != FORM {
        return Err(EvidenceError::Form(form.privity_evidence));
    }
    let file: EvidenceFile = serde_json::from_slice(bytes).map_err(EvidenceError::Unreadable)?;
    if file.to_bytes().map_err(EvidenceError::Unreadable)? != bytes {
        return Err(EvidenceError::NotOriginal);
    }
    Ok(file)
}

fn check_records(
    file: &EvidenceFile,
    checkpoint: &Checkpoint,
    progress: &Progress,
) -> Result<Vec<Record>, EvidenceError> {
    if file.records.is_empty() {
        return Err(EvidenceError::Empty);
    }
    let mut previous = None;
    let mut records = Vec::with_capacity(file.records.len());
    for (position, item) in file.records.iter().enumerate() {
        let entry = STANDARD
            .decode(&item.entry)
            .map_err(|_| EvidenceError::RecordEncoding { position })?;
        let record = Record::from_entry(&entry)
            .map_err(|source| EvidenceError::Record { position, source })?;
        let leaf = leaf_hash(&entry);
        check_place(file, item, &record, position)?;
        check_link(&record, position, previous)?;
        verify_inclusion(
            item.sequence,
            checkpoint.size(),
            leaf,
            &item.proof,
            checkpoint.root(),
        )
        .map_err(|source| EvidenceError::NotInLog { position, source })?;
        previous = Some(leaf);
        records.push(record);
        progress.tell(
            "records verified",
            position as u64 + 1,
            file.records.len() as u64,
        );
    }
    Ok(records)
}

/// The record says itself which log, which place and which privacy request it belongs to.
fn check_place(
    file: &EvidenceFile,
    item: &EvidenceRecord,
    record: &Record,
    position: usize,
) -> Result<(), EvidenceError> {
    let what = if record.log != file.origin {
        "it is a record of another log"
    } else if record.sequence != item.sequence {
        "it has another place in the log"
    } else if record.request.is_none_or(|link| link.id != file.request) {
        "it is about another privacy request"
    } else {
        return Ok(());
    };
    Err(EvidenceError::Misplaced { position, what })
}

/// Numbered from 0 without a gap, and each naming the hash of the one before.
fn check_link(
    record: &Record,
    position: usize,
    previous: Option<Hash>,
) -> Result<(), EvidenceError> {
    let linked = record.request.is_some_and(|link| {
        usize::try_from(link.sequence) == Ok(position) && link.previous == previous
    });
    if linked {
        Ok(())
    } else {
        Err(EvidenceError::Gap { position })
    }
}

impl Verified {
    /// What was proven, in lines for people.
    pub fn summary(&self) -> Vec<String> {
        let mut lines = vec![
            format!(
                "{} records of {} are in the log `{}`, none is missing in between",
                self.records.len(),
                self.request,
                self.checkpoint.origin()
            ),
            format!(
                "the log had {} records when it was signed, root {}",
                self.checkpoint.size(),
                self.checkpoint.root()
            ),
        ];
        lines.push(if self.key_is_trusted {
            format!("signed by the key that you gave, {}", self.key)
        } else {
            format!("signed by the key in the file itself: compare it with the one that the business publishes, {}", self.key)
        });
        lines.push(match self.closed_at {
            Some(sequence) => format!("the privacy request was closed by record {sequence}"),
            None => "the privacy request is not closed here: there may be later records that this file does not show".to_owned(),
        });
        lines.extend(self.records.iter().map(line_of));
        lines
    }
}

fn line_of(record: &Record) -> String {
    let about = record
        .subject_of
        .as_deref()
        .map(|key| format!(" ({key})"))
        .unwrap_or_default();
    format!(
        "{} {} {} by {}{about}",
        record.sequence, record.at, record.action, record.actor
    )
}
