"""A search-space file read, checked and resolved: what an arm varies, and what it holds fixed.

A file has three headings, `scientific` (what the arm asks about), `nuisance` (tuned alike in
every arm) and `fixed`. Keys are fields of the trial configuration; a value is a constant or a
domain (`study.sweep.domains`). The arm is named after the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path

from pydantic import ValidationError
from ray.tune.search.sample import Domain

from study.badinput import BadInput
from study.plainyaml import read_yaml
from study.regression.config import ASKED, TrialConfig
from study.sweep.domains import Scalar, Searched, check_value, read_searched

HEADINGS = ("scientific", "nuisance", "fixed")
CORNERS = 4096
"""Most combinations of extreme values that are resolved to see whether the fields fit together."""

Entry = Searched | Scalar


@dataclass(frozen=True, kw_only=True)
class Space:
    """The search space of one arm; immutable, checked when it was read."""

    arm: str
    where: str
    scientific: Mapping[str, Entry]
    nuisance: Mapping[str, Entry]
    fixed: Mapping[str, Entry]

    @property
    def searched(self) -> dict[str, Searched]:
        """The fields that the search varies, scientific ones first."""
        return {key: entry for key, entry in self._entries().items() if isinstance(entry, Searched)}

    @property
    def constants(self) -> dict[str, Scalar]:
        """The fields that every trial of the arm shares."""
        return {key: entry for key, entry in self._entries().items() if not isinstance(entry, Searched)}

    @property
    def domains(self) -> dict[str, Domain]:
        """The searched fields in Ray Tune's words."""
        return {field: searched.domain() for field, searched in self.searched.items()}

    @property
    def points(self) -> dict[str, dict[str, Scalar]]:
        """What is evaluated first: the arm's `default` and the `paper`'s values (defaults elsewhere).

        Equal points are one, called `default`. A field without a default is left to the search;
        an arm without searched fields has one point, the empty one.
        """
        searched = self.searched.items()
        default = {field: entry.default for field, entry in searched if entry.default is not None}
        paper = default | {field: entry.paper for field, entry in searched if entry.paper is not None}
        points = {"default": default, "paper": paper} if paper != default else {"default": default}
        return {origin: point for origin, point in points.items() if point or not self.searched}

    def resolve(self, sample: Mapping[str, object]) -> TrialConfig:
        """The configuration of a trial: the arm's constants and the values drawn for its searched fields.

        Raises:
            BadInput: The fields do not fit together.
        """
        try:
            return TrialConfig.model_validate({**self.constants, **sample})
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            values = ", ".join(f"{key} = {value}" for key, value in sample.items())
            raise BadInput(
                f"these values do not fit together: {first['msg'].removeprefix('Value error, ')}"
                f" ({values or 'constants only'})",
                where=f"{self.where}: {field}" if field else self.where,
            ) from None

    def _entries(self) -> dict[str, Entry]:
        return {**self.scientific, **self.nuisance, **self.fixed}


def load_space(path: str | Path) -> dict[str, Domain]:
    """The searched fields of a search-space file as Ray Tune domains.

    Raises:
        BadInput: As `read_space`.
    """
    return read_space(path).domains


def read_space(path: str | Path) -> Space:
    """Read a search-space file; the arm is the file's name without its ending.

    Raises:
        BadInput: With file, key and reason, for whatever is wrong with it.
    """
    path = Path(path)
    content = _read_headings(path)
    headings = {heading: _entries_under(heading, content, str(path)) for heading in HEADINGS}
    seen: set[str] = set()
    for heading, entries in headings.items():
        if repeated := seen & set(entries):
            raise BadInput(f"`{min(repeated)}` stands under two headings", where=f"{path}: {heading}")
        seen |= set(entries)
    _check_name(path)
    space = Space(arm=path.stem, where=str(path), **headings)
    _check_fit(space)
    return space


def with_training(space: Space, training: Mapping[str, Scalar]) -> Space:
    """The space with the fields that a study holds fixed in every arm; searched ones become constant.

    A constant under `scientific` is what the arm is about (no augmentation, image blanks) and stays as it is.

    Raises:
        BadInput: An unknown field, an impossible value, or a field that the arm searches as its question.
    """
    for field, value in training.items():
        where = f"training: {field}"
        _check_known(field, where)
        check_value(field, value, where)
        if field in ASKED or isinstance(space.scientific.get(field), Searched):
            raise BadInput(
                f"`{field}` is what arms ask about (here `{space.arm}`) and cannot be set for all of them",
                where=where,
                fix=f"Leave it out, or leave out the arm, or edit a copy of {space.where}",
            )
    nuisance = {field: entry for field, entry in space.nuisance.items() if field not in training}
    common = {field: value for field, value in training.items() if field not in space.scientific}
    changed = replace(space, nuisance=nuisance, fixed={**space.fixed, **common})
    _check_fit(changed)
    return changed


