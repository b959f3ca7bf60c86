"""An export's networks as graphs, `model.onnx` and `model.pt2`, each checked on real scans first."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.export import ExportedProgram

from study.badinput import BadInput
from study.cohort.rows import Images
from study.record import atomic
from study.regression.config import TrialConfig
from study.regression.ensemble import Ensemble
from study.regression.graphs import (
    check_onnx,
    onnx_model,
    run_onnx,
    run_torch_program,
    torch_program,
    trace,
)
from study.regression.model import load_networks

CHECKED = 8
"""Scans that a graph is checked on at most; on one alone, too."""
TOLERANCE = 1e-4
"""Largest difference from torch, as a share of the largest prediction."""


class Format(NamedTuple):
    """A kind of graph: its file, how its content is made, and how it is run."""

    file: str
    make: Callable[[ExportedProgram, Mapping[str, str]], bytes]
    run: Callable[[bytes, Tensor], NDArray[np.float64]]


FORMATS = {
    "onnx": Format("model.onnx", onnx_model, run_onnx),
    "pt2": Format("model.pt2", lambda program, notes: torch_program(program), run_torch_program),
}


def check_formats(names: Collection[str]) -> None:
    """Refuse unknown formats, and ONNX without its packages.

    Raises:
        BadInput: One of them.
    """
    for name in names:
        if name not in FORMATS:
            raise BadInput(
                f"a format is {' or '.join(FORMATS)}, got {name!r}",
                where="--format",
                fix="Choose one of them",
            )
    if "onnx" in names:
        check_onnx()


def write_graphs(
    folder: Path,
    config: TrialConfig,
    images: Images,
    wanted: Collection[str],
    known: Mapping[str, Any],
    notes: Mapping[str, str],
) -> dict[str, Any]:
    """Write the wanted graphs of `model.safetensors`, and bring up to date those that lie there.

    Args:
        folder: Of the export.
        config: Of its networks.
        images: Preprocessed scans to check on: never test scans.
        wanted: Names of `FORMATS`.
        known: What this function returned for the graphs that lie there.
        notes: For the metadata of `model.onnx`.

    Returns:
        By file: `weights`, the SHA-256 of the weights it was made from; `checked_on`, a number of scans;
        `largest_difference` from torch's predictions there, in label units.

    Raises:
        BadInput: The networks cannot be traced, ONNX is not installed, or a graph predicts otherwise
            than torch.
    """
    weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    found, left = {}, []
    for name, kind in FORMATS.items():
        there = (folder / kind.file).is_file()
        if there and known.get(kind.file, {}).get("weights") == weights:
            found[kind.file] = known[kind.file]
        elif there or name in wanted:
            left.append(kind)
    if left:
        exact = config.model_copy(update={"precision": "float32"})
        networks = load_networks(folder / "model.safetensors", exact)
        program = trace(networks, images.shape[1:])
        scans = _scans(images)
        for kind in left:
            content = kind.make(program, notes)
            difference = _largest_difference(kind, content, Ensemble(networks), scans)
            with atomic(folder / kind.file) as stream:
                stream.write(content)
            found[kind.file] = {
                "weights": weights,
                "checked_on": len(scans),
                "largest_difference": difference,
            }
    return found


def _scans(images: Images) -> Tensor:
    rows = np.arange(min(CHECKED, len(images)))
    return torch.from_numpy(images[rows].astype(np.float32)).unsqueeze(1)


def _largest_difference(kind: Format, content: bytes, networks: Ensemble, images_BCDHW: Tensor) -> float:
    """From torch, on all scans together and on the first alone: the number of scans is open.

    Raises:
        BadInput: It is too large.
    """
    with torch.inference_mode():
        expected_B = networks(images_BCDHW).double().numpy()
    found_B = kind.run(content, images_BCDHW)
    alone_1 = kind.run(content, images_BCDHW[:1])
    difference = max(float(np.abs(found_B - expected_B).max()), float(abs(alone_1[0] - expected_B[0])))
    if not difference <= TOLERANCE * max(1.0, float(np.abs(expected_B).max())):
        raise BadInput(
            f"predicts {difference:.3g} label units away from torch and was not written",
            where=kind.file,
            fix="Try other versions of torch and onnxruntime, or leave out --format",
        )
    return difference
