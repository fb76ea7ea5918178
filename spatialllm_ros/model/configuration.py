"""The configuration of a SpatialLLM, saved beside its weights as ``config.json``."""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig, PreTrainedConfig

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.model.part_checks import (
    NANO,
    check_backbones,
    check_counts,
    check_decoder,
    check_normalisation,
)

FUSIONS = ('channel', 'token')


class SpatialLLMConfig(PreTrainedConfig):
    """Which vision backbones see the image, how they are fused, and which decoder reads them.

    Attributes:
        vision_configs: one configuration per backbone, in the order they are fused.
            A backbone that does not take the canvas as it is, or is not read at its last layer,
            says so under ``use``: ``size`` (width, height) in pixels, ``mean`` and ``std`` (3,) of
            its own normalisation, ``layer``, the index of the hidden states that are taken.
        text_config: the decoder's configuration.
        fusion: ``channel`` concatenates the backbones' features token by token, ``token``
            interleaves their tokens, for which all have one ``hidden_size``.
        image_width, image_height: the canvas in pixels that images are letterboxed into.
        image_rows, image_columns: the grid of image tokens of one backbone.
        image_token_id, answer_token_id: ids that stand for an image token and end a question.
        image_mean, image_std: what one value of 0..1 is normalised by, for all channels.
    """

    model_type = 'spatialllm'
    has_no_defaults_at_init = True

    def __init__(
        self,
        vision_configs: list[dict[str, Any]] | None = None,
        text_config: dict[str, Any] | None = None,
        *,
        fusion: str = 'channel',
        image_size: tuple[int, int] = (192, 144),
        image_grid: tuple[int, int] = (9, 12),
        image_token_id: int = 5,
        answer_token_id: int = 4,
        image_normalisation: tuple[float, float] = (0.5, 0.5),
        **kwargs: Any,
    ) -> None:
        """Build the parts' configurations from plain dictionaries.

        Raises:
            ConfigError: an unknown fusion, a backbone that is none or is used in an unknown way,
                backbones of several sizes whose tokens would be interleaved, a decoder that is
                none, or values that make no part of a model.
        """
        if fusion not in FUSIONS:
            raise ConfigError(f'expected a fusion of {FUSIONS}, found {fusion!r}')
        visions = [{'model_type': NANO}] if vision_configs is None else vision_configs
        self.vision_configs = [_as_config(item) for item in visions]
        check_backbones(self.vision_configs, fusion)
        self.text_config = _as_config(text_config or {'model_type': 'llama'})
        check_decoder(self.text_config)
        self.fusion = fusion
        self.set_image(image_size, image_grid)
        check_normalisation(image_normalisation)
        self.image_normalisation = list(image_normalisation)
        self.image_mean, self.image_std = image_normalisation
        self.image_token_id = image_token_id
        self.answer_token_id = answer_token_id
        kwargs.pop('image_width', None)
        super().__init__(**kwargs)

    @property
    def tokens_per_image(self) -> int:
        """How many positions of the prompt one image takes."""
        streams = len(self.vision_configs) if self.fusion == 'token' else 1
        return self.image_rows * self.image_columns * streams

    def set_image(self, size: tuple[int, int], grid: tuple[int, int]) -> None:
        """Set the canvas (width, height) and the grid (rows, columns) of its tokens.

        Raises:
            ConfigError: one of them is no pair of counts.
        """
        check_counts('image_size', size)
        check_counts('image_grid', grid)
        self.image_width, self.image_height = size
        self.image_rows, self.image_columns = grid
        self.image_size, self.image_grid = list(size), list(grid)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, the parts' configurations included."""
        plain = super().to_dict()
        plain['vision_configs'] = [item.to_dict() for item in self.vision_configs]
        plain['text_config'] = self.text_config.to_dict()
        for derived in ('image_width', 'image_height', 'image_rows', 'image_columns',
                        'image_mean', 'image_std'):  # fmt: skip
            plain.pop(derived, None)
        return dict(plain)


def _as_config(value: dict[str, Any] | PreTrainedConfig) -> PreTrainedConfig:
    if isinstance(value, PreTrainedConfig):
        return value
    if not isinstance(value, dict) or 'model_type' not in value:
        raise ConfigError(f'expected a model_type in each part of the model, found {value}')
    plain = dict(value)
    kind = plain.pop('model_type')
    try:
        return AutoConfig.for_model(kind, **plain)
    except Exception as error:  # those of transformers have no common base
        reason = ' '.join(str(error).split())
        raise ConfigError(f'expected a configuration of a {kind}, found: {reason}') from error


AutoConfig.register(SpatialLLMConfig.model_type, SpatialLLMConfig)
