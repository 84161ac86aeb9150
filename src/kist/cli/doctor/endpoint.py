"""The way to the S3 server, without a key: name, port, certificate, redirects, clock."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, parse_qs, urlsplit

from kist.cli.doctor.finding import Finding, bad, doubtful, good
from kist.cli.hosts import is_loopback
from kist.ports.system import Clock
from kist.settings import Settings

SECONDS = 5
SKEW_DOUBTFUL = 60
SKEW_BAD = 15 * 60
"""What S3 servers allow."""


@dataclass(frozen=True)
class Heard:
    """What a server answered to an unsigned request."""

    status: int
    location: str
    date: str


def endpoint_of(settings: Settings) -> SplitResult | None:
    """The address of the S3 server that the settings name, None for another store."""
    parts = urlsplit(settings.store)
    if parts.scheme != "s3":
        return None
    options = parse_qs(parts.query)
    region = options.get("region", ["us-east-1"])[0]
    return urlsplit(options.get("endpoint", [f"https://s3.{region}.amazonaws.com"])[0])


def check_endpoint(endpoint: SplitResult, clock: Clock) -> Iterator[Finding]:
    """Everything about the way to ``endpoint``. The last finding is bad when nothing more can be asked of it."""
    where = endpoint.geturl()
    if endpoint.scheme == "http" and not is_loopback(endpoint.hostname or ""):
        yield doubtful(
            "transport", f"{where} is plain http: others on the way can read the files", "use an https endpoint"
        )
    try:
        heard = _ask(endpoint)
    except (OSError, http.client.HTTPException, ValueError) as error:
        yield _unreachable(where, endpoint, error)
        return
    yield from _check_clock(heard.date, clock)
    if 300 <= heard.status < 400 and heard.location and not (endpoint.hostname or "").endswith(".amazonaws.com"):
        yield bad(
            "endpoint",
            f"{where} redirects to {heard.location[:200]}",
            "write that address as endpoint=… in KIST_STORE: Kist follows no redirects with its key",
        )
        return
    yield good("endpoint", f"{where} answers")


def _ask(endpoint: SplitResult) -> Heard:
    kind = http.client.HTTPSConnection if endpoint.scheme == "https" else http.client.HTTPConnection
    connection = kind(endpoint.hostname or "", endpoint.port, timeout=SECONDS)
    try:
        connection.request("GET", endpoint.path or "/")
        answer = connection.getresponse()
        return Heard(answer.status, answer.headers.get("location", ""), answer.headers.get("date", ""))
    finally:
        connection.close()


def _unreachable(where: str, endpoint: SplitResult, error: Exception) -> Finding:
    if isinstance(error, ssl.SSLCertVerificationError):
        mend = "give the server a certificate that this machine trusts, or set SSL_CERT_FILE to its authority's"
        return bad("TLS", f"the certificate of {where} is not trusted: {error.verify_message}", mend)
    if isinstance(error, ssl.SSLError):
        return bad("TLS", f"{where} does not speak TLS ({error.reason})", "is it http:// instead of https://?")
    if isinstance(error, socket.gaierror):
        return bad("endpoint", f"there is no host {endpoint.hostname}", "mend endpoint=… in KIST_STORE, or the DNS")
    if isinstance(error, ConnectionRefusedError):
        return bad("endpoint", f"nothing listens at {where}", "start the S3 server, or mend endpoint=… in KIST_STORE")
    if isinstance(error, TimeoutError):
        return bad("endpoint", f"{where} does not answer in {SECONDS} seconds", "look at firewall, network and address")
    return bad("endpoint", f"{where} cannot be reached ({error})", "mend endpoint=… in KIST_STORE, or the network")


def _check_clock(date: str, clock: Clock) -> Iterator[Finding]:
    try:
        offset = round((clock.now() - parsedate_to_datetime(date)).total_seconds())
    except (ValueError, TypeError):
        return
    side = "ahead of" if offset > 0 else "behind"
    says = f"this machine's clock is {abs(offset)} seconds {side} the store's"
    if abs(offset) > SKEW_BAD:
        yield bad("clock", f"{says}: it refuses what is signed now", "set the clock right: timedatectl set-ntp true")
    elif abs(offset) > SKEW_DOUBTFUL:
        yield doubtful("clock", says, "set the clock right: timedatectl set-ntp true")
    else:
        yield good("clock", "agrees with the store's")
