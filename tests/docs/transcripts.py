"""Console blocks of a page, carried out as a reader would, and what they show compared with what comes.

A block of ``console`` is run unless a comment ``<!-- not run: why -->`` stands right before it. ``$ `` begins a
command, ``> `` goes on with it, what follows is what it prints; a line ``…`` stands for any lines, or none.
``make run``, ``kist serve`` and ``uvicorn`` start a server that goes on beside the later commands until a line ``^C``.
Commands run in one folder, and exported variables last. The server's port, the folder, ids, keys and times differ each
time and are not compared.

A page that does not start a server is followed beside one, with its admin's key as ``KEY``; a block of ``bash`` whose
second line is ``# name.sh …`` lies there as that file.

``python -m tests.docs.transcripts docs/tutorial.md BUCKET=name …`` writes what really comes into the pages. What a
page leaves to its reader to export is given behind them.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.daemon import free_port

ROOT = Path(__file__).parents[2]
READERS_FOLDER = "/home/ann/kist"
READERS_PORT = "8000"
READERS_OWN = {
    "ENDPOINT": "http://127.0.0.1:9000",
    "BUCKET": "my-first-files",
    "DB_HOST": "127.0.0.1:5432",
    "DB_NAME": "kist",
}
"""What pages show of variables that each reader fills in."""
INTERRUPT = "^C"
ANYTHING = "…"
PATIENCE = 60.0

_BLOCK = re.compile(r"(?P<before>[^\n]*\n)?^```console\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
_SCRIPT = re.compile(r"^```bash\n(?P<body>#!.*\n# (?P<name>[\w-]+\.sh) .*?)^```$", re.DOTALL | re.MULTILINE)
_TERMINAL = {"NO_COLOR": "1", "COLUMNS": "500", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
_SETTINGS = re.compile(r"(KIST|AWS|MINIO)_|S3_BUCKET|MAX_FILE|PATH_TO|(API_PORT|REGION|EXPIRE)$")
_SERVES = re.compile(r"make run|(\.venv/bin/)?kist serve\b.*|\.venv/bin/uvicorn .*")
_STARTED = re.compile(r"Ctrl-C|.*Press CTRL\+C")
_LOGGED = '{"time":'
"""How a line of the server's log begins: it comes beside what is shown."""
_WRAPPED = re.compile(r"\n {16}(?=\S)")
_MASKS = (
    (re.compile(r"kist_[0-9a-f]{16}_(…|[\w-]{43})"), "<key>"),
    (re.compile(r"[\w-]{80,}\.[\w-]{43}|[\w-]{12}…"), "<token>"),
    (re.compile(r"/l/[\w-]{43}"), "/l/<token>"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?Z)?"), "<time>"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "<key id>"),
    (re.compile(r'"next": ?"[\w-]+"'), "<cursor>"),
    (re.compile(r"[\d.]+ [kMGT]?B free"), "<size> free"),
    (re.compile(r'"plan":"[0-9a-f]{64}"'), '"plan":"<digest>"'),
)


@dataclass
class Step:
    """One command, or an interrupt, and what a page shows after it."""

    command: str
    shown: list[str] = field(default_factory=list)
    first: int = 0
    """Where, among the lines of its block, what it prints begins."""


@dataclass
class Block:
    """A block that is run."""

    body: str
    start: int

    @property
    def steps(self) -> list[Step]:
        steps: list[Step] = []
        for number, line in enumerate(self.body.splitlines()):
            if line.startswith("$ "):
                steps.append(Step(line[2:], first=number + 1))
            elif line == INTERRUPT:
                steps.append(Step(INTERRUPT, first=number + 1))
            elif line.startswith("> ") and steps and not steps[-1].shown:
                steps[-1].command += "\n" + line[2:]
                steps[-1].first = number + 1
            else:
                steps[-1].shown.append(line)
        return steps


def blocks(text: str) -> list[Block]:
    """The blocks of a page that are run, in order."""
    found = []
    for match in _BLOCK.finditer(text):
        if "<!-- not run:" not in (match["before"] or ""):
            found.append(Block(match["body"], match.start("body")))
    return found


