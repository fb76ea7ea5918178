"""The question stages: shared prefixes, pointing heads and labels against slow references."""

import numpy as np
import pytest
import torch

from spatialllm_ros.learning import grounding
from spatialllm_ros.learning.grounding import Mentions
from spatialllm_ros.learning.question_arrays import ABSENT, MAX_MENTIONS, tokenise_questions
from spatialllm_ros.learning.question_stage import (
    IGNORED,
    QuestionStage,
    answer_labels,
    question_rows,
)
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.questions.vocabulary import build_tokenizer
from spatialllm_ros.schema import Mention, QuestionRecord

TOKENIZER = build_tokenizer()


def record(question: str, answer: str, *named: tuple[str, int]) -> QuestionRecord:
    mentions = tuple(
        Mention(question.index(words), question.index(words) + len(words), index)
        for words, index in named
    )
    return QuestionRecord(
        's', 'orientation_viewpoint', question, (), answer, {'angle': 0.5}, mentions
    )


VIEWS = [
    [
        record('which side of the red car faces the camera?', 'left', ('red car', 0)),
        record('where is the blue dog?', 'there is no blue dog', ('blue dog', ABSENT)),
    ],
    [
        record(
            'which side of the ball is towards the large crate?',
            'back',
            ('ball', 1),
            ('large crate', 2),
        )
    ],
]


@pytest.fixture(scope='module')
def stage() -> QuestionStage:
    torch.manual_seed(0)
    config = SpatialLLMConfig(
        vision_configs=[{'model_type': 'spatialllm_vision', 'widths': [8, 8, 12],
                         'num_hidden_layers': 1, 'num_attention_heads': 2}],
        text_config={'model_type': 'llama', 'vocab_size': TOKENIZER.get_vocab_size(),
                     'hidden_size': 32, 'intermediate_size': 48, 'num_hidden_layers': 3,
                     'num_attention_heads': 4, 'num_key_value_heads': 4, 'bos_token_id': 2,
                     'eos_token_id': 3, 'pad_token_id': 0, 'attn_implementation': 'eager'},
    )  # fmt: skip
    model = SpatialLLMForConditionalGeneration(config)
    model.language_model.set_attn_implementation('eager')
    return QuestionStage(model, train_vision=False).eval()


@pytest.fixture(scope='module')
def batch():
    arrays = tokenise_questions(VIEWS, TOKENIZER)
    rows = question_rows(arrays, arrays.by_view)
    torch.manual_seed(1)
    return {
        'pixels': torch.randn(2, 3, 144, 192),
        'camera': torch.randn(2, 108, 11),
        'has_image': torch.ones(2),
        'shares': torch.randint(0, 17, (2, 8, 108)),
        'targets': torch.randn(2, 8, 13),
        'labels': torch.ones(2, 8, 3, dtype=torch.long),
        **rows,
    }


def test_tokenised_mentions_end_at_the_noun():
    arrays = tokenise_questions(VIEWS, TOKENIZER)
    assert len(arrays) == 3
    words = TOKENIZER.encode(VIEWS[0][0].question, add_special_tokens=False).tokens
    assert words[arrays.mention_at[0, 0]] == 'car'
    assert arrays.mention_object[1].tolist() == [ABSENT] + [-2] * (MAX_MENTIONS - 1)
    assert np.isnan(arrays.numbers[0, 1:]).all()
    own = arrays.tokens[arrays.starts[0] : arrays.starts[1]]
    assert own[arrays.answer_at[0]] == TOKENIZER.token_to_id('<answer>')
    assert own[-1] == TOKENIZER.token_to_id('</s>')


def test_labels_are_the_answer_and_its_end_only():
    tokens = torch.tensor([[11, 12, 4, 21, 3, 0], [13, 4, 22, 23, 24, 3]])
    labels = answer_labels(tokens, torch.tensor([2, 1]))
    assert labels[0].tolist() == [IGNORED, IGNORED, 21, 3, IGNORED, IGNORED]
    assert labels[1].tolist() == [IGNORED, 22, 23, 24, 3, IGNORED]


