"""The way in and the way out: what is loaded, how long it takes, what errors say, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner, Result

from kist import errors
from kist.cli import program as programs
from kist.cli.exits import NeedsConfirmation
from kist.cli.program import COMMANDS, program

HEAVY = ("rich", "urllib3", "aiohttp", "starlette", "uvicorn", "jwt", "asyncio", "sqlite3", "email", "kist.app")


def raising(error: BaseException, monkeypatch: pytest.MonkeyPatch, *args: str) -> Result:
    @click.command()
    def command() -> None:
        raise error

    monkeypatch.setattr(programs.Program, "get_command", lambda self, ctx, name: command)
    return CliRunner().invoke(program, [*args, "anything"])


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(program, ["--help"])
    assert result.exit_code == 0
    assert all(f"\n  {name} " in result.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_in_the_same_words(name: str) -> None:
    result = CliRunner().invoke(program, [name, "--help"])
    assert result.exit_code == 0, result.output
    loaded = program.get_command(click.Context(program), name)
    assert loaded is not None
    assert loaded.name == name
    assert loaded.get_short_help_str(100) == COMMANDS[name]


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from kist.cli import main; sys.argv = ['kist', '--help']\n"
        "try: main()\nexcept SystemExit: pass\nprint('LOADED', *sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = shown.partition("LOADED")[2].split()
    assert "click" in loaded
    assert [name for name in HEAVY if name in loaded] == []
    assert {name for name in loaded if name.startswith("kist.cli.")} == {
        "kist.cli.program",
        "kist.cli.exits",
        "kist.cli.options",
    }


def test_help_takes_less_than_150_milliseconds() -> None:
    """Of processor time, which is all it takes: it waits for nothing, and other tests may run beside it."""
    times: list[float] = []
    while len(times) < 20 and not (times and min(times) < 0.150):
        process = subprocess.Popen([sys.executable, "-m", "kist.cli", "--help"], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        times.append(usage.ru_utime + usage.ru_stime)
    assert min(times) < 0.150


def test_version() -> None:
    result = CliRunner().invoke(program, ["--version"])
    assert (result.exit_code, result.stdout.split()[0]) == (0, "kist")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.FileMissing("no such file"), 2),
        (errors.NotSignedIn("sign in"), 2),
        (NeedsConfirmation("say --yes"), 3),
        (errors.Corrupt("bytes are gone"), 70),
        (errors.Misconfigured("bad setting"), 70),
        (errors.CatalogueBusy("busy"), 75),
        (errors.Stopped("stopped by somebody"), 130),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (RuntimeError("a fault"), 70),
    ],
)
def test_exit_codes(error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    result = raising(error, monkeypatch)
    assert result.exit_code == code
    assert "Traceback" not in result.output
    assert getattr(error, "message", "") in result.stderr
    assert result.stdout == ""


def test_debug_shows_where_an_error_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    result = raising(RuntimeError("a fault"), monkeypatch, "--debug")
    assert isinstance(result.exception, RuntimeError)


def test_what_is_unknown_is_refused() -> None:
    assert CliRunner().invoke(program, ["sing"]).exit_code == 2
    assert CliRunner().invoke(program, ["ls", "--sing"]).exit_code == 2


def test_errors_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    result = raising(errors.Invalid("bad name \x1b[2J\u202e"), monkeypatch)
    assert "\x1b" not in result.stderr
    assert "\\x1b[2J\\u202e" in result.stderr
