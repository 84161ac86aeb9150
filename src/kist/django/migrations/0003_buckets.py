"""The twin of ``0003_buckets.sql``."""

from django.db import migrations

from kist.django.schema import ApplySchema


class Migration(migrations.Migration):
    dependencies = [("kist", "0002_direct_uploads")]
    operations = [ApplySchema(3)]
