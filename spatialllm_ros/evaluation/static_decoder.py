"""A Llama decoder in torch with one cache of fixed size, questions abreast as in the run time.

It computes with the very weights of a transformers model and never allocates in a step, so that
its steps can be recorded as CUDA graphs. It is there to be timed; no robot runs it.

Notation: S new positions, C positions of the cache, D hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F

from spatialllm_ros.deploy.decoder_graph import decoder_heads
from spatialllm_ros.evaluation.static_layer import (
    FEW,
    MANY,
    ONE,
    Layer,
    Parts,
    Place,
    Sizes,
    apply_layer,
)

FEW_POSITIONS = 8
"""Positions up to which launches and memory, not products, take the time: fusing helps these."""


class JoinedWeights:
    """The weights of a ``LlamaForCausalLM``, those of one input joined.

    The model keeps views of them, so that both take the memory of one.
    """

    def __init__(self, model: Any) -> None:
        """Join the weights of a model on any device, in any floating type, without biases."""
        heads = decoder_heads(model.config)
        self.sizes = Sizes(heads.queries, heads.keys, heads.size, model.config.rms_norm_eps)
        self.rotary = model.model.rotary_emb
        self.table, self.head = model.model.embed_tokens.weight, model.lm_head.weight
        self.norm = model.model.norm.weight
        self.layers = [_joined(layer) for layer in model.model.layers]

    @property
    def step_bytes(self) -> int:
        """What one step reads: all but the table of words."""
        read = [*(weight for layer in self.layers for weight in layer), self.norm, self.head]
        return sum(weight.numel() * weight.element_size() for weight in read)

    @property
    def factors(self) -> int:
        """How many weights every position is multiplied with; scores are made of few of them."""
        matrices = [weight for layer in self.layers for weight in layer if weight.dim() > 1]
        return sum(weight.numel() for weight in matrices)


class StaticDecoder:
    """A decoder with a cache; ``capacity`` is how many positions it holds."""

    def __init__(
        self,
        weights: JoinedWeights,
        capacity: int,
        compiled_by: str | None = None,
        *,
        tuned: bool = False,
    ) -> None:
        """Allocate the cache.

        Args:
            weights: used, not copied.
            capacity: positions of the cache.
            compiled_by: the backend of ``torch.compile`` that few positions at a time go
                through; none for torch's own kernels.
            tuned: let inductor try out the blocks of its kernels, for half a minute.
        """
        self.capacity, self._weights = capacity, weights
        shape = (2 * weights.sizes.keys, capacity, weights.sizes.head)
        self._caches = [weights.table.new_zeros(shape) for _ in weights.layers]
        places = torch.arange(capacity, device=weights.table.device)[None]
        self._cos, sin = (table[0] for table in weights.rotary(weights.table, places))
        first, second = sin.chunk(2, dim=-1)
        self._sin = torch.cat([-first, second], dim=-1)
        self._few = self._one = MANY
        if compiled_by:
            torch.compiler.reset()  # it gives up after a few shapes, and each cache has its own
            options = {'coordinate_descent_tuning': tuned} if compiled_by == 'inductor' else {}
            compiled = partial(torch.compile, backend=compiled_by, dynamic=False, options=options)
            self._few, self._one = (Parts(*map(compiled, parts)) for parts in (FEW, ONE))

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the (S, D) embeddings of words."""
        return F.embedding(tokens, self._weights.table)

    def read(
        self, x: torch.Tensor, positions: torch.Tensor, slots: torch.Tensor, visible: torch.Tensor
    ) -> torch.Tensor:
        """Put positions into the cache and return their states (S, D).

        Args:
            x: (S, D) embeddings.
            positions: (S,) places in their texts, from which angles come.
            slots: (S,) where in the cache they go.
            visible: (S, C) what each sees of the cache, itself included.
        """
        weights, sizes = self._weights, self._weights.sizes
        hidden = torch.full_like(visible, -torch.inf, dtype=x.dtype)
        bias = hidden.masked_fill(visible, 0).repeat(sizes.queries // sizes.keys, 1)
        place = Place(self._cos[positions], self._sin[positions], slots, bias)
        parts = self._parts(len(x))
        for own, cache in zip(weights.layers, self._caches, strict=True):
            x = apply_layer(x, own, cache, place, sizes, parts)
        return F.rms_norm(x, x.shape[-1:], weights.norm, sizes.epsilon)

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """Return the scores (N, V) of what follows some states (N, D)."""
        return self._parts(len(states)).scores(states, self._weights.head)

    def _parts(self, count: int) -> Parts:
        return self._one if count == 1 else self._few if count <= FEW_POSITIONS else MANY


class StaticStrands:
    """Questions of one length behind one prefix, each of which a step writes a word of.

    All that changes lies in tensors that stay where they are.

    Attributes:
        words: (N,) the newest word of each question.
    """

    def __init__(self, decoder: StaticDecoder, prefix: int, questions: torch.Tensor) -> None:
        """Lay out questions (N, Q) of token ids behind a prefix of so many positions."""
        device = questions.device
        count, length = questions.shape
        end = prefix + questions.numel()
        own = [torch.ones(length, length, dtype=torch.bool, device=device).tril()] * count
        self._decoder, self._ids = decoder, questions.flatten()
        self._ends = torch.arange(length - 1, count * length, length, device=device)
        self._places = torch.arange(prefix, prefix + length, device=device).repeat(count)
        self._slots = torch.arange(prefix, end, device=device)
        self._visible = torch.zeros(
            end - prefix, decoder.capacity, dtype=torch.bool, device=device
        )
        self._visible[:, :prefix] = True
        self._visible[:, prefix:end] = torch.block_diag(*own)
        self.words = torch.zeros(count, dtype=torch.int64, device=device)
        self._new_slots = torch.arange(end, end + count, device=device)
        self._state = (
            torch.zeros_like(self.words),
            torch.zeros_like(self.words),
            torch.zeros_like(self._visible[:count]),
        )

    def ask(self) -> torch.Tensor:
        """Read the questions, write a first word of each, and return its logits (N, V)."""
        x = self._decoder.embed(self._ids)
        states = self._decoder.read(x, self._places, self._slots, self._visible)
        places, slots, visible = self._state
        places.copy_(self._places[self._ends] + 1)
        slots.copy_(self._new_slots)
        visible.copy_(self._visible[self._ends])
        return self._write(states[self._ends])

    def step(self) -> torch.Tensor:
        """Read the newest words, write the next ones, and return their logits (N, V)."""
        places, slots, visible = self._state
        visible.scatter_(1, slots[:, None], True)
        states = self._decoder.read(self._decoder.embed(self.words), places, slots, visible)
        places.add_(1)
        slots.add_(len(slots))
        return self._write(states)

    def _write(self, states: torch.Tensor) -> torch.Tensor:
        logits = self._decoder.logits(states)
        self.words.copy_(logits.argmax(dim=-1))
        return logits


def read_prefix(decoder: StaticDecoder, embeddings: torch.Tensor) -> torch.Tensor:
    """Read a prefix (P, D) into an empty cache and return its states (P, D)."""
    places = torch.arange(len(embeddings), device=embeddings.device)
    columns = torch.arange(decoder.capacity, device=embeddings.device)
    return decoder.read(embeddings, places, places, columns <= places[:, None])


def _joined(layer: Any) -> Layer:
    """Return a layer's weights, products of one input joined; the layer keeps views of them."""
    attention, mlp = layer.self_attn, layer.mlp
    return Layer(
        layer.input_layernorm.weight.detach(),
        _share([attention.q_proj, attention.k_proj, attention.v_proj]),
        attention.o_proj.weight.detach(),
        layer.post_attention_layernorm.weight.detach(),
        _share([mlp.gate_proj, mlp.up_proj]),
        mlp.down_proj.weight.detach(),
    )


def _share(parts: Sequence[Any]) -> torch.Tensor:
    """Join weights, and put them back as views, so that both models take the memory of one."""
    joined = torch.cat([part.weight.detach() for part in parts])
    views = joined.split([part.out_features for part in parts])
    for part, view in zip(parts, views, strict=True):
        part.weight.data = view
    return joined
