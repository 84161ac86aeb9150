"""A database on a server: answers, can be used, has the tables of this release."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from kist.app import applied_migrations, known_migrations
from kist.cli.doctor.database import check_tables
from kist.cli.doctor.finding import Finding, bad, good
from kist.errors import Broken, CatalogueBusy, Misconfigured
from kist.settings import Settings


def is_on_a_server(settings: Settings) -> bool:
    """Whether the rows are in no file of this machine."""
    return urlsplit(settings.database).scheme == "postgresql"


async def check_database_server(settings: Settings) -> AsyncIterator[Finding]:
    """Everything about the database. Nothing that is said holds its password."""
    where = settings.shown_database
    try:
        applied = await applied_migrations(settings)
    except Misconfigured as error:
        yield bad("database", error.message, "put KIST_DATABASE right, or what the role may do on the server")
    except CatalogueBusy:
        yield bad("database", f"no server answers at {where}", "start it, or look at the address and the firewall")
    except Broken as error:
        yield bad("database", error.message, "look at the log of the server")
    else:
        yield good("database", f"{where} answers and has what Kist relies on")
        yield check_tables(applied, known_migrations(settings))
