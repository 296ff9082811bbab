#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kernels against scipy, numpy and torch: same inputs, same threads, one run, as rows of a Markdown table.

    mvn -DskipTests package
    python3 benchmarks/peers/peers.py [--short] [--only assignment,np] [--threads 1] [-r 7] [--most 20] [--out table.md]

Starts org.merganser.benchmarks.Ours from benchmarks/target/benchmarks.jar, hands it the inputs as .npy files, compares
its results with the peer's, and lets the two take turns, -r times; limits (a product, bandwidth, a read) are run by our
side in the same turns. Peers write to arrays that exist and have been written to. Times are medians. One thread: the
ratio is that of CPU times, which a busy host disturbs less; more threads: of wall times. A peer that takes longer than
--most seconds runs once. Needs numpy; rows whose package is missing are left out, with a line that says so. Not part of
the build.

Variables that hold a peer to older kernels are unset for both sides; the core that each runs on is printed, and nothing
is compared while one of them is below the processor.
"""
import argparse
import ctypes
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--short", action="store_true", help="smaller inputs: does it work")
    parser.add_argument("--only", default="", help="kernels that contain one of these, by commas")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-r", type=int, default=7, help="turns")
    parser.add_argument("--most", type=float, default=20, help="seconds of a peer after which one run is enough")
    parser.add_argument("--out", help="a file for the table, besides the terminal")
    parser.add_argument("--jar", default=os.path.join(ROOT, "benchmarks/target/benchmarks.jar"), help="or a class path")
    return parser.parse_args()


OPTIONS = arguments()
# Read when the libraries are loaded, here and by our side, which inherits them.
HOLDING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR", "ATEN_CPU_CAPABILITY")
UNSET = [f"{variable}={os.environ.pop(variable)}" for variable in HOLDING if variable in os.environ]
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(OPTIONS.threads)
try:
    import numpy as np
except ImportError:
    sys.exit("numpy is missing: pip install numpy scipy torch")


def optional(name):
    try:
        return __import__(name, fromlist=["optimize"])
    except ImportError as problem:
        print(f"{name} is missing ({problem}): its rows are left out; pip install {name.split('.')[0]}", file=sys.stderr)
        return None


scipy_optimize = optional("scipy.optimize")
torch = optional("torch")
if torch:
    torch.set_num_threads(OPTIONS.threads)
    torch.set_grad_enabled(False)


# ---- What each side runs on ----

LEVELS = {"avx512": 2, "skylakex": 2, "cooperlake": 2, "sapphirerapids": 2, "avx2": 1, "haswell": 1, "zen": 1,
          "excavator": 1}


def level(core):
    """2: AVX-512, 1: AVX2, 0: older."""
    return LEVELS.get(core.lower(), 0)


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            flags = set(re.search(r"^flags\s*:(.*)$", file.read(), re.MULTILINE).group(1).split())
    except (OSError, AttributeError):
        sys.exit("/proc/cpuinfo does not tell what this processor has, so no peer can be shown to be at its best")
    if {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd"} <= flags:
        return "avx512"
    return "avx2" if {"avx2", "fma"} <= flags else "older"


def openblas_cores():
    """Of every OpenBLAS in this process, by the name of its library."""
    with open("/proc/self/maps") as file:
        paths = sorted({line.split()[-1] for line in file if "openblas" in line and ".so" in line})
    cores = {}
    for path in paths:
        library = ctypes.CDLL(path)
        for name in ("scipy_openblas_get_corename64_", "scipy_openblas_get_corename", "openblas_get_corename64_",
                     "openblas_get_corename"):
            get = getattr(library, name, None)
            if get:
                get.restype = ctypes.c_char_p
                cores[os.path.basename(path)] = get().decode()
                break
    return cores


def peer_cores():
    cores = openblas_cores()
    if torch:
        cores["torch"] = torch.backends.cpu.get_cpu_capability()
    return cores


def refuse_held_back(cores, has):
    """A ratio to a peer below the processor would flatter."""
    for name, core in cores.items():
        if level(core) < level(has):
            sys.exit(f"no ratios: {name} runs on {core}, this processor has {has}")


class Ours:
    """The Java side: one request a line, one line of answer."""

    def __init__(self, folder):
        if not all(os.path.exists(each) for each in OPTIONS.jar.split(os.pathsep)):
            sys.exit(f"no {OPTIONS.jar}: mvn -DskipTests package")
        self.folder = folder
        self.process = subprocess.Popen(
            ["java", "-cp", OPTIONS.jar, "org.merganser.benchmarks.Ours", str(OPTIONS.threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def ask(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        if not answer or answer.startswith("error"):
            raise RuntimeError(f"{line.split(' ')[0]}: {answer or 'our side has ended'}")
        return answer

    def open(self, kernel, arrays, **values):
        words = [f"{name}={value}" for name, value in values.items()]
        for name, array in arrays.items():
            path = os.path.join(self.folder, name + ".npy")
            np.save(path, array)
            words.append(f"{name}={path}")
        self.ask(" ".join(["open", kernel, *words]))
        for name in arrays:
            os.remove(os.path.join(self.folder, name + ".npy"))

    def run(self):
        wall, cpu = map(float, self.ask("time").split())
        return wall, cpu

    def result(self):
        path = os.path.join(self.folder, "result.npy")
        self.ask("save " + path)
        return np.load(path)


@dataclass
class Peer:
    """A name, what it runs, and the ratio that is wanted (None: none was set)."""
    name: str
    run: object
    target: object = None


@dataclass
class Case:
    """One kernel on one input. work: bytes or operations; limits: rows against our own measure of the machine."""
    kernel: str
    size: str
    ours: str
    arrays: dict
    values: dict
    peers: list
    tolerance: float
    work: float
    unit: str = "GB/s"
    limit: tuple = ()        # kernel of Ours, its values, its work
    target: object = None    # share of the limit, or a rate
    compare: object = field(default=lambda ours, peer: np.abs(ours - peer).max() / np.abs(peer).max())


# ---- Inputs ----

def correlation(rng, n, samples, signal):
    x = rng.standard_normal((n, samples))
    y = signal * x[rng.permutation(n)] + rng.standard_normal((n, samples))
    for each in (x, y):
        each -= each.mean(1, keepdims=True)
        each /= np.linalg.norm(each, axis=1, keepdims=True)
    return -(x @ y.T)


def dead_blocks(rng, n):
    cost = correlation(rng, n, 512, 0.1)
    cost[rng.permutation(n)[: n // 5]] = 0
    cost[:, rng.permutation(n)[: n // 5]] = 0
    return cost


def euclidean(rng, n):
    a, b = rng.random((n, 2)), rng.random((n, 2))
    return np.sqrt((a[:, None, 0] - b[None, :, 0]) ** 2 + (a[:, None, 1] - b[None, :, 1]) ** 2)


COSTS = {
    "uniform": lambda rng, n: rng.random((n, n)),
    "planted-1": lambda rng, n: correlation(rng, n, 512, 1),
    "planted-0.25": lambda rng, n: correlation(rng, n, 512, 0.25),
    "planted-0.1": lambda rng, n: correlation(rng, n, 512, 0.1),
    "correlation": lambda rng, n: correlation(rng, n, 512, 0),
    "low-rank": lambda rng, n: correlation(rng, n, 16, 0.3),
    "ties": lambda rng, n: rng.integers(0, 10, (n, n)),
    "euclidean": euclidean,
    "dead-blocks": dead_blocks,
    "rank-one": lambda rng, n: np.outer(rng.random(n), rng.random(n)),
}
ASSIGNMENT_TARGETS = {
    (4096, "correlation"): 10, (4096, "uniform"): 20, (4096, "planted-1"): 12, (1024, "correlation"): 5,
    (4096, "ties"): 2, (4096, "euclidean"): 4,
}


def covariances(n):
    """Of x and y = x M + noise, 4 n samples: canonical correlations spread over (0, 1)."""
    rng = np.random.default_rng(n)
    x = rng.standard_normal((4 * n, n))
    y = x @ rng.standard_normal((n, n)) + 0.5 * np.sqrt(n) * rng.standard_normal((4 * n, n))
    return x.T @ x / len(x), y.T @ y / len(x), x.T @ y / len(x)


def bf16(array):
    """Bits, rounded to nearest even."""
    bits = array.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def unbf16(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def torch_bf16(bits):
    return torch.from_numpy(bits.view(np.int16)).view(torch.bfloat16)


# ---- Kernels: each yields cases, so that one at a time is in memory ----

def assignment():
    sizes = [256] if OPTIONS.short else [1024, 4096, 8192]
    for n in sizes:
        for name, make in COSTS.items():
            if n >= 4096 and name == "rank-one":
                continue  # four minutes of scipy; n = 1024 shows the same
            if n == 8192 and name not in ("uniform", "planted-1", "correlation"):
                continue  # half a minute of scipy each, with the ratios of 4096
            cost = np.ascontiguousarray(make(np.random.default_rng(n), n), dtype=np.float32)

            def value(columns):
                return cost[np.arange(n), np.asarray(columns, np.int64)].astype(np.float64).sum()

            peers = []
            if scipy_optimize:
                target = ASSIGNMENT_TARGETS.get((n, name))
                solve = scipy_optimize.linear_sum_assignment
                peers = [Peer("scipy", lambda: solve(cost)[1], target)]
            yield Case(f"assignment, {name}", f"n={n}", "assignment", {"cost": cost}, {}, peers, 1e-9, 4.0 * n * n,
                       limit=("read", {"x": cost}, {}, 4.0 * n * n),
                       compare=lambda ours, peer: abs(value(ours) - value(peer)) / max(1, abs(value(peer))))


def moments():
    d, n = (128, 5000) if OPTIONS.short else (512, 50000)
    rng = np.random.default_rng(d)
    x = (rng.standard_normal((n, d)) + 1).astype(np.float32)
    y = (0.5 * x + rng.standard_normal((n, d))).astype(np.float32)
    for precision, target in (("MIXED", 2.3), ("F64", 2.0)):
        dtype = np.float64 if precision == "F64" else np.float32
        peers = []
        if torch:
            peers.append(Peer("torch, concatenated batches", concatenated(x, y, dtype), target))
        peers.append(Peer("numpy, centred", centred(x, y, dtype), 1.1 if precision == "MIXED" else None))
        yield Case(f"moments, {precision}", f"d={d} n={n}", "moments", {"x": x, "y": y}, {"precision": precision}, peers,
                   1e-4, 4.0 * n * d * d, "GFLOP/s",
                   limit=product_limit("F64" if precision == "F64" else "F32"), target=0.92)


def product_limit(precision):
    n = 256 if OPTIONS.short else 2048
    return "gemm", {}, {"n": n, "precision": precision}, 2.0 * n ** 3


def concatenated(x, y, dtype, batch=1000):
    """Published codes' way: sums and the full product of the concatenated features, batch by batch."""
    d = x.shape[1]
    kind = torch.float64 if dtype == np.float64 else torch.float32
    left, right = torch.from_numpy(x), torch.from_numpy(y)
    outer, total = torch.empty(2 * d, 2 * d, dtype=kind), torch.empty(2 * d, dtype=kind)

    def run():
        outer.zero_()
        total.zero_()
        for start in range(0, len(x), batch):
            both = torch.cat((left[start:start + batch], right[start:start + batch]), 1).to(kind)
            if not torch.isfinite(both).all():
                raise ValueError("not finite")
            total.add_(both.sum(0))
            outer.addmm_(both.T, both)
        mean = total / len(x)
        covariance = outer / len(x) - torch.outer(mean, mean)
        return covariance[:d, d:].numpy()
    return run


