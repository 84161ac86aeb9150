"""The twin of ``0008_latches.sql``."""

from django.db import migrations

from kist.django.schema import ApplySchema


class Migration(migrations.Migration):
    dependencies = [("kist", "0007_compared")]
    operations = [ApplySchema(8)]
