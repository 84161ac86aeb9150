"""``kist link``: make links that need no key, list them, end them."""

from __future__ import annotations

import asyncio
from typing import Any

import click
import msgspec

from kist.cli.key import Life
from kist.cli.naming import meant
from kist.cli.opening import backend
from kist.cli.options import chosen, client_options
from kist.cli.shown import columns, count_text, escaped, print_json, time_text
from kist.dialects.native.links import LinkRow, NewLinks
from kist.errors import KistError
from kist.exits import PARTLY_DONE, REFUSED
from kist.model.link import Disposition


@click.command(name="link", short_help="Make links that need no key.")
@click.argument("files", metavar="FILE…", nargs=-1)
@click.option("--for", "life", type=Life(), metavar="TIME", help="Like 12h or 7d. [KIST_LINK_LIFE]")
@click.option("--view", is_flag=True, help="Let browsers show it, where that is harmless.")
@click.option("--uses", type=click.IntRange(1), metavar="N", help="It may be used so often.")
@click.option("--password", is_flag=True, help="Ask for a password, here and of whoever uses it.")
@click.option("--ls", "listing", is_flag=True, help="List my links.")
@click.option("--revoke", metavar="ID", help="End the link with this ID at once.")
@client_options
def command(files: tuple[str, ...], listing: bool, revoke: str | None, **terms: Any) -> None:
    """Make a link for each FILE: ids, names, or folders with a slash at their end. One address a line."""
    if listing:
        _list(asyncio.run(_links()))
    elif revoke is not None:
        asyncio.run(_revoke(revoke))
        _tell({"revoked": revoke}, f"{escaped(revoke)} is revoked")
    elif not files:
        raise click.UsageError("name the files to make links for, or say --ls or --revoke ID")
    else:
        password = click.prompt("Password", hide_input=True, err=True) if terms["password"] else None
        wanted = NewLinks(
            files=(),
            expires_in=None if terms["life"] is None else int(terms["life"].total_seconds()),
            disposition=Disposition.VIEW if terms["view"] else Disposition.DOWNLOAD,
            max_uses=terms["uses"],
            password=password,
        )
        links, errors = asyncio.run(_make(files, wanted))
        _made(links, errors)


def _made(links: list[dict[str, Any]], errors: dict[str, str]) -> None:
    if chosen().json:
        print_json({"links": links, "errors": errors})
    else:
        for link in links:
            click.echo(link["url"])
    for name, why in errors.items():
        click.echo(f"kist: {escaped(name)}: {why}", err=True)
    if errors:
        click.get_current_context().exit(PARTLY_DONE if links else REFUSED)


def _list(links: tuple[LinkRow, ...]) -> None:
    if chosen().json:
        print_json({"items": msgspec.to_builtins(links)})
        return
    if not links:
        click.echo("no links: `kist link FILE` makes one", err=True)
    for line in columns([_line(link) for link in links]):
        click.echo(line)


def _line(link: LinkRow) -> tuple[str, ...]:
    most = "" if link.max_uses is None else f" of {link.max_uses}"
    return link.id, f"until {time_text(link.expires_at)}", f"{count_text(link.uses, 'use')}{most}", link.url


def _tell(facts: dict[str, object], words: str) -> None:
    if chosen().json:
        print_json(facts)
    else:
        click.echo(words)


async def _make(texts: tuple[str, ...], wanted: NewLinks) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The links, each with the name of its file, and why there is none for the others."""
    names: dict[str, str] = {}
    errors: dict[str, str] = {}
    async with backend(chosen()) as kist:
        for text in texts:
            try:
                names |= {file.id: file.name for file in await meant(kist, text)}
            except KistError as error:
                errors[text] = error.message
        if not names:
            return [], errors
        made = await kist.make_links(msgspec.structs.replace(wanted, files=tuple(names)))
    errors |= {names[file_id]: str(problem["detail"]) for file_id, problem in made.errors.items()}
    links = [
        {"file": file_id, "name": names[file_id], **msgspec.to_builtins(link)} for file_id, link in made.links.items()
    ]
    return links, errors


async def _links() -> tuple[LinkRow, ...]:
    async with backend(chosen()) as kist:
        return await kist.links()


async def _revoke(link_id: str) -> None:
    async with backend(chosen()) as kist:
        await kist.revoke_link(link_id)
