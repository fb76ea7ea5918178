"""A model of random weights, as large as wished, through export, quantisation and one question.

It shows what a large model takes on this machine; what such a model answers means nothing.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spatialllm_ros.deploy.bundle_export import FILES, ExportSettings, check_disk
from spatialllm_ros.deploy.checkpoint import export_checkpoint
from spatialllm_ros.deploy.precision import write_quantised
from spatialllm_ros.deploy.weight_shards import write_shards
from spatialllm_ros.deploy.weight_storage import INSIDE_BYTES
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation.contestants import decoder_bytes
from spatialllm_ros.learning.building import MARKS
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.questions.vocabulary import build_tokenizer
from spatialllm_ros.runtime.bundle import TOKENIZER, load_bundle
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.schema import Answer, CameraModel, Frame, Query

FLOAT32 = 'float32'
SIDE_PX = 224
QUESTION = Query('which is higher?', ('there is no mug', 'red car'))
SPREAD = 0.02
"""Standard deviation of the weights, as decoders are initialised."""


@dataclass(frozen=True)
class TrialSizes:
    """A Llama-shaped decoder, of a billion parameters unless said otherwise, and a small CLIP."""

    layers: int = 16
    hidden_size: int = 2048
    intermediate_size: int = 8192
    heads: int = 32
    key_heads: int = 8

    def __post_init__(self) -> None:
        """Refuse what makes no decoder.

        Raises:
            ConfigError: names the sizes that are none, or do not go together.
        """
        if wrong := [f'{name} {size}' for name, size in vars(self).items() if size < 1]:
            raise ConfigError(f'expected sizes from 1 on, found {", ".join(wrong)}')
        if self.hidden_size % (2 * self.heads) or self.heads % self.key_heads:
            raise ConfigError(
                'expected a hidden size that is a multiple of twice the heads, and heads that are '
                f'a multiple of the key heads, found {self.hidden_size}, {self.heads} and '
                f'{self.key_heads}'
            )

    def config(self) -> SpatialLLMConfig:
        """Return the configuration of the model."""
        tokenizer = build_tokenizer()
        ids: dict[str, Any] = {
            f'{name}_token_id': tokenizer.token_to_id(mark) for name, mark in MARKS.items()
        }
        marks = {name: ids.pop(name) for name in ('image_token_id', 'answer_token_id')}
        tower = {
            'model_type': 'clip_vision_model', 'hidden_size': 128, 'intermediate_size': 512,
            'num_hidden_layers': 4, 'num_attention_heads': 4, 'image_size': SIDE_PX,
            'patch_size': 16,
        }  # fmt: skip
        text = {
            'model_type': 'llama', 'vocab_size': tokenizer.get_vocab_size(),
            'hidden_size': self.hidden_size, 'intermediate_size': self.intermediate_size,
            'num_hidden_layers': self.layers, 'num_attention_heads': self.heads,
            'num_key_value_heads': self.key_heads, 'max_position_embeddings': 4096, **ids,
        }  # fmt: skip
        return SpatialLLMConfig(
            vision_configs=[tower], text_config=text, image_size=(SIDE_PX, SIDE_PX),
            image_grid=(14, 14), **marks,
        )  # fmt: skip


def run_trial(
    sizes: TrialSizes, precisions: Sequence[str], settings: ExportSettings, folder: Path,
    tell: Callable[[str], None],
) -> Answer:  # fmt: skip
    """Make the model, export it, quantise it and ask the last of what came out.

    Args:
        sizes: of the model.
        precisions: keys of ``PRECISIONS``.
        settings: of the export.
        folder: gets the folders ``model``, ``float32`` and one for each precision; none of them
            may be there.
        tell: takes a line about each step.

    Raises:
        ConfigError: the place is taken, the disk too small, or the model cannot have a precision.
    """
    precisions = list(dict.fromkeys(precisions))
    if taken := [name for name in ('model', FLOAT32, *precisions) if (folder / name).exists()]:
        raise ConfigError(f'expected room for new folders in {folder}, found {taken}; delete them')
    folder.mkdir(parents=True, exist_ok=True)
    with _measured('random weights', tell):
        write_random_model(sizes.config(), folder / 'model')
    with _measured('float32 export', tell):
        parent = export_checkpoint(folder / 'model', folder / FLOAT32, settings)
    tell(f'{parent.manifest.parameters / 1e6:,.1f} M parameters')
    for precision in precisions:
        (folder / precision).mkdir()
        with _measured(precision, tell):
            write_quantised(parent, folder / precision, precision)
    for name in (FLOAT32, *precisions):
        tell(f'{name:16s} decoder {decoder_bytes(load_bundle(folder / name)) / 1e6:10,.1f} MB')
    with _measured('load', tell):
        session = SpatialSession.load(folder / name)
    with _measured('image and question', tell):
        return session.answer(session.encode(_noise_frame()), QUESTION)


def write_random_model(config: SpatialLLMConfig, folder: Path) -> None:
    """Write a model folder weight by weight, in bfloat16, with its tokenizer.

    Raises:
        ConfigError: the disk is too small.
    """
    folder.mkdir()
    with torch.device('meta'):
        model: Any = SpatialLLMForConditionalGeneration(config)
    check_disk(folder, 2 * sum(weight.numel() for weight in model.parameters()))
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder)
    build_tokenizer().save(str(folder / FILES[TOKENIZER]))
    write_shards(folder, _random_weights(model), INSIDE_BYTES)


def _random_weights(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield a value for each weight; those of norms are one, biases zero."""
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.state_dict().items():
        if name not in model.all_tied_weights_keys:
            values = torch.empty(weight.shape, dtype=torch.bfloat16)
            if weight.dim() > 1:
                values.normal_(0, SPREAD, generator=generator)
            else:
                values.fill_(0 if name.endswith('bias') else 1)
            yield name, values


def _noise_frame() -> Frame:
    rgb = np.random.default_rng(0).integers(256, size=(SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    middle = (SIDE_PX - 1) / 2
    camera = CameraModel(SIDE_PX, SIDE_PX, 200.0, 200.0, middle, middle, (0.0, -1.0, 0.0), 1.0)
    return Frame(rgb, camera, 0, 'optical', 'trial')


@contextmanager
def _measured(step: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Tell the seconds of a step, and the process's peak memory so far."""
    started_s = time.perf_counter()
    yield
    seconds = time.perf_counter() - started_s
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    tell(f'{step:20s} {seconds:8.1f} s   peak {peak_gib:6.2f} GiB')
