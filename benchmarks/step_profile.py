"""Where a step's time goes, operator by operator: what still separates it from its convolutions."""

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.measure import Row, publish
from benchmarks.step import SCANS, own_step
from study.regression.precision import fastest_precision

SIDE, STEPS, WARMUP, SHOWN = 32, 12, 3, 16
CONVOLUTIONS = (
    "aten::mkldnn_convolution",
    "aten::convolution_backward",
    "aten::cudnn_convolution",
    "_ConvolvedBackward",
)


def measure() -> None:
    """Print and store the table, one thread, in the precision that is faster here."""
    torch.set_num_threads(1)
    best = fastest_precision((SIDE,) * 3, SCANS)
    step = own_step(SIDE, {"n": SCANS, "p": 0.0, "precision": best})
    for _ in range(WARMUP):
        step()
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        for _ in range(STEPS):
            step()
    spent = {
        event.key: (event.self_cpu_time_total / 1e3 / STEPS, event.count / STEPS)
        for event in recorded.key_averages()
    }
    whole = sum(milliseconds for milliseconds, _ in spent.values())
    convolutions = sum(spent[name][0] for name in CONVOLUTIONS if name in spent)
    rows = [
        Row(what="the whole step", ours=whole, unit="ms"),
        Row(what="the three convolutions of many maps", ours=convolutions, unit="ms"),
        Row(what="everything else", ours=whole - convolutions, unit="ms"),
    ]
    others = sorted((name for name in spent if name not in CONVOLUTIONS), key=lambda name: -spent[name][0])
    for name in others[:SHOWN]:
        milliseconds, calls = spent[name]
        rows.append(Row(what=f"{name} ({calls:.0f} calls)", ours=milliseconds, unit="ms"))
    publish("step-profile", f"One step of {SCANS} scans at {SIDE}^3, {best}, by operator (self time)", rows)
