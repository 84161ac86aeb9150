"""The usual way to hand out tickets and forms: Django with REST framework and boto3, gunicorn with one worker.

    python -m bench.django_peer FOLDER

Runs in an environment of its own, so it imports nothing of Kist's. Left out is what only costs it time: middleware,
sessions, the browsable API, access logs. Connections to the database are kept, and so is the S3 client, but for
``/a-client-each/…``: there each request makes one, as django-s3-file-upload does.
"""

from __future__ import annotations

import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import django
from bench.gunicorn_server import Gunicorn
from botocore.config import Config
from django.conf import settings

LIFE = timedelta(hours=1)
BUCKET = "bench"
ACLS = ("private", "public-read", "public-read-write", "authenticated-read")
MOST = 5 << 30
FORM_LIFE = 300


def configure(folder: Path) -> None:
    """Commits are as durable as Kist's: a write-ahead log, synced at each of them."""
    durable = "PRAGMA journal_mode = wal; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000"
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": folder / "peer.db",
                "CONN_MAX_AGE": None,
                "OPTIONS": {"init_command": durable, "transaction_mode": "IMMEDIATE", "timeout": 30},
            }
        },
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "rest_framework",
            "rest_framework.authtoken",
        ],
        MIDDLEWARE=[],
        REST_FRAMEWORK={
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
            "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        },
        ROOT_URLCONF=__name__,
        USE_TZ=True,
    )
    django.setup()


configure(Path(sys.argv[1]))

# What follows cannot be imported or defined before there are settings.
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, connections, models  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import serializers  # noqa: E402
from rest_framework.authentication import TokenAuthentication  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402
from rest_framework.permissions import IsAuthenticated  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


class Upload(models.Model):
    """An upload that is to come."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE)
    key = models.CharField(max_length=64)
    name = models.CharField(max_length=255)
    size = models.BigIntegerField()
    type = models.CharField(max_length=255)
    state = models.CharField(max_length=16, default="open")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "bench"


class NewUpload(serializers.ModelSerializer):
    """What is asked for."""

    class Meta:
        model = Upload
        fields = ("name", "size", "type")


class Bearer(TokenAuthentication):
    """DRF's own tokens, by the usual name."""

    keyword = "Bearer"


class Uploads(APIView):
    """Tickets."""

    authentication_classes = (Bearer,)
    permission_classes = (IsAuthenticated,)

    def post(self, request: Request) -> Response:
        asked = NewUpload(data=request.data)
        asked.is_valid(raise_exception=True)
        upload = asked.save(owner=request.user, key=uuid.uuid4().hex)
        headers = {"Content-Type": upload.type, "Content-Length": str(upload.size), "x-amz-acl": "private"}
        params = {
            "Bucket": BUCKET,
            "Key": upload.key,
            "ContentType": upload.type,
            "ContentLength": upload.size,
            "ACL": "private",
        }
        url = CLIENT.generate_presigned_url("put_object", Params=params, ExpiresIn=int(LIFE.total_seconds()))
        ends = datetime.now(UTC) + LIFE
        return Response(
            {"id": upload.id, "method": "PUT", "url": url, "headers": headers, "expires_at": ends}, status=201
        )


class UploadedFile(models.Model):
    """An upload by DabApps' contract. It is written once, as waiting: the original writes it a second time for that."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)
    file_key = models.CharField(max_length=255, blank=True)
    filename = models.CharField(max_length=255, blank=True)
    file_upload_state = models.CharField(max_length=50, default="AWAIT_COMPLETE")
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL)

    class Meta:
        app_label = "bench"


class NewFile(serializers.ModelSerializer):
    """What is asked for by DabApps' contract."""

    acl = serializers.ChoiceField(ACLS, default="private")

    class Meta:
        model = UploadedFile
        fields = ("filename", "acl")


class FileUploads(APIView):
    """DabApps' create, without the signed address of a file that is not there yet."""

    authentication_classes = (Bearer,)
    permission_classes = (IsAuthenticated,)
    kept_client = True

    def post(self, request: Request) -> Response:
        asked = NewFile(data=request.data)
        asked.is_valid(raise_exception=True)
        acl = asked.validated_data.pop("acl")
        made = asked.save(user=request.user)
        form = (CLIENT if self.kept_client else new_client()).generate_presigned_post(
            BUCKET,
            str(made.id),
            Fields={"acl": acl},
            Conditions=[{"acl": acl}, ["content-length-range", 0, MOST]],
            ExpiresIn=FORM_LIFE,
        )
        here = f"/s3-file-uploads/{made.id}/"
        answer = {
            "id": made.id,
            "created": made.created,
            "modified": made.modified,
            "complete_url": request.build_absolute_uri(f"{here}complete/"),
            "file": request.build_absolute_uri(here),
            "file_key": made.file_key,
            "file_path": here,
            "filename": made.filename,
            "upload_form": form,
            "user": request.user.pk,
        }
        return Response(answer, status=201)


def new_client() -> Any:
    return boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:9000",
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(signature_version="s3v4"),
    )


CLIENT = new_client()
urlpatterns = [
    path("v1/uploads", Uploads.as_view()),
    path("s3-file-uploads/", FileUploads.as_view()),
    path("a-client-each/s3-file-uploads/", FileUploads.as_view(kept_client=False)),
]


def main() -> None:
    call_command("migrate", run_syncdb=True, verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Upload)
        editor.create_model(UploadedFile)
    token = Token.objects.create(user=User.objects.create_user("ann"))
    connections.close_all()
    Gunicorn(get_wsgi_application(), token.key).run()


if __name__ == "__main__":
    main()
