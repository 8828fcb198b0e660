-- Keyed hashes of the identifiers of the one subject whose data a legal hold covers, so that it holds against each of her privacy requests.
ALTER TABLE legal_hold ADD COLUMN subject_tags TEXT NOT NULL DEFAULT '[]';
