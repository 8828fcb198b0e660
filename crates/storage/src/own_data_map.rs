//! Our own tables in our own data map: what each column holds, whether it is personal, and how long it stays.
//!
//! A test compares this list with the real schema of both engines, so that no column is added without saying what it is for.

/// One column of our own tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnColumn {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// What it holds, in words.
    pub holds: &'static str,
    /// The legal category of personal data that it holds, by the key of facts.md (Civ. Code 1798.140(v)); `None` when it holds none.
    pub category: Option<&'static str>,
    /// Whether it is stored only sealed.
    pub sealed: bool,
    /// How long it stays.
    pub retention: &'static str,
}

/// Every column of our own tables.
pub const fn own_data_map() -> &'static [OwnColumn] {
    COLUMNS
}

/// Records of privacy requests: 11 CCR 7101(a).
const RECORDS: &str = "24 months after the request is closed";
const UNTIL_CLOSED: &str = "until the request is closed, then destroyed with the request's key";
const PACKAGE: &str = "until the link ends";
const HOLD: &str = "24 months after the hold is lifted";
const OPERATOR: &str = "as long as the audit log names the operator";
const PROFILE: &str = "as long as the profile; its key is destroyed when the subject is forgotten";
const LOG: &str = "as long as the audit log";
const DATABASE: &str = "as long as the database";
const SESSION: &str = "until the session ends";
const WISH: &str = "as long as the subject's wish holds";
const CHOICE: &str = "as long as the choice holds, and then as long as it may have to be proven";
const REPEAT: &str = "24 hours after the call";
const HELD: &str = "until the program ends, or a minute after it was killed";
const WINDOW: &str = "until the window is over";

const IDENTIFIERS: Option<&str> = Some("A_identifiers");

const fn plain(
    table: &'static str,
    column: &'static str,
    holds: &'static str,
    retention: &'static str,
) -> OwnColumn {
    OwnColumn {
        table,
        column,
        holds,
        category: None,
        sealed: false,
        retention,
    }
}

const fn personal(
    table: &'static str,
    column: &'static str,
    holds: &'static str,
    retention: &'static str,
) -> OwnColumn {
    OwnColumn {
        table,
        column,
        holds,
        category: IDENTIFIERS,
        sealed: false,
        retention,
    }
}

const fn sealed(
    table: &'static str,
    column: &'static str,
    holds: &'static str,
    retention: &'static str,
) -> OwnColumn {
    OwnColumn {
        table,
        column,
        holds,
        category: IDENTIFIERS,
        sealed: true,
        retention,
    }
}

