"""Published files read as they are laid out: options for letters, polygons, units, bad rows."""

import base64
import csv
import json
import math

import cv2
import numpy as np
import pytest

from spatialllm_ros.errors import AnswerParseError, ConfigError, QuestionError
from spatialllm_ros.evaluation.answerers import BlindAnswerer, SessionAnswerer
from spatialllm_ros.evaluation.benchmarks.asking import ask_items
from spatialllm_ros.evaluation.benchmarks.catalogue import BENCHMARKS
from spatialllm_ros.evaluation.benchmarks.items import (
    TrueLength,
    TrueOption,
    TrueRegion,
)
from spatialllm_ros.evaluation.benchmarks.report import benchmark_report
from spatialllm_ros.evaluation.benchmarks.threedsrbench import parse_qid
from spatialllm_ros.evaluation.circular import Variant
from spatialllm_ros.geometry import guessed_camera
from spatialllm_ros.runtime.session import EncodedFrame, SpatialSession
from spatialllm_ros.scenes.import_report import Skipped
from spatialllm_ros.schema import Answer, AnswerKind, Frame, LocatedObject, Query

CAMERA = guessed_camera(100, 50, 1.0)
JPEG = cv2.imencode('.jpg', np.full((24, 32, 3), 90, np.uint8))[1].tobytes()
GOOD = {
    'index': '0', 'qid': 'VIN6MS3J', 'question': 'Is the "mug" higher?\nLook.', 'A': 'Yes',
    'B': ' No ', 'answer': 'B', 'category': 'height_higher', 'image': base64.b64encode(JPEG),
}  # fmt: skip


def said(**meaning) -> Answer:
    return Answer('', AnswerKind.TEXT, 1.0, 0, '', '', **meaning)


def table(path, rows, columns=(*GOOD, 'C', 'D')):
    texts = [{k: v.decode() if isinstance(v, bytes) else v for k, v in r.items()} for r in rows]
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, columns, dialect='excel-tab', extrasaction='ignore')
        writer.writeheader()
        writer.writerows(texts)
    return path


@pytest.mark.parametrize(
    ('qid', 'variant'),
    [
        ('VIN6MS3J', Variant('VIN6MS3J')),
        ('VIN6MS3J-2', Variant('VIN6MS3J', rotation=2)),
        ('VIN6MS3J-flip', Variant('VIN6MS3J', is_mirrored=True)),
        ('VIN6MS3J-flip-3', Variant('VIN6MS3J', is_mirrored=True, rotation=3)),
    ],
)
def test_a_qid_says_how_a_question_is_asked(qid, variant):
    assert parse_qid(qid) == variant


@pytest.mark.parametrize('qid', ['', 'VIN6', 'VIN6MS3J-', 'VIN6MS3J-1-flip', 'VIN6MS3J-flop'])
def test_other_qids_are_refused(qid):
    with pytest.raises(ConfigError, match='VIN6MS3J-flip-1'):
        parse_qid(qid)


def test_a_letter_becomes_the_text_of_its_option(tmp_path):
    (item,) = BENCHMARKS['3dsrbench'].read(table(tmp_path / 't.tsv', [GOOD]))
    assert item.query == Query('Is the "mug" higher?\nLook.', ('Yes', 'No'))
    assert item.truth == TrueOption(1)
    assert (item.type, item.image, item.row) == ('height_higher', JPEG, 'row 1 (VIN6MS3J)')


def test_a_row_may_point_at_the_image_of_another_by_its_index(tmp_path):
    other = base64.b64encode(cv2.imencode('.png', np.zeros((9, 9, 3), np.uint8))[1])
    images = {'10': '1000', '0': GOOD['image'], '11': '0', '1000': other}
    rows = [
        {**GOOD, 'index': index, 'qid': f'{number:08d}', 'image': image}
        for number, (index, image) in enumerate(images.items())
    ]
    items = BENCHMARKS['3dsrbench'].read(table(tmp_path / 't.tsv', rows))
    black = base64.b64decode(other)
    assert [item.image for item in items] == [black, JPEG, JPEG, black]


