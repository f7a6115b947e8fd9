"""ncut beside its peers on the same input, alternately, with as many threads each: what `scripts/bench` runs.

    bench.py NCUT CLUSTERING RUNS PART…    (numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1, PyTorch 2.11.0)

The networks are initialised ones: the paper's MLP (784-256x4-10) dense and with 90 % of each layer's smallest weights cut,
torchvision's VGG-16, and its ResNet-50 in the authors' convention. scikit-learn is given the ready adjacency matrices: its time is
that of its calls alone, without imports. ncut's is the whole process, with reading the file and shuffling, and in a second figure
what it says of itself, without its start.

    measure     50 shuffles and 25 k-means starts of the MLPs, 100 and 100 of VGG-16 (scikit-learn: 8 clusterings, and the time taken
                for all), 2 threads
    resnet      100 shuffles and 100 starts of ResNet-50; on either side some are timed, and the time taken for all
    parts       eigenvectors alone, as scikit-learn calls SciPy for them, and k-means alone, one thread
    threads     measurements on one thread and on two
    training    a run of 2 epochs and 2 with pruning, against eager PyTorch; five runs, one after the other and arranged otherwise
"""
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import scipy.sparse as sp
from safetensors.numpy import save_file
from scipy.sparse.csgraph import laplacian
from scipy.sparse.linalg import eigsh
from sklearn.cluster import k_means, spectral_clustering

MLP = [784, 256, 256, 256, 256, 10]
VGG = {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256), 14: (256, 256),
       17: (256, 512), 19: (512, 512), 21: (512, 512), 24: (512, 512), 26: (512, 512), 28: (512, 512)}
K, THREADS = 12, 2


def mlp(rng, sparsity):
    """State dict of the MLP, weights uniform as Glorot's."""
    state = {}
    for i, (d_in, d_out) in enumerate(zip(MLP, MLP[1:])):
        limit = np.sqrt(6 / (d_in + d_out))
        weight = rng.uniform(-limit, limit, (d_out, d_in)).astype(np.float32)
        cut = np.quantile(np.abs(weight), sparsity) if sparsity else 0
        state[f"layers.{i}.weight"] = np.where(np.abs(weight) >= cut, weight, np.float32(0))
    return state


def vgg(rng):
    """State dict of VGG-16 as torchvision names it, with dense layers of few units: they are not in the graph."""
    def normal(*shape):
        return (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
    state = {}
    for i, (d_in, d_out) in VGG.items():
        state[f"features.{i}.weight"] = normal(d_out, d_in, 3, 3)
        state[f"features.{i}.bias"] = np.zeros(d_out, np.float32)
    for i, (d_in, d_out) in {0: (512 * 49, 4096), 3: (4096, 4096), 6: (4096, 1000)}.items():
        state[f"classifier.{i}.weight"] = np.zeros((d_out, d_in), np.float32) + np.float32(0.01)
        state[f"classifier.{i}.bias"] = np.zeros(d_out, np.float32)
    return state


def resnet(rng):
    """State dict of ResNet-50 as torchvision names it."""
    state = {}

    def convolution(name, d_out, d_in, kernel):
        scale = np.sqrt(2 / (d_in * kernel * kernel))
        state[f"{name}.weight"] = (rng.standard_normal((d_out, d_in, kernel, kernel)) * scale).astype(np.float32)

    def norm(name, channels):
        for part, value in {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}.items():
            state[f"{name}.{part}"] = np.full(channels, value, np.float32)

    convolution("conv1", 64, 3, 7)
    norm("bn1", 64)
    width_in = 64
    for stage, (width, count) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)], 1):
        for block in range(count):
            name = f"layer{stage}.{block}"
            for i, (d_out, d_in, kernel) in enumerate([(width, width_in, 1), (width, width, 3), (4 * width, width, 1)], 1):
                convolution(f"{name}.conv{i}", d_out, d_in, kernel)
                norm(f"{name}.bn{i}", d_out)
            if block == 0:
                convolution(f"{name}.downsample.0", 4 * width, width_in, 1)
                norm(f"{name}.downsample.1", 4 * width)
            width_in = 4 * width
    state["fc.weight"] = np.zeros((1000, 2048), np.float32) + np.float32(0.01)
    state["fc.bias"] = np.zeros(1000, np.float32)
    return state


def networks(rng):
    """Name, state dict, shuffles, k-means starts, and how many clusterings of scikit-learn are timed in a run."""
    return [("pruned MLP", mlp(rng, 0.9), 50, 25, 51), ("dense MLP", mlp(rng, 0.0), 50, 25, 51), ("VGG-16", vgg(rng), 100, 100, 8)]


def blocks(state):
    """Absolute weights between successive node sets, `(in, out)`; of kernels, their sums."""
    for name, weight in state.items():
        if name == "features.0.weight" or name.startswith("classifier") or name.endswith("bias"):
            continue
        weight = np.abs(weight.astype(np.float64))
        yield (weight.sum((2, 3)) if weight.ndim == 4 else weight).T


