"""The model of a bundle as transformers runs it: what the run time is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from spatialllm_ros.deploy.checkpoint import load_checkpoint
from spatialllm_ros.runtime.bundle import TOKENIZER, load_bundle
from spatialllm_ros.runtime.preprocess import vision_inputs
from spatialllm_ros.runtime.prompt import PromptBuilder
from spatialllm_ros.runtime.tokenizer import Tokenizer
from spatialllm_ros.schema import Frame, Query


class TransformersReference:
    """A bundle's weights behind ``generate``: each question encodes its image anew.

    Attributes:
        model: the ``SpatialLLMForConditionalGeneration``.
    """

    def __init__(self, folder: Path) -> None:
        """Open a bundle.

        Raises:
            BundleError: there is no bundle, or a broken one.
            ConfigError: its weights do not fit their configuration.
        """
        bundle = load_bundle(folder)
        self._manifest = bundle.manifest
        self._tokenizer = Tokenizer(bundle.path(TOKENIZER))
        self._prompts = PromptBuilder(self._manifest, self._tokenizer)
        self.model: Any = load_checkpoint(folder)

    @torch.inference_mode()
    def answer(self, frame: Frame, query: Query) -> str:
        """Return the likeliest words, one after the other; options are not looked at.

        Raises:
            QuestionError: the model cannot read the question.
            ImageError: the pixels do not fit the frame's camera.
        """
        tokens = self._manifest.tokens
        image = [self.model.config.image_token_id] * self._manifest.image.tokens
        prompt = [tokens.start, *image, *self._prompts.build(query).question]
        pixels, camera = vision_inputs(frame, self._manifest.image)
        written = self.model.generate(
            input_ids=torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.int64),
            pixel_values=torch.from_numpy(pixels),
            camera_features=torch.from_numpy(camera),
            max_new_tokens=self._manifest.limits.answer_tokens,
            do_sample=False,
            eos_token_id=tokens.end,
            pad_token_id=tokens.pad,
        )
        return self._tokenizer.decode(written[0, len(prompt) :].tolist())