def at_paper(space: Space) -> Space:
    """The space with every searched field fixed at the paper's value, or its default where there is none.

    Raises:
        BadInput: A searched field has neither.
    """
    values: Mapping[str, Entry] = space.points.get("paper") or space.points.get("default") or {}
    if unset := [field for field in space.searched if field not in values]:
        raise BadInput(
            f"`{unset[0]}` has neither a `paper` value nor a `default` to be fixed at",
            where=f"{space.where}: {unset[0]}",
            fix="Give it one, or search with another `search.sampler` than paper",
        )

    def at(entries: Mapping[str, Entry]) -> dict[str, Entry]:
        return {field: values.get(field, entry) for field, entry in entries.items()}

    return replace(space, scientific=at(space.scientific), nuisance=at(space.nuisance), fixed=at(space.fixed))


def check_space(space: Space, m: int) -> None:
    """Refuse set sizes that the smallest training fold, m scans, cannot fill without replacement.

    A space that searches both n and replacement must keep every n within m, because the search
    combines any n with any replacement.

    Raises:
        BadInput: n > m where sets may be drawn without replacement.
    """
    entries = {**space.constants, **space.searched}
    n, replacement = entries.get("n", 1), entries.get("replacement", False)
    sizes = n.extremes() if isinstance(n, Searched) else (n,)
    always = replacement is True or (
        isinstance(replacement, Searched) and False not in replacement.extremes()
    )
    too_large = [size for size in sizes if isinstance(size, int) and size > m]
    if too_large and not always:
        raise BadInput(
            f"n <= m must hold without replacement, got n = {max(too_large)} and m = {m} scans in the "
            "smallest training fold",
            where=f"{space.where}: n",
            fix="Leave larger n out, or fix `replacement: true`",
        )


def check_trials(space: Space, trials: int) -> None:
    """Refuse fewer trials than the named points and one sampled configuration take.

    Raises:
        BadInput: They do not suffice.
    """
    least = len(space.points) + 1 if space.searched else 1
    if trials < least:
        raise BadInput(
            f"arm `{space.arm}` needs at least {least} trials ({', '.join(space.points)} and a sampled "
            f"one), got {trials}",
            where="budget.trials",
            fix="Give every arm more",
        )


def _check_fit(space: Space) -> None:
    """Resolve the named points and the combinations of extreme values."""
    for point in space.points.values():
        if len(point) == len(space.searched):
            space.resolve(point)
    extremes = [searched.extremes() for searched in space.searched.values()]
    for values in islice(product(*extremes), CORNERS):
        space.resolve(dict(zip(space.searched, values, strict=True)))


def _check_name(path: Path) -> None:
    """An arm's name becomes a folder's."""
    if path.stem.startswith(".") or not path.stem.isprintable() or "\\" in path.stem:
        raise BadInput(
            f"an arm is named after its file, and {path.stem!r} starts with a dot, or has backslashes or "
            "control characters",
            where=str(path),
            fix="Rename the file",
        )


def _entries_under(heading: str, content: Mapping[str, object], where: str) -> dict[str, Entry]:
    entries = content[heading]
    if not isinstance(entries, dict):
        raise BadInput(
            f"`{heading}` holds fields and values, got {entries!r}", where=where, fix="Empty is {}"
        )
    return {field: _entry(field, value, f"{where}: {field}") for field, value in entries.items()}


def _entry(field: object, value: object, where: str) -> Entry:
    field = _check_known(field, where)
    if field == "regressor":
        # Only a study file names code to be run, and all arms are compared on one network.
        raise BadInput(
            "`regressor` belongs to a whole study",
            where=where,
            fix="Set training.regressor in the study file",
        )
    if isinstance(value, dict):
        return read_searched(field, value, where)
    if not isinstance(value, Scalar):
        raise BadInput(
            f"a value is a constant or a domain, got {value!r}",
            where=where,
            fix="A list of values to choose from is written {choice: [...]}",
        )
    check_value(field, value, where)
    return value


def _check_known(field: object, where: str) -> str:
    if not isinstance(field, str) or field not in TrialConfig.model_fields:
        raise BadInput(
            f"`{field}` is not a field of a configuration",
            where=where,
            fix=f"Fields are {', '.join(TrialConfig.model_fields)}",
        )
    return field


def _read_headings(path: Path) -> dict[str, object]:
    content = read_yaml(path)
    if not isinstance(content, dict) or set(content) != set(HEADINGS):
        got = ", ".join(map(str, content)) if isinstance(content, dict) else repr(content)
        raise BadInput(
            f"has the headings {', '.join(HEADINGS)}, got {got}",
            where=str(path),
            fix="A heading without fields is written `fixed: {}`",
        )
    return content
