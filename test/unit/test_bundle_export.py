"""A bundle through the run time's session against the model in torch on whole prompts."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from safetensors.numpy import load_file
from tokenizers import Tokenizer, models

from spatialllm_ros.deploy.bundle_export import ExportSettings, export_bundle
from spatialllm_ros.deploy.checkpoint import export_checkpoint, load_checkpoint
from spatialllm_ros.deploy.decoder_flavours import FLAVOURS
from spatialllm_ros.deploy.replacing import replaced_bundle
from spatialllm_ros.deploy.rounding import round_to_half
from spatialllm_ros.errors import BundleError, ConfigError
from spatialllm_ros.learning.building import new_model
from spatialllm_ros.learning.recipe import load_recipe
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.questions.vocabulary import build_tokenizer
from spatialllm_ros.runtime.bundle import ImageSpec, load_bundle
from spatialllm_ros.runtime.preprocess import vision_inputs
from spatialllm_ros.runtime.session import Request, SpatialSession
from spatialllm_ros.schema import CameraModel, Frame, Query

TOKENIZER = build_tokenizer()
RECIPE = Path('training/recipes/nano.yaml')
LIMIT_BYTES = 40e6
IMAGE, ANSWER, START, END = 5, 4, 2, 3
SPEC = ImageSpec(64, 48, 3, 4, 12, 0.5, 0.5)
NANO = {
    'model_type': 'spatialllm_vision',
    'widths': [8, 8, 12],
    'num_hidden_layers': 1,
    'num_attention_heads': 2,
}
CLIP = {'model_type': 'clip_vision_model', 'hidden_size': 12, 'intermediate_size': 16,
        'num_hidden_layers': 2, 'num_attention_heads': 2, 'image_size': 32, 'patch_size': 8,
        'use': {'size': [32, 32], 'layer': -2}}  # fmt: skip
CLOSED = Query('is the red car next to the mug?', ('yes', 'no'))


def make_model(*more):
    torch.manual_seed(0)
    model = SpatialLLMForConditionalGeneration(
        SpatialLLMConfig(
            vision_configs=[NANO, *more],
            text_config={'model_type': 'llama', 'vocab_size': TOKENIZER.get_vocab_size(),
                         'hidden_size': 24, 'intermediate_size': 32, 'num_hidden_layers': 2,
                         'num_attention_heads': 4, 'num_key_value_heads': 2,
                         'tie_word_embeddings': True, 'bos_token_id': START,
                         'eos_token_id': END, 'pad_token_id': 0},
            image_size=(64, 48), image_grid=(3, 4),
        )
    ).eval()  # fmt: skip
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return model


pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture(scope='module')
def tokenizer(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('tokenizer') / 'tokenizer.json'
    TOKENIZER.save(str(path))
    return path


@pytest.fixture(scope='module', params=list(FLAVOURS))
def exported(request, tokenizer, tmp_path_factory):
    model = make_model()
    folder = tmp_path_factory.mktemp('models') / request.param
    settings = ExportSettings('tiny', request.param, 200, training={'recipe': 'none'})
    return model, export_bundle(model, tokenizer, folder, settings)


def frame() -> Frame:
    rgb = np.random.default_rng(3).integers(256, size=(48, 64, 3), dtype=np.uint8)
    camera = CameraModel(64, 48, 60.0, 60.0, 31.5, 23.5, (0.0, -1.0, 0.0), 1.0)
    return Frame(rgb, camera, 7, 'optical', 'front')


@torch.no_grad()
def torch_logs(model, image: Frame, words: str, answer: list[int]) -> np.ndarray:
    """Return log-probabilities (1 + answer, V) from the answer mark on, of one whole prompt."""
    question = TOKENIZER.encode(words, add_special_tokens=False).ids
    prompt = [START, *[IMAGE] * model.config.tokens_per_image, *question, ANSWER, *answer]
    pixels, camera = vision_inputs(image, SPEC)
    logits = model(
        input_ids=torch.tensor([prompt]),
        pixel_values=torch.from_numpy(pixels),
        camera_features=torch.from_numpy(camera),
    ).logits[0]
    return logits[-1 - len(answer) :].double().log_softmax(-1).numpy()


def test_option_scores_of_a_session_equal_whole_prompts_in_torch(exported):
    model, bundle = exported
    session = SpatialSession.load(bundle.folder, threads=1)
    queries = [
        Query('is the red car next to the mug?', ('yes', 'no')),
        Query('which one is nearer?', ('small red car', 'mug', 'crate on the shelf')),
    ]
    found = session.option_logs(session.encode(frame()), queries)
    for query, logs in zip(queries, found, strict=True):
        for option, score in zip(query.options, logs, strict=False):
            ids = [*TOKENIZER.encode(option, add_special_tokens=False).ids, END]
            expected = torch_logs(model, frame(), query.question, ids)[range(len(ids)), ids]
            assert score == pytest.approx(expected.sum(), abs=1e-4)
        absent = torch_logs(model, frame(), query.question, [])[0, TOKENIZER.token_to_id('there')]
        assert logs[-1] == pytest.approx(absent, abs=1e-4)


def test_confidence_is_the_share_of_the_chosen_option(exported):
    session = SpatialSession.load(exported[1].folder, threads=1)
    encoded = session.encode(frame())
    for word in ('yes', 'left', 'mug', 'small crate'):
        # With an option about absence none is added, so that one of the two is chosen.
        query = Query('which is higher?', ('there is no mug', word))
        (logs,) = session.option_logs(encoded, [query])
        shares = np.exp(logs) / np.exp(logs).sum()
        answer = session.answer(encoded, query)
        assert answer.choice == shares.argmax()
        assert answer.confidence == pytest.approx(shares.max())


@torch.no_grad()
def test_blind_prefix_equals_image_embeddings_times_zero(exported):
    model, bundle = exported
    session = SpatialSession.load(bundle.folder, threads=1)
    query = Query('is the red car next to the mug?', ('yes', 'no'))
    (found,) = session.option_logs(session.encode_blind(frame()), [query])
    question = TOKENIZER.encode(query.question, add_special_tokens=False).ids
    embed = model.get_input_embeddings()
    image = torch.zeros(1, model.config.tokens_per_image, 24)
    for option, score in zip(query.options, found, strict=False):
        ids = [TOKENIZER.token_to_id(option), END]
        texts = [embed(torch.tensor([part])) for part in ([START], [*question, ANSWER, *ids])]
        embeddings = torch.cat([texts[0], image, texts[1]], dim=1)
        logs = model(inputs_embeds=embeddings).logits[0, -3:-1].double().log_softmax(-1)
        assert score == pytest.approx(float(logs[range(2), ids].sum()), abs=1e-4)


def test_written_words_are_torch_greedy_words(exported):
    model, bundle = exported
    session = SpatialSession.load(bundle.folder, threads=1)
    words = 'how far is the red car from the mug?'
    texts: list[str] = []
    session.answer_batch(session.encode(frame()), [Request(Query(words), texts.append)])
    written: list[int] = []
    while len(written) < 5:
        written.append(int(torch_logs(model, frame(), words, written)[-1].argmax()))
        if written[-1] == END:
            break
        assert TOKENIZER.decode(written) in texts


def test_weights_beside_the_graphs_are_the_same_numbers(exported):
    model, bundle = exported
    state = model.state_dict()
    for name, values in load_file(bundle.path('weights')).items():
        assert np.array_equal(values.astype(np.float32), state[name].numpy()), name
    table = np.load(bundle.path('embeddings')).astype(np.float32)
    assert np.array_equal(table, model.get_input_embeddings().weight.detach().numpy())
    again = load_checkpoint(bundle.folder).state_dict()
    assert all(torch.equal(again[name], state[name]) for name in state)


def test_manifest_describes_the_model(exported):
    model, bundle = exported
    manifest = load_bundle(bundle.folder).manifest
    assert manifest.parameters == sum(p.numel() for p in model.parameters())
    assert (manifest.image.rows, manifest.image.columns, manifest.image.tokens) == (3, 4, 12)
    assert (manifest.decoder.layers, manifest.decoder.kv_heads, manifest.decoder.head_size) == (
        2, 2, 6,
    )  # fmt: skip
    assert manifest.decoder.flavour == bundle.folder.name
    assert (manifest.tokens.start, manifest.tokens.end, manifest.tokens.answer) == (2, 3, 4)
    assert manifest.training == {'recipe': 'none'}
    listed = {entry.path for entry in manifest.files.values()} | {'manifest.json'}
    assert listed == {path.name for path in bundle.folder.iterdir()}


def test_words_that_fall_apart_are_asked_of_a_model_that_learned_such(tokenizer, tmp_path):
    settings = ExportSettings(context=150, spelled_words=True)
    first = export_bundle(make_model(), tokenizer, tmp_path / 'first', settings)
    again = ExportSettings(context=150, source=first.manifest)
    second = export_bundle(make_model(), tokenizer, tmp_path / 'second', again)
    assert first.manifest.tokens.spelled
    assert second.manifest.tokens.spelled
    plain = export_bundle(make_model(), tokenizer, tmp_path / 'plain', replace(again, source=None))
    assert not plain.manifest.tokens.spelled


def test_shipped_recipe_makes_a_bundle_of_allowed_size(tokenizer, tmp_path):
    model = new_model(load_recipe(RECIPE), TOKENIZER)
    bundle = export_bundle(model, tokenizer, tmp_path / 'nano')
    assert sum(entry.bytes for entry in bundle.manifest.files.values()) < LIMIT_BYTES
    assert bundle.manifest.parameters < 15e6


def test_rounding_is_what_float16_holds():
    layer = torch.nn.Linear(3, 2)
    before = layer.weight.detach().numpy().copy()
    round_to_half(layer)
    assert np.array_equal(layer.weight.detach().numpy(), before.astype(np.float16))


def test_bundle_is_replaced_but_no_other_folder(tokenizer, tmp_path):
    folder, model = tmp_path / 'bundle', make_model()
    export_bundle(model, tokenizer, folder)
    (folder / 'engines').mkdir()
    (folder / 'engines' / 'old.engine').write_text('old')
    with pytest.raises(ConfigError, match='other files'):
        export_bundle(model, tokenizer, tmp_path)
    export_bundle(model, tokenizer, folder, ExportSettings('second', context=150))
    assert load_bundle(folder).manifest.name == 'second'
    assert not (folder / 'engines').exists()
    assert [path.name for path in tmp_path.iterdir()] == ['bundle']


@pytest.mark.parametrize(('name', 'words'), [
    ('bundle/notes/thesis.tex', 'found notes as well, which would be lost'),
    ('web/manifest.json', 'found other files in'),
    ('file', 'found the file'),
])  # fmt: skip
def test_what_is_no_part_of_a_bundle_is_not_lost(exported, tmp_path, name, words):
    shutil.copytree(exported[1].folder, tmp_path / 'bundle')
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"name": "my app"}')
    place = tmp_path / Path(name).parts[0]
    with pytest.raises(ConfigError, match=words), replaced_bundle(place):
        pytest.fail('there is nothing to fill')
    assert path.read_text() == '{"name": "my app"}'


def test_the_folder_one_stands_in_and_a_link_can_be_replaced(exported, tmp_path, monkeypatch):
    folder, link = tmp_path / 'bundle', tmp_path / 'link'
    shutil.copytree(exported[1].folder, folder)
    link.symlink_to(folder)
    for place in (link, Path()):
        monkeypatch.chdir(folder)
        with replaced_bundle(place) as made:
            (made / 'manifest.json').write_text((folder / 'manifest.json').read_text())
            (made / 'new').write_text('')
        assert sorted(path.name for path in folder.iterdir()) == ['manifest.json', 'new']
        (folder / 'new').unlink()
    assert link.is_symlink()
    monkeypatch.chdir(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['bundle', 'link']


def test_a_failed_exchange_leaves_what_was_there(exported, tmp_path, monkeypatch):
    folder = tmp_path / 'bundle'
    shutil.copytree(exported[1].folder, folder)
    rename = Path.rename

    def fail(path, target):
        if path.name == 'bundle' and path != folder:
            raise OSError(16, 'Device or resource busy')
        return rename(path, target)

    monkeypatch.setattr(Path, 'rename', fail)
    with pytest.raises(ConfigError, match=r'busy; name another folder'), replaced_bundle(folder):
        pass
    assert load_bundle(folder).manifest == exported[1].manifest
    assert [path.name for path in tmp_path.iterdir()] == ['bundle']


def test_a_bundle_hands_down_what_it_says_of_its_weights(tokenizer, tmp_path):
    source, target = tmp_path / 'source', tmp_path / 'target'
    settings = ExportSettings('source', temperature=1.25, training={'worlds': 7})
    export_bundle(make_model(), tokenizer, source, settings)
    wide = replace(ExportSettings('wide'), image_size=(2 * SPEC.width_px, SPEC.height_px))
    made = export_checkpoint(source, target, wide).manifest
    assert (made.temperature, dict(made.training)) == (1.25, {'worlds': 7})
    trained = {'trained_width_px': SPEC.width_px, 'trained_height_px': SPEC.height_px}
    assert made.adapted == {'image': trained}
    again = export_checkpoint(target, tmp_path / 'again', ExportSettings(training={'note': 'a'}))
    assert again.manifest.adapted == {'image': trained}
    assert again.manifest.training == {'worlds': 7, 'note': 'a'}
    back = replace(wide, image_size=(SPEC.width_px, SPEC.height_px))
    assert export_checkpoint(target, tmp_path / 'back', back).manifest.adapted == {}


def test_model_that_the_graph_does_not_follow_is_refused(tokenizer, tmp_path):
    model = make_model()
    norm = model.language_model.model.norm
    norm.register_forward_hook(lambda module, inputs, output: output * 1.5)
    with pytest.raises(ConfigError, match='decoder graph that computes what the model does'):
        export_bundle(model, tokenizer, tmp_path / 'bundle')
    assert list(tmp_path.iterdir()) == []


def test_tokenizer_without_the_special_words_is_refused(tmp_path):
    path = tmp_path / 'tokenizer.json'
    words = {'<unk>': 0, '<pad>': 1, 'there': 2}
    Tokenizer(models.WordLevel(words, unk_token='<unk>')).save(str(path))
    with pytest.raises(ConfigError, match="no \\['<s>', '</s>', '<answer>'\\]"):
        export_bundle(make_model(), path, tmp_path / 'bundle')
    path.write_text(path.read_text()[:-9])
    with pytest.raises(ConfigError, match=r'tokenizer\.json: expected a tokenizer, found'):
        export_bundle(make_model(), path, tmp_path / 'bundle')


@pytest.mark.parametrize('wrong', [{'flavour': 'paged'}, {'temperature': 0.0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ConfigError, match='found'):
        ExportSettings(**wrong)


@pytest.fixture(scope='module')
def stored(tokenizer, tmp_path_factory) -> Path:
    """A model folder in bfloat16, as large decoders come, with a pretrained kind of backbone."""
    folder = tmp_path_factory.mktemp('stored') / 'model'
    model = make_model(CLIP).to(torch.bfloat16)
    model.vision_towers.float()
    model.save_pretrained(folder)
    shutil.copyfile(tokenizer, folder / 'tokenizer.json')
    return folder


@pytest.mark.parametrize('flavour', FLAVOURS)
def test_weights_outside_the_graphs_are_those_inside(stored, tmp_path, flavour):
    inside, outside = (
        export_checkpoint(
            stored, tmp_path / name, ExportSettings('tiny', flavour, 150, inside_bytes=limit)
        )
        for name, limit in (('inside', 2**20), ('outside', 2000))
    )
    for role in ('vision', 'decoder'):
        path = outside.path(role)
        assert (path.parent / f'{path.name}.data').is_file()
        graphs = [onnx.load(bundle.path(role)).graph for bundle in (inside, outside)]
        assert graphs[0].node == graphs[1].node
        for own, other in zip(*(graph.initializer for graph in graphs), strict=True):
            assert own.name == other.name
            assert np.array_equal(numpy_helper.to_array(own), numpy_helper.to_array(other))
    states = [load_checkpoint(bundle.folder).state_dict() for bundle in (inside, outside)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    sessions = [SpatialSession.load(bundle.folder, threads=1) for bundle in (inside, outside)]
    logs = [session.option_logs(session.encode(frame()), [CLOSED])[0] for session in sessions]
    assert logs[0] == pytest.approx(logs[1], abs=1e-5)


def test_a_changed_byte_beside_a_graph_is_found(stored, tmp_path):
    settings = ExportSettings('tiny', context=150, inside_bytes=2000)
    bundle = export_checkpoint(stored, tmp_path / 'bundle', settings)
    path = bundle.folder / 'decoder.onnx.data'
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match=r'decoder\.onnx\.data is altered'):
        load_bundle(bundle.folder)


def test_too_small_a_disk_is_told_before_anything_is_written(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: SimpleNamespace(free=100_000))
    with pytest.raises(ConfigError, match=r'0\.[2-9] MB of free disk .* found 0\.1; make room'):
        export_bundle(make_model(), tokenizer, tmp_path / 'bundle')
    assert list(tmp_path.iterdir()) == []


def test_a_context_without_room_for_a_question_is_refused(tokenizer, tmp_path):
    with pytest.raises(ConfigError, match='at least 39 positions'):
        export_bundle(make_model(), tokenizer, tmp_path / 'bundle', ExportSettings(context=13))
