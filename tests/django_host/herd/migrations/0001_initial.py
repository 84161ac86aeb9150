"""Sheep, as they were made before there was Kist."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("s3_file_uploads", "0002_uploadedfile_user"),
    ]

    operations = [
        migrations.CreateModel(
            name="Sheep",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "file",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sheep",
                        to="s3_file_uploads.uploadedfile",
                    ),
                ),
                (
                    "spare",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="spared",
                        to="s3_file_uploads.uploadedfile",
                    ),
                ),
                ("more", models.ManyToManyField(related_name="more_sheep", to="s3_file_uploads.uploadedfile")),
            ],
        ),
    ]
