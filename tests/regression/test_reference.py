import numpy as np
import pytest

from study.regression.reference import fit_threshold_rule


def test_the_rule_finds_the_threshold_that_explains_the_labels():
    generator = np.random.default_rng(0)
    counts = np.arange(5, 35)
    scans = generator.uniform(0, 1, (30, 6, 6, 6)).astype(np.float32)
    for scan, count in zip(scans, counts, strict=True):
        scan.ravel()[generator.choice(216, count, replace=False)] += 2
    rule = fit_threshold_rule(scans, 3.0 * counts)
    assert 1 < rule.threshold < 2.1
    assert rule.predict(scans) == pytest.approx(3.0 * counts, abs=1e-6)


def test_scans_without_any_contrast_predict_the_mean():
    rule = fit_threshold_rule(np.zeros((4, 3, 3, 3), np.float32), np.array([1.0, 2.0, 3.0, 6.0]))
    assert rule.predict(np.zeros((2, 3, 3, 3), np.float32)) == pytest.approx([3.0, 3.0])
