#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Total persistence of `merganser experiment landscape` once more, from its stored samples, with numpy alone.

    mvn -DskipTests package
    bin/merganser experiment landscape --minima wd,none --train 500 --base-epochs 20 --epochs 11 --hidden 32,16 \\
        --seeds 1 --keep-samples --out OUT
    python3 benchmarks/peers/landscape.py OUT

Cosines of centred parameters, affinities, t at the knee of the entropy, potentials (as in phate.py), the graphs of the
20 nearest and farthest by potential, and components of sublevel sets of the loss by union and find: all of it is
written again here; of ours only samples, losses and settings are read, and the numbers that are compared. "chosen" is
how many samples are a neighbour of another: where it is small, all samples hang on the same few. Ends with 1 where
totals differ by more than 1e-9 of ours (where ours is below 0.001, by 1e-12), or t, edges or components at all. Needs numpy. Not part of the build.
"""
import csv
import json
import os
import sys

OUT = sys.argv[1]
sys.argv = sys.argv[:1]
import phate  # reads its own options

import numpy as np

ROUNDING = 1e-16  # of P^t: below it rounding would choose the farthest


def samples(folder):
    """Parameters [n x P] in the order of directions and steps, and losses."""
    rows, losses = [], {"test": [], "train": []}
    names = [name[:-4] for name in os.listdir(folder) if name.endswith(".npy")]
    for name in sorted(names, key=lambda n: (int(n.split("-")[0][4:]), float(n.split("alpha")[1]))):
        rows.append(np.load(os.path.join(folder, name + ".npy")).astype(float))
        with open(os.path.join(folder, name + ".csv"), encoding="utf-8") as file:
            for row in csv.DictReader(file):
                for loss, values in losses.items():
                    values.append(float(row[loss + "-loss"]))
    return np.concatenate(rows), losses


def potentials(x, knn):
    """t and the potential of each pair."""
    d = phate.centred_cosine(x)
    e = np.sort(d + np.diag(np.full(len(d), -1.0)), 1)[:, knn]
    k = np.exp(-((d / e[:, None]) ** phate.DECAY))
    k[k < 1e-4] = 0
    k = (k + k.T) / 2
    p = k / k.sum(1)[:, None]
    s = np.abs(np.linalg.eigvals(p))
    shares = [s**t / (s**t).sum() + np.finfo(float).eps for t in range(1, phate.MOST + 1)]
    t = phate.knee(np.array([-(q * np.log(q)).sum() for q in shares]))
    walk = np.linalg.matrix_power(p, t)
    walk[walk < ROUNDING] = 0
    return t, -np.log(walk + phate.FLOOR)


def graph(u, farthest, count):
    """Edges, and how many samples are chosen by another."""
    edges, chosen = set(), set()
    for i, row in enumerate(u):
        order = [j for j in np.argsort(-row if farthest else row, kind="stable") if j != i][:count]
        chosen.update(order)
        edges.update((min(i, j), max(i, j)) for j in order)
    return edges, len(chosen)


def persistence(edges, f):
    """Total persistence of degree 0 without what never dies, and the number of components."""
    parent = list(range(len(f)))

    def root(v):
        while parent[v] != v:
            v = parent[v]
        return v

    total = 0.0
    for i, j in sorted(edges, key=lambda e: max(f[e[0]], f[e[1]])):
        a, b = sorted((root(i), root(j)), key=lambda v: f[v])
        if a != b:
            parent[b] = a  # the one that was born later dies
            total += max(f[i], f[j]) - f[b]
    return total, len({root(v) for v in range(len(f))})


def main():
    with open(os.path.join(OUT, "results.json"), encoding="utf-8") as file:
        results = json.load(file)
    settings = results["settings"]
    worst = 0
    print("| minimum | graph | loss | t | ours | edges | ours | chosen | components | ours | total | ours |")
    print("|---" * 12 + "|")
    for seed, minima in enumerate(results["found"]):
        for name, found in minima.items():
            x, losses = samples(os.path.join(OUT, "samples", f"{name}-{seed}"))
            t, u = potentials(x, settings["knn"])
            for ours in (v for v in found["valleys"] if v["samples"] == "retrained"):
                edges, chosen = graph(u, ours["rule"] == "farthest", settings["k"])
                total, components = persistence(edges, losses[ours["loss"]])
                same = (t, len(edges), components) == (found["phate"]["t"], ours["edges"], ours["components"])
                worst = max(worst, abs(total - ours["total"]) / max(1e-3, ours["total"]) if same else 1)
                print(
                    f"| {name} | {ours['rule']} | {ours['loss']} | {t} | {found['phate']['t']} | {len(edges)} | {ours['edges']}"
                    f" | {chosen} | {components} | {ours['components']} | {total:.9f} | {ours['total']:.9f} |"
                )
    return 0 if worst <= 1e-9 else 1


if __name__ == "__main__":
    sys.exit(main())
