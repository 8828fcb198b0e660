-- What is known of each subject when a disclosure is decided, of whoever stands for her. changes_at 0: to be worked out anew.
CREATE TABLE subject_facts (
    subject_id BYTEA NOT NULL PRIMARY KEY,
    packed BYTEA,
    version BIGINT NOT NULL,
    changes_at BIGINT
) /* clustered */;

CREATE INDEX subject_facts_due ON subject_facts (changes_at) WHERE changes_at IS NOT NULL;

-- For how many subjects the same is known: heads are counted over this, not over subjects.
CREATE TABLE facts_count (
    vector BYTEA NOT NULL PRIMARY KEY,
    packed BYTEA NOT NULL,
    subjects BIGINT NOT NULL
) /* clustered */;

-- Published policies. Never changed but for their state; one is active, at most one is a shadow.
CREATE TABLE policy_version (
    number BIGINT NOT NULL PRIMARY KEY,
    table_hash TEXT NOT NULL,
    author TEXT NOT NULL,
    note TEXT NOT NULL,
    sources TEXT NOT NULL,
    layout TEXT NOT NULL,
    state TEXT NOT NULL,
    published_at BIGINT NOT NULL,
    activates_at BIGINT,
    activated_at BIGINT
);
