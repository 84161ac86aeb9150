"""``path("s3-file-uploads/", include("s3_file_uploads.urls"))``, as before."""

from kist.django.urls.dabapps import app_name, urlpatterns

__all__ = ["app_name", "urlpatterns"]
