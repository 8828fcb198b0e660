-- When the facts of a subject were last saved: whoever copies what follows from them looks for those saved since it last looked.
ALTER TABLE subject_facts ADD COLUMN saved_at BIGINT;

CREATE INDEX subject_facts_saved ON subject_facts (saved_at) WHERE saved_at IS NOT NULL;

CREATE INDEX subject_erased ON subject (erased_at) WHERE erased_at IS NOT NULL;
