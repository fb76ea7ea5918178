"""Plans of recipes: counted by hand, and those of the shipped recipes by their published sizes."""

from dataclasses import replace
from pathlib import Path

import pytest

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.lora import Lora
from spatialllm_ros.learning.plan import GIB, plan_recipe
from spatialllm_ros.learning.recipe import load_recipe

RECIPES = Path(__file__).parents[2] / 'training' / 'recipes'
PUBLISHED_M = {
    'small': {'siglip_vision_model': 92.9, 'dinov2': 22.1, 'qwen2': 494.0},
    '8b': {'clip_vision_model': 303.5, 'dinov2': 304.4, 'llama': 8030.3},
}
"""Millions of parameters of the pretrained parts, as their makers state them."""


@pytest.mark.parametrize('name', PUBLISHED_M)
def test_parts_have_their_published_sizes(name):
    plan = plan_recipe(load_recipe(RECIPES / f'{name}.yaml'))
    for part, millions in PUBLISHED_M[name].items():
        (found,) = [count for label, count in plan.parts.items() if label.endswith(part)]
        assert found / 1e6 == pytest.approx(millions, rel=0.003), part


def test_a_stage_counts_what_learns_and_the_bytes_it_needs():
    recipe = load_recipe(RECIPES / '8b.yaml')
    frozen, whole = plan_recipe(recipe).stages
    size, hidden = 4096, 2048
    projector = hidden * 2 + hidden * size + size + size * size + size + 11 * size + size
    heads = size * 13 + 13 + size * 136 + 136  # read-outs of 13 targets; 34 types of 4 numbers
    probe = hidden * (1 + 20 + 8 + 13) + 42  # learns only where the backbones do
    assert frozen.trained == projector + heads
    everything = sum(plan_recipe(recipe).parts.values()) + heads + probe
    assert frozen.state_gib * GIB == pytest.approx(4 * everything + 12 * frozen.trained)
    assert whole.tokens_per_view == 576 + 1 + 8 * 17


def test_without_a_process_there_is_nothing_to_plan():
    recipe = load_recipe(RECIPES / 'nano.yaml')
    with pytest.raises(ConfigError, match='expected processes of at least 1, found 0'):
        plan_recipe(recipe, 0)


@pytest.mark.parametrize(
    ('changes', 'found'),
    [
        ({'num_attention_heads': 5}, 'hidden size .192. is not a multiple'),
        ({'hidden_size': 'wide'}, "hidden_size.*'wide'"),
        ({'model_type': 'lama'}, 'lama'),
    ],
)
def test_sizes_that_make_no_decoder_are_told(changes, found):
    recipe = load_recipe(RECIPES / 'nano.yaml')
    text = {**recipe.model['text_config'], **changes}
    with pytest.raises(ConfigError, match=f'expected a configuration of a .*found: .*{found}'):
        plan_recipe(replace(recipe, model={**recipe.model, 'text_config': text}))


def test_recomputed_layers_keep_only_what_enters_them():
    recipe = load_recipe(RECIPES / '8b.yaml')
    stage = recipe.stages['instruction']
    kept = replace(recipe, stages={'instruction': replace(stage, recompute=False)})
    ratio = (
        plan_recipe(kept).stages[0].activations_gib / plan_recipe(recipe).stages[1].activations_gib
    )
    assert 10 < ratio < 20


def test_each_backbone_keeps_the_patches_that_it_sees():
    recipe = load_recipe(RECIPES / 'small.yaml')
    patches = {'siglip': 14 * 14, 'dinov2': 22 * 17}  # 224 by 16; 308 by 14 and 238 by 14

    def layers(tokens: int, count: int, size: int, heads: int) -> float:
        return count * (34 * tokens * size + 5 * heads * tokens**2)

    expected = layers(patches['siglip'], 12, 768, 12) + layers(patches['dinov2'], 12, 384, 6)
    encoder = plan_recipe(recipe).stages[0]
    assert encoder.name == 'encoder'
    assert encoder.activations_gib * GIB == pytest.approx(64 * expected)
    assert encoder.trained / 1e6 == pytest.approx(92.9 - 7.1 + 22.1, rel=0.003)  # no pooling head


def test_what_is_shared_out_is_divided_by_the_processes():
    recipe = load_recipe(RECIPES / '8b.yaml')
    (_, alone), (_, together) = (plan_recipe(recipe, n).stages for n in (1, 8))
    assert together.views_per_step == 8 * alone.views_per_step == 128
    assert together.activations_gib == alone.activations_gib
    words, size = 128256 + 5, 4096  # outside the parts: embeddings, read-out, the pointing layer
    layer = size * (2 * size + 2 * 1024 + 3 * 14336) + 2 * size
    backbone = 304.4e6
    gathered = 2 * words * size + layer + backbone
    expected = alone.state_gib / 8 + 8 * gathered / GIB
    assert together.state_gib == pytest.approx(expected, rel=0.02)
    assert together.state_gib < 40 < alone.state_gib
    several = replace(recipe.stages['instruction'].loop, accumulate=4)
    stage = replace(recipe.stages['instruction'], loop=several)
    (slow,) = plan_recipe(replace(recipe, stages={'instruction': stage}), 8).stages
    assert (slow.views_per_step, slow.state_gib) == (4 * 128, together.state_gib)
    loop = replace(recipe.stages['instruction'].loop, sharding='none')
    whole = replace(recipe.stages['instruction'], loop=loop)
    plan = plan_recipe(replace(recipe, stages={'instruction': whole}), 8)
    assert plan.stages[0].state_gib == pytest.approx(alone.state_gib)


def test_adapters_are_what_learns_of_a_decoder():
    recipe = load_recipe(RECIPES / '8b.yaml')
    adapted = replace(
        recipe.stages['instruction'], lora=Lora(rank=8, targets=('q_proj', 'v_proj'))
    )
    frozen, small = plan_recipe(
        replace(recipe, stages={**recipe.stages, 'instruction': adapted})
    ).stages
    adapters = 32 * 8 * ((4096 + 4096) + (4096 + 1024))
    assert small.trained == frozen.trained + adapters
