-- What was found the same when syncs compared bytes: none of it is read again before one of the two has changed.

CREATE TABLE compared (
    sync   $text NOT NULL,
    key    $text NOT NULL,
    source $text NOT NULL,
    dest   $text NOT NULL,
    PRIMARY KEY (sync, key)
);
