"""A search's storage for somebody who only looks: the study's own searches, and nothing that changes them."""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any, NoReturn

from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from study.badinput import BadInput
from study.sweep.stored import is_journal, open_existing, stored_name


class Looked(BaseStorage):
    """What a storage holds of some studies; whatever would write is refused.

    Args:
        storage: The whole of it.
        names: Of the studies in it that are shown.
    """

    def __init__(self, storage: BaseStorage, names: Container[str]) -> None:
        self.storage, self.names = storage, names

    def get_all_studies(self) -> list[FrozenStudy]:
        return [study for study in self.storage.get_all_studies() if study.study_name in self.names]

    def get_study_id_from_name(self, study_name: str) -> int:
        return self.storage.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        return self.storage.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self.storage.get_study_directions(study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self.storage.get_study_user_attrs(study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self.storage.get_study_system_attrs(study_id)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self.storage.get_trial(trial_id)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return self.storage.get_all_trials(study_id, deepcopy, states)

    def remove_session(self) -> None:
        self.storage.remove_session()

    def _refuse(self, *arguments: object, **more: object) -> NoReturn:
        raise PermissionError("this storage is only looked at")

    create_new_study = delete_study = set_study_user_attr = set_study_system_attr = _refuse
    create_new_trial = set_trial_param = set_trial_state_values = _refuse
    set_trial_intermediate_value = set_trial_user_attr = set_trial_system_attr = _refuse


def look_at(storage: str | Path, study: str, arms: Sequence[str]) -> Looked:
    """A study's searches, as far as they have begun.

    Args:
        storage: A journal file or a database URL, as for `study.sweep.stored.open_storage`.
        study: The study's own name.
        arms: Of the study.

    Raises:
        BadInput: There is no search yet, or the storage cannot be opened.
    """
    begun = not is_journal(storage) or Path(storage).is_file()
    if begun:
        looked = Looked(open_existing(storage), [stored_name(storage, study, arm) for arm in arms])
        if looked.get_all_studies():
            return looked
    raise BadInput("the search has not begun", where=str(storage), fix="Begin it: setsum resume DIR")
