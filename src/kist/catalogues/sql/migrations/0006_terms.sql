-- What ends by itself: who has the turn of a chore until when, and until when an allowance of requests is used up.
-- Nothing of it has to outlive a crash of the database, so where tables may be unlogged (PostgreSQL) it costs no sync.

CREATE $unlogged TABLE terms (
    id     $text   NOT NULL PRIMARY KEY,
    holder $text   NOT NULL,
    until  $bigint NOT NULL
);
