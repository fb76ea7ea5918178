"""A model with other words answers questions of old words as before, and can learn new ones."""

import pytest
import torch
from tiny_model import tiny_model
from tokenizers import Tokenizer, models, pre_tokenizers

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.new_words import with_words

pytestmark = pytest.mark.usefixtures('one_thread')

MARKS = ['<pad>', '<unk>', '<s>', '</s>', '<answer>', '<image>']
BEFORE = [*MARKS, 'is', 'mug', 'red', 'the', 'where', 'yes']
AFTER = ['how', 'is', *reversed(MARKS), 'far', 'mug', 'red', 'the', 'yes', 'zebra']
"""Other places, two words more at the front, one at the end, and none of ``where``."""


def tokenizer_of(words) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token='<unk>'))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def model_of(*, tied):
    marks = {'image_token_id': 5, 'answer_token_id': 4, 'image_size': (64, 48)}
    return tiny_model(len(BEFORE), tied=tied, image_grid=(3, 4), **marks).eval()


def scores(model, words) -> dict[str, float]:
    """Return what a model gives each of the old words behind an image and a question."""
    text = [*['<image>'] * 12, 'is', 'the', 'red', 'mug', '<answer>']
    random = torch.Generator().manual_seed(7)
    with torch.no_grad():
        logits = model(
            input_ids=torch.tensor([[words.index(word) for word in text]]),
            pixel_values=torch.randn(1, 3, 48, 64, generator=random),
            camera_features=torch.randn(1, 12, 11, generator=random),
        ).logits[0, -1]
    return {word: logits[words.index(word)].item() for word in BEFORE if word in words}


@pytest.mark.parametrize('tied', [True, False])
def test_old_words_mean_what_they_did_wherever_they_stand(tied):
    model = model_of(tied=tied)
    changed = with_words(model, tokenizer_of(BEFORE), tokenizer_of(AFTER))
    before = scores(model, BEFORE)
    del before['where']
    assert scores(changed, AFTER) == pytest.approx(before, abs=1e-6)
    config = changed.config
    marks = config.text_config
    found = [marks.pad_token_id, marks.bos_token_id, marks.eos_token_id, config.image_token_id,
             config.answer_token_id]  # fmt: skip
    assert found == [AFTER.index(m) for m in ('<pad>', '<s>', '</s>', '<image>', '<answer>')]
    assert changed.get_input_embeddings().weight.shape[0] == marks.vocab_size == len(AFTER)


def test_new_words_are_drawn_apart_and_alike_for_equal_seeds():
    model = model_of(tied=True)
    words = tokenizer_of(BEFORE), tokenizer_of(AFTER)
    first, again, other = (
        with_words(model, *words, seed).get_input_embeddings().weight.detach()
        for seed in (1, 1, 2)
    )
    new = [AFTER.index(word) for word in ('how', 'far', 'zebra')]
    assert torch.equal(first, again)
    assert not torch.equal(first[new], other[new])
    assert torch.pdist(first[new]).min() > 0.1 * first.std()
    assert first[new].std() < 3 * first.std()


def test_a_tokenizer_of_parts_of_words_is_refused():
    with pytest.raises(ConfigError, match=r'made of our tables, found one of the kind BPE'):
        with_words(model_of(tied=True), Tokenizer(models.BPE()), tokenizer_of(AFTER))
