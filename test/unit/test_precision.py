"""Bundles in other precisions beside their parent, and the gate on the task."""

import json
import shutil

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import numpy_helper

from spatialllm_ros.deploy import precision, product_peaks
from spatialllm_ros.deploy.bundle_export import ExportSettings, export_bundle
from spatialllm_ros.deploy.checkpoint import export_checkpoint
from spatialllm_ros.deploy.decoder_flavours import FLAVOURS
from spatialllm_ros.deploy.graph_builder import GraphBuilder
from spatialllm_ros.deploy.half_precision import to_half
from spatialllm_ros.deploy.parity import text_span
from spatialllm_ros.deploy.precision import (
    PRECISIONS,
    QuantiseSettings,
    quantise_bundle,
    write_quantised,
)
from spatialllm_ros.errors import BundleError, ConfigError, EngineError
from spatialllm_ros.evaluation import validation_accuracy
from spatialllm_ros.evaluation.asked_worlds import AskedWorld
from spatialllm_ros.evaluation.validation_accuracy import ValidationWorlds, accuracies
from spatialllm_ros.geometry import guessed_camera
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.questions.vocabulary import build_tokenizer
from spatialllm_ros.runtime.bundle import ROLES, load_bundle, sha256_of
from spatialllm_ros.runtime.engines.onnx_engine import OnnxEngine
from spatialllm_ros.runtime.session_base import EncodedFrame
from spatialllm_ros.schema import Answer, AnswerKind, Frame, QuestionRecord

SIZE, CONTEXT = 32, 64
BOUNDS = {
    'fp16': 0.01, 'int8': 0.05, 'int8-dynamic': 0.1, 'fp8': 0.2, 'int4': 0.4,
    'nvfp4-imitated': 0.6,
}  # fmt: skip
"""Greatest gaps; nvfp4 itself is not computed here."""
CASES = [
    *(('static24', name) for name in BOUNDS),
    *(('concat18', name) for name in ('fp16', 'int8', 'int8-dynamic')),
]


@pytest.fixture(autouse=True)
def two_worlds(monkeypatch):
    """Find out how large activations get on two worlds instead of many."""
    monkeypatch.setattr(product_peaks, 'WORLDS', range(2))


@pytest.fixture(scope='module')
def bundles(tmp_path_factory):
    """Export one random model in both flavours."""
    folder = tmp_path_factory.mktemp('bundles')
    tokenizer = build_tokenizer()
    tokenizer.save(str(folder / 'tokenizer.json'))
    torch.manual_seed(5)
    model = SpatialLLMForConditionalGeneration(
        SpatialLLMConfig(
            vision_configs=[{'model_type': 'spatialllm_vision', 'widths': [8, 8, 12],
                             'num_hidden_layers': 1, 'num_attention_heads': 2}],
            text_config={'model_type': 'llama', 'vocab_size': tokenizer.get_vocab_size(),
                         'hidden_size': SIZE, 'intermediate_size': 48, 'num_hidden_layers': 2,
                         'num_attention_heads': 2, 'num_key_value_heads': 1,
                         'tie_word_embeddings': True, 'bos_token_id': 2, 'eos_token_id': 3},
            image_size=(32, 32), image_grid=(2, 2),
        )
    )  # fmt: skip
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return {
        flavour: export_bundle(
            model,
            folder / 'tokenizer.json',
            folder / flavour,
            ExportSettings('tiny', flavour, CONTEXT),
        )
        for flavour in FLAVOURS
    }


def logits(bundle):
    context = OnnxEngine(bundle, threads=1).new_context()
    text = np.random.default_rng(1).normal(size=(20, SIZE)).astype(np.float32)
    parts = [(0, 9), (9, 10), (10, 20)]
    return np.concatenate([context.append(text_span(text, *part)) for part in parts])


def image_tokens(bundle):
    rng = np.random.default_rng(2)
    pixels, camera = rng.normal(size=(1, 3, 32, 32)), rng.normal(size=(1, 4, 11))
    engine = OnnxEngine(bundle, threads=1)
    return engine.embed_image(pixels.astype(np.float32), camera.astype(np.float32))


