#!/usr/bin/env bash
# Make a virtual environment, if it is not there, and bring the locked packages into it.
# Usage: environment.sh FOLDER LOCK [--with-project]     PYTHON chooses the interpreter (python3)
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$1 lock=$2 project=${3:-}
python=${PYTHON:-python3}

if ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    { echo "Kist needs Python 3.11 or newer, '$python' is not: set PYTHON=/path/to/python3.11" >&2; exit 1; }
  "$python" -m venv "$folder" ||
    { echo "could not make $folder; on Debian: apt-get install python3-venv" >&2; exit 1; }
fi

pip=("$folder/bin/python" -m pip install --quiet --disable-pip-version-check)
echo "installing $lock into $folder"
"${pip[@]}" --require-hashes -r "$lock"
if [ "$project" = --with-project ]; then
  "${pip[@]}" --no-deps --no-build-isolation --editable .
fi
