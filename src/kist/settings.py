"""One frozen ``Settings``, read from the environment and a ``.env`` file. The only file that reads the environment."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from dotenv import dotenv_values

from kist.errors import KistError, Misconfigured
from kist.model.contracts import Contracts
from kist.model.file import Visibility
from kist.model.limits import GIB, TIB, Limits
from kist.setting_texts import (
    Secret,
    older_store,
    parse_addresses,
    parse_anonymous,
    parse_choice,
    parse_count,
    parse_database,
    parse_domains,
    parse_flag,
    parse_folder,
    parse_instances,
    parse_names,
    parse_origins,
    parse_rate,
    parse_secret,
    parse_size,
    parse_span,
    parse_types,
    parse_url,
    parse_visibilities,
    without_password,
)

DISK_BUCKET = "kist"
"""Name of the base bucket where the store's URL names none."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything an operator decides. Each field is documented in ``SETTINGS``."""

    home: Path
    database: str = field(repr=False)  # with a password perhaps
    store: str
    s3_secrets: Mapping[str, Secret] = field(default_factory=dict)
    public_url: str | None = None
    port: int = 8000
    secret: Secret | None = None
    max_upload_size: int | None = None
    types: tuple[str, ...] = ()
    quota_bytes: int | None = None
    quota_files: int | None = None
    open_uploads: int = 100
    visibilities: tuple[Visibility, ...] = Limits().visibilities
    bucket_acls: bool = False
    link_life: timedelta = Limits().link_life
    link_life_max: timedelta = Limits().link_life_max
    links: str = "redirect"
    rate_key: tuple[int, float] | None = None
    rate_address: tuple[int, float] | None = None
    type_mismatch: str = "record"
    bucket_create: str = "user"
    save_folder: Path | None = None
    contract_link_life: timedelta | None = None
    instances: tuple[str, ...] = Contracts().instances
    instance_domains: tuple[str, ...] = ()
    region: str = "eu-central-1"
    anonymous: Mapping[str, str] = field(default_factory=dict)
    anonymous_public: bool = False
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_keys: Path | None = None
    dialects: tuple[str, ...] = ("native", "filedrop", "crowdbotics", "dabapps", "syncano", "door")
    origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()

    @property
    def shown_database(self) -> str:
        """Where the rows are, without a password."""
        return without_password(self.database)

    @property
    def bucket(self) -> str:
        """The base bucket."""
        return urlsplit(self.store).netloc or DISK_BUCKET

    @property
    def address(self) -> str:
        """Where callers reach this Kist, without a trailing slash: what every absolute URL begins with."""
        return self.public_url or f"http://127.0.0.1:{self.port}"

    @property
    def limits(self) -> Limits:
        """The limits that the service keeps."""
        return Limits(
            max_upload_size=self.max_upload_size or 5 * GIB,
            max_direct_size=self.max_upload_size or 5 * TIB,
            types=self.types,
            refuse_mismatch=self.type_mismatch == "reject",
            quota_bytes=self.quota_bytes,
            quota_files=self.quota_files,
            open_uploads=self.open_uploads,
            visibilities=self.visibilities,
            bucket_acls=self.bucket_acls,
            buckets_by_admins=self.bucket_create == "admin",
            link_life=min(self.link_life, self.link_life_max),
            link_life_max=self.link_life_max,
        )

    @property
    def contracts(self) -> Contracts:
        """What the older contracts are told."""
        asked = dict(parse_qsl(urlsplit(self.store).query))
        return Contracts(
            link_life=self.contract_link_life,
            region=asked.get("region", self.region),
            instances=self.instances,
            instance_domains=self.instance_domains,
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
        "signs links and the disk store's tickets; at least 32 random characters; to be set with PostgreSQL",
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
        "KIST_DIALECTS", "native,filedrop,crowdbotics,dabapps,syncano,door", "which contracts are served", parse_names
    ),
    Setting("KIST_ORIGINS", "none", "exact origins whose pages may call, like https://app.example.com", parse_origins),
    Setting(
        "KIST_TRUSTED_PROXIES",
        "none",
        "addresses of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed",
        parse_addresses,
    ),
)


