"""A trial that notes how long its steps and its reports take; apart, so that workers import nothing else."""

import json
import os
import time
from collections.abc import Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from study.sweep.trainable import SetSumTrial

TIMES = "SETSUM_BENCHMARK_TIMES"


class TimedTrial(SetSumTrial):
    """Writes into the folder that the environment names."""

    def _begin(self, config: Mapping[str, Any]) -> None:
        start = time.perf_counter()
        super()._begin(config)
        self.in_steps = 0.0
        for training in self.training.trainings:
            training.advance = self._timed(training.advance)  # type: ignore[method-assign]
        self._note(begin=time.perf_counter() - start)

    def _timed(self, advance: Any) -> Any:  # noqa: ANN401
        @wraps(advance)
        def timed(presentations: int) -> float:
            start = time.perf_counter()
            loss: float = advance(presentations)
            self.in_steps += time.perf_counter() - start
            return loss

        return timed

    def step(self) -> dict[str, Any]:
        """As ever."""
        self.in_steps, start = 0.0, time.perf_counter()
        result = super().step()
        self._note(steps=self.in_steps, seconds=time.perf_counter() - start)
        return result

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """As ever."""
        start = time.perf_counter()
        super().save_checkpoint(checkpoint_dir)
        self._note(saving=time.perf_counter() - start)

    def _note(self, **seconds: float) -> None:
        with (Path(os.environ[TIMES]) / f"{os.getpid()}.jsonl").open("a") as stream:
            stream.write(json.dumps({"at": time.time(), "trial": self.number, **seconds}) + "\n")
