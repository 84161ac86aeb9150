"""What servers of WSGI and ASGI load: the project that the variable of their test describes."""

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from tests.django_host.site import from_environment

from_environment()

wsgi = get_wsgi_application()
asgi = get_asgi_application()