def read_settings(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """Read the settings from ``environment`` (the process's own if None) and from ``.env`` in ``folder``.

    The environment wins over the file; empty values count as not set. Raises ``Misconfigured`` naming the setting,
    what is wrong with it and what to write, also for an unknown ``KIST_…`` name.
    """
    return _settings_of(_found(environment, folder))


@dataclass(frozen=True)
class ClientSettings:
    """What the command line needs to talk to a running server."""

    server: str | None
    key: Secret | None


def read_client_settings(
    environment: Mapping[str, str] | None = None, folder: Path | None = None, *, server: str | None = None
) -> ClientSettings:
    """Read ``KIST_SERVER`` and ``KIST_KEY``, from where ``read_settings`` reads. ``server`` goes before the former.

    ``Misconfigured`` where a ``.env`` would choose the server that a key of the environment is sent to: the file lies
    in whatever folder the command is called from, and somebody else may have put it there.
    """
    found, given = _found(environment, folder), os.environ if environment is None else environment
    key = found.get("KIST_KEY")
    server = server or given.get("KIST_SERVER")
    if server is None and "KIST_SERVER" in found and given.get("KIST_KEY"):
        raise Misconfigured(
            "KIST_SERVER is in .env and KIST_KEY in the environment: set both in the same place, or say --server"
        )
    return ClientSettings(server or found.get("KIST_SERVER"), None if key is None else Secret(key))


def examine_settings(
    environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> tuple[Settings | None, tuple[Misconfigured, ...]]:
    """Every fault of the settings, not just the first, and what the settings are without the faulty ones.

    None where they make no sense even then.
    """
    found = _found(environment, folder)
    faults: list[Misconfigured] = []
    while True:
        try:
            return _settings_of(found), tuple(faults)
        except Misconfigured as fault:
            faults.append(fault)
            names = [name for name in str(fault.about.get("settings", "")).split() if found.pop(name, None) is not None]
            if not names:
                return None, tuple(faults)


def _found(environment: Mapping[str, str] | None, folder: Path | None) -> dict[str, str]:
    """What is set, by name: the environment wins over the file, empty values count as not set."""
    file = {name: value for name, value in dotenv_values((folder or Path()) / ".env").items() if value}
    given = {name: value for name, value in (os.environ if environment is None else environment).items() if value}
    return file | given


def _settings_of(found: Mapping[str, str]) -> Settings:
    _refuse_unknown(found)
    values = {setting.name: _value(setting, found) for setting in SETTINGS}
    values = {name: value for name, value in values.items() if value is not None}
    home = Path(values.pop("KIST_HOME", "./kist-data")).expanduser().absolute()
    plain = {_field(name): value for name, value in values.items() if not name.startswith("KIST_S3_")}
    plain.setdefault("database", f"sqlite:///{home / 'kist.sqlite'}")
    plain.setdefault("store", older_store(found) or f"disk:{home / 'objects'}")
    settings = Settings(home=home, s3_secrets=_s3_secrets(values), **plain)
    _check_together(settings)
    return settings


def _field(name: str) -> str:
    return name.removeprefix("KIST_").lower()


def _value(setting: Setting, found: Mapping[str, str]) -> Any:
    for name in (setting.name, *setting.older):
        if name in found:
            try:
                return setting.parse(found[name])
            except (ValueError, KistError) as error:
                raise Misconfigured(f"{name}={_shown(setting, found[name])}: {error}", settings=name) from error
    return None


def _shown(setting: Setting, text: str) -> str:
    return "…" if setting.parse in (Secret, parse_secret, parse_database) or "@" in text else text


def _refuse_unknown(found: Mapping[str, str]) -> None:
    known = {setting.name for setting in SETTINGS}
    for name in sorted(found):
        # KIST_KEY and KIST_SERVER belong to the command line as a client, not to the service.
        if name.startswith("KIST_") and name not in known and name not in ("KIST_KEY", "KIST_SERVER"):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else " See docs/reference/settings.md."
            raise Misconfigured(f"there is no setting {name}.{hint}", settings=name)


def _s3_secrets(values: Mapping[str, Any]) -> dict[str, Secret]:
    """What the S3 store needs beside its URL, by the names that the store knows."""
    secrets = {
        name.removeprefix("KIST_S3_").lower(): value for name, value in values.items() if name.startswith("KIST_S3_")
    }
    return {name: value if isinstance(value, Secret) else Secret(value) for name, value in secrets.items()}


def _check_together(settings: Settings) -> None:
    """Settings that only make sense together."""
    if settings.store.startswith("s3:") and "@" in unquote(settings.store):
        raise Misconfigured(
            "KIST_STORE or AWS_ENDPOINT_URL holds a user or a key, which messages would show: "
            "leave it out, and set KIST_S3_KEY and KIST_S3_SECRET",
            settings="KIST_STORE AWS_ENDPOINT_URL",
        )
    if settings.database.startswith("postgresql:") and settings.secret is None:
        raise Misconfigured(
            "KIST_SECRET must be set with PostgreSQL, the same for every process: one made in the home of each would "
            "not be known to the others. `openssl rand -hex 32` prints one",
            settings="KIST_SECRET KIST_DATABASE",
        )
    jwt = (settings.jwt_issuer, settings.jwt_audience, settings.jwt_keys)
    if any(jwt) and not all(jwt):
        raise Misconfigured(
            "KIST_JWT_ISSUER, KIST_JWT_AUDIENCE and KIST_JWT_KEYS go together: set all three or none",
            settings="KIST_JWT_ISSUER KIST_JWT_AUDIENCE KIST_JWT_KEYS",
        )
    for first, second in (("key", "secret"), ("signing_key", "signing_secret")):
        if (first in settings.s3_secrets) != (second in settings.s3_secrets):
            names = (f"KIST_S3_{first.upper()}", f"KIST_S3_{second.upper()}")
            older = [name for setting in SETTINGS if setting.name in names for name in setting.older]
            raise Misconfigured(
                f"{names[0]} and {names[1]} go together: set both or none", settings=" ".join((*names, *older))
            )
    for dialect in settings.anonymous:
        if dialect not in settings.dialects:
            raise Misconfigured(
                f"KIST_ANONYMOUS names {dialect!r}, which is not among the dialects served", settings="KIST_ANONYMOUS"
            )
