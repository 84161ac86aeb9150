-- Tickets, shares, links, and what the probe found.

ALTER TABLE uploads ADD COLUMN way $text;
ALTER TABLE uploads ADD COLUMN md5 $text;
ALTER TABLE uploads ADD COLUMN expires_at $time;
ALTER TABLE uploads ADD COLUMN parts_id $text;
ALTER TABLE uploads ADD COLUMN part_size $bigint;
ALTER TABLE uploads ADD COLUMN target $text;
ALTER TABLE uploads ADD COLUMN settles $bool NOT NULL DEFAULT $false;
ALTER TABLE uploads ADD COLUMN reason $text;
ALTER TABLE uploads ADD COLUMN ended_at $time;

CREATE INDEX uploads_to_settle ON uploads (id) WHERE settles AND state = 'open';
CREATE INDEX uploads_of_file ON uploads (file_id, started_at) WHERE settles AND state IN ('open', 'sealing');
CREATE INDEX uploads_ended ON uploads (ended_at, id) WHERE ended_at IS NOT NULL;

-- The audit asks who speaks for a key.
CREATE INDEX uploads_by_key ON uploads (bucket, key) WHERE state IN ('open', 'sealing');
CREATE INDEX uploads_by_target ON uploads (bucket, target) WHERE state = 'sealing';
CREATE INDEX doomed_by_key ON doomed (bucket, key);
CREATE INDEX files_by_key ON files (bucket, key, size, id, state) WHERE state IN ('ready', 'lost');

ALTER TABLE audit ADD COLUMN times $bigint NOT NULL DEFAULT 1;

CREATE TABLE shares (
    file_id    $text NOT NULL,
    actor      $text NOT NULL,
    granted_by $text NOT NULL,
    created_at $time NOT NULL,
    read       $bool NOT NULL,
    write      $bool NOT NULL,
    share      $bool NOT NULL,
    remove     $bool NOT NULL,
    expires_at $time,
    PRIMARY KEY (file_id, actor)
);

CREATE INDEX shares_of_actor ON shares (actor, file_id) WHERE read;

CREATE TABLE links (
    id           $text NOT NULL PRIMARY KEY,
    file_id      $text NOT NULL,
    actor        $text NOT NULL,
    admin        $bool NOT NULL,
    created_at   $time NOT NULL,
    expires_at   $time NOT NULL,
    disposition  $text NOT NULL,
    max_uses     $bigint,
    uses         $bigint NOT NULL,
    password     $text,
    revoked_at   $time,
    last_used_at $time
);

CREATE INDEX links_of_actor ON links (actor, created_at, id) WHERE revoked_at IS NULL;
CREATE INDEX links_by_expires_at ON links (expires_at, id);

CREATE TABLE profiles (
    id         $text NOT NULL PRIMARY KEY,
    bucket     $text NOT NULL,
    checked_at $time NOT NULL,
    checks     $json NOT NULL
);
