"""Models from pretrained parts: weights and tokens arrive, what is missing is named."""

from pathlib import Path

import pytest
import torch
import yaml
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.building import MARKS, new_model, recipe_tokenizer
from spatialllm_ros.learning.recipe import load_recipe
from spatialllm_ros.questions.vocabulary import build_tokenizer

VISION = {'hidden_size': 8, 'intermediate_size': 12, 'num_hidden_layers': 1,
          'num_attention_heads': 2, 'image_size': 32, 'patch_size': 16}  # fmt: skip
TEXT = {'hidden_size': 8, 'intermediate_size': 12, 'num_hidden_layers': 1,
        'num_attention_heads': 2, 'num_key_value_heads': 2}  # fmt: skip
WORDS = ['where', 'is', 'the', 'mug']


@pytest.fixture(scope='module')
def parts(tmp_path_factory) -> Path:
    """Folders of a pretrained backbone and decoder, as anybody has them from the hub."""
    folder = tmp_path_factory.mktemp('parts')
    torch.manual_seed(1)
    CLIPVisionModel(CLIPVisionConfig(**VISION)).save_pretrained(folder / 'clip')
    decoder = LlamaForCausalLM(
        LlamaConfig(**TEXT, vocab_size=len(WORDS) + 1, pad_token_id=0, tie_word_embeddings=False)
    )
    decoder.save_pretrained(folder / 'llama')
    vocabulary = {word: index for index, word in enumerate(['<unk>', *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, '<unk>'))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder / 'llama')
    return folder


def recipe(folder, pretrained, text=TEXT):
    """Write and read a recipe of one backbone and a decoder."""
    plain = {
        'name': 'tiny', 'seed': 0, 'stages': {'encoder': {'steps': 1, 'batch': 1}},
        'data': {'train': 'nowhere', 'validation': 'nowhere'},
        'model': {
            'image_size': [32, 32], 'image_grid': [2, 2],
            'vision_configs': [{'model_type': 'clip_vision_model', **VISION}],
            'text_config': {'model_type': 'llama', 'tie_word_embeddings': False, **text},
        },
        'pretrained': pretrained,
    }  # fmt: skip
    path = folder / 'recipe.yaml'
    path.write_text(yaml.safe_dump(plain))
    return load_recipe(path)


def test_pretrained_parts_keep_their_weights_and_words(parts, tmp_path):
    source = {'vision': [str(parts / 'clip')], 'text': str(parts / 'llama')}
    chosen = recipe(tmp_path, source)
    tokenizer = recipe_tokenizer(chosen)
    model = new_model(chosen, tokenizer)
    tower = CLIPVisionModel.from_pretrained(parts / 'clip')
    for name, value in tower.state_dict().items():
        assert torch.equal(model.vision_towers[0].state_dict()[name], value), name
    decoder = LlamaForCausalLM.from_pretrained(parts / 'llama')
    found = model.get_input_embeddings().weight
    known = decoder.get_input_embeddings().weight
    assert torch.equal(found[: len(known)], known)
    assert len(found) == tokenizer.get_vocab_size() == len(known) + len(MARKS)
    assert tokenizer.encode('where is the mug').ids == [1, 2, 3, 4]
    for name in ('image', 'answer'):
        assert getattr(model.config, f'{name}_token_id') == tokenizer.token_to_id(MARKS[name])


def test_without_pretrained_parts_words_come_from_our_tables(tmp_path):
    chosen = recipe(tmp_path, {})
    assert recipe_tokenizer(chosen).to_str() == build_tokenizer().to_str()
    assert new_model(chosen, build_tokenizer()).config.text_config.vocab_size == (
        build_tokenizer().get_vocab_size()
    )


def test_missing_parts_are_named_with_the_files_they_need(parts, tmp_path, monkeypatch):
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    with pytest.raises(ConfigError, match=r'tokenizer at no/such.*tokenizer\.json into a folder'):
        recipe_tokenizer(recipe(tmp_path, {'text': 'no/such'}))
    backbone = recipe(tmp_path, {'vision': ['no/such']})
    with pytest.raises(ConfigError, match=r'CLIPVisionModel at no/such.*model\.safetensors'):
        new_model(backbone, build_tokenizer())
    empty = recipe(tmp_path, {'vision': [str(tmp_path)]})
    with pytest.raises(ConfigError, match='in the folder'):
        new_model(empty, build_tokenizer())


def test_a_decoder_of_other_sizes_is_refused(parts, tmp_path):
    source = {'text': str(parts / 'llama')}
    chosen = recipe(tmp_path, source, {**TEXT, 'intermediate_size': 16})
    with pytest.raises(ConfigError, match='of the sizes under text_config'):
        new_model(chosen, recipe_tokenizer(chosen))
