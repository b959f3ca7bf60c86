"""One searched field of a search-space file: its domain, its two named values, its checks.

A domain is a mapping with one of the kinds below, and beside it, optionally, `default:` and
`paper:`, the values that the arm's first trials have:

    learning_rate: {loguniform: [5.0e-4, 5.0e-3], default: 1.5e-3}
    n: {choice: [2, 4, 8], default: 2, paper: 4}

Kinds: `uniform: [lo, hi]`, `loguniform: [lo, hi]`, `quniform: [lo, hi, q]`, `choice: [...]`,
`randint: [lo, hi]` (hi EXCLUDED, as in Ray Tune), `qrandint: [lo, hi, q]` (hi included, as in Ray Tune).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real

from pydantic import TypeAdapter, ValidationError
from ray import tune
from ray.tune.search.sample import Domain

from study.badinput import BadInput
from study.regression.config import TrialConfig

Scalar = bool | int | float | str
LENGTHS = {"uniform": 2, "loguniform": 2, "quniform": 3, "randint": 2, "qrandint": 3}
KINDS = (*LENGTHS, "choice")
INTEGER = ("randint", "qrandint")
LARGEST = 1e15
"""Of a bound: up to here float64 tells whole numbers apart."""
NAMED = ("default", "paper")


@dataclass(frozen=True, kw_only=True)
class Searched:
    """A field that the search varies: the domain as written, and its named values (None: not given)."""

    kind: str
    arguments: tuple[Scalar, ...]
    default: Scalar | None = None
    paper: Scalar | None = None

    def domain(self) -> Domain:
        """The domain in Ray Tune's words."""
        make: Callable[..., Domain] = getattr(tune, self.kind)
        return make(list(self.arguments)) if self.kind == "choice" else make(*self.arguments)

    def extremes(self) -> tuple[Scalar, ...]:
        """Every choice, or the smallest and largest value that can be drawn."""
        if self.kind == "choice":
            return self.arguments
        low, high = _bounds(self)
        return (low, high)

    def contains(self, value: Scalar) -> bool:
        """Whether the search itself could draw the value."""
        if self.kind == "choice":
            return any(value == choice and type(value) is type(choice) for choice in self.arguments)
        low, high = _bounds(self)
        if isinstance(value, bool) or not isinstance(value, Real) or not low <= value <= high:
            return False
        return not self.kind.startswith("q") or _on_grid(float(value) - low, _numbers(self)[2])


def read_searched(field: str, content: Mapping[str, object], where: str) -> Searched:
    """A domain mapping, checked against the field of the configuration that it varies.

    Raises:
        BadInput: Not one known kind, impossible bounds, or a value that the field or the domain refuses.
    """
    kinds = [key for key in content if key not in NAMED]
    if len(kinds) != 1 or kinds[0] not in KINDS:
        raise BadInput(
            f"a domain has exactly one of {', '.join(KINDS)}, got {', '.join(map(str, kinds)) or 'none'}",
            where=where,
            fix="Beside it only `default` and `paper` may stand",
        )
    kind, arguments = kinds[0], content[kinds[0]]
    if not isinstance(arguments, list) or not all(isinstance(a, Scalar) for a in arguments):
        raise BadInput(f"`{kind}` takes a list of plain values, got {arguments!r}", where=where)
    searched = Searched(
        kind=str(kind),
        arguments=tuple(arguments),
        default=_named(content, "default", where),
        paper=_named(content, "paper", where),
    )
    _check_choices(searched, where) if kind == "choice" else _check_range(searched, field, where)
    for value in searched.extremes():
        check_value(field, value, where)
    for name in NAMED:
        value = getattr(searched, name)
        if value is not None and not searched.contains(value):
            raise BadInput(f"`{name}: {value}` lies outside `{kind}: {arguments}`", where=where)
    return searched


def check_value(field: str, value: object, where: str) -> None:
    """Refuse a value that the configuration's field cannot have.

    Raises:
        BadInput: With the configuration's own reason.
    """
    info = TrialConfig.model_fields[field]
    try:
        TypeAdapter(info.rebuild_annotation()).validate_python(value, strict=True)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise BadInput(f"`{field}: {value}` is impossible: {reason}", where=where) from None


def _named(content: Mapping[str, object], name: str, where: str) -> Scalar | None:
    value = content.get(name)
    if name in content and not isinstance(value, Scalar):
        raise BadInput(f"`{name}` is one plain value, got {value!r}", where=where)
    return value if isinstance(value, Scalar) else None


def _check_choices(searched: Searched, where: str) -> None:
    choices = [(type(choice), choice) for choice in searched.arguments]
    if not choices or len(set(choices)) < len(choices):
        raise BadInput(f"`choice` needs different values, got {list(searched.arguments)}", where=where)


def _check_range(searched: Searched, field: str, where: str) -> None:
    kind, arguments = searched.kind, list(searched.arguments)
    wanted = int if kind in INTEGER else (int, float)
    if len(arguments) != LENGTHS[kind] or any(
        isinstance(a, bool) or not isinstance(a, wanted) for a in arguments
    ):
        what = "whole numbers" if kind in INTEGER else "numbers"
        raise BadInput(f"`{kind}` takes {LENGTHS[kind]} {what}, got {arguments}", where=where)
    if any(abs(a) > LARGEST or a != a for a in arguments if isinstance(a, int | float)):  # nan != nan
        raise BadInput(f"`{kind}` takes numbers of at most {LARGEST:g}, got {arguments}", where=where)
    numbers = _numbers(searched)
    low, high = _bounds(searched)
    if not low < high:
        bound = "hi - 1 (hi is excluded)" if kind == "randint" else "hi"
        raise BadInput(f"lo < {bound} must hold, got `{kind}: {arguments}`", where=where)
    if kind == "loguniform" and low <= 0:
        raise BadInput(f"`loguniform` needs lo > 0, got {low}", where=where)
    if kind.startswith("q") and not (numbers[2] > 0 and _on_grid(high - low, numbers[2])):
        raise BadInput(
            f"the step q must be positive and divide hi - lo, got `{kind}: {arguments}`", where=where
        )
    if TrialConfig.model_fields[field].annotation is int and kind not in INTEGER:
        raise BadInput(
            f"`{field}` is a whole number and `{kind}` is not", where=where, fix="Use randint or choice"
        )


def _numbers(searched: Searched) -> list[float]:
    return [float(a) for a in searched.arguments]


def _bounds(searched: Searched) -> tuple[float, float]:
    """Smallest and largest value that can be drawn, as integers for the integer kinds."""
    low, high = searched.arguments[0], searched.arguments[1]
    assert isinstance(low, (int, float)), "a range is checked before its bounds are asked for"
    assert isinstance(high, (int, float)), "a range is checked before its bounds are asked for"
    return low, high - 1 if searched.kind == "randint" else high


def _on_grid(distance: float, step: float) -> bool:
    return abs(distance / step - round(distance / step)) < 1e-9
