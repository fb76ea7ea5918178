"""Opening model folders, and transformers' own generate on a bundle's weights."""

import json
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spatialllm_ros.deploy.bundle_export import ExportSettings
from spatialllm_ros.deploy.checkpoint import as_bundle, export_checkpoint, load_checkpoint
from spatialllm_ros.deploy.reference import TransformersReference
from spatialllm_ros.errors import AnswerParseError, ConfigError
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.questions.vocabulary import build_tokenizer
from spatialllm_ros.runtime.bundle import MANIFEST_NAME
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.schema import CameraModel, Frame, Query

QUESTIONS = (
    'how far is the red car?', 'where is the mug?', 'which way does the dog face?',
    'how many crates are there?', 'what is to the left of the large green forklift?',
)  # fmt: skip


pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('run') / 'model'
    tokenizer = build_tokenizer()
    torch.manual_seed(0)
    model = SpatialLLMForConditionalGeneration(
        SpatialLLMConfig(
            vision_configs=[{'model_type': 'spatialllm_vision', 'widths': [8, 8, 12],
                             'num_hidden_layers': 1, 'num_attention_heads': 2}],
            text_config={'model_type': 'llama', 'vocab_size': tokenizer.get_vocab_size(),
                         'hidden_size': 32, 'intermediate_size': 48, 'num_hidden_layers': 3,
                         'num_attention_heads': 4, 'tie_word_embeddings': True,
                         'bos_token_id': 2, 'eos_token_id': 3, 'pad_token_id': 0},
            image_size=(64, 48), image_grid=(3, 4),
        )
    )  # fmt: skip
    with torch.no_grad():  # so that different questions get different words
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
        # A trained model writes no mark for an image, which generate would take for one.
        model.get_input_embeddings().weight[model.config.image_token_id] = 0
    model.save_pretrained(folder)
    tokenizer.save(str(folder / 'tokenizer.json'))
    return folder


@pytest.fixture(scope='module')
def bundle(checkpoint, tmp_path_factory) -> Path:
    """Random weights go on behind answers that are whole, so none is taken for that."""
    folder = tmp_path_factory.mktemp('models') / 'tiny'
    manifest = export_checkpoint(checkpoint, folder, ExportSettings('tiny')).manifest
    own = replace(manifest, tokens=replace(manifest.tokens, whole=()))
    (folder / MANIFEST_NAME).write_text(own.to_json(), encoding='utf-8')
    return folder


@pytest.fixture
def copied(checkpoint, tmp_path) -> Path:
    return shutil.copytree(checkpoint, tmp_path / 'model')


def frame(seed: int) -> Frame:
    rgb = np.random.default_rng(seed).integers(256, size=(48, 64, 3), dtype=np.uint8)
    camera = CameraModel(64, 48, 60.0, 60.0, 31.5, 23.5, (0.0, -1.0, 0.0), 1.0)
    return Frame(rgb, camera, 7, 'optical', 'front')


def edit_config(folder: Path, **changes) -> None:
    path = folder / 'config.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_bundle_opens_as_a_checkpoint_of_its_own(checkpoint, bundle):
    trained, shipped = load_checkpoint(checkpoint), load_checkpoint(bundle)
    assert shipped.dtype == torch.float32
    assert not shipped.training
    written = json.loads((bundle / 'config.json').read_text())
    assert written['architectures'] == ['SpatialLLMForConditionalGeneration']
    weights = dict(trained.named_parameters())
    for name, weight in shipped.named_parameters():
        assert torch.equal(weight, weights[name].half().float()), name


def test_as_bundle_exports_a_checkpoint_and_keeps_a_bundle(checkpoint, bundle):
    with as_bundle(bundle) as folder:
        assert folder == bundle
    with as_bundle(checkpoint) as folder:
        assert SpatialSession.load(folder, threads=1).bundle.manifest.name
        assert checkpoint not in folder.parents
    assert not folder.exists()


def missing_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def another_model(folder: Path) -> None:
    edit_config(folder, model_type='llama')


def no_json(folder: Path) -> None:
    (folder / 'config.json').write_text('[')


def pickled_weights(folder: Path) -> None:
    (folder / 'model.safetensors').unlink()
    torch.save({}, folder / 'pytorch_model.bin')


def truncated_weights(folder: Path) -> None:
    path = folder / 'model.safetensors'
    path.write_bytes(path.read_bytes()[:-100])


def weights_of_fewer_layers(folder: Path) -> None:
    text = json.loads((folder / 'config.json').read_text())['text_config']
    edit_config(folder, text_config=text | {'num_hidden_layers': 4})


def impossible_sizes(folder: Path) -> None:
    text = json.loads((folder / 'config.json').read_text())['text_config']
    edit_config(folder, text_config=text | {'hidden_size': 30})


@pytest.mark.parametrize(
    ('damage', 'complaint'),
    [
        (missing_folder, 'expected a model folder with config.json'),
        (another_model, "expected a model of type 'spatialllm', found 'llama'"),
        (no_json, 'expected a model folder with config.json'),
        (pickled_weights, 'safetensors'),
        (truncated_weights, 'safetensors'),
        (weights_of_fewer_layers, r'missing_keys .*layers\.3\.'),
        (impossible_sizes, 'not a multiple'),
    ],
)
def test_foreign_folders_are_refused_with_what_to_do(copied, damage, complaint):
    damage(copied)
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_checkpoint(copied)
    assert 'training/train.py' in str(caught.value)


def test_checkpoint_without_tokenizer_is_refused(copied, tmp_path):
    (copied / 'tokenizer.json').unlink()
    with pytest.raises(ConfigError, match=r'tokenizer\.json beside the weights'):
        export_checkpoint(copied, tmp_path / 'bundle', ExportSettings())


def test_generate_writes_what_the_run_time_writes(bundle):
    reference = TransformersReference(bundle)
    session = SpatialSession.load(bundle, threads=1)
    written = set()
    for seed in range(3):
        encoded = session.encode(frame(seed))
        for question in QUESTIONS:
            texts = ['']
            with suppress(AnswerParseError):
                session.answer(encoded, Query(question), texts.append)
            assert reference.answer(frame(seed), Query(question)) == texts[-1]
            written.add(texts[-1])
    assert len(written) > 3


@torch.no_grad()
def test_padded_prompts_are_generated_as_if_alone(checkpoint):
    model = load_checkpoint(checkpoint)
    image = {'pixel_values': torch.randn(2, 3, 48, 64), 'camera_features': torch.randn(2, 12, 11)}
    prompts = [[2, *[5] * 12, 40, 41, 4], [2, *[5] * 12, 42, 43, 44, 45, 4]]
    padded = torch.tensor([[0, 0, *prompts[0]], prompts[1]])
    settings = {'max_new_tokens': 6, 'do_sample': False}
    mask = (padded != 0).long()
    together = model.generate(input_ids=padded, attention_mask=mask, **image, **settings)
    for row, prompt in enumerate(prompts):
        own = {name: values[row : row + 1] for name, values in image.items()}
        alone = model.generate(input_ids=torch.tensor([prompt]), **own, **settings)
        assert together[row, padded.shape[1] :].tolist() == alone[0, len(prompt) :].tolist()
