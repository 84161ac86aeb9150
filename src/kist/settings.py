"""One frozen ``Settings``, read from the environment and a ``.env`` file. The only file that reads the environment."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from dotenv import dotenv_values

from kist.errors import KistError, Misconfigured
from kist.model.contracts import Contracts
from kist.model.endpoint import REGION, Endpoint, EndpointKeys, read_endpoint
from kist.model.file import Visibility
from kist.model.limits import GIB, TIB, Limits
from kist.setting_list import SETTINGS, Setting
from kist.setting_texts import Secret, older_store, parse_database, parse_secret, without_password

S3_ENDPOINT = "KIST_S3_ENDPOINT"
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
    sync_roots: Mapping[str, Path] = field(default_factory=dict)
    sync_endpoints: tuple[Endpoint, ...] = ()
    sync_remove_bucket: bool = False
    dialects: tuple[str, ...] = ("native", "filedrop", "crowdbotics", "dabapps", "syncano", "s3sync", "door")
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
    def folders(self) -> Mapping[str, Path]:
        """The folders of this server that a sync asked for over HTTP may read, by name."""
        return self.sync_roots or {"uploads": self.home / "uploads"}

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
            sync_endpoints=self.sync_endpoints,
            sync_remove_bucket=self.sync_remove_bucket,
        )


def read_settings(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """Read the settings from ``environment`` (the process's own if None) and from ``.env`` in ``folder``.

    The environment wins over the file; empty values count as not set. Raises ``Misconfigured`` naming the setting,
    what is wrong with it and what to write, also for an unknown ``KIST_…`` name.
    """
    return _settings_of(_found(environment, folder))


def read_settings_over(over: Mapping[str, str], under: Mapping[str, str], folder: Path | None = None) -> Settings:
    """The same for a host that has settings of its own: ``over``, by the same names, goes before everything else, and
    ``under`` is what holds where nobody says anything. An empty value in ``over`` takes away what the environment and
    the file say of that name."""
    said = {**_found(None, folder), **over}
    return _settings_of({**under, **{name: value for name, value in said.items() if value}})


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


@dataclass(frozen=True)
class S3Access:
    """The S3 server that commands mean by ``s3://``, and the keys for it."""

    endpoint: Endpoint
    keys: EndpointKeys = field(repr=False)


def read_s3_access(environment: Mapping[str, str] | None = None) -> S3Access:
    """The server in ``KIST_S3_ENDPOINT`` with ``KIST_S3_KEY`` and ``KIST_S3_SECRET``; without the first, that in
    ``AWS_ENDPOINT_URL`` (else Amazon's) with the keys of AWS's names.

    Of the environment alone: a ``.env`` in whatever folder must not choose where keys are sent to. Nor are keys of one
    family sent where the other says. ``Misconfigured``.
    """
    given = {name: value for name, value in (os.environ if environment is None else environment).items() if value}
    region = given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION") or REGION
    ours = S3_ENDPOINT in given
    if ours:
        names = (S3_ENDPOINT, "KIST_S3_KEY", "KIST_S3_SECRET", "KIST_S3_SESSION_TOKEN")
    else:
        names = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    url = given.get(names[0]) or f"https://s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
    endpoint = read_endpoint(url)
    if endpoint is None:
        raise Misconfigured(f"{names[0]}: write an address like https://s3.example.com", settings=names[0])
    key, secret = given.get(names[1]), given.get(names[2])
    if key is None or secret is None:
        raise Misconfigured(
            f"s3:// means {endpoint.url}, which needs keys: set {names[1]} and {names[2]} in the environment",
            settings=" ".join(names[1:3]),
        )
    token = given.get(names[3])
    return S3Access(
        endpoint,
        EndpointKeys(access_key=key, secret_key=secret, session_token=token, region=region, trusted=True),
    )


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
        # The last ones belong to the command line, not to the service.
        if name.startswith("KIST_") and name not in known and name not in ("KIST_KEY", "KIST_SERVER", S3_ENDPOINT):
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