def centred(x, y, dtype):
    """Two own blocks, which numpy gives to SYRK, and the cross block, of centred copies."""
    a, b = x.astype(dtype), y.astype(dtype)
    d = x.shape[1]
    outs = [np.zeros((d, d), dtype) for _ in range(3)]

    def run():
        np.subtract(x, x.mean(0, dtype=dtype), out=a)
        np.subtract(y, y.mean(0, dtype=dtype), out=b)
        for left, right, out in ((a, a, outs[0]), (b, b, outs[1]), (a, b, outs[2])):
            np.matmul(left.T, right, out=out)
            out /= len(x)
        return outs[2]
    return run


def cca():
    gamma = 0.1
    for n, target in ((128, None),) if OPTIONS.short else ((512, 2.0), (1024, 2.5), (2048, 3.0)):
        sxx, syy, sxy = covariances(n)
        peer = published(sxx, syy, sxy, gamma) if torch else None
        for what, precision, wanted in (("map alone", "F32", target), ("map alone", "F64", 1.8 if n == 1024 else None),
                                        ("with correlations", "F64", 2.5)):
            peers = [Peer("torch F32, three SVD", peer, wanted)] if torch else []
            yield Case(f"CCA {what}, {precision}", f"n={n}", "cca", {"sxx": sxx, "syy": syy, "sxy": sxy},
                       {"precision": precision, "gamma": gamma, "correlations": what == "with correlations"}, peers,
                       2e-2, 26.0 * n ** 3, "GFLOP/s", limit=product_limit(precision))


