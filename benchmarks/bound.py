"""The lower bound: the four convolutions of the base network, forward and backward, and nothing else."""

from collections.abc import Callable

import torch
from torch.nn import functional

CONVOLUTIONS = ((1, 32, 1), (32, 32, 1), (33, 64, 2), (64, 64, 2))
"""Maps in, maps out, and how much smaller the grid is."""


def convolutions(
    side: int, scans: int, dtype: torch.dtype, *, backward: bool, device: str = "cpu"
) -> Callable[[], None]:
    """All four, each in whichever memory layout is faster here; the first has no input to pass a slope to."""
    fastest = [
        min(
            (_one(case, side, scans, dtype, layout, backward, device) for layout in _LAYOUTS),
            key=_seconds,
        )
        for case in CONVOLUTIONS
    ]

    def run() -> None:
        for convolution in fastest:
            convolution()

    return run


_LAYOUTS = (torch.contiguous_format, torch.channels_last_3d)


def _one(
    case: tuple[int, int, int],
    side: int,
    scans: int,
    dtype: torch.dtype,
    layout: torch.memory_format,
    backward: bool,
    device: str,
) -> Callable[[], None]:
    maps, out, smaller = case
    grid = [side // smaller] * 3
    x = torch.randn(scans, maps, *grid, device=device).to(dtype=dtype, memory_format=layout)
    weight = (0.05 * torch.randn(out, maps, 3, 3, 3, device=device)).to(dtype=dtype, memory_format=layout)
    bias = torch.zeros(out, dtype=dtype, device=device)
    slope = torch.randn_like(functional.conv3d(x, weight, bias, padding=1))
    wanted = [maps > 1, True, True]

    def run() -> None:
        functional.conv3d(x, weight, bias, padding=1)
        if backward:
            torch.ops.aten.convolution_backward(
                slope, x, weight, [out], [1] * 3, [1] * 3, [1] * 3, False, [0] * 3, 1, wanted
            )

    return run


def _seconds(run: Callable[[], None]) -> float:
    import time

    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])
