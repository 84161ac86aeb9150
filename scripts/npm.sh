#!/usr/bin/env bash
# Bring the locked npm packages into a folder; their own scripts are not run. Where there is no npm and it cannot be
# installed, one line says so; the tests then skip, or fail with CI=true.
# Usage: npm.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$1
command -v npm >/dev/null && command -v node >/dev/null || scripts/debian-packages.sh nodejs npm
if ! command -v npm >/dev/null; then
  echo "not installed, for want of npm: requirements/npm"
  exit 0
fi

echo "installing requirements/npm into $folder"
mkdir -p "$folder"
cp requirements/npm/package.json requirements/npm/package-lock.json "$folder/"
cd "$folder"
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
touch installed
