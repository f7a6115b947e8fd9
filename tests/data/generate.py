#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "scipy==1.17.1", "safetensors==0.8.0", "torch==2.11.0"]
# ///
"""Small files as NumPy, SciPy, safetensors and PyTorch write them, and in expected.json what is in them.

    python3 tests/data/generate.py

expected.json holds for each file of tensors its SHA-256 and the tensors in order: name, shape and values as float64
(null where the elements are no floats), in C order; and for each graph the rows of its adjacency matrix.
"""
import argparse
import hashlib
import json
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import scipy.io
import scipy.sparse as sp
import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent
expected = {}
warnings.filterwarnings("ignore", category=DeprecationWarning)


def note(name, tensors):
    """Record what a reader must find in a file of tensors."""
    listed = []
    for key, tensor in tensors.items():
        tensor = torch.as_tensor(tensor)
        values = tensor.double().flatten().tolist() if tensor.is_floating_point() and tensor.element_size() > 1 else None
        listed.append({"name": key, "shape": list(tensor.shape), "values": values})
    expected[name] = {"sha256": hashlib.sha256((HERE / name).read_bytes()).hexdigest(), "tensors": listed}


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = torch.nn.Linear(5, 4)
        self.fc2 = torch.nn.Linear(4, 3)
        self.sizes = [5, 4, 3]

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


class Plain:
    """Not on any list of what may be restored."""


def networks():
    torch.manual_seed(0)
    net = Net()
    # Multiples of 1/64 are exact in every float format, bfloat16's eight bits included.
    with torch.no_grad():
        for i, parameter in enumerate(net.parameters()):
            parameter.copy_(torch.arange(1 + i, 1 + i + parameter.numel()).reshape(parameter.shape).sub(9) / 64)
    state = net.state_dict()
    for dtype, letters in (torch.float16, "f16"), (torch.bfloat16, "bf16"), (torch.float32, "f32"), (torch.float64, "f64"):
        name = f"mlp-{letters}.safetensors"
        save_file({key: value.to(dtype) for key, value in state.items()}, HERE / name)
        note(name, {key: state[key] for key in sorted(state)})
    arrays = {"w1": state["fc1.weight"].numpy().T.copy(), "b1": state["fc1.bias"].numpy(), "w2": state["fc2.weight"].numpy().T.copy()}
    np.savez(HERE / "mlp.npz", **arrays)
    note("mlp.npz", arrays)
    np.savez_compressed(HERE / "mlp-compressed.npz", **arrays)
    note("mlp-compressed.npz", arrays)
    torch.save(state, HERE / "state-dict.pt")
    note("state-dict.pt", state)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(2, 5)).sum().backward()
    gradients = [parameter.grad.clone() for parameter in net.parameters()]
    saved = {key: value.clone() for key, value in state.items()}
    optimizer.step()
    net.load_state_dict(saved)
    torch.save({"epoch": 3, "optimizer": optimizer.state_dict(), "model": saved, "loss": np.float64(0.5), "args": argparse.Namespace(lr=0.1)},
               HERE / "checkpoint.pt")
    note("checkpoint.pt", saved)
    torch.save({"state_dict": saved, "hyper": {"lr": 0.1}}, HERE / "protocol-5.pt", pickle_protocol=5)
    note("protocol-5.pt", saved)
    torch.save([parameter for parameter in net.parameters()] + gradients[:1], HERE / "list.pt")
    note("list.pt", {str(i): tensor.detach() for i, tensor in enumerate([*net.parameters(), gradients[0]])})
    torch.jit.save(torch.jit.script(net), HERE / "scripted.pt")
    without_debug("scripted.pt")
    note("scripted.pt", saved)
    torch.jit.save(torch.jit.trace(net, torch.ones(2, 5)), HERE / "traced.pt")
    without_debug("traced.pt")
    note("traced.pt", saved)
    torch.save(saved, HERE / "legacy.pth", _use_new_zipfile_serialization=False)
    note("legacy.pth", saved)
    whole = saved["fc1.weight"]
    parts = {"rows": whole[1:3], "turned": whole.t(), "half": whole.half(), "steps": torch.tensor(7), "double": whole.double()[:, ::2]}
    torch.save({"epoch": 3, "state_dict": parts}, HERE / "legacy-checkpoint.pth", _use_new_zipfile_serialization=False)
    note("legacy-checkpoint.pth", parts)
    torch.save(net, HERE / "whole-module.pt")
    torch.save({"weight": saved["fc1.weight"], "extra": Plain()}, HERE / "foreign-class.pt")
    bad = saved["fc1.weight"].clone()
    bad[2, 1], bad[3, 4] = float("nan"), float("inf")
    torch.save({"fc1.weight": bad}, HERE / "nan.pt")
    np.savez(HERE / "nan.npz", w=bad.numpy())
    save_file({"w": bad}, HERE / "nan.safetensors")


