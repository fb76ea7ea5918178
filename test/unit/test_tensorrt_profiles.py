"""Shapes and targets of engines, without TensorRT."""

from dataclasses import replace
from types import SimpleNamespace

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from spatialllm_ros.deploy.tensorrt_devices import DEVICES, resolve_target
from spatialllm_ros.deploy.tensorrt_graphs import as_graph, read_graphs
from spatialllm_ros.deploy.tensorrt_profiles import SpanLimits, decoder_ranges, profile_shapes
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.runtime.bundle import find_bundle, load_bundle
from spatialllm_ros.runtime.engines.tensorrt_library import Gpu, TensorRT

BUNDLE = load_bundle(find_bundle('nano'))  # 108 image tokens, a context of 384
MEMBERS = dict.fromkeys(('NONE', 'CURRENT', 'SM75', 'SM86', 'SM89', 'SM120'))
RTX = TensorRT(
    'tensorrt-rtx', '1.7', SimpleNamespace(ComputeCapability=SimpleNamespace(__members__=MEMBERS))
)
FULL = TensorRT('tensorrt', '10.16', None)
ORIN = Gpu('Orin', '8.7', 8 * 1024**3)


def graph(**inputs):
    entries = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()]
    return as_graph('g', BUNDLE.folder / 'g.onnx', helper.make_model(
        helper.make_graph([], 'g', entries, [])
    ))  # fmt: skip


def test_shapes_of_the_shipped_graphs():
    vision, decoder = read_graphs(BUNDLE, ['vision', 'decoder'])
    image = profile_shapes(vision, BUNDLE.manifest)
    assert image == {'image': {
        'pixel_values': ((1, 3, 144, 192),) * 3, 'camera_features': ((1, 108, 11),) * 3,
    }}  # fmt: skip
    spans = profile_shapes(decoder, BUNDLE.manifest)
    assert list(spans) == ['prefill', 'decode']
    # The start mark, 108 image tokens and 16 words are usual; 8 questions of a word, 2 guesses.
    assert spans['prefill']['mask'] == ((1, 1, 1, 384), (1, 1, 125, 384), (1, 1, 384, 384))
    assert spans['decode']['inputs_embeds'] == ((1, 1, 192), (1, 1, 192), (1, 24, 192))
    assert spans['decode']['logit_indices'] == ((1, 1), (1, 1), (1, 24))
    assert spans['decode']['past_v5'] == ((1, 4, 384, 64),) * 3


def test_a_growing_cache_may_be_empty_and_may_fill_the_context():
    growing = graph(x=('batch', 'sequence', 4), past=('batch', 2, 'past', 8), m=(1, 'total'))
    shapes = profile_shapes(growing, BUNDLE.manifest, SpanLimits(200, 3))
    assert shapes['prefill']['past'] == ((1, 2, 0, 8), (1, 2, 0, 8), (1, 2, 383, 8))
    assert shapes['prefill']['x'] == ((1, 1, 4), (1, 125, 4), (1, 200, 4))
    assert shapes['decode']['past'] == ((1, 2, 0, 8), (1, 2, 109, 8), (1, 2, 383, 8))
    assert shapes['decode']['m'] == ((1, 1), (1, 110), (1, 384))


@given(st.integers(0, 500), st.integers(-2, 500))
def test_ranges_are_ordered_and_limits_beyond_the_manifest_refused(prefill, questions):
    allowed = (prefill == 0 or 109 <= prefill <= 384) and 1 <= questions <= 384
    limits = SpanLimits(prefill, questions)
    if not allowed:
        with pytest.raises(ConfigError, match=r'expected 1(09)? to 384 .* found -?\d+'):
            decoder_ranges(BUNDLE.manifest, limits)
        return
    for ranges in decoder_ranges(BUNDLE.manifest, limits).values():
        assert all(0 <= low <= usual <= high <= 384 for low, usual, high in ranges.values())


def test_an_unknown_dynamic_dimension_is_refused():
    with pytest.raises(ConfigError, match=r"\['batch'\], found \['frames'\]"):
        profile_shapes(graph(video=('frames', 3)), BUNDLE.manifest)


def test_precision_is_the_type_of_most_weights():
    model = onnx.ModelProto()
    for kind, count in ((TensorProto.FLOAT16, 30), (TensorProto.INT8, 40), (TensorProto.INT64, 9)):
        model.graph.initializer.add(data_type=kind, dims=[count // 3, 3])
    assert as_graph('g', BUNDLE.folder, model).precision == 'int8'


def test_unknown_roles_are_refused():
    with pytest.raises(ConfigError, match=r"'decoder', 'vision'\], found \['ears'\]"):
        read_graphs(BUNDLE, ['ears'])


def test_targets_of_this_machine_and_of_others():
    here = resolve_target('auto', [], FULL, ORIN)
    assert (here.compute_capabilities, here.gpu) == (('8.7',), 'Orin')
    assert here.workspace_bytes == 512 * 1024**2
    assert resolve_target('rtx', [], RTX, None).compute_capabilities == ('8.6', '8.9', '12.0')
    named = resolve_target('auto', ['12.0', '8.6', '12.0'], RTX, None)
    assert (named.compute_capabilities, named.gpu) == (('12.0', '8.6'), None)


@pytest.mark.parametrize(('device', 'asked', 'tensorrt', 'gpu', 'words'), [
    ('auto', [], RTX, None, 'expected a GPU to build for, found none .* --compute-capability'),
    ('orin-nano', [], RTX, None, r'\(7\.5 8\.6 8\.9 12\.0\), found 8\.7; a Jetson needs'),
    ('thor', [], FULL, ORIN, r'\(8\.7\), found 11\.0'),
    ('auto', ['8.6', '9.0'], RTX, ORIN, r'found 9\.0;'),
])  # fmt: skip
def test_targets_that_cannot_be_built_for_here_are_refused(device, asked, tensorrt, gpu, words):
    with pytest.raises(ConfigError, match=words):
        resolve_target(device, asked, tensorrt, gpu)


@pytest.mark.parametrize('device', DEVICES)
def test_full_tensorrt_builds_each_preset_for_the_gpu_at_hand(device):
    for capability in DEVICES[device].compute_capabilities:
        gpu = replace(ORIN, compute_capability=capability)
        assert resolve_target(device, [], FULL, gpu).compute_capabilities == (capability,)