def published(sxx, syy, sxy, gamma):
    """Horoi et al. 2024 in F32: roots of both covariances and the orthogonal factor by SVD; map and inverse."""
    n = len(sxx)
    a, b, c = (torch.from_numpy(each).float() for each in (sxx, syy, sxy))
    eye = gamma * torch.eye(n)

    def roots(matrix):
        u, s, vt = torch.linalg.svd(matrix + eye)
        root = s.sqrt()
        return (u * root) @ vt, (u / root) @ vt

    def run():
        (ax, bx), (ay, by) = roots(a), roots(b)
        u, _, vt = torch.linalg.svd(bx @ c @ by)
        q = u @ vt
        inverse = ay @ q.T @ bx
        assert inverse.shape == (n, n)
        return (ax @ q @ by).numpy()
    return run


def procrustes():
    for n in (128,) if OPTIONS.short else (1024, 2048):
        a = covariances(n)[2]
        for precision in ("F32", "F64") if n <= 1024 else ("F32",):
            dtype = np.float32 if precision == "F32" else np.float64
            narrow = a.astype(dtype)
            peers = []
            if torch:
                peers.append(Peer("torch SVD", torch_factor(narrow), 1.0 if precision == "F32" else 0.9))

            def gesdd():
                u, _, vt = np.linalg.svd(narrow)
                return u @ vt
            peers.append(Peer("numpy gesdd", gesdd, 1.4 if precision == "F32" else None))
            yield Case(f"orthogonal factor, {precision}", f"n={n}", "polar", {"a": a}, {"precision": precision}, peers,
                       2e-2 if precision == "F32" else 1e-8, 22.0 * n ** 3, "GFLOP/s", limit=product_limit(precision))


