"""How numbers, configurations and openings of the test set are put in words."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

NOTHING = "–"
SHORT = {
    "learning_rate": "lr",
    "scans_per_step": "b",
    "weight_decay": "wd",
    "mixup_alpha": "alpha",
    "mixup_bandwidth": "bandwidth",
    "bias_weight": "lambda",
    "optimiser": "",
    "schedule": "",
    "objective": "",
    "execution": "",
    "precision": "",
}
"""Short names of configuration fields; fields whose value names them need none."""

ARMS = (
    "base",
    "no_augmentation",
    "dropout",
    "weight_decay",
    "mixup",
    "c_mixup",
    "set_sum",
    "sets_of_2",
    "sets_of_4",
    "set_sum_dropout",
    "set_sum_large",
    "blank_only",
    "bias_penalty",
)
"""The order in which arms appear; others follow by name."""


def in_order(arms: Iterable[str]) -> list[str]:
    """Distinct arms in the order in which they always appear."""
    return sorted(set(arms), key=lambda arm: (ARMS.index(arm) if arm in ARMS else len(ARMS), arm))


def clipped(text: str, most: int) -> str:
    """Text of at most so many characters, the rest an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def slug(name: str) -> str:
    """A name as part of a file's name; a long one is cut, and told from others by a checksum."""
    letters = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
    return letters if len(letters) <= 40 else f"{letters[:32]}-{crc32(name.encode()):08x}"


def number(value: float | None, digits: int = 3) -> str:
    """A number with `digits` significant digits, a dash for a missing one."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e6:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        short = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{short}e{int(exponent)}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def fixed(value: float | None, decimals: int = 2) -> str:
    """A correlation with fixed decimals, a dash for a missing one; never minus zero."""
    if value is None or math.isnan(value):
        return NOTHING
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def signed(value: float | None, decimals: int = 2) -> str:
    """A difference with its sign."""
    text = fixed(value, decimals)
    return text if text == NOTHING or text.startswith("-") else f"+{text}"


def p_value(value: float | None) -> str:
    """A p value to three decimals; below a thousandth only that."""
    return "< .001" if value is not None and value < 0.001 else fixed(value, 3)


def interval(low: float | None, high: float | None, decimals: int = 2) -> str:
    """Limits in brackets; empty when there are none."""
    text = fixed(low, decimals), fixed(high, decimals)
    return "" if NOTHING in text else f"[{text[0]}, {text[1]}]"


def short_configuration(config: str | Mapping[str, Any], varied: str | Iterable[str]) -> str:
    """The varied fields only, such as `n=4 p=0.1 lr=1e-3`; `defaults` where none is varied.

    Args:
        config: The resolved configuration, or its JSON.
        varied: Fields that the arm's space varies, or their JSON.
    """
    values = json.loads(config) if isinstance(config, str) else config
    fields = json.loads(varied) if isinstance(varied, str) else varied
    shown = [_field(field, values[field]) for field in fields if field in values]
    return " ".join(shown) or "defaults"


def _field(field: str, value: object) -> str:
    name = SHORT.get(field, field)
    if isinstance(value, bool):
        return name if value else f"no-{name}"
    text = _compact(value) if isinstance(value, float) else str(value)
    return f"{name}={text}" if name else text


def _compact(value: float) -> str:
    if value != 0 and abs(value) < 0.01:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return f"{value:.3g}"


def opened(openings: list[dict[str, Any]], cohort: str = "test") -> tuple[int, str]:
    """How often a cohort's labels were opened, and when (UTC times to the minute, comma-separated)."""
    times = [str(line.get("time", "?")) for line in openings if line.get("cohort") == cohort]
    return len(times), ", ".join(time[:16].replace("T", " ") for time in times)


def opening_note(openings: list[dict[str, Any]], cohort: str = "test") -> str:
    """The sentence that stands with every table of test figures."""
    name = "The test set" if cohort == "test" else f"The external cohort {cohort}"
    count, times = opened(openings, cohort)
    if count == 0:
        return f"{name} has not been opened."
    if count == 1:
        return f"{name} has been opened once: {times}."
    return f"{name} has been opened {count} times ({times}); later figures may owe something to earlier ones."
