import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import affine_transform

from study.regression.augmentation import (
    apply_transforms,
    draw_transforms,
    identity_transform,
    through_views,
)


def matrix(rows, shift=(0, 0, 0)):
    return np.concatenate([np.array(rows, dtype=float), np.array(shift, dtype=float)[:, None]], axis=1)[None]


def scans(seed=0, count=1, shape=(5, 6, 7)):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("interpolation", ["linear", "nearest"])
def test_identity_leaves_a_scan_as_it_is(interpolation):
    images = scans()
    assert torch.allclose(apply_transforms(images, identity_transform(), interpolation), images, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_flip_is_a_flip(axis):
    signs = np.eye(3)
    signs[axis, axis] = -1
    images = scans()
    assert torch.allclose(apply_transforms(images, matrix(signs)), images.flip(axis + 1), atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_whole_voxel_shift_moves_voxels_and_brings_in_zeros(axis):
    shift = np.zeros(3)
    shift[axis] = 1
    images = scans()
    moved = apply_transforms(images, matrix(np.eye(3), shift))
    expected = torch.zeros_like(images)
    size = images.shape[axis + 1]
    expected.narrow(axis + 1, 0, size - 1).copy_(images.narrow(axis + 1, 1, size - 1))
    assert torch.allclose(moved, expected, atol=1e-5)


def test_a_quarter_turn_turns_in_voxel_space_also_on_an_uneven_grid():
    images = scans(shape=(3, 6, 6))
    turned = apply_transforms(images, matrix([[1, 0, 0], [0, 0, 1], [0, -1, 0]]))
    assert torch.allclose(turned, images.rot90(1, (2, 3)), atol=1e-5) or torch.allclose(
        turned, images.rot90(-1, (2, 3)), atol=1e-5
    )


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_blank_stays_exactly_zero(seed):
    transforms = draw_transforms(
        2, flips=True, rotation=0.2, translation=2.0, generator=np.random.default_rng(seed)
    )
    assert not apply_transforms(torch.zeros(2, 5, 6, 7), transforms).any()


@given(seed=st.integers(0, 10_000))
def test_drawn_maps_are_rigid_and_within_their_ranges(seed):
    transforms = draw_transforms(
        8, flips=True, rotation=0.2, translation=2.0, generator=np.random.default_rng(seed)
    )
    matrices, shifts = transforms[:, :, :3], transforms[:, :, 3]
    assert np.allclose(matrices @ matrices.transpose(0, 2, 1), np.eye(3))
    assert (np.abs(shifts) <= 2).all()
    # Three rotations of at most 0.2 rad compose to at most 0.6 rad from a pure flip.
    assert (np.abs(np.diagonal(matrices, axis1=1, axis2=2)) >= np.cos(0.6)).all()


def test_nothing_drawn_where_nothing_is_allowed():
    transforms = draw_transforms(
        3, flips=False, rotation=0.0, translation=0.0, generator=np.random.default_rng(0)
    )
    assert np.allclose(transforms, np.tile(identity_transform(), (3, 1, 1)))


def test_linear_resampling_blurs_and_nearest_does_not():
    images = scans(shape=(12, 12, 12))
    half = matrix(np.eye(3), (0.5, 0.5, 0.5))
    inner = (slice(None), slice(2, -2), slice(2, -2), slice(2, -2))
    linear, nearest = (apply_transforms(images, half, mode)[inner].std() for mode in ("linear", "nearest"))
    assert linear < 0.6 * images[inner].std()
    assert nearest == pytest.approx(images[inner].std().item(), rel=0.1)


@pytest.mark.parametrize("interpolation", ["linear", "nearest"])
def test_one_transform_for_all_scans_is_the_same_for_each(interpolation):
    images = scans(count=3)
    transform = draw_transforms(
        1, flips=True, rotation=0.2, translation=2.0, generator=np.random.default_rng(3)
    )
    each = apply_transforms(images, np.repeat(transform, len(images), axis=0), interpolation)
    assert len(images) > 1
    assert torch.equal(apply_transforms(images, transform, interpolation), each)


SHAPES = st.tuples(*[st.integers(1, 9)] * 3)


@settings(max_examples=40, deadline=None)
@given(shape=SHAPES, order=st.sampled_from([1, 0]), requires_grad=st.booleans(), seed=st.integers(0, 1000))
def test_it_is_scipys_affine_transform(shape, order, requires_grad, seed):
    images = scans(seed, count=3, shape=shape)
    transforms = draw_transforms(
        3, flips=True, rotation=0.5, translation=3.0, generator=np.random.default_rng(seed)
    )
    found = apply_transforms(
        images.requires_grad_(requires_grad), transforms, "linear" if order else "nearest"
    )
    centre = (np.array(shape) - 1) / 2
    for one, image, (*_, shift), matrix in zip(
        found, images, transforms.transpose(0, 2, 1), transforms[:, :, :3], strict=True
    ):
        offset = centre - matrix @ centre + shift
        expected = affine_transform(image.detach().numpy(), matrix, offset, order=order, mode="grid-constant")
        assert np.allclose(one.detach(), expected, atol=2e-5)


@pytest.mark.parametrize("interpolation", ["linear", "nearest"])
@pytest.mark.parametrize("count", [1, 3, 8, 11])
def test_scans_through_views_are_each_scan_through_each_view(count, interpolation):
    images = scans(count=count)
    views = draw_transforms(4, flips=True, rotation=0.2, translation=2.0, generator=np.random.default_rng(4))
    expected = torch.cat([apply_transforms(images, view[None], interpolation) for view in views])
    assert torch.equal(through_views(images, views, interpolation), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_precision_is_that_of_the_scans(dtype):
    images = scans(count=2)
    transforms = draw_transforms(
        2, flips=True, rotation=0.2, translation=2.0, generator=np.random.default_rng(5)
    )
    moved = apply_transforms(images.to(dtype), transforms)
    assert moved.dtype == dtype
    assert torch.allclose(moved.float(), apply_transforms(images, transforms), atol=0.05)
