"""The set-sum objective L(sum of f over a set, sum of its labels) and its gradient, executed in two ways.

`replicated` runs all slots of a step in one pass (the paper's choice). `streamed` keeps memory
constant in n: the gradient of a set's loss is L'(sum yhat - sum y) times the sum of the gradients
of yhat, so chunks of scans run forward and backward one after the other, and the accumulated
gradient is scaled by L' at the end.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from study.badinput import BadInput
from study.regression.dropout import slot_streams

Loss = Literal["mse", "mae"]
Execution = Literal["streamed", "replicated"]


class Done(NamedTuple):
    """A step's loss, averaged over its sets, and the chunk that the device had memory for."""

    loss: float
    chunk: int


Fetch = Callable[[NDArray[np.int64]], Tensor]
"""From flat slot numbers (B,) to the images (B, 1, D, H, W) that stand in them."""

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
}


def set_sum_backward(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    present: Tensor,
    *,
    loss: Loss = "mse",
    execution: Execution = "replicated",
    chunk: int | None = None,
    blank: Literal["mask", "image"] = "mask",
    slot_seeds: Sequence[int] | None = None,
) -> float:
    """Add the gradient of the set-sum loss, averaged over the sets, to the parameters' `.grad`.

    Args:
        model: (B, 1, D, H, W) -> (B,).
        images: (S, n, D, H, W); a blank is a zero image.
        labels: (S, n); 0 for a blank.
        present: (S, n) booleans; False for a blank.
        loss: Between the sum of predictions and the sum of labels of a set.
        execution: One pass over all slots, or chunk after chunk with constant memory.
        chunk: Most scans in one pass of the streamed execution; None means n.
        blank: `mask` takes f(B) = 0 by definition (paper, Equation 2); `image` runs the zero image.
        slot_seeds: One dropout seed a slot, (S * n,); makes dropout independent of the execution.

    Returns:
        The loss, averaged over the S sets; a set of blanks only counts with its own (masked: zero) loss.

    Raises:
        BadInput: Shapes disagree, or the streamed execution meets batch normalisation.
    """
    if images.ndim != 5 or labels.shape != images.shape[:2] or present.shape != images.shape[:2]:
        raise BadInput(
            "images (S, n, D, H, W), labels (S, n) and present (S, n) must agree, got "
            f"{tuple(images.shape)}, {tuple(labels.shape)} and {tuple(present.shape)}"
        )
    flat = images.flatten(0, 1).unsqueeze(1)
    computed = present if blank == "mask" else torch.ones_like(present)
    return backward_slots(
        model,
        lambda slots: flat[torch.from_numpy(slots).to(flat.device)],
        labels,
        computed.cpu().numpy(),
        loss=loss,
        execution=execution,
        chunk=chunk or images.shape[1],
        slot_seeds=slot_seeds,
    ).loss


