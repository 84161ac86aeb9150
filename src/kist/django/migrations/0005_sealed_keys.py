"""The twin of ``0005_sealed_keys.sql``."""

from django.db import migrations

from kist.django.schema import ApplySchema


class Migration(migrations.Migration):
    dependencies = [("kist", "0004_jobs")]
    operations = [ApplySchema(5)]