def torch_factor(narrow):
    tensor = torch.from_numpy(narrow)

    def run():
        u, _, vt = torch.linalg.svd(tensor)
        return (u @ vt).numpy()
    return run


def np_step():
    n = 1 << (18 if OPTIONS.short else 24)
    rng = np.random.default_rng(1)
    a, b, g = (2 * rng.random(n, dtype=np.float32) - 1 for _ in range(3))
    rate = 1e-3
    peers = [Peer("numpy, one pass an operation", numpy_step(a, b, g, rate))]
    if torch:
        peers = [Peer("torch eager", torch_step(a, b, g, rate), 2.5),
                 Peer("torch, fused Adam", fused_step(a, b, g, rate)), *peers]
    yield Case("NP step, clamp", f"{n / 1e6:.1f}M", "np", {"a": a, "b": b, "g": g}, {"rate": rate}, peers, 1e-6, 40.0 * n,
               limit=bandwidth_limit(4 * n, 6, 4), target=0.8)


def bandwidth_limit(size, reads, writes):
    values = {"bytes": size, "reads": reads, "writes": writes}
    return "bandwidth", {}, values, float(size * (reads + writes))


def numpy_step(a, b, g, rate):
    z, m, v = np.full_like(a, 0.5), np.zeros_like(a), np.zeros_like(a)
    d, q, theta = np.ones_like(a), np.ones_like(a), np.ones_like(a)
    count = [0]

    def run():
        count[0] += 1
        first, second = 1 - 0.9 ** count[0], 1 - 0.999 ** count[0]
        np.subtract(a, b, out=d)
        np.multiply(g, d, out=q)
        np.multiply(m, np.float32(0.9), out=m)
        np.multiply(q, np.float32(0.1), out=theta)
        np.add(m, theta, out=m)
        np.multiply(v, np.float32(0.999), out=v)
        np.multiply(q, q, out=q)
        np.multiply(q, np.float32(0.001), out=q)
        np.add(v, q, out=v)
        np.sqrt(v, out=q)
        np.multiply(q, np.float32(second ** -0.5), out=q)
        np.add(q, np.float32(1e-8), out=q)
        np.divide(m, q, out=q)
        np.multiply(q, np.float32(rate / first), out=q)
        np.subtract(z, q, out=z)
        np.clip(z, 0, 1, out=z)
        np.multiply(z, d, out=theta)
        np.add(theta, b, out=theta)
        return theta
    return run


