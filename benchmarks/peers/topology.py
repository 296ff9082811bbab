#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole processes: `merganser rips` against ripser on the same points, as rows of a Markdown table.

    mvn -DskipTests package; apt-get install ripser
    python3 benchmarks/peers/topology.py [-r 5] [--threads 1] [--only cube-2000]

The two take turns, -r times; the barcodes must agree in the six digits that ripser prints. CPU seconds and wall seconds
are medians, memory is the largest resident size of a process. Ours has the start of the JVM, pictures and tables in it;
"compute" is what results.json says of the distances and the homology alone. Needs numpy. Not part of the build.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PARSER = argparse.ArgumentParser(description=__doc__.split("\n")[0])
PARSER.add_argument("-r", type=int, default=5, help="turns")
PARSER.add_argument("--threads", type=int, default=1, help="of ours; ripser has one")
PARSER.add_argument("--only", default="", help="inputs that contain this")
OPTIONS = PARSER.parse_args()
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)


def sphere(rng, n):
    x = rng.standard_normal((n, 3))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


# Points and the last degree.
INPUTS = {
    "cube-500": (lambda rng: rng.random((500, 3)), 1),
    "cube-1000": (lambda rng: rng.random((1000, 3)), 1),
    "cube-2000": (lambda rng: rng.random((2000, 3)), 1),
    "sphere-192": (lambda rng: sphere(rng, 192), 2),
}


def run(command, **options):
    """CPU seconds, wall seconds, MB of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, **options)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status != 0:
        sys.exit(f"{command}: status {status}")
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024


def of_ripser(path):
    found, degree = [], 0
    with open(path) as file:
        for line in file:
            header = re.match(r"persistence intervals in dim (\d+)", line)
            pair = re.match(r" \[([^,]+),(.*)\)", line)
            if header:
                degree = int(header.group(1))
            elif pair:
                found.append((degree, float(pair.group(1)), float(pair.group(2).strip() or "inf")))
    return sorted(found)


def of_ours(folder):
    with open(os.path.join(folder, "diagrams.csv")) as file:
        return sorted(tuple(map(float, line.split(","))) for line in list(file)[1:])


def check(ours, ripsers):
    # Six digits each; ties of rounded numbers may come in another order, so columns are compared sorted.
    if len(ours) != len(ripsers):
        sys.exit(f"{len(ours)} classes, ripser has {len(ripsers)}")
    for a, b in zip(zip(*ours), zip(*ripsers)):
        if not np.allclose(sorted(a), sorted(b), rtol=2e-5, atol=0):
            sys.exit("other classes than ripser's")


def main():
    print("| input | ripser CPU s | wall s | MB | ours CPU s | wall s | MB | compute s | CPU ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        text, npy, printed, out = (os.path.join(folder, each) for each in ("p.txt", "p.npy", "ripser.out", "out"))
        for name, (make, degree) in INPUTS.items():
            if OPTIONS.only not in name:
                continue
            points = make(np.random.default_rng(1)).astype(np.float32)
            np.savetxt(text, points, fmt="%.9g")
            np.save(npy, points)
            ripser = ["ripser", "--format", "point-cloud", "--dim", str(degree), text]
            ours = [os.path.join(ROOT, "bin/merganser"), "rips", npy, "--max-dim", str(degree), "--threads",
                    str(OPTIONS.threads), "--out", out]
            turns = {"ripser": [], "ours": []}
            compute = []
            for _ in range(OPTIONS.r):
                with open(printed, "w") as file:
                    turns["ripser"].append(run(ripser, stdout=file))
                turns["ours"].append(run(ours, stdout=subprocess.DEVNULL))
                with open(os.path.join(out, "results.json")) as file:
                    compute.append(json.load(file)["seconds"]["compute"])
            check(of_ours(out), of_ripser(printed))
            cells = []
            for side in ("ripser", "ours"):
                cpu, wall, memory = zip(*turns[side])
                cells += [f"{statistics.median(cpu):.2f}", f"{statistics.median(wall):.2f}", f"{max(memory):.0f}"]
            ratio = statistics.median(t[0] for t in turns["ripser"]) / statistics.median(t[0] for t in turns["ours"])
            print(f"| {name} | {' | '.join(cells)} | {statistics.median(compute):.3f} | {ratio:.1f} |", flush=True)


main()
