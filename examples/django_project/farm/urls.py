"""The farm's own pages and API, and Kist's."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from rest_framework.routers import SimpleRouter

from llamas.api import LlamaViewSet
from llamas.views import Llamas, SignUp

api = SimpleRouter()
api.register("llamas", LlamaViewSet)

urlpatterns = [
    path("", Llamas.as_view(), name="llamas"),
    path("sign-up/", SignUp.as_view(), name="sign-up"),
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("api/", include(api.urls)),
    # The contract of django-s3-file-upload, where its document mounts it and where its client library calls.
    path("s3-file-uploads/", include("kist.django.urls.dabapps")),
    path("api/s3-file-uploads/", include("kist.django.urls.dabapps", namespace="api-uploads")),
    # The contract of the Crowdbotics S3 File Uploader.
    path("modules/s3-file-uploader/", include("kist.django.urls.crowdbotics")),
    # Where the signed URLs of files on disk lead.
    path("", include("kist.django.urls.door")),
]
