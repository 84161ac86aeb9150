"""Databases on a PostgreSQL server, and what is asked of one beside the code under test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg

T = TypeVar("T")


def made(url: str, name: str, template: str = "template0") -> str:
    """Make a database beside that of ``url`` and return its URL."""
    run(execute(url, f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def dropped(url: str, name: str) -> None:
    """Remove that database, whoever still uses it."""
    run(execute(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


async def execute(url: str, *statements: str) -> None:
    """Run statements, each by itself."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def ask(url: str, question: str, *values: object) -> list[tuple[Any, ...]]:
    """The rows that answer a question."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return [tuple(row) for row in await connection.fetch(question, *values)]
    finally:
        await connection.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work`` in an event loop of its own: the caller may be inside another one."""
    result: list[T] = []
    failure: list[BaseException] = []

    def thread() -> None:
        try:
            result.append(asyncio.run(work))
        except BaseException as error:
            failure.append(error)

    other = threading.Thread(target=thread)
    other.start()
    other.join()
    if failure:
        raise failure[0]
    return result[0]
