-- Keyed hash of the address of whoever asks to know, so that her privacy requests within twelve months can be counted.
ALTER TABLE privacy_request ADD COLUMN identity_tag BYTEA;

CREATE INDEX privacy_request_identity ON privacy_request (identity_tag, received_on) WHERE identity_tag IS NOT NULL;

-- The day from which the subject asked to know; empty for everything.
ALTER TABLE privacy_request ADD COLUMN look_back TEXT;
