#!/usr/bin/env bash
# Runs the unit tests that are built; what failed is said once more at the end, where one looks first.
#
# The portable modules' tests block their threads, and Swift Testing has no more threads than the machine has cores:
# mixed with the asynchronous ones they would starve them. So they have a run of their own.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p .build
log=.build/unit-test.log
blocking='^(PosixTests|BlockingHTTPTests|HypervisorTests|NodeControllerTests|ArchiveTests|RollTests|ImageImportTests)\.'
status=0
: > "$log"
for selection in --skip --filter; do
    swift test --skip-build "$selection" "$blocking" 2>&1 | tee -a "$log" || status=1
done
if [ "$status" -ne 0 ]; then
    printf '\nFailed:\n'
    # An issue's own line, what was expected, and the lines of a crash.
    grep -aE '^✘|recorded an issue|Fatal error|signal code|error:' "$log" | tail -n 60
fi
exit "$status"
