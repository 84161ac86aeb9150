"""The twin of ``0004_jobs.sql``."""

from django.db import migrations

from kist.django.schema import ApplySchema


class Migration(migrations.Migration):
    dependencies = [("kist", "0003_buckets")]
    operations = [ApplySchema(4)]
