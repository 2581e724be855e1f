"""Speed of a tensor's gradient, of message passing on it and of a step of dynamics.

    python benchmarks/tensor.py [--rounds 9] [--quick]

One JSON document on stdout: the gradient of a packed tensor of order three in float32, 0.7 GB at
N = 1000, against one reading of the same array by BLAS (a dot product with itself), an iteration
of AMP and one step of gradient flow (four forces: that of the start, and three) against as many
gradients, and 16 columns against one, all in interleaved rounds.
"""

import argparse
import json
import os
import sys

from amp import compared

os.environ.pop("OPENBLAS_CORETYPE", None)

LIMITS = {"gradient": 2.5, "gradient_s": 0.2, "iteration": 1.3, "flow": 1.3, "columns": 6.0}


def timings(size, rounds):
    """Everything on one instance."""
    from scipy.linalg import blas
    from threadpoolctl import threadpool_limits

    from solvable.algorithms import tensor_amp
    from solvable.algorithms.langevin import simulate
    from solvable.algorithms.matrix_tensor import sampled_matrix_tensor, sampled_sphere
    from solvable.core.randomness import fold, key_for

    key = key_for(0, "benchmark", size)
    data = sampled_matrix_tensor(key, size, delta2=1.0, deltap=1.0)
    tensor = data.tensor
    x = sampled_sphere(fold(key, "start"), size, 16)
    problem = tensor_amp.Problem(data)
    held = [tensor_amp.init(problem, tensor_amp.Start(x[:, 0]))]

    def iterate():
        held[0], _ = tensor_amp.step(problem, held[0])

    contestants = {
        "gradient_s": lambda: tensor.columns(x[:, :1]),
        "read_s": lambda: blas.sdot(tensor.entries, tensor.entries),
        "iteration_s": iterate,
        "flow_s": lambda: simulate(data, x[:, 0], [1e-3], tolerance=1.0),
        "columns_s": lambda: tensor.columns(x),
    }
    with threadpool_limits(1):
        found = compared(contestants, rounds, "gradient_s", "read_s")
    for name, gradients in (("iteration", 1), ("flow", 4), ("columns", 1)):
        found[name] = found[f"{name}_s"] / (gradients * found["gradient_s"])
    found["gigabytes"] = tensor.entries.nbytes / 1e9
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="one small size")
    options = parser.parse_args()
    size = 300 if options.quick else 1000
    found = timings(size, options.rounds)
    kept = {
        "gradient": options.quick or found["ratio"] <= LIMITS["gradient"],
        "gradient_s": found["gradient_s"] <= LIMITS["gradient_s"],
        **{name: found[name] <= LIMITS[name] for name in ("iteration", "flow", "columns")},
    }
    print(json.dumps({"limits": LIMITS, "size": size, **found, "kept": kept}, indent=2))
    return 0 if all(kept.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
