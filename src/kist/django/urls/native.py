"""``path("kist/", include("kist.django.urls.native"))``: Kist's own API."""

from kist.dialects.native import DIALECT
from kist.django.host.views import url_patterns

app_name = "kist"
urlpatterns = url_patterns(DIALECT)
