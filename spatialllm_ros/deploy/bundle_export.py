"""A checkpoint into a bundle: graphs, embeddings, tokenizer, weights and the manifest.

Weights are rounded to half precision. The float32 graphs then hold the very numbers that the
float16 weights beside them do, so the model of the bundle is one model. A decoder that is too
large for a graph's own file is written weight by weight from the checkpoint's mapped files.
The image size, the context and the vocabulary may be others than the checkpoint's.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from spatialllm_ros.deploy.context_size import (
    MOST_QUESTIONS,
    check_context,
    check_positions,
    check_window,
    context_for,
)
from spatialllm_ros.deploy.decoder_flavours import FLAVOURS
from spatialllm_ros.deploy.decoder_graph import decoder_graph, decoder_heads, decoder_positions
from spatialllm_ros.deploy.image_size import Size, check_encodes, set_image_size
from spatialllm_ros.deploy.inheritance import IMAGE, VOCABULARY, inherited
from spatialllm_ros.deploy.needed_words import NeededWords
from spatialllm_ros.deploy.parity import check_parity
from spatialllm_ros.deploy.replacing import replaced_bundle
from spatialllm_ros.deploy.rounding import computing_as_stored, round_to_half
from spatialllm_ros.deploy.special_tokens import (
    SPECIAL_WORDS,
    check_belongs,
    ids_of,
    special_tokens,
)
from spatialllm_ros.deploy.supported_decoders import check_decoder
from spatialllm_ros.deploy.vision_graph import OPSETS, write_vision_graph
from spatialllm_ros.deploy.vocabulary_rows import cut_model
from spatialllm_ros.deploy.weight_shards import write_shards
from spatialllm_ros.deploy.weight_storage import INSIDE_BYTES, outside_store, save_graph
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.runtime.bundle import (
    DECODER,
    EMBEDDINGS,
    MANIFEST_NAME,
    TOKENIZER,
    VISION,
    Bundle,
    DecoderSpec,
    ImageSpec,
    Limits,
    Manifest,
    SpecialTokens,
    file_entry,
    load_bundle,
)

FILES = {
    VISION: 'vision.onnx',
    DECODER: 'decoder.onnx',
    EMBEDDINGS: 'embeddings.npy',
    TOKENIZER: 'tokenizer.json',
    'weights': 'model.safetensors',
    'config': 'config.json',
}
"""The files of an exported bundle, by role."""


@dataclass(frozen=True)
class ExportSettings:
    """How a bundle is written.

    Attributes:
        context: how much a decoder cache holds: the image prefix and the questions asked at once.
        questions: on a frame that are answered at once, instead of a context: see
            ``context_for``; None for as many as the context holds.
        image_size: width and height in pixels; None for the checkpoint's.
        words: what is kept of the vocabulary; None for all of it.
        spelled_words: whether the model learned words that fall apart into characters, too; see
            ``SpecialTokens``.
        temperature: what log-probabilities are divided by to be confidences.
        training: where the weights come from, for people.
        source: the manifest of the bundle whose weights these are, if they come from one.
        inside_bytes: weights that a graph's own file may hold; of a larger graph they lie in a
            data file beside it.
    """

    name: str = 'nano'
    flavour: str = 'static24'
    context: int = 384
    questions: int | None = None
    image_size: Size | None = None
    words: NeededWords | None = None
    spelled_words: bool = False
    limits: Limits = field(default_factory=Limits)
    temperature: float = 1.0
    training: Mapping[str, Any] = field(default_factory=dict)
    source: Manifest | None = None
    inside_bytes: int = INSIDE_BYTES

    def __post_init__(self) -> None:
        """Refuse what no bundle can have.

        Raises:
            ConfigError: an unknown flavour, too few or many questions, or a temperature that is
                not positive.
        """
        if self.flavour not in FLAVOURS:
            raise ConfigError(f'expected a flavour of {list(FLAVOURS)}, found {self.flavour!r}')
        if self.questions is not None and not 1 <= self.questions <= MOST_QUESTIONS:
            raise ConfigError(
                f'expected 1 to {MOST_QUESTIONS} questions at once, found {self.questions}'
            )
        if self.temperature <= 0:
            raise ConfigError(f'expected a temperature above 0, found {self.temperature}')


def export_bundle(
    model: Any, tokenizer: Path, folder: Path, settings: ExportSettings = ExportSettings()
) -> Bundle:
    """Write a model's bundle, and return it as the runtime reads it.

    A bundle that is in the folder is replaced once everything is written.

    Args:
        model: a ``SpatialLLMForConditionalGeneration``; it gets the settings' image size and
            vocabulary, and its weights become rounded, except those of a decoder that is too
            large for one file.
        tokenizer: its ``tokenizer.json``.
        folder: the bundle's, made if it is missing.
        settings: see ``ExportSettings``.

    Raises:
        ConfigError: the model or the tokenizer is of a kind that cannot be exported, or not with
            these settings, the two do not belong together, the folder holds something else than a
            bundle, or disk or context are too small.
    """
    folder = folder.resolve()
    special_tokens(tokenizer.read_bytes(), tokenizer)
    check_belongs(tokenizer.read_bytes(), tokenizer, model)
    check_decoder(model.language_model)
    model.eval()
    words, adapted = adapt_model(model, tokenizer.read_bytes(), settings)
    tokens = special_tokens(words, tokenizer)
    if settings.spelled_words or (settings.source and settings.source.tokens.spelled):
        tokens = replace(tokens, spelled=True)
    settings = with_context(model.config, settings)
    if IMAGE in adapted:
        check_encodes(model)
    is_large = decoder_bytes(model.language_model) > settings.inside_bytes
    with replaced_bundle(folder) as made:
        check_disk(made, bundle_bytes(model))
        if is_large:
            for part in vision_parts(model):
                round_to_half(part)
        else:
            round_to_half(model)
        _write_files(model, words, made, settings)
        manifest = replace(_manifest(model, tokens, made, settings), adapted=adapted)
        if settings.source is not None:
            manifest = inherited(manifest, settings.source)
        (made / MANIFEST_NAME).write_text(manifest.to_json(), encoding='utf-8')
        with computing_as_stored(model.language_model) if is_large else nullcontext():
            check_parity(model, load_bundle(made))
    return load_bundle(folder)


def adapt_model(
    model: Any, tokenizer: bytes, settings: ExportSettings
) -> tuple[bytes, dict[str, Any]]:
    """Give a model the image size and the vocabulary of the settings.

    Returns:
        its ``tokenizer.json``, and what the manifest says of it.

    Raises:
        ConfigError: it cannot have them.
    """
    adapted: dict[str, Any] = {}
    old_size = (model.config.image_width, model.config.image_height)
    if settings.image_size not in (None, old_size):
        set_image_size(model, settings.image_size)
        adapted[IMAGE] = {'trained_width_px': old_size[0], 'trained_height_px': old_size[1]}
    if settings.words is not None:
        trained = model.config.text_config.vocab_size
        marks = set(ids_of(tokenizer, SPECIAL_WORDS).values())
        cut = cut_model(model, tokenizer, settings.words, marks)
        tokenizer = cut.tokenizer
        adapted[VOCABULARY] = {'words': settings.words.source, 'trained_tokens': trained}
    return tokenizer, adapted


def with_context(config: Any, settings: ExportSettings) -> ExportSettings:
    """Return settings whose context and limits go with a model's image and their questions.

    Raises:
        ConfigError: image and questions are longer than the context, the decoder's positions or
            what it looks back at.
    """
    if settings.questions is not None:
        context = context_for(config, settings.questions, settings.limits.answer_tokens)
        limits = replace(settings.limits, questions=settings.questions)
        settings = replace(settings, context=context, limits=limits)
    if settings.questions is not None or settings.image_size is not None:
        check_positions(config, settings.limits.answer_tokens)
    check_context(config, settings.context, settings.limits.answer_tokens)
    check_window(config, decoder_positions(config.text_config, settings.context))
    return settings


def vision_parts(model: Any) -> tuple[Any, ...]:
    """Return the modules that the vision graph is made of."""
    return model.vision_towers, model.projector, model.camera_projection


def decoder_bytes(language_model: Any) -> int:
    """Return the size of a decoder graph's weights in float32: all but the table of words."""
    names = language_model.named_parameters(remove_duplicate=False)
    return sum(4 * weight.numel() for name, weight in names if 'embed_tokens' not in name)


