-- Values of ours that the program itself needs, by name.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL
);

-- A right exercised by a subject. What is personal is sealed under wrapped_key; without that key it is gone.
CREATE TABLE privacy_request (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    law TEXT NOT NULL,
    jurisdiction TEXT NOT NULL,
    state TEXT NOT NULL,
    reasons TEXT NOT NULL,
    waiting TEXT,
    channel TEXT NOT NULL,
    language TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    received_on TEXT NOT NULL,
    ack_by TEXT,
    respond_by TEXT,
    max_by TEXT,
    extended_to TEXT,
    tracker_tag BYTEA NOT NULL UNIQUE,
    wrapped_key BYTEA,
    identity BYTEA,
    manifest BYTEA,
    plan TEXT,
    confirmation TEXT,
    package_path TEXT,
    package_tag BYTEA UNIQUE,
    package_expires_at BIGINT,
    package_size BIGINT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    closed_at BIGINT
);

CREATE INDEX privacy_request_state ON privacy_request (state, id);

CREATE INDEX privacy_request_due ON privacy_request ((COALESCE(extended_to, respond_by))) WHERE closed_at IS NULL;

CREATE INDEX privacy_request_closed ON privacy_request (closed_at) WHERE closed_at IS NOT NULL;

-- The code that a subject types to show who she is.
CREATE TABLE verification (
    request_id TEXT NOT NULL PRIMARY KEY REFERENCES privacy_request (id),
    code_tag BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    sends BIGINT NOT NULL,
    next_send_at BIGINT NOT NULL,
    verified_at BIGINT
);

-- A durable step of work; at most one of a kind, request and target. lease_until is empty unless a worker has it.
CREATE TABLE task (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    request_id TEXT NOT NULL REFERENCES privacy_request (id),
    target TEXT NOT NULL,
    state TEXT NOT NULL,
    run_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    lease_owner TEXT,
    lease_until BIGINT,
    error TEXT,
    due TEXT,
    created_at BIGINT NOT NULL,
    UNIQUE (request_id, kind, target)
);

CREATE INDEX task_next ON task (kind, run_at, id) WHERE state IN ('ready', 'leased');

CREATE INDEX task_next_of_target ON task (kind, target, run_at, id) WHERE state IN ('ready', 'leased');

CREATE INDEX task_stuck ON task (id) WHERE state = 'stuck';

CREATE INDEX task_lease ON task (lease_owner) WHERE lease_owner IS NOT NULL;

-- One recipient told about one privacy request, and what it answered.
CREATE TABLE outreach (
    id TEXT NOT NULL PRIMARY KEY,
    request_id TEXT NOT NULL REFERENCES privacy_request (id),
    recipient TEXT NOT NULL,
    channel TEXT NOT NULL,
    action TEXT NOT NULL,
    level TEXT NOT NULL,
    answer TEXT,
    reason TEXT,
    note BYTEA,
    link_tag BYTEA UNIQUE,
    external_id TEXT,
    due TEXT,
    reminders BIGINT NOT NULL,
    next_reminder_at BIGINT,
    escalated BIGINT NOT NULL,
    last_error TEXT,
    sent_at BIGINT,
    answered_at BIGINT,
    created_at BIGINT NOT NULL,
    UNIQUE (request_id, recipient, action)
);

CREATE INDEX outreach_external ON outreach (external_id) WHERE external_id IS NOT NULL;

-- A file that proves a step, from an operator or a recipient.
CREATE TABLE attachment (
    id TEXT NOT NULL PRIMARY KEY,
    request_id TEXT NOT NULL REFERENCES privacy_request (id),
    outreach_id TEXT,
    task_id TEXT,
    name BYTEA NOT NULL,
    media_type TEXT NOT NULL,
    content BYTEA NOT NULL,
    size BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX attachment_request ON attachment (request_id);

-- A person of the business who works in the Console.
CREATE TABLE operator (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    key_tag BYTEA NOT NULL UNIQUE,
    disabled_at BIGINT,
    created_at BIGINT NOT NULL
);

CREATE TABLE session (
    tag BYTEA NOT NULL PRIMARY KEY,
    operator_id TEXT NOT NULL REFERENCES operator (id),
    expires_at BIGINT NOT NULL
);

-- Keyed hashes of identifiers that must not be collected or sold again.
CREATE TABLE suppression (
    kind TEXT NOT NULL,
    tag BYTEA NOT NULL,
    reason TEXT NOT NULL,
    request_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (kind, tag, reason)
);

CREATE TABLE rate_limit (
    name TEXT NOT NULL,
    tag BYTEA NOT NULL,
    window_start BIGINT NOT NULL,
    hits BIGINT NOT NULL,
    PRIMARY KEY (name, tag, window_start)
);

-- A named reason that keeps named data from deletion for now.
CREATE TABLE legal_hold (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    note TEXT NOT NULL,
    covers TEXT NOT NULL,
    request_id TEXT,
    placed_by TEXT NOT NULL,
    placed_at BIGINT NOT NULL,
    until_day TEXT,
    lifted_at BIGINT
);

-- The end of each audit log: the tree's right edge. Its row is the lock that orders appends.
CREATE TABLE audit_log (
    log TEXT NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL,
    frontier BYTEA NOT NULL
);

CREATE TABLE audit_entry (
    log TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    entry BYTEA NOT NULL,
    leaf BYTEA NOT NULL,
    request_id TEXT,
    request_sequence BIGINT,
    at BIGINT NOT NULL,
    PRIMARY KEY (log, sequence)
);

-- A chain without a fork: one record has one place in it.
CREATE UNIQUE INDEX audit_entry_request ON audit_entry (request_id, request_sequence);

CREATE TABLE audit_tile (
    log TEXT NOT NULL,
    level BIGINT NOT NULL,
    position BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (log, level, position)
);

CREATE TABLE audit_checkpoint (
    log TEXT NOT NULL,
    size BIGINT NOT NULL,
    root BYTEA NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (log, size)
);