def gap(found, expected):
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize(('flavour', 'name'), CASES)
def test_quantised_bundle_answers_nearly_alike(bundles, tmp_path, flavour, name):
    parent = bundles[flavour]
    write_quantised(parent, tmp_path, name)
    bundle = load_bundle(tmp_path)
    assert 0 < gap(logits(bundle), logits(parent)) < BOUNDS[name]
    same_image = gap(image_tokens(bundle), image_tokens(parent))
    assert 0 < same_image < 0.01 if name == 'fp16' else same_image == 0
    sizes = [item.manifest.files['decoder'].bytes for item in (bundle, parent)]
    assert sizes[0] < {'fp16': 0.7, 'nvfp4-imitated': 1.2}.get(name, 0.6) * sizes[1]
    assert {path.name for path in tmp_path.iterdir()} == {
        *('manifest.json', 'vision.onnx', 'decoder.onnx', 'embeddings.npy', 'tokenizer.json'),
    }
    assert set(bundle.manifest.files) == set(ROLES)


@pytest.fixture
def half(bundles, tmp_path):
    """Make both flavours in half precision."""
    for flavour, parent in bundles.items():
        (tmp_path / flavour).mkdir()
        write_quantised(parent, tmp_path / flavour, 'fp16')
    return {flavour: load_bundle(tmp_path / flavour) for flavour in bundles}


@pytest.mark.parametrize('name', ['int8', 'int4'])
def test_weights_of_a_half_bundle_can_be_quantised(half, bundles, tmp_path, name):
    folder = tmp_path / 'both'
    folder.mkdir()
    write_quantised(half['static24'], folder, name)
    bundle = load_bundle(folder)
    assert bundle.manifest.decoder.precision == f'float16-{name}'
    assert gap(logits(bundle), logits(bundles['static24'])) < (0.05 if name == 'int8' else 0.4)
    assert np.array_equal(image_tokens(bundle), image_tokens(half['static24']))


@pytest.fixture(scope='module')
def outside(bundles, tmp_path_factory):
    """Export the same model with its weights beside the graphs."""
    folder = tmp_path_factory.mktemp('outside') / 'tiny'
    settings = ExportSettings('tiny', 'static24', CONTEXT, inside_bytes=2000)
    return export_checkpoint(bundles['static24'].folder, folder, settings)


@pytest.mark.parametrize(
    'names', [('int8',), ('int4',), ('fp16', 'int4'), ('fp8',), ('nvfp4',)], ids='-'.join
)
def test_weights_beside_a_graph_become_what_those_inside_do(bundles, outside, tmp_path, names):
    pair = [bundles['static24'], outside]
    for name in names:
        for index, parent in enumerate(pair):
            folder = tmp_path / f'{name}-{index}'
            folder.mkdir()
            write_quantised(parent, folder, name)
            pair[index] = load_bundle(folder)
    assert 'decoder.onnx.data' in pair[1].manifest.files
    graphs = [onnx.load(bundle.path('decoder')).graph for bundle in pair]
    assert graphs[0].node == graphs[1].node
    for own, other in zip(*(graph.initializer for graph in graphs), strict=True):
        assert own.name == other.name
        assert np.array_equal(numpy_helper.to_array(own), numpy_helper.to_array(other))
    if names == ('nvfp4',):  # not computed here
        return
    assert np.array_equal(logits(pair[0]), logits(pair[1]))
    assert np.array_equal(image_tokens(pair[0]), image_tokens(pair[1]))


def test_dynamic_integers_need_weights_inside(outside, tmp_path):
    with pytest.raises(ConfigError, match='take int8 or int4'):
        write_quantised(outside, tmp_path, 'int8-dynamic')


def test_passes_are_deterministic(bundles, tmp_path):
    for name in PRECISIONS:
        hashes = []
        for attempt in 'ab':
            folder = tmp_path / f'{name}-{attempt}'
            folder.mkdir()
            manifest = write_quantised(bundles['static24'], folder, name)
            hashes.append({role: entry.sha256 for role, entry in manifest.files.items()})
        assert hashes[0] == hashes[1], name


