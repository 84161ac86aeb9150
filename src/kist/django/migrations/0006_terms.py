"""The twin of ``0006_terms.sql``."""

from django.db import migrations

from kist.django.schema import ApplySchema


class Migration(migrations.Migration):
    dependencies = [("kist", "0005_sealed_keys")]
    operations = [ApplySchema(6)]
