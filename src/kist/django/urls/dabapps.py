"""``path("s3-file-uploads/", include("kist.django.urls.dabapps"))``: the contract of django-s3-file-upload.

Namespace and names are the older app's.
"""

from kist.dialects.dabapps import dialect_at
from kist.django.host.views import url_patterns

app_name = "s3_file_uploads"
urlpatterns = url_patterns(
    dialect_at(""),
    names={
        "dabapps-create": "upload-file-create",
        "dabapps-fetch": "upload-file-fetch",
        "dabapps-complete": "upload-file-complete",
    },
)
