#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Linear assignment against scipy.optimize.linear_sum_assignment, same inputs, one thread, one run.

    ./cppbuild.sh install
    python3 benchmarks/peers/assignment.py [-n 256,1024,4096] [-r 5] [-i uniform,ties] [-threads 1]

Calls libmerganser.so through its C header, so it needs no Java; needs numpy and scipy. Every result of ours is
certified by its duals and compared with scipy's value before it counts. For each input the two solvers take turns, -r
times; the table gives medians of wall time, and the ratio of the medians of CPU time, which a busy host disturbs less.
`read` is one pass over the matrix by our scan for non-finite values, the limit. Not part of the build.
"""
import argparse
import ctypes
import glob
import os
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np  # noqa: E402
import scipy  # noqa: E402
from scipy.optimize import linear_sum_assignment  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def load():
    def one(pattern, what):
        found = sorted(glob.glob(os.path.join(ROOT, pattern)))
        if not found:
            raise SystemExit(f"no {what} at {pattern}: run ./cppbuild.sh install (and mvn, which unpacks OpenBLAS)")
        return found[0]

    blas = os.environ.get("MERGANSER_DEPS")
    blas = (sorted(glob.glob(os.path.join(blas, "org/bytedeco/openblas/*/libopenblas.so.0")))[0] if blas else
            one("native/target/deps/org/bytedeco/openblas/*/libopenblas.so.0", "OpenBLAS"))
    ctypes.CDLL(blas, mode=ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(one("native/cppbuild/*/lib/libmerganser.so", "library"))
    library.mg_last_error.restype = ctypes.c_char_p
    return library


def pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p)


class Ours:
    def __init__(self, threads):
        self.library = load()
        self.context = ctypes.c_void_p()
        self.check(self.library.mg_context_create(0, threads, ctypes.byref(self.context)))

    def check(self, status):
        if status:
            raise SystemExit(self.library.mg_last_error().decode())

    def solve(self, cost):
        n = ctypes.c_int64(cost.shape[0])
        columns = np.empty(cost.shape[0], np.int64)
        u, v, value = np.empty(cost.shape[0]), np.empty(cost.shape[0]), ctypes.c_double()
        self.check(self.library.mg_assignment(self.context, 1, n, n, pointer(cost), n, 0, pointer(columns), pointer(u),
                                              pointer(v), ctypes.byref(value)))
        return columns, u, v, value.value

    def violation(self, cost, columns, u, v):
        n, worst = ctypes.c_int64(cost.shape[0]), ctypes.c_double()
        self.check(self.library.mg_assignment_certify(self.context, 1, n, n, pointer(cost), n, 0, pointer(columns),
                                                      pointer(u), pointer(v), ctypes.byref(worst)))
        return worst.value

    def read(self, cost):
        found, first = ctypes.c_int64(), ctypes.c_int64()
        self.check(self.library.mg_nonfinite_count(self.context, 1, ctypes.c_int64(cost.size), pointer(cost),
                                                   ctypes.byref(found), ctypes.byref(first)))


def correlation(rng, n, samples, signal):
    x = rng.standard_normal((n, samples))
    y = signal * x[rng.permutation(n)] + rng.standard_normal((n, samples))
    for each in (x, y):
        each -= each.mean(1, keepdims=True)
        each /= np.linalg.norm(each, axis=1, keepdims=True)
    return -(x @ y.T)


def dead_blocks(rng, n):
    cost = correlation(rng, n, 512, 0.1)
    cost[rng.permutation(n)[: n // 5]] = 0
    cost[:, rng.permutation(n)[: n // 5]] = 0
    return cost


def euclidean(rng, n):
    a, b = rng.random((n, 2)), rng.random((n, 2))
    return np.sqrt((a[:, None, 0] - b[None, :, 0]) ** 2 + (a[:, None, 1] - b[None, :, 1]) ** 2)


INPUTS = {
    "uniform": lambda rng, n: rng.random((n, n)),
    "planted-1": lambda rng, n: correlation(rng, n, 512, 1),
    "planted-0.25": lambda rng, n: correlation(rng, n, 512, 0.25),
    "planted-0.1": lambda rng, n: correlation(rng, n, 512, 0.1),
    "correlation": lambda rng, n: correlation(rng, n, 512, 0),
    "low-rank": lambda rng, n: correlation(rng, n, 16, 0.3),
    "ties": lambda rng, n: rng.integers(0, 10, (n, n)),
    "euclidean": euclidean,
    "dead-blocks": dead_blocks,
    "rank-one": lambda rng, n: np.outer(rng.random(n), rng.random(n)),
}


def timed(call, times):
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    times.append((1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)))
    return result


def median(times, which):
    return statistics.median(each[which] for each in times)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("-n", default="256,1024,4096")
    arguments.add_argument("-r", type=int, default=5)
    arguments.add_argument("-i", default=",".join(INPUTS))
    arguments.add_argument("-threads", type=int, default=1)
    arguments.add_argument("-most", type=float, default=20, help="seconds of scipy after which one run is enough")
    options = arguments.parse_args()
    ours = Ours(options.threads)
    print(f"scipy {scipy.__version__}, numpy {np.__version__}, {options.threads} thread(s), median of {options.r}")
    print("|    n | input        | scipy ms |  ours ms | read ms | ratio (CPU) | ratio (wall) |")
    print("|-----:|--------------|---------:|---------:|--------:|------------:|-------------:|")
    for n in map(int, options.n.split(",")):
        for name in options.i.split(","):
            cost = np.ascontiguousarray(INPUTS[name](np.random.default_rng(n), n), dtype=np.float32)
            columns, u, v, value = ours.solve(cost)
            worst = ours.violation(cost, columns, u, v)
            if worst > 4 * 2.3e-16 * n * float(np.abs(cost).max()):
                raise SystemExit(f"{name} {n}: not proved optimal, off by {worst}")
            peer, own, read = [], [], []
            for _ in range(options.r):
                if not peer or peer[0][0] < 1e3 * options.most:
                    rows, expected = timed(lambda: linear_sum_assignment(cost), peer)
                for _ in range(3):
                    timed(lambda: ours.solve(cost), own)
                timed(lambda: ours.read(cost), read)
            found = float(cost[rows, expected].astype(np.float64).sum())
            if abs(found - value) > 1e-9 * max(1, abs(found)):
                raise SystemExit(f"{name} {n}: {value}, scipy {found}")
            print(f"| {n:4d} | {name:12s} | {median(peer, 0):8.1f} | {median(own, 0):8.2f} | {median(read, 0):7.2f} | "
                  f"{median(peer, 1) / median(own, 1):11.1f} | {median(peer, 0) / median(own, 0):12.1f} |", flush=True)


if __name__ == "__main__":
    main()
