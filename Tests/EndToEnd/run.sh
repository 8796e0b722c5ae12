#!/usr/bin/env bash
# Every end-to-end test of a whole cloud, one after the other: run.sh BINARIES VENV
set -uo pipefail
cd "$(dirname "$0")"
binaries=$(cd ../.. && realpath "$1")
venv=$(cd ../.. && realpath "$2")
failed=0
for script in one_machine.py s3_clients.py separate.py enrolment.py crash.py bad_input.py; do
    echo "-- $script"
    "$venv/bin/python" "$script" "$binaries" "$venv" || failed=1
done
exit $failed