def torch_step(a, b, g, rate):
    a, b, g = map(torch.from_numpy, (a, b, g))
    z, m, v = torch.full_like(a, 0.5), torch.zeros_like(a), torch.zeros_like(a)
    d, q, theta = torch.ones_like(a), torch.ones_like(a), torch.ones_like(a)
    count = [0]

    def run():
        count[0] += 1
        torch.sub(a, b, out=d)
        torch.mul(g, d, out=q)
        m.mul_(0.9).add_(q, alpha=0.1)
        v.mul_(0.999).addcmul_(q, q, value=0.001)
        torch.sqrt(v, out=q)
        q.mul_((1 - 0.999 ** count[0]) ** -0.5).add_(1e-8)
        z.addcdiv_(m, q, value=-rate / (1 - 0.9 ** count[0])).clamp_(0, 1)
        torch.mul(z, d, out=theta)
        theta.add_(b)
        return theta.numpy()
    return run


def fused_step(a, b, g, rate):
    a, b, g = map(torch.from_numpy, (a, b, g))
    z = torch.nn.Parameter(torch.full_like(a, 0.5))
    z.grad = torch.zeros_like(a)
    d, theta = torch.ones_like(a), torch.ones_like(a)
    adam = torch.optim.Adam([z], lr=rate, fused=True)

    def run():
        torch.sub(a, b, out=d)
        torch.mul(g, d, out=z.grad)
        adam.step()
        z.clamp_(0, 1)
        torch.mul(z, d, out=theta)
        theta.add_(b)
        return theta.numpy()
    return run


def merges():
    n = 1 << (18 if OPTIONS.short else 25)
    weight, threshold = 0.3, 0.8
    rng = np.random.default_rng(2)
    xs = [bf16(2 * rng.random(n, dtype=np.float32) - 1) for _ in range(4)]
    arrays = {f"x{k}": each for k, each in enumerate(xs)}
    size = f"{n / 1e6:.1f}M"

    def close(ours, peer):  # one rounding of BF16, and one more in a peer that works in BF16
        ours, peer = unbf16(ours), unbf16(peer)
        return (np.abs(ours - peer) / (np.abs(peer) + 0.1)).max()

    values = {"weight": weight}
    tensors = [torch_bf16(each) for each in xs] if torch else []
    peers = [Peer("torch BF16", torch_linear(tensors, weight))] if torch else []
    yield Case("linear of 2, BF16", size, "linear", {name: arrays[name] for name in ("x0", "x1")}, values, peers,
               2.0 ** -6, 6.0 * n, limit=bandwidth_limit(2 * n, 2, 1), target=0.8, compare=close)
    peers = [Peer("torch, through F32", torch_task(tensors, weight))] if torch else []
    yield Case("task arithmetic, base + 3, BF16", size, "task", arrays, values, peers, 2.0 ** -7, 10.0 * n,
               limit=bandwidth_limit(2 * n, 4, 1), target=0.8, compare=close)
    peers = [Peer("torch, through F32", torch_ties(tensors, weight, threshold))] if torch else []
    yield Case("TIES elect and merge, base + 3, BF16", size, "ties", arrays, {**values, "threshold": threshold}, peers,
               2.0 ** -7, 10.0 * n, limit=bandwidth_limit(2 * n, 4, 1), target="20 GB/s", compare=close)


