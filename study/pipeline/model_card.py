"""An export's card in words, in the Hugging Face model-card format: card.md, made from card.json alone."""

from statistics import fmean, stdev
from typing import Any

import yaml

from analysis.words import fixed, interval, number

TAGS = ("medical-imaging", "3d", "nifti", "image-regression", "pytorch")
TASK = "image-regression"


def model_card(card: dict[str, Any]) -> str:
    """YAML front matter with the results, then what it is, how to use it, and what it cannot do.

    A licence is left to whoever publishes the networks.
    """
    header = yaml.safe_dump(_header(card), sort_keys=False, allow_unicode=True)
    sections = (_what, _use, _intended, _data, _training, _results, _contract, _limits)
    return f"---\n{header}---\n\n" + "\n\n".join(section(card) for section in sections) + "\n"


def _name(card: dict[str, Any]) -> str:
    return f"{card['arm']}, trial {card['trial']}"


def _header(card: dict[str, Any]) -> dict[str, Any]:
    formats = ["onnx"] if "model.onnx" in card["graphs"] else []
    header = {
        "library_name": "setsum",
        "tags": [*TAGS, "safetensors", *formats],
        "metrics": ["mse", "icc"],
    }
    if card["refit"]:
        # The index is read as scores of the weights beside it, and these have none.
        return header
    return header | {"model-index": [{"name": f"setsum {_name(card)}", "results": _index(card)}]}


def _index(card: dict[str, Any]) -> list[dict[str, Any]]:
    """Test scores, and the confirmed scores as their means over seeds."""
    confirmed, tested = card["confirmed"], card["test"]
    iccs = [value for value in confirmed["icc"] if value is not None]
    found = [
        _result(card, "development", confirmed["of"], fmean(confirmed["mse"]), _mean(iccs)),
    ]
    if tested:
        found.insert(0, _result(card, "test", "test scans", tested["mse"], tested["icc_A1"]))
    return found


def _result(card: dict[str, Any], split: str, what: str, mse: float, icc: float | None) -> dict[str, Any]:
    metrics: list[dict[str, Any]] = [
        {"type": "mse", "name": f"MSE, squared {card['unit']}", "value": float(mse)}
    ]
    if icc is not None:
        metrics.append({"type": "icc", "name": "ICC(A,1)", "value": float(icc)})
    fingerprint = card["provenance"]["fingerprint"][:16]
    return {
        "task": {"type": TASK, "name": f"{card['unit']} of a 3D scan"},
        "dataset": {"type": f"cohort-{fingerprint}", "name": f"the study's cohort, {what}", "split": split},
        "metrics": metrics,
    }


def _mean(values: list[float]) -> float | None:
    return fmean(values) if values else None


def _what(card: dict[str, Any]) -> str:
    trained = card["trained_on"]
    again = f"trained them again with {trained['seeds']} fresh seeds, {trained['folds']} folds each"
    if validation := trained["validation_scans"]:
        again = (
            f"trained them again with {trained['seeds']} fresh seeds, without {validation} validation scans"
        )
    if card["refit"]:
        again = f"trained them again on all development scans, one with each of {trained['seeds']} seeds"
    return f"""# {card["arm"]}: {card["networks"]} networks that predict {card["unit"]} from a 3D scan

The mean prediction of {card["networks"]} networks of {card["parameters_a_network"]:,} parameters each. A
`setsum` study found them as its arm `{card["arm"]}` (trial {card["trial"]}: {card["configuration"]}) and
{again}."""


def _use(card: dict[str, Any]) -> str:
    graphs = "".join(_graph(card, file) for file in card["graphs"])
    note = f"\n\n{_views_note(card)}" if graphs else ""
    return f"""## Use

```
setsum predict FOLDER scan.nii.gz -o predictions.csv
setsum train FOLDER/config.yaml --cohort COHORT
```

- `model.safetensors` holds the weights, named `<network>.<parameter>`;
- `config.yaml` holds all it takes to train them again;
- `ranges.json` says what the training scans looked like, `card.json` has these figures.{graphs}{note}"""


_GRAPHS = {
    "model.onnx": "input `images` (scans, 1, x, y, z), preprocessed as below, output `predictions` (scans,).",
    "model.pt2": "`torch.export.load`, the same input and output.",
}


def _graph(card: dict[str, Any], file: str) -> str:
    found = card["graphs"][file]
    difference = f"{number(found['largest_difference'], 2)} {card['unit']}"
    return (
        f"\n- `{file}` is the same networks as one graph: {_GRAPHS[file]} Checked on {found['checked_on']} "
        f"development scans, it differs from torch by {difference} at most."
    )


def _views_note(card: dict[str, Any]) -> str:
    views = len(card["views"]["transforms"])
    exact = ""
    if card["precision"] != "float32":
        exact = f" It is float32; the networks ran their convolutions in {card['precision']}."
    if views == 1:
        return f"A graph is one forward pass, and so is a prediction of `setsum predict`.{exact}"
    return (
        f"**The views are left to the caller**: a graph is one forward pass of the scan it is given, while\n"
        f"`setsum predict` averages {views}, through the transforms of `views` in `card.json`. The scan\n"
        f"as it is alone gives other numbers than those that the scores below are of.{exact}"
    )


