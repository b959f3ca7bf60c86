import pytest
import torch

from study.regression.rectified import relu_, relu_slope_

EVERY_BFLOAT16 = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)


def test_every_bfloat16_number_is_clipped_as_torch_does_it():
    maps = EVERY_BFLOAT16.clone()
    assert relu_(maps) is maps
    assert maps.isnan().equal(EVERY_BFLOAT16.isnan())
    assert maps.nan_to_num(nan=-1).equal(EVERY_BFLOAT16.relu().nan_to_num(nan=-1))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_slope_passes_where_the_maps_are_positive(dtype):
    maps = EVERY_BFLOAT16[~EVERY_BFLOAT16.isnan()].relu().to(dtype)
    slope = torch.linspace(-3, 3, len(maps)).to(dtype)
    expected = torch.where(maps > 0, slope, 0)
    assert relu_slope_(slope, maps) is slope
    assert slope.equal(expected)
