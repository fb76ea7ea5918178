"""What cannot be a model, and stages that do not fit it, are told before anything is trained."""

import copy
import re
from pathlib import Path

import pytest
import yaml

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.pipeline import run_recipe
from spatialllm_ros.learning.plan import planned_config
from spatialllm_ros.learning.recipe import Recipe, load_recipe

RECIPES = Path(__file__).parents[2] / 'training' / 'recipes'
NANO = yaml.safe_load((RECIPES / 'nano.yaml').read_text())
NOTHING = object()
CLIP = {'model_type': 'clip_vision_model', 'hidden_size': 8, 'num_attention_heads': 2,
        'intermediate_size': 8, 'num_hidden_layers': 2, 'patch_size': 16}  # fmt: skip


def changed(folder: Path, place: str, value) -> Recipe:
    """Read the recipe of nano with another value at a place, ``NOTHING`` to leave it out."""
    plain = copy.deepcopy(NANO)
    *parents, last = place.split('.')
    inner = plain
    for name in parents:
        inner = inner.setdefault(name, {})
    if value is NOTHING:
        del inner[last]
    else:
        inner[last] = value
    path = folder / 'recipe.yaml'
    path.write_text(yaml.safe_dump(plain))
    return load_recipe(path)


@pytest.mark.parametrize(
    ('place', 'value', 'complaint'),
    [
        ('model.fusoin', 'token', "unknown key 'fusoin' under 'model' (known: fusion, image_grid"),
        ('model.answer_token_id', 7, "unknown key 'answer_token_id'"),
        ('model.text_config.num_hidden_layer', 9,
         "unknown key 'num_hidden_layer' under 'model.text_config'"),
        ('model.vision_configs', [{**CLIP, 'layers': 2}],
         "unknown key 'layers' under 'model.vision_configs[0]'"),
        ('model.text_config', NOTHING, "a mapping under 'model.text_config', found None"),
        ('model.text_config', None, "a mapping under 'model.text_config', found None"),
        ('model.text_config.model_type', 'lama', "under 'model.text_config', found 'lama'"),
        ('model.text_config.model_type', ['llama'], "found ['llama']"),
        ('model.vision_configs', [], "at vision_configs under 'model', found []"),
        ('model.vision_configs', NOTHING, 'a list of backbones at vision_configs'),
        ('model.vision_configs', {'model_type': 'vit'}, 'a list of backbones'),
        ('model.vision_configs', ['vit'], "under 'model.vision_configs[0]', found 'vit'"),
        ('pretrained.vision', [5], 'each of 1 backbones at vision'),
        ('pretrained.vision', [None, 'a'], "found 'a' as number 2"),
        ('model.image_size', '192x144', "two whole numbers above 0 as image_size, found '192"),
        ('model.image_size', [192], 'as image_size, found [192]'),
        ('model.image_grid', [0, 0], 'as image_grid, found [0, 0]'),
        ('model.image_grid', [9.5, 12], 'as image_grid, found [9.5, 12]'),
        ('model.image_normalisation', [0.5], 'as image_normalisation, found [0.5]'),
        ('model.image_normalisation', [0.4, 0.3], 'as image_normalisation, found [0.4, 0.3]'),
        ('model.vision_configs', [{'model_type': 'spatialllm_vision', 'use': {'layer': -2}}],
         'no use of spatialllm_vision'),
        ('model.vision_configs', [{**CLIP, 'use': {'layer': 3}}],
         'a layer of -3 to 2 of a clip_vision_model with 2 layers, found 3'),
        ('model.vision_configs', [{**CLIP, 'use': {'size': 5}}], 'as size of a backbone, found 5'),
        ('model.vision_configs', [{'model_type': 'clip'}], 'found a clip without hidden_size'),
        ('model.vision_configs', [{'model_type': 'resnet'}], 'found a resnet without'),
        ('model.vision_configs', [{'model_type': 'convnext'}], 'found a convnext without'),
        ('model.vision_configs', [{'model_type': 'llama'}], 'found a llama without patch_size'),
        ('model.text_config', {'model_type': 't5'}, 'decoder under text_config, found a t5'),
        ('model.text_config', CLIP, 'found a clip_vision_model'),
        ('model.text_config.num_key_value_heads', 3, 'found 4 and 3 under text_config'),
    ],
)  # fmt: skip
def test_what_is_no_model_is_named_when_a_recipe_is_read(place, value, complaint, tmp_path):
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        changed(tmp_path, place, value)


def test_what_older_files_of_sizes_say_is_read(tmp_path):
    text = {'model_type': 'llama', 'rope_theta': 5e5, 'rope_scaling': None}
    chosen = changed(tmp_path, 'model.text_config', text)
    rope = planned_config(chosen).text_config.rope_parameters
    assert rope == {'rope_type': 'default', 'rope_theta': 5e5}


@pytest.mark.parametrize(
    ('place', 'value', 'complaint'),
    [
        ('model.image_grid', [3, 4], '12 tokens of an image of 192x144 pixels, found: '),
        ('model.image_size', [100, 100], '108 tokens of an image of 100x100 pixels, found: '),
        ('model.text_config.num_hidden_layers', 1, 'at least 2 layers'),
        ('model.text_config', {'model_type': 'gpt2'}, "Llama's parts"),
        ('stages.instruction.lora', {'targets': ['self_attn']}, "found ['self_attn']"),
    ],
)
def test_stages_that_do_not_fit_the_model_are_named_before_the_first(
    place, value, complaint, tmp_path
):
    chosen = changed(tmp_path, place, value)
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        run_recipe(chosen, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()
