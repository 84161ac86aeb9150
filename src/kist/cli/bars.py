"""The bar on a terminal that shows how far something is. ``rich`` is loaded only where one is shown."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any


class Bar:
    """What shows a bar while its block runs, and may also show none."""

    _bar: Any = None
    _task: Any = None

    def _start(self, columns: Callable[[], tuple[Any, ...]], description: str, **task: Any) -> None:
        """Show a bar with ``columns`` between its description and the time that is left. ``task``: what they show."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            *columns(),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
            transient=True,
            expand=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task(description, **task)
        self._bar.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
