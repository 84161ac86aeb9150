"""``kist serve``: the HTTP server, with the chores beside it."""

from __future__ import annotations

import asyncio
import logging
import shlex
import socket
import sys
from dataclasses import replace

import click

from kist.app import ADMIN_KEY_FILE, assemble, dialects, first_admin_key
from kist.asgi.app import build_asgi
from kist.asgi.logs import log_to
from kist.asgi.options import HostOptions
from kist.asgi.serving import address_of, bind, run, serve
from kist.chores.schedule import run_schedule
from kist.cli.hosts import is_loopback
from kist.cli.options import DEBUG
from kist.cli.shown import escaped
from kist.errors import Misconfigured
from kist.settings import Settings, read_settings
from kist.system import SystemClock

log = logging.getLogger("kist.server")


@click.command(name="serve", short_help="Serve files over HTTP.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0 takes a free one. [default: KIST_PORT, 8000]")
@click.option("--log", "logs", is_flag=True, help="Log every request to standard error, as JSON lines.")
@DEBUG
def command(host: str, port: int | None, logs: bool) -> None:
    """Serve files over HTTP until Ctrl-C or SIGTERM. Requests under way are finished first."""
    settings = read_settings()
    refuse_anonymous_to_all(settings, host)
    listener = bind(host, settings.port if port is None else port)
    log_to(level=logging.INFO if logs else logging.WARNING)
    run(_serve(settings, listener))


def refuse_anonymous_to_all(settings: Settings, host: str) -> None:
    """``Misconfigured`` when callers without a key would be let in from other machines and nobody allowed that."""
    if settings.anonymous and not settings.anonymous_public and not is_loopback(host):
        raise Misconfigured(
            f"KIST_ANONYMOUS lets callers in without a key, and others can reach {host}: "
            "remove it, listen on 127.0.0.1, or set KIST_ANONYMOUS_PUBLIC=1 if that is what you want"
        )


async def _serve(settings: Settings, listener: socket.socket) -> None:
    url = settings.public_url or _reachable(listener)
    assembled = await assemble(replace(settings, public_url=url))
    kist = assembled.kist
    try:
        key = await first_admin_key(kist, settings.home)
        options = HostOptions(base_url=url, origins=settings.origins, trusted_proxies=settings.trusted_proxies)
        app = build_asgi(kist, dialects(settings), options=options)
        beside = [
            asyncio.create_task(run_schedule(kist, SystemClock()), name="chores"),
            asyncio.create_task(assembled.work.worker(kist).run(), name="jobs"),
        ]
        for task in beside:
            task.add_done_callback(_tell_end)
        try:
            await serve(app, listener, started=lambda: _greet(settings, _reachable(listener), key))
        finally:
            await _end(beside)
    finally:
        await kist.close()
    click.echo("stopped", err=True)


def _reachable(listener: socket.socket) -> str:
    """The URL under which this machine reaches the server, also when it listens on all addresses."""
    return address_of(listener).replace("//0.0.0.0", "//127.0.0.1").replace("//[::]", "//[::1]")


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _tell_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("the %s have stopped: restart the server", task.get_name(), exc_info=task.exception())


def _greet(settings: Settings, url: str, key: str | None) -> None:
    for line in greeting(settings, url, key):
        click.echo(line)
    sys.stdout.flush()


def greeting(settings: Settings, url: str, key: str | None) -> list[str]:
    """What is said when the server takes connections. ``key``: the admin key, if this start has made it."""
    file = settings.home / ADMIN_KEY_FILE
    lines = [f"{click.style('Kist', bold=True)} serves {url}", ""]
    lines.append(f"  home       {escaped(str(settings.home))}")
    if "native" in settings.dialects:
        lines.append(f"  API        {url}/docs")
    if key is not None:
        lines.append(f"  admin key  {key}")
        lines.append(f"             shown this once, kept in {escaped(str(file))}")
    elif file.exists():
        lines.append(f"  admin key  in {escaped(str(file))}")
    else:
        lines.append("  admin key  `kist key create NAME --admin` makes another")
    if file.exists() and "native" in settings.dialects:
        lines += ["", "Upload, list and download a file, from another terminal:", "", *_trials(url, str(file))]
    return [*lines, "", "Ctrl-C stops."]


def _trials(url: str, file: str) -> list[str]:
    """Three lines that work when they are pasted in their order into one shell."""
    curl = f'curl -sS -u ":$(cat {shlex.quote(file)})"'
    upload = f"echo Hello | {curl} -F 'file=@-;filename=hello.txt' {url}/v1/files"
    return [
        f"ID=$({upload} | tee /dev/stderr | cut -d'\"' -f4)",
        f"{curl} {url}/v1/files",
        f"{curl} {url}/v1/files/$ID/content",
    ]
