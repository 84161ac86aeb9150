"""Between Django's requests and responses and Kist's calls and replies, under WSGI and ASGI."""
