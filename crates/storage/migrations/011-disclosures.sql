-- Attributes by the form in which they went out, and those that were withheld: named by one hash wherever they are the same.
CREATE TABLE attribute_set (
    hash BYTEA NOT NULL PRIMARY KEY,
    attributes TEXT NOT NULL
) /* clustered */;

-- Who has what of whom: one row for all disclosures that were alike, one range for a subject. ends_at is set once she was forgotten.
CREATE TABLE ledger (
    subject_id BYTEA NOT NULL,
    recipient TEXT NOT NULL,
    purpose TEXT NOT NULL,
    attribute_set BYTEA NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    times BIGINT NOT NULL,
    sold BIGINT NOT NULL,
    shared BIGINT NOT NULL,
    consideration TEXT,
    last_sequence BIGINT NOT NULL,
    ends_at BIGINT,
    PRIMARY KEY (subject_id, recipient, purpose, attribute_set)
) /* clustered */;

CREATE INDEX ledger_ends ON ledger (ends_at) WHERE ends_at IS NOT NULL;

-- How often which recipient asked for what on a day, whoever it was about and whatever came of it.
CREATE TABLE asked (
    day TEXT NOT NULL,
    recipient TEXT NOT NULL,
    purpose TEXT NOT NULL,
    attribute_set BYTEA NOT NULL,
    times BIGINT NOT NULL,
    PRIMARY KEY (day, recipient, purpose, attribute_set)
) /* clustered */;

-- By what a recipient is known: the hash of an API key, the fingerprint of a certificate.
CREATE TABLE credential (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    tag BYTEA NOT NULL,
    recipient TEXT NOT NULL,
    purposes TEXT,
    ends_at BIGINT,
    revoked_at BIGINT,
    created_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX credential_tag ON credential (tag, kind);
