"""Bundles of another image size or number of questions than the checkpoint's, against torch."""

import copy
import re
from contextlib import nullcontext
from dataclasses import asdict

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from spatialllm_ros.deploy.bundle_export import (
    ExportSettings,
    adapt_model,
    export_bundle,
    with_context,
)
from spatialllm_ros.deploy.context_size import OPTION_TOKENS, QUESTION_TOKENS
from spatialllm_ros.deploy.image_size import parse_image_size
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.questions.phrasings import PHRASINGS
from spatialllm_ros.questions.vocabulary import build_tokenizer
from spatialllm_ros.runtime.bundle import load_bundle
from spatialllm_ros.runtime.engines.onnx_engine import OnnxEngine
from spatialllm_ros.runtime.prompt import PromptBuilder
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.runtime.tokenizer import Tokenizer
from spatialllm_ros.schema import CameraModel, Frame, Query

TOKENIZER = build_tokenizer()
NANO = {'model_type': 'spatialllm_vision', 'widths': [8, 8, 12], 'num_hidden_layers': 1,
        'num_attention_heads': 2}  # fmt: skip
KIND = {'hidden_size': 12, 'intermediate_size': 16, 'num_hidden_layers': 2,
        'num_attention_heads': 2, 'patch_size': 8, 'image_size': 32}  # fmt: skip
CLIP = {'model_type': 'clip_vision_model', **KIND}
SIGLIP = {'model_type': 'siglip_vision_model', **KIND}
DINO = {'model_type': 'dinov2', **KIND, 'mlp_ratio': 2}
FIXED = {'model_type': 'yolos', **KIND, 'image_size': [32, 32], 'num_detection_tokens': 1}
LONGEST_PHRASE = 'small red car on the shelf'

pytestmark = pytest.mark.usefixtures('one_thread')


def make_model(*visions, size=(64, 48), grid=(3, 4), positions=512, fusion='channel'):
    torch.manual_seed(0)
    config = SpatialLLMConfig(
        vision_configs=list(visions) or [NANO], fusion=fusion, image_size=size, image_grid=grid,
        text_config={'model_type': 'llama', 'vocab_size': TOKENIZER.get_vocab_size(),
                     'hidden_size': 16, 'intermediate_size': 16, 'num_hidden_layers': 1,
                     'num_attention_heads': 2, 'max_position_embeddings': positions,
                     'tie_word_embeddings': True, 'bos_token_id': 2, 'eos_token_id': 3,
                     'pad_token_id': 0},
    )  # fmt: skip
    model = SpatialLLMForConditionalGeneration(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight)).copy_(weight.half())
    return model


@pytest.fixture(scope='module')
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp('tokenizer') / 'tokenizer.json'
    TOKENIZER.save(str(path))
    return path


def noise(width, height, cells):
    rng = np.random.default_rng(width)
    pixels = rng.standard_normal((1, 3, height, width)).astype(np.float32)
    return pixels, rng.standard_normal((1, cells, 11)).astype(np.float32)


@pytest.fixture(scope='module')
def wide(tokenizer, tmp_path_factory):
    """A nano model of 64x48 pixels and its bundle of 256x192: 12 rows of 16 tokens."""
    model = make_model()
    settings = ExportSettings('wide', questions=3, image_size=(256, 192))
    folder = tmp_path_factory.mktemp('models') / 'wide'
    return model, export_bundle(copy.deepcopy(model), tokenizer, folder, settings)


@torch.no_grad()
def test_image_tokens_of_another_size_are_those_of_the_trained_model(wide):
    model, bundle = wide
    pixels, camera = noise(256, 192, 192)
    found = OnnxEngine(bundle, threads=1).embed_image(pixels, camera)
    # The nano backbone has no positions of its own, so the model as it was trained takes these.
    assert model.config.image_size == [64, 48]
    expected = model.encode_image(torch.from_numpy(pixels), torch.from_numpy(camera))[0]
    assert found.shape == (192, 16)
    assert np.abs(found - expected.numpy()).max() < 1e-4


