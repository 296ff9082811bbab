#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`merganser phate` against the steps of docs/phate.md written with numpy, on a branching tree of 200 points.

    mvn -DskipTests package
    python3 benchmarks/peers/phate.py [--merganser "COMMAND"]

Affinities, t at the knee of the entropy, powers by multiplication, potentials, classical scaling and SMACOF: all of it
is written again here, nothing is read from ours but what is compared. A row for each metric of points and each solver
(of ours: the other side is SMACOF); ends with 1 where distances in the plane correlate below 0.99. Needs numpy. Not
part of the build.
"""
import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PARSER = argparse.ArgumentParser(description=__doc__.split("\n")[0])
PARSER.add_argument("--merganser", default=os.path.join(ROOT, "bin", "merganser"), help="the command")
OPTIONS = PARSER.parse_args()
KNN, DECAY, MOST, FLOOR = 5, 40, 100, 1e-7


def tree():
    """Five branches of 40 points in 30 dimensions, each from a point of one before, about a mean that is not 0."""
    rng = np.random.default_rng(0)
    x = np.zeros((200, 30))
    for branch, start in enumerate([None, 20, 39, 60, 100]):
        at = np.zeros(30) if start is None else x[start].copy()
        step = rng.normal(size=30)
        step /= np.linalg.norm(step)
        for i in range(40):
            x[40 * branch + i] = at + step * (i + 1) / 20
    return x + 0.01 * rng.normal(size=x.shape) + 1


def between(x):
    return np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1))


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
            return between(y), np.sqrt(stress / (e**2).sum())


def phate(d):
    """t, potential, distances in the plane, relative stress."""
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


def main():
    x = tree()
    pairs = np.triu_indices(len(x), 1)
    worst = 1.0
    print("| points | solver | t | ours | potentials differ by | correlation | stress | ours |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "tree.npy")
        np.save(file, x)
        for metric, distances in {"euclidean": between, "cosine_centred": centred_cosine}.items():
            t, u, far, stress = phate(distances(x))
            for solver in ["smacof", "sgd"]:
                out = os.path.join(folder, metric + solver)
                command = ["phate", file, "--metric", metric, "--settings", "solver=" + solver, "--out", out]
                subprocess.run(shlex.split(OPTIONS.merganser) + command, check=True, stdout=subprocess.DEVNULL)
                with open(os.path.join(out, "results.json"), encoding="utf-8") as results:
                    ours = json.load(results)
                found = between(np.load(os.path.join(out, "embedding.npy")))
                apart = np.abs(np.load(os.path.join(out, "potential.npy")) - u).max()
                correlation = np.corrcoef(far[pairs], found[pairs])[0, 1]
                worst = min(worst, correlation)
                print(
                    f"| {metric} | {solver} | {t} | {ours['t']} | {apart:.1e} | {correlation:.6f}"
                    f" | {stress:.6f} | {ours['stress']:.6f} |"
                )
    return 0 if worst >= 0.99 else 1


if __name__ == "__main__":
    sys.exit(main())
