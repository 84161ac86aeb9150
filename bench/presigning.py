"""Presigned PUT URLs: the store's signer against boto3 with one client that is used again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import boto3
from bench.figures import Finding, Goal, Plan, Sample, compared, interleaved, microseconds, per_second
from botocore.config import Config

from kist.model.place import Place
from kist.stores.s3 import S3Settings, open_blocking_store
from kist.system import SystemClock, SystemIds

GOAL = Goal(15)
URLS = 2000
KEY, SECRET, BUCKET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "bucket"
TYPE = "application/octet-stream"
HOUR = timedelta(hours=1)


def measure(plan: Plan) -> Iterator[Finding]:
    store = open_blocking_store(S3Settings(key=KEY, secret=SECRET), SystemClock(), SystemIds())
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        config=Config(signature_version="s3v4"),  # else boto3 signs by the older scheme, which new regions refuse
    )

    def ours(number: int) -> None:
        place = Place(BUCKET, f"folder/object-{number}.bin")
        store.sign("PUT", place, HOUR, headers=(("content-type", TYPE),))

    def theirs(number: int) -> None:
        params = {"Bucket": BUCKET, "Key": f"folder/object-{number}.bin", "ContentType": TYPE}
        client.generate_presigned_url("put_object", Params=params, ExpiresIn=3600)

    rounds = interleaved(plan.rounds, lambda: _timed(ours), lambda: _timed(theirs))
    pairs = [(one, other) for one, other in rounds]
    yield compared("presigned PUT URLs, against boto3", pairs, per_second, cpu=microseconds, goal=GOAL)


def _timed(sign: Callable[[int], None]) -> Sample:
    begun, cpu = time.perf_counter(), time.process_time()
    for number in range(URLS):
        sign(number)
    return Sample(URLS / (time.perf_counter() - begun), (time.process_time() - cpu) / URLS)
