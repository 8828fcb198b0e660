//! Evidence: one file for one privacy request, which anybody can verify offline with nothing but our public key.
//!
//! Formats: RFC 6962 proofs, C2SP signed checkpoints (docs/decisions/003-audit-log.md).

use domain::audit::merkle::{inclusion_needs, prove_inclusion};
use domain::audit::{Action, Actor, NewRecord};
use domain::id::RequestId;
use domain::progress::Progress;
use enforcement::evidence::{EvidenceFile, EvidenceRecord};
use enforcement::note::Checkpoint;
use storage::Tx;
use storage::audit::Entry;

use crate::privacy_request::plan::existing;
use crate::{Privity, Problem};

/// Everything that the audit log holds about one privacy request, with proofs and a freshly signed checkpoint.
pub async fn export(p: &Privity, id: RequestId) -> Result<Vec<u8>, Problem> {
    export_watched(p, id, &Progress::unwatched()).await
}

/// [`export`], telling how many records have their proof of all.
pub async fn export_watched(
    p: &Privity,
    id: RequestId,
    progress: &Progress,
) -> Result<Vec<u8>, Problem> {
    p.read("read privacy request", move |tx| existing(tx, id).map(drop))
        .await?;
    p.append(vec![
        NewRecord::new(p.now(), Actor::System, Action::EvidenceExported).for_request(id),
    ])
    .await?;
    let log = p.log_name();
    let (note, records) = p
        .read("gather evidence", {
            let q = p.clone();
            let (log, progress) = (log.clone(), progress.clone());
            move |tx| gather(&q, tx, &log, id, &progress)
        })
        .await?;
    let key = p
        .keys()
        .log_verifier_key(&log)
        .map_err(|error| failed(&error))?;
    let saved = note.clone();
    p.parts
        .database
        .write("save checkpoint", move |tx| {
            storage::audit::save_checkpoint(tx, &log, &saved)
        })
        .await?;
    EvidenceFile::new(id, &key, note.note, records)
        .to_bytes()
        .map_err(|error| failed(&error))
}

fn gather(
    p: &Privity,
    tx: &mut Tx,
    log: &str,
    id: RequestId,
    progress: &Progress,
) -> Result<(storage::audit::Checkpoint, Vec<EvidenceRecord>), Problem> {
    let state = storage::audit::state(tx, log)?;
    let (size, root) = (state.frontier.size(), state.frontier.root());
    let checkpoint = Checkpoint::new(log, size, root).map_err(|error| failed(&error))?;
    let note = p
        .keys()
        .sign_checkpoint(&checkpoint)
        .map_err(|error| failed(&error))?;
    let entries = storage::audit::of_request(tx, log, id)?;
    let records = (1..)
        .zip(&entries)
        .map(|(done, entry)| {
            let record = proven(tx, log, entry, size)?;
            progress.tell("records proven", done, entries.len() as u64);
            Ok(record)
        })
        .collect::<Result<Vec<_>, Problem>>()?;
    Ok((storage::audit::Checkpoint { size, root, note }, records))
}

fn proven(tx: &mut Tx, log: &str, entry: &Entry, size: u64) -> Result<EvidenceRecord, Problem> {
    let needs = inclusion_needs(entry.sequence, size).map_err(|error| failed(&error))?;
    let hashes = storage::audit::hashes(tx, log, &needs)?;
    let proof = prove_inclusion(entry.sequence, size, &hashes).map_err(|error| failed(&error))?;
    Ok(EvidenceRecord::new(entry.sequence, &entry.bytes, proof))
}

fn failed(error: &dyn std::fmt::Display) -> Problem {
    Problem::internal("making the evidence file", error)
}

/// The public key of the audit log, to be handed to auditors by another way than the file.
pub fn public_key(p: &Privity) -> Result<String, Problem> {
    p.keys()
        .log_verifier_key(&p.log_name())
        .map(|key| key.to_string())
        .map_err(|error| failed(&error))
}

/// Checks an evidence file; without a key it only shows that the file is consistent in itself. Answers what it proves, in words.
pub fn verify(bytes: &[u8], public_key: Option<&str>) -> Result<Vec<String>, Problem> {
    verify_watched(bytes, public_key, &Progress::unwatched())
}

/// [`verify`], telling how many records are verified of all.
pub fn verify_watched(
    bytes: &[u8],
    public_key: Option<&str>,
    progress: &Progress,
) -> Result<Vec<String>, Problem> {
    enforcement::evidence::verify_watched(bytes, public_key, progress)
        .map(|verified| verified.summary())
        .map_err(|error| {
            let cause = std::error::Error::source(&error)
                .map_or_else(String::new, |cause| format!(" ({cause})"));
            Problem::new("evidence_refused", 422, format!("{error}{cause}"))
        })
}
