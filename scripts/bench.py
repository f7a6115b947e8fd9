"""`ncut measure` with 50 shuffles against 51 clusterings by scikit-learn over two processes, alternately.

    bench.py NCUT RUNS        (numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1; scripts/bench installs them)

The networks are the paper's MLP (784-256x4-10) as Glorot's initialisation makes it, dense and with 90 % of each layer's
smallest weights cut. scikit-learn is given the ready adjacency matrices: its time is that of its 51 calls alone, without
imports. ncut's is the whole process, with reading the file and shuffling.
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

WIDTHS = [784, 256, 256, 256, 256, 10]
SHUFFLES, K, STARTS, THREADS = 50, 12, 25, 2


def network(rng, sparsity):
    weights = []
    for d_in, d_out in zip(WIDTHS, WIDTHS[1:]):
        limit = np.sqrt(6 / (d_in + d_out))
        weight = rng.uniform(-limit, limit, (d_in, d_out)).astype(np.float32)
        cut = np.quantile(np.abs(weight), sparsity) if sparsity else 0
        weights.append(np.where(np.abs(weight) >= cut, weight, np.float32(0)))
    return weights


def adjacency(weights):
    blocks = [[None] * len(WIDTHS) for _ in WIDTHS]
    for i, (width, weight) in enumerate(zip(WIDTHS, weights + [None])):
        blocks[i][i] = sp.csr_matrix((width, width))
        if weight is not None:
            blocks[i][i + 1] = sp.csr_matrix(np.abs(weight.astype(np.float64)))
    upper = sp.bmat(blocks, "csr")
    graph = upper + upper.T
    keep = np.asarray(graph.sum(1)).ravel() > 0
    return graph[keep][:, keep].tocsr()


def ncut(graph, labels):
    degrees = np.asarray(graph.sum(1)).ravel()
    return sum(1 - graph[m][:, m].sum() / degrees[m].sum() for m in (labels == c for c in np.unique(labels)))


def cluster(task):
    graph, seed = task
    return ncut(graph, spectral_clustering(graph, n_clusters=K, eigen_solver="arpack", n_init=STARTS, random_state=seed))


def main():
    binary, runs = sys.argv[1], int(sys.argv[2])
    rng = np.random.default_rng(0)
    print(f"{runs} runs, alternately; {THREADS} threads each; seconds, median (least to most)")
    for name, sparsity in [("pruned MLP", 0.9), ("dense MLP", 0.0)]:
        weights = network(rng, sparsity)
        shuffled = [[rng.permutation(w.ravel()).reshape(w.shape) for w in weights] for _ in range(SHUFFLES)]
        tasks = [(adjacency(w), seed) for seed, w in enumerate([weights] + shuffled)]
        ours, theirs = [], []
        with tempfile.TemporaryDirectory() as folder, multiprocessing.Pool(THREADS) as pool:
            path = os.path.join(folder, "net.safetensors")
            save_file({f"layers.{i}.weight": np.ascontiguousarray(w.T) for i, w in enumerate(weights)}, path)
            pool.map(cluster, tasks[:THREADS])  # imports and first touches
            command = [binary, "measure", path, "--shuffles", str(SHUFFLES), "--threads", str(THREADS), "--json", "-"]
            for _ in range(runs):
                start = time.perf_counter()
                result = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                ours.append(time.perf_counter() - start)
                start = time.perf_counter()
                ncuts = pool.map(cluster, tasks, chunksize=1)
                theirs.append(time.perf_counter() - start)
        ratios = sorted(b / a for a, b in zip(ours, theirs))
        show = lambda x: f"{statistics.median(x):.2f} ({min(x):.2f} to {max(x):.2f})"
        print(f"{name}: ncut {show(ours)}, scikit-learn {show(theirs)}, ratio {show(ratios)}")
        null = result["null"]
        print(f"  n-cut {result['ncut']:.3f} and {ncuts[0]:.3f}; shuffles {null['mean']:.3f} ± {null['sd']:.3f} "
              f"and {np.mean(ncuts[1:]):.3f} ± {np.std(ncuts[1:]):.3f}", flush=True)


if __name__ == "__main__":
    main()