def backward_slots(
    model: nn.Module,
    fetch: Fetch,
    labels_SN: Tensor,
    computed_SN: NDArray[np.bool_],
    *,
    loss: Loss,
    execution: Execution,
    chunk: int,
    slot_seeds: Sequence[int] | None = None,
) -> Done:
    """`set_sum_backward` that fetches images when their turn comes.

    When a device runs out of memory the chunk halves and the step starts again, with the same result
    up to the order of sums.
    """
    if execution == "streamed":
        refuse_batch_statistics(model)
    else:
        chunk = max(1, int(computed_SN.sum()))
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    before = [parameter.grad for parameter in parameters]
    while True:
        for parameter in parameters:
            parameter.grad = None
        try:
            total = _accumulate(model, fetch, labels_SN, computed_SN, loss, chunk, slot_seeds)
            break
        except (MemoryError, RuntimeError) as error:
            if chunk == 1 or execution == "replicated" or not is_out_of_memory(error):
                raise
            chunk //= 2
    for parameter, earlier in zip(parameters, before, strict=True):
        if earlier is not None:
            parameter.grad = earlier if parameter.grad is None else earlier.add_(parameter.grad)
    return Done(total, chunk)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device had no memory left; torch says so of the CPU in words only."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _accumulate(
    model: nn.Module,
    fetch: Fetch,
    labels_SN: Tensor,
    computed_SN: NDArray[np.bool_],
    loss: Loss,
    chunk: int,
    slot_seeds: Sequence[int] | None,
) -> float:
    """One attempt at a step with a given chunk; `.grad` is None on entry."""
    sets, n = computed_SN.shape
    labels_S = labels_SN.float().sum(dim=1)
    total = torch.zeros((), device=labels_S.device)

    def run(slots: NDArray[np.int64]) -> Tensor:
        images = fetch(slots)
        seeds = None if slot_seeds is None else [slot_seeds[slot] for slot in slots]
        with slot_streams(model, seeds, images.device):
            predictions: Tensor = model(images)
            return predictions.float()

    for first, last, slots in _groups(computed_SN, chunk):
        if len(slots) <= chunk:
            loss_ = _whole_sets(run, slots, labels_S[first:last], n, first, loss) * ((last - first) / sets)
            if len(slots):
                torch.autograd.backward(loss_)
            total += loss_.detach()
        else:
            total += _split_set(model, run, slots, labels_S[first:last], chunk, loss, sets)
    return float(total)


def _groups(computed_SN: NDArray[np.bool_], chunk: int) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """Runs of whole sets that fit a chunk, or single sets that do not: (first set, last set, slots)."""
    sets, n = computed_SN.shape
    counts = computed_SN.sum(axis=1)
    first = 0
    while first < sets:
        last, size = first + 1, int(counts[first])
        while last < sets and size + counts[last] <= chunk:
            size += int(counts[last])
            last += 1
        yield first, last, np.flatnonzero(computed_SN[first:last]) + first * n
        first = last


def _whole_sets(
    run: Callable[[NDArray[np.int64]], Tensor],
    slots: NDArray[np.int64],
    labels_S: Tensor,
    n: int,
    first: int,
    loss: Loss,
) -> Tensor:
    """Mean loss of sets that fit one pass."""
    if not len(slots):
        return LOSSES[loss](torch.zeros_like(labels_S), labels_S)
    predictions = run(slots)
    sums = predictions
    if n > 1 or len(slots) < len(labels_S):
        owner = torch.from_numpy(slots // n - first).to(predictions.device)
        sums = torch.zeros_like(labels_S).index_add(0, owner, predictions)
    return LOSSES[loss](sums, labels_S)


def _split_set(
    model: nn.Module,
    run: Callable[[NDArray[np.int64]], Tensor],
    slots: NDArray[np.int64],
    label: Tensor,
    chunk: int,
    loss: Loss,
    sets: int,
) -> Tensor:
    """Loss share of one set larger than a chunk; needs one gradient buffer beside `.grad`."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    others = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None
    total = torch.zeros_like(label)
    for start in range(0, len(slots), chunk):
        predicted = run(slots[start : start + chunk]).sum()
        torch.autograd.backward(predicted)
        total += predicted.detach()
    total.requires_grad_()
    value = LOSSES[loss](total, label) / sets
    (slope,) = torch.autograd.grad(value, total)
    for parameter, other in zip(parameters, others, strict=True):
        if parameter.grad is not None:
            parameter.grad.mul_(slope[0])
        if other is not None:
            parameter.grad = other if parameter.grad is None else other.add_(parameter.grad)
    return value.detach()


def refuse_batch_statistics(model: nn.Module) -> None:
    """See that a model can be trained a part of a batch at a time.

    Raises:
        BadInput: It holds batch normalisation.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            raise BadInput(
                f"the streamed execution cannot train `{name}` ({type(module).__name__}): its output depends "
                "on the whole batch, which is never in memory at once",
                fix="Use execution: replicated, or group or instance normalisation",
            )
