#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`merganser phate` against the steps of docs/phate.md written with numpy, on a branching tree of 200 points.

    mvn -DskipTests package
    python3 benchmarks/peers/phate.py [--merganser "COMMAND"]
    python3 benchmarks/peers/phate.py --time 640,2000 [-r 3] [--threads 1]

Affinities, t at the knee of the entropy, powers by multiplication, potentials, classical scaling and SMACOF: all of it
is written again here, nothing is read from ours but what is compared. A row for each metric of points and each solver
(of ours: the other side is SMACOF); ends with 1 where distances in the plane correlate below 0.99.

With --time trees of so many points instead: both sides take turns, -r times, with as many threads, and are checked in
the same way before a row is printed, but that "sgd" may end in another minimum whose stress is at most 5 % greater. "numpy s" are the steps from distances on, inside a process that runs already;
"ours s" are the same steps, as results.json has them, in a new JVM each time; "process s" is all of that process:
start, products of the points, files, pictures. Wall seconds, medians. Needs numpy. Not part of the build.
"""
import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PARSER = argparse.ArgumentParser(description=__doc__.split("\n")[0])
PARSER.add_argument("--merganser", default=os.path.join(ROOT, "bin", "merganser"), help="the command")
PARSER.add_argument("--time", default="", help="numbers of points to be timed, such as 640,2000")
PARSER.add_argument("-r", type=int, default=3, help="turns, with --time")
PARSER.add_argument("--threads", type=int, default=1, help="of both sides, with --time")
OPTIONS = PARSER.parse_args()
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)
if OPTIONS.time:
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(OPTIONS.threads)

import numpy as np  # reads the variables above

KNN, DECAY, MOST, FLOOR = 5, 40, 100, 1e-7


def tree(n=200):
    """Five branches in 30 dimensions, each from a point of one before, about a mean that is not 0."""
    rng = np.random.default_rng(0)
    each = n // 5
    x = np.zeros((5 * each, 30))
    for branch, start in enumerate([None, 20, 39, 60, 100]):
        at = np.zeros(30) if start is None else x[start * each // 40].copy()
        step = rng.normal(size=30)
        step /= np.linalg.norm(step)
        for i in range(each):
            x[each * branch + i] = at + step * (i + 1) / (each / 2)
    return x + 0.01 * rng.normal(size=x.shape) + 1


def between(x):
    # Row by row: all differences at once of 2000 rows of 2000 are 64 GB.
    return np.array([np.sqrt(((x - row) ** 2).sum(-1)) for row in x])


def centred_cosine(x):
    x = x - x.mean(0)
    length = np.linalg.norm(x, axis=1)
    d = np.clip(1 - x @ x.T / np.outer(length, length), 0, 2)
    np.fill_diagonal(d, 0)
    return d


def knee(h):
    x = np.arange(len(h), dtype=float)

    def miss(a, b):
        return np.abs(np.polyval(np.polyfit(x[a:b], h[a:b], 1), x[a:b]) - h[a:b]).sum()

    return 1 + int(np.argmin([miss(0, b + 1) + miss(b, len(h)) for b in range(1, len(h) - 1)]))


def smacof(e):
    n = len(e)
    j = np.eye(n) - 1 / n
    w, v = np.linalg.eigh(-j @ e**2 @ j / 2)
    y = v[:, :-3:-1] * np.sqrt(w[:-3:-1])
    stress = ((between(y) - e) ** 2).sum()
    while True:
        f = between(y)
        b = -np.divide(e, f, out=np.zeros_like(e), where=f > 0)
        np.fill_diagonal(b, 0)
        np.fill_diagonal(b, -b.sum(1))
        y = b @ y / n
        last, stress = stress, ((between(y) - e) ** 2).sum()
        if last - stress < 1e-6 * last:
            return y, np.sqrt(stress / (e**2).sum())


def phate(d):
    """t, potential, points in the plane, relative stress."""
    e = np.sort(d + np.diag(np.full(len(d), -1.0)), 1)[:, KNN]
    k = np.exp(-((d / e[:, None]) ** DECAY))
    k[k < 1e-4] = 0
    k = (k + k.T) / 2
    p = k / k.sum(1)[:, None]
    s = np.abs(np.linalg.eigvals(p))
    shares = [s**t / (s**t).sum() + np.finfo(float).eps for t in range(1, MOST + 1)]
    t = knee(np.array([-(q * np.log(q)).sum() for q in shares]))
    u = -np.log(np.linalg.matrix_power(p, t) + FLOOR)
    return (t, u, *smacof(between(u)))


def run(file, metric, solver, out):
    """Seconds of the process."""
    settings = ["--metric", metric, "--settings", "solver=" + solver]
    if OPTIONS.time:
        settings += ["--threads", str(OPTIONS.threads)]
    start = time.perf_counter()
    command = shlex.split(OPTIONS.merganser) + ["phate", file, *settings, "--out", out]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def results(out):
    with open(os.path.join(out, "results.json"), encoding="utf-8") as file:
        return json.load(file)


def agreement(out, u, far):
    """Largest difference of potentials, and the correlation of distances in the plane."""
    pairs = np.triu_indices(len(far), 1)
    found = between(np.load(os.path.join(out, "embedding.npy")))
    apart = np.abs(np.load(os.path.join(out, "potential.npy")) - u).max()
    return apart, np.corrcoef(far[pairs], found[pairs])[0, 1]


def compare(folder):
    x = tree()
    worst = 1.0
    print("| points | solver | t | ours | potentials differ by | correlation | stress | ours |")
    print("|---|---|---|---|---|---|---|---|")
    file = os.path.join(folder, "tree.npy")
    np.save(file, x)
    for metric, distances in {"euclidean": between, "cosine_centred": centred_cosine}.items():
        t, u, points, stress = phate(distances(x))
        far = between(points)
        for solver in ["smacof", "sgd"]:
            out = os.path.join(folder, metric + solver)
            run(file, metric, solver, out)
            ours = results(out)
            apart, correlation = agreement(out, u, far)
            worst = min(worst, correlation)
            print(
                f"| {metric} | {solver} | {t} | {ours['t']} | {apart:.1e} | {correlation:.6f}"
                f" | {stress:.6f} | {ours['stress']:.6f} |"
            )
    return 0 if worst >= 0.99 else 1


def timed(folder, points):
    x = tree(points)
    file = os.path.join(folder, f"tree-{points}.npy")
    np.save(file, x)
    d = between(x)
    numpys, ours = [], {"smacof": [], "sgd": []}
    for _ in range(OPTIONS.r):
        start = time.perf_counter()
        t, u, points, stress = phate(d)
        numpys.append(time.perf_counter() - start)
        far = between(points)
        for solver, turns in ours.items():
            out = os.path.join(folder, f"{solver}-{points}")
            process = run(file, "euclidean", solver, out)
            turns.append((results(out)["seconds"]["compute"], process))
    numpy = statistics.median(numpys)
    for solver, turns in ours.items():
        out = os.path.join(folder, f"{solver}-{points}")
        apart, correlation = agreement(out, u, far)
        found = results(out)
        # Of large trees the plane shows little, and descent by pairs ends in another minimum, nearly as low.
        placed = correlation >= 0.99 or solver == "sgd" and found["stress"] <= 1.05 * stress
        if found["t"] != t or apart > 1e-5 or not placed:
            sys.exit(
                f"{points} points, {solver}: t {t}, potentials differ by {apart}, correlation {correlation},"
                f" stress {found['stress']} for {stress}"
            )
        compute, process = (statistics.median(each) for each in zip(*turns))
        print(
            f"| {len(x)} | {solver} | {t} | {numpy:.2f} | {compute:.2f} | {process:.2f} | {numpy / compute:.1f}"
            f" | {numpy / process:.1f} | {found['stress'] / stress:.3f} |",
            flush=True,
        )


def main():
    with tempfile.TemporaryDirectory() as folder:
        if not OPTIONS.time:
            return compare(folder)
        print("| points | solver of ours | t | numpy s | ours s | process s | ratio | of processes | stress, ratio |")
        print("|---|---|---|---|---|---|---|---|---|")
        for points in OPTIONS.time.split(","):
            timed(folder, int(points))
        return 0


if __name__ == "__main__":
    sys.exit(main())
