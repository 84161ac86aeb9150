"""Sent once the transaction is committed, with ``file``: the file as it is then (``kist.model.file.File``).

The sender is ``UploadedFile``, whose row of the same id there is where the owner is a user. A receiver that fails is
logged and stops nobody.
"""

from django.dispatch import Signal

file_completed = Signal()
"""A file has become ready, or has got new content."""
file_removed = Signal()
"""A file was removed; its bytes go once no read can still be open."""
