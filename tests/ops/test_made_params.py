"""Parameters that passes make: equal ones are one object, unequal ones never are."""

import pytest

from cyexec.ops import registry
from cyexec.ops.blocked import EpilogueParams, PackParams

CONVOLUTION = registry.get("Convolution").params
CLIP = registry.get("clip").params
PLUS = registry.get("_plus_scalar").params


def test_equal_parameters_are_made_once():
    first = CONVOLUTION.of(kernel=(3, 3), num_filter=4)
    assert CONVOLUTION.of(kernel=(3, 3), num_filter=4) is first
    assert CONVOLUTION.of(first, num_filter=8) is CONVOLUTION.of(first, num_filter=8)
    assert first.num_filter == 4


def test_values_that_compare_equal_are_told_apart():
    made = [PLUS.of(scalar=value) for value in (0.0, -0.0, 1.0, True, 1)]
    assert [str(p.scalar) for p in made] == ["0.0", "-0.0", "1.0", "1.0", "1.0"]
    assert made[0] != made[1]
    assert CLIP.of(a_min=0.0, a_max=1.0) != CLIP.of(a_min=-0.0, a_max=1.0)
    shared = {"kernel": (1, 1), "num_filter": 1, "data_shape": (1, 1, 1, 1)}
    assert EpilogueParams.of(**shared, first_range=(0.0, 1.0)) != EpilogueParams.of(**shared, first_range=(-0.0, 1.0))


def test_parameters_of_another_class():
    conv = CONVOLUTION.of(kernel=(3, 3), num_filter=4, no_bias=True)
    packed = PackParams.of(conv, data_shape=(1, 2, 5, 5), has_scale=True)
    assert (packed.kernel, packed.num_filter, packed.no_bias) == ((3, 3), 4, True)
    assert (packed.data_shape, packed.has_scale, packed.normalises) == ((1, 2, 5, 5), True, False)
    with pytest.raises(TypeError, match="no parameter"):
        CLIP.of(conv, a_min=0.0, a_max=1.0)
    with pytest.raises(ValueError, match="integer"):
        PackParams.of(conv, data_shape=(1, 2, 5, 5), num_filter=0)


def test_lists_are_taken_but_not_kept():
    assert CONVOLUTION.of(kernel=[3, 3], num_filter=4) == CONVOLUTION.of(kernel=(3, 3), num_filter=4)
