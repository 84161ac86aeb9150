"""``manage.py kist_adopt_s3_file_uploads``: what django-s3-file-upload has kept becomes Kist's, where it lies."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from kist.django.composition import alias, assembled
from kist.django.lifecycle import NOBODY
from kist.django.management.running import failure
from kist.django.older import TABLE, OlderRow, completed_rows, copy_rows, is_there
from kist.django.rows import File
from kist.django.working import COMMAND
from kist.drive import drive
from kist.errors import AlreadyThere, BadName, KistError, ObjectMissing
from kist.exits import PARTLY_DONE

THERE = "there already"
MADE = "made files"
LEFT = "left out"


class Command(BaseCommand):
    """Copies rows, and makes files of their objects. May be said again: it goes on where it was."""

    help = (
        f"Make rows of UploadedFile of those in {TABLE}, with the same ids, and files of the objects that the complete "
        "ones name. No object is moved. Rows whose object is not there get none: a form can be asked for again."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Where the objects are."""
        parser.add_argument("--bucket", help="where the objects are, if not in the base bucket of Kist")
        parser.add_argument("--dry-run", action="store_true", help="only say what there is to do")

    def handle(self, *args: Any, **options: Any) -> None:
        """Adopt, and leave with 4 when something was left out."""
        connection = connections[alias()]
        if not is_there(connection):
            raise CommandError(f"there is no table {TABLE} with rows of django-s3-file-upload in this database")
        if options["dry_run"]:
            count = sum(1 for _ in completed_rows(connection))
            self.stdout.write(f"{count:,} complete rows would be looked at")
            return
        copied = copy_rows(connection)
        bucket = options["bucket"] or assembled().ports.bucket
        done = Counter(self._adopted(row, bucket) for row in completed_rows(connection))
        self.stdout.write(f"{copied:,} rows copied; objects: {done[MADE]:,} {MADE}, {done[THERE]:,} {THERE}")
        if done[LEFT]:
            raise CommandError(f"{done[LEFT]:,} were left out, each with its reason above", returncode=PARTLY_DONE)

    def _adopted(self, row: OlderRow, bucket: str) -> str:
        """What became of one row."""
        if File.objects.filter(pk=row.id).exists():
            return THERE
        owner = NOBODY if row.user is None else str(row.user)
        objects = assembled().kist.objects
        try:
            drive(objects.adopt(COMMAND, bucket, row.key, owner, row.intent(), row.created))
        except (ObjectMissing, AlreadyThere, BadName) as error:
            self.stderr.write(f"{row.id}: {row.key!a}: {error.message}")
            return LEFT
        except KistError as error:
            raise failure(error, f"{row.id}: ") from error
        return MADE
