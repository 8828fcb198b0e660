-- What a call with an Idempotency-Key was answered. The answer has a link that is a secret, so it is sealed under a key of its own.
CREATE TABLE idempotency (
    tag BYTEA NOT NULL PRIMARY KEY,
    body_tag BYTEA NOT NULL,
    request_id TEXT NOT NULL,
    status BIGINT NOT NULL,
    wrapped_key BYTEA NOT NULL,
    response BYTEA NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX idempotency_expires ON idempotency (expires_at);
