"""A Django project with Kist's app, and beside it the same two views by hand: create and complete of DabApps' contract.

    KIST_HOME=FOLDER python -m bench.django_app

Both are called with a token of REST framework's, run in one gunicorn, and commit to one SQLite as durably. By hand
means: one model in one table, a serializer, a form by Kist's signer; at complete the object is sealed and looked at by
the same calls of the store, and the row is updated if nobody was quicker. It has no quota, no counters, no limits of
open uploads, nothing that expires, nothing that is cleaned up.
"""

from __future__ import annotations

import os
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
from bench.gunicorn_server import Gunicorn
from django.conf import settings

from kist.model.content import FormLimits, PutRules, Span
from kist.model.place import OBJECTS, STAGING, Place

DURABLE = "PRAGMA journal_mode = wal; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000"
LIFE = timedelta(minutes=5)
MOST = 5 << 30
HEAD = 4096
ACLS = ("private", "public-read", "authenticated-read")


def configure(folder: Path) -> None:
    """As a project would be set up, but without what only costs both sides time."""
    settings.configure(
        BASE_DIR=folder,
        SECRET_KEY="only for measuring, and long enough to sign with",
        ALLOWED_HOSTS=["127.0.0.1"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": folder / "kist.sqlite",
                "CONN_MAX_AGE": None,
                "OPTIONS": {"init_command": DURABLE, "transaction_mode": "IMMEDIATE", "timeout": 30},
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "rest_framework",
            "rest_framework.authtoken",
            "kist.django",
        ],
        MIDDLEWARE=[],
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": ["bench.bearer.Bearer"],
            "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
            "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        },
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        KIST={"OPEN_UPLOADS": 1_000_000_000},
    )
    django.setup()


configure(Path(os.environ["KIST_HOME"]))

# What follows cannot be imported or defined before there are settings.
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, connections, models  # noqa: E402
from django.shortcuts import get_object_or_404  # noqa: E402
from django.urls import include, path  # noqa: E402
from rest_framework import serializers  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from kist.django.composition import assembled  # noqa: E402
from kist.drive import drive  # noqa: E402


class Upload(models.Model):
    """An upload by hand."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)
    filename = models.CharField(max_length=255, blank=True)
    key = models.CharField(max_length=64)
    state = models.CharField(max_length=50, default="AWAIT_COMPLETE")
    size = models.BigIntegerField(null=True)
    type = models.CharField(max_length=255, null=True)
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL)

    class Meta:
        app_label = "bench"


class NewUpload(serializers.ModelSerializer):
    """What is asked for."""

    acl = serializers.ChoiceField(ACLS, default="private")

    class Meta:
        model = Upload
        fields = ("filename", "acl")


class Create(APIView):
    """Give out a form."""

    def post(self, request: Request) -> Response:
        asked = NewUpload(data=request.data)
        asked.is_valid(raise_exception=True)
        acl = asked.validated_data.pop("acl")
        made = asked.save(user=request.user, key=STAGING + uuid.uuid4().hex)
        limits = FormLimits(max_size=MOST, fields=(("acl", acl),))
        signs: Any = assembled().ports.signs
        form = signs.sign_form(Place(assembled().ports.bucket, made.key), LIFE, limits)
        here = f"/by-hand/{made.id}/"
        answer = {
            "id": made.id,
            "created": made.created,
            "modified": made.modified,
            "complete_url": request.build_absolute_uri(f"{here}complete/"),
            "file": request.build_absolute_uri(here),
            "file_key": "",
            "file_path": here,
            "filename": made.filename,
            "upload_form": {"url": form.url, "fields": dict(form.fields)},
            "user": request.user.pk,
        }
        return Response(answer, status=201)


class Complete(APIView):
    """Make the file out of what has come."""

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        upload = get_object_or_404(Upload, pk=pk, user=request.user, state="AWAIT_COMPLETE")
        ports = assembled().ports
        store: Any = ports.store
        target = Place(ports.bucket, OBJECTS + uuid.uuid4().hex)
        stored = drive(store.seal(Place(ports.bucket, upload.key), target, PutRules()))
        seen = ports.detect(drive(_head(store, target, stored.size)))
        known = {"state": "COMPLETED", "key": target.key, "size": stored.size, "type": seen}
        if not Upload.objects.filter(pk=pk, state="AWAIT_COMPLETE").update(**known):
            return Response({"detail": "Not found."}, status=404)
        return Response({"status": "COMPLETED"})


async def _head(store: Any, place: Place, size: int) -> bytes:
    opened = await store.open(place, None if size <= HEAD else Span(0, HEAD))
    try:
        return b"".join([block async for block in opened.body])
    finally:
        await opened.close()


urlpatterns = [
    path("s3-file-uploads/", include("kist.django.urls.dabapps")),
    path("by-hand/", Create.as_view()),
    path("by-hand/<uuid:pk>/complete/", Complete.as_view()),
    path("", include("kist.django.urls.door")),
]


def main() -> None:
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Upload)
    token = Token.objects.create(user=User.objects.create_user("ann"))
    connections.close_all()
    Gunicorn(get_wsgi_application(), token.key).run()


if __name__ == "__main__":
    main()
