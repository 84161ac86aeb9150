"""``kist key``: credentials for people and programs."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta

import click
import msgspec

from kist.cli.opening import backend
from kist.cli.options import chosen, client_options
from kist.cli.shown import columns, escaped, print_json, time_text
from kist.dialects.native.shapes import KeyShape, MadeKey
from kist.system import SystemClock

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Life(click.ParamType[timedelta]):
    """How long something is good, like ``90m``, ``12h``, ``30d`` or ``8w``."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        match = re.fullmatch(r"([1-9]\d{0,5})([mhdw])", str(value), re.ASCII)
        if match is None:
            self.fail(f"{value!r} is no time: write it like 12h, 30d or 8w", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})


@click.group(name="key", short_help="Make, list and revoke keys.")
def command() -> None:
    """Make, list and revoke the keys with which programs and people come in."""


@command.command()
@click.argument("name")
@click.option("--admin", is_flag=True, help="It may do everything to everybody's files.")
@click.option("--label", default="", metavar="TEXT", help="What it is for.")
@click.option("--expires-in", type=Life(), metavar="TIME", help="Like 12h, 30d or 8w. Without: never.")
@client_options
def create(name: str, admin: bool, label: str, expires_in: timedelta | None) -> None:
    """Make a key for the user whose id is NAME, and print it alone on the last line. It is shown this once."""
    expires_at = None if expires_in is None else SystemClock().now() + expires_in
    made = asyncio.run(_create(name, admin, label, expires_at))
    if chosen().json:
        print_json(msgspec.to_builtins(made))
        return
    until = f"until {time_text(made.expires_at)}" if made.expires_at else "until it is revoked"
    click.echo(f"A key for {made.actor} ({made.role}), good {until}. It is not shown again.", err=True)
    click.echo(made.key)


@command.command(name="ls")
@client_options
def page() -> None:
    """List the keys that are not revoked."""
    keys = asyncio.run(_page())
    if chosen().json:
        print_json({"items": msgspec.to_builtins(keys)})
        return
    if not keys:
        click.echo("no keys yet: `kist key create NAME` makes one", err=True)
    for line in columns([_line(key) for key in keys]):
        click.echo(line)


@command.command()
@click.argument("key_id", metavar="ID")
@client_options
def revoke(key_id: str) -> None:
    """End the key with this ID (`kist key ls` shows it) at once."""
    asyncio.run(_revoke(_id_of(key_id)))
    if chosen().json:
        print_json({"revoked": _id_of(key_id)})
    else:
        click.echo(f"{escaped(_id_of(key_id))} is revoked")


def _id_of(text: str) -> str:
    """The id, also where somebody gives the whole key, which must not be shown."""
    return text.removeprefix("kist_").partition("_")[0]


def _line(key: KeyShape) -> tuple[str, ...]:
    expires = f"until {time_text(key.expires_at)}" if key.expires_at else "no end"
    return key.id, escaped(key.actor), key.role, f"made {time_text(key.created_at)}", expires, escaped(key.label)


async def _create(name: str, admin: bool, label: str, expires_at: datetime | None) -> MadeKey:
    async with backend(chosen(), makes=True) as kist:
        return await kist.make_key(name, admin=admin, label=label, expires_at=expires_at)


async def _page() -> tuple[KeyShape, ...]:
    async with backend(chosen()) as kist:
        return await kist.keys()


async def _revoke(key_id: str) -> None:
    async with backend(chosen()) as kist:
        await kist.revoke_key(key_id)