def test_manifest_of_another_size(wide):
    manifest = load_bundle(wide[1].folder).manifest
    assert asdict(manifest.image) == {
        'width_px': 256, 'height_px': 192, 'rows': 12, 'columns': 16, 'tokens': 192, 'mean': 0.5,
        'std': 0.5,
    }  # fmt: skip
    assert manifest.adapted == {'image': {'trained_width_px': 64, 'trained_height_px': 48}}
    assert manifest.decoder.context == 1 + 192 + 3 * (37 + 13 + 24)
    assert manifest.limits.questions == 3


def test_a_picture_is_asked_at_another_size(wide):
    session = SpatialSession.load(wide[1].folder, threads=1)
    rgb = np.random.default_rng(3).integers(256, size=(480, 640, 3), dtype=np.uint8)
    camera = CameraModel(640, 480, 600.0, 600.0, 319.5, 239.5, (0.0, -1.0, 0.0), 1.0)
    queries = [Query('which is higher?', ('there is no mug', 'red car'))] * 7
    encoded = session.encode(Frame(rgb, camera, 7, 'optical', 'front'))
    assert len(session.option_logs(encoded, queries)) == 7
    assert session.answer(encoded, queries[0]).text in queries[0].options


def test_no_more_questions_are_asked_at_once_than_the_export_was_made_for(wide):
    bundle = wide[1]
    builder = PromptBuilder(bundle.manifest, Tokenizer(bundle.path('tokenizer')))
    prompts = {index: builder.build(Query('is the mug red?')) for index in range(7)}
    assert builder.in_passes(prompts) == [[0, 1, 2], [3, 4, 5], [6]]


def test_the_longest_question_has_room():
    texts = (
        re.sub(r'\{.\}', LONGEST_PHRASE, wording)
        for own in PHRASINGS.values()
        for wording in (*own.train, *own.evaluation)
    )
    longest = max(len(TOKENIZER.encode(text, add_special_tokens=False).ids) for text in texts)
    assert longest + 1 == QUESTION_TOKENS
    assert len(LONGEST_PHRASE.split()) * 2 <= OPTION_TOKENS


@torch.no_grad()
@pytest.mark.parametrize(('vision', 'classes'), [(CLIP, 1), (SIGLIP, 0), (DINO, 1)])
def test_positions_of_pretrained_kinds_are_interpolated(vision, classes, tokenizer, tmp_path):
    model = make_model(vision, size=(32, 32), grid=(4, 4))
    bundle = export_bundle(
        copy.deepcopy(model), tokenizer, tmp_path / 'b', ExportSettings(image_size=(48, 32))
    )
    assert (bundle.manifest.image.rows, bundle.manifest.image.columns) == (4, 6)
    pixels, camera = noise(48, 32, 24)
    images, rays = torch.from_numpy(pixels), torch.from_numpy(camera)
    told = {} if vision is DINO else {'interpolate_pos_encoding': True}
    hidden = model.vision_towers[0](images, **told).last_hidden_state[:, classes:]
    expected = model.projector(hidden) + model.camera_projection(rays)
    found = OnnxEngine(bundle, threads=1).embed_image(pixels, camera)
    assert np.abs(found - expected[0].numpy()).max() < 1e-4


@torch.no_grad()
def test_a_backbone_in_a_size_of_its_own_gets_that_scaled_to_whole_patches(tokenizer, tmp_path):
    own = {**CLIP, 'use': {'size': [32, 40]}, 'image_size': 40}
    model = make_model(NANO, own, fusion='token')
    settings = ExportSettings(image_size=(80, 96))
    bundle = export_bundle(copy.deepcopy(model), tokenizer, tmp_path / 'bundle', settings)
    assert bundle.manifest.image.tokens == 2 * 6 * 5
    pixels, camera = noise(80, 96, 30)
    images, rays = torch.from_numpy(pixels), torch.from_numpy(camera)
    # 32 * 80 / 64 = 40 and 40 * 96 / 48 = 80 pixels: 5 columns and 10 rows of patches.
    small = torch.nn.functional.interpolate(images, (80, 40), mode='bilinear')
    patches = model.vision_towers[1](small, interpolate_pos_encoding=True).last_hidden_state[:, 1:]
    maps = patches.transpose(1, 2).reshape(1, 12, 10, 5)
    clip = torch.nn.functional.interpolate(maps, (6, 5), mode='bilinear').flatten(2)
    nano = model.vision_towers[0](images, camera_features=rays).last_hidden_state
    fused = torch.stack([nano, clip.transpose(1, 2)], dim=2).flatten(1, 2)
    expected = model.projector(fused) + model.camera_projection(rays).repeat_interleave(2, 1)
    found = OnnxEngine(bundle, threads=1).embed_image(pixels, camera)
    assert np.abs(found - expected[0].numpy()).max() < 1e-4


