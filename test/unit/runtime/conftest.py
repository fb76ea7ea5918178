"""A bundle and an engine whose language model is a Python function of the text it sees; a scripted
session behind a scheduler.

The engine tells, for each new position, what that position sees: the embeddings of the visible
slots, in the order of their positions. The function gives the scores of the next word. So a word
that is seen by mistake, missed, or out of place changes what the function is given.
"""

import json
import queue
import threading
import zlib
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
from chat_server import chat_server
from tokenizers import Tokenizer, models, pre_tokenizers

from spatialllm_ros.errors import CancelledError, EngineError, QuestionError
from spatialllm_ros.geometry import guessed_camera
from spatialllm_ros.runtime import background, prefixes, question_queue
from spatialllm_ros.runtime import scheduler as scheduler_module
from spatialllm_ros.runtime.bundle import (
    MANIFEST_NAME,
    DecoderSpec,
    ImageSpec,
    Limits,
    Manifest,
    SpecialTokens,
    file_entry,
    load_bundle,
)
from spatialllm_ros.runtime.engines.remote_server import KEY_VARIABLE, RemoteServer
from spatialllm_ros.runtime.engines.remote_session import RemoteSession
from spatialllm_ros.runtime.frame_store import FrameStore
from spatialllm_ros.runtime.preprocess import vision_inputs
from spatialllm_ros.runtime.scheduler import Scheduler, SchedulerSettings
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.schema import Answer, AnswerKind, Frame, Query, Timing

SPECIAL = ('<pad>', '<unk>', '<s>', '</s>', '<answer>', 'there')
WORDS = (
    *SPECIAL,
    *('is', 'the', 'a', 'red', 'blue', 'car', 'mug', 'dog', 'left', 'right', 'of', 'how', 'far'),
    *('yes', 'no', 'where', 'm', 'degrees', 'column', 'row', 'distance', 'heading', '?'),
    *('3.4', '42', '61', '90'),
)
SIZE, IMAGE_TOKENS = 8, 4
EMBEDDINGS = np.random.default_rng(7).normal(size=(len(WORDS), SIZE)).astype(np.float16)
DECODER = DecoderSpec('static24', 24, 'float32', 64, 48, 1, 1, 2, SIZE, len(WORDS))


@pytest.fixture
def bundle_folder(tmp_path):
    """A bundle of the smallest size; its graphs are no graphs."""
    folder = tmp_path / 'tiny'
    folder.mkdir()
    vocabulary = {word: index for index, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token='<unk>'))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(list(SPECIAL[:5]))
    tokenizer.save(str(folder / 'tokenizer.json'))
    np.save(folder / 'embeddings.npy', EMBEDDINGS)
    (folder / 'vision.onnx').write_bytes(b'no graph')
    (folder / 'decoder.onnx').write_bytes(b'no graph either')
    write_manifest(folder)
    return folder


def write_manifest(folder, **changes):
    names = {'vision': 'vision.onnx', 'decoder': 'decoder.onnx', 'embeddings': 'embeddings.npy',
             'tokenizer': 'tokenizer.json'}  # fmt: skip
    manifest = Manifest(
        name='tiny',
        parameters=1,
        image=ImageSpec(8, 6, 2, 2, IMAGE_TOKENS, 0.5, 0.5),
        tokens=SpecialTokens(*range(6)),
        decoder=DECODER,
        files={role: file_entry(folder / name, folder) for role, name in names.items()},
        limits=Limits(question_characters=60, options=3, answer_tokens=10),
    )
    manifest = replace(manifest, **changes)
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding='utf-8')
    return manifest


@pytest.fixture
def tamper(bundle_folder):
    """Change what ``manifest.json`` says: by path (``files.vision.bytes``), or take it out."""

    def change(where, value=None):
        path = bundle_folder / MANIFEST_NAME
        plain = json.loads(path.read_text())
        *outer, last = where.split('.')
        inner = plain
        for name in outer:
            inner = inner[name]
        if value is None:
            del inner[last]
        else:
            inner[last] = value
        path.write_text(json.dumps(plain))

    return change


