"""The newest frame of each camera, and where every frame went."""

import threading

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from spatialllm_ros.errors import (
    ConfigError,
    ImageError,
    NoFrameError,
    StaleFrameError,
    UnknownCameraError,
)
from spatialllm_ros.geometry import guessed_camera
from spatialllm_ros.runtime.frame_store import FrameCounts, FrameStore
from spatialllm_ros.schema import Frame

SECOND_NS = 1_000_000_000


def frame(stamp_ns=0, camera='front', shape=(3, 4, 3), dtype=np.uint8):
    pixels = np.zeros(shape, dtype)
    return Frame(pixels, guessed_camera(4, 3, 1.0), stamp_ns, 'optical', camera)


def store(*cameras, now_ns=0, max_frame_age_s=1.0):
    return FrameStore(cameras or ('front', 'rear'), max_frame_age_s, lambda: now_ns)


def test_a_camera_without_an_image_is_told_with_its_topic():
    frames = FrameStore(('front',), describe=lambda name: f'{name} on /{name}/image_rw')
    with pytest.raises(NoFrameError, match='from camera front on /front/image_rw, found none'):
        frames.take()


def test_the_newest_frame_of_the_first_camera_is_the_default():
    frames = store()
    older, newer, rear = frame(1), frame(2), frame(3, 'rear')
    for one in (older, newer, rear):
        frames.put(one)
    assert frames.take() is newer
    assert frames.take('front') is newer
    assert frames.take('rear') is rear
    assert frames.camera_names == ('front', 'rear')


def test_a_frame_is_used_once_however_often_it_is_taken():
    frames = store()
    frames.put(frame())
    for _ in range(3):
        frames.take()
    assert frames.counts() == FrameCounts(received=1, used=1)


def test_ages_are_told_in_the_clock_of_the_stamps():
    frames = store(now_ns=3 * SECOND_NS + SECOND_NS // 2)
    frames.put(frame(stamp_ns=SECOND_NS))
    with pytest.raises(StaleFrameError, match=r"'front' .*1\.00 s.*2\.50 s old"):
        frames.take()
    with pytest.raises(StaleFrameError, match=r'2\.49 s.*2\.50 s old'):
        frames.take(max_age_s=2.49)
    assert frames.counts().waiting == 1
    assert frames.take(max_age_s=2.5).stamp_ns == SECOND_NS


def test_a_stamp_may_be_a_little_ahead_of_the_clock():
    frames = store(now_ns=10 * SECOND_NS)
    frames.put(frame(stamp_ns=round(10.9 * SECOND_NS)))
    assert frames.take(max_age_s=0.05).stamp_ns == 10.9 * SECOND_NS
    assert frames.newest_age_s() == pytest.approx(-0.9)


def test_a_frame_of_before_the_clock_jumped_back_is_stale():
    frames = store(now_ns=10 * SECOND_NS)
    frames.put(frame(stamp_ns=12 * SECOND_NS))
    with pytest.raises(StaleFrameError, match=r'2\.00 s ahead of the clock; has time jumped back'):
        frames.take(max_age_s=3600.0)
    assert frames.counts() == FrameCounts(received=1, waiting=1)


def test_no_frame_names_the_camera():
    with pytest.raises(NoFrameError, match="camera 'rear', found none"):
        store().take('rear')


@pytest.mark.parametrize('call', [
    lambda frames: frames.take('belly'),
    lambda frames: frames.counts('belly'),
    lambda frames: frames.reject('belly', 'size'),
    lambda frames: frames.put(frame(camera='belly')),
])  # fmt: skip
def test_an_unknown_camera_is_told_the_known_ones(call):
    with pytest.raises(UnknownCameraError, match="'front', 'rear', found 'belly'"):
        call(store())


@pytest.mark.parametrize('bad', [
    frame(shape=(3, 4)),
    frame(shape=(4, 3, 3)),
    frame(shape=(3, 4, 4)),
    frame(dtype=np.float32),
], ids=['grey', 'turned', 'four channels', 'floats'])  # fmt: skip
def test_pixels_that_do_not_fit_are_counted_and_refused(bad):
    frames = store()
    with pytest.raises(ImageError, match='expected uint8 pixels'):
        frames.put(bad)
    assert frames.counts() == FrameCounts(received=1, rejected={'layout': 1})


@pytest.mark.parametrize('names', [[], ['front', 'front']])
def test_cameras_have_different_names(names):
    with pytest.raises(ConfigError, match='each named once'):
        FrameStore(names)


def test_listeners_hear_of_good_frames_and_may_take_them():
    frames, heard = store(), []
    frames.add_listener(lambda camera: heard.append((camera, frames.take(camera).stamp_ns)))
    frames.put(frame(5, 'rear'))
    frames.reject('rear', 'size')
    assert heard == [('rear', 5)]


def test_many_threads_lose_no_frame():
    frames, rounds = store(), 300

    def film():
        for stamp_ns in range(rounds):
            frames.put(frame(stamp_ns))

    def look():
        for _ in range(rounds):
            frames.take()

    frames.put(frame())
    threads = [threading.Thread(target=work) for work in (film, film, look, look)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = frames.counts()
    assert counts.received == 2 * rounds + 1
    assert counts.received == counts.used + counts.superseded + counts.waiting


class Account(RuleBasedStateMachine):
    """Every frame's fate, kept one by one, against the store's sums."""

    def __init__(self):
        super().__init__()
        self.frames = store()
        self.fates = {'front': [], 'rear': []}

    @rule(camera=st.sampled_from(['front', 'rear']))
    def put(self, camera):
        fates = self.fates[camera]
        self.fates[camera] = ['superseded' if fate == 'waiting' else fate for fate in fates]
        self.fates[camera].append('waiting')
        self.frames.put(frame(camera=camera))

    @rule(camera=st.sampled_from(['front', 'rear']))
    def take(self, camera):
        seen = [fate for fate in self.fates[camera] if not fate.startswith('because')]
        if not seen:
            with pytest.raises(NoFrameError):
                self.frames.take(camera)
            return
        self.frames.take(camera)
        self.fates[camera] = ['used' if fate == 'waiting' else fate for fate in self.fates[camera]]

    @rule(camera=st.sampled_from(['front', 'rear']), reason=st.sampled_from(['size', 'file']))
    def reject(self, camera, reason):
        self.fates[camera].append(f'because {reason}')
        self.frames.reject(camera, reason)

    @invariant()
    def sums_agree(self):
        for camera, fates in self.fates.items():
            rejected = {
                reason: fates.count(f'because {reason}')
                for reason in ('size', 'file')
                if f'because {reason}' in fates
            }
            assert self.frames.counts(camera) == FrameCounts(
                received=len(fates),
                used=fates.count('used'),
                superseded=fates.count('superseded'),
                rejected=rejected,
                waiting=fates.count('waiting'),
            )


TestAccount = Account.TestCase
