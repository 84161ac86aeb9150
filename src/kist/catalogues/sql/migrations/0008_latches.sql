-- Rows that are exchanged by whoever decides something that only one may decide at a time.

CREATE TABLE latches (
    name  $text NOT NULL PRIMARY KEY,
    stamp $text NOT NULL
);
