"""What the checker wants to know of an S3 bucket, asked with boto3: it shares nothing with the S3 store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
from botocore.client import Config
from botocore.exceptions import ClientError
from tests.servers.server import S3Server

from kist.testing.checker import BLOCK, OURS, Found


def s3_client(server: S3Server) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.key,
        aws_secret_access_key=server.secret,
        region_name=server.region,
        config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
    )


class S3Bucket:
    """One bucket; ``Objects`` of the checker."""

    def __init__(self, server: S3Server, bucket: str) -> None:
        self._s3 = s3_client(server)
        self._bucket = bucket

    def found(self) -> Iterator[Found]:
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=OURS):
            for each in page.get("Contents", ()):
                yield Found(self._bucket, each["Key"], each["LastModified"].timestamp())
        for page in self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket):
            for each in page.get("Uploads", ()):
                yield Found(self._bucket, each["Key"], each["Initiated"].timestamp())

    def etags(self, prefix: str) -> dict[str, str]:
        """The ETags of all objects below ``prefix``, by what follows it."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        found = [each for page in pages for each in page.get("Contents", ())]
        return {each["Key"].removeprefix(prefix): each["ETag"].strip('"') for each in found}

    def blocks(self, bucket: str, key: str) -> Iterator[bytes]:
        try:
            body = self._s3.get_object(Bucket=bucket, Key=key)["Body"]
        except ClientError as error:
            raise FileNotFoundError(key) from error
        with body:
            yield from body.iter_chunks(BLOCK)
