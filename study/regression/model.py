"""The weights of trained networks in one safetensors file."""

from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from study.badinput import BadInput
from study.record import atomic
from study.regression.config import TrialConfig
from study.regression.prediction import Predictor, build_predictor


def save_networks(path: Path, networks: Sequence[nn.Module]) -> None:
    """Write all networks' weights."""
    with atomic(path) as stream:
        stream.write(networks_bytes(networks))


def networks_bytes(networks: Sequence[nn.Module]) -> bytes:
    """What a file of all networks' weights holds, named `<number>.<parameter>`."""
    tensors = {
        f"{number}.{name}": tensor.detach().cpu().contiguous().clone()
        for number, network in enumerate(networks)
        for name, tensor in network.state_dict().items()
    }
    return save(tensors)


def load_networks(path: Path, config: TrialConfig) -> list[Predictor]:
    """The networks of a file, in order and in evaluation mode.

    Raises:
        BadInput: The file is not safetensors, or holds other weights than the configuration's.
    """
    try:
        tensors = load_file(path)
        numbers = {int(name.split(".", 1)[0]) for name in tensors}
        if not numbers or numbers != set(range(len(numbers))):
            raise ValueError("networks are not numbered 0, 1, 2, ...")
        networks = [build_predictor(config) for _ in numbers]
        for number, network in enumerate(networks):
            own = f"{number}."
            network.load_state_dict(
                {name.removeprefix(own): value for name, value in tensors.items() if name.startswith(own)}
            )
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        raise BadInput(
            f"these are not weights of this configuration ({error})",
            where=str(path),
            fix="Export again: setsum export STUDY_DIR",
        ) from error
    return networks
