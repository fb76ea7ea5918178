"""Smaller vocabularies: words are read as before, and the model says what the whole one does."""

import copy
import json
from contextlib import suppress

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from spatialllm_ros.deploy.bundle_export import ExportSettings, export_bundle
from spatialllm_ros.deploy.checkpoint import load_checkpoint
from spatialllm_ros.deploy.needed_words import NeededWords, needed_words
from spatialllm_ros.deploy.reference import TransformersReference
from spatialllm_ros.deploy.vocabulary_cut import cut_vocabulary
from spatialllm_ros.deploy.vocabulary_rows import cut_model
from spatialllm_ros.errors import AnswerParseError, ConfigError
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.questions.vocabulary import SPECIAL_TOKENS, build_tokenizer
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.schema import CameraModel, Frame, Query

LINES = ('how far is the red car?', 'which way does the dog face?', 'is the mug behind it?')
ANSWERS = {
    *('m', 'degrees', 'column', 'row', 'distance', 'heading', 'height', 'there', 'is', 'no'),
    *('yes', 'left', 'right', 'front', 'behind', 'back', 'small', 'large', 'red'),
    *('on', 'the', 'floor', 'block', 'shelf'),
}
QUESTIONS = (*LINES, 'how far is the mug?', 'which way is the red dog?', 'is the car red?')

pytestmark = pytest.mark.usefixtures('one_thread')


