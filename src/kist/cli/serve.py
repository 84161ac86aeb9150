"""``kist serve``: the HTTP server, with the chores beside it."""

from __future__ import annotations

import logging
import shlex
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

import click

from kist.app import ADMIN_KEY_FILE, Assembled, dialects, first_admin_key
from kist.asgi.app import build_asgi
from kist.asgi.logs import log_to
from kist.asgi.options import HostOptions
from kist.asgi.serving import address_of, bind, run, serve
from kist.chores.chore import Chore
from kist.chores.count import COUNT
from kist.chores.schedule import CHORES
from kist.cli.hosts import is_loopback
from kist.cli.options import DEBUG, chosen
from kist.cli.processes import Inherited, Processes
from kist.cli.shown import escaped
from kist.cli.starting import opened
from kist.errors import Misconfigured
from kist.settings import Settings, read_settings
from kist.working import at_work


@click.command(name="serve", short_help="Serve files over HTTP.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0 takes a free one. [default: KIST_PORT, 8000]")
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="How many processes serve.")
@click.option("--inherited", hidden=True, help="What a process is given by the one that starts it.")
@click.option("--log", "logs", is_flag=True, help="Log every request to standard error, as JSON lines.")
@DEBUG
def command(host: str, port: int | None, workers: int, inherited: str | None, logs: bool) -> None:
    """Serve files over HTTP until Ctrl-C or SIGTERM. Requests under way are finished first.

    With --workers, SIGHUP exchanges the processes one by one, without a pause.
    """
    settings = read_settings()
    refuse_anonymous_to_all(settings, host)
    log_to(level=logging.INFO if logs else logging.WARNING)
    if inherited is not None:
        given = Inherited.read(inherited)
        run(_serve_as_one_of_many(_addressed(settings, given.listener), given))
        return
    listener = bind(host, settings.port if port is None else port)
    settings = _addressed(settings, listener)
    if workers == 1:
        run(_serve(settings, listener))
    else:
        _serve_by_many(settings, listener, workers, ["--host", host, *_flags(logs=logs)])


def _flags(*, logs: bool) -> list[str]:
    """What each of several processes has to be told as well."""
    return [flag for flag, given in (("--log", logs), ("--debug", chosen().debug)) if given]


def refuse_anonymous_to_all(settings: Settings, host: str) -> None:
    """``Misconfigured`` when callers without a key would be let in from other machines and nobody allowed that."""
    if settings.anonymous and not settings.anonymous_public and not is_loopback(host):
        raise Misconfigured(
            f"KIST_ANONYMOUS lets callers in without a key, and others can reach {host}: "
            "remove it, listen on 127.0.0.1, or set KIST_ANONYMOUS_PUBLIC=1 if that is what you want"
        )


async def _serve(settings: Settings, listener: socket.socket) -> None:
    async with opened(settings) as assembled:
        key = await first_admin_key(assembled.kist, settings.home)
        await _work(settings, assembled, listener, lambda: _greet(settings, _reachable(listener), key))
    click.echo("stopped", err=True)


def _serve_by_many(settings: Settings, listener: socket.socket, count: int, arguments: list[str]) -> None:
    """Prepare the home once, and have it served by processes of their own."""
    _refuse_memory(settings)
    key = run(_prepare(settings))
    Processes(count, listener, arguments).run(lambda: _greet(settings, _reachable(listener), key))
    click.echo("stopped", err=True)


def _refuse_memory(settings: Settings) -> None:
    for name, url in (("KIST_STORE", settings.store), ("KIST_DATABASE", settings.database)):
        if urlsplit(url).scheme == "memory":
            raise Misconfigured(f"{name} is memory, which processes do not share: leave --workers out")


async def _prepare(settings: Settings) -> str | None:
    async with opened(settings) as assembled:
        return await first_admin_key(assembled.kist, settings.home)


async def _serve_as_one_of_many(settings: Settings, inherited: Inherited) -> None:
    async with opened(settings, process=str(inherited.number + 1)) as assembled:
        # One of them is enough to do what waits in the catalogue; what waits in memory each has to write down itself.
        chores = CHORES if inherited.number == 0 else (COUNT,)
        await _work(settings, assembled, inherited.listener, inherited.tell_ready, chores=chores)


async def _work(
    settings: Settings,
    assembled: Assembled,
    listener: socket.socket,
    started: Callable[[], None],
    *,
    chores: tuple[Chore, ...] = CHORES,
) -> None:
    """Serve and carry out jobs, and run the ``chores`` beside, until a signal comes."""
    kist = assembled.kist
    options = HostOptions(base_url=settings.address, origins=settings.origins, trusted_proxies=settings.trusted_proxies)
    app = build_asgi(kist, dialects(settings), options=options)
    async with at_work(kist, assembled.work, chores):
        await serve(app, listener, started=started)


def _addressed(settings: Settings, listener: socket.socket) -> Settings:
    return replace(settings, public_url=settings.public_url or _reachable(listener))


def _reachable(listener: socket.socket) -> str:
    """The URL under which this machine reaches the server, also when it listens on all addresses."""
    return address_of(listener).replace("//0.0.0.0", "//127.0.0.1").replace("//[::]", "//[::1]")


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
