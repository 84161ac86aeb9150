"""A project's own app from the days of django-s3-file-upload."""
