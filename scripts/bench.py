"""`ncut measure` with its shuffles against as many clusterings by scikit-learn over two processes, alternately.

    bench.py NCUT RUNS        (numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1; scripts/bench installs them)

The networks are initialised ones: the paper's MLP (784-256x4-10) dense and with 90 % of each layer's smallest weights cut, with 50
shuffles and 25 k-means starts, and torchvision's VGG-16 with 100 and 100. scikit-learn is given the ready adjacency matrices: its
time is that of its calls alone, without imports; of VGG-16 eight clusterings are timed, and the time taken for all. ncut's is the
whole process, with reading the file and shuffling, and in a second figure what it says of itself, without its start.
"""
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import scipy.sparse as sp
from safetensors.numpy import save_file
from sklearn.cluster import spectral_clustering

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


def main():
    binary, runs = sys.argv[1], int(sys.argv[2])
    rng = np.random.default_rng(0)
    print(f"{runs} runs, alternately; {THREADS} threads each; seconds, median (least to most)")
    networks = [("pruned MLP", mlp(rng, 0.9), 50, 25, 51), ("dense MLP", mlp(rng, 0.0), 50, 25, 51),
                ("VGG-16", vgg(rng), 100, 100, 8)]
    for name, state, shuffles, starts, timed in networks:
        weights = list(blocks(state))
        shuffled = [[rng.permutation(w.ravel()).reshape(w.shape) for w in weights] for _ in range(timed - 1)]
        tasks = [(adjacency(w), starts, seed) for seed, w in enumerate([weights] + shuffled)]
        ours, own, theirs = [], [], []
        with tempfile.TemporaryDirectory() as folder, multiprocessing.Pool(THREADS) as pool:
            path = os.path.join(folder, "net.safetensors")
            save_file(state, path)
            pool.map(cluster, tasks[:THREADS])  # imports and first touches
            command = [binary, "measure", path, "--shuffles", str(shuffles), "--threads", str(THREADS), "--json", "-"]
            for _ in range(runs):
                start = time.perf_counter()
                result = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                ours.append(time.perf_counter() - start)
                own.append(result["timing_s"]["total"])
                start = time.perf_counter()
                ncuts = pool.map(cluster, tasks, chunksize=1)
                theirs.append((time.perf_counter() - start) * (shuffles + 1) / timed)
        show = lambda x: f"{statistics.median(x):.2f} ({min(x):.2f} to {max(x):.2f})"
        ratio = lambda ours: show(sorted(b / a for a, b in zip(ours, theirs)))
        print(f"{name}: ncut {show(ours)}, by its own timing {show(own)}; scikit-learn {show(theirs)}; "
              f"ratio {ratio(ours)}, by its own timing {ratio(own)}")
        null = result["null"]
        print(f"  {result['graph']['nodes']} nodes, {result['graph']['edges']} edges; n-cut {result['ncut']:.3f} and {ncuts[0]:.3f}; "
              f"shuffles {null['mean']:.3f} ± {null['sd']:.3f} and {np.mean(ncuts[1:]):.3f} ± {np.std(ncuts[1:]):.3f}", flush=True)


if __name__ == "__main__":
    main()
