"""Some scans of a memory-mapped cohort, read only when they are asked for."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Images(Protocol):
    """What training and prediction read scans from: an array (M, D, H, W) or `Rows` of one."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: slice | NDArray[np.int64], /) -> NDArray[np.floating]: ...


class Rows:
    """The scans at some positions of an array, copied a batch at a time and never as a whole.

    Args:
        images_MDHW: An array, a memory map, or other rows.
        positions: (m,) positions along its first axis.
    """

    def __init__(self, images_MDHW: Images, positions: NDArray[np.int64]) -> None:
        self.images_MDHW, self.positions = images_MDHW, np.asarray(positions)

    @property
    def shape(self) -> tuple[int, ...]:
        """(m, D, H, W)."""
        return (len(self.positions), *self.images_MDHW.shape[1:])

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: slice | NDArray[np.int64], /) -> NDArray[np.floating]:
        return self.images_MDHW[self.positions[index]]
