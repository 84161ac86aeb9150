"""Can users upload straight to the store? What the probe finds, and what ``--fix`` sets up for it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from urllib.parse import urlsplit

from kist.app import join, open_ports
from kist.cli.doctor.finding import Finding, doubtful, good
from kist.errors import KistError
from kist.model.backend import bucket_policy_for_signing, cors_rule, policy_for_signing
from kist.model.profile import HELD, Check, Profile
from kist.model.upload import Way
from kist.ports.store import ObjectStore, SetsCors
from kist.ports.system import Clock, Ids
from kist.settings import Settings

_TOLD = (Check.CORS, Check.ETAG_EXPOSED, Check.CLOCK)
"""Checks that switch off no way, but that whoever uploads from a browser should know of."""

SIGNER, MAIN = "arn:aws:iam:::user/THE-SIGNING-USER", "arn:aws:iam:::user/THE-MAIN-USER"


async def check_direct(settings: Settings, clock: Clock, ids: Ids, *, fix: bool) -> AsyncGenerator[Finding, None]:
    """Probe the store anew, keep what is found, and say which ways are open. ``fix``: write the CORS rule first."""
    try:
        ports = await open_ports(settings, clock, ids)
    except KistError as error:
        yield doubtful("uploads", f"cannot be probed: {error.message}", "mend that first")
        return
    kist = join(ports)
    try:
        if fix:
            yield await _write_cors(settings, ports.store)
        profile = await kist.ways.probe()
        for finding in _findings(profile):
            yield finding
    except KistError as error:
        yield doubtful("uploads", f"the store could not be probed: {error.message}", "mend the store, then probe again")
    finally:
        await kist.close()


async def _write_cors(settings: Settings, store: ObjectStore) -> Finding:
    """Let the pages of ``KIST_ORIGINS`` send to the bucket."""
    if not isinstance(store, SetsCors):
        return good("cors", "is answered by Kist itself, for the pages of KIST_ORIGINS")
    if not settings.origins:
        return doubtful("cors", "no page may send to the bucket", "name the origins of your pages in KIST_ORIGINS")
    try:
        await store.set_cors(settings.bucket, [cors_rule(settings.origins)])
    except KistError as error:
        return doubtful("cors", f"the bucket's rule could not be written: {error.message}", "write it by hand")
    return good("cors", f"the bucket now lets pages of {', '.join(settings.origins)} send files")


def _findings(profile: Profile | None) -> Iterator[Finding]:
    if profile is None:
        yield good("uploads", "straight to this store are open in every way: Kist itself answers for it")
        return
    for way in Way:
        failed = profile.failed(way)
        if not failed:
            yield good("uploads", f"by {way.value} are open: the store holds to what is signed")
            continue
        words = "; ".join(f"{check}: {profile.checks.get(check, 'not asked')}" for check in failed[:3])
        more = f", and {len(failed) - 3} more" if len(failed) > 3 else ""
        yield doubtful("uploads", f"by {way.value} are shut ({words}{more})", _mend(failed))
    for check in _TOLD:
        if profile.checks.get(check.value) != HELD:
            mend = "set the clock right" if check is Check.CLOCK else "name KIST_ORIGINS, then kist doctor --fix"
            yield doubtful("browsers", f"{check.value}: {profile.checks.get(check.value)}", mend)


def _mend(failed: tuple[str, ...]) -> str:
    if any(check.endswith("copy_source") for check in failed):
        return "sign with a restricted key: kist doctor --fix prints its policy; set KIST_S3_SIGNING_KEY and its secret"
    if Check.FORM_WORKS in failed:
        return "none is needed: other ways and POST /v1/files go on; on Ceph, give the bucket the policy of --fix"
    return "none is needed: POST /v1/files goes on"


def policies(settings: Settings) -> str:
    """The policies for the user whose key signs tickets, for people to copy."""
    if urlsplit(settings.store).scheme != "s3":
        return "No signing key is needed: the disk store signs with KIST_SECRET."
    user = json.dumps(policy_for_signing(settings.bucket), indent=2)
    bucket = json.dumps(bucket_policy_for_signing(settings.bucket, SIGNER, MAIN), indent=2)
    return (
        f"Policy of the user whose key is KIST_S3_SIGNING_KEY. The main key keeps s3:* on the bucket.\n\n{user}\n\n"
        f"On Ceph, which judges forms by nothing else, also as the bucket's policy:\n\n{bucket}"
    )
