#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The synthetic undertraining study in numpy alone, gradients by hand, with draws of its own: rows of Markdown tables.

    python3 benchmarks/peers/undertraining.py [--seeds 5] [--form lora]

Tasks, network, base, rates, batches, schedule, grid and early stopping are those of `merganser experiment undertraining`
(docs/results/undertraining.md); no number of it is read, and the tasks are other draws, so that what agrees is the shape of
the curves. Test accuracy in percent, mean over tasks and seeds: experts, the plain average, task arithmetic (TA) at lambda 0.3
and at the best of a grid, TIES that keeps 20 % of each tensor, at the best of a grid; the best by held-out accuracy.
"""
import argparse

import numpy as np

TASKS, FEATURES, WIDTH, CLASSES = 6, 48, 192, 8
BASE_STEPS, LONGEST, BATCH, RANK = 150, 2048, 64, 4
RATES = {"full": 1e-3, "lora": 3e-3}
LAMBDAS = {"TA": (.02, .05, .1, .2, .3, .4, .5, .7, 1), "TIES": (.1, .25, .5, 1, 1.5, 2, 3)}
SIZES = {"pretraining": 1000, "train": 1000, "held-out": 500, "test": 2000}
BODY = ("W1", "b1", "W2", "b2")


def teacher(random):
    a, b = random.normal(0, FEATURES ** -.5, (FEATURES, FEATURES)), random.normal(0, FEATURES ** -.5, (FEATURES, CLASSES))
    return lambda x: np.tanh(1.5 * x @ a) @ b


def tasks(random, noise):
    shared, drawn = teacher(random), []
    for _ in range(TASKS):
        own, mean, task = teacher(random), random.normal(0, .5, FEATURES), {}
        for part, size in SIZES.items():
            x = mean + random.normal(size=(size, FEATURES))
            task[part] = [x.astype(np.float32), (shared(x) + own(x)).argmax(1)]
        labels = task["train"][1]
        wrong = random.permutation(len(labels))[: round(noise * len(labels))]
        labels[wrong] = (labels[wrong] + random.integers(1, CLASSES, len(wrong))) % CLASSES
        drawn.append(task)
    return drawn


def forward(p, x):
    h1 = np.maximum(x @ p["W1"].T + p["b1"], 0)
    h2 = np.maximum(h1 @ p["W2"].T + p["b2"], 0)
    return h1, h2, h2 @ p["W3"].T + p["b3"]


def accuracy(p, data):
    return (forward(p, data[0])[2].argmax(1) == data[1]).mean()


def gradients(p, x, y):
    """Of the mean cross-entropy."""
    h1, h2, z = forward(p, x)
    d = np.exp(z - z.max(1, keepdims=True))
    d /= d.sum(1, keepdims=True)
    d[np.arange(len(y)), y] -= 1
    d /= len(y)
    g = {"W3": d.T @ h2, "b3": d.sum(0)}
    d = d @ p["W3"] * (h2 > 0)
    g.update(W2=d.T @ h1, b2=d.sum(0))
    d = d @ p["W2"] * (h1 > 0)
    g.update(W1=d.T @ x, b1=d.sum(0))
    return g


class Adam:
    def __init__(self, parameters):
        self.parameters, self.t = parameters, 0
        self.m = {n: np.zeros_like(p) for n, p in parameters.items()}
        self.v = {n: np.zeros_like(p) for n, p in parameters.items()}

    def step(self, gradient, rate):
        self.t += 1
        for n, p in self.parameters.items():
            g = gradient[n]
            self.m[n] += .1 * (g - self.m[n])
            self.v[n] += .001 * (g * g - self.v[n])
            p -= rate * self.m[n] / (1 - .9 ** self.t) / (np.sqrt(self.v[n] / (1 - .999 ** self.t)) + 1e-8)


def batches(data, random):
    while True:
        order = random.permutation(len(data[1]))
        for start in range(0, len(order), BATCH):
            some = order[start:start + BATCH]
            yield data[0][some], data[1][some]


def base(drawn, random):
    """One network for all tasks but for the last layers, trained on all together."""
    def he(out, width):
        return random.normal(0, (2 / width) ** .5, (out, width)).astype(np.float32)

    def zeros(n):
        return np.zeros(n, np.float32)
    body = {"W1": he(WIDTH, FEATURES), "b1": zeros(WIDTH), "W2": he(WIDTH, WIDTH), "b2": zeros(WIDTH)}
    heads = [{"W3": he(CLASSES, WIDTH), "b3": zeros(CLASSES)} for _ in drawn]
    each = [batches(task["pretraining"], random) for task in drawn]
    moving = Adam({**body, **{(n, t): p for t, head in enumerate(heads) for n, p in head.items()}})
    for _ in range(BASE_STEPS):
        found = [gradients({**body, **head}, *next(order)) for head, order in zip(heads, each)]
        mean = {n: sum(g[n] for g in found) / TASKS for n in BODY}
        mean.update({(n, t): g[n] / TASKS for t, g in enumerate(found) for n in ("W3", "b3")})
        moving.step(mean, RATES["full"])
    return body, heads


class Expert:
    """What is learned of a body, in whole or by adapters W + B A."""
    def __init__(self, body, head, form, random):
        self.body, self.head, self.form = body, head, form
        if form == "full":
            self.learned = {n: p.copy() for n, p in body.items()}
        else:
            self.learned = {}
            for w in ("W1", "W2"):
                out, width = body[w].shape
                self.learned["A" + w] = random.uniform(-1, 1, (RANK, width)).astype(np.float32) * width ** -.5
                self.learned["B" + w] = np.zeros((out, RANK), np.float32)
        self.adam = Adam(self.learned)

    def model(self):
        if self.form == "full":
            return {n: p.copy() for n, p in self.learned.items()}
        return {n: p + self.learned["B" + n] @ self.learned["A" + n] if n[0] == "W" else p for n, p in self.body.items()}

    def step(self, x, y, rate):
        g = gradients({**self.model(), **self.head}, x, y)
        if self.form == "lora":
            g = {k + w: v for w in ("W1", "W2")
                 for k, v in (("A", self.learned["B" + w].T @ g[w]), ("B", g[w] @ self.learned["A" + w].T))}
        self.adam.step(g, rate)


def grid(body, head, task, form, order, random):
    """Models after 4, 8, ... steps of one run along half a cosine."""
    expert, kept = Expert(body, head, form, random), {}
    for step in range(LONGEST):
        expert.step(*next(order), RATES[form] * .5 * (1 + np.cos(np.pi * step / LONGEST)))
        made = step + 1
        if made >= 4 and made & (made - 1) == 0:
            kept[made] = expert.model()
    return kept


def stopped(body, head, task, form, order, random):
    """Held-out accuracy every 5 steps, not before the first, half the rate after 3 without improvement, the end at the third time."""
    expert, best, kept, at, waited, reductions = Expert(body, head, form, random), -1, None, 0, 0, 0
    for step in range(LONGEST + 1):
        if step and (step % 5 == 0 or step == LONGEST):
            now = accuracy({**expert.model(), **head}, task["held-out"])
            if now > best:
                best, kept, at, waited = now, expert.model(), step, 0
            else:
                waited += 1
                if waited == 3:
                    waited, reductions = 0, reductions + 1
            if reductions == 3 or step == LONGEST:
                return kept, at
        expert.step(*next(order), RATES[form] * min(1, (step + 1) / 10) * .5 ** reductions)


def trimmed(d):
    keep = int(.2 * d.size)
    order = np.argsort(-np.abs(d), axis=None, kind="stable")[:keep]
    out = np.zeros(d.size, d.dtype)
    out[order] = d.ravel()[order]
    return out.reshape(d.shape)


def merged(body, models, heads, drawn):
    """Test accuracies by method."""
    deltas = {n: np.stack([m[n] - body[n] for m in models]) for n in BODY}
    total = {n: d.sum(0) for n, d in deltas.items()}
    ties = {}
    for n, d in deltas.items():
        d = np.stack([trimmed(one) for one in d])
        agree = (np.sign(d) == np.where(d.sum(0) >= 0, 1, -1)) & (d != 0)
        ties[n] = (d * agree).sum(0) / np.maximum(agree.sum(0), 1)

    def mean(direction, scale, part):
        p = {n: body[n] + np.float32(scale) * direction[n] for n in BODY}
        return np.mean([accuracy({**p, **head}, task[part]) for head, task in zip(heads, drawn)])

    found = {"average": mean(total, 1 / TASKS, "test"), "TA .3": mean(total, .3, "test")}
    for name, direction in (("TA", total), ("TIES", ties)):
        best = max(LAMBDAS[name], key=lambda scale: mean(direction, scale, "held-out"))
        found[name], found["lambda " + name] = mean(direction, best, "test"), best
    return found


def study(seed, noise, form):
    random = np.random.default_rng([seed, round(100 * noise), form == "lora"])
    drawn = tasks(random, noise)
    body, heads = base(drawn, random)
    experts, ended = [], []
    for task, head in zip(drawn, heads):
        experts.append(grid(body, head, task, form, batches(task["train"], random), random))
        ended.append(stopped(body, head, task, form, batches(task["train"], random), random))
    lengths = {steps: ([e[steps] for e in experts], steps) for steps in experts[0]}
    lengths["stopped"] = [m for m, _ in ended], np.mean([at for _, at in ended])
    rows = {"base": {"steps": 0, "experts": np.mean([accuracy({**body, **h}, t["test"]) for h, t in zip(heads, drawn)])}}
    for name, (models, steps) in lengths.items():
        own = np.mean([accuracy({**m, **h}, t["test"]) for m, h, t in zip(models, heads, drawn)])
        rows[name] = {"steps": steps, "experts": own, **merged(body, models, heads, drawn)}
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--form", choices=list(RATES), default="lora")
    parser.add_argument("--noise", type=float, nargs="+", default=[0, .2], help="parts of wrong labels")
    wanted = parser.parse_args()
    for noise in wanted.noise:
        found = [study(seed, noise, wanted.form) for seed in range(wanted.seeds)]
        columns = list(found[0][4])
        print(f"{wanted.form}, {round(100 * noise)} % wrong labels, {wanted.seeds} seeds\n")
        print("| | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|")
        for row in found[0]:
            cells = []
            for c in columns:
                values = [one[row][c] for one in found if c in one[row]]
                percent = c != "steps" and not c.startswith("lambda")
                cells.append(f"{(100 if percent else 1) * np.mean(values):.{1 if percent else 0 if c == 'steps' else 2}f}" if values else "")
            print(f"| {row} | " + " | ".join(cells) + " |", flush=True)
        print()


if __name__ == "__main__":
    main()
