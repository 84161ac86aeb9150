"""The twin of ``0007_compared.sql``."""

from django.db import migrations

from kist.django.schema import ApplySchema


class Migration(migrations.Migration):
    dependencies = [("kist", "0006_terms")]
    operations = [ApplySchema(7)]
