"""The ASGI host: Starlette and uvicorn around the dialects, and ``KistApp``, which other applications mount."""

from kist.asgi.mounting import KistApp, show_problem

__all__ = ["KistApp", "show_problem"]
