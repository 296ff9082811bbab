#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""NP Merge against an independent form of it in torch, on the same pairs of models, as rows of a Markdown table.

    bin/merganser experiment np-merge --hidden 64 --seeds 10 --samples 0 --out OUT --keep OUT/kept
    python3 benchmarks/peers/np_merge.py OUT [--data DIR]

Autograd, torch.optim.Adam and torch's own network, from the same start: theta = s a + (1 - s) c, s = sigmoid(z), z = 0,
with a the first model and c the second one as it was aligned, which is twice the average kept less a (to a rounding).
Steps, batch, rate, held-out part, evaluations and patience are those in OUT/results.json. Two runs of each pair:

- same draw: held-out samples and batches as the lab draws them, so that only rounding differs;
- own draw: torch's, so that the two differ as two seeds of one method do.

Only perceptrons and VGG without normalisation, two models, no split, no augmentation. Needs numpy, scipy, torch,
safetensors. Not part of the build.
"""
import argparse
import json
import os
import sys

import lab
import torch
from torch.func import functional_call
from torch.nn.functional import cross_entropy


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", help="the experiment's --out, with its --keep at OUT/kept")
    parser.add_argument("--data", help="folder of images that the experiment was told; without it the embedded ones")
    return parser.parse_args()


def settings(out):
    try:
        with open(os.path.join(out, "results.json")) as file:
            results = json.load(file)
    except OSError as problem:
        sys.exit(f"{problem}; it is to be the --out of experiment np-merge")
    np = results.get("settings", {})
    if results["experiment"] != "np-merge" or results["models"] != 2 or results["split"] != "none" or results["augmentation"]["flip"]:
        sys.exit(f"{out} is not of experiment np-merge on two models without split and augmentation")
    if (np["form"], np["granularity"]) != ("sigmoid", "parameter") or "np-train" in np:
        sys.exit(f"{out} has another form, granularity or number of samples than this script: {np}")
    usual = {"optimizer": "adam", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "pull": 0, "limit": 15, "initial": []}
    if other := {key: np[key] for key in usual if np.get(key, usual[key]) != usual[key]}:
        sys.exit(f"{out} has other settings than this script: {other}")
    if results["data"]["name"] == "blobs":
        sys.exit(f"{out} is of blobs, which are drawn in Java; take images, or those that lab.py draws")
    return results, np


class Draws:
    """Java's SplittableRandom of a seed and a name, as org.merganser.compute.Seeds derives it."""
    MASK = (1 << 64) - 1

    def __init__(self, seed, name):
        key = 0xcbf29ce484222325
        for byte in name.encode():
            key = (key ^ byte) * 0x100000001b3 & self.MASK
        self.state = self.mixed(self.mixed(seed) ^ key)

    def mixed(self, z):
        z = z + 0x9e3779b97f4a7c15 & self.MASK
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9 & self.MASK
        z = (z ^ z >> 27) * 0x94d049bb133111eb & self.MASK
        return z ^ z >> 31

    def below(self, bound):
        while True:
            self.state = z = self.state + 0x9e3779b97f4a7c15 & self.MASK
            z = (z ^ z >> 33) * 0x62a9d9ed799705f5 & self.MASK
            z = ((z ^ z >> 28) * 0xcb24d0a5c88c35b3 & self.MASK) >> 32
            if bound & bound - 1 == 0:
                return z & bound - 1
            z >>= 1
            if z - z % bound + bound <= 1 << 31:
                return z % bound


class SameDraw:
    """Which samples are held out, and the order of those of an epoch, as the lab draws them."""

    def __init__(self, seed):
        self.seed = seed

    def held(self, count, of):
        draws, held = Draws(self.seed, "held-out"), set()
        while len(held) < count:
            held.add(draws.below(of))
        return torch.tensor(sorted(held))

    def order(self, count, epoch):
        draws, shuffled = Draws(self.seed, f"order/{epoch}"), list(range(count))
        for i in range(count):
            j = draws.below(i + 1)
            shuffled[i], shuffled[j] = shuffled[j], i
        return torch.tensor(shuffled)


