"""A regressor of the user's own in place of the base regressor, found by its name in the study file.

`mynets.py:small` is `small` of a file, `monai_nets.small:build` is `build` of a module that can be
imported. It is a class or a function, called without arguments, or with `dropout` where it takes
that, and gives a module (B, 1, D, H, W) -> (B,). Building it runs its file: a name is followed where
the study file gives it, never because a model that came from elsewhere does (`study.regression.recipe`).
"""

import copy
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from study.badinput import BadInput
from study.regression.objective import refuse_batch_statistics

WHERE = "training.regressor"
_handed: dict[str, bytes] = {}
"""Files by their names, as the study's driver read them: a worker's machine may lack them."""


def build_named(name: str, dropout: float) -> nn.Module:
    """The regressor of a name, weights from torch's current generator.

    Raises:
        BadInput: Its file or module cannot be loaded, or building it fails or gives no module.
    """
    make = _builder(name)
    try:
        network = make(dropout=dropout) if takes_dropout(name) else make()
    except Exception as error:
        raise _refusal(name, f"cannot be built ({_said(error)})") from error
    if not isinstance(network, nn.Module):
        raise _refusal(name, f"gives a {type(network).__name__}, not a torch.nn.Module")
    return network


def takes_dropout(name: str) -> bool:
    """Whether the regressor is told a dropout rate.

    Raises:
        BadInput: Its file or module cannot be loaded.
    """
    try:
        return "dropout" in inspect.signature(_builder(name)).parameters
    except (TypeError, ValueError):
        # Some builtins have no signature.
        return False


def source_file(name: str) -> Path:
    """The file that defines a regressor.

    Raises:
        BadInput: There is none.
    """
    module = name.rpartition(":")[0]
    if module.endswith(".py"):
        path = Path(module)
    else:
        try:
            found = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            found = None
        path = Path(found.origin) if found and found.origin else Path()
    if not path.is_file():
        raise _refusal(name, "has no file here")
    return path


def source_text(name: str) -> str:
    """What the file of `FILE.py:NAME` holds; nothing for a module, which is installed wherever it is used.

    Raises:
        BadInput: It cannot be read.
    """
    file = name.rpartition(":")[0]
    if not file.endswith(".py"):
        return ""
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _refusal(name, f"cannot be loaded ({_said(error)})") from error


def hand_over(name: str, source: str) -> None:
    """Let this process take what `source_text` gave in place of the regressor's file."""
    _handed[name.rpartition(":")[0]] = source.encode()


def try_regressor(name: str, shape: Sequence[int], *, streamed: bool) -> None:
    """See that a regressor does with two scans, and with one, what training asks of it.

    Args:
        name: Of the regressor.
        shape: Grid (D, H, W) of the study's scans.
        streamed: Whether it is to be trained by the streamed execution.

    Raises:
        BadInput: It cannot be built, fails, gives another shape or no gradient, or needs whole batches.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_named(name, 0.0)
        if streamed:
            refuse_batch_statistics(network)
        _copied(name, network)
        for scans in (2, 1):
            predictions = _answer(name, network.train(), torch.randn(scans, 1, *shape))
            if not predictions.requires_grad:
                raise _refusal(name, "gives predictions without a gradient: nothing in it can be trained")
            torch.autograd.backward(predictions.sum())
            with torch.inference_mode():
                _answer(name, network.eval(), torch.randn(scans, 1, *shape))


def _copied(name: str, network: nn.Module) -> None:
    """Training keeps an averaged copy."""
    try:
        copy.deepcopy(network)
    except Exception as error:
        raise _refusal(name, f"cannot be copied ({_said(error)})") from error


def _answer(name: str, network: nn.Module, images_BCDHW: Tensor) -> Tensor:
    try:
        predictions = network(images_BCDHW)
    except Exception as error:
        what = f"fails on scans {tuple(images_BCDHW.shape)} ({_said(error)})"
        raise _refusal(name, what) from error
    shape = tuple(predictions.shape) if isinstance(predictions, Tensor) else type(predictions).__name__
    if shape != (len(images_BCDHW),):
        raise _refusal(
            name,
            f"gives {shape} for scans {tuple(images_BCDHW.shape)}, not ({len(images_BCDHW)},)",
            "Make it (B, 1, D, H, W) -> (B,), for example with a last nn.Flatten(0)",
        )
    found: Tensor = predictions
    return found


def _builder(name: str) -> Callable[..., object]:
    module, _, attribute = name.rpartition(":")
    try:
        found: object = _module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:
        # Whatever the file does when it is run, from a typing error on.
        fix = "Write FILE.py:NAME, its file relative to the study file, or MODULE:NAME of an installed module"
        raise _refusal(name, f"cannot be loaded ({_said(error)})", fix) from error
    if not callable(found):
        raise _refusal(name, f"is a {type(found).__name__}, neither a class nor a function")
    return found


def _module(where: str) -> ModuleType:
    if not where.endswith(".py"):
        return importlib.import_module(where)
    handed = _handed.get(where)
    return _of_file(where, Path(where).read_bytes() if handed is None else handed)


@lru_cache(maxsize=8)
def _of_file(file: str, source: bytes) -> ModuleType:
    """By its bytes, not its name: a notebook's kernel outlives edits of the file."""
    module = ModuleType(f"setsum_regressor_{hashlib.sha256(source).hexdigest()[:16]}")
    module.__file__ = file
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, file, "exec"), vars(module))  # noqa: S102 - the study file names it
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _refusal(name: str, what: str, fix: str = "Correct it, or leave training.regressor out") -> BadInput:
    return BadInput(f"the regressor `{name}` {what}", where=WHERE, fix=fix)
