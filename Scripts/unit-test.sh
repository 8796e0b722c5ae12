#!/usr/bin/env bash
# Runs the unit tests that are built; what failed is said once more at the end, where one looks first.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p .build
log=.build/unit-test.log
swift test --skip-build "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
if [ "$status" -ne 0 ]; then
    printf '\nFailed:\n'
    # An issue's own line, what was expected, and the lines of a crash.
    grep -aE '^(✘|↳)|recorded an issue|Fatal error|Crash|signal code|error:' "$log" | tail -n 60
fi
exit "$status"
