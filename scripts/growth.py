"""How the time of `ncut measure` grows with nodes, edges, clusters, shuffles and threads: what `scripts/bench … growth` runs.

    growth.py NCUT RUNS PICTURE    (numpy 2.4.6, safetensors 0.7.0, matplotlib 3.10.8)

Random chains of layers, one thing varied at a time; ncut's own timing of clustering and shuffles, without reading the file; medians.
The slope is that of the logarithms, by least squares: 1 where time grows in proportion. Picture: .svg or .png.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile

import matplotlib
import numpy as np
from safetensors.numpy import save_file

matplotlib.use("svg")
matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "ncut", "font.family": "sans-serif", "font.size": 9}
import matplotlib.pyplot as plt


def chain(widths, edges_each, rng):
    """State dict of dense layers, of whose weights so many a layer are not zero."""
    state = {}
    for i, (d_in, d_out) in enumerate(zip(widths, widths[1:])):
        weight = np.zeros(d_in * d_out, np.float32)
        places = rng.choice(weight.size, min(edges_each, weight.size), replace=False)
        weight[places] = rng.uniform(0.1, 1, len(places))
        state[f"layers.{i}.weight"] = weight.reshape(d_out, d_in)
    return state


def varied(rng):
    """What is varied: its name, and `(its value, state dict, clusters, shuffles, threads)` of each."""
    edges = lambda n: chain([512] * 6, n, rng)
    dense = chain([784, 256, 256, 256, 256, 10], 784 * 256, rng)
    yield "nodes, 16 edges each", [(6 * w, chain([w] * 6, 6 * w * 16 // 5, rng), 12, 10, 1) for w in (128, 256, 512, 1024)]
    yield "edges, of 3,072 nodes", [(5 * n, edges(n), 12, 10, 1) for n in (1 << 12, 1 << 14, 1 << 16, 1 << 17, 1 << 18)]
    yield "clusters, of 1,818 nodes", [(k, dense, k, 20, 1) for k in (2, 4, 8, 16, 32)]
    yield "shuffles", [(n, dense, 12, n, 1) for n in (10, 20, 40, 80)]
    yield "threads", [(n, dense, 12, 50, n) for n in range(1, os.cpu_count() + 1)]


def seconds(binary, path, clusters, shuffles, threads):
    command = [binary, "measure", path, "--clusters", str(clusters), "--shuffles", str(shuffles), "--threads", str(threads), "--json", "-"]
    timing = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["timing_s"]
    return timing["cluster"] + timing["null"]


def main():
    binary, runs, picture = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "net.safetensors")
        for name, cases in varied(np.random.default_rng(0)):
            points = []
            for value, state, *options in cases:
                save_file(state, path)
                points.append((value, statistics.median(seconds(binary, path, *options) for _ in range(runs))))
            slope = np.polyfit(*np.log(points).T, 1)[0] if len(points) > 1 else float("nan")  # one processor, one number of threads
            found[name] = points, slope
            print(f"{name}: " + ", ".join(f"{value:,} {time:.3g} s" for value, time in points) + f"; slope {slope:.2f}", flush=True)
    figure, axes = plt.subplots(1, len(found), figsize=(3 * len(found), 3), layout="constrained", sharey=True)
    for axis, (name, (points, slope)) in zip(axes, found.items()):
        values, times = zip(*points)
        axis.loglog(values, times, "o-", color="black", markersize=4)
        axis.set_xlabel(name)
        axis.set_title(f"slope {slope:.2f}", fontsize=9)
        axis.set_xticks(values, [f"{value:,}" for value in values], rotation=45, minor=False)
        axis.set_xticks([], minor=True)
        axis.grid(True, color="0.9", linewidth=0.5)
    axes[0].set_yticks([0.1, 0.2, 0.5, 1, 2, 5], ["0.1", "0.2", "0.5", "1", "2", "5"])
    axes[0].set_yticks([], minor=True)
    axes[0].set_ylabel("seconds")
    figure.savefig(picture, metadata={"Date": None} if picture.endswith(".svg") else None)


if __name__ == "__main__":
    main()