BAD = [
    ({'qid': 'VIN6MS3J-flip-x'}, 'qid like'),
    ({'category': 'height_lower'}, 'category of 3DSRBench'),
    ({'answer': 'C'}, 'answer of A to B'),
    ({'answer': ''}, 'answer of A to B'),
    ({'B': ''}, 'two or more different options'),
    ({'D': 'maybe'}, 'two or more different options'),
    ({'B': 'Yes'}, 'two or more different options'),
    ({'question': ' '}, 'a question in UTF-8'),
    ({'image': 'no base64!'}, 'image in base64'),
    ({'image': '4711'}, 'index of a row that has one'),
    ({'image': ''}, 'JPEG or PNG'),
    ({'image': base64.b64encode(JPEG[:-40])}, 'JPEG or PNG'),
    ({'qid': 'VIN6MS3J'}, 'found it again'),
]


def test_bad_rows_are_named_and_the_rest_is_scored(tmp_path):
    bad = [{**GOOD, 'qid': f'{n:08d}', **change} for n, (change, _) in enumerate(BAD)]
    path = table(tmp_path / 't.tsv', [GOOD, *bad, {**GOOD, 'qid': 'LASTROW1'}])

    def answer(_, queries):
        return [said(choice=1), QuestionError('too long')][: len(queries)]

    asked = ask_items(BENCHMARKS['3dsrbench'].read(path), answer, answer)
    report = benchmark_report('m', '3dsrbench', asked)
    assert report.seen.pooled['plain'].share == 1
    assert report.rows == {'height_higher': 2}
    assert len(report.skipped) == len(BAD)
    for number, (change, reason) in enumerate(BAD):
        qid = change.get('qid', f'{number:08d}')
        own = [skip for skip in report.skipped if skip.where == f'row {number + 2} ({qid})']
        assert len(own) == 1, (change, report.skipped)
        assert reason in own[0].why
    text = report.text()
    assert f'{len(BAD)} rows skipped' in text
    assert 'and 3 more' in text


def test_a_download_cut_short_costs_one_row(tmp_path):
    path = table(tmp_path / 't.tsv', [GOOD, {**GOOD, 'qid': 'VIN6MS3J-1'}])
    path.write_bytes(path.read_bytes()[:-300])
    whole, cut = BENCHMARKS['3dsrbench'].read(path)
    asked = ask_items(iter([whole, cut]), lambda *_: [said(choice=1)], lambda *_: [said()])
    assert [skip.where for skip in asked.skipped] == ['row 2 (VIN6MS3J-1)']
    assert [trial.is_right for trial in asked.seen] == [True]


@pytest.mark.parametrize('benchmark', BENCHMARKS)
def test_a_file_that_is_not_there_is_one_error(benchmark, tmp_path):
    with pytest.raises(ConfigError, match='nothing-here'):
        list(BENCHMARKS[benchmark].read(tmp_path / 'nothing-here'))


def test_a_table_of_another_layout_is_one_error(tmp_path):
    path = table(tmp_path / 't.tsv', [GOOD], columns=('question', 'A', 'answer', 'qid'))
    with pytest.raises(ConfigError, match='B, category, image'):
        list(BENCHMARKS['3dsrbench'].read(path))


@pytest.mark.parametrize('column', ['task', 'category'])
def test_cv_bench_has_tasks_and_no_qid(column, tmp_path):
    row = {**GOOD, 'index': '7', 'A': 'lamp', 'B': 'table', column: 'Depth', 'prompt': 'p'}
    columns = ['index', 'question', 'A', 'B', 'answer', 'image', column, 'prompt']
    (item,) = BENCHMARKS['cv-bench-3d'].read(table(tmp_path / 't.tsv', [row], columns))
    assert (item.type, item.variant) == ('Depth', Variant('7'))
    assert (item.query.options, item.truth) == (('lamp', 'table'), TrueOption(1))


