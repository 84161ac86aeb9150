-- Buckets that users own, and files at addresses.

CREATE TABLE buckets (
    name       $text NOT NULL PRIMARY KEY,
    owner      $text NOT NULL,
    created_at $time NOT NULL,
    state      $text NOT NULL,
    dialect    $text
);

CREATE INDEX buckets_of_owner ON buckets (owner, name);

ALTER TABLE uploads ADD COLUMN address $text;

CREATE INDEX uploads_by_address ON uploads (bucket, address, started_at) WHERE address IS NOT NULL;

-- Any upload that is still to be completed for a file, whoever will do it.
DROP INDEX uploads_of_file;
CREATE INDEX uploads_of_file ON uploads (file_id, started_at) WHERE state IN ('open', 'sealing');
