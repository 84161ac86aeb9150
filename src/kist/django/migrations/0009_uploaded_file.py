"""Models over the tables of the catalogue, and the table of `UploadedFile`."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import kist.system


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("kist", "0008_latches"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="File",
            fields=[
                ("id", models.CharField(max_length=36, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=255)),
                ("owner", models.CharField(max_length=255)),
                ("bucket", models.CharField(max_length=63)),
                ("key", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[("pending", "pending"), ("ready", "ready"), ("removed", "removed"), ("lost", "lost")],
                        max_length=16,
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                ("size", models.BigIntegerField()),
                ("type", models.CharField(max_length=255)),
                ("detected", models.CharField(max_length=255, null=True)),
                ("sha256", models.CharField(max_length=64, null=True)),
                (
                    "visibility",
                    models.CharField(
                        choices=[
                            ("private", "private"),
                            ("public-read", "public-read"),
                            ("authenticated-read", "authenticated-read"),
                            ("public-read-write", "public-read-write"),
                        ],
                        max_length=32,
                    ),
                ),
                ("metadata", models.TextField()),
                ("version", models.BigIntegerField()),
                ("address", models.TextField(null=True)),
                ("folded", models.TextField()),
            ],
            options={
                "db_table": "files",
                "ordering": ("-created_at", "id"),
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                ("id", models.CharField(max_length=36, primary_key=True, serialize=False)),
                ("number", models.BigIntegerField(unique=True)),
                ("actor", models.CharField(max_length=255)),
                ("source", models.TextField()),
                ("dest", models.TextField()),
                ("options", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "queued"),
                            ("planning", "planning"),
                            ("needs_confirmation", "needs confirmation"),
                            ("running", "running"),
                            ("cancelling", "cancelling"),
                            ("cancelled", "cancelled"),
                            ("succeeded", "succeeded"),
                            ("succeeded_with_errors", "succeeded with errors"),
                            ("failed", "failed"),
                        ],
                        max_length=32,
                    ),
                ),
                ("reason", models.TextField()),
                ("progress", models.TextField()),
                ("created_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "jobs",
                "ordering": ("-number",),
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Share",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "file_id", "actor", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("actor", models.CharField(max_length=255)),
                ("granted_by", models.CharField(max_length=255)),
                ("created_at", models.DateTimeField()),
                ("read", models.BooleanField()),
                ("write", models.BooleanField()),
                ("share", models.BooleanField()),
                ("remove", models.BooleanField()),
                ("expires_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "shares",
                "ordering": ("file_id", "actor"),
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Upload",
            fields=[
                ("id", models.CharField(max_length=36, primary_key=True, serialize=False)),
                ("owner", models.CharField(max_length=255)),
                ("actor", models.CharField(max_length=255)),
                ("door", models.CharField(max_length=16)),
                (
                    "way",
                    models.CharField(
                        choices=[("form", "form"), ("put", "put"), ("parts", "parts")], max_length=16, null=True
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("sealing", "sealing"),
                            ("done", "done"),
                            ("refused", "refused"),
                            ("aborted", "aborted"),
                            ("expired", "expired"),
                        ],
                        max_length=16,
                    ),
                ),
                ("name", models.CharField(max_length=255)),
                ("size", models.BigIntegerField(null=True)),
                ("started_at", models.DateTimeField()),
                ("deadline", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("reason", models.TextField(null=True)),
            ],
            options={
                "db_table": "uploads",
                "ordering": ("-started_at", "id"),
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="UploadedFile",
            fields=[
                ("id", models.UUIDField(default=kist.system.new_id, editable=False, primary_key=True, serialize=False)),
                ("created", models.DateTimeField(auto_now_add=True, db_index=True)),
                ("modified", models.DateTimeField(auto_now=True)),
                ("file_key", models.CharField(blank=True, max_length=255)),
                ("filename", models.CharField(blank=True, max_length=255)),
                ("reupload_of", models.BigIntegerField(editable=False, null=True)),
                (
                    "row",
                    models.OneToOneField(
                        db_constraint=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="uploaded_file",
                        to="kist.file",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="uploaded_files",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("-created",),
                "base_manager_name": "objects",
                "default_manager_name": "objects",
            },
        ),
    ]
