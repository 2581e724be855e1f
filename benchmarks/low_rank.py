"""Speed of low-rank message passing and of phase maps.

    python benchmarks/low_rank.py [--rounds 15] [--quick]

One JSON document on stdout: an iteration of AMP on a spiked Wigner matrix against one symmetric
product of the same matrix with a vector by BLAS (dsymv, which reads one triangle), in interleaved
rounds, and 400 points of the phase map of sparse PCA with all branches, compiled.
"""

import argparse
import json
import os
import sys
import time

import numpy as np

from amp import compared

os.environ.pop("OPENBLAS_CORETYPE", None)

LIMITS = {"iteration": 1.3, "phase_map_s": 2.0}


def iteration(p, rounds):
    """One iteration of AMP over one product with Y."""
    import jax
    from scipy.linalg.blas import dsymv

    import solvable as sv
    from solvable.algorithms import low_rank_amp

    model = sv.SpikedWigner(prior=sv.Rademacher(), delta=0.5)
    instance = model.sample(jax.random.key(0), p)
    problem = model.problem(instance.data)
    held = [model.init(instance.data, jax.random.key(1))]
    vector, matrix = np.ones(p), problem.matrix
    columns = matrix if matrix.flags.f_contiguous else matrix.T

    def step():
        held[0], _ = low_rank_amp.step(problem, held[0])

    contestants = {"step_s": step, "product_s": lambda: dsymv(1.0, columns, vector)}
    return compared(contestants, rounds, "step_s", "product_s")


def phase_map():
    """20 sparsities times 20 noises, all branches and observables; the second call."""
    import solvable as sv

    model = sv.SpikedWigner(prior=sv.GaussBernoulli(rho=0.1))
    over = {"rho": np.linspace(0.02, 0.3, 20), "delta": np.geomspace(1e-4, 0.1, 20)}
    for _ in range(3):
        start = time.perf_counter()
        sv.curve(model, over=over)
        seconds = time.perf_counter() - start
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="one small size")
    options = parser.parse_args()
    sizes = (1000,) if options.quick else (2000, 8000)
    found = {
        "iteration": {p: iteration(p, options.rounds) for p in sizes},
        "phase_map_s": phase_map(),
    }
    kept = {
        "iteration": all(x["ratio"] <= LIMITS["iteration"] for x in found["iteration"].values()),
        "phase_map_s": found["phase_map_s"] <= LIMITS["phase_map_s"],
    }
    print(json.dumps({"limits": LIMITS, **found, "kept": kept}, indent=2))
    return 0 if all(kept.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
