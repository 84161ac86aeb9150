"""Rules about the shape of the tree that a machine can hold (the import layers are import-linter's)."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import kist
from kist import errors

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "kist"
FORBIDDEN_NAMES = re.compile(r"(^|_)(utils?|helpers?|common|base|managers?|handles?|handlers?|process|misc|do)(_|$)")
LONGER_FOR_A_REASON: dict[str, str] = {}
"""Files above 400 lines, each with its reason."""


def python_files() -> list[Path]:
    return sorted(path for folder in ("src", "tests", "bench") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_400_lines(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    assert len(path.read_text().splitlines()) <= 400 or name in LONGER_FOR_A_REASON


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_module_says_why_it_is_there(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "a module opens with a docstring"


def test_names_are_words_of_the_domain() -> None:
    found = [
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if FORBIDDEN_NAMES.search(path.stem) or FORBIDDEN_NAMES.search(path.parent.name)
    ]
    assert found == []


def protocols() -> Iterator[type]:
    for module in pkgutil.iter_modules([str(SOURCE / "ports")]):
        for _, member in inspect.getmembers(importlib.import_module(f"kist.ports.{module.name}"), inspect.isclass):
            if getattr(member, "_is_protocol", False) and member.__module__.startswith("kist.ports"):
                yield member


def test_every_method_of_a_port_states_its_duties() -> None:
    silent = [
        f"{protocol.__name__}.{name}"
        for protocol in protocols()
        for name, method in vars(protocol).items()
        if inspect.isfunction(method)
        and (not name.startswith("_") or name == "__call__")
        and not (method.__doc__ or "").strip()
    ]
    assert silent == []


def leaf_errors() -> list[type[errors.KistError]]:
    every = [
        member for _, member in inspect.getmembers(errors, inspect.isclass) if issubclass(member, errors.KistError)
    ]
    return [each for each in every if not each.__subclasses__()]


def test_every_leaf_error_is_raised_in_a_test_and_drawn_in_the_tree() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__))
    suites = "\n".join(path.read_text() for path in (SOURCE / "testing").rglob("*.py"))
    for error in leaf_errors():
        assert re.search(rf"\b{error.__name__}\b", errors.__doc__ or ""), f"{error.__name__} is not in the tree"
        assert re.search(rf"\b{error.__name__}\b", tests + suites), f"{error.__name__} is raised in no test"


def test_error_codes_are_unique() -> None:
    codes = [error.code for error in leaf_errors()]
    assert len(set(codes)) == len(codes)


def test_the_public_names_are_sorted_and_complete() -> None:
    assert kist.__all__ == sorted(kist.__all__)
    public = {name for name, member in vars(kist).items() if not name.startswith("_") and not inspect.ismodule(member)}
    assert public == set(kist.__all__)


def test_importing_kist_loads_nothing_of_others_but_msgspec() -> None:
    code = "import sys; before = set(sys.modules); import kist; print(*set(sys.modules) - before)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    roots = {name.partition(".")[0] for name in loaded}
    foreign = {name for name in roots if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert foreign <= {"kist", "msgspec", "typing_extensions"}  # the last by msgspec, where it is installed


def test_only_settings_reads_the_environment_and_only_system_the_clock() -> None:
    readers = {"environ": {"settings.py"}, "getenv": {"settings.py"}, "urandom": set(), "uuid4": {"system.py"}}
    for path in SOURCE.rglob("*.py"):
        name = str(path.relative_to(SOURCE))
        if name.startswith("testing/"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in readers:
                assert name in readers[node.attr], f"{name}: {node.attr}"
            if isinstance(node, ast.Import | ast.ImportFrom) and name != "system.py":
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not names & {"secrets", "random"}, f"{name} makes randomness of its own"


def test_layers_hold() -> None:
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in SOURCE.rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def parts(package: str) -> list[str]:
    """The schemes or names that a package serves: every module in it that can be connected or spoken."""
    mark = {"stores": "connect", "catalogues": "connect", "dialects": "DIALECT"}[package]
    names = [module.name for module in pkgutil.iter_modules([str(SOURCE / package)])]
    return [name for name in names if hasattr(importlib.import_module(f"kist.{package}.{name}"), mark)]


@pytest.mark.parametrize(("package", "kind"), [("stores", "store"), ("catalogues", "catalogue")])
def test_every_store_and_catalogue_is_in_the_contract_matrix(package: str, kind: str) -> None:
    suites = "\n".join(path.read_text() for path in (ROOT / "tests" / "contract").glob("test_*.py"))
    for name in parts(package):
        assert re.search(rf"kist\.{package}\.{name}\b", suites), f"no contract test runs the {kind} {name}"


def test_every_dialect_has_scenarios() -> None:
    scenarios = [path.name for path in (ROOT / "tests" / "dialects").glob("test_*.py")]
    for name in parts("dialects"):
        assert any(name in scenario for scenario in scenarios), f"the dialect {name} has no scenarios"
