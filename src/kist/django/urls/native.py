"""``path("kist/", include("kist.django.urls.native"))``: Kist's own API.

Metrics and live progress are left to ``kist serve``: a web process counts nothing, and could do nothing else while it
shows how far a sync is. Keys are made by ``kist key`` alone: here all staff are admins, and a key that one of them made
would open every file for as long as it lives, whatever becomes of their account.
"""

import msgspec

from kist.dialects.native import DIALECT
from kist.django.host.views import url_patterns

LEFT_OUT = ("/metrics", "/v1/syncs/{id}/events", "/v1/keys", "/v1/keys/{id}")

app_name = "kist"
urlpatterns = url_patterns(
    msgspec.structs.replace(DIALECT, routes=tuple(route for route in DIALECT.routes if route.path not in LEFT_OUT))
)