class TextContext:
    """Stands in for a key-value cache: keeps what was appended, and reads it to a function."""

    def __init__(self, language, capacity):
        self.capacity, self._language = capacity, language
        self._slots = []  # (position, key) of each

    @property
    def length(self):
        return len(self._slots)

    def append(self, span):
        first = self.length
        keys = [key_of(row) for row in span.embeddings]
        self._slots += list(zip(span.positions.tolist(), keys, strict=True))
        assert self.length <= self.capacity
        assert span.positions.max() < DECODER.positions
        assert span.visible.shape == (len(keys), self.length)
        return np.array(
            [self._language(self._text(span.visible[i], first + i)) for i in span.scored],
            np.float32,
        )

    def rewind(self, length):
        assert length <= self.length
        self._slots = self._slots[:length]

    def _text(self, visible, own):
        assert visible[own], 'a position sees itself'
        seen = sorted(slot for slot, shown in zip(self._slots, visible, strict=True) if shown)
        assert [position for position, _ in seen] == list(range(len(seen))), seen
        assert seen[-1] == self._slots[own]
        return tuple(key for _, key in seen)


class TextEngine:
    """Stands in for an engine; an image's tokens are the means of its quarters."""

    name = 'a function'

    def __init__(self, language, capacity=DECODER.context):
        self._language, self._capacity = language, capacity
        self.images = 0

    def embed_image(self, pixel_values, camera_features):
        self.images += 1
        _, channels, height, width = pixel_values.shape
        quarters = pixel_values.reshape(channels, 2, height // 2, 2, width // 2).mean((2, 4))
        tokens = np.zeros((IMAGE_TOKENS, SIZE), np.float32)
        tokens[:, :channels] = quarters.reshape(channels, -1).T
        tokens[:, channels] = 100 + camera_features[0, :, 0]
        return tokens

    def new_context(self):
        return TextContext(self._language, self._capacity)


def key_of(embedding):
    """Return a word, or words for an image token, of an embedding."""
    rows = np.flatnonzero((EMBEDDINGS.astype(np.float32) == embedding).all(1))
    return WORDS[rows[0]] if rows.size else f'image {embedding.round(4).tolist()}'


def chance(text):
    """Return scores that any change of the text changes."""
    seed = zlib.crc32(repr(text).encode())
    scores = np.random.default_rng(seed).normal(scale=2, size=len(WORDS))
    scores[:5] = -20.0
    scores[WORDS.index('</s>')] = 3.0
    scores[WORDS.index('there')] = -3.0
    return scores


def saying(answers):
    """Return a language that writes a scripted answer to each question."""

    def language(text):
        mark = text.index('<answer>') if '<answer>' in text else len(text)
        question = ' '.join(text[1 + IMAGE_TOKENS : mark])
        said = text[mark + 1 :]
        wanted = [*answers.get(question, '').split(), '</s>']
        return 20.0 * (np.array(WORDS) == wanted[min(len(said), len(wanted) - 1)])

    return language


@pytest.fixture(name='chance')
def chance_fixture():
    return chance


@pytest.fixture(name='words')
def words_fixture():
    return WORDS


@pytest.fixture
def frame():
    """Make a frame of random pixels, 16x12, by a seed."""

    def make(seed=0, is_calibrated=True):
        rgb = np.random.default_rng(seed).integers(256, size=(12, 16, 3), dtype=np.uint8)
        camera = replace(guessed_camera(16, 12, 1.0), calibrated=is_calibrated)
        return Frame(rgb, camera, 1_000 + seed, 'optical', 'front')

    return make


@pytest.fixture
def text_engine():
    """Make an engine that says answers by question."""
    return lambda answers: TextEngine(saying(answers))


@pytest.fixture
def serve(monkeypatch):
    """Start a server that gives a reply, or several in turn; return it with a session."""
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with ExitStack() as servers:

        def serve(*replies, timeout_s=30.0):
            server = servers.enter_context(chat_server(*replies))
            return server, RemoteSession(RemoteServer(server.url, 'big', timeout_s))

        yield serve


@pytest.fixture
def image_words(bundle_folder):
    """Return the words that stand for a frame's image."""
    spec = load_bundle(bundle_folder).manifest.image

    def words(frame):
        return [
            key_of(token) for token in TextEngine(chance).embed_image(*vision_inputs(frame, spec))
        ]

    return words


@pytest.fixture
def text_session(bundle_folder):
    """Make a session; its language is by chance, or says answers by question."""

    def make(answers=None, context=DECODER.context, **changes):
        write_manifest(bundle_folder, decoder=replace(DECODER, context=context), **changes)
        language = chance if answers is None else saying(answers)
        return SpatialSession(load_bundle(bundle_folder), TextEngine(language, context))

    return make


DEADLINE_S = 20.0
"""Ends a test that hangs; nothing is asserted of it."""

ENCODE_S = 0.25


@dataclass(frozen=True)
class Seen:
    """Stands in for EncodedFrame."""

    frame: Frame
    encode_s: float = ENCODE_S


class ScriptedSession:
    """Stands in for SpatialSession; the question says what to do with it."""

    def __init__(self):
        self.encoded, self.batches = queue.Queue(), []
        self.words, self.may_go_on = queue.Queue(), threading.Semaphore(0)

    def check(self, query):
        if not query.question:
            raise QuestionError('expected a question')

    def encode(self, frame):
        self.encoded.put(frame)
        if frame.frame_id == 'broken':
            raise EngineError('expected an engine, found smoke')
        if frame.frame_id == 'burning':
            raise ZeroDivisionError
        return Seen(frame)

    def answer_each(self, seen, requests):
        self.batches.append([request.query.question for request in requests])
        for index, request in enumerate(requests):
            yield index, self._outcome(seen.frame, request)

    def _outcome(self, frame, request):
        question = request.query.question
        if question == 'fail':
            raise EngineError('expected an engine, found smoke')
        if question == 'crash':
            raise ZeroDivisionError
        while not request.is_cancelled():
            if request.on_text:
                request.on_text(question)
            if question != 'talk':
                return Answer(
                    question, AnswerKind.TEXT, 0.5, frame.stamp_ns, frame.frame_id,
                    frame.camera_name, timing=Timing(prefill_s=0.01, decode_s=0.02),
                )  # fmt: skip
            self.words.put(question)
            assert self.may_go_on.acquire(timeout=DEADLINE_S)
        return CancelledError('told to stop')


class Desk:
    """A scheduler with what it works on; the clock of the stamps stands still until it is set."""

    def __init__(self, cameras=('front', 'rear'), **settings):
        self.session, self.watched = ScriptedSession(), queue.Queue()
        self.stamps_s = 5.0
        self.frames = FrameStore(cameras, now_ns=lambda: round(self.stamps_s * 1e9))
        self.scheduler = Scheduler(
            self.session,
            self.frames,
            SchedulerSettings(**settings),
            on_watch=lambda watch, outcome: self.watched.put((watch.name, outcome)),
        )
        self.scheduler.start()

    def film(self, camera='front', stamp_s=4.5, frame_id='optical'):
        pixels, model = np.zeros((3, 4, 3), np.uint8), guessed_camera(4, 3, 1.0)
        frame = Frame(pixels, model, round(stamp_s * 1e9), frame_id, camera)
        self.frames.put(frame)
        return frame

    def submit(self, question, camera='', max_age_s=None, **more):
        query = Query(question, camera=camera, max_frame_age_s=max_age_s)
        return self.scheduler.submit(query, **more)

    def ask(self, question, **more):
        return self.submit(question, **more).result(DEADLINE_S)

    def talk(self):
        """Ask a question that is not over until cancelled, and wait for its first word."""
        future = self.submit('talk')
        self.session.words.get(timeout=DEADLINE_S)
        return future

    def let_go_on(self):
        self.session.may_go_on.release()


@pytest.fixture(name='make_desk')
def desks():
    made = []

    def make(**settings):
        made.append(Desk(**settings))
        return made[-1]

    yield make
    for desk in made:
        desk.session.may_go_on.release(100)
        desk.scheduler.stop()


@pytest.fixture
def desk(make_desk):
    desk = make_desk()
    desk.film()
    return desk


@pytest.fixture
def clock(monkeypatch):
    """Time that stands still until it is moved."""
    clock = SimpleNamespace(now_s=1000.0, monotonic=lambda: clock.now_s)
    for module in (background, prefixes, question_queue, scheduler_module):
        monkeypatch.setattr(module, 'time', clock)
    return clock


@pytest.fixture(name='scripted_session')
def scripted_session_fixture():
    return ScriptedSession()