def test_what_a_parent_cannot_become_is_refused(half, bundles, tmp_path):
    refused = [
        (half['static24'], 'fp16', 'found float16'),
        (half['static24'], 'int8-dynamic', 'found float16'),
        (half['concat18'], 'int8', 'operator set 19'),
        (bundles['concat18'], 'int4', 'operator set 21'),
        (bundles['concat18'], 'fp8', 'flavour static24'),
        (half['concat18'], 'nvfp4', 'flavour static24'),
    ]
    for parent, name, words in refused:
        with pytest.raises(ConfigError, match=words):
            write_quantised(parent, tmp_path, name)


def test_half_graph_widens_outputs_and_cuts_constants():
    graph = GraphBuilder('masked', 24)
    graph.input('x', ('rows', 3))
    graph.weight('hidden', np.array([-1e9, 0, 0.25], np.float32))
    graph.node('Add', ['x', 'hidden'], 'sum')
    graph.node('Softmax', ['sum'], 'y')
    graph.node('Identity', ['sum'], 'total')
    for name in ('total', 'y'):
        graph.output(name, ('rows', 3))
    model = graph.model()
    to_half(model)
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString())
    total, shares = session.run(None, {'x': np.array([[0, 2, 0.5]], np.float32)})
    assert total.dtype == shares.dtype == np.float32
    assert total[0].tolist() == [-65504, 2, 0.75]
    assert np.allclose(shares, [[0, 1 / (1 + np.exp(-1.25)), 1 / (1 + np.exp(1.25))]], atol=1e-3)


FRAME = Frame(np.zeros((3, 4, 3), np.uint8), guessed_camera(4, 3, 1.0), 0, 'f', 'c')


class Saying:
    """A session that gives one answer to everything."""

    def __init__(self, text: str) -> None:
        self.text = text

    def encode(self, frame):
        return EncodedFrame(frame, 0.0, None)

    def answer_batch(self, encoded, requests):
        return [
            Answer(self.text, AnswerKind.CHOICE, 1.0, 0, 'f', 'c', choice=options.index(self.text))
            if self.text in (options := request.query.options)
            else ConfigError('expected an option')
            for request in requests
        ]


def test_accuracy_is_the_mean_over_types_and_no_answer_is_wrong():
    def asked(kind: str, options: tuple[str, ...], answer: str) -> QuestionRecord:
        return QuestionRecord('s', kind, 'which?', options, answer)

    worlds = [
        AskedWorld(FRAME, [asked('height_higher', ('mug', 'box'), 'mug')] * 3),
        AskedWorld(
            FRAME,
            [
                asked('height_higher', ('mug', 'box'), 'box'),
                asked('location_above', ('yes', 'no'), 'no'),
            ],
        ),
    ]
    assert accuracies([Saying('mug'), Saying('no')], worlds) == [3 / 4 / 2, 1 / 2]


def test_without_right_answers_a_loss_tells_nothing(bundles, monkeypatch):
    monkeypatch.setattr(validation_accuracy, 'accuracies', lambda *_: [0.0, 0.0])
    pair = [bundles['static24']] * 2
    with pytest.raises(ConfigError, match=r'right answers of .*, found none about 1 worlds'):
        validation_accuracy.compare_accuracy(pair, ValidationWorlds(count=1))
    with pytest.raises(ConfigError, match='expected questions about these worlds, found none'):
        accuracies([Saying('mug')], [AskedWorld(FRAME, [])])
    with pytest.raises(ConfigError, match='threads from 0 on, found -1'):
        ValidationWorlds(threads=-1)


def test_questions_that_are_not_read_tell_no_peaks(bundles, tmp_path):
    settings = ExportSettings('short', 'static24', 4 + 1 + 2 + 24)
    short = export_checkpoint(bundles['static24'].folder, tmp_path / 'short', settings)
    with pytest.raises(ConfigError, match=r'can read, .* found 0 of \d+: .*too many'):
        product_peaks.product_peaks(short)


@pytest.fixture
def measured(monkeypatch):
    """Give two accuracies for parent and child in the place of asking about worlds."""

    def give(*found):
        monkeypatch.setattr(precision, 'compare_accuracy', lambda bundles, worlds: list(found))

    return give


