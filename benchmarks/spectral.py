"""Speed and memory of LAMP with a factor of the covariance, at p = 20,000 and k = 10,000.

    python benchmarks/spectral.py [--quick]

One JSON document on stdout. Y is drawn by blocks of rows in float32, so that there is only one
matrix of its size. The time is compared with that of the BLAS products which every step needs:
two with the factor and one with a triangle of Y, bounded by the memory's bandwidth.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

LIMITS = {"seconds": 60.0, "peak_bytes": 8 * 2**30, "ratio": 1.5}
DELTA = 1.0
BLOCK = 500


def status_bytes(name):
    """A memory counter of this process, which Linux keeps."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def spiked_wigner(v, delta, rng):
    """Y = v v^T / sqrt(p) + symmetric noise, float32, by blocks of rows and their mirrors."""
    import numpy as np

    p = len(v)
    Y = np.empty((p, p), np.float32)
    v = v.astype(np.float32)
    for start in range(0, p, BLOCK):
        stop = min(start + BLOCK, p)
        rows = rng.standard_normal((stop - start, stop), dtype=np.float32)
        rows *= np.float32(delta**0.5)
        rows += np.outer(v[start:stop], v[:stop] / np.float32(p**0.5))
        square = np.tril(rows[:, start:])
        rows[:, start:] = square + np.tril(square, -1).T
        Y[start:stop, :stop] = rows
        Y[:stop, start:stop] = rows.T
    return Y


def least_seconds(call, rounds=5):
    """The smallest time of a few calls, after one to warm up."""
    call()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def products(Y, F):
    """Seconds of the products of one step, on one thread, as LAMP calls them."""
    import numpy as np
    from scipy.linalg.blas import ssymv
    from threadpoolctl import threadpool_limits

    x, v = np.ones(F.shape[1], np.float32), np.ones(len(Y), np.float32)
    with threadpool_limits(1):
        return {
            "factor": least_seconds(lambda: F @ x),
            "factor_transposed": least_seconds(lambda: F.T @ v),
            "triangle": least_seconds(lambda: ssymv(1.0, Y.T, v)),
        }


def lamp(p, k):
    """One instance of a linear generative prior, from its matrices to its estimate."""
    import numpy as np

    from solvable.algorithms.low_rank_spectral import Covariance, lamp_wigner
    from solvable.core.random_matrix import WignerLinearized
    from solvable.core.randomness import key_for, normal_matrix, numpy_generator
    from solvable.core.spectral_laws import marchenko_pastur_law

    start = time.perf_counter()
    F = normal_matrix(key_for(0, "benchmark", "factor"), (p, k), dtype="float32")
    rng = numpy_generator(key_for(0, "benchmark", "matrix"))
    v = F @ rng.standard_normal(k, dtype=np.float32) / k**0.5
    Y = spiked_wigner(v, DELTA, rng)
    drawn = time.perf_counter()
    covariance = Covariance(F, scale=1 / k)
    found = lamp_wigner(Y, covariance, DELTA)
    seconds = time.perf_counter() - drawn
    peak = status_bytes("VmHWM")
    parts = products(Y, F)
    floor = found.products * sum(parts.values())
    return {
        "generation_seconds": drawn - start,
        "seconds": seconds,
        "products": found.products,
        "product_seconds": parts,
        "ratio": seconds / floor,
        "gigabytes_per_second": (2 * F.nbytes + Y.nbytes / 2) / sum(parts.values()) / 1e9,
        "peak_bytes": peak,
        "matrix_bytes": Y.nbytes + F.nbytes,
        "status": found.status.name,
        "eigenvalue": found.eigenvalue,
        "squared_cosine": float(np.dot(found.vector, v) ** 2 / p / np.dot(v, v)),
        "predicted": WignerLinearized(marchenko_pastur_law(p / k), DELTA).squared_cosine,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the memory, to try it out"
    )
    arguments = parser.parse_args()
    if "OPENBLAS_CORETYPE" in os.environ:
        clean = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
        os.execve(sys.executable, [sys.executable, *sys.argv], clean)
    p, k = (6000, 3000) if arguments.quick else (20_000, 10_000)
    results = {
        "p": p,
        "k": k,
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "lamp": lamp(p, k),
        "limits": LIMITS,
    }
    results["within"] = {name: results["lamp"][name] <= most for name, most in LIMITS.items()}
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