def test_robospatial_home_asks_for_yes_no_and_places(tmp_path):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images/a.jpg').write_bytes(JPEG)
    own = {'img': 'images/a.jpg', 'depth_image': None, 'mask': None}
    square = '[(0.2, 0.2), (0.6, 0.2), (0.6, 0.8), (0.2, 0.8)]'
    entries = [
        {**own, 'category': 'compatibility', 'question': 'Can it fit?', 'answer': 'No'},
        {**own, 'category': 'context', 'answer': square,
         'question': 'Pinpoint the free space. Your answer should be a list of tuples.'},
        {**own, 'category': 'context', 'question': 'Where?', 'answer': '[(0.2, 0.2)]'},
        {**own, 'category': 'context', 'question': 'Where?', 'answer': '__import__("os")'},
        {**own, 'category': 'context', 'question': 'Where?', 'answer': 'Yes', 'img': 'no.jpg'},
        'nothing',
    ]  # fmt: skip
    path = tmp_path / 'annotations.json'
    path.write_text(json.dumps(entries))
    closed, place, *skipped = BENCHMARKS['robospatial-home'].read(path)
    assert (closed.query, closed.truth) == (Query('Can it fit?', ('yes', 'no')), TrueOption(1))
    assert place.query == Query('Pinpoint the free space.')
    assert place.truth == TrueRegion(((0.2, 0.2), (0.6, 0.2), (0.6, 0.8), (0.2, 0.8)))
    assert [skip.where for skip in skipped if isinstance(skip, Skipped)] == [
        'entry 2', 'entry 3', 'entry 4', 'entry 5',
    ]  # fmt: skip