@pytest.mark.parametrize(
    ('model', 'settings', 'complaint'),
    [
        ({}, {'image_size': (100, 50)}, r'steps of 16x16 .* found 100x50; the nearest is 96x48'),
        ({}, {'image_size': (8, 8)}, 'the nearest is 16x16'),
        (
            {'visions': (NANO, DINO), 'grid': (1, 4)}, {'image_size': (64, 64)},
            'steps of 16x48',
        ),
        (
            {'visions': (FIXED,), 'size': (32, 32), 'grid': (4, 4)}, {'image_size': (48, 32)},
            r"(?s)CLIP, SigLIP.*found \['yolos'\].*keep 32x32",
        ),
        (
            {'positions': 256}, {'image_size': (320, 240), 'context': 900},
            'at most 193 tokens, for the decoder was trained for texts of 256, found 300 for '
            '320x240 pixels',
        ),
        ({}, {'image_size': (320, 240), 'context': 300}, 'at least 327 .*--questions'),
        ({'positions': 70}, {'questions': 2}, 'at most 7 tokens'),
    ],
)  # fmt: skip
def test_sizes_that_cannot_be_are_refused(model, settings, complaint, tokenizer, tmp_path):
    made = make_model(*model.pop('visions', ()), **model)
    with pytest.raises(ConfigError, match=complaint):
        export_bundle(made, tokenizer, tmp_path / 'bundle', ExportSettings(**settings))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(('window', 'positions'), [
    (30, 512), (99, 512), (100, 512), (60, 60), (59, 60), (None, 512),
])  # fmt: skip
@torch.no_grad()
def test_a_decoder_that_forgets_the_beginning_of_a_long_text_is_refused(window, positions):
    plain = make_model(positions=positions).config.to_dict()
    plain['text_config'] |= {'model_type': 'mistral', 'sliding_window': window}
    config = SpatialLLMConfig.from_dict(plain)
    texts = torch.full((2, min(100, positions)), 7)
    texts[1, 0] = 8
    ends = AutoModelForCausalLM.from_config(config.text_config).eval()(texts).logits[:, -1]
    complaint = pytest.raises(ConfigError, match=f'sliding_window of {window};')
    with complaint if torch.equal(*ends) else nullcontext():
        with_context(config, ExportSettings(context=100))


def test_the_checkpoint_s_own_size_changes_nothing(tokenizer):
    model, words = make_model(), tokenizer.read_bytes()
    settings = ExportSettings(context=100, image_size=(64, 48))
    assert adapt_model(model, words, settings) == (words, {})
    assert with_context(model.config, settings) == settings


def test_a_size_is_width_and_height():
    assert parse_image_size('256x192') == (256, 192)


@pytest.mark.parametrize('text', ['256', '256x', '0x16', '-16x16', '16x16x3', '1e3x16', '٣x16'])
def test_other_words_are_no_size(text):
    with pytest.raises(ConfigError, match='WIDTHxHEIGHT in pixels, like 256x192'):
        parse_image_size(text)


@pytest.mark.parametrize('questions', [0, -1, 65])
def test_impossible_numbers_of_questions_are_refused(questions):
    with pytest.raises(ConfigError, match=f'1 to 64 questions at once, found {questions}'):
        ExportSettings(questions=questions)