def bits(tensor):
    return tensor.view(torch.int16).numpy().view(np.uint16)


def torch_linear(xs, weight):
    out = torch.ones_like(xs[0])

    def run():
        torch.mul(xs[0], weight, out=out)
        out.add_(xs[1], alpha=1 - weight)
        return bits(out)
    return run


def torch_task(xs, weight):
    base, each, total = (torch.ones(len(xs[0])) for _ in range(3))
    out = torch.ones_like(xs[0])

    def run():
        base.copy_(xs[0])
        total.copy_(base)
        for x in xs[1:]:
            each.copy_(x)
            each.sub_(base)
            total.add_(each, alpha=weight)
        out.copy_(total)
        return bits(out)
    return run


def torch_ties(xs, weight, threshold):
    base, total, count, scratch = (torch.ones(len(xs[0])) for _ in range(4))
    deltas = [torch.ones(len(xs[0])) for _ in xs[1:]]
    mask, elected = (torch.ones(len(xs[0]), dtype=torch.bool) for _ in range(2))
    out = torch.ones_like(xs[0])

    def run():
        base.copy_(xs[0])
        total.zero_()
        for x, delta in zip(xs[1:], deltas):
            delta.copy_(x)
            delta.sub_(base)
            torch.abs(delta, out=scratch)
            torch.ge(scratch, threshold, out=mask)
            delta.mul_(mask).mul_(weight)
            total.add_(delta)
        torch.ge(total, 0, out=elected)
        total.zero_()
        count.zero_()
        for delta in deltas:
            torch.ge(delta, 0, out=mask)
            torch.eq(mask, elected, out=mask)
            delta.mul_(mask)
            total.add_(delta)
            torch.ne(delta, 0, out=mask)
            count.add_(mask, alpha=weight)
        torch.eq(count, 0, out=mask)
        count.add_(mask)
        total.div_(count).add_(base)
        out.copy_(total)
        return bits(out)
    return run


def kth():
    n = 1 << (18 if OPTIONS.short else 25)
    k = n // 5
    x = np.random.default_rng(3).standard_normal(n, dtype=np.float32)
    magnitude = np.ones_like(x)

    def partition():
        np.abs(x, out=magnitude)
        magnitude.partition(n - k)
        return magnitude[n - k]
    peers = [Peer("numpy partition", partition, 5)]
    if torch:
        tensor, buffer = torch.from_numpy(x), torch.ones(n)

        def kthvalue():
            torch.abs(tensor, out=buffer)
            return torch.kthvalue(buffer, n - k + 1).values.numpy()
        peers.insert(0, Peer("torch kthvalue", kthvalue, 12))
    yield Case("k-th magnitude, F32", f"{n / 1e6:.1f}M", "kth", {"x": x}, {"k": k}, peers, 0, 4.0 * n,
               limit=bandwidth_limit(4 * n, 1, 0))


def layers_of(networks, count, batch, width):
    """Activations of networks that have something in common, with an offset."""
    rng = np.random.default_rng(5)
    common = rng.random((batch, width), dtype=np.float32)
    return [[common + rng.random((batch, width), dtype=np.float32) + 3 for _ in range(count)] for _ in range(networks)]