def test_q_spatial_lengths_come_in_many_units(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(JPEG)
    own = {'question': 'How wide?', 'question_type': 'width', 'image_path': 'a.jpg'}
    lines = [
        {**own, 'answer_value': 50, 'answer_unit': 'cm'},
        {**own, 'answer_value': 10.0, 'answer_unit': 'Feet'},
        {**own, 'answer_value': 3, 'answer_unit': 'cubits'},
        {**own, 'answer_value': 0, 'answer_unit': 'm'},
        {**own, 'answer_value': 1, 'answer_unit': 'm', 'image_path': 'b.jpg'},
    ]
    path = tmp_path / 'q.jsonl'
    path.write_text('\n'.join([*map(json.dumps, lines), '{']))
    half, ten_feet, *skipped = BENCHMARKS['q-spatial'].read(path)
    assert half.truth == TrueLength(0.5)
    assert ten_feet.truth.length_m == pytest.approx(3.048)
    assert [skip.where for skip in skipped] == ['line 3', 'line 4', 'line 5', 'line 6']


@pytest.mark.parametrize(
    ('answer', 'is_right', 'error'),
    [
        (said(number=3.0, unit='m'), True, 0.5),
        (said(number=1.1, unit='m'), True, 0.45),
        (said(number=4.0, unit='m'), False, 1.0),
        (said(number=1.0, unit='m'), False, 0.5),
        (said(number=0.0, unit='m'), False, 1.0),
        (said(number=2.0, unit='degrees'), False, math.inf),
        (said(), False, math.inf),
        (None, False, math.inf),
    ],
)
def test_a_length_may_be_wrong_by_a_factor_below_two(answer, is_right, error):
    found = TrueLength(2.0).judge(answer, CAMERA)
    assert found.is_right is is_right
    assert found.error == pytest.approx(error)


@pytest.mark.parametrize(
    ('pixel', 'is_inside'),
    [((19.5, 9.5), True), ((40, 20), True), ((18, 20), False), ((40, 41), False)],
)
def test_a_place_is_right_inside_its_polygon(pixel, is_inside):
    # Of a 100x50 image: columns 19.5 to 59.5, rows 9.5 to 39.5, in pixel centres.
    region = TrueRegion(((0.2, 0.2), (0.6, 0.2), (0.6, 0.8), (0.2, 0.8)))
    place = LocatedObject((0, 0, 1), pixel, None)
    assert region.judge(said(pose=place), CAMERA).is_right is is_inside
    assert not region.judge(said(), CAMERA).is_right
    assert not region.judge(None, CAMERA).is_right


def test_options_are_judged_by_what_was_chosen():
    assert TrueOption(1).judge(said(choice=1), CAMERA).is_right
    for other in (said(choice=0), said(), None):
        assert not TrueOption(1).judge(other, CAMERA).is_right


def test_the_median_error_is_over_all_numbers_the_missing_ones_too(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(JPEG)
    line = {'question': 'How wide?', 'question_type': 'width', 'image_path': 'a.jpg',
            'answer_value': 2, 'answer_unit': 'm'}  # fmt: skip
    path = tmp_path / 'q.jsonl'
    path.write_text('\n'.join([json.dumps(line)] * 3))
    answers = [said(number=3.0, unit='m'), said(number=2.0, unit='m'), QuestionError('unknown')]
    asked = ask_items(BENCHMARKS['q-spatial'].read(path), lambda *_: answers, lambda *_: answers)
    report = benchmark_report('m', 'q-spatial', asked)
    assert report.median_relative_error == {'width': 0.5}
    assert report.unanswered == {'width': 1}
    assert report.seen.types['width']['plain'].share == pytest.approx(2 / 3)


class AbsenceSayer:
    """A session that would rather say that there is no mug, and finds a second option likelier."""

    def encode(self, frame):
        return EncodedFrame(frame, 0.0, None)

    def answer_batch(self, encoded, requests):
        garbled = AnswerParseError('expected words, found "there is no 7"')
        outcomes = [said(), said(choice=0), said(), garbled, garbled]
        return outcomes[: len(requests)]

    def option_logs(self, encoded, queries):
        return [np.log([0.1, 0.2, 0.7]) for _ in queries]


def test_a_benchmark_takes_no_absence_for_an_answer():
    frame = Frame(np.zeros((4, 4, 3), np.uint8), CAMERA, 0, '', '')
    either, far = Query('a?', ('mug', 'car')), Query('how far?')
    *answers, none = SessionAnswerer(AbsenceSayer())(frame, [either, either, far, either, far])
    assert [answer.choice for answer in answers] == [1, 0, None, 1]
    assert [answer.text for answer in answers] == ['car', '', '', 'car']
    assert isinstance(none, AnswerParseError)


def test_a_session_answers_with_the_image_and_without(tmp_path):
    photo = cv2.imencode('.png', np.random.default_rng(0).integers(0, 255, (48, 64, 3)))[1]
    row = {**GOOD, 'question': 'which is closer to the camera, the mug or the car?', 'A': 'mug',
           'B': 'car', 'image': base64.b64encode(photo)}  # fmt: skip
    turned = {**row, 'qid': 'VIN6MS3J-1', 'A': 'car', 'B': 'mug', 'answer': 'A'}
    long = {**row, 'qid': 'TOOLONG1', 'question': 'mug ' * 400}
    path = table(tmp_path / 't.tsv', [row, turned, long])
    session = SpatialSession.load('nano', threads=1)
    frames = []

    def seeing(frame, queries):
        frames.append(frame)
        return SessionAnswerer(session)(frame, queries)

    items = BENCHMARKS['3dsrbench'].read(path)
    asked = ask_items(items, seeing, BlindAnswerer(session), fov_rad=1.0)
    (frame,) = frames
    assert frame.camera.calibrated
    assert [trial.is_answered for trial in asked.seen] == [True, True, False]
    query = Query(row['question'], ('mug', 'car'))
    for encoded, trials in (
        (session.encode(frame), asked.seen),
        (session.encode_blind(frame), asked.blind),
    ):
        (logs,) = session.option_logs(encoded, [query])
        says_car = logs[1] > logs[0]
        assert [trial.is_right for trial in trials] == [says_car, says_car, False]
