"""gunicorn as one usually starts it, for every Django application that is measured. It imports nothing of Kist's."""

from __future__ import annotations

import json
import socket
from typing import Any

from gunicorn.app.base import BaseApplication

THREADS = 4


class Gunicorn(BaseApplication):
    """One worker process, and the threads that one usually gives it. It prints its URL and ``key`` once it serves."""

    def __init__(self, application: Any, key: str) -> None:
        self._application = application
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self._line = json.dumps({"url": f"http://127.0.0.1:{self._listener.getsockname()[1]}", "key": key})
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": f"fd://{self._listener.fileno()}",
            "workers": 1,
            "threads": THREADS,
            "worker_class": "gthread",
            "loglevel": "warning",
            "post_worker_init": lambda _: print(self._line, flush=True),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self._application
