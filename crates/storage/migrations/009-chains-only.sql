-- Most records belong to no privacy request: they need no place in the index of chains.
DROP INDEX audit_entry_request;

CREATE UNIQUE INDEX audit_entry_request ON audit_entry (request_id, request_sequence) WHERE request_id IS NOT NULL;
