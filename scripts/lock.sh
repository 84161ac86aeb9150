#!/usr/bin/env bash
# Make requirements/*.txt again from pyproject.toml: every version pinned, every file's hash written down.
# What is locked already stays as it is; UPGRADE=1 takes the newest of everything.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"${PYTHON:-python3}" -m venv "$scratch"
"$scratch/bin/pip" install --quiet --disable-pip-version-check uv

compile() { # OUTPUT INPUT...
  local output=requirements/$1
  shift
  echo "locking $output"
  "$scratch/bin/uv" pip compile "$@" ${UPGRADE:+--upgrade} --quiet --universal --python-version 3.11 \
    --fork-strategy fewest --no-strip-extras --generate-hashes --no-header --output-file "$output" >/dev/null
}

compile run.txt pyproject.toml --extra django --group build
compile aws.txt pyproject.toml --extra aws --constraint requirements/run.txt
compile dev.txt pyproject.toml --group dev --extra aws --extra django --constraint requirements/aws.txt --constraint requirements/run.txt
compile ministack.txt --group ministack
compile swift.txt --group swift
compile bench.txt --group bench --constraint requirements/dev.txt
compile peers.txt --group peers
