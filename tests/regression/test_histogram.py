import numpy as np
import pytest

from study.regression.histogram import PENALTIES, _left_out, fit_histogram_ridge


def scans(count=30, seed=0):
    """Noise with so many bright voxels as the label says, anywhere."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(5, 60, count).astype(float)
    images = generator.normal(0, 1, (count, 8, 8, 8)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        image.ravel()[generator.choice(512, int(label), replace=False)] += 6
    return images, labels


def test_it_counts_bright_voxels_wherever_they_lie():
    ridge = fit_histogram_ridge(*scans())
    images, labels = scans(seed=1)
    assert np.corrcoef(ridge.predict(images), labels)[0, 1] > 0.95


def test_where_intensities_say_nothing_it_predicts_nearly_the_mean():
    generator = np.random.default_rng(0)
    images = generator.normal(0, 1, (40, 8, 8, 8)).astype(np.float32)
    labels = generator.uniform(0, 10, 40)
    predictions = fit_histogram_ridge(images[:20], labels[:20]).predict(images[20:])
    assert predictions == pytest.approx(np.full(20, labels[:20].mean()), abs=labels.std())


def test_constant_scans_predict_the_mean():
    labels = np.array([1.0, 2.0, 6.0])
    ridge = fit_histogram_ridge(np.zeros((3, 4, 4, 4), np.float32), labels)
    assert ridge.predict(np.zeros((2, 4, 4, 4), np.float32)) == pytest.approx([3.0, 3.0])


@pytest.mark.parametrize("penalty", PENALTIES[::7])
def test_leaving_one_out_in_closed_form_is_leaving_one_out(penalty):
    generator = np.random.default_rng(2)
    features = generator.normal(size=(12, 5))
    features -= features.mean(axis=0)
    labels = generator.normal(size=12)
    labels -= labels.mean()
    left, sizes, _ = np.linalg.svd(features, full_matrices=False)
    errors = []
    for out in range(12):
        kept = np.arange(12) != out
        x, y = features[kept], labels[kept]
        centred = x - x.mean(axis=0)
        # Minimises |y - b - xw|^2 + penalty |w|^2 with a free offset b, like the whole fit.
        weights = np.linalg.solve(centred.T @ centred + penalty * np.eye(5), centred.T @ (y - y.mean()))
        errors.append(labels[out] - y.mean() - (features[out] - x.mean(axis=0)) @ weights)
    found = _left_out(left, sizes, left.T @ labels, labels, penalty)
    assert found == pytest.approx(np.mean(np.square(errors)))
