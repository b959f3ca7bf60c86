"""The PyTorch loop of docs/library.md runs as it stands, and learns."""

import re
from pathlib import Path

import torch

PAGE = Path(__file__).parents[1] / "docs" / "library.md"


def test_the_loop_is_short_and_its_loss_falls():
    (loop,) = [
        code for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S) if "optimiser" in code
    ]
    lines = [line for line in loop.splitlines() if line and not line.startswith(("import", "from"))]
    assert len(lines) <= 20
    torch.manual_seed(0)
    losses = []
    exec(loop.replace("optimiser.step()", "optimiser.step(); losses.append(loss)"), {"losses": losses})
    assert len(losses) == 30
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
