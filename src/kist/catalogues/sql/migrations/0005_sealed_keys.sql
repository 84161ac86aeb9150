-- The keys for other S3 servers that jobs were given, encrypted, for as long as the jobs have not ended.

CREATE TABLE sealed_keys (
    job    $text  NOT NULL PRIMARY KEY,
    sealed $bytes NOT NULL
);
