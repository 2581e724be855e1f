"""Speed of online learning: its equations, a batch of starts, and a simulated network.

    python benchmarks/online.py [--rounds 3] [--quick]

One JSON document on stdout. Equations for erf with both layers learned to t = 1e4 (K = M = 2, and
K = 8, M = 4), compiled; 100 starts at once against one; a network of N = 1000 on 1e6 examples
against drawing the Gaussian numbers of these alone, on one thread, which it cannot do without.
"""

import argparse
import json
import statistics
import sys
import time

import numpy as np

LIMITS = {"small_s": 1.0, "large_s": 10.0, "batch": 20.0, "network_s": 15.0, "over_numbers": 1.5}


def seconds(run, rounds):
    run()
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def model(K, M):
    import solvable as sv

    rng = np.random.default_rng(K)
    vectors = rng.standard_normal((K, 400)) * 0.5
    q = vectors @ vectors.T / 400
    rates = dict(learning_rate=0.3, learning_rate_second=0.3, noise=0.1)
    r = 0.01 * rng.standard_normal((K, M))
    return sv.OnlineSGD(activation=sv.Erf(), q0=0.5 * (q + q.T), r0=r, **rates)


def equations(K, M, rounds, last):
    from solvable.core.ode import integrate

    one = model(K, M)
    drift, start = one.learning().drift, one.initial()
    return seconds(lambda: integrate(drift, start, np.array([1.0, last]), 1e-8), rounds)


def batch(rounds, last, count=100):
    """`count` random starts of K = M = 2 at once over one."""
    from solvable.core.ode import integrate_many
    from solvable.core.randomness import key_for

    one = model(2, 2)
    keys = [key_for(0, "start", k) for k in range(count)]
    starts = [one.random_start(key, 1000).initial() for key in keys]
    drift, times = one.learning().drift, np.array([1.0, last])
    both = [
        seconds(lambda some=some: integrate_many(drift, some, times, 1e-8), rounds)
        for some in (starts, starts[:1])
    ]
    return {"hundred_s": both[0], "one_s": both[1], "batch": both[0] / both[1]}


def network(samples, size=1000):
    from solvable.core.randomness import key_for

    one = model(2, 2)
    times = np.array([samples / size])
    one.simulate(key_for(0, "warm"), size, np.array([0.1]))
    start = time.perf_counter()
    one.simulate(key_for(0, "network"), size, times)
    taken = time.perf_counter() - start
    rng, block = np.random.Generator(np.random.PCG64(0)), 1000
    start = time.perf_counter()
    for _ in range(samples // block // 10):
        rng.standard_normal((block, size), dtype=np.float32)
    numbers = 10 * (time.perf_counter() - start)
    return {"network_s": taken, "numbers_s": numbers, "over_numbers": taken / numbers}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="short times, few examples")
    options = parser.parse_args()
    last, samples = (100.0, 20_000) if options.quick else (1e4, 1_000_000)
    found = {
        "small_s": equations(2, 2, options.rounds, last),
        "large_s": equations(8, 4, options.rounds, last),
        **batch(options.rounds, last),
        **network(samples),
    }
    kept = {name: found[name] <= limit for name, limit in LIMITS.items()}
    print(json.dumps({"limits": LIMITS, **found, "kept": kept}, indent=2))
    return 0 if all(kept.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
