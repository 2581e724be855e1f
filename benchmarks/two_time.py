"""Speed of the two-time equations: the uniform grid's kernel against BLAS and JAX; long runs.

    python benchmarks/two_time.py [--rounds 7] [--quick]

One JSON document on stdout; leaves with 1 if a limit is not kept. A step of the uniform grid reads
both triangles: the compiled kernel in one pass, BLAS in three (dsymv and two dtrmv), both on one
thread, JAX in three products with full squares, on as many threads as it likes. The error of the
long run is that of its end, which is known in closed form.
"""

import argparse
import json
import os
import sys
import time

from theory import median

LIMITS = {
    "uniform_4000_s": 15.0,
    "long_1e6_s": 120.0,
    "long_1e6_error": 1e-5,
}
ROWS = 2000


def one_step(rounds):
    """The integrals of one row of 2000 entries, three ways."""
    import jax
    import numpy as np
    from scipy.linalg.blas import dsymv, dtrmv
    from threadpoolctl import threadpool_limits

    from solvable.core.two_time.uniform_kernels import read_rows

    rng = np.random.default_rng(0)
    c, r = np.tril(rng.normal(size=(2, ROWS, ROWS)))
    kernel, noise = rng.normal(size=(2, ROWS))
    sums = np.zeros((3, ROWS))
    c_fortran, r_fortran = np.asfortranarray(c), np.asfortranarray(r)

    def blas():
        lower = dsymv(1.0, c_fortran, kernel, lower=1)
        return lower, dtrmv(r_fortran, noise, lower=1), dtrmv(r_fortran, kernel, lower=1, trans=1)

    @jax.jit
    def squares(c, r, kernel, noise):
        return c @ kernel, r @ noise, kernel @ r

    with threadpool_limits(1), jax.enable_x64(True):
        full = [jax.numpy.asarray(x) for x in (c + np.tril(c, -1).T, r, kernel, noise)]
        return {
            "step_2000_compiled_s": median(
                lambda: read_rows(0, ROWS, c, r, kernel, noise, sums), rounds
            ),
            "step_2000_blas_s": median(blas, rounds),
            "step_2000_jax_s": median(lambda: jax.block_until_ready(squares(*full)), rounds),
        }


def timed(call):
    start = time.perf_counter()
    answer = call()
    return time.perf_counter() - start, answer


def runs():
    """A whole uniform grid, and dynamics that escape to the signal until t = 1e6, once each."""
    from solvable.core.two_time import Channels, solve
    from solvable.core.two_time.uniform import integrate_uniform

    case = Channels([2, 3], [2.5, 1 / 3])
    integrate_uniform(case, 1.0, 1e-4, 1.0, 10)  # these compile
    solve(case, 1.0, 0.1, [0.1], integrator="ratio")
    uniform_s, _ = timed(lambda: integrate_uniform(case, 1.0, 1e-4, 20.0, 4000))
    long_s, long = timed(lambda: solve(case, 1.0, 1e-4, [1e6]))
    return {
        "uniform_4000_s": uniform_s,
        "long_1e6_s": long_s,
        "long_1e6_error": abs(float(long.overlap[0]) / (2 * 2**0.5 - 2) - 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="three rounds")
    options = parser.parse_args()
    os.environ.pop("OPENBLAS_CORETYPE", None)
    rounds = 3 if options.quick else options.rounds
    found = {**one_step(rounds), **runs()}
    kept = {name: found[name] <= limit for name, limit in LIMITS.items()}
    print(json.dumps({"limits": LIMITS, "kept": kept, **found}, indent=2))
    return 0 if all(kept.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
