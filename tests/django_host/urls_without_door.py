"""A project that has forgotten where the signed URLs of files on disk lead."""

from django.urls import include, path

urlpatterns = [path("s3-file-uploads/", include("kist.django.urls.dabapps"))]
