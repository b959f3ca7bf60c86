"""Where networks run, checked before there is work to lose."""

import torch

from study.badinput import BadInput


def check_device(name: str) -> None:
    """Refuse a device that is none, or that this machine lacks.

    Raises:
        BadInput: Neither `cpu` nor `cuda`, or there is no such GPU.
    """
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()) or name.endswith(":"):
        raise BadInput(f"a device is cpu or cuda, got {name!r}", where="device", fix="Choose one of them")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise BadInput(
            f"this machine has {torch.cuda.device_count()} GPUs, got {name!r}",
            where="device",
            fix="Use --device cpu",
        )
