#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tables of docs/results/landscape.md from a results.json of `merganser experiment landscape`.

    python3 docs/results/landscape.py OUT/results.json
"""
import json
import sys


def table(header, rows):
    print("| " + " | ".join(header) + " |\n" + "|---" * len(header) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def number(value, digits, interval=True):
    if value.get("mean") is None:
        return "-"
    text = f"{value['mean']:.{digits}f}"
    if interval and value.get("low") is not None:
        text += f" [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"
    return text


def minima(results):
    def drawn(m):
        return number(m["drawnAccuracy"], 3, False) if "drawnAccuracy" in m else "-"
    table(["minimum", "train loss", "train accuracy", "test loss", "test accuracy", "on drawn labels", "gap"],
          [[m["minimum"], number(m["trainLoss"], 4, False), number(m["trainAccuracy"], 3, False), number(m["testLoss"], 3, False),
            number(m["testAccuracy"], 3, False), drawn(m), number(m["gap"], 3)] for m in results["minima"]])


def curves(results):
    """Test loss before and after training again, a row a minimum."""
    alphas = sorted({c["alpha"] for c in results["curves"]})
    rows = []
    for m in results["minima"]:
        own = {c["alpha"]: c for c in results["curves"] if c["minimum"] == m["minimum"]}
        rows.append([m["minimum"], f"{m['testLoss']['mean']:.3f}"] + [
            f"{own[a]['jumped']['mean']:.3f} to {own[a]['retrained']['mean']:.3f}" for a in alphas])
    table(["minimum", "itself"] + [f"jump of {a:g}" for a in alphas], rows)


def embeddings(results):
    table(["minimum", "t", "groups", "stress", "together", "PC 1", "PC 1 to 4", "together, PCA"],
          [[e["minimum"], number(e["t"], 1, False), number(e["components"], 1, False), number(e["stress"], 3, False),
            number(e["together"], 3), number(e["share"], 3, False), number(e["shareOfFour"], 3, False), number(e["pcaTogether"], 3)]
           for e in results["embeddings"]])


def tied(results, rule):
    """Whether the graph of the samples of the paper depends on their order, for every minimum."""
    return all(p["tied"]["mean"] > 0 for p in results["persistence"] if p["rule"] == rule)


def persistence(results):
    """Of the test and training loss on either graph, with the deviation over seeds."""
    rows = []
    for p in results["persistence"]:
        rows.append([p["rule"], p["loss"], p["minimum"], f"{p['total']['mean']:.4f} ± {p['sd']:.4f}",
                     f"{p['relative']['mean']:.4f} ± {p['relativeSd']:.4f}", number(p["points"], 1, False),
                     number(p["tied"], 1, False), number(p["loops"], 1, False), number(p["components"], 1, False)])
    table(["graph", "loss", "minimum", "total", "by range", "points", "tied", "loops", "components"], rows)


def others(results):
    """The test loss of other samples: total persistence, and the most ties of a minimum (mean over seeds)."""
    names = [m["minimum"] for m in results["minima"]]
    found, ties = {}, {}
    for p in results["otherSamples"]:
        if p["loss"] == "test":
            key = (p["samples"], p["rule"])
            ties[key] = max(ties.get(key, 0), p["tied"]["mean"])
            found.setdefault((p["samples"], p["rule"]), {})[p["minimum"]] = f"{p['total']['mean']:.4f} ({p['relative']['mean']:.4f})"
    table(["samples", "graph"] + names + ["tied"],
          [[*key] + [cells[n] for n in names] + [f"{ties[key]:.1f}"] for key, cells in found.items()])


def wasserstein(results):
    names = [m["minimum"] for m in results["minima"]]
    for rule in dict.fromkeys(w["rule"] for w in results["wasserstein"]):
        if tied(results, rule):
            continue
        print(f"{rule}, as it is / by range:\n")
        rows = []
        for name in names:
            raw, scaled = sorted((w for w in results["wasserstein"] if (w["rule"], w["minimum"]) == (rule, name)), key=lambda w: w["byRange"])
            rows.append([name] + [f"{raw['distances'][n]['mean']:.3f} / {scaled['distances'][n]['mean']:.3f}" for n in names])
        table([""] + names, rows)


def ranks(results):
    def pooled(value):
        if value is None:
            return "-"
        return f"{value['rho']:.2f}" + (f" [{value['low']:.2f}, {value['high']:.2f}]" if value.get("low") is not None else "")
    table(["samples", "graph", "loss", "tied", "over minima", "over networks", "right labels"],
          [[r["samples"], r["rule"], r["loss"] + (" by range" if r["byRange"] else ""), str(r["tied"]), number(r["seeds"], 2), pooled(r["networks"]),
            pooled(r.get("right"))] for r in results["ranks"] if r["loss"] == "test"])


def verdict(claim):
    held = claim.get("held")
    return f"no verdict ({claim.get('undecided', '-')})" if held is None else "held" if held else "not held"


def cell(claim):
    text = number(claim["value"], 2)
    if claim.get("held") is None:
        return f"{text}, {verdict(claim)}"
    return f"**{text}**" if claim["held"] else text


def claims(results):
    """What has no verdict lacks "held"; only the primary row answers a claim."""
    for name in "abc":
        own = [c for c in results["claims"] if c["claim"] == name]
        if not own:
            print(f"({name}) no verdict: no minima to compare\n")
            continue
        columns = list(dict.fromkeys(c["by"] for c in own))
        rows = []
        for between in dict.fromkeys(c["between"] for c in own):
            cells = []
            for by in columns:
                c = next((c for c in own if (c["between"], c["by"]) == (between, by)), None)
                cells.append("-" if c is None else cell(c))
            rows.append([between] + cells)
        decided = [c["held"] for c in own if c.get("held") is not None]
        print(f"({name}) {own[0]['text']}, {own[0]['required']}; held {sum(decided)} of {len(decided)} with a verdict, {len(own)} in all.")
        for c in own:
            if c.get("primary"):
                print(f"Primary: {c['between']}, {c['by']}: {number(c['value'], 2)}, {verdict(c)}.")
        print()
        table([""] + columns, rows)


def main():
    with open(sys.argv[1]) as file:
        results = json.load(file)
    for part in (minima, curves, embeddings, persistence, others, wasserstein, ranks, claims):
        part(results)


if __name__ == "__main__":
    main()
