"""Tokens of Django REST framework by the usual name: its settings name this class, so it lies by itself."""

from __future__ import annotations

from rest_framework.authentication import TokenAuthentication


class Bearer(TokenAuthentication):
    """``Authorization: Bearer``."""

    keyword = "Bearer"
