# SPDX-License-Identifier: Apache-2.0
"""The lab's images and networks in torch, for published.py and np_merge.py.

    python3 benchmarks/peers/lab.py DIR

draws data for `bin/merganser experiment ... --data DIR`: 30 Gaussian blobs in R^8 of 10 classes, seen as 8 x 8 images
through `tanh(z A) B` and noise. Perceptrons trained on them have few silent features, those of Fashion-MNIST do.
"""
import gzip
import os
import re
import sys
from collections import OrderedDict

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
try:
    import numpy as np
    import torch
    from safetensors.torch import load_file
except ImportError as problem:
    sys.exit(f"{problem}: pip install numpy torch safetensors")

torch.set_num_threads(1)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EMBEDDED = os.path.join(ROOT, "java/lab/src/main/resources/org/merganser/lab/fashion-mnist")


def idx(folder, name, count=None):
    path = os.path.join(folder, name)
    opener = open if os.path.exists(path) else gzip.open
    with opener(path if opener is open else path + ".gz", "rb") as file:
        data = file.read()
    shape = np.frombuffer(data, ">u4", data[3], 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)[:count]


def npy(folder, name, count=None):
    return np.load(os.path.join(folder, f"{name}.npy"))[:count]


def draw(folder, train=8000, test=4000):
    rng = np.random.default_rng(0)
    blob = rng.integers(0, 30, train + test)
    z = 2.2 * rng.standard_normal((30, 8))[blob] + rng.standard_normal((train + test, 8))
    x = np.tanh(z @ rng.standard_normal((8, 64)) / 8 ** 0.5) @ rng.standard_normal((64, 64)) / 8
    x += 0.3 * rng.standard_normal(x.shape)
    pixels = np.clip(128 + 36 * x, 0, 255).astype(np.uint8).reshape(-1, 8, 8)
    os.makedirs(folder, exist_ok=True)
    for part, rows in (("train", slice(train)), ("test", slice(train, None))):
        np.save(os.path.join(folder, f"{part}-images.npy"), pixels[rows])
        np.save(os.path.join(folder, f"{part}-labels.npy"), (blob[rows] % 10).astype(np.int64))


class Images:
    """The embedded ones, or a folder of IDX files or of grey images in NumPy files. Standardised by the training
    images used; as planes: padded to 32 x 32 before, as the lab does."""

    def __init__(self, folder, train, planes):
        folder = folder or EMBEDDED
        names = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte", "train-labels-idx1-ubyte",
                 "t10k-labels-idx1-ubyte")
        read = idx
        if os.path.exists(os.path.join(folder, "train-images.npy")):
            names, read = ("train-images", "test-images", "train-labels", "test-labels"), npy
        try:
            x, test, y, test_y = (read(folder, name, count) for name, count in zip(names, (train, None) * 2))
        except OSError as problem:
            sys.exit(f"{folder} is no folder of IDX or NumPy images: {problem}")
        if planes:
            sides = [((32 - side) // 2, (33 - side) // 2) for side in x.shape[1:]]
            x, test = (np.pad(each, ((0, 0), *sides))[:, None] for each in (x, test))
        pixels = x.astype(np.float64) / 255
        mean, sd = pixels.mean(), pixels.std()

        def scaled(bytes_):
            values = torch.from_numpy(((bytes_ / 255.0 - mean) / sd).astype(np.float32))
            return values if planes else values.flatten(1)
        self.x, self.test = scaled(x), scaled(test)
        self.y, self.test_y = (torch.from_numpy(each.astype(np.int64)) for each in (y, test_y))


class Vgg(torch.nn.Module):
    """features.N and classifier, as in torchvision: a gap of 3 between convolutions has a pooling."""

    def __init__(self, state):
        super().__init__()
        at = sorted(int(name.split(".")[1]) for name in state if re.fullmatch(r"features\.\d+\.weight", name))
        layers = []
        for index, following in zip(at, at[1:] + [at[-1] + 3]):
            out, into = state[f"features.{index}.weight"].shape[:2]
            layers += [torch.nn.Conv2d(into, out, 3, padding=1), torch.nn.ReLU()]
            layers += [torch.nn.MaxPool2d(2)] * (following - index == 3)
        self.features = torch.nn.Sequential(*layers, torch.nn.AvgPool2d(1))
        self.classifier = torch.nn.Linear(*reversed(state["classifier.weight"].shape))
        self.spaces = {f"features.{index}": self.features[index + 1] for index in at}

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class Perceptron(torch.nn.Sequential):
    """fc1, fc2, ... with ReLU between."""

    def __init__(self, state):
        layers = OrderedDict()
        depth = len(state) // 2
        for k in range(1, depth + 1):
            layers[f"fc{k}"] = torch.nn.Linear(*reversed(state[f"fc{k}.weight"].shape))
            if k < depth:
                layers[f"relu{k}"] = torch.nn.ReLU()
        super().__init__(layers)
        self.spaces = {f"fc{k}": layers[f"relu{k}"] for k in range(1, depth)}


def network(state):
    """The network that a state of parameters belongs to; spaces: {id: module whose output is the space}."""
    try:
        net = (Vgg if "classifier.weight" in state else Perceptron)(state)
        net.load_state_dict(state)
    except (KeyError, ValueError, RuntimeError) as problem:
        sys.exit(f"neither a perceptron nor a VGG without normalisation: {problem}")
    return net.eval()


def predictions(net, x):
    with torch.no_grad():
        return torch.cat([net(batch).argmax(1) for batch in x.split(500)])


def accuracy(net, data):
    """On test images, in percent."""
    return 100 * (predictions(net, data.test) == data.test_y).double().mean().item()


def pairs(kept):
    """Folders pair-0, pair-1, ... that an experiment kept."""
    found = [each for each in os.listdir(kept) if re.fullmatch(r"pair-\d+", each)] if os.path.isdir(kept) else []
    if not found:
        sys.exit(f"{kept} has no folder pair-0; an experiment with --keep {kept} writes them")
    return [os.path.join(kept, each) for each in sorted(found, key=lambda name: int(name[5:]))]


def interval(values):
    """Mean, and the half width of its 95 % interval (Student t)."""
    try:
        from scipy.stats import t
    except ImportError as problem:
        sys.exit(f"{problem}: pip install scipy")
    values = np.asarray(values, float)
    n = len(values)
    return values.mean(), t.ppf(0.975, n - 1) * values.std(ddof=1) / n ** 0.5 if n > 1 else float("nan")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    draw(sys.argv[1])
