"""All benchmarks of this folder, one after the other, as one JSON document on stdout.

    python -m benchmarks [options that every script takes, such as --quick]

Each script prints a JSON document of its own and leaves with 1 if a limit is not kept.
"""

import json
import subprocess
import sys
from pathlib import Path


def main():
    results, worst = {}, 0
    for script in sorted(Path(__file__).parent.glob("[!_]*.py")):
        command = [sys.executable, script, *sys.argv[1:]]
        answer = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        results[script.stem] = json.loads(answer.stdout) if answer.stdout.strip() else None
        worst = max(worst, answer.returncode)
    print(json.dumps(results, indent=2))
    return worst


if __name__ == "__main__":
    sys.exit(main())
