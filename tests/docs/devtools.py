"""A page of a site of its own in a real browser, used from outside: over the browser's own protocol for developers."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
from tests.docs.browser import PATIENCE, opened

_PAUSE = 0.05
_LOOKS = round(PATIENCE / _PAUSE)
_PORT = "DevToolsActivePort"
"""The file of the profile in which the browser says where it listens."""
_LEFT = re.compile("navigated|context")
"""How the browser words that the page which was asked is no longer there."""


class PageLeft(Exception):
    """Another page has come in place of the one that was asked."""


class Tab:
    """One tab. Everything waits until it is so, or fails after ``PATIENCE`` seconds."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)
        self.complaints: list[str] = []
        """What the page's scripts threw, and what its policy forbade."""

    async def send(self, method: str, **params: Any) -> Any:
        """Ask the browser, see https://chromedevtools.github.io/devtools-protocol/."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            said = await self._socket.receive_json(timeout=PATIENCE)
            if said.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(str(said["params"]["exceptionDetails"]))
            if said.get("id") == number:
                if _LEFT.search(said.get("error", {}).get("message", "")):
                    raise PageLeft(said["error"])
                assert "error" not in said, said["error"]
                return said["result"]

    async def go(self, url: str) -> None:
        """Open ``url``."""
        await self.send("Page.navigate", url=url)
        await self.until(f"document.readyState === 'complete' && location.href.startsWith({url!r})")

    async def run(self, expression: str) -> Any:
        """The value of an expression of JavaScript."""
        said = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    async def until(self, expression: str) -> Any:
        """The value of an expression as soon as it is a true one."""
        for _ in range(_LOOKS):
            if value := await self._unless_it_moves_on(expression):
                return value
            await asyncio.sleep(_PAUSE)
        raise AssertionError(f"it never came to this: {expression}")

    async def _unless_it_moves_on(self, expression: str) -> Any:
        try:
            said = await self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        except PageLeft:
            return None
        return said["result"].get("value") if "exceptionDetails" not in said else None

    async def fill(self, **values: str) -> None:
        """Write into the fields of these ids."""
        for field, value in values.items():
            await self.run(f"document.getElementById({field!r}).focus()")
            await self.send("Input.insertText", text=value)

    async def choose(self, selector: str, path: Path) -> None:
        """Choose the file for a field."""
        root = await self.send("DOM.getDocument")
        field = await self.send("DOM.querySelector", nodeId=root["root"]["nodeId"], selector=selector)
        await self.send("DOM.setFileInputFiles", nodeId=field["nodeId"], files=[str(path)])

    async def picture(self, width: int = 800, height: int = 700) -> bytes:
        """What is seen, as a PNG."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.send("Emulation.setDeviceMetricsOverride", **size)
        shot = await self.send("Page.captureScreenshot", captureBeyondViewport=False)
        return base64.b64decode(shot["data"])


async def _port(profile: Path) -> int:
    for _ in range(_LOOKS):
        if (said := _said(profile / _PORT)) is not None:
            return said
        await asyncio.sleep(_PAUSE)
    raise AssertionError("the browser did not come up")


async def _address(session: aiohttp.ClientSession, port: int) -> str:
    """Where the first tab is asked. The browser listens before it has opened one."""
    for _ in range(_LOOKS):
        answer = await session.get(f"http://127.0.0.1:{port}/json/list")
        for page in await answer.json():
            if page["type"] == "page":
                return str(page["webSocketDebuggerUrl"])
        await asyncio.sleep(_PAUSE)
    raise AssertionError("the browser opened no tab")


def _said(file: Path) -> int | None:
    text = file.read_text() if file.exists() else ""
    return int(text.split()[0]) if "\n" in text else None


@asynccontextmanager
async def tab(profile: Path) -> AsyncIterator[Tab]:
    """A tab of a browser with a new profile."""
    with opened("about:blank", profile, "--remote-debugging-port=0", "--remote-allow-origins=*"):
        port = await _port(profile)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(await _address(session, port), max_msg_size=0) as socket,
        ):
            opened_tab = Tab(socket)
            await opened_tab.send("Page.enable")
            await opened_tab.send("Runtime.enable")
            yield opened_tab
