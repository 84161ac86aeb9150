"""Where an ``UploadedFile`` stands, in the words of django-s3-file-upload."""

NEW = "NEW"
AWAIT_COMPLETE = "AWAIT_COMPLETE"
COMPLETED = "COMPLETED"
REMOVED = "REMOVED"
"""The file was removed, or its bytes are lost: a state that the older app did not know."""
