"""The import paths and names of django-s3-file-upload, for projects that come from it: all leads to ``kist.django``.

``INSTALLED_APPS += ["kist.django", "s3_file_uploads"]``. The label, the model's name and the names of the first two
migrations are the older app's, so that foreign keys and migrations of projects hold.
"""