def _intended(card: dict[str, Any]) -> str:
    return f"""## Intended use

Research on scans like those it was trained on. A prediction is an estimate of {card["unit"]}, an additive
quantity. It is no medical device and has been cleared for no diagnosis."""


def _data(card: dict[str, Any]) -> str:
    trained = card["trained_on"]
    label = {name: number(value) for name, value in trained["label"].items()}
    sites = f" of {trained['sites']} sites" if trained["sites"] > 1 else ""
    return f"""## Training data

{trained["development_scans"]} development scans{sites}. Their labels have mean {label["mean"]} and SD
{label["sd"]}, and lie between {label["lowest"]} and {label["highest"]} {card["unit"]}. Fingerprint of the
cohort: `{card["provenance"]["fingerprint"][:16]}`."""


def _training(card: dict[str, Any]) -> str:
    revision, where = card["provenance"]["git"] or "unknown", ""
    if card["refit"]:
        where = ", each without some of these scans"
    return f"""## Training

Hyperparameters were searched on the development scans, by {card["confirmed"]["of"]}, made by
networks that had not trained on them; they are in `config.yaml`. Verdict of the
trainings{where}: {", ".join(card["confirmed"]["verdict"])}
(`improving`: the budget ended before the error did; `stuck`: never better than the mean label). Code
`{revision}`, seed {card["provenance"]["seed"]}."""


def _results(card: dict[str, Any]) -> str:
    confirmed, tested = card["confirmed"], card["test"]
    scores = confirmed["mse"]
    spread = f" ± {number(stdev(scores), 2)}" if len(scores) > 1 else ""
    iccs = ", ".join(fixed(value, 3) for value in confirmed["icc"])
    mse, agreement = "not tested", "not tested"
    if tested:
        low, high = tested["icc_A1_interval"]
        mse = f"{number(tested['mse'])} on {tested['scans']} scans, bias {number(tested['bias'])}"
        agreement = f"{fixed(tested['icc_A1'], 3)}, 95% interval {interval(low, high, 3) or 'unknown'}"
    of_others, fit = "", ""
    if card["refit"]:
        of_others = f"{_OF_OTHERS}\n\n"
        errors = ", ".join(number(error) for error in card["refit"]["training_mse"])
        fit = f"\n| MSE on the very scans that trained, a value a seed (a fit, no score) | {errors} |"
        if stuck := sum(card["refit"]["stuck"]):
            fit += f"\n| networks that fit them not clearly better than their mean label | {stuck} |"
    return f"""## Results

{of_others}| what | value |
|---|---|
| test MSE | {mse} |
| test ICC(A,1) | {agreement} |
| confirmed MSE, mean over {len(scores)} seeds | {number(fmean(scores))}{spread} |
| confirmed ICC(A,1), a value a seed | {iccs} |
| times the test scans have been opened | {card["test_opened"]} |{fit}

Confirmed scores are of {confirmed["of"]}, which chose the configuration as well; only
the test lines are unbiased, and only while the test scans are opened once."""


_OF_OTHERS = """**These networks have no scores of their own.** Every development scan trained them, and no
test scan has been opened for them. The scores are those of their like: networks of the same configuration,
trained for as many presentations, each without some of these scans. Those added scans, and fewer networks
where there were several folds, can make predictions better or worse: only scans from elsewhere can tell."""


def _contract(card: dict[str, Any]) -> str:
    spec = card["preprocessing"]
    shape = " x ".join(map(str, spec["shape"]))
    spacing = "keep the voxels of the file"
    if spec["spacing"]:
        spacing = f"resample linearly to {' x '.join(f'{side:g}' for side in spec['spacing'])} mm"
    region, foreground = "around the intensity-weighted centre of mass", "foreground (voxels other than 0)"
    if spec["region"] == "mask":
        foreground = "the region"
        region = "around the region mask, smoothed with a Gaussian of 2 voxels and multiplied in"
    scale = f"{foreground} to median 0 and SD 1, background exactly 0"
    if spec["intensities"] == "unit":
        scale = "the crop's smallest voxel to 0, its largest to 1"
    return f"""## Preprocessing contract

`setsum predict` does this itself; a graph expects it done:

1. axes in canonical (RAS) order, {spacing};
2. crop or zero pad to {shape} voxels {region};
3. intensities: {scale};
4. {spec["dtype"]}; the output is in {card["unit"]}, nothing is left to be scaled."""


def _limits(card: dict[str, Any]) -> str:
    return f"""## Limitations

- The network averages over its grid: another crop or voxel size means other predictions.
- Scans unlike the {card["trained_on"]["development_scans"]} of its training can be predicted arbitrarily
  wrong. `setsum predict` marks scans whose shape, spacing or intensities lie outside `ranges.json`, and
  `--strict` refuses them; a scan within those ranges can still be unlike.
- The scores are those of a group of scans; how wrong one prediction is they do not say.
- The spread over networks (`sd`) says how much they disagree, not how wrong they are."""
