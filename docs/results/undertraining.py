#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tables of docs/results/undertraining.md from a results.json of `merganser experiment undertraining`.

    python3 docs/results/undertraining.py OUT/results.json
"""
import json
import sys

LABELS = {"linear": "average", "task-arithmetic:lambda=0.3": "TA .3", "task-arithmetic": "TA", "task-arithmetic+weights": "TA+w",
          "ties": "TIES", "dare-linear": "DARE", "dare-ties": "DARE-TIES", "della": "DELLA", "magmax": "MagMax", "sce": "SCE",
          "consensus": "TALL", "emr": "EMR", "model-stock": "Model Stock", "karcher": "Karcher", "ramplus-tl": "RAM+",
          "iso-c": "Iso-C", "tsv-m": "TSV-M", "fisher": "Fisher", "regmean": "RegMean", "arrow": "Arrow",
          "arrow+trained": "Arrow, trained", "mean-activation": "mean", "mean-activation+trained": "mean, trained",
          "random+trained": "random, trained"}
# Those that have a column of each length; the others are in the tables of all methods.
SHOWN = ("linear", "task-arithmetic:lambda=0.3", "task-arithmetic", "ties", "dare-ties", "della", "emr", "fisher", "regmean")


def label(method):
    return LABELS.get(method, method)


def table(header, rows):
    print("| " + " | ".join(header) + " |\n" + "|---" * len(header) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def mean(values):
    return sum(values) / len(values)


class Curves:
    """Of one part of wrong labels and one form of experts."""
    def __init__(self, results, key):
        self.rows = [row for row in results[key] if row["length"] != "base"]
        _, _, self.noise, self.form = key.split("-", 3)
        self.found = [seed["curves"][self.noise][self.form] for seed in results["found"]]
        self.base = [seed["base"][self.noise] for seed in results["found"]]
        self.name = f"{self.form}, {round(100 * float(self.noise))} %"
        self.methods = [m["method"] for m in self.rows[0]["merged"]]

    def __getitem__(self, method):
        """Rows of a method."""
        at = self.methods.index(method)
        return [row["merged"][at] for row in self.rows]

    def accuracy_of_base(self):
        return mean([mean(one["test"]) for one in self.base])

    def deciles(self, length, method=None, forgotten=False):
        """Accuracy by difficulty, of experts or merged, or what merging forgets; means over seeds."""
        def of(point):
            if forgotten:
                return point["merged"][method]["forgotten"]
            return (point["merged"][method]["scores"] if method else point["experts"])["deciles"]
        return [mean(tenth) for tenth in zip(*(of(seed[length]) for seed in self.found))]

    def fixed(self):
        """The method that examples are told of by."""
        return next((m for m in self.methods if m.startswith("task-arithmetic:")), self.methods[0])

    def lengths(self):
        return [r["length"] + (f" ({r['steps']['mean']:.0f})" if r["length"] == "stopped" else "") for r in self.rows]


def accuracies(c):
    """By length; bold where it is greatest."""
    shown = [m for m in c.methods if c.form == "moe" or m in SHOWN]
    columns = [[r["accuracy"]["mean"] for r in c.rows]] + [[m["accuracy"]["mean"] for m in c[method]] for method in shown]
    tops = [max(values[:-1]) for values in columns]
    rows = [["base", f"{100 * c.accuracy_of_base():.1f}"] + [""] * len(shown)]
    for i, length in enumerate(c.lengths()):
        cells = [f"{100 * v[i]:.1f}" for v in columns]
        last = length.startswith("stopped")
        rows.append([length] + [f"**{x}**" if not last and v[i] == t else x for x, v, t in zip(cells, columns, tops)])
    print(f"{c.name}:\n")
    table(["steps", "experts"] + [label(m) for m in shown], rows)


def peaks(all_curves):
    """Every method: the best length, the longest, those that ended early."""
    rows = []
    for method in all_curves[0].methods:
        cells = []
        for c in all_curves:
            values = [100 * m["accuracy"]["mean"] for m in c[method]]
            best = max(range(len(values) - 1), key=lambda i: values[i])
            cells.append(f"{values[best]:.1f} ({c.rows[best]['length']}), {values[-2]:.1f}, {values[-1]:.1f}")
        rows.append([label(method)] + cells)
    table(["greatest (at steps), longest, stopped"] + [c.name for c in all_curves], rows)


def interval(value, factor, digits):
    text = f"{factor * value['mean']:+.{digits}f}"
    return text if value.get("low") is None else f"{text} [{factor * value['low']:+.{digits}f}, {factor * value['high']:+.{digits}f}]"


def claims(results, all_curves):
    places = [(float(c.noise), c.form) for c in all_curves]
    for claim, factor, digits in (("a", 1, 1), ("b", 100, 1), ("c", 100, 1), ("d", 1, 3), ("e", 100, 1)):
        found = {}
        for one in results["claims"]:
            if one["claim"] == claim and (one["noise"], one["experts"]) in places:
                what = one["text"] + ", " + one["required"] if claim == "c" else label(one["method"])
                what += f" ({one['standing']})" if one.get("standing") else ""
                text = interval(one["value"], factor, digits)
                found.setdefault(what, {})[one["noise"], one["experts"]] = f"**{text}**" if one.get("held") else text
        if found:
            table([f"({claim})"] + [c.name for c in all_curves], [[what] + [cells.get(p, "") for p in places] for what, cells in found.items()])


def lambdas(all_curves):
    header, columns = ["steps"], []
    for c in all_curves:
        for method in ("task-arithmetic", "ties"):
            if method in c.methods:
                header.append(f"{label(method)}, {c.name}")
                columns.append([f"{m['lambda']['mean']:.2f}" for m in c[method]])
    if columns:
        table(header, [[length.split()[0]] + [v[i] for v in columns] for i, length in enumerate(all_curves[0].lengths())])


def causes(c):
    method = c.fixed()
    rows = []
    for i, (r, m) in enumerate(zip(c.rows, c[method])):
        if i % 2 == 1 or i >= len(c.rows) - 2:
            cells = [f"{r['distance']['mean']:.2f}", f"{r['cosine']['mean']:.3f}", f"{r['signConflict']['mean']:.3f}", f"{r['kept']['mean']:.3f}"]
            parts = [r["hard"], m["hard"], m["easy"], m["forgotten"]] + ([r["memorised"], m["memorised"]] if r.get("memorised") else [])
            cells += [f"{100 * p['mean']:.1f}" for p in parts]
            cells += [f"{m['relativeToExperts']['mean']:.3f}", f"{m['relativeToBest']['mean']:.3f}"]
            rows.append([r["length"]] + cells)
    wrong = ["wrong labels: experts", "merged"] if c.rows[0].get("memorised") else []
    print(f"{c.name}, merged by {label(method)}:\n")
    table(["steps", "distance", "cosine", "sign conflict", "kept", "hard: experts", "merged", "easy merged", "forgotten", *wrong,
           "merged by its experts", "by the best"], rows)


def difficulty(c):
    """By tenth of the training examples: the base, experts of the shortest and greatest length and ended early, merged, forgotten."""
    method, lengths = c.fixed(), [c.rows[0]["length"], c.rows[-2]["length"], c.rows[-1]["length"]]
    columns = [[mean(tenth) for tenth in zip(*(one["deciles"] for one in c.base))]]
    columns += [c.deciles(length) for length in lengths]
    columns += [c.deciles(length, method) for length in lengths]
    columns += [c.deciles(length, method, forgotten=True) for length in lengths[1:]]
    header = ["tenth", "base", f"experts: {lengths[0]}", *lengths[1:], f"merged: {lengths[0]}", *lengths[1:]]
    header += [f"forgotten: {lengths[1]}", lengths[2]]
    print(f"{c.name}, merged by {label(method)}:\n")
    table(header, [[str(d + 1)] + [f"{100 * column[d]:.1f}" for column in columns] for d in range(10)])


def experts(results, all_curves):
    """Experts themselves, ended early less the longest."""
    cells = []
    for c in all_curves:
        start = f"noise-{c.noise}-{c.form}-"
        one = next(d for d in results["differences"] if d["method"] == start + "stopped")
        cells.append(interval({"mean": one["mean"], "low": one["low"], "high": one["high"]}, 100, 1))
    table(["experts that ended early less the longest"] + [c.name for c in all_curves], [["each on its task"] + cells])


def main():
    with open(sys.argv[1]) as file:
        results = json.load(file)
    every = [Curves(results, key) for key in results if key.startswith("curves-")]
    for group in ([c for c in every if c.form != "moe"], [c for c in every if c.form == "moe"]):
        if group:
            for c in group:
                accuracies(c)
            if group[0].form != "moe":
                peaks(group)
                lambdas(group)
                for c in group:
                    causes(c)
                for c in group:
                    difficulty(c)
            claims(results, group)
            experts(results, group)


if __name__ == "__main__":
    main()
