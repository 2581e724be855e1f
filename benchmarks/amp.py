"""Speed and memory of message passing against the products that it cannot do without.

    python benchmarks/amp.py [--rounds 15] [--quick]

One JSON document on stdout. Every time is the median over interleaved rounds: in each round each
contestant runs once, so that a busy machine slows all of them. numpy's BLAS uses its native
kernel: OPENBLAS_CORETYPE is unset first.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMITS = {
    "iteration_float64": 1.1,
    "iteration_float32": 1.2,
    "memory": 1.3,
    "right_hand_sides": 6.5,
    "multilayer": 1.4,
}
CHAIN = (2000, 4000, 4000, 4000)


def race(contestants, rounds):
    """Seconds of each callable over interleaved rounds, after one round to warm up.

    The median of each, and beside it the smallest, which a busy machine disturbs least.
    """
    times = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, call in contestants.items():
            start = time.perf_counter()
            call()
            if number > 0:
                times[name].append(time.perf_counter() - start)
    middle = {name: sorted(seconds)[len(seconds) // 2] for name, seconds in times.items()}
    return middle, {name: min(seconds) for name, seconds in times.items()}


def compared(contestants, rounds, above, below):
    """The medians, their ratio above / below, and the ratio of the smallest times."""
    middle, least = race(contestants, rounds)
    return {
        **middle,
        "ratio": middle[above] / middle[below],
        "ratio_of_smallest": least[above] / least[below],
    }


def perceptron(n, p, dtype, columns=None):
    """Design, observation and bricks of a Gaussian perceptron."""
    import numpy as np

    from solvable.bricks.channels.sign import Sign
    from solvable.bricks.priors.gaussian import Gaussian
    from solvable.core.randomness import key_for, normal_matrix

    design = normal_matrix(key_for(0, "benchmark", n, p), (n, p), p**-0.5, dtype)
    shape = (p,) if columns is None else (p, columns)
    signal = np.random.default_rng(0).normal(size=shape).astype(dtype)
    return design, np.sign(design @ signal).astype(np.float64), Gaussian(), Sign()


def stepper(prior, channels, weights, observation):
    """A callable that does one iteration, from one state to the next."""
    from solvable.algorithms import multilayer_amp
    from solvable.algorithms.problem import assemble

    problem = assemble(prior, channels, weights, observation)
    held = [multilayer_amp.init(problem)]

    def step():
        held[0], _ = multilayer_amp.step(problem, held[0])

    return step


def iteration(n, p, dtype, rounds):
    """One iteration against numpy's two matrix-vector products, JAX's own two beside."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    design, observation, prior, channel = perceptron(n, p, dtype)
    w, g = np.ones(p, dtype), np.ones(n, dtype)
    shared, jw, jg = jax.device_put(design, may_alias=True), jnp.asarray(w), jnp.asarray(g)
    products = jax.jit(lambda X, w, g: (X @ w, g @ X))

    def two_products():
        return design @ w, design.T @ g

    return compared(
        {
            "iteration": stepper(prior, [channel], [design], observation),
            "two_numpy_products": two_products,
            "two_jax_products": lambda: jax.block_until_ready(products(shared, jw, jg)),
        },
        rounds,
        "iteration",
        "two_numpy_products",
    )


def right_hand_sides(n, p, columns, rounds):
    """One iteration for many right-hand sides on one design, against one."""
    design, observation, prior, channel = perceptron(n, p, "float64", columns)
    found = compared(
        {
            "one": stepper(prior, [channel], [design], observation[:, 0].copy()),
            "many": stepper(prior, [channel], [design], observation),
        },
        rounds,
        "many",
        "one",
    )
    return {"columns": columns, **found}


def multilayer(sizes, rounds):
    """One iteration of a chain of ReLU layers against its matrix-vector products."""
    import numpy as np

    from solvable.bricks.channels.linear import Linear
    from solvable.bricks.channels.relu import ReLU
    from solvable.bricks.priors.gaussian import Gaussian
    from solvable.core.randomness import key_for, normal_matrix

    weights = [
        normal_matrix(key_for(0, "benchmark", "chain", number), (n, p), p**-0.5)
        for number, (p, n) in enumerate(itertools.pairwise(sizes))
    ]
    unit = np.random.default_rng(0).normal(size=sizes[0])
    for matrix in weights[:-1]:
        unit = np.maximum(matrix @ unit, 0)
    channels = [*(ReLU() for _ in weights[:-1]), Linear(delta=0.01)]
    ups, downs = ([np.ones(n) for n in ends] for ends in (sizes[:-1], sizes[1:]))

    def products():
        for matrix, w in zip(weights, ups, strict=True):
            matrix @ w
        for matrix, g in zip(weights, downs, strict=True):
            matrix.T @ g

    found = compared(
        {
            "iteration": stepper(Gaussian(), channels, weights, weights[-1] @ unit),
            "numpy_products": products,
        },
        rounds,
        "iteration",
        "numpy_products",
    )
    return {"sizes": sizes, **found}


def memory(n, p):
    """Peak memory of a run on a memory-mapped design, in a process of its own."""
    design, observation, _, _ = perceptron(n, p, "float64")
    with tempfile.TemporaryDirectory() as folder:
        import numpy as np

        np.save(Path(folder) / "X.npy", design)
        np.save(Path(folder) / "y.npy", observation)
        del design
        command = [sys.executable, __file__, "--memory-of", folder]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def status_bytes(name):
    """A memory counter of this process, which Linux keeps (`ru_maxrss` is inherited)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def memory_of(folder):
    """Run on the files of a folder, and say how far the peak rose above JAX without data."""
    import numpy as np

    from solvable.bricks.channels.sign import Sign
    from solvable.bricks.priors.gaussian import Gaussian
    from solvable.models.glm import GLM
    from solvable.studies.infer import infer

    model = GLM(prior=Gaussian(), channel=Sign())
    small = np.random.default_rng(0).normal(size=(20, 10)) / 10**0.5
    infer(model, small, np.sign(small @ np.ones(10)))  # everything is imported and running
    idle = status_bytes("VmRSS")
    design = np.load(Path(folder) / "X.npy", mmap_mode="r")
    infer(model, design, np.load(Path(folder) / "y.npy"))
    peak = status_bytes("VmHWM")
    return {
        "idle_bytes": idle,
        "peak_bytes": peak,
        "design_bytes": design.nbytes,
        "ratio": (peak - idle) / design.nbytes,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, to try it out")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if "OPENBLAS_CORETYPE" in os.environ:
        clean = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
        os.execve(sys.executable, [sys.executable, *sys.argv], clean)
    import solvable.core.precision  # noqa: F401  (switches double precision on)

    if arguments.memory_of:
        print(json.dumps(memory_of(arguments.memory_of)))
        return
    n, p = (2500, 1250) if arguments.quick else (8000, 4000)
    results = {
        "n": n,
        "p": p,
        "rounds": arguments.rounds,
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "iteration_float64": iteration(n, p, "float64", arguments.rounds),
        "iteration_float32": iteration(n, p, "float32", arguments.rounds),
        "right_hand_sides": right_hand_sides(n, p, 64, max(3, arguments.rounds // 2)),
        "multilayer": multilayer(
            [m // 4 if arguments.quick else m for m in CHAIN], arguments.rounds
        ),
        "memory": memory(n, p),
    }
    results["limits"] = LIMITS
    results["within"] = {name: results[name]["ratio"] <= most for name, most in LIMITS.items()}
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
