-- Programs that hold keys in memory, for as long as they say so: a key is promoted when all have loaded it, and destroyed when none
-- wraps or tags with it any more. key_check tells two keys of one number apart.
CREATE TABLE key_holder (
    id TEXT NOT NULL PRIMARY KEY,
    epoch_in_use BIGINT NOT NULL,
    newest_epoch BIGINT NOT NULL,
    index_in_use BIGINT NOT NULL,
    newest_index BIGINT NOT NULL,
    key_check TEXT NOT NULL,
    until BIGINT NOT NULL
);
