#!/usr/bin/env bash
# The roll as Rocks sees it: its files, what hosts get of them, its scripts in throw-away roots, its plug-ins.
#   run.sh BINARIES VENV    directory with mallee-roll; virtual environment with pykickstart and vermin
set -euo pipefail
binaries=$(realpath "$1")
python=$(realpath -s "$2")/bin/python
cd "$(dirname "$0")"
export MALLEE_BIN=$binaries PYTHONDONTWRITEBYTECODE=1

# Changing root needs a right that a user has in a namespace of his own.
as_root=()
[ "$(id -u)" = 0 ] || as_root=(unshare --map-root-user)
"${as_root[@]}" "$python" -m unittest discover -p 'test_*.py'

# Rocks runs the plug-ins by Python 2; where one is at hand, so do we.
if python2.7 -c '' 2> /dev/null; then
    python2.7 test_plugins.py
fi
