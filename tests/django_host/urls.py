"""Every URL conf of the app, mounted where the older documents say."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("s3-file-uploads/", include("kist.django.urls.dabapps")),
    path("api/s3-file-uploads/", include("kist.django.urls.dabapps", namespace="api-uploads")),
    path("modules/s3-file-uploader/", include("kist.django.urls.crowdbotics")),
    path("", include("kist.django.urls.native")),
    path("", include("kist.django.urls.door")),
]