def without_debug(name):
    """Drop the members of a TorchScript archive that tell where its source lay on this machine."""
    with zipfile.ZipFile(HERE / name) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist() if not info.filename.endswith(".debug_pkl")]
    with zipfile.ZipFile(HERE / name, "w") as archive:
        for info, data in members:
            archive.writestr(zipfile.ZipInfo(info.filename), data, info.compress_type)
    torch.jit.load(HERE / name)


def odd():
    base = torch.arange(24, dtype=torch.float32)
    tensors = {
        "transposed": base.reshape(4, 6).t(),
        "offset": base[5:11].reshape(2, 3),
        "strided": base.reshape(4, 6)[1::2, ::3],
        "expanded": base[:3].reshape(3, 1).expand(3, 4),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(2.5),
        "half": base.reshape(4, 6).half()[:, 1],
        "brain": torch.tensor([1.5, -3.0], dtype=torch.bfloat16),
        "double": torch.tensor([[1e-300]], dtype=torch.float64),
        "steps": torch.tensor(7),
        "mask": torch.tensor([True, False]),
        "wave": torch.tensor([1j]),
        "tiny": torch.tensor([1.0]).to(torch.float8_e4m3fn),
        "parameter": torch.nn.Parameter(base[:4].reshape(2, 2)),
    }
    torch.save(tensors, HERE / "odd.pt")
    note("odd.pt", {key: tensor.detach() for key, tensor in tensors.items()})
    quantised = torch.quantize_per_tensor(torch.ones(2, 2), 0.1, 0, torch.qint8)
    torch.save({"weight": quantised}, HERE / "quantised.pt")
    arrays = {
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big": np.arange(4, dtype=">f4"),
        "half": np.array([[0.5, -2]], dtype=np.float16),
        "scalar": np.float64(3),
        "cube": np.asfortranarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4)),
        "counts": np.arange(3),
        "text": np.array(["a", "bc"]),
        "wave": np.array([1j]),
    }
    np.savez(HERE / "odd.npz", **arrays)
    native = {key: np.zeros(array.shape, int) if array.dtype.kind == "U" else array.astype(array.dtype.newbyteorder("=")) for key, array in arrays.items()}
    note("odd.npz", native)


def graphs():
    dense = np.array([[0, 2, 0, 0.5], [2, 1, 3, 0], [0, 3, 0, 0], [0.5, 0, 0, 0]])
    csr = sp.csr_matrix(dense)
    # Explicit zeros, which must go.
    stored = sp.csr_matrix((np.append(csr.data, [0.0, 0.0]), np.append(csr.indices, [0, 1]), np.append(csr.indptr[:-1], len(csr.data) + 2)), shape=(4, 4))
    for name, matrix in ("graph-csr.npz", stored), ("graph-csc.npz", csr.tocsc()), ("graph-f32.npz", csr.astype(np.float32)), ("graph-int.npz", (2 * csr).astype(np.int8)):
        sp.save_npz(HERE / name, matrix)
        expected[name] = matrix.toarray().tolist()
    wide = csr.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    sp.save_npz(HERE / "graph-int64.npz", wide, compressed=False)
    expected["graph-int64.npz"] = dense.tolist()
    # The format as text rather than bytes, as some writers have it.
    np.savez(HERE / "graph-unicode.npz", indices=csr.indices, indptr=csr.indptr, format="csr", shape=csr.shape, data=csr.data)
    expected["graph-unicode.npz"] = dense.tolist()
    sp.save_npz(HERE / "graph-coo.npz", csr.tocoo())
    for name, matrix, options in (
        ("graph-symmetric.mtx", csr.tocoo(), {"symmetry": "symmetric"}),
        ("graph-general.mtx", csr.tocoo(), {"symmetry": "general"}),
        ("graph-integer.mtx", (2 * csr).astype(int).tocoo(), {"field": "integer"}),
        ("graph-array.mtx", dense, {"symmetry": "general"}),
        ("graph-array-symmetric.mtx", dense, {"symmetry": "symmetric"}),
        ("graph-pattern.mtx", csr.tocoo(), {"field": "pattern"}),
        ("graph-complex.mtx", (1j * csr).tocoo(), {}),
    ):
        scipy.io.mmwrite(HERE / name, matrix, comment="made by tests/data/generate.py", **options)
        read = scipy.io.mmread(HERE / name)
        expected[name] = None if "complex" in name else np.asarray(read.todense() if sp.issparse(read) else read, float).tolist()


networks()
odd()
graphs()
text = json.dumps(expected, indent=None).replace('}, {"name"', '},\n  {"name"').replace('"}, "', '"},\n"').replace('}]}, "', '}]},\n"').replace(']], "', ']],\n"')
for path in HERE.iterdir():
    path.chmod(0o644)
(HERE / "expected.json").write_text(text + "\n")
print(f"python {sys.version.split()[0]}, numpy {np.__version__}, torch {torch.__version__}: {len(expected)} files")
