"""Models from pretrained parts: weights and tokens arrive, what is missing is named."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    Dinov2Config,
    Dinov2ForImageClassification,
    Dinov2Model,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    SiglipConfig,
    SiglipModel,
    ViTConfig,
    ViTForMaskedImageModeling,
    ViTModel,
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
DINOV2 = {name: value for name, value in VISION.items() if name != 'intermediate_size'}
"""Its middle is as wide as ``mlp_ratio`` makes it."""


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


def recipe(folder, pretrained, text=TEXT, vision=VISION):
    """Write and read a recipe of one backbone and a decoder."""
    plain = {
        'name': 'tiny', 'seed': 0, 'stages': {'encoder': {'steps': 1, 'batch': 1}},
        'data': {'train': 'nowhere', 'validation': 'nowhere'},
        'model': {
            'image_size': [32, 32], 'image_grid': [2, 2],
            'vision_configs': [{'model_type': 'clip_vision_model', **vision}],
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


def saved(model: PreTrainedModel, folder: Path) -> str:
    """Save a model in which every weight is another one, and return where."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_()
    model.save_pretrained(folder / 'source')
    return str(folder / 'source')


@pytest.mark.parametrize(
    ('kind', 'vision', 'source'),
    [
        ('clip_vision_model', VISION,
         lambda: CLIPModel(CLIPConfig(vision_config=VISION, text_config=TEXT, projection_dim=8))),
        ('siglip_vision_model', VISION,
         lambda: SiglipModel(SiglipConfig(vision_config=VISION, text_config=TEXT))),
        ('vit', VISION, lambda: ViTModel(ViTConfig(**VISION), add_pooling_layer=False)),
        ('vit', VISION, lambda: ViTForMaskedImageModeling(ViTConfig(**VISION))),
        ('dinov2', DINOV2, lambda: Dinov2ForImageClassification(Dinov2Config(**DINOV2))),
    ],
)  # fmt: skip
def test_what_a_backbone_has_no_use_for_may_be_there_or_lack(kind, vision, source, tmp_path):
    """Text towers, classifiers, pooling heads and tokens for masked patches."""
    folder = saved(source(), tmp_path)
    chosen = recipe(tmp_path, {'vision': [folder]}, vision={**vision, 'model_type': kind})
    tower = new_model(chosen, build_tokenizer()).vision_towers[0]
    stored = load_file(Path(folder) / 'model.safetensors')
    taken = [
        name for name, weight in tower.named_parameters()
        if any(weight.shape == v.shape and torch.equal(weight, v) for v in stored.values())
    ]  # fmt: skip
    unread = ('pooler.', 'head.')
    own = [name for name, _ in tower.named_parameters() if not name.startswith(unread)]
    assert set(own) - set(taken) <= {'embeddings.mask_token'}


@pytest.mark.parametrize(
    ('kind', 'vision', 'source', 'found'),
    [
        ('clip_vision_model', VISION, lambda: Dinov2Model(Dinov2Config(**DINOV2)),
         r'CLIPVisionModel.*a dinov2. missing \[.*class_embedding'),
        ('dinov2', DINOV2, lambda: ViTModel(ViTConfig(**{**VISION, 'intermediate_size': 32})),
         r'Dinov2Model.*a vit. missing \['),
        ('clip_vision_model', {**VISION, 'hidden_size': 12},
         lambda: CLIPVisionModel(CLIPVisionConfig(**VISION)), r'of another size \['),
        ('clip_vision_model', VISION,
         lambda: CLIPVisionModel(CLIPVisionConfig(**{**VISION, 'num_hidden_layers': 2})),
         r'unexpected \[.encoder\.layers\.1'),
        ('clip_vision_model', {**VISION, 'num_attention_heads': 4},
         lambda: CLIPVisionModel(CLIPVisionConfig(**VISION)),
         r'num_attention_heads 4 but 2 there.*config\.json'),
        ('clip_vision_model', VISION,
         lambda: CLIPVisionModel(CLIPVisionConfig(**VISION, hidden_act='gelu')),
         r"hidden_act 'quick_gelu' .* 'gelu' "),
    ],
)  # fmt: skip
def test_a_backbone_of_another_kind_is_refused(kind, vision, source, found, tmp_path):
    folder = saved(source(), tmp_path)
    chosen = recipe(tmp_path, {'vision': [folder]}, vision={**vision, 'model_type': kind})
    with pytest.raises(ConfigError, match=found):
        new_model(chosen, build_tokenizer())


SMALL = {**TEXT, 'vocab_size': len(WORDS) + 1, 'pad_token_id': 0, 'tie_word_embeddings': False}
ROPE = {'rope_type': 'default', 'rope_theta': 1e6}


@pytest.mark.parametrize(
    ('text', 'source', 'found'),
    [
        ({}, lambda: Qwen2ForCausalLM(Qwen2Config(**SMALL)), "model_type 'llama' .* 'qwen2' "),
        ({}, lambda: LlamaForCausalLM(LlamaConfig(**SMALL, rope_parameters=ROPE)),
         'rope_parameters .*10000.* 1000000'),
        ({}, lambda: LlamaForCausalLM(LlamaConfig(**SMALL, rms_norm_eps=1e-5)),
         'rms_norm_eps 1e-06 .* 1e-05 '),
        ({'tie_word_embeddings': True}, lambda: LlamaForCausalLM(LlamaConfig(**SMALL)),
         'tie_word_embeddings True .* False '),
        ({}, lambda: LlamaForCausalLM(LlamaConfig(**SMALL, mlp_bias=True)),
         r'of the sizes under text_config.*mlp\.'),
        ({'num_hidden_layers': 1}, lambda: LlamaForCausalLM(
            LlamaConfig(**{**SMALL, 'num_hidden_layers': 2})), r'layers\.1\.'),
        ({}, lambda: LlamaModel(LlamaConfig(**SMALL)), r'missing \[.lm_head\.weight'),
    ],
)  # fmt: skip
def test_a_decoder_of_another_kind_is_refused(text, source, found, parts, tmp_path):
    """Its weights would be taken, and another function computed with them."""
    folder = saved(source(), tmp_path)
    shutil.copyfile(parts / 'llama' / 'tokenizer.json', Path(folder) / 'tokenizer.json')
    chosen = recipe(tmp_path, {'text': folder}, {**TEXT, **text})
    with pytest.raises(ConfigError, match=found):
        new_model(chosen, recipe_tokenizer(chosen))
