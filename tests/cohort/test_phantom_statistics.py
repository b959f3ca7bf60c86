"""No simple statistic of the intensities gives a phantom's label away (at the quick study's shape)."""

import numpy as np
import pytest

from study.cohort.phantom_pvs import pvs_scan
from study.cohort.phantom_wmh import wmh_scan
from study.cohort.preprocess import Preprocessing, preprocess
from study.cohort.volume import Volume

SCANS, OTHERS = 200, 60
LIMIT = 0.8


def volume(data):
    return Volume(data=data.astype(np.float32), spacing=np.ones(3), affine=np.eye(4))


def draw(kind, shape, crop):
    """Preprocessed scans (200 + 60, crop, crop, crop) and labels."""
    images, labels = [], []
    for index in range(SCANS + OTHERS):
        generator = np.random.default_rng([0, index, 0])
        if kind == "wmh":
            image, lesions, _ = wmh_scan(shape, generator, index % 3)
            spec, region, label = Preprocessing(shape=(crop,) * 3), None, (lesions == 1).sum()
        else:
            image, mask, label = pvs_scan(shape, generator, index % 3)
            spec, region = Preprocessing(shape=(crop,) * 3, region="mask"), volume(mask)
        images.append(preprocess(volume(image), region, None, spec).image_DHW)
        labels.append(label)
    return np.stack(images), np.array(labels, dtype=float)


@pytest.fixture(scope="module", params=[("wmh", 14, 10), ("wmh", 16, 12), ("pvs", 16, 12)], ids=str)
def cohort(request):
    return draw(*request.param)


def correlation(statistic, labels):
    return 0.0 if np.ptp(statistic) == 0 else abs(np.corrcoef(statistic, labels)[0, 1])


def test_labels_are_spread_without_one_that_dominates(cohort):
    _, labels = cohort
    assert labels.std() > 0.45 * labels.mean()
    assert labels.max() < 4 * labels.mean()


def test_mean_and_99th_percentile_do_not_give_the_label(cohort):
    images, labels = cohort[0][:SCANS], cohort[1][:SCANS]
    assert correlation(images.mean(axis=(1, 2, 3)), labels) < LIMIT
    assert correlation(np.quantile(images, 0.99, axis=(1, 2, 3)), labels) < LIMIT


def test_no_threshold_gives_the_label(cohort):
    images, labels = cohort[0][:SCANS], cohort[1][:SCANS]
    thresholds = np.linspace(images.min(), images.max(), 200)
    shares = [(images > threshold).mean(axis=(1, 2, 3)) for threshold in thresholds]
    in_foreground = [share / (images != 0).mean(axis=(1, 2, 3)) for share in shares]
    assert max(correlation(share, labels) for share in shares) < LIMIT
    assert max(correlation(share, labels) for share in in_foreground) < LIMIT


@pytest.mark.parametrize("bins", [16, 32, 64])
def test_no_ridge_on_histograms_gives_the_label(cohort, bins):
    images, labels = cohort
    edges = np.linspace(*np.quantile(images, [0.001, 0.999]), bins + 1)
    counts = np.stack([np.histogram(image[image != 0], edges)[0] for image in images])
    fitted, asked = counts[SCANS:], counts[:SCANS] - counts[SCANS:].mean(axis=0)
    centred = fitted - fitted.mean(axis=0)
    target = labels[SCANS:] - labels[SCANS:].mean()
    for penalty in 10.0 ** np.arange(-2, 7):
        weights = np.linalg.solve(centred.T @ centred + penalty * np.eye(bins), centred.T @ target)
        assert correlation(asked @ weights, labels[:SCANS]) < LIMIT, f"penalty {penalty:g}"