// One column a line reads as the table that it is.
#[rustfmt::skip]
const COLUMNS: &[OwnColumn] = &[
    plain("meta", "name", "Name of a value of the program", DATABASE),
    plain("meta", "value", "The value: a key check, the moment of creation", DATABASE),
    plain("privacy_request", "id", "Id of the privacy request", RECORDS),
    plain("privacy_request", "kind", "The right exercised", RECORDS),
    plain("privacy_request", "law", "The law whose clock runs", RECORDS),
    plain("privacy_request", "jurisdiction", "Where that law applies", RECORDS),
    plain("privacy_request", "state", "Where it stands", RECORDS),
    plain("privacy_request", "reasons", "Codes of reasons for what was refused or kept", RECORDS),
    plain("privacy_request", "waiting", "What it waits for", RECORDS),
    plain("privacy_request", "channel", "How it came in", RECORDS),
    plain("privacy_request", "language", "The language that the subject chose", RECORDS),
    plain("privacy_request", "received_at", "When it came in", RECORDS),
    plain("privacy_request", "received_on", "The day of receipt where the law applies", RECORDS),
    plain("privacy_request", "ack_by", "Receipt must be confirmed by", RECORDS),
    plain("privacy_request", "respond_by", "It must be answered by", RECORDS),
    plain("privacy_request", "max_by", "The last day with an extension", RECORDS),
    plain("privacy_request", "extended_to", "The day after an extension", RECORDS),
    plain("privacy_request", "tracker_tag", "Hash of the token in the link to the tracker", RECORDS),
    plain("privacy_request", "wrapped_key", "Key of what is sealed for this request, wrapped", UNTIL_CLOSED),
    sealed("privacy_request", "identity", "Who asks: identifiers and name as given", UNTIL_CLOSED),
    sealed("privacy_request", "manifest", "What the search found: keys and identifiers of the subject's rows", UNTIL_CLOSED),
    plain("privacy_request", "plan", "What will be done, in numbers per collection", RECORDS),
    plain("privacy_request", "confirmation", "What the re-read found, in numbers per collection", RECORDS),
    plain("privacy_request", "package_path", "Where the access package lies, itself sealed", PACKAGE),
    plain("privacy_request", "package_tag", "Hash of the token in the link to the package", PACKAGE),
    plain("privacy_request", "package_expires_at", "When the link ends", PACKAGE),
    plain("privacy_request", "package_size", "Bytes of the package", PACKAGE),
    plain("privacy_request", "version", "Number of changes", RECORDS),
    plain("privacy_request", "created_at", "When it was stored", RECORDS),
    plain("privacy_request", "updated_at", "When it was last changed", RECORDS),
    plain("privacy_request", "closed_at", "When it was closed", RECORDS),
    plain("privacy_request", "identity_tag", "Keyed hash of the address given, to count requests to know within twelve months", RECORDS),
    plain("privacy_request", "look_back", "The day from which the subject asked to know", RECORDS),
    plain("verification", "request_id", "The privacy request", RECORDS),
    plain("verification", "code_tag", "Keyed hash of the code last sent", RECORDS),
    plain("verification", "expires_at", "When the code ends", RECORDS),
    plain("verification", "tries", "Wrong answers", RECORDS),
    plain("verification", "sends", "Codes sent", RECORDS),
    plain("verification", "next_send_at", "When another may be sent", RECORDS),
    plain("verification", "verified_at", "When the right one came", RECORDS),
    plain("task", "id", "Id of the task", RECORDS),
    plain("task", "kind", "What is to be done", RECORDS),
    plain("task", "request_id", "For which privacy request", RECORDS),
    plain("task", "target", "Key of a system, or id of an outreach", RECORDS),
    plain("task", "state", "Where it stands", RECORDS),
    plain("task", "run_at", "Not before", RECORDS),
    plain("task", "attempts", "Attempts so far", RECORDS),
    plain("task", "lease_owner", "The worker that has it", RECORDS),
    plain("task", "lease_until", "Until when", RECORDS),
    plain("task", "error", "Why it is stuck, in words without values", RECORDS),
    plain("task", "due", "By when a person has to do it", RECORDS),
    plain("task", "created_at", "When it was stored", RECORDS),
    plain("outreach", "id", "Id of the outreach", RECORDS),
    plain("outreach", "request_id", "The privacy request", RECORDS),
    plain("outreach", "recipient", "Key of the recipient, a business", RECORDS),
    plain("outreach", "channel", "How it is told", RECORDS),
    plain("outreach", "action", "What it is to do", RECORDS),
    plain("outreach", "level", "How far it is proven", RECORDS),
    plain("outreach", "answer", "What it answered", RECORDS),
    plain("outreach", "reason", "Code of the reason for what it keeps", RECORDS),
    sealed("outreach", "note", "What the recipient wrote, which may name the subject", UNTIL_CLOSED),
    plain("outreach", "link_tag", "Hash of the token in the recipient's link", RECORDS),
    plain("outreach", "external_id", "The id under which the recipient knows it", RECORDS),
    plain("outreach", "due", "By when an answer is wanted", RECORDS),
    plain("outreach", "reminders", "Reminders sent", RECORDS),
    plain("outreach", "next_reminder_at", "When the next is due", RECORDS),
    plain("outreach", "escalated", "Whether an operator was called", RECORDS),
    plain("outreach", "last_error", "Why the last attempt failed, in words without values", RECORDS),
    plain("outreach", "sent_at", "When it first went out", RECORDS),
    plain("outreach", "answered_at", "When the answer came", RECORDS),
    plain("outreach", "created_at", "When it was stored", RECORDS),
    plain("attachment", "id", "Id of the attachment", RECORDS),
    plain("attachment", "request_id", "The privacy request", RECORDS),
    plain("attachment", "outreach_id", "The outreach that it answers", RECORDS),
    plain("attachment", "task_id", "The work by hand that it proves", RECORDS),
    sealed("attachment", "name", "The file's name", UNTIL_CLOSED),
    plain("attachment", "media_type", "Its media type", RECORDS),
    sealed("attachment", "content", "The file", UNTIL_CLOSED),
    plain("attachment", "size", "Its bytes", RECORDS),
    plain("attachment", "created_at", "When it came", RECORDS),
    plain("operator", "id", "Id of the operator", OPERATOR),
    personal("operator", "name", "The operator's name", OPERATOR),
    plain("operator", "role", "Key of the role", OPERATOR),
    plain("operator", "key_tag", "Hash of the operator's key", OPERATOR),
    plain("operator", "disabled_at", "When shut out", OPERATOR),
    plain("operator", "created_at", "When added", OPERATOR),
    plain("session", "tag", "Hash of the session's token", SESSION),
    plain("session", "operator_id", "Whose session", SESSION),
    plain("session", "expires_at", "When it ends", SESSION),
    plain("suppression", "kind", "Kind of identifier", WISH),
    personal("suppression", "tag", "Keyed hash of an identifier of a subject", WISH),
    plain("suppression", "reason", "Forgotten, or opted out", WISH),
    plain("suppression", "request_id", "Since which privacy request", WISH),
    plain("suppression", "created_at", "Since when", WISH),
    plain("rate_limit", "name", "What is limited", WINDOW),
    personal("rate_limit", "tag", "Keyed hash of whom: a network address or an identifier", WINDOW),
    plain("rate_limit", "window_start", "When the window began", WINDOW),
    plain("rate_limit", "hits", "How often", WINDOW),
    plain("idempotency", "tag", "Keyed hash of a call: its route, the operator and the Idempotency-Key", REPEAT),
    personal("idempotency", "body_tag", "Keyed hash of the call's body, which named a subject", REPEAT),
    plain("idempotency", "request_id", "The privacy request that came of it", REPEAT),
    plain("idempotency", "status", "The status that was answered", REPEAT),
    plain("idempotency", "wrapped_key", "Key of the answer, wrapped", REPEAT),
    sealed("idempotency", "response", "The answer, with the link to the subject's page", REPEAT),
    plain("idempotency", "expires_at", "Until when it is remembered", REPEAT),
    plain("legal_hold", "id", "Id of the legal hold", HOLD),
    plain("legal_hold", "name", "Its name", HOLD),
    plain("legal_hold", "reason_code", "Code of the reason", HOLD),
    plain("legal_hold", "note", "What operators should know, without values", HOLD),
    plain("legal_hold", "covers", "Keys of the collections that it covers", HOLD),
    plain("legal_hold", "request_id", "The privacy request whose subject it covers", HOLD),
    personal("legal_hold", "subject_tags", "Keyed hashes of the identifiers of the subject whose data it covers", HOLD),
    plain("legal_hold", "placed_by", "Id of the operator who placed it", HOLD),
    plain("legal_hold", "placed_at", "When", HOLD),
    plain("legal_hold", "until_day", "The last day on which it holds", HOLD),
    plain("legal_hold", "lifted_at", "When it was lifted", HOLD),
    plain("subject", "id", "Opaque id of one record about a person", PROFILE),
    plain("subject", "canonical", "The record that stands for her once records were merged", PROFILE),
    plain("subject", "key_version", "Version of the key of the record", PROFILE),
    plain("subject", "key_epoch", "The epoch that wraps the key", PROFILE),
    plain("subject", "wrapped_key", "Key of everything sealed in the record, wrapped", PROFILE),
    plain("subject", "created_at", "When it was stored", PROFILE),
    plain("subject", "erased_at", "When its key was destroyed", PROFILE),
    plain("profile_segment", "subject_id", "Whose", PROFILE),
    plain("profile_segment", "segment", "Which part of the profile", PROFILE),
    plain("profile_segment", "row_version", "Number of changes", PROFILE),
    plain("profile_segment", "schema_version", "Version of the schema under which it was sealed", PROFILE),
    sealed("profile_segment", "sealed", "Attributes with their sources and times", PROFILE),
    plain("profile_segment", "updated_at", "When it was last changed", PROFILE),
    plain("identifier", "kind", "Kind of identifier", PROFILE),
    personal("identifier", "tag", "Keyed hash of an identifier of a subject", PROFILE),
    plain("identifier", "subject_id", "Whose", PROFILE),
    plain("identifier", "source", "Number of the source that said so", PROFILE),
    plain("identifier", "key_version", "Version of the key of the hash", PROFILE),
    plain("identifier", "verified", "Whether somebody proved it", PROFILE),
    plain("source_record", "source", "Number of the source", PROFILE),
    personal("source_record", "tag", "Keyed hash of the source's key for a record", PROFILE),
    plain("source_record", "subject_id", "Which record of ours it is", PROFILE),
    plain("source_record", "key_version", "Version of the key of the hash", PROFILE),
    plain("identity_event", "id", "Id of what happened", PROFILE),
    plain("identity_event", "kind", "Merged, split or kept apart", PROFILE),
    plain("identity_event", "merge_id", "Which merge", PROFILE),
    plain("identity_event", "one", "One record", PROFILE),
    plain("identity_event", "other", "The other", PROFILE),
    plain("identity_event", "reason", "Kind and keyed hash of the identifier, or id of the operator", PROFILE),
    plain("identity_event", "at", "When", PROFILE),
    plain("identity_review", "id", "Id of the question", PROFILE),
    plain("identity_review", "kind", "What is asked", PROFILE),
    plain("identity_review", "one", "One subject", PROFILE),
    plain("identity_review", "other", "The other", PROFILE),
    plain("identity_review", "identifier_kind", "Kind of the identifier that it is about", PROFILE),
    plain("identity_review", "state", "Open, or what was decided", PROFILE),
    plain("identity_review", "decided_by", "Id of the operator who decided", PROFILE),
    plain("identity_review", "decided_at", "When", PROFILE),
    plain("identity_review", "created_at", "When it came up", PROFILE),
    plain("profile_import", "id", "Id of the import", DATABASE),
    plain("profile_import", "source", "Number of the source", DATABASE),
    plain("profile_import", "origin", "Hash of the file, or key of the collection", DATABASE),
    plain("profile_import", "position", "How many records are done", DATABASE),
    plain("profile_import", "watermark", "Sealed: where the next synchronisation goes on", DATABASE),
    plain("profile_import", "counts", "How many were new, changed, the same or refused", DATABASE),
    plain("profile_import", "state", "Where it stands", DATABASE),
    plain("profile_import", "started_at", "When it began", DATABASE),
    plain("profile_import", "updated_at", "When it was last saved", DATABASE),
    plain("key_holder", "id", "Name of a program that runs, made anew at each start", HELD),
    plain("key_holder", "epoch_in_use", "The epoch that it may still wrap under", HELD),
    plain("key_holder", "newest_epoch", "The newest epoch that it has loaded", HELD),
    plain("key_holder", "index_in_use", "The index key that it may still tag with", HELD),
    plain("key_holder", "newest_index", "The newest index key that it has loaded", HELD),
    plain("key_holder", "key_check", "Tells the newest keys from others of the same numbers", HELD),
    plain("key_holder", "until", "Until when it promises to have said so again", HELD),
    personal("consent_event", "party", "Whose: opaque id of a subject, or keyed hash of a device's or pseudonymous id", CHOICE),
    plain("consent_event", "id", "Id of the choice", CHOICE),
    plain("consent_event", "at", "When it was made", CHOICE),
    plain("consent_event", "recorded_at", "When it reached us", CHOICE),
    plain("consent_event", "event", "The choice: purpose, what was chosen and shown, by whom and how; without values", CHOICE),
    personal("party_link", "party", "One end: a device, a pseudonym or a subject", CHOICE),
    personal("party_link", "linked", "The other end", CHOICE),
    plain("party_link", "since", "Since when they are known to belong together", CHOICE),
    plain("profile_import", "held_by", "Which process works at it", DATABASE),
    plain("profile_import", "held_until", "How long it may", DATABASE),
    plain("profile_call", "tag", "Keyed hash of a call: its route, the operator and the Idempotency-Key", REPEAT),
    personal("profile_call", "body_tag", "Keyed hash of the call's body, which held profiles", REPEAT),
    plain("profile_call", "answer", "The answer: ids and counts", REPEAT),
    plain("profile_call", "expires_at", "Until when it is remembered", REPEAT),
    plain("audit_log", "log", "Name of the log", LOG),
    plain("audit_log", "size", "How many records it has", LOG),
    plain("audit_log", "frontier", "Hashes at the end of its tree", LOG),
    plain("audit_entry", "log", "Name of the log", LOG),
    plain("audit_entry", "sequence", "Place in the log", LOG),
    plain("audit_entry", "entry", "A record: ids, keys, counts, codes and hashes, without values", LOG),
    plain("audit_entry", "leaf", "Its hash", LOG),
    plain("audit_entry", "request_id", "The privacy request that it belongs to", LOG),
    plain("audit_entry", "request_sequence", "Its place among the records of that request", LOG),
    plain("audit_entry", "at", "When it was done", LOG),
    plain("audit_tile", "log", "Name of the log", LOG),
    plain("audit_tile", "level", "Height in the tree", LOG),
    plain("audit_tile", "position", "Which one of its level", LOG),
    plain("audit_tile", "hash", "Hash of a full tile", LOG),
    plain("audit_checkpoint", "log", "Name of the log", LOG),
    plain("audit_checkpoint", "size", "How many records it covers", LOG),
    plain("audit_checkpoint", "root", "Root of the tree", LOG),
    plain("audit_checkpoint", "note", "The signed note", LOG),
    plain("schema_migration", "version", "Number of a migration that was applied", DATABASE),
    plain("schema_migration", "statement", "Which of its statements", DATABASE),
    plain("schema_migration", "checksum", "Hash of the statement", DATABASE),
    plain("schema_migration", "program", "Version of the program that applied it", DATABASE),
];
