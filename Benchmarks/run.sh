#!/usr/bin/env bash
# Everything that the README quotes, measured: run.sh BINARIES VENV [guest|start|actions|scale|signatures …]
# Prints a Markdown table, and leaves the raw figures in .build/benchmarks.json.
set -euo pipefail
cd "$(dirname "$0")/.."
binaries=$(realpath "$1")
venv=$(realpath "$2")
shift 2
if [ ! -x "$venv/bin/moto_server" ]; then
    "$venv/bin/pip" install --quiet --disable-pip-version-check 'moto[server]'
fi
exec "$venv/bin/python" Benchmarks/benchmarks.py "$binaries" "$venv" .build/benchmarks.json "$@"
