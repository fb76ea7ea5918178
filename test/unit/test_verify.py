"""Stages, words and the command, for the shipped model and for mixed ones of random weights."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from spatialllm_ros.deploy import verification, verify_command
from spatialllm_ros.deploy.bundle_export import ExportSettings, export_bundle
from spatialllm_ros.deploy.checkpoint import export_checkpoint, load_checkpoint
from spatialllm_ros.deploy.decoder_flavours import FLAVOURS
from spatialllm_ros.deploy.decoder_graph import decoder_graph
from spatialllm_ros.deploy.parity import STAGES, ParityCase, stage_gaps, text_span
from spatialllm_ros.deploy.verification import Verified, VerifySettings, missed
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation.asked_worlds import asked_worlds
from spatialllm_ros.evaluation.written_words import written_words
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.questions.vocabulary import build_tokenizer
from spatialllm_ros.runtime.bundle import load_bundle, sha256_of
from spatialllm_ros.runtime.cli import main
from spatialllm_ros.runtime.engines.onnx_engine import OnnxEngine
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.scenes.worlds import HELD_OUT_SEEDS

NANO = Path('models/nano')
TOLERANCE = 1e-4
TOKENIZER = build_tokenizer()
TOWER = {'hidden_size': 12, 'intermediate_size': 16, 'num_hidden_layers': 2,
         'num_attention_heads': 2, 'image_size': 64, 'patch_size': 16}  # fmt: skip
DECODER = {'vocab_size': TOKENIZER.get_vocab_size(), 'hidden_size': 32, 'intermediate_size': 48,
           'num_hidden_layers': 2, 'num_attention_heads': 4, 'num_key_value_heads': 2,
           'bos_token_id': 2, 'eos_token_id': 3}  # fmt: skip
MODELS = {
    'clip, dinov2 and llama': (['clip_vision_model', 'dinov2'], 'llama'),
    'siglip and qwen2': (['siglip_vision_model'], 'qwen2'),
}


pytestmark = pytest.mark.usefixtures('one_thread')


def mixed(towers, decoder):
    torch.manual_seed(0)
    model = SpatialLLMForConditionalGeneration(
        SpatialLLMConfig(
            vision_configs=[{'model_type': kind, **TOWER} for kind in towers],
            text_config={'model_type': decoder, **DECODER},
            image_size=(64, 64), image_grid=(4, 4),
        )
    ).eval()  # fmt: skip
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return model


def in_flavour(bundle, model, flavour, folder):
    """Write a bundle with its decoder anew; the vision graph stays."""
    shutil.copytree(bundle.folder, folder)
    context = bundle.manifest.decoder.context
    onnx.save(decoder_graph(model.language_model, flavour, context), folder / 'decoder.onnx')
    rewrite_manifest(folder, flavour=flavour, opset=FLAVOURS[flavour].opset)
    return load_bundle(folder)


def rewrite_manifest(folder, **decoder):
    path = folder / 'manifest.json'
    plain = json.loads(path.read_text())
    graph = folder / 'decoder.onnx'
    entry = {'bytes': graph.stat().st_size, 'sha256': sha256_of(graph)}
    plain['files']['decoder'] |= entry
    plain['decoder'] |= decoder
    path.write_text(json.dumps(plain))


@pytest.fixture(scope='module', params=['nano', *MODELS])
def in_flavours(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp('bundles')
    if request.param == 'nano':
        model, bundle = load_checkpoint(NANO), load_bundle(NANO)
    else:
        TOKENIZER.save(str(folder / 'tokenizer.json'))
        model = mixed(*MODELS[request.param])
        bundle = export_bundle(
            model, folder / 'tokenizer.json', folder / 'static24', ExportSettings(context=200)
        )
    return model, [bundle, in_flavour(bundle, model, 'concat18', folder / 'concat18')]


def noise_case(config):
    rng = np.random.default_rng(4)
    size = (1, 3, config.image_height, config.image_width)
    cells = config.image_rows * config.image_columns
    words = rng.integers(6, config.text_config.vocab_size, size=(9, 11)).tolist()
    return ParityCase(
        pixels=rng.standard_normal(size).astype(np.float32),
        camera=rng.standard_normal((1, cells, 11)).astype(np.float32),
        start=2,
        questions=[ids[: 3 + n] for n, ids in enumerate(words[:8])],
        words=words[8][:3],
    )


def test_every_stage_of_both_flavours_equals_torch(in_flavours):
    model, bundles = in_flavours
    case = noise_case(model.config)
    for bundle in bundles:
        gaps = stage_gaps(model, OnnxEngine(bundle, threads=1), case)
        assert tuple(gaps) == STAGES
        assert max(gaps.values()) <= TOLERANCE, (bundle.manifest.decoder.flavour, gaps)


def test_reading_on_from_a_prefix_equals_reading_all_at_once_bit_for_bit(in_flavours):
    model, bundles = in_flavours
    prefix = 1 + model.config.tokens_per_image
    size = (prefix + 12, model.config.text_config.hidden_size)
    text = 0.3 * np.random.default_rng(5).standard_normal(size).astype(np.float32)
    for bundle in bundles:
        engine = OnnxEngine(bundle, threads=1)
        whole = engine.new_context().append(text_span(text, 0, len(text)))
        context = engine.new_context()
        context.append(text_span(text, 0, prefix))
        for _ in range(2):  # the prefix serves again
            found = context.append(text_span(text, prefix, len(text)))
            assert np.array_equal(found, whole[prefix:])
            context.rewind(prefix)


@pytest.fixture(scope='module')
def nano_flavours(tmp_path_factory):
    folder = tmp_path_factory.mktemp('nano') / 'concat18'
    bundle = load_bundle(NANO)
    return [bundle, in_flavour(bundle, load_checkpoint(NANO), 'concat18', folder)]


def test_both_flavours_write_the_same_words_together_and_one_by_one(nano_flavours):
    sessions = [SpatialSession(item, OnnxEngine(item, threads=1)) for item in nano_flavours]
    image = sessions[0].bundle.manifest.image
    said = set()
    for world in asked_worlds(HELD_OUT_SEEDS[:2], (image.width_px, image.height_px)):
        questions = [record.question for record in world.records[:8]]
        static, concat = (
            written_words(one, one.encode(world.frame), questions) for one in sessions
        )
        encoded = sessions[0].encode(world.frame)
        alone = [written_words(sessions[0], encoded, [question])[0] for question in questions]
        assert static == concat == alone
        said |= set(static)
    assert len(said) > 5


def found(**changes):
    gaps = dict.fromkeys(STAGES, 1e-6)
    row = Verified('b', 'float32', 'static24', 'onnx', gaps, 100, 100, 0.9)
    return replace(row, **changes)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({}, []),
        ({'gaps': {'prefix': 2e-4}}, ['prefix within 0.0001 of the model, found 0.0002']),
        ({'gaps': {'prefix': float('nan')}}, ['found nan']),
        ({'gaps': {'prefix': 4e-3}, 'precision': 'float16', 'same_words': 90}, []),
        ({'gaps': {'prefix': 0.3}, 'precision': 'int4', 'same_words': 90}, []),
        ({'same_words': 99}, ['all 100 questions, found them for 99']),
        ({'accuracy': 0.885}, ['at most 1 points of accuracy less than b, found 1.50']),
        ({'accuracy': 0.895}, []),
        ({'accuracy': None}, []),
    ],
)
def test_what_misses_a_tolerance_is_named(changes, words):
    lines = missed(found(**changes), found(), max_loss=1.0)
    assert len(lines) == len(words)
    assert all(word in line for word, line in zip(words, lines, strict=True))


@pytest.fixture(scope='module')
def altered(tmp_path_factory):
    """Make a bundle with other numbers in its decoder, which its manifest vouches for."""
    folder = tmp_path_factory.mktemp('altered') / 'nano'
    shutil.copytree(NANO, folder)
    graph = onnx.load(folder / 'decoder.onnx')
    for tensor in graph.graph.initializer:
        if len(tensor.dims) == 2 and tensor.data_type == onnx.TensorProto.FLOAT:
            values = 1.02 * numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))
    onnx.save(graph, folder / 'decoder.onnx')
    rewrite_manifest(folder)
    return folder


def test_command_reports_every_bundle_and_fails_for_an_altered_one(altered, tmp_path, capsys):
    path = tmp_path / 'out' / 'verify.json'
    options = ['--questions', '3', '--worlds', '0', '--threads', '1', '--json', str(path)]
    assert main(['verify', str(NANO), str(altered), *options]) == 1
    good, bad = json.loads(path.read_text())
    assert good['missed'] == []
    assert good['same_words'] == good['questions'] == 3
    assert max(good['gaps'].values()) <= good['tolerance'] == TOLERANCE
    assert bad['gaps']['vision'] <= TOLERANCE < bad['gaps']['prefix']
    captured = capsys.readouterr()
    assert 'expected prefix within 0.0001 of the model' in captured.err
    assert '3/3' in captured.out


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_asked(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(verify_command, 'verify', lambda bundles, settings: [found()])
    (tmp_path / 'file').write_text('')
    with pytest.raises(SystemExit):
        main(['verify', str(NANO), '--json', str(tmp_path / 'file' / 'verify.json')])
    captured = capsys.readouterr()
    assert not captured.out
    assert re.search(r'expected to write .*verify\.json, found .*; name another', captured.err)


def test_accuracy_is_that_of_each_bundle(monkeypatch):
    asked = []
    monkeypatch.setattr(verification, 'accuracies', lambda *given: asked.append(given) or [0.9, 1])
    monkeypatch.setattr(verification, 'asked_worlds', lambda seeds, size_px: [])
    sessions = [SpatialSession.load(NANO, threads=1)] * 2
    assert verification._accuracies(sessions, 5) == [0.9, 1]
    assert verification._accuracies(sessions, 0) == [None, None]
    assert verification._accuracies(sessions[:1], 5) == [None]
    assert len(asked) == 1


def test_what_cannot_be_compared_is_refused(tmp_path, capsys):
    bare = tmp_path / 'bare'
    shutil.copytree(NANO, bare)
    plain = json.loads((bare / 'manifest.json').read_text())
    del plain['files']['weights']
    (bare / 'manifest.json').write_text(json.dumps(plain))
    assert main(['verify', str(bare)]) == 1
    assert 'the bundle that it was made of first' in capsys.readouterr().err
    plain['parameters'] += 1
    (bare / 'manifest.json').write_text(json.dumps(plain))
    assert main(['verify', str(NANO), str(bare)]) == 1
    assert 'expected bundles of the model in' in capsys.readouterr().err
    assert main(['verify', str(NANO), '--questions', '0']) == 1
    assert 'found 0' in capsys.readouterr().err


def test_weights_in_several_files_are_as_good_as_in_one(tmp_path, capsys):
    settings = ExportSettings('large', inside_bytes=10_000)
    export_checkpoint(NANO, tmp_path / 'large', settings)
    assert not (tmp_path / 'large' / 'model.safetensors').exists()
    assert main(['verify', str(tmp_path / 'large'), '--questions', '2']) == 0
    assert '2/2' in capsys.readouterr().out


@pytest.mark.parametrize('changes', [{'questions': 0}, {'worlds': -1}, {'threads': -1}])
def test_impossible_settings_are_refused(changes):
    with pytest.raises(ConfigError, match='at least one question'):
        VerifySettings(**changes)


def test_names_of_any_length_stand_apart():
    gaps = dict.fromkeys(STAGES, 0.0)
    found = [
        Verified('nano', precision, 'static24', 'onnx', gaps, 1, 1, None)
        for precision in ('float16-nvfp4-imitated', 'int8')
    ]
    lines = verify_command._table(found).splitlines()
    assert [line.split()[1:3] for line in lines[1:]] == [
        ['float16-nvfp4-imitated', 'static24'], ['int8', 'static24'],
    ]  # fmt: skip
    assert len({line.index('static24') for line in lines[1:]} | {lines[0].index('flavour')}) == 1