def bundle_bytes(model: Any) -> int:
    """Return about what a bundle in float32 takes, the half precision weights included."""
    language_model = model.language_model
    vision = sum(w.numel() for part in vision_parts(model) for w in part.parameters())
    weights = sum(weight.numel() for weight in model.parameters())
    words = language_model.get_input_embeddings().weight.numel()
    return decoder_bytes(language_model) + 4 * vision + 2 * weights + 2 * words


def check_disk(folder: Path, needed: int) -> None:
    """Refuse to begin what there is no room for.

    Raises:
        ConfigError: less than the needed bytes are free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ConfigError(
            f'expected {needed / 1e6:,.1f} MB of free disk at {folder.parent}, found '
            f'{free / 1e6:,.1f}; make room, or name a folder on another disk'
        )


def _write_files(model: Any, tokenizer: bytes, folder: Path, settings: ExportSettings) -> None:
    language_model = model.language_model
    vision = sum(
        4 * weight.numel() for part in vision_parts(model) for weight in part.parameters()
    )
    write_vision_graph(
        model, OPSETS[settings.flavour], folder / FILES[VISION], vision > settings.inside_bytes
    )
    path = folder / FILES[DECODER]
    is_large = decoder_bytes(language_model) > settings.inside_bytes
    with outside_store(path) if is_large else nullcontext() as store:
        decoder = decoder_graph(language_model, settings.flavour, settings.context, store)
    save_graph(decoder, path)
    table = language_model.get_input_embeddings().weight.detach().half().numpy()
    np.save(folder / FILES[EMBEDDINGS], table)
    (folder / FILES[TOKENIZER]).write_bytes(tokenizer)
    _write_weights(model, folder, settings)
    for path in folder.iterdir():  # the weights are written for their owner alone
        path.chmod(0o644)


def _write_weights(model: Any, folder: Path, settings: ExportSettings) -> None:
    """Write the model's folder into the bundle: in one file, or in several if it is large."""
    weights = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    state = model.state_dict()
    for tied in model.all_tied_weights_keys:
        state.pop(tied, None)
    halves = (
        (name, values.half() if name in weights else values) for name, values in state.items()
    )
    if decoder_bytes(model.language_model) <= settings.inside_bytes:
        model.save_pretrained(folder, state_dict=dict(halves))
        return
    model.config.architectures = [SpatialLLMForConditionalGeneration.__name__]
    model.config.dtype = 'float32'
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    write_shards(folder, halves, settings.inside_bytes)


