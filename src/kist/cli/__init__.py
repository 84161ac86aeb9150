"""The command line. Nothing heavy is imported here: ``kist --help`` must answer at once."""

from __future__ import annotations


def main() -> None:
    """Run ``kist`` with the arguments of this process and leave with its exit code."""
    from kist.cli.program import program

    program.main(prog_name="kist")
