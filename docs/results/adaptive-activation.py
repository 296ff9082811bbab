#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tables of docs/results/adaptive-activation.md from a results.json of `merganser experiment adaptive-activation`.

    python3 docs/results/adaptive-activation.py OUT/results.json
"""
import json
import sys


def table(header, rows):
    print("| " + " | ".join(header) + " |\n" + "|---" * len(header) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def interval(value, digits=1, sign="", scale=100.0):
    mean = f"{scale * value['mean']:{sign}.{digits}f}"
    if value.get("low") is None:
        return mean
    return f"{mean} [{scale * value['low']:{sign}.{digits}f}, {scale * value['high']:{sign}.{digits}f}]"


def rows(results, task):
    """Median and best start of each mode."""
    named = {r["method"]: r for r in results["rows"]}
    modes = [m for m in results["settings"]["modes"] if f"{task}-{m}" in named]
    table(["", "median", "best"],
          [[m] + [f"{100 * named[k]['accuracy']:.1f} ± {100 * named[k]['accuracySd']:.1f}" for k in (f"{task}-{m}", f"{task}-{m}-best")]
           for m in modes])


def claims(results):
    table(["claim", "points", "required", "verdict"],
          [[c["claim"], interval(c["value"], sign="+"), c["required"],
            "held" if c.get("held") else "no verdict" if c.get("held") is None else "not held"] for c in results["claims"]])


def gains(results, task):
    table(["", "over", "points", "better starts"],
          [[g["mode"], g["over"], interval(g["points"], sign="+"), interval(g["share"], 2, scale=1)]
           for g in results["gains"] if g["task"] == task])
    own = [d for d in results["differences"] if d["method"].startswith(task) and d["method"].endswith("-best")]
    table(["start by validation", "points"],
          [[f"{d['method'][len(task) + 1:-5]} - {d['than'][len(task) + 1:-5]}", interval(d, sign="+")] for d in own])


def starts(results, task):
    """Accuracy, and the mean of n and s over units and seeds at the end."""
    found = results["starts-" + task]
    modes = list(dict.fromkeys(s["mode"] for s in found))
    header = ["(n, s)"]
    for mode in modes:
        header += [mode] if mode == "static" else [mode, ""]
    lines = []
    for n, s in dict.fromkeys((x["n"], x["s"]) for x in found):
        line = [f"({n:g}, {s:g})"]
        for mode in modes:
            own = next(x for x in found if (x["n"], x["s"], x["mode"]) == (n, s, mode))
            line.append(interval(own["accuracy"]))
            if mode != "static":
                line.append(f"({own['endN']['mean']:.2f}, {own['endS']['mean']:.2f})")
        lines.append(line)
    table(header, sorted(lines, key=lambda l: [float(v) for v in reversed(l[0][1:-1].split(", "))]))
    print(f"Runs that diverged: {sum(x['diverged'] for x in found)} of {len(found) * results['seeds']}.\n")


def transfer(results):
    table(["inputs", "adapts", "parameters", "before", "after"],
          [[t["inputs"], t["adapts"], f"{t['trained']:.0f}", interval(t["first"]), interval(t["last"])] for t in results["transfer"]])
    table(["inputs", "adapts", "points", "beyond same"],
          [[d["inputs"], f"{d['adapts']} - {d['than']}", interval(d["points"], sign="+"),
            interval(d["beyondSame"], sign="+") if d.get("beyondSame") else "-"] for d in results["transferDifferences"]])


def main():
    with open(sys.argv[1]) as file:
        results = json.load(file)
    claims(results)
    for task in results["settings"]["tasks"]:
        print(f"## {task}\n")
        rows(results, task)
        gains(results, task)
        starts(results, task)
    if results.get("transfer"):
        transfer(results)


if __name__ == "__main__":
    main()
