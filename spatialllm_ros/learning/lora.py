"""Low-rank adapters in the decoder (LoRA), and how they end in the decoder's own weights.

Source: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.checkpoints import Tensors

ATTENTION_AND_MLP = (
    'q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj',
)  # fmt: skip


@dataclass(frozen=True)
class Lora:
    """Adapters of a stage.

    Attributes:
        alpha: the adapters' product counts ``alpha / rank`` times.
        targets: names of the decoder's matrices that get one.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: tuple[str, ...] = ATTENTION_AND_MLP

    def __post_init__(self) -> None:
        """Refuse adapters that cannot be.

        Raises:
            ConfigError: a rank below one, or a dropout outside 0..1.
        """
        if self.rank < 1 or not 0 <= self.dropout < 1:
            raise ConfigError(
                'expected a lora rank of at least 1 and a dropout within 0..1, found '
                f'{self.rank} and {self.dropout}'
            )


def add_adapters(decoder: nn.Module, lora: Lora) -> None:
    """Put adapters beside a decoder's matrices, in place; they learn, and all else rests.

    Raises:
        ConfigError: the decoder has no matrix of a target's name.
    """
    import peft  # noqa: PLC0415  (takes seconds, and few stages need it)

    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
    )
    linear = (name for name, part in decoder.named_modules() if isinstance(part, nn.Linear))
    found = {name.rpartition('.')[2] for name in linear}
    if not set(lora.targets) <= found:
        raise ConfigError(
            f'expected lora targets among the matrices of {type(decoder).__name__}, found '
            f'{sorted(set(lora.targets) - found)}: name its nn.Linear layers'
        )
    peft.inject_adapter_in_model(config, decoder)
    for name, parameter in decoder.named_parameters():
        parameter.requires_grad = '.lora_' in name


def plain_name(name: str) -> str:
    """Return the name that a weight has where there are no adapters."""
    return name.replace('.base_layer.', '.')


def merged_weights(weights: Tensors, lora: Lora | None) -> Tensors:
    """Return a stage's weights with its adapters added to the matrices they stand beside."""
    if lora is None:
        return weights
    merged = {}
    for name, value in weights.items():
        down = name.replace('.base_layer.', '.lora_A.default.')
        if down != name and down in weights:
            up = name.replace('.base_layer.', '.lora_B.default.')
            merged[plain_name(name)] = value + lora.alpha / lora.rank * weights[up] @ weights[down]
        elif '.lora_' not in name:
            merged[plain_name(name)] = value
    return merged
