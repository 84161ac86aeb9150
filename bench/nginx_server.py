"""nginx as it comes, on a folder: one worker, sendfile, no access log, as the user who runs this."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.machine import SERVER_CORE, needed, on_core
from bench.programs import Program

_CONF = """
{user}
daemon off;
pid {state}/nginx.pid;
error_log stderr warn;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 600;
  keepalive_requests 1000000;
  client_body_temp_path {state}/body;
  proxy_temp_path {state}/proxy;
  fastcgi_temp_path {state}/fastcgi;
  uwsgi_temp_path {state}/uwsgi;
  scgi_temp_path {state}/scgi;
  server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


@contextmanager
def nginx(folder: Path) -> Iterator[Program]:
    """Serve the files of ``folder``. ``Absent`` where nginx is not installed."""
    program = needed("nginx")
    state = folder.with_name(f"{folder.name}-nginx")
    state.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    conf = state / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    conf.write_text(_CONF.format(user=user, state=state, folder=folder, port=port))
    with on_core(SERVER_CORE):
        process = subprocess.Popen([program, "-c", str(conf), "-e", "stderr"])
    with process:
        try:
            _wait_for(port)
            yield Program(process.pid, f"http://127.0.0.1:{port}")
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    give_up = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.05)
