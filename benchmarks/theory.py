"""Speed of the theory against the iteration that papers' codes run, in one process.

    python benchmarks/theory.py [--rounds 7] [--quick]

One JSON document on stdout; leaves with 1 if a limit is not kept. Times are medians over
interleaved rounds. The reference iterates state evolution of the binary perceptron from q = 0 with
adaptive quadrature (scipy) until it changes by less than 1e-10: one branch, no error bound; its
time a fixed point is that of a few alphas.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

LIMITS = {
    "curve_200_s": 0.2,
    "fixed_points_10000_s": 1.5,
    "threshold_process_s": 6.0,
    "list_s": 0.4,
    "chain_curve_50_s": 3.0,
    "entropies_beyond_svd_s": 3.0,
}
PERCEPTRON = "GLM(prior=Rademacher(), channel=Sign())"
SPECS = (
    PERCEPTRON,
    "GLM(prior=Rademacher(), channel=SymmetricDoor(k=0.67449))",
    "GLM(prior=Gaussian(), channel=Abs())",
    "GLM(prior=GaussBernoulli(rho=0.1), channel=Linear(delta=0))",
)


def median(call, rounds):
    call()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[len(seconds) // 2]


def reference_overlap(alpha):
    """State evolution of the binary perceptron by adaptive quadrature: overlap and steps."""
    import numpy as np
    from scipy.integrate import quad
    from scipy.special import log_ndtr

    def density(v):
        return np.exp(-0.5 * v * v) / np.sqrt(2 * np.pi)

    q, steps = 1e-3, 0
    while True:
        slope = np.sqrt(q / (1 - q))

        def snr(v, slope=slope):
            x = slope * v
            return density(v) * np.exp(-x * x - log_ndtr(x)) / (2 * np.pi)

        q_hat = alpha * 2 / (1 - q) * quad(snr, -10, 10)[0]
        root = np.sqrt(q_hat)
        new = quad(lambda v, h=q_hat, r=root: density(v) * np.tanh(h + r * v) ** 2, -10, 10)[0]
        steps += 1
        if abs(new - q) < 1e-10 or steps > 2000:
            return new, steps
        q = new


def curves(rounds):
    import numpy as np

    import solvable as sv
    from solvable.core.precision import enable_compilation_cache

    enable_compilation_cache()
    model = sv.parse(PERCEPTRON)
    few, many = np.linspace(0.5, 2, 200), np.linspace(0.5, 1.2, 3334)
    alphas = np.linspace(0.5, 1.4, 5)
    start = time.perf_counter()
    reference = np.array([reference_overlap(alpha)[0] for alpha in alphas])
    reference_s = (time.perf_counter() - start) / len(alphas)
    curve_s = median(lambda: sv.curve(model, over={"alpha": few}), rounds)
    points_s = median(lambda: sv.curve(model, over={"alpha": many}), rounds)
    ours = sv.curve(model, over={"alpha": alphas}).overlap.sel(branch="amp").values
    return {
        "curve_200_s": curve_s,
        # three fixed points an alpha: amp, unstable and informed, each with all observables
        "fixed_points_10000_s": points_s,
        "reference_s_a_fixed_point": reference_s,
        "speedup_a_fixed_point": reference_s / (points_s / (3 * len(many))),
        "largest_difference": float(np.max(np.abs(ours - reference))),
    }


def chains(rounds):
    """A curve of a three-layer chain, and the entropies of a network of five wide layers."""
    import numpy as np

    import solvable as sv

    rectifier = sv.Layer(ratio=1, channel=sv.ReLU())
    model = sv.MultiLayer(
        prior=sv.Gaussian(), layers=[rectifier, rectifier, sv.Layer(channel=sv.Linear(delta=0.1))]
    )
    ratios = np.linspace(0.1, 2, 50)
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(1000, 1000)) / 1000**0.5 for _ in range(5)]
    names = ["relu"] * 5
    svd_s = median(lambda: [np.linalg.svd(w, compute_uv=False) for w in weights], rounds)
    entropies_s = median(lambda: sv.entropy(weights, names, delta=1e-5), rounds)
    return {
        "chain_curve_50_s": median(
            lambda: sv.curve(model, over={"layers[2].ratio": ratios}), rounds
        ),
        "svd_s": svd_s,
        "entropies_beyond_svd_s": entropies_s - svd_s,
    }


def processes(rounds):
    """Whole processes of the command line, the compilation cache warm."""
    command = shutil.which("solvable", path=str(Path(sys.executable).parent)) or "solvable"

    def run(*arguments):
        subprocess.run([command, *arguments], check=True, capture_output=True)

    each = {
        spec: median(lambda s=spec: run("thresholds", s, "alpha", "--json"), rounds)
        for spec in SPECS
    }
    return {
        "threshold_processes_s": each,
        "threshold_process_s": max(each.values()),
        "list_s": median(lambda: run("list"), rounds),
        "help_s": median(lambda: run("--help"), rounds),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="three rounds")
    options = parser.parse_args()
    os.environ.pop("OPENBLAS_CORETYPE", None)
    rounds = 3 if options.quick else options.rounds
    found = {**curves(rounds), **chains(min(rounds, 3)), **processes(rounds)}
    kept = {name: found[name] <= limit for name, limit in LIMITS.items()}
    print(json.dumps({"limits": LIMITS, "kept": kept, **found}, indent=2))
    return 0 if all(kept.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
