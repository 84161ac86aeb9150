"""The field of Django REST framework by which clients attach files they have uploaded."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from kist.django.attaching import attachable, attached, shown


class UploadedFilePrimaryKeyRelatedField(serializers.PrimaryKeyRelatedField):
    """Takes the id of a complete file of the user who asks. Everything else is the same refusal.

    Needs the request in the serializer's context; without it nothing is taken. ``queryset`` narrows what is.
    """

    def get_queryset(self) -> Any:
        """The rows that may be chosen."""
        return attachable(self._user(), self.queryset)

    def to_internal_value(self, data: Any) -> Any:
        """The row with that id. ``ValidationError`` for what the user may not attach."""
        found = attached(self._user(), data, self.queryset)
        if found is None:
            self.fail("does_not_exist", pk_value=shown(data))
        return found

    def _user(self) -> Any:
        return getattr(self.context.get("request"), "user", None)