def make_model(tokenizer: Tokenizer, is_tied: bool):
    torch.manual_seed(0)
    ids = {mark: tokenizer.token_to_id(mark) for mark in SPECIAL_TOKENS}
    config = SpatialLLMConfig(
        vision_configs=[{'model_type': 'spatialllm_vision', 'widths': [8, 8, 12],
                         'num_hidden_layers': 1, 'num_attention_heads': 2}],
        text_config={'model_type': 'llama', 'vocab_size': tokenizer.get_vocab_size(),
                     'hidden_size': 32, 'intermediate_size': 48, 'num_hidden_layers': 2,
                     'num_attention_heads': 4, 'tie_word_embeddings': is_tied,
                     'bos_token_id': ids['<s>'], 'eos_token_id': ids['</s>'],
                     'pad_token_id': ids['<pad>']},
        image_size=(64, 48), image_grid=(3, 4), image_token_id=ids['<image>'],
        answer_token_id=ids['<answer>'],
    )  # fmt: skip
    model = SpatialLLMForConditionalGeneration(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
        weight = model.get_output_embeddings().weight
        weight[ids['<image>']] = 0  # a trained model writes no mark for an image
    return model


def frame(seed: int) -> Frame:
    rgb = np.random.default_rng(seed).integers(256, size=(48, 64, 3), dtype=np.uint8)
    camera = CameraModel(64, 48, 60.0, 60.0, 31.5, 23.5, (0.0, -1.0, 0.0), 1.0)
    return Frame(rgb, camera, 7, 'optical', 'front')


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp('words') / 'words.txt'
    path.write_text('\n'.join(LINES) + '\n\n')
    return path


@pytest.fixture(scope='module')
def bundles(file, tmp_path_factory):
    """A model that says only what the words allow, whole and cut."""
    folder = tmp_path_factory.mktemp('models')
    tokenizer = build_tokenizer()
    model = make_model(tokenizer, is_tied=True)
    said = ANSWERS | {word for line in LINES for word in line.rstrip('?').split()}
    with torch.no_grad():
        for word, number in tokenizer.get_vocab().items():
            if word.isalpha() and len(word) > 1 and word not in said:
                model.get_input_embeddings().weight[number] = 0
    tokenizer.save(str(folder / 'tokenizer.json'))
    return [
        export_bundle(
            copy.deepcopy(model), folder / 'tokenizer.json', folder / name,
            ExportSettings(name, context=200, words=words),
        )
        for name, words in (('whole', None), ('cut', needed_words(str(file))))
    ]  # fmt: skip


def test_a_cut_bundle_writes_what_generate_writes_with_all_words(bundles):
    whole, cut = bundles
    reference = TransformersReference(whole.folder)
    session = SpatialSession.load(cut.folder, threads=1)
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


def test_the_weights_of_a_cut_bundle_are_a_model_of_their_own(bundles):
    cut = bundles[1]
    reference = TransformersReference(cut.folder)
    session = SpatialSession.load(cut.folder, threads=1)
    texts = ['']
    with suppress(AnswerParseError):
        session.answer(session.encode(frame(9)), Query(LINES[0]), texts.append)
    assert reference.answer(frame(9), Query(LINES[0])) == texts[-1]
    model = load_checkpoint(cut.folder)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert model.config.text_config.vocab_size == cut.manifest.decoder.vocabulary


def test_manifest_and_files_agree_on_the_cut(bundles):
    whole, cut = (bundle.manifest for bundle in bundles)
    tokenizer = Tokenizer.from_file(str(bundles[1].path('tokenizer')))
    size = cut.decoder.vocabulary
    assert size == tokenizer.get_vocab_size() < whole.decoder.vocabulary
    assert np.load(bundles[1].path('embeddings')).shape == (size, 32)
    assert whole.parameters - cut.parameters == 32 * (whole.decoder.vocabulary - size)
    assert cut.adapted == {
        'vocabulary': {'words': 'words.txt', 'trained_tokens': whole.decoder.vocabulary}
    }
    *special, wholes, _ = vars(cut.tokens).values()
    words = [tokenizer.id_to_token(number) for number in special]
    assert words == ['<pad>', '<unk>', '<s>', '</s>', '<answer>', 'there']
    assert {tokenizer.id_to_token(number) for number in wholes} >= {'yes', 'no', 'left', 'front'}


def test_any_text_is_read_by_a_cut_tokenizer(bundles):
    whole, cut = (Tokenizer.from_file(str(bundle.path('tokenizer'))) for bundle in bundles)
    for text in (*QUESTIONS, 'How far is the dog? 3.4 m, 271 degrees'):
        assert cut.encode(text).tokens == whole.encode(text).tokens
    assert whole.encode('forklift').tokens == ['forklift']
    assert cut.encode('forklift').tokens == ['f', '##o', '##r', '##k', '##l', '##i', '##f', '##t']
    assert cut.decode(cut.encode('the forklift').ids) == 'the forklift'
    assert cut.encode('é').tokens == whole.encode('é').tokens == ['<unk>']


def test_the_project_s_own_words_keep_the_project_s_own_tokenizer():
    plain = build_tokenizer().to_str()
    cut = cut_vocabulary(plain.encode(), needed_words('used').texts, ())
    assert Tokenizer.from_buffer(cut.tokenizer).to_str() == plain
    assert cut.kept == tuple(range(build_tokenizer().get_vocab_size()))


@pytest.fixture(scope='module')
def byte_level() -> Tokenizer:
    """A byte-level BPE with words that neither questions nor answers use, and marks behind."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    corpus = [
        *LINES,
        'How far away is there no car',
        'the carpet of the doghouse is farther',
        'notwithstanding thermometers yesterday',
        'distance 3.4 m heading 90 degrees',
    ]
    trainer = trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(corpus * 3, trainer)
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    mark = tokenizer.token_to_id('<s>')
    tokenizer.post_processor = processors.TemplateProcessing(
        single='<s> $A', special_tokens=[('<s>', mark)]
    )
    return tokenizer


def test_bytes_are_merged_as_before(byte_level):
    texts = [*LINES, *(word.strip('?') for line in LINES for word in line.split()), '3.4', 'm']
    cut = cut_vocabulary(byte_level.to_str().encode(), texts, ())
    small = Tokenizer.from_buffer(cut.tokenizer)
    assert small.get_vocab_size() < byte_level.get_vocab_size() - 50
    rng = np.random.default_rng(0)
    words = ' '.join(LINES).replace('?', '').split()
    for _ in range(50):
        text = ' '.join(rng.choice(words, 6)) + '? 3.4 m'
        before, after = byte_level.encode(text), small.encode(text)
        assert after.tokens == before.tokens
        assert [cut.kept[number] for number in after.ids] == before.ids
    for text in ('carpets, thermometers', 'é 漢字 🚗\n\t', 'NOTWITHSTANDING'):
        assert small.decode(small.encode(text).ids) == text
    assert 'Ġthermometers' in byte_level.encode('carpets, thermometers').tokens
    assert 'Ġthermometers' not in small.get_vocab()


@torch.no_grad()
def test_scores_of_kept_words_are_those_of_the_whole_model(byte_level):
    model = make_model(byte_level, is_tied=False)
    cut_one = copy.deepcopy(model)
    cut = cut_model(cut_one, byte_level.to_str().encode(), NeededWords('', LINES), set())
    ids = Tokenizer.from_buffer(cut.tokenizer).encode(LINES[0]).ids
    old = byte_level.encode(LINES[0]).ids
    expected = model(input_ids=torch.tensor([old])).logits[..., list(cut.kept)]
    assert torch.allclose(cut_one(input_ids=torch.tensor([ids])).logits, expected, atol=1e-5)
    for name in ('eos_token_id', 'bos_token_id', 'pad_token_id'):
        old_id = getattr(model.config.text_config, name)
        assert cut.kept[getattr(cut_one.config.text_config, name)] == old_id
    assert cut.kept[cut_one.config.image_token_id] == model.config.image_token_id
    assert cut_one.get_output_embeddings().weight.shape == (len(cut.kept), 32)


def test_a_word_that_is_taken_whole_stays_whole(byte_level):
    plain = json.loads(byte_level.to_str())
    plain['model']['ignore_merges'] = True
    cut = cut_vocabulary(json.dumps(plain).encode(), ['thermometers'], ())
    assert Tokenizer.from_buffer(cut.tokenizer).encode(' thermometers').tokens == [
        '<s>', 'Ġthermometers',
    ]  # fmt: skip


def unigram() -> Tokenizer:
    return Tokenizer(models.Unigram([('<unk>', 0.0), ('a', -1.0)], 0))


def characters() -> Tokenizer:
    return Tokenizer(models.BPE({'a': 0, 'b': 1, 'ab': 2}, [('a', 'b')]))


def affixed() -> Tokenizer:
    made = Tokenizer(models.BPE({'a': 0}, [], end_of_word_suffix='</w>'))
    made.pre_tokenizer = pre_tokenizers.ByteLevel()
    return made


def other_prefix() -> Tokenizer:
    return Tokenizer(models.WordPiece({'[UNK]': 0}, continuing_subword_prefix='@@'))


@pytest.mark.parametrize(
    ('make', 'complaint'),
    [
        (unigram, 'found Unigram, which weighs'),
        (characters, 'found BPE that merges characters'),
        (affixed, 'found BPE with end_of_word_suffix'),
        (other_prefix, "found WordPiece with the prefix '@@'"),
    ],
)
def test_other_tokenizers_are_not_cut(make, complaint):
    with pytest.raises(ConfigError, match=complaint) as caught:
        cut_vocabulary(make().to_str().encode(), ['a'], ())
    assert 'leave out --vocabulary' in str(caught.value)


def longer(words):
    """Know one word more than the model has rows."""
    return {**words, 'zebra': len(words)}, [f'the id {len(words)} for {len(words)} rows']


def numbered_backwards(words):
    last = len(words) - 1
    marks = ('<pad>', '<s>', '</s>', '<image>', '<answer>')
    complaints = [f'{mark} as {last - words[mark]} instead of {words[mark]}' for mark in marks]
    return {word: last - number for word, number in words.items()}, complaints


@pytest.mark.parametrize('source', [None, NeededWords('', LINES)])
@pytest.mark.parametrize('change', [longer, numbered_backwards])
def test_a_tokenizer_of_other_weights_is_refused(tmp_path, change, source):
    own = build_tokenizer()
    plain = json.loads(own.to_str())
    plain['model']['vocab'], complaints = change(plain['model']['vocab'])
    for added in plain['added_tokens']:
        added['id'] = plain['model']['vocab'][added['content']]
    path = tmp_path / 'tokenizer.json'
    path.write_text(json.dumps(plain))
    settings = ExportSettings(context=150, words=source)
    with pytest.raises(ConfigError, match='expected the tokenizer of these weights') as caught:
        export_bundle(make_model(own, is_tied=True), path, tmp_path / 'bundle', settings)
    assert all(words in str(caught.value) for words in (str(path), *complaints))
    assert [item.name for item in tmp_path.iterdir()] == ['tokenizer.json']


def test_words_of_a_file_go_with_those_of_answers(file):
    words = needed_words(str(file))
    assert words.source == 'words.txt'
    assert set(words.texts) >= {*LINES, 'far', '?', *ANSWERS - {'the'}, '0.0', '19.9', '360'}
    assert 'forklift' not in words.texts
    assert 'forklift' in needed_words('used').texts


def test_unreadable_words_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"'used' or a text file .* found: .*No such file"):
        needed_words(str(tmp_path / 'nowhere.txt'))
    (tmp_path / 'latin.txt').write_bytes(b'\xe9t\xe9')
    with pytest.raises(ConfigError, match='utf-8'):
        needed_words(str(tmp_path / 'latin.txt'))
    (tmp_path / 'empty.txt').write_text(' \n\n')
    with pytest.raises(ConfigError, match='found an empty file'):
        needed_words(str(tmp_path / 'empty.txt'))


def test_a_refused_cut_writes_nothing(tmp_path):
    made = Tokenizer(models.BPE({}, []))
    made.add_special_tokens([*SPECIAL_TOKENS, 'there'])
    made.save(str(tmp_path / 'tokenizer.json'))
    settings = ExportSettings(words=NeededWords('used', ('there',)))
    model = make_model(made, is_tied=True)
    with pytest.raises(ConfigError, match='leave out --vocabulary'):
        export_bundle(model, tmp_path / 'tokenizer.json', tmp_path / 'bundle', settings)
    assert [path.name for path in tmp_path.iterdir()] == ['tokenizer.json']
