"""Speed of a committee of two units: message passing against its products, and its theory.

    python benchmarks/committee.py [--rounds 9] [--quick]

One JSON document on stdout. An iteration against numpy's product of the design with two columns
and that of its transpose, in interleaved rounds; a run of 100 iterations; and, warm, 50 points of
the theory. numpy's BLAS uses its native kernel: OPENBLAS_CORETYPE is unset first.
"""

import argparse
import json
import os
import sys
import time

from amp import race

LIMITS = {"iteration_ratio": 2.0, "hundred_s": 60.0, "curve_s": 10.0}


def message_passing(p, alpha, rounds):
    """One iteration, the two products that it cannot do without, and 100 iterations."""
    import numpy as np

    import solvable as sv
    from solvable.algorithms import committee_amp
    from solvable.bricks.committee.messages import SignMessages
    from solvable.core.randomness import key_for

    model = sv.Committee(k=2, prior=sv.Gaussian(), output=sv.Sign(ties="zero"), alpha=alpha)
    data = model.sample(key_for(0, "benchmark"), p).data
    problem = committee_amp.Problem(
        data.design, data.observation, sv.Gaussian(), SignMessages(2, "zero")
    )
    first = committee_amp.random_start(key_for(0, "start"), sv.Gaussian(), p, 2)
    held = [committee_amp.init(problem, first)]
    n = len(data.observation)
    w, g = np.ones((p, 2)), np.ones((n, 2))

    def iteration():
        held[0], _ = committee_amp.step(problem, held[0])

    def products():
        return data.design @ w, data.design.T @ g

    found, _ = race({"iteration": iteration, "two_products": products}, rounds)
    start = time.perf_counter()
    committee_amp.run(problem, first, max_steps=100, tolerance=0)
    hundred = time.perf_counter() - start
    ratio = found["iteration"] / found["two_products"]
    return {"n": n, "p": p, **found, "iteration_ratio": ratio, "hundred_s": hundred}


def theory(rounds, count=50):
    """Branches at `count` values of alpha."""
    import numpy as np

    import solvable as sv

    model = sv.Committee(k=2, prior=sv.Gaussian(), output=sv.Sign(ties="zero"))
    grid = np.linspace(0.1, 5.0, count)
    found, _ = race({"curve_s": lambda: sv.curve(model, over={"alpha": grid})}, rounds)
    return found


def main():
    parser = argparse.ArgumentParser(description="Speed of a committee of two units.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, to try it out")
    options = parser.parse_args()
    if "OPENBLAS_CORETYPE" in os.environ:
        clean = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
        os.execve(sys.executable, [sys.executable, *sys.argv], clean)
    found = {
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        **message_passing(500 if options.quick else 5000, 3.0, options.rounds),
        **theory(max(1, options.rounds // 3)),
    }
    kept = {name: found[name] <= limit for name, limit in LIMITS.items()}
    print(json.dumps({"limits": LIMITS, **found, "kept": kept}, indent=2))
    return 0 if all(kept.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
