"""Kist: the file service that an application's own users put their files into."""

from kist.errors import KistError

__all__ = ["KistError"]
