"""``kist share``: let other users do something to a file, say with whom it is shared, take it back."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import click
import msgspec

from kist.cli.key import Life
from kist.cli.naming import one_meant
from kist.cli.opening import backend
from kist.cli.options import chosen, client_options
from kist.cli.shown import columns, escaped, print_json, time_text
from kist.dialects.native.shares import NewShare, ShareShape
from kist.model.actor import Action
from kist.system import SystemClock


@click.command(name="share", short_help="Let other users do something to a file.")
@click.argument("file", metavar="FILE")
@click.argument("actor", metavar="ACTOR", required=False)
@click.option("--can", default="read", show_default=True, metavar="LIST", help="Of read, write, share, remove.")
@click.option("--for", "life", type=Life(), metavar="TIME", help="Like 12h, 30d or 8w. Without: until withdrawn.")
@click.option("--withdraw", is_flag=True, help="Take back what ACTOR may do.")
@client_options
def command(file: str, actor: str | None, can: str, life: timedelta | None, withdraw: bool) -> None:
    """Let the user ACTOR do something to FILE, an id or a name. Without ACTOR: say with whom it is shared."""
    if actor is None:
        if withdraw:
            raise click.UsageError("say whose share is to be withdrawn")
        _show(asyncio.run(_shares(file)))
    elif withdraw:
        asyncio.run(_withdraw(file, actor))
        _tell({"withdrawn": actor}, f"{escaped(actor)} may no longer use {escaped(file)}")
    else:
        expires_at = None if life is None else SystemClock().now() + life
        share = asyncio.run(_grant(file, actor, NewShare(_actions(can), expires_at)))
        _tell(msgspec.to_builtins(share), "  ".join(_line(share)))


def _actions(text: str) -> tuple[Action, ...]:
    known = {action.value: action for action in Action}
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names or any(name not in known for name in names):
        raise click.BadParameter(f"write some of {','.join(known)}", param_hint="--can")
    return tuple(known[name] for name in names)


def _show(shares: tuple[ShareShape, ...]) -> None:
    if chosen().json:
        print_json({"items": msgspec.to_builtins(shares)})
        return
    if not shares:
        click.echo("shared with nobody", err=True)
    for line in columns([_line(share) for share in shares]):
        click.echo(line)


def _line(share: ShareShape) -> tuple[str, ...]:
    until = f"until {time_text(share.expires_at)}" if share.expires_at else "until withdrawn"
    return escaped(share.actor), f"may {', '.join(share.actions)}", until


def _tell(facts: dict[str, object], words: str) -> None:
    if chosen().json:
        print_json(facts)
    else:
        click.echo(words)


async def _shares(text: str) -> tuple[ShareShape, ...]:
    async with backend(chosen()) as kist:
        return await kist.shares((await one_meant(kist, text)).id)


async def _grant(text: str, actor: str, wanted: NewShare) -> ShareShape:
    async with backend(chosen()) as kist:
        return await kist.share((await one_meant(kist, text)).id, actor, wanted)


async def _withdraw(text: str, actor: str) -> None:
    async with backend(chosen()) as kist:
        await kist.withdraw((await one_meant(kist, text)).id, actor)
