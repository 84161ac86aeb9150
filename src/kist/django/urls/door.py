"""``path("", include("kist.django.urls.door"))``: where the signed URLs of files lead that are kept on disk."""

from kist.dialects.door import DIALECT
from kist.django.host.views import url_patterns

app_name = "kist-door"
urlpatterns = url_patterns(DIALECT)
