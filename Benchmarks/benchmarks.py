"""Measures what the README quotes: benchmarks.py BINARIES VENV FIGURES.json [guest|start|actions|scale|signatures …]

Each figure stands beside a peer or a physical limit that was measured in the same run on the same machine.
"""

import datetime
import json
import os
import platform
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Tests", "EndToEnd"))

import actions  # noqa: E402
import guest  # noqa: E402
import scale  # noqa: E402
import signatures  # noqa: E402
import start  # noqa: E402

SECTIONS = {"guest": guest.measure, "start": start.measure, "actions": actions.measure, "scale": scale.measure,
            "signatures": signatures.measure}


class Note:
    """Collects rows of the table and the raw figures."""

    def __init__(self):
        self.rows, self.raw, self.remarks = [], {}, []

    def row(self, what, value, beside, ratio, goal, met):
        goal = goal if met is None else f"{goal} {'✓' if met else '✗ missed'}"
        self.rows.append((what, value, beside, ratio, goal))
        print(f"   {what}: {value} ({beside}) {ratio} {goal}", file=sys.stderr, flush=True)

    def generator(self, share):
        self.remarks.append(f"The load generator (wrk, signed URLs) took at most {share * 100:.0f} % of one processor.")

    def table(self):
        lines = ["| what | Mallee | beside it, in the same run | ratio | goal |", "|---|---|---|---|---|"]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        with open("/proc/cpuinfo") as file:
            models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        lines += ["", f"{os.cpu_count()} processors ({models[0] if models else platform.machine()}), "
                  f"{datetime.date.today().isoformat()}. " + " ".join(self.remarks)]
        return "\n".join(lines)


def main():
    binaries, venv, raw = sys.argv[1:4]
    note, failed = Note(), False
    for name in sys.argv[4:] or SECTIONS:
        print(f"-- {name}", file=sys.stderr, flush=True)
        try:
            SECTIONS[name](binaries, venv, note)
        except Exception as problem:  # what was measured so far is worth printing
            import traceback
            traceback.print_exc()
            print(f"FAIL  {name}: {problem}", file=sys.stderr, flush=True)
            failed = True
    with open(raw, "w") as file:
        json.dump(note.raw, file, indent=1)
    print(note.table())
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
