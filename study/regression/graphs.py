"""An export's networks as one graph that runs without this package: ONNX and `torch.export`.

A graph is one forward pass of all networks and their mean, on preprocessed scans: any number of them,
on the grid of the export. The views of a prediction are left to the caller. Weights and arithmetic are
float32, also where training ran its convolutions in bfloat16.
"""

import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from study.badinput import BadInput
from study.regression.ensemble import Ensemble

INPUT, OUTPUT = "images", "predictions"


def trace(networks: Sequence[nn.Module], shape: Sequence[int]) -> ExportedProgram:
    """The graph for a grid (D, H, W), its number of scans left open.

    Args:
        networks: On the CPU, in evaluation mode and float32.
        shape: D, H, W.

    Raises:
        BadInput: A network's code cannot be traced.
    """
    example = torch.zeros(2, 1, *shape)
    try:
        with _quiet(), torch.no_grad():
            program = torch.export.export(
                Ensemble(networks).eval(), (example,), dynamic_shapes=({0: Dim("scans")},)
            )
    except Exception as error:
        # Whatever somebody's own network makes torch raise.
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise BadInput(
            f"torch.export cannot trace these networks ({reason[0][:200]})",
            fix="Leave out --format, or write the network without branches that depend on its input",
        ) from error
    for node in program.graph.nodes:
        # Where this package lies on this machine is nobody's business.
        for name in ("stack_trace", "from_node"):
            node.meta.pop(name, None)
    return program


def torch_program(program: ExportedProgram) -> bytes:
    """The content of a `.pt2` file, which `torch.export.load` reads."""
    with _quiet(), io.BytesIO() as stream:
        torch.export.save(program, stream)
        return stream.getvalue()


def onnx_model(program: ExportedProgram, notes: Mapping[str, str]) -> bytes:
    """The content of an `.onnx` file, with notes in its metadata.

    Raises:
        BadInput: The packages for it are not installed.
    """
    check_onnx()
    with _quiet():
        converted = torch.onnx.export(
            program, dynamo=True, verbose=False, input_names=[INPUT], output_names=[OUTPUT]
        )
    assert converted is not None
    model: Any = converted.model_proto
    _name_scans(model.graph)
    for name, text in notes.items():
        model.metadata_props.add(key=name, value=text)
    content: bytes = model.SerializeToString()
    return content


def run_torch_program(content: bytes, images_BCDHW: Tensor) -> NDArray[np.float64]:
    """What a `.pt2` file predicts, (B,)."""
    with _quiet(), io.BytesIO(content) as stream, torch.inference_mode():
        predictions: Tensor = torch.export.load(stream).module()(images_BCDHW)
    return predictions.double().numpy()


def run_onnx(content: bytes, images_BCDHW: Tensor) -> NDArray[np.float64]:
    """What an `.onnx` file predicts in onnxruntime on the CPU, (B,).

    Raises:
        BadInput: onnxruntime is not installed.
    """
    check_onnx()
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (predictions,) = session.run([OUTPUT], {INPUT: images_BCDHW.numpy()})
    return np.asarray(predictions, dtype=np.float64)


def check_onnx() -> None:
    """Refuse what needs ONNX where it is not installed.

    Raises:
        BadInput: It is not.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise BadInput(
            f"model.onnx needs the package {error.name}",
            where="--format onnx",
            fix="Install it: pip install 'setsum[onnx]'",
        ) from error


def _name_scans(graph: Any) -> None:  # noqa: ANN401 - onnx's own, untyped
    """Call the open axis by its name instead of torch's number for it."""
    number = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for values in (*graph.input, *graph.output, *graph.value_info):
        for size in values.type.tensor_type.shape.dim:
            if size.dim_param == number:
                size.dim_param = "scans"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's remarks on its own deprecations and on packages that are not needed here."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
