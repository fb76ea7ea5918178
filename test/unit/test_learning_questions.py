"""The question stages: shared prefixes, pointing heads and labels against slow references."""

import numpy as np
import pytest
import torch
from tiny_model import tiny_model

from spatialllm_ros.learning import grounding
from spatialllm_ros.learning.grounding import Mentions
from spatialllm_ros.learning.loop import LoopConfig
from spatialllm_ros.learning.packing import IGNORED, packed_questions, right_answers, visible
from spatialllm_ros.learning.question_arrays import (
    ABSENT,
    MAX_MENTIONS,
    QuestionArrays,
    joined_arrays,
    tokenise_questions,
)
from spatialllm_ros.learning.question_stage import QuestionStage, mentions_of
from spatialllm_ros.learning.recipe import StageConfig
from spatialllm_ros.learning.stage_modules import stage_module
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


def stage_config(**own) -> StageConfig:
    return StageConfig(LoopConfig(steps=1, batch=2, learning_rate=1e-3), {}, **own)


@pytest.fixture(scope='module')
def stage() -> QuestionStage:
    model = tiny_model(TOKENIZER.get_vocab_size())
    return QuestionStage(model, stage_config()).eval()


@pytest.fixture(scope='module')
def arrays() -> QuestionArrays:
    return tokenise_questions(VIEWS, TOKENIZER)


@pytest.fixture(scope='module')
def batch(arrays):
    torch.manual_seed(1)
    return {
        'pixels': torch.randn(2, 3, 144, 192),
        'camera': torch.randn(2, 108, 11),
        'has_image': torch.ones(2),
        'shares': torch.randint(0, 17, (2, 8, 108)),
        'targets': torch.randn(2, 8, 13),
        'labels': torch.ones(2, 8, 3, dtype=torch.long),
        **packed_questions(arrays, [arrays.of_view(view) for view in range(2)]),
    }


def question_tokens(arrays, question):
    return arrays.tokens[arrays.starts[question] : arrays.starts[question + 1]].tolist()


def test_tokenised_mentions_end_at_the_noun(arrays):
    assert len(arrays) == 3
    words = TOKENIZER.encode(VIEWS[0][0].question, add_special_tokens=False).tokens
    assert words[arrays.mention_at[0, 0]] == 'car'
    assert arrays.mention_object[1].tolist() == [ABSENT] + [-2] * (MAX_MENTIONS - 1)
    assert np.isnan(arrays.numbers[0, 1:]).all()
    own = question_tokens(arrays, 0)
    assert own[arrays.answer_at[0]] == TOKENIZER.token_to_id('<answer>')
    assert own[-1] == TOKENIZER.token_to_id('</s>')


def test_parts_joined_are_the_whole(arrays):
    none: list[QuestionRecord] = []
    views = [VIEWS[0], none, VIEWS[1], VIEWS[0]]
    whole = tokenise_questions(views, TOKENIZER)
    for cut in range(5):
        parts = [tokenise_questions(own, TOKENIZER) for own in (views[:cut], views[cut:])]
        joined = joined_arrays(parts)
        for name, values in vars(whole).items():
            np.testing.assert_array_equal(getattr(joined, name), values)
            assert getattr(joined, name).dtype == values.dtype


def test_arrays_are_read_back_as_they_were_written(arrays, tmp_path):
    arrays.save(tmp_path / 'questions.npz')
    again = QuestionArrays.load(tmp_path / 'questions.npz')
    for name, values in vars(arrays).items():
        np.testing.assert_array_equal(getattr(again, name), values)


def test_packing_lays_questions_one_behind_the_other(arrays, batch):
    first, second = question_tokens(arrays, 0), question_tokens(arrays, 1)
    row = batch['tokens'][0].tolist()
    assert row[: len(first) + len(second)] == first + second
    assert batch['places'][0].tolist()[: len(first) + 2] == [*range(len(first)), 0, 1]
    assert batch['tokens'][1].tolist()[: len(question_tokens(arrays, 2))] == question_tokens(
        arrays, 2
    )
    noun = TOKENIZER.token_to_id('dog')
    assert row[batch['mention_at'][1, 0]] == noun
    marks = batch['tokens'][batch['view'], batch['answer_at']]
    assert (marks == TOKENIZER.token_to_id('<answer>')).all()


def test_labels_are_the_answer_and_its_end_only(arrays, batch):
    for question in range(3):
        own = question_tokens(arrays, question)
        mark = int(arrays.answer_at[question])
        expected = [IGNORED] * mark + own[mark + 1 :] + [IGNORED]
        of_question = batch['segments'] == batch['segment'][question]
        labels = batch['next_tokens'][batch['view'][question]][
            of_question[batch['view'][question]]
        ]
        assert labels.tolist() == expected


def test_visibility_by_hand():
    seen = visible(torch.tensor([[1, 1, 2, -1]]), prefix=2)[0, 0].int().tolist()
    assert seen == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 0, 1],
    ]


def test_an_answer_is_right_only_as_a_whole(batch):
    best = batch['next_tokens'].clone()
    assert right_answers(best, batch).tolist() == [True, True, True]
    view, at = batch['view'][1], batch['answer_at'][1]
    best[view, at + 1] += 1
    assert right_answers(best, batch).tolist() == [True, False, True]


def whole_prompt(stage, arrays, question):
    image = [stage.model.config.image_token_id] * 108
    return torch.tensor([[2, *image, *question_tokens(arrays, question)]])


