"""cv_bridge, where it is installed, against the NumPy conversion."""

import importlib
import importlib.util

import numpy as np
import pytest

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.node.image_converter import image_converter
from spatialllm_ros.runtime.image_conversion import ENCODINGS, rgb_from_image

LIMIT_PX = 4096
HAS_CV_BRIDGE = importlib.util.find_spec('cv_bridge') is not None


@pytest.mark.skipif(HAS_CV_BRIDGE, reason='cv_bridge is installed')
def test_asking_for_an_absent_cv_bridge_says_what_to_do():
    with pytest.raises(ConfigError, match='unset use_cv_bridge'):
        image_converter(use_cv_bridge=True)


def test_numpy_converts_where_cv_bridge_is_not_asked_for():
    assert image_converter(use_cv_bridge=False) is rgb_from_image


# yuyv, uyvy, nv12 and nv21 are newer names than the cv_bridge of some distributions.
BRIDGED = [
    name for name in ENCODINGS if not name.startswith('nv') and name not in {'yuyv', 'uyvy'}
]


@pytest.mark.skipif(not HAS_CV_BRIDGE, reason='cv_bridge is not installed')
@pytest.mark.parametrize('encoding', BRIDGED)
def test_cv_bridge_and_numpy_agree(encoding):
    messages = importlib.import_module('sensor_msgs.msg')
    layout = ENCODINGS[encoding]
    dtype = np.uint8 if layout.sample_bytes == 1 else np.uint16
    samples = np.random.default_rng(5).integers(0, 256, (8, 10, layout.channels), dtype)
    message = messages.Image(
        height=8, width=10, encoding=encoding,
        step=10 * layout.channels * layout.sample_bytes, data=list(samples.tobytes()),
    )  # fmt: skip
    np.testing.assert_allclose(
        image_converter(use_cv_bridge=True)(message, LIMIT_PX).astype(int),
        rgb_from_image(message, LIMIT_PX),
        atol=1,
    )
