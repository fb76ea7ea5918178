"""Depth images against messages packed by struct."""

import math
import struct
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialllm_ros.runtime.depth_image import depth_samples, in_metres
from spatialllm_ros.runtime.image_conversion import UnfitImageError

LIMIT_PX = 4096


@dataclass
class Image:
    height: int
    width: int
    encoding: str
    step: int
    data: bytes
    is_bigendian: int = 0


def packed(rows, letter, is_bigendian=0, padding=0):
    """Lay samples out as a message would: ``letter`` is struct's name of one."""
    order = '>' if is_bigendian else '<'
    lines = [struct.pack(f'{order}{len(row)}{letter}', *row) + b'\xa5' * padding for row in rows]
    encoding = {'f': '32FC1', 'H': '16UC1'}[letter]
    return Image(len(rows), len(rows[0]), encoding, len(lines[0]), b''.join(lines), is_bigendian)


def grids(samples):
    def rows(width):
        row = st.lists(samples, min_size=width, max_size=width)
        return st.lists(row, min_size=1, max_size=5)

    return st.integers(1, 5).flatmap(rows)


ANY_FLOAT = st.floats(width=32)
LAYOUTS = (st.integers(0, 1), st.integers(0, 7))


@given(grids(ANY_FLOAT), *LAYOUTS)
def test_metres_and_what_is_no_distance_stay_what_they_are(rows, is_bigendian, padding):
    depth = in_metres(depth_samples(packed(rows, 'f', is_bigendian, padding), LIMIT_PX))
    assert depth.dtype == np.float32
    np.testing.assert_array_equal(depth, np.array(rows, np.float32))


@given(grids(st.integers(0, 65535)), *LAYOUTS)
def test_millimetres_become_metres_and_zero_no_measurement(rows, is_bigendian, padding):
    depth = in_metres(depth_samples(packed(rows, 'H', is_bigendian, padding), LIMIT_PX))
    expected = [[sample / 1000 if sample else math.nan for sample in row] for row in rows]
    np.testing.assert_allclose(depth, expected, rtol=1e-6)


@pytest.mark.parametrize('letter', 'fH')
def test_samples_hold_nothing_of_the_message(letter):
    message = packed([[1, 2]], letter, padding=1000)
    samples = depth_samples(message, LIMIT_PX)
    assert samples.base is None or samples.base.nbytes == samples.nbytes
    assert not np.shares_memory(samples, np.frombuffer(message.data, 'u1'))


@pytest.mark.parametrize(('fields', 'reason'), [
    ({'width': 0}, 'size'),
    ({'height': 4097}, 'size'),
    ({'encoding': 'rgb8'}, 'encoding'),
    ({'encoding': '64FC1'}, 'encoding'),
    ({'step': 7}, 'layout'),
    ({'height': 3}, 'layout'),
    ({'data': b''}, 'layout'),
])  # fmt: skip
def test_a_message_that_contradicts_itself_is_refused(fields, reason):
    message = packed([[1.0, 2.0], [3.0, 4.0]], 'f')
    for name, value in fields.items():
        setattr(message, name, value)
    with pytest.raises(UnfitImageError, match='expected') as refused:
        depth_samples(message, LIMIT_PX)
    assert refused.value.reason == reason


SIZES = st.integers(0, 2**32 - 1) | st.integers(0, 6)


@given(
    st.builds(
        Image, SIZES, SIZES, st.sampled_from(['32FC1', '16UC1', '', 'mono8']) | st.text(),
        SIZES, st.binary(max_size=200), st.integers(0, 255),
    )
)  # fmt: skip
def test_whatever_comes_is_an_image_of_its_size_or_refused(message):
    try:
        shape = depth_samples(message, LIMIT_PX).shape
    except UnfitImageError as refused:
        shape = refused.reason
    assert shape in {(message.height, message.width), 'size', 'encoding', 'layout'}
