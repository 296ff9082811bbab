#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tables of docs/results/rnn-dynamics.md from a results.json of `merganser experiment rnn-dynamics`.

    python3 docs/results/rnn-dynamics.py OUT/results.json
"""
import json
import sys


def table(header, rows):
    print("| " + " | ".join(header) + " |\n" + "|---" * len(header) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def interval(value, digits, sign=""):
    return f"{value['mean']:.{digits}f} [{value['low']:{sign}.{digits}f}, {value['high']:{sign}.{digits}f}]"


def claims(results):
    table(["claim", "accuracy", "required", "verdict"],
          [[c["claim"], interval(c["value"], 3), c["required"], "held" if c["held"] else "not held"] for c in results["claims"]])


def steps(results):
    """Every step near the last one, some of the others."""
    last = max(range(len(results["steps"])), key=lambda i: results["steps"][i]["readout"]["mean"])
    shown = {0, 1, 3, 6, 9, 13, 17, 20, 23, 35, 39, 47, len(results["steps"]) - 1} | set(range(last - 2, last + 6))
    rows = []
    for i in sorted(k for k in shown if 0 <= k < len(results["steps"])):
        s = results["steps"][i]
        def mean(field, digits):
            return f"{s[field]['mean']:.{digits}f}"
        rows.append([f"**{s['step']}**" if i == last else str(s["step"]), mean("readout", 3), mean("probe", 3),
                     mean("participationRatio", 1), mean("components", 1), mean("ratio", 2), mean("silhouette", 2),
                     mean("adjustedRand", 2), mean("radius", 2), mean("dimension", 1)])
    table(["step", "readout", "probe", "dimension (PR)", "PCs for 90 %", "Sb/Sw", "silhouette", "ARI of k-means", "class radius",
           "class dimension"], rows)


def dynamics(results):
    table(["training", "spectral radius of V", "largest singular value", "exponent 1", "exponent 2", "fixed points", "slow points",
           "starts lost", "unstable directions"],
          [[d["when"], interval(d["radius"], 2), interval(d["norm"], 2), interval(d["exponent"], 4, "+"), interval(d["second"], 4, "+"),
            interval(d["fixed"], 1), interval(d["slow"], 1), interval(d["lost"], 0), interval(d["unstable"], 1)]
           for d in results["dynamics"]])
    for d in results["dynamics"]:
        back = [f"{b['steps']:.1f} ({b['strength']:.2f}; {b['returning']} of {b['orbits']} orbits)" if b["returning"] else "never"
                for b in d["back"]]
        print(f"{d['when']}: comes back after {', '.join(back)} steps; exponent 1 "
              + ", ".join(f"{v:+.4f}" for v in d["exponent"]["pairs"]) + "; off at half of the run by at most "
              + f"{max(d['halfRun']['pairs']):.4f}; stable points " + ", ".join(f"{v:.0f}" for v in d["stable"]["pairs"]))
    print()


def points(results):
    table(["fixed", "norm", "unstable directions", "radius of the Jacobian", "turns in steps", "searches"],
          [["yes" if p["fixed"] else "no", f"{p['norm']:.2f}", str(p["unstable"]), f"{p['radius']:.2f}",
            f"{p['period']:.1f}" if p.get("period") is not None else "-", str(p["starts"])] for p in results["points"]])


def lengths(results):
    table(["k", "before", "after", "dropped", "moved down", "moved up"],
          [[str(l["k"])] + [f"{l[f]['mean']:.3f}" for f in ("late", "held", "cut", "down", "up")] for l in results["lengths"]])


def main():
    with open(sys.argv[1]) as file:
        results = json.load(file)
    for part in (claims, steps, dynamics, points, lengths):
        part(results)


if __name__ == "__main__":
    main()
