"""The twin of ``0002_direct_uploads.sql``."""

from django.db import migrations

from kist.django.schema import ApplySchema


class Migration(migrations.Migration):
    dependencies = [("kist", "0001_foundation")]
    operations = [ApplySchema(2)]
