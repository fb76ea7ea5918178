"""One model on a GPU in torch: launched call by call, as CUDA graphs, compiled, and ``generate``.

All of them compute with the same weights. A question costs the run time its own words, behind a
prefix that was read once for its frame; ``generate`` reads the image's tokens each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from spatialllm_ros.evaluation.contestants import BATCHES
from spatialllm_ros.evaluation.gpu_clock import Device, Limits
from spatialllm_ros.evaluation.gpu_page import COMPILED, EAGER, GENERATE, GRAPH, Row
from spatialllm_ros.evaluation.static_decoder import (
    JoinedWeights,
    StaticDecoder,
    StaticStrands,
    read_prefix,
)

QUESTION, WORDS = 16, 32
"""Tokens of each question, and words that are written behind it."""
ALIGNED = 64
"""Caches hold a multiple of so many positions, which fused attention needs."""


@dataclass(frozen=True)
class Subject:
    """A model to time.

    Attributes:
        name: of the page's section.
        model: what ``generate`` belongs to.
        decoder: its ``LlamaForCausalLM``.
        inputs: what ``generate`` is given beside a prompt's ids, for one question.
        image_ids: (P,) the prompt up to the image's last token.
        encode: the vision half; none where a model is a decoder alone.
    """

    name: str
    model: Any
    decoder: Any
    inputs: dict[str, torch.Tensor]
    image_ids: torch.Tensor
    encode: Callable[[], torch.Tensor] | None

    def prefix(self) -> torch.Tensor:
        """Return the embeddings (P, D) of everything up to the image's last token."""
        embeddings: torch.Tensor = self.decoder.get_input_embeddings()(self.image_ids)
        if self.encode is not None:
            embeddings[1:] = self.encode()[0]
        return embeddings

    def questions(self, count: int) -> torch.Tensor:
        """Return ids (count, QUESTION) of words drawn anew, the same ones each time."""
        generator = torch.Generator().manual_seed(0)
        size = self.decoder.config.vocab_size
        ids = torch.randint(size, (count, QUESTION), generator=generator)
        return ids.to(self.image_ids.device)


def torch_parts(subject: Subject, device: Device, limits: Limits) -> Iterator[tuple[str, Any]]:
    """Yield what can be timed of a subject: a name, and a call that returns its row."""
    compiler = 'inductor' if device.is_gpu else 'eager'
    for name, compiled_by in ((EAGER, None), (GRAPH, None), (COMPILED, compiler)):
        yield name, partial(_own_row, subject, device, limits, name, compiled_by)
    yield GENERATE, partial(_generate_row, subject, device)


@torch.no_grad()
def _own_row(
    subject: Subject, device: Device, limits: Limits, name: str, compiled_by: str | None
) -> Row:
    launched = (lambda call: call) if name == EAGER else device.recorded
    weights = JoinedWeights(subject.decoder)
    prefix, length = subject.prefix(), len(subject.image_ids)
    question_s, step_s, answer_s = 0.0, {}, 0.0
    for batch in reversed(BATCHES):
        room = -(-(length + batch * (QUESTION + WORDS)) // ALIGNED) * ALIGNED
        decoder = StaticDecoder(weights, room, compiled_by, tuned=batch == 1)
        read = launched(partial(read_prefix, decoder, prefix))
        read()
        strands = StaticStrands(decoder, length, subject.questions(batch))
        ask, step = launched(strands.ask), launched(strands.step)
        question_s = device.seconds(ask)
        step_s[str(batch)] = device.seconds(step, WORDS - 1, before=ask)
        answer_s = device.seconds(partial(_answer, ask, step))
    gap = _gap(subject, decoder, strands)
    prefix_s = device.seconds(read)
    return Row(
        subject.name, name, str(device.dtype).removeprefix('torch.'),
        vision_s=device.seconds(launched(subject.encode)) if subject.encode else None,
        prefix_s=prefix_s, question_s=question_s, step_s=step_s, answer_s=answer_s,
        memory_share=weights.step_bytes / limits.bandwidth_bytes_per_s / step_s['1'],
        products_share=2 * weights.factors * length / limits.products_per_s / prefix_s,
        gap=gap,
    )  # fmt: skip


def _answer(ask: Callable[[], Any], step: Callable[[], Any]) -> None:
    ask()
    for _ in range(WORDS - 1):
        step()


def _gap(subject: Subject, decoder: StaticDecoder, strands: StaticStrands) -> float:
    """Return how far the scores behind a first word are from transformers', of the largest.

    A word is read by a step, which is what may be compiled; a question is not.
    """
    read_prefix(decoder, subject.prefix())
    strands.ask()
    texts = torch.cat([subject.questions(1)[0], strands.words])
    found = strands.step()[0].float()
    whole = torch.cat([subject.prefix(), decoder.embed(texts)])[None]
    expected = subject.decoder(inputs_embeds=whole, logits_to_keep=1).logits[0, -1].float()
    return float((found - expected).abs().max() / expected.abs().max())


@torch.no_grad()
def _generate_row(subject: Subject, device: Device) -> Row:
    step_s, answer_s = {}, 0.0
    for batch in reversed(BATCHES):
        answer_s = device.seconds(partial(_generate, subject, batch, WORDS))
        first_s = device.seconds(partial(_generate, subject, batch, 1))
        step_s[str(batch)] = (answer_s - first_s) / (WORDS - 1)
    return Row(
        subject.name, GENERATE, str(device.dtype).removeprefix('torch.'),
        step_s=step_s, answer_s=answer_s,
    )  # fmt: skip


def _generate(subject: Subject, batch: int, words: int) -> None:
    questions = subject.questions(batch)
    ids = torch.cat([subject.image_ids.repeat(batch, 1), questions], dim=1)
    inputs = {name: _repeated(values, batch) for name, values in subject.inputs.items()}
    subject.model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), **inputs,
        max_new_tokens=words, min_new_tokens=words, do_sample=False, pad_token_id=0,
    )  # fmt: skip


def _repeated(values: torch.Tensor, batch: int) -> torch.Tensor:
    return values.repeat(batch, *[1] * (values.dim() - 1))