def test_accuracies_and_parent_are_kept_in_the_manifest(bundles, tmp_path, measured):
    measured(0.75, 0.745)
    parent = bundles['static24']
    out = tmp_path / 'int8'
    worlds = ValidationWorlds(count=7)
    quantise_bundle(parent.folder, out, QuantiseSettings('int8', worlds=worlds))
    manifest = json.loads((out / 'manifest.json').read_text())
    assert manifest['name'] == 'tiny-int8'
    assert manifest['decoder'] == {
        **json.loads((parent.folder / 'manifest.json').read_text())['decoder'],
        'precision': 'int8',
    }
    assert manifest['derived'] == {
        'parent': 'tiny',
        'parent_sha256': sha256_of(parent.folder / 'manifest.json'),
        'parent_bytes': sum(parent.path(role).stat().st_size for role in ROLES),
        'first_seed': worlds.first_seed,
        'worlds': 7,
        'parent_accuracy': 0.75,
        'accuracy': 0.745,
    }


def test_what_tensorrt_alone_computes_is_asked_as_its_imitation(bundles, tmp_path, monkeypatch):
    asked = []

    def note(pair, worlds):
        asked.extend((bundle.manifest.decoder.precision, logits(bundle)) for bundle in pair)
        return [0.75, 0.745]

    monkeypatch.setattr(precision, 'compare_accuracy', note)
    out = tmp_path / 'nvfp4'
    made = quantise_bundle(bundles['static24'].folder, out, QuantiseSettings('nvfp4'))
    assert [name for name, _ in asked] == ['float32', 'nvfp4-imitated']
    assert 0 < gap(asked[1][1], asked[0][1]) < BOUNDS['nvfp4-imitated']
    assert made.manifest.decoder.precision == 'nvfp4'
    assert list(tmp_path.iterdir()) == [out]
    with pytest.raises(EngineError, match=r'found nvfp4, which TensorRT alone does, .*10\.0'):
        OnnxEngine(made)


def test_too_great_a_loss_leaves_nothing_and_spares_what_was_there(bundles, tmp_path, measured):
    parent, out = bundles['static24'].folder, tmp_path / 'new'
    measured(0.75, 0.735)
    with pytest.raises(ConfigError, match=r'at most 1 points of accuracy, found 1\.50'):
        quantise_bundle(parent, out, QuantiseSettings('int8'))
    assert list(tmp_path.iterdir()) == []
    quantise_bundle(parent, out, QuantiseSettings('int8', max_loss=2))
    before = sha256_of(out / 'manifest.json')
    with pytest.raises(ConfigError, match='--max-loss'):
        quantise_bundle(parent, out, QuantiseSettings('fp16'))
    assert sha256_of(out / 'manifest.json') == before
    assert load_bundle(out).manifest.decoder.precision == 'int8'


def test_parent_that_is_replaced_meanwhile_is_refused(bundles, tmp_path, monkeypatch):
    folder = tmp_path / 'parent'
    shutil.copytree(bundles['static24'].folder, folder)

    def replace_parent(pair, worlds):
        manifest = folder / 'manifest.json'
        manifest.write_text(manifest.read_text() + '\n')
        return [0.75, 0.75]

    monkeypatch.setattr(precision, 'compare_accuracy', replace_parent)
    with pytest.raises(BundleError, match='replaced meanwhile'):
        quantise_bundle(folder, tmp_path / 'out', QuantiseSettings('int8'))
    assert list(tmp_path.iterdir()) == [folder]


def test_impossible_settings_are_refused(bundles, tmp_path):
    folder = bundles['static24'].folder
    with pytest.raises(ConfigError, match="found 'int3'"):
        QuantiseSettings('int3')
    with pytest.raises(ConfigError, match='found nan'):
        QuantiseSettings('int8', max_loss=float('nan'))
    with pytest.raises(ConfigError, match='another folder'):
        quantise_bundle(folder, folder, QuantiseSettings('int8'))
    held_out = QuantiseSettings('int8', worlds=ValidationWorlds(900_000_000, 1))
    with pytest.raises(ConfigError, match='first seed within 800000000'):
        quantise_bundle(folder, tmp_path / 'out', held_out)
    assert list(tmp_path.iterdir()) == []