class Reader:
    """Somebody who follows a page, in a folder that looks like a checkout after ``make install``."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.port = str(free_port())
        self._state = folder.parent / "exported"
        self._server: subprocess.Popen[str] | None = None
        self._variables = variables
        plain = {name: value for name, value in os.environ.items() if not _SETTINGS.match(name)}
        self._environment = plain | {"KIST_PORT": self.port, "UVICORN_PORT": self.port, **_TERMINAL} | variables
        bin_ = folder / ".venv" / "bin"
        bin_.mkdir(parents=True)
        for name in ("kist", "python", "uvicorn"):
            (bin_ / name).symlink_to(Path(sys.executable).with_name(name))
        (folder / "examples").symlink_to(ROOT / "examples")
        self._state.write_text("")

    def follow(self, step: Step) -> list[str]:
        """Do ``step`` and return what it prints, as the reader of the page would see it."""
        if step.command == INTERRUPT:
            return self._seen(self._interrupt())
        if _SERVES.fullmatch(step.command):
            return self._seen(self._serve(step.command))
        done = self._shell(step.command)
        failed = step.shown and step.shown[-1].startswith("kist: ")
        assert failed or done.returncode == 0, f"{step.command} left with {done.returncode}: {done.stdout}"
        return self._seen(done.stdout)

    def close(self) -> None:
        """End the server, if one runs."""
        if self._server is not None:
            with suppress(ProcessLookupError):
                self._server.kill()
            self._server.communicate()

    def _shell(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", self._script(self._here(command), f"status=$?; export -p > '{self._state}'; exit $status")],
            cwd=self.folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip

    def _script(self, *lines: str) -> str:
        return "\n".join((f"source '{self._state}'", *lines))

    def _serve(self, command: str) -> str:
        command = run_recipe() if command == "make run" else command
        self._server = subprocess.Popen(
            ["bash", "-c", self._script(f"exec {command}")],
            cwd=self.folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert self._server.stdout is not None
        lines = []
        for line in self._server.stdout:
            lines.append(line)
            if _STARTED.match(line):
                break
        assert self._server.poll() is None, "the server ended: " + "".join(lines)
        return "".join(lines)

    def _interrupt(self) -> str:
        assert self._server is not None, "there is no server to stop"
        self._server.send_signal(signal.SIGINT)
        rest, _ = self._server.communicate(timeout=PATIENCE)
        assert self._server.returncode == 0
        self._server = None
        return rest

    def _here(self, text: str) -> str:
        return text.replace(f"127.0.0.1:{READERS_PORT}", f"127.0.0.1:{self.port}")

    def _seen(self, text: str) -> list[str]:
        text = text.replace(f"127.0.0.1:{self.port}", f"127.0.0.1:{READERS_PORT}")
        for name, value in self._variables.items():
            text = text.replace(value, READERS_OWN.get(name, value))
        lines = text.replace(str(self.folder), READERS_FOLDER).splitlines()
        return [line.rstrip() for line in lines if not line.startswith(_LOGGED)]


def run_recipe() -> str:
    """What ``make run`` carries out once the environment is there."""
    match = re.search(r"^run:.*\n\t@exec (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert match is not None, "make run no longer execs one command"
    return match[1].replace(" $(ARGS)", "")


def differs(step: Step, came: list[str]) -> str | None:
    """What is shown and did not come, None when they agree."""
    shown, found = masked(step.shown), masked(came)
    if re.search(r"kist (put|get)\b", step.command):  # several at once: they end in any order
        shown, found = sorted(shown), sorted(found)
    pattern = "".join(r"(.*\n)*?" if line == ANYTHING else re.escape(line) + r"\n" for line in shown)
    if re.fullmatch(pattern, "".join(f"{line}\n" for line in found)):
        return None
    return "\n".join([f"$ {step.command}", "shown:", *step.shown, "came:", *came])


def masked(lines: list[str]) -> list[str]:
    """``lines`` without what differs each time, where long ones are wrapped included."""
    text = _WRAPPED.sub(" ", "\n".join(lines).rstrip("\n"))
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text.split("\n") if text else []


def walk(text: str, reader: Reader) -> Iterator[tuple[Step, list[str]]]:
    """Follow a page: each step and what came of it."""
    for block in blocks(text):
        for step in block.steps:
            yield step, reader.follow(step)


def prepare(text: str, reader: Reader) -> None:
    """Give the reader what a guide takes for granted: its scripts, and unless it starts one, a server and its key."""
    for match in _SCRIPT.finditer(text):
        (reader.folder / match["name"]).write_text(match["body"])
    if "$ make run" not in text and "bin/uvicorn " not in text:
        reader.follow(Step("make run"))
        reader.follow(Step("export KEY=$(cat kist-data/admin-key)"))


def written_anew(text: str, reader: Reader) -> str:
    """The page with what really comes in place of what it shows."""
    for block in reversed(_followed(text, reader)):
        text = text[: block.start] + block.body + text[block.start + block.end :]
    return text


@dataclass
class _Followed:
    start: int
    end: int
    body: str


def _followed(text: str, reader: Reader) -> list[_Followed]:
    done = []
    for block in blocks(text):
        lines, body, at = block.body.splitlines(), [], 0
        for step in block.steps:
            came = reader.follow(step)
            body += lines[at : step.first]
            at = step.first + len(step.shown)
            if step.shown:
                body += step.shown if differs(step, came) is None else [_shortened(line) for line in came]
        done.append(_Followed(block.start, len(block.body), "".join(f"{line}\n" for line in body)))
    return done


def _shortened(line: str) -> str:
    line = re.sub(r"([\w-]{12})[\w-]{68,}\.[\w-]{43}", r"\1…", line)
    return re.sub(r"(kist_[0-9a-f]{16}_)[\w-]{43}", r"\1…", line)


def main() -> None:
    """Write the pages that are named anew."""
    variables = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    for name in (word for word in sys.argv[1:] if "=" not in word):
        path = ROOT / name
        with tempfile.TemporaryDirectory() as folder:
            reader = Reader(Path(folder).resolve() / "kist", **variables)
            with closing(reader):
                prepare(path.read_text(), reader)
                path.write_text(written_anew(path.read_text(), reader))


if __name__ == "__main__":
    main()