def heat_map():
    """One batch of minibatch CKA; the peer computes both Gram matrices again for each pair, as common tools do."""
    count, batch, width = (3, 64, 128) if OPTIONS.short else (24, 256, 1024)
    left, right = layers_of(2, count, batch, width)
    arrays = {f"{side}{l}": x for side, layers in (("a", left), ("b", right)) for l, x in enumerate(layers)}
    peers = []
    if torch:
        rows, columns = ([torch.from_numpy(x) for x in side] for side in (left, right))
        ones = torch.ones(batch, 1)

        def hsic(k, l):
            trace = torch.trace(k @ l)
            both = (ones.T @ k @ ones @ ones.T @ l @ ones) / ((batch - 1) * (batch - 2))
            return (trace + both - (ones.T @ k @ l @ ones) * 2 / (batch - 2)).item() / (batch * (batch - 3))

        def gram(x):
            x = x - x.mean(0)  # many leave that out: with an offset nothing is left of F32
            return (x @ x.T).fill_diagonal_(0)

        def pairwise():
            own, other, cross = torch.zeros(count), torch.zeros(count), torch.zeros(count, count)
            for i, x in enumerate(rows):
                k = gram(x)
                own[i] = hsic(k, k)
                for j, y in enumerate(columns):
                    l = gram(y)
                    other[j] = hsic(l, l)
                    cross[i, j] = hsic(k, l)
            return (cross / own.sqrt()[:, None] / other.sqrt()).numpy()

        def shared():
            """One centred Gram matrix a layer, all pairs in one product: the best a user writes."""
            flat = []
            for x in rows + columns:
                x = x - x.mean(0)
                k = (x @ x.T).double().fill_diagonal_(0)
                means = k.sum(1) / (batch - 2)
                means -= means.sum() / (2 * (batch - 1))
                flat.append((k - means[:, None] - means).fill_diagonal_(0).flatten())
            flat = torch.stack(flat)
            norms = flat.norm(dim=1)
            return (flat[:count] @ flat[count:].T / norms[:count, None] / norms[count:]).numpy()
        peers = [Peer("torch, pair by pair", pairwise, 8), Peer("torch, a Gram matrix a layer", shared)]
    for precision in ("F32", "F64"):
        yield Case(f"CKA heat map, {precision}", f"{count}x{count}, batch {batch}, width {width}", "heatmap", arrays,
                   {"layers": count, "precision": precision}, peers, 1e-2, 2.0 * count * batch * batch * width, "GFLOP/s",
                   limit=product_limit(precision))


def gram_kernels():
    n, p = (256, 64) if OPTIONS.short else (2048, 1024)
    x = np.random.default_rng(6).random((n, p), dtype=np.float32) + 3
    buffer = np.zeros((n, n))

    def product():
        z = x.astype(np.float64)
        z -= z.mean(0)
        return np.matmul(z, z.T, out=buffer)
    peers = [Peer("numpy, centred", product)]
    yield Case("Gram matrix, F64", f"n={n} p={p}", "gram", {"x": x}, {"precision": "F64"}, peers, 1e-10,
               1.0 * n * n * p, "GFLOP/s", limit=product_limit("F64"))

    def kernel():
        z = x.astype(np.float64)
        square = (z * z).sum(1)
        d = np.maximum(square[:, None] + square - 2 * z @ z.T, 0)
        return np.exp(d / (-2 * np.median(d[np.triu_indices(n, 1)])))
    peers = [Peer("numpy median", kernel)]
    yield Case("Gaussian kernel", f"n={n} p={p}", "rbf", {"x": x}, {}, peers, 1e-6, 1.0 * n * n * p, "GFLOP/s",
               limit=product_limit("F64"))

    z = x.astype(np.float64)
    z -= z.mean(0)
    k = z @ z.T
    count = 16 if OPTIONS.short else 64
    orders = np.stack([np.random.default_rng(b).permutation(n) for b in range(count)])

    def permuted():
        return np.array([(k * k[np.ix_(order, order)]).sum() for order in orders])
    peers = [Peer("numpy, ix_", permuted)]
    yield Case("permutation test", f"n={n}, {count} orders", "permuted", {"k": k, "orders": orders.astype(np.float64)}, {},
               peers, 1e-9, 8.0 * count * n * n, limit=("read", {"x": k}, {}, 8.0 * n * n))


KERNELS = {"moments": moments, "cca": cca, "assignment": assignment, "np": np_step, "merge": merges, "kth": kth,
           "procrustes": procrustes, "heatmap": heat_map, "gram": gram_kernels}


# ---- Timing ----

def timed(call):
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return (1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)), result


