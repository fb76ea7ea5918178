"""Questions about shards in the files that other projects train and score on.

``llava``: a JSON list with one conversation per image and the images beside it, as LLaVA's trainer
reads it. ``tsv``: VLMEvalKit's table of multiple-choice questions, images in base64. Sources:
https://github.com/haotian-liu/LLaVA, docs/Finetune_Custom_Data.md, and ``ImageMCQDataset`` of
https://github.com/open-compass/VLMEvalKit, vlmeval/dataset/image_mcq.py.
"""

from __future__ import annotations

import base64
import csv
import json
import string
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.scenes.catalogue import COLOURS
from spatialllm_ros.scenes.shard_questions import Asking, ask_shard
from spatialllm_ros.scenes.shards import open_images, read_shard, shard_indices
from spatialllm_ros.schema import QuestionRecord, Scene

IMAGE_MARK = '<image>\n'
"""What LLaVA's first question begins with, where the image goes."""

LETTERS = string.ascii_uppercase[: len(COLOURS)]
"""A column for each option of the questions that have most: of which colour something is."""


@dataclass(frozen=True)
class AskedImage:
    """One image of a shard, its scene and the questions about it."""

    scene: Scene
    rgb: NDArray[np.uint8]
    records: list[QuestionRecord]


def asked_images(folder: Path, asking: Asking) -> Iterator[AskedImage]:
    """Yield the images of a folder of shards about which there is a question.

    The questions are those of ``shard_questions.write_questions``.

    Raises:
        SceneError: there is no finished shard, or one cannot be read.
    """
    for index in shard_indices(folder):
        images = open_images(folder, index)
        scenes = read_shard(folder, index)
        for number, records in enumerate(ask_shard(scenes, index, asking)):
            if records:
                yield AskedImage(scenes[number], np.asarray(images[number]), records)


def write_llava(asked: Iterable[AskedImage], out: Path) -> int:
    """Write ``questions.json`` and ``images/`` into a folder; return the number of questions."""
    (out / 'images').mkdir(parents=True, exist_ok=True)
    count = 0
    with (out / 'questions.json').open('w', encoding='utf-8') as file:
        file.write('[')  # written piece by piece: a list of all would not fit every memory
        for item in asked:
            name = f'images/{item.scene.scene_id}.png'
            (out / name).write_bytes(_png(item.rgb))
            file.write(',\n' if count else '\n')
            file.write(json.dumps(_conversation(item, name), indent=1))
            count += len(item.records)
        file.write('\n]\n')
    return count


def _conversation(item: AskedImage, image: str) -> dict[str, Any]:
    turns: list[dict[str, str]] = []
    for record in item.records:
        mark = '' if turns else IMAGE_MARK
        turns.append({'from': 'human', 'value': mark + record.question})
        turns.append({'from': 'gpt', 'value': record.answer})
    return {
        'id': item.scene.scene_id,
        'image': image,
        'conversations': turns,
        'source': item.scene.source,
        'licence': item.scene.licence,
    }


def write_tsv(asked: Iterable[AskedImage], out: Path) -> int:
    """Write ``questions.tsv`` into a folder; return the number of questions.

    Only closed questions have a letter to answer with; one about an object that is not there has
    none either, and is left out.
    """
    out.mkdir(parents=True, exist_ok=True)
    columns = ['index', 'question', *LETTERS, 'answer', 'category', 'source', 'licence', 'image']
    count = 0
    with (out / 'questions.tsv').open('w', encoding='utf-8', newline='') as file:
        writer = csv.DictWriter(file, columns, dialect='excel-tab', restval='')
        writer.writeheader()
        for item in asked:
            image = base64.b64encode(_png(item.rgb)).decode()
            for record in item.records:
                if record.answer not in record.options:
                    continue
                writer.writerow(
                    {
                        'index': count,
                        'question': record.question,
                        **dict(zip(LETTERS, record.options, strict=False)),
                        'answer': LETTERS[record.options.index(record.answer)],
                        'category': record.type,
                        'source': item.scene.source,
                        'licence': item.scene.licence,
                        'image': image,
                    }
                )
                count += 1
    return count


FORMATS: dict[str, Callable[[Iterable[AskedImage], Path], int]] = {
    'llava': write_llava,
    'tsv': write_tsv,
}


def _png(rgb: NDArray[np.uint8]) -> bytes:
    _, data = cv2.imencode('.png', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return bytes(data)
