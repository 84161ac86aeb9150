"""The list of settings: names, defaults, meanings, and how the text of each is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kist.setting_texts import (
    STORE_NAMES,
    Secret,
    parse_addresses,
    parse_anonymous,
    parse_choice,
    parse_count,
    parse_database,
    parse_domains,
    parse_endpoints,
    parse_flag,
    parse_folder,
    parse_instances,
    parse_names,
    parse_origins,
    parse_rate,
    parse_roots,
    parse_secret,
    parse_size,
    parse_span,
    parse_types,
    parse_url,
    parse_visibilities,
)


@dataclass(frozen=True)
class Setting:
    """One documented setting: its name, the older names that mean the same, its default and meaning in words."""

    name: str
    default: str
    meaning: str
    parse: Callable[[str], Any] = str
    older: tuple[str, ...] = ()


SETTINGS: tuple[Setting, ...] = (
    Setting("KIST_HOME", "./kist-data", "data folder, made if absent (mode 0700)"),
    Setting(
        "KIST_DATABASE",
        "SQLite in the home",
        "sqlite:///path, or postgresql://user:password@host:port/database, with ?connections=20 for more than 10",
        parse_database,
    ),
    Setting(
        "KIST_STORE",
        "disk in the home",
        "disk:/path, or s3://base-bucket?endpoint=…&region=…&style=path|host",
    ),
    Setting("KIST_S3_KEY", "none", "access key of the S3 store", Secret, ("AWS_ACCESS_KEY_ID", "MINIO_ACCESS_KEY")),
    Setting("KIST_S3_SECRET", "none", "its secret", Secret, ("AWS_SECRET_ACCESS_KEY", "MINIO_SECRET_KEY")),
    Setting("KIST_S3_SESSION_TOKEN", "none", "session token of temporary keys", Secret, ("AWS_SESSION_TOKEN",)),
    Setting("KIST_S3_SIGNING_KEY", "the main key", "restricted access key for what others are given to use", Secret),
    Setting("KIST_S3_SIGNING_SECRET", "the main secret", "its secret", Secret),
    Setting("KIST_S3_PUBLIC_ENDPOINT", "the endpoint", "the S3 address that browsers are sent to", parse_url),
    Setting("KIST_PUBLIC_URL", "from the bind address", "base of absolute URLs; Host is never trusted", parse_url),
    Setting("KIST_PORT", "8000", "port that kist serve listens on", int, ("API_PORT",)),
    Setting(
        "KIST_SECRET",
        "made in the home",
        "signs links and the disk store's tickets, encrypts keys of other S3 servers while syncs need them; at least "
        "32 random characters; to be set with PostgreSQL",
        parse_secret,
    ),
    Setting(
        "KIST_MAX_UPLOAD_SIZE",
        "5GiB, 5TiB by tickets",
        "the largest file that is taken, in bytes or like 100MiB",
        parse_size,
        ("MAX_FILE_UPLOAD_SIZE",),
    ),
    Setting("KIST_TYPES", "all", "media types that are taken, like image/*,application/pdf", parse_types),
    Setting("KIST_QUOTA_BYTES", "none", "how much one owner may hold, in bytes or like 10GiB", parse_size),
    Setting("KIST_QUOTA_FILES", "none", "how many files one owner may hold", parse_count),
    Setting("KIST_OPEN_UPLOADS", "100", "how many uploads of one owner may be open at a time", parse_count),
    Setting(
        "KIST_RATE_KEY", "none", "requests that one actor may make, like 600/min; more are answered 429", parse_rate
    ),
    Setting("KIST_RATE_ADDRESS", "none", "the same for one address", parse_rate),
    Setting(
        "KIST_VISIBILITIES",
        "private,public-read,authenticated-read",
        "what users may choose; public-read-write only if listed",
        parse_visibilities,
    ),
    Setting("KIST_BUCKET_ACLS", "0", "the bucket holds ACLs: sign a file's visibility into its upload", parse_flag),
    Setting("KIST_LINK_LIFE", "1h", "how long a link lives when nobody says how long", parse_span),
    Setting("KIST_LINK_LIFE_MAX", "7d", "how long a link may live at most", parse_span),
    Setting(
        "KIST_LINKS",
        "redirect",
        "links lead to a short signed address of the store, or Kist streams the bytes itself",
        parse_choice("redirect", "stream"),
    ),
    Setting(
        "KIST_TYPE_MISMATCH",
        "record",
        "content whose first bytes show another type than the declared one: record both, or reject it",
        parse_choice("record", "reject"),
    ),
    Setting(
        "KIST_BUCKET_CREATE", "user", "who may make buckets: any user, or an admin alone", parse_choice("user", "admin")
    ),
    Setting(
        "KIST_SAVE_FOLDER",
        "none",
        "folder of the server that Crowdbotics' file/download/ writes to; without it, it is refused",
        parse_folder,
        ("PATH_TO_SAVE_FILE",),
    ),
    Setting(
        "KIST_CONTRACT_LINK_LIFE",
        "60s, 1h for many links",
        "how long Syncano's links live",
        parse_span,
        ("EXPIRE",),
    ),
    Setting(
        "KIST_INSTANCES", "kist", "Syncano's instances that are served; the first is meant by default", parse_instances
    ),
    Setting(
        "KIST_INSTANCE_DOMAINS",
        "none",
        "domains whose first label is the instance, like files.example.com for one.files.example.com",
        parse_domains,
    ),
    Setting("KIST_REGION", "eu-central-1", "region that buckets are said to be in on disk", older=("REGION",)),
    Setting(
        "KIST_ANONYMOUS",
        "none",
        "<dialect>=<actor>,…: callers of that dialect without a key act as that actor",
        parse_anonymous,
    ),
    Setting("KIST_ANONYMOUS_PUBLIC", "0", "allow KIST_ANONYMOUS on an address that others reach", parse_flag),
    Setting("KIST_JWT_ISSUER", "none", "accept JWTs of this issuer (claim iss)"),
    Setting("KIST_JWT_AUDIENCE", "none", "for this audience (claim aud)"),
    Setting("KIST_JWT_KEYS", "none", "file with the issuer's JWK set", Path),
    Setting(
        "KIST_SYNC_ROOTS",
        "uploads=KIST_HOME/uploads",
        "<name>=<path>,…: folders of the server that syncs asked for over HTTP may read, and at /v1/syncs write to",
        parse_roots,
    ),
    Setting(
        "KIST_SYNC_ENDPOINTS",
        "none",
        "S3 servers that syncs may go to, like https://s3.example.com,…; with internal: before one without TLS, or at "
        "a bare or private address; with ?region=… behind it",
        parse_endpoints,
    ),
    Setting(
        "KIST_SYNC_REMOVE_BUCKET",
        "0",
        "a sync at /sync whose source is empty or missing removes its bucket, if all in it came by syncs",
        parse_flag,
    ),
    Setting(
        "KIST_DIALECTS",
        "native,filedrop,crowdbotics,dabapps,syncano,s3sync,door",
        "which contracts are served",
        parse_names,
    ),
    Setting("KIST_ORIGINS", "none", "exact origins whose pages may call, like https://app.example.com", parse_origins),
    Setting(
        "KIST_TRUSTED_PROXIES",
        "none",
        "addresses of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed",
        parse_addresses,
    ),
)

OLDER_NAMES: tuple[str, ...] = tuple(
    dict.fromkeys((*STORE_NAMES, *(name for setting in SETTINGS for name in setting.older)))
)
"""What the settings of the five older systems are called."""
