#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CCA Merge against the code published with it, on the same checkpoints and images, as rows of a Markdown table.

    git clone https://github.com/shoroi/align-n-merge DIR
    bin/merganser experiment cca-merge --hidden 64 --seeds 10 --out OUT --keep OUT/kept
    python3 benchmarks/peers/published.py OUT/kept --published DIR [--gamma 0.1,1,10] [--samples 6000]

For each pair of models that an experiment kept (perceptrons, or VGG without normalisation on one channel; tell
--data and --train as the experiment was told) and each gamma:

- ours: activations exported as docs/activations.md says, `bin/merganser merge A B --method cca:gamma=G,unit=absolute`;
- theirs: ModelMerge.transform of core/model_merger.py with match_tensors_cca, imported unchanged from DIR; a graph
  for the perceptron is added here, that of VGG11 is theirs;
- a reference of the same formulas in float64, from the same activations.

The table has, of ours less theirs: maps, T Syx and T^-1 Sxy; weights, the merged parameters; and of both less
float64, the merged parameters. Differences are the largest of a tensor by the largest entry of that tensor, and of
all tensors the largest.

Where a feature never fires, or models share no more directions, canonical correlations are 0 and the map is not
determined: every orthogonal completion is one of CCA. Theirs is then what rounding makes of it, ours follows a rule,
and weights say nothing, while T Syx = X^1/2 (K K^T)^1/2 X^1/2, K = X^-1/2 Sxy Y^-1/2, still does. The column of the least
correlation shows it. `lab.py DIR` draws data whose perceptrons have little of this.

Gamma is theirs: added to covariances that are divided by the number of samples, the same for both models; that is
unit=absolute here, while our gamma alone is relative to the mean variance of each model.