def adjacency(weights):
    widths = [weights[0].shape[0]] + [w.shape[1] for w in weights]
    parts = [[None] * len(widths) for _ in widths]
    for i, width in enumerate(widths):
        parts[i][i] = sp.csr_matrix((width, width))
        if i < len(weights):
            parts[i][i + 1] = sp.csr_matrix(weights[i])
    upper = sp.bmat(parts, "csr")
    graph = upper + upper.T
    keep = np.asarray(graph.sum(1)).ravel() > 0
    return graph[keep][:, keep].tocsr()


def ncut(graph, labels):
    degrees = np.asarray(graph.sum(1)).ravel()
    return sum(1 - graph[m][:, m].sum() / degrees[m].sum() for m in (labels == c for c in np.unique(labels)))


def cluster(task):
    graph, starts, seed = task
    return ncut(graph, spectral_clustering(graph, n_clusters=K, eigen_solver="arpack", n_init=starts, random_state=seed))


def highest_memory(process, found):
    """Puts into `found` the GB that a process has had in memory at most, but for its last 50 ms. What wait4 says counts what the parent
    had when it forked."""
    while True:
        try:
            with open(f"/proc/{process}/status") as status:
                found[0] = next(int(line.split()[1]) / 1e6 for line in status if line.startswith("VmHWM"))
        except (OSError, StopIteration):
            return
        time.sleep(0.05)


def of_ncut(binary, path, *options, count=THREADS):
    """What `ncut measure` found, the seconds of the whole process, and its peak memory in GB."""
    command = [binary, "measure", path, "--threads", str(count), "--json", "-", *options]
    peak = [0.0]
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    threading.Thread(target=highest_memory, args=(child.pid, peak), daemon=True).start()
    result = json.loads(child.stdout.read())
    assert child.wait() == 0, command
    return result, time.perf_counter() - start, peak[0]


def show(values, unit="s"):
    values = sorted(values)
    return f"{statistics.median(values):.3g} {unit} ({values[0]:.3g} to {values[-1]:.3g})".replace(" s ", " ")


def ratio(ours, theirs):
    return show([b / a for a, b in zip(ours, theirs)], "x")


def measure(binary, runs, folder, rng):
    for name, state, shuffles, starts, timed in networks(rng):
        weights = list(blocks(state))
        shuffled = [[rng.permutation(w.ravel()).reshape(w.shape) for w in weights] for _ in range(timed - 1)]
        tasks = [(adjacency(w), starts, seed) for seed, w in enumerate([weights] + shuffled)]
        ours, own, theirs = [], [], []
        path = os.path.join(folder, "net.safetensors")
        save_file(state, path)
        with multiprocessing.Pool(THREADS) as pool:
            pool.map(cluster, tasks[:THREADS])  # imports and first touches
            for _ in range(runs):
                result, seconds, _ = of_ncut(binary, path, "--shuffles", str(shuffles))
                ours.append(seconds)
                own.append(result["timing_s"]["total"])
                start = time.perf_counter()
                ncuts = pool.map(cluster, tasks, chunksize=1)
                theirs.append((time.perf_counter() - start) * (shuffles + 1) / timed)
        print(f"{name}: ncut {show(ours)}, by its own timing {show(own)}; scikit-learn {show(theirs)}; "
              f"ratio {ratio(ours, theirs)}, by its own timing {ratio(own, theirs)}")
        null = result["null"]
        print(f"  {result['graph']['nodes']} nodes, {result['graph']['edges']} edges; n-cut {result['ncut']:.3f} and {ncuts[0]:.3f}; "
              f"shuffles {null['mean']:.3f} ± {null['sd']:.3f} and {np.mean(ncuts[1:]):.3f} ± {np.std(ncuts[1:]):.3f}", flush=True)


def graph_of(binary, path):
    """The adjacency matrix that ncut measures."""
    out = path.replace(".safetensors", ".npz")
    subprocess.run([binary, "graph", path, "--convention", "authors", "--output", out], check=True, capture_output=True)
    graph = sp.load_npz(out).astype(np.float64).tocsr()
    keep = np.asarray(graph.sum(1)).ravel() > 0
    return graph[keep][:, keep].tocsr()


def resnet_50(binary, runs, folder, rng):
    path = os.path.join(folder, "resnet.safetensors")
    save_file(resnet(rng), path)
    graph = graph_of(binary, path)
    ours, theirs, memory, timed = [], [], [], 19
    with multiprocessing.Pool(THREADS) as pool:
        for run in range(runs):
            result, seconds, peak = of_ncut(binary, path, "--convention", "authors", "--shuffles", str(timed))
            # all but the shuffles is once
            ours.append(seconds + result["timing_s"]["null"] * (100 / timed - 1))
            memory.append(peak)
            start = time.perf_counter()
            ncuts = pool.map(cluster, [(graph, 100, 2 * run + i) for i in range(THREADS)], chunksize=1)
            theirs.append((time.perf_counter() - start) * 101 / THREADS)
    print(f"ResNet-50, 100 shuffles: ncut {show(ours)}, {show(memory, 'GB')}; scikit-learn {show(theirs)}; ratio {ratio(ours, theirs)}")
    print(f"  {result['graph']['nodes']} nodes, {result['graph']['edges']} edges; n-cut {result['ncut']:.3f} and {ncuts[0]:.3f}", flush=True)


