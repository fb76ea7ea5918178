"""The GPU page: a dry run from end to end, and a page that says nothing that was not executed."""

import json
import re
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation import gpu_run, static_layer
from spatialllm_ros.evaluation.gpu_clock import Device, Limits
from spatialllm_ros.evaluation.gpu_page import (
    COMPILED,
    GENERATE,
    GRAPH,
    NOT_RUN,
    SECTIONS,
    GpuResult,
    Row,
    page,
    read_result,
    write_page,
    write_result,
)
from spatialllm_ros.evaluation.gpu_run import GpuRun, run_gpu
from spatialllm_ros.evaluation.gpu_subjects import subjects
from spatialllm_ros.evaluation.gpu_torch import torch_parts

RESULTS = Path('docs/results')

pytestmark = pytest.mark.usefixtures('one_thread')


def cells(text: str) -> dict[tuple[str, str], list[str]]:
    """Return the cells of the page's tables by model and engine, their precision left out."""
    found = {}
    for model, heading in SECTIONS.items():
        section = text.split(f'## {heading}\n')[1].split('\n## ', 1)[0]
        for line in section.strip().splitlines()[2:]:
            engine, _, *values = (cell.strip() for cell in line.strip('|').split('|'))
            found[model, engine] = values
    return found


def test_the_committed_page_is_made_of_the_committed_result():
    assert (RESULTS / 'gpu.md').read_text() == page(read_result(RESULTS / 'gpu.json'))


def test_a_page_of_nothing_says_so_everywhere():
    text = page(GpuResult())
    values = cells(text)
    assert len(values) >= 12
    assert {cell for row in values.values() for cell in row} == {NOT_RUN}
    assert all(fact.endswith(f'| {NOT_RUN} |') for fact in re.findall(r'^\| [dvcmp].*', text)[:6])


def test_cells_are_what_a_hand_calculates():
    fast = Row('8b', 'torch', 'bfloat16', prefix_s=0.02, step_s={'1': 0.005, '8': 0.0061},
               memory_share=0.84, gap=0.0123)  # fmt: skip
    slow = Row('8b', GENERATE, 'bfloat16', step_s={'1': 0.03})
    values = cells(page(GpuResult('a GPU').with_row(fast).with_row(slow)))
    assert values['8b', 'torch'] == [
        '-', '20.000', '-', '5.000', '-', '-', '6.100', '-', '6.0', '84 %', '-', '1.2e-02',
    ]  # fmt: skip
    assert set(values['1b', 'torch']) == {NOT_RUN}


def test_a_result_is_read_as_it_was_written(tmp_path):
    result = GpuResult('a GPU', {'torch': '2'}, '2026-01-02', 'python x', Limits(1e12, 2e14))
    result = result.with_row(Row('nano', 'torch', 'bfloat16', step_s={'1': 0.1})).without('y: z')
    write_result(result, tmp_path)
    assert read_result(tmp_path / 'gpu.json') == result
    assert (tmp_path / 'gpu.md').read_text() == page(result)
    assert '* y: z' in page(result)


def test_a_page_of_a_folder_without_a_result_says_that_nothing_ran(tmp_path):
    write_page(read_result(tmp_path / 'new' / 'gpu.json'), tmp_path / 'new')
    assert (tmp_path / 'new' / 'gpu.md').read_text() == page(GpuResult())


@pytest.mark.parametrize('text', ['{', '[]', '{"rows": []}'])
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / 'gpu.json').write_text(text)
    with pytest.raises(ConfigError, match='delete it'):
        read_result(tmp_path / 'gpu.json')


def test_without_a_gpu_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ConfigError, match='--dry-run'):
        run_gpu(GpuRun(Path('models/nano'), tmp_path / 'out', 'x'), print)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ('change', 'named'), [({'repeats': 0}, 'repeat'), ({'out': Path('setup.py/x')}, 'setup.py')]
)
def test_what_could_keep_no_result_is_refused_before_it_runs(tmp_path, monkeypatch, change, named):
    began: list[str] = []
    part = ('first', lambda: Row('nano', 'torch', 'float32'))
    monkeypatch.setattr(gpu_run, '_parts', lambda *_: iter([part]))
    run = GpuRun(Path('models/nano'), tmp_path, 'x', is_dry=True)
    with pytest.raises(ConfigError, match=named):
        run_gpu(replace(run, **change), began.append)
    assert not began


def test_parts_that_fail_or_come_too_late_leave_the_others(tmp_path, monkeypatch):
    def broken():
        raise RuntimeError('no kernel for this')

    row = Row('nano', 'torch', 'float32')
    parts = [('first', broken), ('second', lambda: row)]
    monkeypatch.setattr(gpu_run, '_parts', lambda *_: iter(parts))
    run = GpuRun(Path('models/nano'), tmp_path, 'x', is_dry=True)
    result = run_gpu(run, lambda _: None)
    assert result.rows == (row,)
    assert result.off == ('first: RuntimeError: no kernel for this',)
    assert read_result(tmp_path / 'gpu.json') == result
    late = run_gpu(replace(run, minutes=0), lambda _: None)
    assert late.rows == ()
    assert late.off == ('first: the time was over', 'second: the time was over')


def test_a_row_of_calls_begins_anew_each_time():
    clock = Device('here', False, 3)
    order: list[str] = []
    clock.seconds(lambda: order.append('call'), times=2, before=lambda: order.append('before'))
    assert order == ['before', 'call', 'call'] * 4


def test_a_dry_run_computes_what_transformers_does(tmp_path, monkeypatch, capsys):
    out = tmp_path / 'gpu'
    monkeypatch.setattr(sys, 'argv', ['export/bench_gpu.py', '--dry-run', '--out', str(out)])
    runpy.run_path('export/bench_gpu.py', run_name='__main__')
    result = read_result(out / 'gpu.json')
    assert json.loads((out / 'gpu.json').read_text())['device'] == 'dry run on a CPU'
    found = {(row.model, row.engine): row for row in result.rows}
    assert {model for model, _ in found} == set(SECTIONS)
    for row in result.rows:
        assert set(row.step_s) >= {'1', '2', '4'}, row
        if row.engine.startswith('torch'):
            assert row.gap < 1e-4, row
    assert ('nano', 'onnx') in found
    shown = capsys.readouterr().out
    assert 'wrote' in shown
    assert all(f'off: {words}' in shown for words in result.off)
    assert {words.split(',')[0] for words in result.off} <= {'nano'}


def test_a_wrong_step_of_a_compiled_decoder_shows_in_its_gap(monkeypatch):
    device = Device('here', False, 1)
    subject = subjects(Path('models/nano'), device)['1b']()
    parts = dict(torch_parts(subject, device, Limits(1e12, 2e14)))
    monkeypatch.setattr(static_layer, '_summed_attention', lambda queries, *_: queries)
    assert parts[COMPILED]().gap > 0.01
    assert parts[GRAPH]().gap < 1e-4


def test_a_dry_run_never_replaces_the_page(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['bench_gpu.py', '--dry-run'])
    with pytest.raises(SystemExit):
        runpy.run_path('export/bench_gpu.py', run_name='__main__')
    assert 'name another --out' in capsys.readouterr().err
