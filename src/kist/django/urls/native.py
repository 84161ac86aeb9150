"""``path("kist/", include("kist.django.urls.native"))``: Kist's own API.

Metrics and live progress are left to ``kist serve``: a web process counts nothing, and could do nothing else while it
shows how far a sync is.
"""

import msgspec

from kist.dialects.native import DIALECT
from kist.django.host.views import url_patterns

LEFT_OUT = ("/metrics", "/v1/syncs/{id}/events")

app_name = "kist"
urlpatterns = url_patterns(
    msgspec.structs.replace(DIALECT, routes=tuple(route for route in DIALECT.routes if route.path not in LEFT_OUT))
)