@torch.no_grad()
def test_packed_questions_equal_whole_prompts(stage, arrays, batch):
    states = stage.states(stage.vision_features(batch), batch)
    model = stage.model
    for question in range(3):
        view = int(batch['view'][question])
        whole = model(
            input_ids=whole_prompt(stage, arrays, question),
            pixel_values=batch['pixels'][view : view + 1],
            camera_features=batch['camera'][view : view + 1],
            attention_mask=causal(109 + len(question_tokens(arrays, question))),
        ).logits[0, 109:]
        own = batch['segments'][view] == batch['segment'][question]
        packed = model.language_model.lm_head(states[-1][view, 109:][own])
        assert torch.allclose(whole, packed, atol=1e-4)


def causal(length):
    ahead = torch.ones(length, length, dtype=torch.bool).triu(1)
    return torch.zeros(1, 1, length, length).masked_fill(ahead, -1e4)


@torch.no_grad()
def test_pointer_probabilities_are_the_attention_of_the_layer(stage, arrays, batch):
    states = stage.states(stage.vision_features(batch), batch)
    mentions = mentions_of(batch)
    pointed = stage.pointed(states, batch, mentions).exp()
    decoder = stage.model.language_model.model
    slow = type(decoder)._from_config(decoder.config, attn_implementation='eager').eval()
    slow.load_state_dict(decoder.state_dict())
    embed = stage.model.get_input_embeddings()
    named = [(0, 0), (1, 0), (2, 0), (2, 1)]
    assert len(pointed) == len(named)
    for row, (question, slot) in enumerate(named):
        view = int(batch['view'][question])
        image = stage.model.encode_image(batch['pixels'], batch['camera'])[view : view + 1]
        text = torch.tensor([question_tokens(arrays, question)])
        start = embed(torch.tensor([[2]]))
        out = slow(
            inputs_embeds=torch.cat([start, image, embed(text)], dim=1), output_attentions=True
        )
        at = 109 + int(arrays.mention_at[question, slot])
        expected = out.attentions[grounding.POINTER_LAYER][0, : grounding.POINTER_HEADS, at]
        assert torch.allclose(pointed[row, :, :109], expected[:, :109], atol=1e-5)
        assert torch.allclose(pointed[row, :, 109], expected[:, 109:].sum(-1), atol=1e-5)


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
    assert float(grounding.pointed_right(sure, mentions)) == 1.0


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
    joint = QuestionStage(stage.model, stage_config(train_vision=True))
    losses = joint(batch)
    assert losses['probing'] > 0
    losses['total'].backward()
    assert next(joint.model.vision_towers.parameters()).grad is not None


def test_without_grounding_only_the_answers_teach(stage, batch):
    plain = QuestionStage(stage.model, stage_config(grounding='none'))
    losses = plain(batch)
    assert set(losses) == {'answer', 'total'}
    assert losses['total'] == losses['answer']
    assert not any(parameter.requires_grad for parameter in plain.heads.parameters())
    flat = QuestionStage(stage.model, stage_config(grounding='2d'))
    losses = flat(batch)
    assert set(losses) == {'answer', 'pointer', 'total'}
    assert losses['total'] > losses['answer']
    assert not any(parameter.requires_grad for parameter in flat.heads.parameters())
    QuestionStage(stage.model, stage_config())  # as it was


def gradients(stage, batch) -> dict[str, torch.Tensor]:
    stage.zero_grad()
    stage.train()(batch)['total'].backward()
    return {n: p.grad.clone() for n, p in stage.named_parameters() if p.grad is not None}


@torch.no_grad()
def test_tokens_of_long_answers_weigh_less_by_the_root_of_their_number(stage, batch):
    states = torch.randn(2, stage.prefix + batch['tokens'].shape[1], 32)
    scores = stage.model.language_model.lm_head(states[:, stage.prefix :])
    log_shares = scores.log_softmax(-1)
    total = weights = 0.0
    for view, segment, length in ((0, 1, 2), (0, 2, 6), (1, 1, 2)):  # words and the end
        own = batch['segments'][view] == segment
        at = (own & (batch['next_tokens'][view] != IGNORED)).nonzero()[:, 0]
        assert len(at) == length
        wanted = batch['next_tokens'][view, at]
        total -= float(log_shares[view, at, wanted].sum()) / length**0.5
        weights += length / length**0.5
    assert float(stage._answer_loss(states, batch)) == pytest.approx(total / weights, rel=1e-5)


def test_layers_that_are_computed_again_give_the_same_gradients(stage, batch):
    kept = gradients(stage, batch)
    stage.model.language_model.activation_checkpointing_enable({'use_reentrant': False})
    again = gradients(stage, batch)
    stage.model.language_model.activation_checkpointing_disable()
    stage.eval()
    assert kept.keys() == again.keys()
    for name, value in kept.items():
        assert torch.allclose(value, again[name], atol=1e-6), name


def test_a_frozen_decoder_leaves_the_projector_to_learn(stage, batch):
    frozen = QuestionStage(stage.model, stage_config(train_decoder=False))
    learned = {name.split('.')[1] for name in gradients(frozen, batch) if name[:5] == 'model'}
    QuestionStage(stage.model, stage_config())  # as it was
    assert learned == {'projector', 'camera_projection'}


def test_heads_that_learn_alone_leave_the_model_at_rest(batch):
    alone = stage_module('heads', tiny_model(TOKENIZER.get_vocab_size()), stage_config())
    losses = alone(batch)
    losses['total'].backward()
    learned = {name for name, value in alone.named_parameters() if value.grad is not None}
    expected = {name for name, _ in alone.named_parameters() if not name.startswith('model.')}
    assert {name.split('.')[0] for name in expected} == {'heads', 'probe'}
    assert learned == expected
    assert not losses['answer'].requires_grad
