"""``spatialllm ask``: one question about photographs or a recording, without ROS."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from spatialllm_ros.errors import InputError, SpatialLLMError
from spatialllm_ros.runtime.answers import percent
from spatialllm_ros.runtime.image_conversion import GREY, is_grey
from spatialllm_ros.runtime.opening import ENGINE_NAMES, REMOTE, ModelSource, open_session
from spatialllm_ros.runtime.recordings import is_bag, read_bag, read_photo
from spatialllm_ros.runtime.session_base import Session
from spatialllm_ros.schema import Answer, Frame, Query

EXAMPLES = """\
examples:
  spatialllm ask kitchen.jpg 'what do you see?'
  spatialllm ask kitchen.jpg 'is the mug next to the bottle?' --option yes --option no
  spatialllm ask kitchen.jpg 'how far away is the mug?' --fov-deg 69
  spatialllm ask drive.mcap 'is there a red car?' --every 30 --json
  spatialllm ask kitchen.jpg 'is there a mug?' --remote http://localhost:8000/v1 --model qwen3-vl
"""


def main(arguments: Sequence[str]) -> int:
    """Print an answer for each image, and return 1 if one of them has none.

    Raises:
        InputError: the question, an image or a recording cannot be used.
        BundleError, EngineError: the model cannot be used.
    """
    parsed = _parser().parse_intermixed_args(arguments)
    missing = [str(path) for path in parsed.images if not path.exists()]
    if missing:  # told before a large model is loaded
        raise InputError(f'expected images or recordings, found no {", ".join(missing)}')
    session = open_session(_source(parsed))
    query = Query(parsed.question, tuple(parsed.option))
    session.check(query)
    print_answer = _print_json if parsed.json else _print_words
    status = 0
    grey: set[str] = set()
    for source, frame in _frames(parsed):
        if frame.camera_name not in grey and is_grey(frame.rgb):
            grey.add(frame.camera_name)
            print(f'{source}: {GREY}', file=sys.stderr)
        try:
            answer = _timed_answer(session, frame, query)
        except SpatialLLMError as error:
            print(f'{source}: no answer: {error}', file=sys.stderr)
            status = 1
        else:
            print_answer(source, parsed.question, answer)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='spatialllm ask',
        description='Ask about JPEG or PNG images, or about the images of a ROS 2 bag (.mcap).',
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument('images', nargs='+', type=Path, metavar='IMAGE', help='or a recording')
    parser.add_argument('question')
    parser.add_argument('--bundle', default='nano', help='folder or name of a model (%(default)s)')
    parser.add_argument('--engine', default='auto', choices=[*ENGINE_NAMES[:-1]])
    parser.add_argument(
        '--remote', metavar='URL', help="ask a server with OpenAI's chat completions instead"
    )
    parser.add_argument('--model', default='', help='its name on the server')
    parser.add_argument(
        '--option', action='append', default=[], help='a closed answer; give two or more'
    )
    parser.add_argument(
        '--fov-deg', type=_angle, metavar='DEGREES',
        help='horizontal field of view, which answers in metres need: in place of what EXIF tells '
        'of a photo, and where a recording has no CameraInfo',
    )  # fmt: skip
    parser.add_argument('--topic', default='', help='of the images, if a recording has several')
    parser.add_argument(
        '--every', type=_count, default=1, metavar='N', help='every Nth image of a recording'
    )
    parser.add_argument('--json', action='store_true', help='one JSON object per answer')
    return parser


def _source(parsed: argparse.Namespace) -> ModelSource:
    if parsed.remote is None:
        return ModelSource(parsed.bundle, parsed.engine)
    if not parsed.model:
        raise InputError("expected the model's name on the server, found none; give --model")
    return ModelSource(engine=REMOTE, server_url=parsed.remote, server_model=parsed.model)


def _angle(text: str) -> float:
    with suppress(ValueError):
        if 0 < (degrees := float(text)) < 180:
            return math.radians(degrees)
    raise argparse.ArgumentTypeError(f'expected 0 to 180 degrees, found {text}')


def _count(text: str) -> int:
    with suppress(ValueError):
        if (count := int(text)) >= 1:
            return count
    raise argparse.ArgumentTypeError(f'expected a whole number from 1 on, found {text}')


def _frames(parsed: argparse.Namespace) -> Iterator[tuple[str, Frame]]:
    """Yield every image with words for where it comes from."""
    for path in parsed.images:
        if is_bag(path):
            for frame in read_bag(path, parsed.fov_deg, parsed.topic, parsed.every):
                yield f'{path} {frame.stamp_ns / 1e9:.3f}', frame
        else:
            yield str(path), read_photo(path, parsed.fov_deg)


def _timed_answer(session: Session, frame: Frame, query: Query) -> Answer:
    """Answer, and count the encoding of the image in."""
    encoded = session.encode(frame)
    answer = session.answer(encoded, query)
    total_s = answer.timing.total_s + encoded.encode_s
    timing = replace(answer.timing, encode_s=encoded.encode_s, total_s=total_s)
    return replace(answer, timing=timing)


def _print_words(source: str, _: str, answer: Answer) -> None:
    print(
        f'{source}: {answer.text}  '
        f'(confidence {percent(answer.confidence)}, {answer.timing.total_s * 1e3:.0f} ms)',
        flush=True,
    )


def _print_json(source: str, question: str, answer: Answer) -> None:
    values: dict[str, Any] = {'source': source, 'question': question} | asdict(answer)
    if math.isnan(answer.confidence):  # which JSON cannot say
        values['confidence'] = None
    print(json.dumps(values | {'kind': answer.kind.name}), flush=True)
