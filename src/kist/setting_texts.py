"""How the text of a setting becomes a value. What is wrong raises ``ValueError`` with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from kist.model.actor import check_actor_id
from kist.model.endpoint import REGION, Endpoint, read_endpoint
from kist.model.file import Visibility
from kist.model.media import clean_type

INTERNAL = "internal:"

_BUCKET_NAMES = ("AWS_BUCKET_NAME", "AWS_STORAGE_BUCKET_NAME", "S3_BUCKET_NAME")
_REGION_NAMES = ("AWS_STORAGE_REGION", "AWS_DEFAULT_REGION", "REGION")
STORE_NAMES = (*_BUCKET_NAMES, *_REGION_NAMES, "AWS_ENDPOINT_URL", "MINIO_PORT")
"""Names of older systems that describe the store together."""


class Secret:
    """Text that must not reach a log: only ``reveal`` shows it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"


def parse_size(text: str) -> int:
    """A number of bytes. ``ValueError`` says what to write."""
    match = re.fullmatch(r"(\d+)\s*(?:([KMGT])i?B?)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError("write a number of bytes, or one like 100MiB or 5GiB")
    power = " KMGT".index(match[2].upper()) if match[2] else 0
    return int(match[1]) << 10 * power


_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30}


def parse_speed(text: str) -> int:
    """Bytes a second, like ``500k``, ``10MB`` or ``10MiB``. ``ValueError`` says what to write."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([kmg]i?)?b?(?:/s)?", text.lower(), re.ASCII)
    speed = 0 if match is None else int(float(match[1]) * _UNITS[match[2] or ""])
    if speed < 1:
        raise ValueError(f"{text!r} is no rate: write it like 500k, 10MB or 10MiB, in bytes a second")
    return speed


def parse_flag(text: str) -> bool:
    """On or off. ``ValueError`` says what to write."""
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.strip().lower() not in known:
        raise ValueError("write 1 or 0")
    return known[text.strip().lower()]


def parse_anonymous(text: str) -> dict[str, str]:
    """Actor ids by dialect. ``ValueError`` says what to write."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if any(not separator for _, separator, _ in pairs):
        raise ValueError("write <dialect>=<actor>, several with commas between")
    return {dialect.strip(): check_actor_id(actor.strip()) for dialect, _, actor in pairs}


def parse_choice(*choices: str) -> Callable[[str], str]:
    """One of ``choices``. ``ValueError`` says what to write."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"write one of: {', '.join(choices)}")
        return text

    return parse


def parse_url(text: str) -> str:
    """An absolute URL without a trailing slash. ``ValueError`` says what to write."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ValueError("write an absolute URL, like https://files.example.com")
    if "@" in parts.netloc:
        raise ValueError("write the URL without a user or a password")
    return text.rstrip("/")


def parse_origins(text: str) -> tuple[str, ...]:
    """Exact origins. ``ValueError`` says what to write."""
    origins = parse_names(text)
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}":
            raise ValueError(f"{origin} is no origin: write scheme and host alone, like https://app.example.com")
    return origins


def parse_addresses(text: str) -> tuple[str, ...]:
    """IP addresses and networks. ``ValueError`` says what to write."""
    addresses = parse_names(text)
    for address in addresses:
        ip_network(address)
    return addresses


