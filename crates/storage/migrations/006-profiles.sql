-- One record about a person, and the key that everything in it is sealed under. Deleting wrapped_key is what forgets her.
-- canonical names the older record that stands for her once they were merged.
CREATE TABLE subject (
    id BYTEA NOT NULL PRIMARY KEY,
    canonical BYTEA,
    key_version BIGINT NOT NULL,
    key_epoch BIGINT,
    wrapped_key BYTEA,
    created_at BIGINT NOT NULL,
    erased_at BIGINT
) /* clustered */;

CREATE INDEX subject_canonical ON subject (canonical) WHERE canonical IS NOT NULL;

-- A part of a profile that is sealed and opened as one.
CREATE TABLE profile_segment (
    subject_id BYTEA NOT NULL,
    segment TEXT NOT NULL,
    row_version BIGINT NOT NULL,
    schema_version BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (subject_id, segment)
);

-- Keyed tags of identifiers: how a subject is found. What a subject's tags are follows from her segments, so there is no index for it.
-- The tag leads the key: it alone finds a place among them, and is compared as bytes, where a kind is text of some language's order.
CREATE TABLE identifier (
    kind TEXT NOT NULL,
    tag BYTEA NOT NULL,
    subject_id BYTEA NOT NULL,
    source BIGINT NOT NULL,
    key_version BIGINT NOT NULL,
    verified BIGINT NOT NULL,
    PRIMARY KEY (tag, kind, subject_id, source)
) /* clustered */;

-- Which record of a source is which subject, by the keyed tag of the key that the source has for it. Two imports at once meet here.
CREATE TABLE source_record (
    source BIGINT NOT NULL,
    tag BYTEA NOT NULL,
    subject_id BYTEA NOT NULL,
    key_version BIGINT NOT NULL,
    PRIMARY KEY (source, tag)
) /* clustered */;

-- Merges, splits, and pairs that are kept apart. Only ever added to.
CREATE TABLE identity_event (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    merge_id TEXT NOT NULL,
    one BYTEA NOT NULL,
    other BYTEA NOT NULL,
    reason TEXT NOT NULL,
    at BIGINT NOT NULL
);

CREATE INDEX identity_event_merge ON identity_event (merge_id);

CREATE INDEX identity_event_reason ON identity_event (reason) WHERE kind = 'merged';

CREATE INDEX identity_event_one ON identity_event (one);

CREATE INDEX identity_event_other ON identity_event (other);

-- What the rules leave to an operator: possible matches, links that were not made, identifiers that too many have.
CREATE TABLE identity_review (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    one BYTEA NOT NULL,
    other BYTEA NOT NULL,
    identifier_kind TEXT NOT NULL,
    state TEXT NOT NULL,
    decided_by TEXT,
    decided_at BIGINT,
    created_at BIGINT NOT NULL,
    UNIQUE (kind, one, other, identifier_kind)
);

CREATE INDEX identity_review_other ON identity_review (other);

CREATE INDEX identity_review_one ON identity_review (one);

CREATE INDEX identity_review_open ON identity_review (id) WHERE state = 'open';

-- How far an import or a synchronisation is; saved with each batch that it wrote.
CREATE TABLE profile_import (
    id TEXT NOT NULL PRIMARY KEY,
    source BIGINT NOT NULL,
    origin TEXT NOT NULL,
    position BIGINT NOT NULL,
    watermark TEXT,
    counts TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    held_by TEXT,
    held_until BIGINT,
    UNIQUE (source, origin)
);

-- What calls that wrote profiles were answered: ids and counts, for a day. See 002-idempotency.sql.
CREATE TABLE profile_call (
    tag BYTEA NOT NULL PRIMARY KEY,
    body_tag BYTEA NOT NULL,
    answer TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX profile_call_expires ON profile_call (expires_at);