@torch.no_grad()
def test_questions_on_a_shared_prefix_equal_whole_prompts(stage, batch):
    cache = stage.prefix(stage.vision_features(batch), batch)
    rows = torch.arange(len(batch['tokens']))
    tokens, states, _ = stage.answered(cache, batch, rows)
    model = stage.model
    for row in rows.tolist():
        view = batch['view'][row : row + 1]
        length = int((tokens[row] != 0).sum())
        prompt = torch.cat(
            [
                torch.tensor([[2]]),
                torch.full((1, 108), model.config.image_token_id),
                tokens[row : row + 1, :length],
            ],
            1,
        )
        whole = model(
            input_ids=prompt,
            pixel_values=batch['pixels'][view],
            camera_features=batch['camera'][view],
        ).logits[0, 109:]
        shared = model.language_model.lm_head(states[-1][row, :length])
        assert torch.allclose(whole, shared, atol=1e-4)


@torch.no_grad()
def test_pointer_probabilities_are_the_attention_of_the_layer(stage, batch):
    cache = stage.prefix(stage.vision_features(batch), batch)
    rows = torch.arange(len(batch['tokens']))
    _, states, keys = stage.answered(cache, batch, rows)
    at = torch.tensor([2, 3, 4])
    blank = torch.zeros(3, 108)
    mentions = Mentions(rows, at, blank, torch.zeros(3, 13), torch.ones(3) > 0, torch.ones(3) > 0)
    decoder = stage.model.language_model.model
    pointed = grounding.pointer_log_probabilities(
        decoder, states[grounding.POINTER_LAYER], keys, mentions, 109
    )
    fresh = stage.prefix(stage.vision_features(batch), batch)
    for row in rows.tolist():
        view = int(batch['view'][row])
        single = type(fresh)()
        for index, layer in enumerate(fresh.layers):
            single.update(layer.keys[view : view + 1], layer.values[view : view + 1], index)
        out = decoder(
            input_ids=batch['tokens'][row : row + 1],
            past_key_values=single,
            output_attentions=True,
        )
        expected = out.attentions[grounding.POINTER_LAYER][0, : grounding.POINTER_HEADS, at[row]]
        assert torch.allclose(pointed[row].exp(), expected, atol=1e-5)


def test_pointer_loss_by_hand():
    uniform = torch.full((2, 2, 5), 0.2).log()
    shares = torch.tensor([[0.0, 8.0, 8.0], [0.0, 0.0, 0.0]])
    present = torch.tensor([True, False])
    mentions = Mentions(
        torch.tensor([0, 1]), torch.tensor([0, 0]), shares, torch.zeros(2, 13), present, present
    )
    assert float(grounding.pointer_loss(uniform, mentions)) == pytest.approx(np.log(5), rel=1e-5)
    sure = torch.full((2, 2, 5), -20.0)
    sure[0, :, 2] = 0.0
    sure[1, :, 0] = 0.0
    assert float(grounding.pointer_accuracy(sure, mentions)) == 1.0


def test_missing_numbers_and_absent_objects_cost_nothing():
    values = torch.tensor([[1.0, 5.0, 5.0, 5.0]])
    numbers = torch.tensor([[1.0, np.nan, np.nan, np.nan]])
    assert float(grounding.number_loss(values, numbers)) == 0.0
    present = torch.tensor([False])
    mentions = Mentions(
        torch.tensor([0]),
        torch.tensor([0]),
        torch.zeros(1, 3),
        torch.zeros(1, 13),
        present,
        present,
    )
    assert float(grounding.object_loss(torch.ones(1, 13), mentions)) == 0.0


def test_losses_reach_every_part_that_learns(stage, batch):
    stage.zero_grad()
    losses = stage(batch)
    losses['total'].backward()
    assert set(losses) == {'answer', 'pointer', 'object', 'number', 'total'}
    for name, parameter in stage.named_parameters():
        frozen = name.startswith(('model.vision_towers', 'probe'))
        assert (parameter.grad is None) == frozen, name


def test_trained_vision_adds_the_probing_loss(stage, batch):
    joint = QuestionStage(stage.model, train_vision=True)
    losses = joint(batch)
    assert losses['probing'] > 0
    losses['total'].backward()
    assert next(joint.model.vision_towers.parameters()).grad is not None
