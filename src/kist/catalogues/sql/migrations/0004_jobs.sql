-- Jobs, their plans, and the manifest of what syncs have put where.

CREATE TABLE jobs (
    id          $text   NOT NULL PRIMARY KEY,
    number      $bigint NOT NULL,
    actor       $text   NOT NULL,
    admin       $bool   NOT NULL,
    source      $text   NOT NULL,
    dest        $text   NOT NULL,
    options     $json   NOT NULL,
    state       $text   NOT NULL,
    created_at  $time   NOT NULL,
    reason      $text   NOT NULL,
    progress    $json   NOT NULL,
    started_at  $time,
    ended_at    $time,
    worker      $text,
    lease_until $time,
    fence       $bigint NOT NULL,
    plan        $text,
    confirmed   $text,
    resumed     $bool   NOT NULL
);

CREATE UNIQUE INDEX jobs_by_number ON jobs (number);
CREATE INDEX jobs_of_actor ON jobs (actor, number);
CREATE INDEX jobs_unended ON jobs (number) WHERE ended_at IS NULL;

CREATE TABLE steps (
    job      $text   NOT NULL,
    key      $text   NOT NULL,
    act      $text   NOT NULL,
    reason   $text   NOT NULL,
    size     $bigint NOT NULL,
    modified $bigint NOT NULL,
    source   $text   NOT NULL,
    before   $text,
    after    $text,
    state    $text   NOT NULL,
    parts_id $text,
    error    $text,
    PRIMARY KEY (job, key)
);

CREATE INDEX steps_planned ON steps (job, key) WHERE state = 'planned';

CREATE TABLE entries (
    dest     $text   NOT NULL,
    key      $text   NOT NULL,
    size     $bigint NOT NULL,
    modified $bigint NOT NULL,
    etag     $text   NOT NULL,
    sha256   $text,
    job      $text   NOT NULL,
    PRIMARY KEY (dest, key)
);
