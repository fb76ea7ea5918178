"""Asks the node about what its camera sees now, and shows what it says beside what is true.

ros2 run spatialllm_ros demo_questioner
ros2 run spatialllm_ros demo_questioner --node /robot/spatialllm

The questions are those that come with the images on ``camera/truth``, or a few of its own where
nothing comes. In a terminal it then takes yours.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence

from rclpy.utilities import remove_ros_args
from std_msgs.msg import String

from spatialllm_ros.demo.ask_client import AskClient, Reply, end_by_exception
from spatialllm_ros.demo.declaring import declared
from spatialllm_ros.demo.screen import Tally, answer_line, verdict
from spatialllm_ros.demo.truth_book import TruthBook
from spatialllm_ros.errors import AnswerTimeoutError, SceneError, SpatialLLMError
from spatialllm_ros.evaluation.scoring import judge
from spatialllm_ros.node.messages import StatusCode
from spatialllm_ros.node.node_names import add_node_option
from spatialllm_ros.schema import Answer, AnswerKind, QuestionRecord

TRUTH_TOPIC = 'camera/truth'
"""Where the demo's camera of the same namespace says what is true."""
QUESTIONS, QUESTIONS_IN_TERMINAL = 24, 8
FEWEST_ANSWERED = 5 / 6
"""Share of the questions that the node must answer for the demo to have succeeded."""
NODE_TIMEOUT_S, IMAGE_TIMEOUT_S = 60.0, 30.0
TRUTH_TIMEOUT_S = 5.0
"""Twice what DDS may take to bring a new subscriber and a publisher together."""
TELL_S = 3.0
"""A camera that takes longer than this is told to be waited for."""
BETWEEN_TRIES_S = 0.1

STANDARD_QUESTIONS = tuple(
    QuestionRecord('', '', question, options, '')
    for question, options in (
        ('is there a person in view?', ('yes', 'no')),
        ('how many cars are in view?', ()),
        ('is there a chair in view?', ('yes', 'no')),
        ('how many balls are in view?', ()),
    )
)
"""Asked where nobody says what is true."""

PARAMETERS = {
    'questions': (
        0,
        f'how many to ask; 0 for {QUESTIONS_IN_TERMINAL} in a terminal and {QUESTIONS} elsewhere',
    ),
    'period_s': (1.0, 'from one question to the next'),
}


class Questioner:
    """Asks one question after the other."""

    def __init__(self, client: AskClient) -> None:
        """Ask by a client, whose node has the parameters.

        Raises:
            ConfigError: one of them cannot be used.
        """
        self._client = client
        questions, self._period_s = declared(client.node, PARAMETERS)
        self._in_terminal = sys.stdin is not None and sys.stdin.isatty()
        self._wanted = questions or (QUESTIONS_IN_TERMINAL if self._in_terminal else QUESTIONS)
        self._times_asked: Counter[tuple[str, str]] = Counter()
        self._tally = Tally()
        self._book = TruthBook()
        client.node.create_subscription(String, TRUTH_TOPIC, self._on_truth, 10)

    def run(self) -> int:
        """Ask all questions and return the exit status.

        Raises:
            AnswerTimeoutError: the node or its camera does not come, or the node falls silent.
        """
        self._wait_until_ready()
        try:
            self._ask_all()
            if self._in_terminal:
                self._take_questions()
        except KeyboardInterrupt:
            self._wanted = self._tally.asked
        print(f'\n{self._tally.summary()}', flush=True)
        return 0 if self._tally.answered >= FEWEST_ANSWERED * self._wanted else 1

    def _on_truth(self, message: String) -> None:
        try:
            self._book.add(message.data)
        except SceneError as error:
            self._client.node.get_logger().warning(str(error), throttle_duration_sec=1.0)

    def _wait_until_ready(self) -> None:
        """Wait for the node, its first image and the truth that may come with it."""
        self._client.wait_for_node(NODE_TIMEOUT_S)
        first = STANDARD_QUESTIONS[0]
        began_s, is_told = time.monotonic(), False
        while (reply := self._ask(first)).status in (StatusCode.NO_FRAME, StatusCode.BUSY):
            waited_s = time.monotonic() - began_s
            if waited_s > IMAGE_TIMEOUT_S:
                raise AnswerTimeoutError(f'{reply.message}; gave up after {IMAGE_TIMEOUT_S:g} s')
            if waited_s > TELL_S and not is_told:
                is_told = True
                print(f'Waiting: {reply.message}', flush=True)
            time.sleep(BETWEEN_TRIES_S)
        self._book.newest(TRUTH_TIMEOUT_S)

    def _ask_all(self) -> None:
        due_s = time.monotonic()
        for number in range(1, self._wanted + 1):
            time.sleep(max(0.0, due_s - time.monotonic()))
            due_s = max(time.monotonic(), due_s + self._period_s)
            self._ask_and_show(number)

    def _ask_and_show(self, number: int) -> None:
        record = self._least_asked()
        print(f'{number:3d}  {record.question}', flush=True)
        reply = self._ask(record)
        is_right = self._is_right(record, reply)
        self._tally.count(reply, is_right)
        print(f'     {answer_line(reply, verdict(record, is_right))}', flush=True)

    def _least_asked(self) -> QuestionRecord:
        truth = self._book.newest()
        records = STANDARD_QUESTIONS if truth is None else truth.questions
        record = min(records, key=lambda one: self._times_asked[one.scene_id, one.question])
        self._times_asked[record.scene_id, record.question] += 1
        return record

    def _ask(self, record: QuestionRecord) -> Reply:
        return self._client.ask(record.question, record.options)

    def _is_right(self, record: QuestionRecord, reply: Reply) -> bool | None:
        """Judge an answer; None where the image that it speaks of does not show that world."""
        if reply.status != StatusCode.OK:
            return None
        stamp = reply.answer.header.stamp
        truth = self._book.about((stamp.sec, stamp.nanosec))
        if truth is None or record not in truth.questions:
            return None
        choice = reply.answer.choice if reply.answer.choice >= 0 else None
        answer = Answer(
            reply.answer.text, AnswerKind(reply.answer.kind), reply.answer.confidence,
            stamp_ns=0, frame_id='', camera_name='', choice=choice,
        )  # fmt: skip
        return judge(record, answer).is_right

    def _take_questions(self) -> None:
        print('\nYour own questions, a line each (Ctrl-D ends):')
        while True:
            try:
                question = input('> ').strip()
            except EOFError:
                return
            if question:
                ask_aloud(self._client, question)


def ask_aloud(client: AskClient, question: str, options: Sequence[str] = ()) -> bool:
    """Ask, show the answer as it is written, and tell whether there was one."""

    def show(text: str) -> None:
        print(f'\r  {text}', end='', flush=True)

    reply = client.ask(question, options, on_text=show)
    print(f'\r  {answer_line(reply)}', flush=True)
    return reply.status == StatusCode.OK


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, and return the exit status."""
    given = sys.argv if arguments is None else [sys.argv[0], *arguments]
    parser = argparse.ArgumentParser(
        prog='demo_questioner', description='Ask one question after the other.', allow_abbrev=False
    )
    add_node_option(parser)
    target = parser.parse_args(remove_ros_args(given)[1:]).node
    end_by_exception()
    with AskClient('demo_questioner', arguments, target=target) as client:
        try:
            return Questioner(client).run()
        except SpatialLLMError as error:
            print(f'demo_questioner: {error}', file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 0


if __name__ == '__main__':
    sys.exit(main())
