"""The older place of the asset handler."""

from kist.django.assets import S3AssetHandler

__all__ = ["S3AssetHandler"]