class OwnDraw:
    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)

    def held(self, count, of):
        return torch.randperm(of, generator=self.generator)[:count]

    def order(self, count, epoch):
        return torch.randperm(count, generator=self.generator)


def learned(a, c, data, np, draw):
    """The parameters of the least held-out loss."""
    held = draw.held(round(np["held-out"] * len(data.x)), len(data.x))
    seen = torch.ones(len(data.x), dtype=torch.bool).index_fill(0, held, False).nonzero()[:, 0]
    net = lab.network(a)
    z = {name: torch.zeros_like(value, requires_grad=True) for name, value in a.items()}
    adam = torch.optim.Adam(z.values(), lr=np["learning-rate"])
    best, least, since = None, float("inf"), 0
    batches = -(-len(seen) // np["batch"])

    def theta():
        return {name: a[name] * torch.sigmoid(z[name]) + c[name] * torch.sigmoid(-z[name]) for name in a}

    def loss(samples):
        return cross_entropy(functional_call(net, theta(), data.x[samples]), data.y[samples])
    for step in range(np["steps"] + 1):
        if step % np["eval-every"] == 0 or step == np["steps"]:
            with torch.no_grad():
                found = loss(held).item()
                if found < least:
                    best, least, since = theta(), found, 0
                else:
                    since += 1
        if step == np["steps"] or since >= np["patience"]:
            return best
        epoch, within = divmod(step, batches)
        if within == 0:
            order = seen[draw.order(len(seen), epoch)].split(np["batch"])
        adam.zero_grad()
        loss(order[within]).backward()
        adam.step()


def compared(ours, others):
    """Mean of the others, and of ours less them with its 95 % interval."""
    mean, half = lab.interval([one - other for one, other in zip(ours, others)])
    return f"{lab.interval(others)[0]:.2f} | {mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]"


def main():
    options = arguments()
    results, np = settings(options.out)
    pairs = lab.pairs(os.path.join(options.out, "kept"))
    data, off = None, 0
    rows = [row[len("np-merge+"):] for row in results["pairs"][0] if row.startswith("np-merge+")]
    scores = {row: [] for row in rows}
    for k, pair in enumerate(pairs):
        def load(name):
            return lab.load_file(os.path.join(pair, f"{name}.safetensors"))
        a = load("model-0")
        data = data or lab.Images(options.data, results["data"]["train"], isinstance(lab.network(a), lab.Vgg))
        for row in rows:
            average = load(f"merged-average+{row}")
            c = {name: (2 * average[name].double() - a[name].double()).float() for name in a}
            models = [average, load(f"merged-np-merge+{row}")]
            models += [learned(a, c, data, np, draw) for draw in (SameDraw(results["seed"] + k), OwnDraw(k))]
            found = [lab.accuracy(lab.network(model), data) for model in models]
            off = max(off, abs(found[1] - 100 * results["pairs"][k][f"np-merge+{row}"]))
            scores[row].append(found)
    print("| aligner | average | NP Merge | torch, same draw | NP Merge less torch | torch, own draw | "
          "NP Merge less torch |\n|---|---:|---:|---:|---:|---:|---:|")
    for row, found in scores.items():
        average, ours, same, own = zip(*found)
        print(f"| {row} | {lab.interval(average)[0]:.2f} | {lab.interval(ours)[0]:.2f} | {compared(ours, same)} | "
              f"{compared(ours, own)} |")
    for row, found in scores.items():
        print(f"\n{row}, of each pair, same draw: " + ", ".join(f"{each[1] - each[2]:+.2f}" for each in found)
              + "; own draw: " + ", ".join(f"{each[1] - each[3]:+.2f}" for each in found), end="")
    print(f"\n\n{len(pairs)} pairs, {np['steps']} steps at most, batches of {np['batch']}, Adam {np['learning-rate']}, "
          f"{len(data.test)} test images, torch {torch.__version__}.\nAccuracies of NP Merge are those in results.json "
          f"to {off:.3f} points.")


if __name__ == "__main__":
    main()
