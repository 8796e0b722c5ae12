#!/usr/bin/env bash
# Every end-to-end test of a whole cloud, one after the other: run.sh BINARIES VENV
set -uo pipefail
cd "$(dirname "$0")"
binaries=$(cd ../.. && realpath "$1")
venv=$(cd ../.. && realpath "$2")
failed=""
for script in one_machine.py s3_clients.py s3_durability.py s3_gateway.py ec2_clients.py identity.py accounts.py \
    separate.py enrolment.py crash.py bad_input.py soap.py s3_soap.py native_api.py ansible.py; do
    echo "-- $script"
    "$venv/bin/python" "$script" "$binaries" "$venv" || failed="$failed $script"
done
[ -z "$failed" ] && exit 0
echo "Failed:$failed" >&2
exit 1
