-- Choices as they were made. Only ever added to; one party's history is one range. id is also what makes a repeated call one choice.
CREATE TABLE consent_event (
    party BYTEA NOT NULL,
    id BYTEA NOT NULL,
    at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (party, id)
) /* clustered */;

CREATE UNIQUE INDEX consent_event_id ON consent_event (id);

-- Which devices, pseudonyms and subjects belong together. Each link stands twice, once from each end.
CREATE TABLE party_link (
    party BYTEA NOT NULL,
    linked BYTEA NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (party, linked)
) /* clustered */;
