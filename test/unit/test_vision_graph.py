"""The traced vision graph through ONNX Runtime against torch, for mixed backbones and fusions."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from spatialllm_ros.deploy.vision_graph import OPSETS, vision_graph
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration

TOLERANCE = 2e-5
NANO = {
    'model_type': 'spatialllm_vision', 'widths': [8, 8, 12], 'num_hidden_layers': 1,
    'num_attention_heads': 2,
}  # fmt: skip
PRETRAINED_KIND = {
    'hidden_size': 12, 'intermediate_size': 16, 'num_hidden_layers': 1, 'num_attention_heads': 2,
    'patch_size': 16,
}  # fmt: skip
SIGLIP = {'model_type': 'siglip_vision_model', 'image_size': 64, **PRETRAINED_KIND}
DINO = {'model_type': 'dinov2', 'image_size': 64, 'mlp_ratio': 2, **PRETRAINED_KIND}
CLIP_USE = {'size': [32, 32], 'mean': [0.48, 0.46, 0.41], 'std': [0.27, 0.26, 0.28], 'layer': -2}
CLIP = {'model_type': 'clip_vision_model', 'image_size': 32, **PRETRAINED_KIND, 'patch_size': 8,
        'num_hidden_layers': 2, 'use': CLIP_USE}  # fmt: skip
MODELS = {
    'clip of another size and normalisation, dinov2': (
        [CLIP, DINO],
        'channel',
        (64, 48),
        (3, 4),
    ),
    'nano': ([NANO], 'channel', (64, 48), (3, 4)),
    'nano and siglip, channels': ([NANO, SIGLIP], 'channel', (64, 64), (4, 4)),
    'nano and dinov2, tokens': ([NANO, DINO], 'token', (64, 48), (3, 4)),
    'dinov2 on another grid': ([DINO], 'channel', (64, 48), (2, 3)),
}


def make_model(visions, fusion, size, grid):
    torch.manual_seed(0)
    config = SpatialLLMConfig(
        vision_configs=visions, fusion=fusion, image_size=size, image_grid=grid,
        text_config={'model_type': 'llama', 'vocab_size': 11, 'hidden_size': 16,
                     'intermediate_size': 16, 'num_hidden_layers': 1, 'num_attention_heads': 2},
    )  # fmt: skip
    model = SpatialLLMForConditionalGeneration(config).eval()
    with torch.no_grad():
        for values in [*model.parameters(), *model.buffers()]:
            if values.is_floating_point():  # statistics and biases start where errors hide
                values.add_(0.1 * torch.rand_like(values))
    return model


def noise(images: int, size, grid):
    rng = np.random.default_rng(images)
    pixels = rng.standard_normal((images, 3, size[1], size[0])).astype(np.float32)
    return pixels, rng.standard_normal((images, grid[0] * grid[1], 11)).astype(np.float32)


@pytest.mark.parametrize('name', MODELS)
def test_graph_equals_encode_image(name):
    model = make_model(*MODELS[name])
    opset = OPSETS['concat18' if name == 'nano and siglip, channels' else 'static24']
    graph = vision_graph(model, opset)
    onnx.checker.check_model(graph, full_check=True)
    assert {(item.domain, item.version) for item in graph.opset_import} == {('', opset)}
    assert not graph.functions
    session = ort.InferenceSession(graph.SerializeToString(), providers=['CPUExecutionProvider'])
    for images in (1, 3):
        pixels, camera = noise(images, *MODELS[name][2:])
        feed = {'pixel_values': pixels, 'camera_features': camera}
        (found,) = session.run(['image_tokens'], feed)
        with torch.no_grad():
            expected = model.encode_image(torch.from_numpy(pixels), torch.from_numpy(camera))
        assert found.shape == (images, model.config.tokens_per_image, 16)
        assert np.abs(found - expected.numpy()).max() < TOLERANCE


@torch.no_grad()
def test_patches_of_a_wide_canvas_keep_their_places():
    model = make_model([DINO], 'channel', (96, 32), (2, 6))
    pixels, camera = (torch.from_numpy(values) for values in noise(1, (96, 32), (2, 6)))
    hidden = model.vision_towers[0](pixels).last_hidden_state
    assert hidden.shape == (1, 1 + 2 * 6, 12)
    assert torch.equal(model.vision_features(pixels, camera), hidden[:, 1:])


@torch.no_grad()
def test_a_backbone_sees_its_own_size_normalisation_and_layer():
    model = make_model([CLIP], 'channel', (64, 64), (4, 4))
    photograph = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    canvas = photograph.astype(np.float32) / 127.5 - 1
    own = cv2.resize(photograph.astype(np.float32) / 255, (32, 32))
    own = (own - np.float32(CLIP_USE['mean'])) / np.float32(CLIP_USE['std'])
    as_batch = [torch.from_numpy(v).permute(2, 0, 1)[None] for v in (canvas, own)]
    tower = model.vision_towers[0]
    expected = tower(as_batch[1], output_hidden_states=True).hidden_states[1][:, 1:]
    found = model.vision_features(as_batch[0], torch.zeros(1, 16, 11))
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_use_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match='sizes'):
        make_model([{**CLIP, 'use': {'sizes': [32, 32]}}], 'channel', (64, 64), (4, 4))


@torch.no_grad()
def test_fusion_places_the_streams_side_by_side_or_in_turn():
    images = [torch.from_numpy(values) for values in noise(1, (64, 64), (4, 4))]
    for fusion in ('channel', 'token'):
        model = make_model([NANO, SIGLIP], fusion, (64, 64), (4, 4))
        nano = model.vision_towers[0](*images).last_hidden_state
        siglip = model.vision_towers[1](images[0]).last_hidden_state
        fused = model.vision_features(*images)
        parts = (
            (fused[..., :12], fused[..., 12:]) if fusion == 'channel'
            else (fused[:, 0::2], fused[:, 1::2])
        )  # fmt: skip
        assert torch.equal(parts[0], nano)
        assert torch.equal(parts[1], siglip)


def test_no_path_of_this_machine_is_in_the_graph():
    written = vision_graph(make_model(*MODELS['nano']), OPSETS['static24']).SerializeToString()
    assert str(Path(__file__).parents[2]).encode() not in written
    assert b'site-packages' not in written
