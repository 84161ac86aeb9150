#!/usr/bin/env bash
# Install those of the named Debian packages that are missing, where that needs no questions: as root, or with a sudo
# that asks for no password. Elsewhere one line says what was left out; the tests then skip, or fail with CI=true.
set -euo pipefail

missing=()
for package in "$@"; do
  [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
    missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
  echo "not installed, for want of root on a Debian: ${missing[*]}"
  exit 0
fi

echo "installing ${missing[*]}"
install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}")
{ "${as_root[@]}" apt-get update -qq && "${as_root[@]}" "${install[@]}" >/dev/null; } ||
  echo "not installed, because apt-get failed: ${missing[*]}"
