"""The command line. Nothing heavy is imported here: ``kist --help`` must answer at once."""

from __future__ import annotations


def main() -> None:
    """Run ``kist`` with the arguments of this process and leave with its exit code."""
    try:
        from kist.cli.program import program

        program.main(prog_name="kist")
    except KeyboardInterrupt:  # before or after the command itself
        raise SystemExit(130) from None
