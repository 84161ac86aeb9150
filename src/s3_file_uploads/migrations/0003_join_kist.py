"""From here on the rows are those of ``kist.django``."""

from django.db import migrations

from s3_file_uploads.joining import JoinKist


class Migration(migrations.Migration):
    dependencies = [
        ("s3_file_uploads", "0002_uploadedfile_user"),
        ("kist", "0009_uploaded_file"),
    ]

    operations = [JoinKist()]