Their code is not part of this project (it has no licence). Packages that it imports and that this does not come to use
(fvcore, clip, ot, ...) are replaced by empty ones, and `matching_functions`, which it imports by a name that is not in
its tree, by core.matching_functions. Needs numpy, scipy, torch, safetensors, networkx. Not part of the build.
"""
import argparse
import contextlib
import importlib
import io
import json
import os
import subprocess
import sys
import tempfile
import types
import warnings
from unittest import mock

import lab  # before numpy: it sets the threads
import numpy as np
import torch

DETERMINED = 1e-6  # below it our map is completed by a rule
NOT_USED = {"clip", "einops", "fvcore", "matplotlib", "ot", "sklearn", "torchvision", "yaml"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kept", help="what --keep of an experiment named")
    parser.add_argument("--published", required=True, metavar="DIR", help="a checkout of align-n-merge")
    parser.add_argument("--data", help="folder of IDX files; without it the embedded images")
    parser.add_argument("--train", type=int, default=6000, help="images that models were trained on")
    parser.add_argument("--samples", type=int, help="training images for the statistics (6000; VGG: 500)")
    parser.add_argument("--gamma", default="0.1,1,10", help="absolute, by commas; 1 is the default of their program")
    return parser.parse_args()


# ---- Theirs ----

def published(folder):
    """Modules of the checkout: its merger, its matching functions, its graphs."""
    if not os.path.exists(os.path.join(folder, "core", "model_merger.py")):
        sys.exit(f"{folder} has no core/model_merger.py; it is to be a checkout of github.com/shoroi/align-n-merge")
    sys.path.insert(0, folder)
    sys.modules["tqdm"] = types.ModuleType("tqdm")
    sys.modules["tqdm.auto"] = types.SimpleNamespace(tqdm=lambda items, **_: items)

    def load(name):
        while True:
            try:
                return importlib.import_module(name)
            except ModuleNotFoundError as problem:
                if problem.name.split(".")[0] not in NOT_USED:
                    sys.exit(f"{problem}, which the published code needs")
                sys.modules[problem.name] = mock.MagicMock()
    sys.modules["matching_functions"] = load("core.matching_functions")
    return load("core.model_merger"), sys.modules["matching_functions"], load("graphs.base_graph"), load(
        "graphs.vgg_graph")


def graph(net, base, vgg):
    if isinstance(net, lab.Vgg):
        if len(net.spaces) != 8:
            sys.exit(f"a VGG of {len(net.spaces)} convolutions; the graph is that of VGG11")
        return vgg.vgg11(net).graphify()

    class Perceptron(base.BIGGraph):
        def graphify(self):
            nodes = []
            for name, _ in net.named_children():
                nodes += [name, base.NodeType.PREFIX] if name.startswith("relu") else [name]
            start = self.create_node(node_type=base.NodeType.INPUT)
            self.add_nodes_from_sequence("", nodes + [base.NodeType.OUTPUT], start, sep="")
            return self
    return Perceptron(net).graphify()


def theirs(modules, states, x, gamma):
    """The merged parameters, and {space: (T, T^-1)} of the second model."""
    merger, matching, base, vgg = modules
    graphs = [graph(lab.network(state), base, vgg) for state in states]
    merged = lab.network(states[0])
    loaders = [[(batch, None) for batch in x.split(500)]]  # a list stands for several
    with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of CUDA, which they ask for and this does not need
        whole = merger.ModelMerge(*graphs, device="cpu")
        whole.transform(merged, loaders, transform_fn=matching.match_tensors_cca, gamma=gamma)
    spaces = {space: (whole.merges[node][1].double(), whole.unmerges[node][1].double())
              for space, node in zip(merged.spaces, sorted(whole.merges))}
    return merged.state_dict(), spaces


# ---- Ours ----

def activations(net, x):
    """{space: [samples x features (x positions)]}"""
    parts = {space: [] for space in net.spaces}
    hooks = [module.register_forward_hook(lambda m, args, out, space=space: parts[space].append(out.numpy()))
             for space, module in net.spaces.items()]
    lab.predictions(net, x)
    for hook in hooks:
        hook.remove()
    return {space: np.concatenate(each) for space, each in parts.items()}


def readers(net):
    """Layers in order, each with the one that reads it."""
    layers = [name for name, module in net.named_modules() if hasattr(module, "weight")]
    return list(zip(layers, layers[1:]))


def architecture(net):
    def binding(tensor, axis, role):
        return {"tensor": tensor, "axis": axis, "role": role}
    return {"spaces": [
        {"id": layer, "width": len(net.get_submodule(layer).bias), "exact": "scaled-permutation", "bindings": [
            binding(f"{layer}.weight", 0, "weight-out"), binding(f"{layer}.bias", 0, "bias"),
            binding(f"{reader}.weight", 1, "weight-in")]} for layer, reader in readers(net)], "counters": []}


def ours(paths, net, folder, gamma):
    """The same of ours."""
    description = os.path.join(folder, "architecture.json")
    with open(description, "w") as file:
        json.dump(architecture(net), file)
    for command, out in (("align", "maps.mgalign"), ("merge", "merged.safetensors")):
        command = [os.path.join(lab.ROOT, "bin/merganser"), command, *paths, "--method",
                   f"cca:gamma={gamma},unit=absolute", "--architecture", description, "--threads", "1", "--activations-a",
                   os.path.join(folder, "0"), "--activations-b", os.path.join(folder, "1"), "-o",
                   os.path.join(folder, out)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stderr}")
    maps, merged = (lab.load_file(os.path.join(folder, name)) for name in ("maps.mgalign", "merged.safetensors"))
    return merged, {space: (maps[f"{space}/map"], maps[f"{space}/inverse"]) for space in net.spaces}


# ---- The same formulas in float64 ----

def root(s, power):
    values, vectors = np.linalg.eigh(s)
    return vectors * values ** power @ vectors.T


def reference(states, acts, net, gamma):
    """The merged parameters; {space: Syx}; and the least canonical correlation of all spaces."""
    cross, least = {}, 1
    a, b = ({name: value.double().numpy() for name, value in state.items()} for state in states)
    for layer, reader in readers(net):
        x, y = ((lambda h: h - h.mean(0))(np.moveaxis(each[layer], 1, -1).reshape(-1, each[layer].shape[1])
                                          .astype(np.float64)) for each in acts)
        ridge = gamma * np.eye(x.shape[1])
        sxx, syy = x.T @ x / len(x) + ridge, y.T @ y / len(y) + ridge
        u, correlations, vt = np.linalg.svd(root(sxx, -0.5) @ (x.T @ y / len(x)) @ root(syy, -0.5))
        least = min(least, correlations[-1])
        t, inverse = root(sxx, 0.5) @ u @ vt @ root(syy, -0.5), root(syy, 0.5) @ vt.T @ u.T @ root(sxx, -0.5)
        cross[layer] = torch.from_numpy(y.T @ x / len(x))
        b[f"{layer}.weight"] = np.tensordot(t, b[f"{layer}.weight"], 1)
        b[f"{layer}.bias"] = t @ b[f"{layer}.bias"]
        b[f"{reader}.weight"] = np.einsum("oi...,iu->ou...", b[f"{reader}.weight"], inverse)
    return {name: torch.from_numpy((a[name] + b[name]) / 2) for name in a}, cross, least


# ---- Comparison ----

def off(one, other):
    assert one.keys() == other.keys()
    return max(((one[name].double() - other[name].double()).abs().max() / other[name].double().abs().max()).item()
               for name in one)


def correlated(maps, cross):
    """T Syx and T^-1 Sxy, which do not depend on how the maps were completed where nothing correlates."""
    products = {}
    for space, (t, inverse) in maps.items():
        products[space, "T"], products[space, "T^-1"] = t @ cross[space], inverse @ cross[space].T
    return products


def main():
    options = arguments()
    gammas = [float(each) for each in options.gamma.split(",")]
    modules = published(options.published)
    data, runs = None, []
    print("| pair | gamma | least correlation | maps | weights | ours - float64 | theirs - float64 | accuracy, ours | "
          "theirs | predictions that differ |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for pair in lab.pairs(options.kept):
        paths = [os.path.join(pair, f"model-{k}.safetensors") for k in range(2)]
        states = [lab.load_file(path) for path in paths]
        nets = [lab.network(state) for state in states]
        planes = isinstance(nets[0], lab.Vgg)
        data = data or lab.Images(options.data, options.train, planes)
        x = data.x[:options.samples or (500 if planes else 6000)]
        with tempfile.TemporaryDirectory() as folder:
            acts = [activations(net, x) for net in nets]
            for k, each in enumerate(acts):
                os.mkdir(os.path.join(folder, str(k)))
                for space, values in each.items():
                    np.save(os.path.join(folder, str(k), f"{space}.npy"), values)
            for gamma in gammas:
                found, found_maps = ours(paths, nets[0], folder, gamma)
                peer, peer_maps = theirs(modules, states, x, gamma)
                exact, cross, least = reference(states, acts, nets[0], gamma)
                maps = off(correlated(found_maps, cross), correlated(peer_maps, cross))
                both = [lab.network(each) for each in (found, peer)]
                scores = [lab.accuracy(net, data) for net in both]
                differ = lab.predictions(both[0], data.test).ne(lab.predictions(both[1], data.test)).sum().item()
                runs.append((least, off(found, peer), gamma, scores[0] - scores[1], differ, maps))
                print(f"| {os.path.basename(pair)[5:]} | {gamma:g} | {least:.0e} | {maps:.1e} | "
                      f"{off(found, peer):.1e} | {off(found, exact):.1e} | {off(peer, exact):.1e} | "
                      f"{scores[0]:.2f} | {scores[1]:.2f} | {differ} of {len(data.test)} |", flush=True)
    known = [run for run in runs if run[0] > DETERMINED]
    print(f"\ntorch {torch.__version__}, numpy {np.__version__}, {len(x)} images for the statistics.")
    print(f"Maps differ by {max(run[5] for run in runs):.1e} at most.")
    print(f"{len(known)} of {len(runs)} merges are determined (least correlation above {DETERMINED:g}).")
    if known:
        print(f"Weights differ there by {max(run[1] for run in known):.1e} at most, "
              f"and in {sum(run[4] for run in known)} of {len(known) * len(data.test)} predictions.")
    for gamma in gammas:
        mean, half = lab.interval([run[3] for run in runs if run[2] == gamma])
        print(f"Accuracy of ours less theirs, gamma {gamma:g}, all pairs: {mean:+.2f} "
              f"[{mean - half:+.2f}, {mean + half:+.2f}]")


if __name__ == "__main__":
    main()
