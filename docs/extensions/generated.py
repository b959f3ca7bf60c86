"""The reference's pages that are written from the code: command, study file, configurations, Python."""

import ast
import inspect
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from pydantic import BaseModel
from sphinx.application import Sphinx
from typer.testing import CliRunner

import study
from study.cli import app as command
from study.cohort.preprocess import Preprocessing
from study.regression.config import TrialConfig
from study.settings import StudySettings, builtin_names, builtin_text

MODULES = {
    "Networks and training (plain PyTorch)": [
        "study.regression.regressor",
        "study.regression.sets",
        "study.regression.objective",
        "study.regression.augmentation",
        "study.regression.prediction",
        "study.regression.crossvalidation",
        "study.regression.model",
    ],
    "Scans": ["study.cohort.scans", "study.cohort.scan", "study.cohort.split"],
    "Searching with Ray Tune": ["study.sweep.spaces", "study.sweep.trainable", "study.sweep.sweep"],
    "Agreement and inference": [
        "study.agreement",
        "analysis.inference",
        "analysis.correlations",
        "analysis.permutation",
        "analysis.selection",
    ],
}


def command_page() -> str:
    """Every command with what its `--help` says."""
    pages = [
        "# The command",
        "What each `--help` says. Bad input is one line on standard error and exit code 2.",
    ]
    runner = CliRunner(env={"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"})
    group: Any = typer.main.get_command(command)
    for words in ([], *([name] for name in group.commands)):
        said = runner.invoke(command, [*words, "--help"], prog_name="setsum")
        if said.exit_code:
            raise RuntimeError(f"setsum {' '.join(words)} --help: {said.output}")
        pages += [f"## `{' '.join(['setsum', *words])}`", f"```text\n{said.output.strip()}\n```"]
    return "\n\n".join(pages) + "\n"


def study_file_page() -> str:
    """The fields of a study file, and the files that come with the package."""
    pages = [
        "# The study file",
        "A YAML file; `KEY=VALUE` on the command line sets single fields by their dotted names. "
        f"`setsum init NAME` prints one of those that come with the package: {_listed(builtin_names())}.",
        f"## `setsum init quick`\n\n```yaml\n{builtin_text('quick').strip()}\n```",
        f"## Every field\n\n{_table(StudySettings)}",
    ]
    return "\n\n".join(pages) + "\n"


def configuration_page() -> str:
    """The fields of a trial's configuration and of the preprocessing."""
    return (
        "# Configurations\n\nFields of a search space, of `training:` in a study file and of an export's "
        "`config.yaml`."
        f"\n\n## How a network is trained\n\n{_table(TrialConfig)}"
        f"\n\n## How scans are read\n\n`preprocessing:` of a study file.\n\n{_table(Preprocessing)}\n"
    )


def python_page() -> str:
    """Public modules by subject, their docstrings."""
    pages = ["Python\n======"]
    if names := [name for name in getattr(study, "__all__", ()) if name[0] != "_"]:
        pages.append("Studies\n-------\n\n.. module:: study")
        for name in names:
            kind = "class" if inspect.isclass(getattr(study, name)) else "function"
            pages.append(f".. auto{kind}:: study.{name}" + ("\n   :members:" if kind == "class" else ""))
    for title, modules in MODULES.items():
        pages.append(f"{title}\n{'-' * len(title)}")
        pages += [
            f"{module}\n{'^' * len(module)}\n\n.. automodule:: {module}\n   :members:" for module in modules
        ]
    return "\n\n".join(pages) + "\n"


def _table(model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    rows = ["| field | is | default | meaning |", "|---|---|---|---|"]
    rows += [f"| {' | '.join(row)} |" for row in _rows(model, schema, schema, "")]
    return "\n".join(rows)


def _rows(
    model: type[BaseModel], schema: dict[str, Any], whole: dict[str, Any], prefix: str
) -> Iterator[tuple[str, str, str, str]]:
    meanings = _meanings(model)
    for name, field in schema["properties"].items():
        inner = model.model_fields[name].annotation
        if inspect.isclass(inner) and issubclass(inner, BaseModel):
            reference = field.get("$ref") or field["allOf"][0]["$ref"]
            yield from _rows(inner, _resolved({"$ref": reference}, whole), whole, f"{prefix}{name}.")
        else:
            default = f"`{json.dumps(field['default'])}`" if "default" in field else ""
            yield (
                f"`{prefix}{name}`",
                _kind(field, whole),
                default,
                meanings.get(name, "").replace("|", "\\|"),
            )


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """What stands beneath each field in the source."""
    body = ast.parse(inspect.getsource(model)).body[0].body  # type: ignore[attr-defined]
    return {
        field.target.id: " ".join(ast.literal_eval(words.value).split())
        for field, words in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(words, ast.Expr)
        and isinstance(words.value, ast.Constant)
    }


def _resolved(schema: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    return whole["$defs"][reference.rsplit("/", 1)[1]] if reference else schema


def _kind(field: dict[str, Any], whole: dict[str, Any]) -> str:
    """A JSON schema in words."""
    field = _resolved(field, whole)
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_kind(option, whole) for option in field["anyOf"]))
    if "prefixItems" in field:
        return f"{len(field['prefixItems'])} × {_kind(field['prefixItems'][0], whole)}"
    if field.get("type") == "array":
        return f"list of {_kind(field.get('items', {}), whole)}"
    words = {"null": "nothing", "object": "mapping", "string": "text", "boolean": "true or false"}
    kind = (
        "path"
        if field.get("format") == "path"
        else words.get(str(field.get("type")), str(field.get("type", "any")))
    )
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = ", ".join(f"{sign} {field[key]:g}" for key, sign in signs.items() if key in field)
    return f"{kind} {limits}".strip()


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _write(app: Sphinx) -> None:
    out = Path(app.srcdir) / "_generated"
    out.mkdir(exist_ok=True)
    pages = {
        "command.md": command_page(),
        "study_file.md": study_file_page(),
        "configuration.md": configuration_page(),
        "python.rst": python_page(),
    }
    for name, text in pages.items():
        if not (out / name).exists() or (out / name).read_text() != text:
            (out / name).write_text(text)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
