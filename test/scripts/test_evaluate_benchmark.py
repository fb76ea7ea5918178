"""A benchmark's file in, a table and JSON out, by the script alone."""

import base64
import json
import runpy
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / 'training/evaluate_benchmark.py'
IMAGE = base64.b64encode(cv2.imencode('.png', np.zeros((6, 8, 3), np.uint8))[1]).decode()
HEADER = 'index\tqid\tquestion\tA\tB\tanswer\tcategory\timage'
ROWS = [
    f'0\tVIN6MS3J\twhich is higher?\tmug\tcar\tA\theight_higher\t{IMAGE}',
    f'1\tVIN6MS3J-1\twhich is higher?\tcar\tmug\tB\theight_higher\t{IMAGE}',
    '2\tOTHERONE\twhich is higher?\tcar\tmug\tB\theight_higher\tno image',
]


def run_script(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', [str(SCRIPT), *map(str, arguments)])
    runpy.run_path(str(SCRIPT), run_name='__main__')


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / 'bench.tsv'
    path.write_text('\n'.join([HEADER, *ROWS]))
    return path


def test_scores_are_printed_and_written(table, tmp_path, monkeypatch, capsys):
    path = tmp_path / 'out' / 'scores.json'
    run_script(monkeypatch, 'random', '3dsrbench', table, '--json', path)
    found = json.loads(path.read_text())
    assert found['rows'] == {'height_higher': 2}
    assert [skip['where'] for skip in found['skipped']] == ['row 3 (OTHERONE)']
    share = found['seen']['types']['height_higher']['plain']['share']
    assert share in (0, 0.5, 1)
    printed = capsys.readouterr().out
    assert f'height_higher{100 * share:38.1f}' in printed
    assert 'row 3 (OTHERONE): expected an image in base64' in printed


def test_a_model_on_a_server_is_asked_with_and_without_the_image(table, monkeypatch, capsys):
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
            *pictures, words = body['messages'][1]['content']
            asked.append((body['model'], len(pictures), words['text']))
            message = {'content': 'A' if pictures else 'B'}  # right of the first row, and wrong
            self.send_response(200)
            self.end_headers()
            choice = {'message': message, 'finish_reason': 'stop'}
            self.wfile.write(json.dumps({'choices': [choice]}).encode())

        def log_message(self, *_):
            pass

    with HTTPServer(('127.0.0.1', 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f'http://127.0.0.1:{server.server_address[1]}/v1'
        run_script(monkeypatch, 'big', '3dsrbench', table, '--remote', url)
        server.shutdown()
    first, second = 'which is higher?\nA. mug\nB. car', 'which is higher?\nA. car\nB. mug'
    assert sorted(asked) == [('big', n, words) for n in (0, 1) for words in (second, first)]
    printed = capsys.readouterr().out
    assert printed.startswith('big on 3dsrbench')
    assert '2 rows asked, 0 of them left unanswered' in printed


@pytest.mark.parametrize(
    ('arguments', 'complaint'),
    [
        (['random', '3dsrbench', 'nothing-here'], 'nothing-here: expected a readable table'),
        (['random', 'cv-bench-3d', '{table}', '--fov-deg', 180], '0 to 180 degrees, found 180'),
        (['nothing-here', '3dsrbench', '{table}'], 'training/train.py'),
        (['big', '3dsrbench', '{table}', '--remote', 'host'], 'expected the URL of a server'),
    ],
)
def test_mistakes_end_in_one_sentence(arguments, complaint, table, monkeypatch):
    given = [str(argument).format(table=table) for argument in arguments]
    with pytest.raises(SystemExit, match=complaint):
        run_script(monkeypatch, *given)
