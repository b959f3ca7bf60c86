import io

import numpy as np
import pytest
import torch

from study.cohort.split import Fold
from study.regression import crossvalidation
from study.regression.config import TrialConfig
from study.regression.crossvalidation import CrossValidation
from study.regression.model import load_networks, save_networks
from study.regression.prediction import draw_views, predict

M, K = 8, 2


def cohort():
    generator = np.random.default_rng(3)
    return generator.standard_normal((M, 6, 6, 6)).astype(np.float32), generator.uniform(1, 9, M)


def folds():
    scans = np.arange(M)
    return [
        Fold(repeat=0, index=index, train=scans[scans % K != index], held_out=scans[scans % K == index])
        for index in range(K)
    ]


def trial(seed=0, images=None, labels=None, **fields):
    config = TrialConfig(**{"presentations": 40, "reports": 4, **fields})
    ours, theirs = cohort()
    return CrossValidation(
        config,
        ours if images is None else images,
        theirs if labels is None else labels,
        folds(),
        seed=seed,
        view_seed=0,
    )


def test_folds_advance_together():
    running = trial(n=2, p=0.3)
    marks = []
    while not running.finished:
        marks.append(running.advance().presentations)
        counts = [training.presentations for training in running.trainings]
        assert all(marks[-1] <= count < marks[-1] + 4 for count in counts)
    assert marks == [10, 20, 30, 40]


def test_interrupted_equals_never_interrupted():
    whole, first, second = (trial(n=2, dropout=0.2) for _ in range(3))
    reports = [whole.advance() for _ in range(4)]
    first.advance()
    first.advance()
    stream = io.BytesIO()
    torch.save(first.state_dict(), stream)
    stream.seek(0)
    second.load_state_dict(torch.load(stream, weights_only=True))
    for expected in reports[2:]:
        found = second.advance()
        assert np.array_equal(found.oof_RM, expected.oof_RM)
        assert (found.report, found.steps, found.presentations) == (
            expected.report,
            expected.steps,
            expected.presentations,
        )
        assert np.array_equal([found.train_mse], [expected.train_mse], equal_nan=True)


def test_a_scan_s_own_label_never_reaches_its_prediction():
    labels = cohort()[1]
    changed = labels.copy()
    changed[0] += 100
    plain, other = trial(), trial(labels=changed)
    before, after = plain.advance().oof_RM[0], other.advance().oof_RM[0]
    held_out_with_0 = folds()[0].held_out
    assert np.array_equal(before[held_out_with_0], after[held_out_with_0])
    assert not np.array_equal(before, after)


def test_common_random_numbers_across_configurations():
    one, other = trial(), trial(n=2, learning_rate=0.1)
    for left, right in zip(one.trainings, other.trainings, strict=True):
        assert torch.equal(left.network.conv1.weight, right.network.conv1.weight)
    assert np.array_equal(one.views, other.views)


def test_the_shift_is_taken_at_the_end_and_zero_with_one_view():
    running = trial()
    reports = [running.advance() for _ in range(4)]
    assert all(np.isnan(report.shift) for report in reports[:-1])
    assert np.isfinite(reports[-1].shift)
    single = trial(views=1)
    assert [single.advance().shift for _ in range(4)][-1] == 0


def test_image_blanks_predict_with_the_other_branches_zeroed():
    running = trial(n=3, blank="image", views=1)
    for _ in range(4):
        report = running.advance()
    network = running.networks()[0]
    images = torch.from_numpy(cohort()[0][:1]).unsqueeze(1)
    with torch.inference_mode():
        f, blank = (
            running.trainings[0].averaged(images),
            running.trainings[0].averaged(torch.zeros_like(images)),
        )
        expected = (f + 2 * blank) * network.scale
        assert torch.allclose(network(images), expected)
    assert report.blank_response > 0
    assert trial(n=3).networks()[0].blank_branches == 0


def test_saved_networks_predict_the_same(tmp_path):
    running = trial(n=2)
    report = running.advance()
    save_networks(tmp_path / "model.safetensors", running.networks())
    images, _ = cohort()
    networks = load_networks(tmp_path / "model.safetensors", running.config)
    assert len(networks) == K
    for fold, network in zip(folds(), networks, strict=True):
        again = predict(network, images[fold.held_out], draw_views(running.config, 0), config=running.config)
        assert np.array_equal(again, report.oof_RM[0, fold.held_out])


def test_a_prediction_that_is_not_finite_is_divergence(monkeypatch):
    monkeypatch.setattr(crossvalidation, "predict", lambda *_, **__: np.full(M // K, np.nan))
    with pytest.raises(crossvalidation.DivergedError, match="not finite after 10 presentations"):
        trial().advance()


def test_predictions_do_not_depend_on_the_chunk():
    running = trial()
    running.advance()
    images, _ = cohort()
    views = draw_views(running.config, 0)
    one, other = (
        predict(
            running.networks()[0], images, views, config=running.config.model_copy(update={"chunk": chunk})
        )
        for chunk in (1, 8)
    )
    assert np.allclose(one, other, rtol=1e-5)


def test_training_error_is_that_of_networks_on_scans_they_trained_on_once_a_scan():
    running = trial(n=2, dropout=0.3)
    reports = [running.advance() for _ in range(4)]
    assert all(np.isnan([report.train_mse, report.train_mae]).all() for report in reports[:-1])
    images, labels = cohort()
    errors = np.full(M, np.nan)
    for fold, network in zip(folds(), running.networks(), strict=True):
        views = draw_views(running.config, 0)
        errors[fold.train] = predict(network, images[fold.train], views, config=running.config)
    errors -= labels
    assert reports[-1].train_mse == pytest.approx(np.mean(errors**2))
    assert reports[-1].train_mae == pytest.approx(np.mean(np.abs(errors)))


def test_each_scan_counts_once_in_the_training_error_of_three_folds_and_a_holdout_has_its_own():
    scans = np.arange(9)
    three = [
        Fold(repeat=repeat, index=i, train=scans[scans % 3 != i], held_out=scans[scans % 3 == i])
        for repeat in range(2)
        for i in range(3)
    ]
    images = np.zeros((9, 6, 6, 6), dtype=np.float32)

    def known(folds):
        config = TrialConfig(presentations=4, reports=1)
        running = CrossValidation(config, images, np.arange(9.0), folds, seed=0, view_seed=0)
        return [running._known(fold) for fold in folds]

    for fold, chosen in zip(three, known(three), strict=True):
        assert set(chosen) <= set(fold.train)
    assert sorted(np.concatenate(known(three[:3]))) == list(scans)
    assert np.array_equal(known(three[:1])[0], three[0].train)