def median(times):
    """Of the clock that counts: CPU with one thread, else wall."""
    return statistics.median(each[1 if OPTIONS.threads == 1 else 0] for each in times)


def wall(times):
    return statistics.median(each[0] for each in times)


def emit(line):
    print(line, flush=True)
    if OPTIONS.out:
        with open(OPTIONS.out, "a") as file:
            file.write(line + "\n")


def row(case, peer, times, ours, target, scale=1):
    """scale: the peer's work to ours."""
    ratio = median(times) / median(ours) / scale
    if OPTIONS.short:
        target = None  # set for the full sizes
    if isinstance(target, str):
        met = case.work / median(ours) / 1e6 >= float(target.split()[0])
    else:
        met = target is not None and ratio >= target
    verdict = "" if target is None else "met" if met else "missed"
    rate = case.work / median(ours) / 1e6
    emit(f"| {case.kernel} | {case.size} | {peer} | {median(times):.3g} | {median(ours):.3g} | {rate:.3g} {case.unit} | "
          f"{ratio:.2f} | {wall(times) / wall(ours) / scale:.2f} | {'' if target is None else target} | {verdict} |")


def measure(case, side, limit):
    """Rows of a case. The first results are compared; they also warm both sides up."""
    side.open(case.ours, case.arrays, **case.values)
    side.run()
    found = side.result()
    for peer in case.peers:
        off = case.compare(found, peer.run())
        if not off <= case.tolerance:
            raise RuntimeError(f"ours and {peer.name} differ by {off}, allowed {case.tolerance}")
    kernel, arrays, values, work = case.limit
    limit.open(kernel, arrays, **values)
    limit.run()
    ours, limits, peers = [], [], [[] for _ in case.peers]
    for _ in range(OPTIONS.r):
        for times, peer in zip(peers, case.peers):
            if not times or times[0][0] < 1e3 * OPTIONS.most:
                times.append(timed(peer.run)[0])
            ours.append(side.run())
        if not case.peers:
            ours.append(side.run())
        limits.append(limit.run())
    for times, peer in zip(peers, case.peers):
        row(case, peer.name, times, ours, peer.target)
    name = {"gemm": "limit: product", "bandwidth": "limit: bandwidth", "read": "limit: read"}[kernel]
    row(case, name, limits, ours, case.target, work / case.work)


def main():
    wanted = [each for each in OPTIONS.only.split(",") if each] or list(KERNELS)
    chosen = [name for name in KERNELS if any(each in name for each in wanted)]
    if not chosen:
        sys.exit(f"no kernel contains {OPTIONS.only}; known: {', '.join(KERNELS)}")
    versions = [f"numpy {np.__version__}"]
    versions += [f"{module.__name__.split('.')[0]} {sys.modules[module.__name__.split('.')[0]].__version__}"
                 for module in (scipy_optimize, torch) if module]
    clock = "CPU" if OPTIONS.threads == 1 else "wall"
    has, peers = processor(), peer_cores()
    refuse_held_back(peers, has)
    if UNSET:
        print(f"unset for both sides: {', '.join(UNSET)}", file=sys.stderr)
    if OPTIONS.out:
        open(OPTIONS.out, "w").close()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        side, limit = Ours(folder), Ours(folder)
        try:
            ours = side.ask("cores")
        except RuntimeError as problem:
            sys.exit(str(problem))
        emit(f"{', '.join(versions)}; {OPTIONS.threads} thread(s), medians of {OPTIONS.r}, {clock} milliseconds. "
             f"Processor: {has}; peers: {', '.join(f'{name} {core}' for name, core in peers.items())}; ours: {ours}.\n")
        emit("| kernel | size | peer | peer, ms | ours, ms | rate | ratio | ratio, wall | target | |")
        emit("|---|---|---|---:|---:|---:|---:|---:|---|---|")
        for name in chosen:
            for case in KERNELS[name]():
                try:
                    measure(case, side, limit)
                except (RuntimeError, ValueError) as problem:
                    failed = True
                    print(f"{case.kernel} {case.size}: {problem}", file=sys.stderr)
                    if side.process.poll() is not None:
                        side = Ours(folder)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