def parts(binary, clustering, runs, folder, rng):
    for name, state in [(name, state) for name, state, *_ in networks(rng)] + [("ResNet-50", resnet(rng))]:
        path = os.path.join(folder, "net.safetensors")
        save_file(state, path)
        graph = graph_of(binary, path)
        normalised, degrees = laplacian(graph, normed=True, return_diag=True)
        eigen, kmeans = [[], []], [[], []]
        for run in range(runs):
            lines = subprocess.run([clustering, path], check=True, capture_output=True, text=True).stdout.splitlines()
            said = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("  ")}
            eigen[0].append(float(said["eigenvectors"][0]) / 1e3)
            kmeans[0].append(float(said["k-means"][0]) / 1e3)
            inertia = float(lines[1].split("inertia ")[1].split(",")[0])
            start = time.perf_counter()
            # as sklearn.manifold's spectral embedding
            values, vectors = eigsh(-normalised, k=K, sigma=1.0, which="LM", tol=0, v0=rng.uniform(-1, 1, len(degrees)))
            eigen[1].append(time.perf_counter() - start)
            embedding = (vectors / degrees[:, None]).copy()
            starts = 25 if "MLP" in name else 100
            start = time.perf_counter()
            their_inertia = k_means(embedding, K, n_init=starts, random_state=run)[2]
            kmeans[1].append(time.perf_counter() - start)
        print(f"{name}, one thread: eigenvectors {show(eigen[0])}, SciPy {show(eigen[1])}, ratio {ratio(*eigen)}; "
              f"k-means {show(kmeans[0])}, scikit-learn {show(kmeans[1])}, ratio {ratio(*kmeans)}, "
              f"inertia {inertia:.9g} and {their_inertia:.9g}", flush=True)


def threads(binary, runs, folder, rng):
    for name, state, shuffles, *_ in networks(rng):
        path = os.path.join(folder, "net.safetensors")
        save_file(state, path)
        seconds = [[], []]
        for _ in range(runs):
            for count, of in enumerate(seconds, 1):
                result, *_ = of_ncut(binary, path, "--shuffles", str(shuffles), count=count)
                of.append(result["timing_s"]["total"])
        print(f"{name}: two threads {show(seconds[1])}, one {show(seconds[0])}; ratio {ratio(seconds[1], seconds[0])}", flush=True)


GRID = """experiments:
  bench:
    fixed: {dataset: random, epochs: 2, pruning_epochs: 2, shuffles: 0}
    seeds: 5
"""


def training(binary, runs, folder, _):
    grid = os.path.join(folder, "grid.yaml")
    with open(grid, "w") as file:
        file.write(GRID)

    # one network on two threads: else they are sometimes put on one core, on either side
    bound = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"} | {"OMP_PROC_BIND": "true"}

    def ours(*options, environment=None):
        """Seconds of the whole process, and of training a run."""
        with tempfile.TemporaryDirectory() as out:
            start = time.perf_counter()
            subprocess.run([binary, "run", grid, "--out", out, "--threads", "2", *options], check=True, capture_output=True,
                           env=environment)
            seconds = time.perf_counter() - start
            results = [json.load(open(os.path.join(path, "result.json")))
                       for path, _, names in os.walk(out) if "result.json" in names]
            return seconds, statistics.mean(result["timing_s"]["train"] for result in results)

    peer = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bench_training.py")
    for count in (1, 2):
        own, theirs = [], []
        for _ in range(runs):
            own.append(ours("--seeds", "0", "--threads-per-run", str(count), environment=bound)[1])
            command = [sys.executable, peer, "2", str(count)]
            theirs.append(float(subprocess.run(command, check=True, capture_output=True, text=True, env=bound).stdout))
        print(f"training, {count} threads: ncut {show(own)}, PyTorch {show(theirs)}, ratio {ratio(own, theirs)}", flush=True)
    arranged = {"one after the other on two threads": ("--jobs", "1", "--threads-per-run", "2"),
                "two at once": ("--jobs", "2"), "all in one pass": ("--jobs", "1", "--threads-per-run", "2", "--together", "5")}
    seconds = {name: [] for name in arranged}
    for _ in range(runs):
        for name, options in arranged.items():
            seconds[name].append(ours(*options, environment=bound if "1" in options else None)[0])
    first = seconds["one after the other on two threads"]
    for name, of in seconds.items():
        print(f"5 runs, {name}: {show(of)}, ratio {ratio(of, first)}", flush=True)


def main():
    binary, clustering, runs, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
    print(f"{runs} runs, alternately; {THREADS} threads each unless said otherwise; seconds, median (least to most)")
    of_part = {"measure": measure, "resnet": resnet_50, "threads": threads, "training": training,
               "parts": lambda binary, *others: parts(binary, clustering, *others)}
    for part in wanted:
        with tempfile.TemporaryDirectory() as folder:
            of_part[part](binary, runs, folder, np.random.default_rng(0))


if __name__ == "__main__":
    main()
