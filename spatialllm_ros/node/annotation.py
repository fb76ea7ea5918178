"""The topic of annotated images: drawn while somebody looks, on a thread of its own."""

from __future__ import annotations

import array
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Thread

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage

from spatialllm_ros.node.annotation_drawing import draw_answers, jpeg_file
from spatialllm_ros.node.annotation_words import Answered
from spatialllm_ros.node.messages import answer_header
from spatialllm_ros.schema import Answer, Frame, Query

TOPIC = '~/annotated/compressed'
JPEG_QUALITY = 85
MOST_ANSWERS = 4
"""Drawn into one image; older ones go."""
LEAST_PERIOD_S = 0.1
"""Between two drawings, so that many questions leave the CPU to the model."""
WARNING_PERIOD_S = 1.0


@contextmanager
def left_out_if_it_fails(node: Node) -> Iterator[None]:
    """Log what cannot be drawn, whatever the reason, and go on: the next one may be fine."""
    try:
        yield
    except Exception as error:
        node.get_logger().warning(
            f'a picture of an answer is left out: {error!r}',
            throttle_duration_sec=WARNING_PERIOD_S,
        )


class AnnotatedImages:
    """Publishes the image of the last answer with all newer answers about the same image.

    Only the newest is drawn: an image that is overtaken by the next one is left out.
    """

    def __init__(self, node: Node) -> None:
        """Offer the topic."""
        self._node = node
        self._publisher = node.create_publisher(CompressedImage, TOPIC, 1)
        self._changed = Condition()
        self._frame: Frame | None = None  # this and what follows is guarded by the condition
        self._answers: deque[Answered] = deque(maxlen=MOST_ANSWERS)
        self._is_new, self._is_closing = False, False
        self._thread = Thread(target=self._work, name='annotation', daemon=True)
        self._thread.start()

    def show(self, frame: Frame, query: Query, answer: Answer) -> None:
        """Have an answer drawn soon, if anybody looks; returns at once, from any thread."""
        if not self._publisher.get_subscription_count():
            return
        with self._changed:
            if frame is not self._frame:
                self._frame = frame
                self._answers.clear()
            self._answers.append(Answered(query, answer))
            self._is_new = True
            self._changed.notify()

    def close(self) -> None:
        """Withdraw the topic; nothing may be shown any more."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()
        self._node.destroy_publisher(self._publisher)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_new or self._is_closing)
                if self._is_closing or self._frame is None:
                    return
                frame, answers, self._is_new = self._frame, list(self._answers), False
            with left_out_if_it_fails(self._node):
                self._publish(frame, answers)
            with self._changed:
                self._changed.wait_for(lambda: self._is_closing, LEAST_PERIOD_S)

    def _publish(self, frame: Frame, answers: list[Answered]) -> None:
        file = jpeg_file(draw_answers(frame, answers), JPEG_QUALITY)
        message = CompressedImage(header=answer_header(answers[-1].answer), format='jpeg')
        message.data = array.array('B', file)  # others are checked byte by byte
        self._publisher.publish(message)
