"""Settings of a study that is through in seconds; later fields win over earlier ones."""

TINY_STUDY = [
    "arms=[base, set_sum]",
    "phantom.scans=26",
    "phantom.shape=[12, 12, 12]",
    "preprocessing.shape=[8, 8, 8]",
    "split.test=6",
    "validation.folds=2",
    "budget.trials=3",
    "budget.presentations=24",
    "training.reports=2",
    "training.scans_per_step=4",
    "precision=float32",
    "confirm.top=2",
    "confirm.seeds=2",
]