def parse_names(text: str) -> tuple[str, ...]:
    """Words with commas between."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def parse_instances(text: str) -> tuple[str, ...]:
    """Names of instances, which also name their buckets. ``ValueError`` says what to write."""
    names = parse_names(text)
    if not names or any(not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,54}", name) for name in names):
        raise ValueError("write names of 1 to 55 of a-z, 0-9 and -, with commas between")
    return names


def parse_domains(text: str) -> tuple[str, ...]:
    """Host names. ``ValueError`` says what to write."""
    domains = tuple(name.lower().strip(".") for name in parse_names(text))
    if any(not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", name) for name in domains):
        raise ValueError("write host names without a port, like files.example.com")
    return domains


def parse_folder(text: str) -> Path:
    """A folder. ``ValueError`` says what to write."""
    path = Path(text).expanduser().absolute()
    if not path.is_dir():
        raise ValueError("write the path of a folder that is there")
    return path


def parse_roots(text: str) -> dict[str, Path]:
    """Folders by name, which need not be there yet. ``ValueError`` says what to write."""
    roots: dict[str, Path] = {}
    for pair in parse_names(text):
        name, _, path = pair.partition("=")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name) or not path.startswith("/") or name in roots:
            raise ValueError("write <name>=/<path>, several with commas between, each name once")
        roots[name] = Path(path)
    return roots


def parse_endpoints(text: str) -> tuple[Endpoint, ...]:
    """S3 servers, and which of them may lie inside. ``ValueError`` says what to write."""
    return tuple(map(_endpoint, parse_names(text)))


def _endpoint(text: str) -> Endpoint:
    internal = text.startswith(INTERNAL)
    url, _, region = text.removeprefix(INTERNAL).partition("?region=")
    endpoint = read_endpoint(url)
    if endpoint is None or not re.fullmatch(r"[A-Za-z0-9._-]{0,64}", region):
        raise ValueError("write https://s3.example.com, with ?region=eu-central-1 where it asks for one")
    if not internal and (endpoint.scheme != "https" or endpoint.is_number):
        raise ValueError(f"write {INTERNAL}{url} if you mean a server without TLS or at a bare address")
    return Endpoint(
        scheme=endpoint.scheme, host=endpoint.host, port=endpoint.port, region=region or REGION, internal=internal
    )


def parse_span(text: str) -> timedelta:
    """A span of time. ``ValueError`` says what to write."""
    match = re.fullmatch(r"(\d{1,9})\s*([smhd]?)", text.strip())
    if match is None or int(match[1]) == 0:
        raise ValueError("write a number of seconds, or one like 30s, 15m, 1h or 7d")
    return timedelta(seconds=int(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]])


def parse_count(text: str) -> int:
    """A number from 1. ``ValueError`` says what to write."""
    if not re.fullmatch(r"\d{1,15}", text.strip()) or int(text) == 0:
        raise ValueError("write a number from 1")
    return int(text)


def parse_rate(text: str) -> tuple[int, float]:
    """How many in how many seconds. ``ValueError`` says what to write."""
    match = re.fullmatch(r"(\d{1,9})\s*/\s*(s|min|h)", text.strip())
    if match is None or int(match[1]) == 0:
        raise ValueError("write a number of requests per time, like 20/s or 600/min")
    return int(match[1]), {"s": 1.0, "min": 60.0, "h": 3600.0}[match[2]]


def parse_types(text: str) -> tuple[str, ...]:
    """Media types, also ``image/*``. ``ValueError`` says what to write."""
    types = tuple(name.lower() for name in parse_names(text))
    for name in types:
        kind, _, rest = name.partition("/")
        clean_type(f"{kind}/any" if rest == "*" else name)
    return types


def parse_visibilities(text: str) -> tuple[Visibility, ...]:
    """Visibilities, private always among them. ``ValueError`` says what to write."""
    known = {visibility.value: visibility for visibility in Visibility}
    names = parse_names(text)
    if any(name not in known for name in names):
        raise ValueError(f"write some of: {', '.join(known)}")
    return tuple(dict.fromkeys((Visibility.PRIVATE, *(known[name] for name in names))))


def parse_secret(text: str) -> Secret:
    """A secret that signs. ``ValueError`` says what to write."""
    if len(text.encode()) < 32 or len(set(text)) < 8:
        raise ValueError("write at least 32 random characters, as `openssl rand -hex 32` prints them")
    return Secret(text)


def parse_database(text: str) -> str:
    """The URL of a database, with the one word for PostgreSQL. The catalogue that it names reads the rest."""
    scheme, colon, rest = text.partition(":")
    return f"postgresql:{rest}" if colon and scheme == "postgres" else text


def without_password(url: str) -> str:
    """A database's URL for people to read: without user, password and options."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl() if parts.netloc else url


def older_store(found: Mapping[str, str]) -> str | None:
    """The S3 store that the settings of an older system describe: only when they name a bucket."""
    bucket = next((found[name] for name in _BUCKET_NAMES if name in found), None)
    if bucket is None:
        return None
    options = {"region": next((found[name] for name in _REGION_NAMES if name in found), None)}
    options["endpoint"] = found.get("AWS_ENDPOINT_URL")
    if options["endpoint"] is None and "MINIO_PORT" in found:
        options["endpoint"] = f"http://127.0.0.1:{found['MINIO_PORT']}"
    given = {name: value for name, value in options.items() if value is not None}
    return f"s3://{quote(bucket)}" + (f"?{urlencode(given)}" if given else "")
