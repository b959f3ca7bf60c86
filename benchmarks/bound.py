"""The lower bound: the four convolutions of the base network, forward and backward, and nothing else.

Beside it, what torch's own operators need for everything between the convolutions, each run once and
alone: a step made of them cannot be faster than both together.
"""

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


def all_operators(side: int, scans: int, dtype: torch.dtype, *, backward: bool) -> Callable[[], None]:
    """The convolutions, then everything between them."""
    parts = [part(side, scans, dtype, backward=backward) for part in (convolutions, _other_operators)]

    def run() -> None:
        for part in parts:
            part()

    return run


def _other_operators(side: int, scans: int, dtype: torch.dtype, *, backward: bool) -> Callable[[], None]:
    """Resampling, ReLUs, pooling and means of the base network, channels last, on maps that lie ready."""
    aten, half = torch.ops.aten, side // 2
    images, grid = torch.randn(scans, 1, side, side, side), torch.rand(scans, side, side, side, 3) * 2 - 1
    first, middle, third, last = (
        torch.randn(scans, maps, *[size] * 3).to(dtype=dtype, memory_format=torch.channels_last_3d)
        for maps, size in ((32, side), (32, half), (64, half), (64, half))
    )
    pooled, places = aten.max_pool3d_with_indices(first, [2] * 3, [2] * 3)

    def run() -> None:
        functional.grid_sample(images, grid, align_corners=False)
        functional.max_pool3d(first, 2)
        for maps in (first, middle, third, last):
            maps.relu()
        for maps in (middle, last):
            maps.mean(dim=(2, 3, 4), dtype=torch.float32)
        if backward:
            for maps in (last, third, middle, first):
                aten.threshold_backward(maps, maps, 0)
            aten.max_pool3d_with_indices_backward(
                pooled, first, [2] * 3, [2] * 3, [0] * 3, [1] * 3, False, places
            )

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
