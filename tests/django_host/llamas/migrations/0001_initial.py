"""Llamas."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("kist", "0009_uploaded_file"),
    ]

    operations = [
        migrations.CreateModel(
            name="Llama",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
                (
                    "file",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="llama", to="kist.uploadedfile"
                    ),
                ),
            ],
        ),
    ]
