"""What the paper published, read from `published.yaml`: figures and claims to stand beside a study's own."""

from importlib import resources

import pandas as pd
from pydantic import BaseModel, ConfigDict

from study.plainyaml import parse_yaml

COLUMNS = ["arm", "training", "test", "loss", "icc", "sd", "seeds"]


class Published(BaseModel):
    """One experiment of the paper."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    """Where in the paper."""
    claim: str
    """What it concludes, in our words."""
    values: list[dict[str, str | int | float]]

    @property
    def table(self) -> pd.DataFrame:
        """A row a figure: arm, training, test (scans), loss, icc; sd and seeds where they were given."""
        return pd.DataFrame(self.values, columns=COLUMNS)

    def sentence(self) -> str:
        """Where the values come from and what was concluded from them."""
        return (
            f"Published values are the paper's, on its own data: {self.source}. Its conclusion: {self.claim}"
        )


def published(experiment: str) -> Published:
    """What the paper says of an experiment: table1, figure3, set_size or dropout_little_data."""
    name = "published.yaml"
    content = parse_yaml((resources.files("analysis") / name).read_text(), name)
    assert isinstance(content, dict), "the package's own file"
    return Published.model_validate(content[experiment])
