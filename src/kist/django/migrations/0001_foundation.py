"""The twin of ``0001_foundation.sql``."""

from django.db import migrations

from kist.django.schema import ApplySchema


class Migration(migrations.Migration):
    dependencies: list[tuple[str, str]] = []
    operations = [ApplySchema(1)]