def _manifest(
    model: Any, tokens: SpecialTokens, folder: Path, settings: ExportSettings
) -> Manifest:
    config = model.config
    roles = {path: role for role, path in FILES.items()}
    return Manifest(
        name=settings.name,
        parameters=sum(weight.numel() for weight in model.parameters()),
        image=ImageSpec(
            width_px=config.image_width,
            height_px=config.image_height,
            rows=config.image_rows,
            columns=config.image_columns,
            tokens=config.tokens_per_image,
            mean=config.image_mean,
            std=config.image_std,
        ),
        tokens=tokens,
        decoder=_decoder_spec(config.text_config, settings),
        files={
            roles.get(path.name, path.name): file_entry(path, folder)
            for path in sorted(folder.iterdir())
        },
        limits=settings.limits,
        temperature=settings.temperature,
        training=settings.training,
    )


def _decoder_spec(config: Any, settings: ExportSettings) -> DecoderSpec:
    heads = decoder_heads(config)
    return DecoderSpec(
        flavour=settings.flavour,
        opset=FLAVOURS[settings.flavour].opset,
        precision='float32',
        context=settings.context,
        positions=decoder_positions(config, settings.context),
        layers=config.num_hidden_layers,
        kv_heads=heads.keys,
        head_size=heads.size,
        hidden_size=config.hidden_size,
        vocabulary=config.vocab_size,
    )
