"""The bench on a tiny bundle: what is measured, what is off, and memory that does not grow."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spatialllm_ros.deploy.bundle_export import ExportSettings, export_bundle
from spatialllm_ros.deploy.precision import write_quantised
from spatialllm_ros.errors import ConfigError
from spatialllm_ros.evaluation import machine_limits
from spatialllm_ros.evaluation.bench import (
    Turn,
    arithmetic_share,
    bandwidth_share,
    bench_worlds,
    run_bench,
)
from spatialllm_ros.evaluation.bench_report import bench_table
from spatialllm_ros.evaluation.contestants import (
    QUESTIONS,
    WORDS,
    Generate,
    RunTime,
    decoder_bytes,
)
from spatialllm_ros.evaluation.machine_limits import (
    BLOCK_FLOATS,
    LimitProbe,
    MachineLimits,
    best_of,
)
from spatialllm_ros.evaluation.resident_memory import (
    LARGEST_GROWTH_BYTES,
    measure_growth,
    resident_bytes,
)
from spatialllm_ros.model.configuration import SpatialLLMConfig
from spatialllm_ros.model.spatialllm import SpatialLLMForConditionalGeneration
from spatialllm_ros.questions.vocabulary import build_tokenizer
from spatialllm_ros.runtime.bundle import load_bundle
from spatialllm_ros.runtime.cli import main
from spatialllm_ros.runtime.session import SpatialSession

HIDDEN, INNER, LAYERS = 32, 48, 2
LIMITS = MachineLimits(threads=1, bandwidth_bytes_per_s=2e10, arithmetic_per_s=1e11)


pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture(scope='module')
def bundles(tmp_path_factory):
    """Export a tiny model, and make an int8 bundle of it."""
    folder = tmp_path_factory.mktemp('bundles')
    tokenizer = build_tokenizer()
    tokenizer.save(str(folder / 'tokenizer.json'))
    torch.manual_seed(2)
    model = SpatialLLMForConditionalGeneration(
        SpatialLLMConfig(
            vision_configs=[{'model_type': 'spatialllm_vision', 'widths': [8, 8, 12],
                             'num_hidden_layers': 1, 'num_attention_heads': 2}],
            text_config={'model_type': 'llama', 'vocab_size': tokenizer.get_vocab_size(),
                         'hidden_size': HIDDEN, 'intermediate_size': INNER,
                         'num_hidden_layers': LAYERS, 'num_attention_heads': 2,
                         'tie_word_embeddings': True, 'bos_token_id': 2, 'eos_token_id': 3,
                         'pad_token_id': 0},
            image_size=(64, 48), image_grid=(3, 4),
        )
    )  # fmt: skip
    parent = export_bundle(
        model, folder / 'tokenizer.json', folder / 'tiny', ExportSettings('tiny')
    )
    (folder / 'int8').mkdir()
    write_quantised(parent, folder / 'int8', 'int8')
    return [parent, load_bundle(folder / 'int8')]


@pytest.fixture(scope='module')
def result(bundles):
    with pytest.MonkeyPatch.context() as patch:  # of one round and limits that do not change
        patch.setattr(LimitProbe, 'sample', lambda probe: LIMITS)
        return run_bench(bundles, ['onnx', 'tensorrt', 'torch'], rounds=1, threads=1)


def test_every_contestant_that_runs_has_a_row_and_the_others_a_reason(result):
    assert [(row.bundle, row.engine.split()[0]) for row in result.rows] == [
        ('tiny', 'onnx'), ('tiny', 'torch'), ('tiny-int8', 'onnx'), ('tiny', "transformers'"),
    ]  # fmt: skip
    reasons = dict(words.split(': ', 1) for words in result.off)
    assert set(reasons) == {'tiny in tensorrt', 'tiny-int8 in tensorrt', 'tiny-int8 in torch'}
    assert 'expected' in reasons['tiny-int8 in torch']


def test_shares_and_rates_follow_from_times_and_limits(result, bundles):
    row, limits = result.rows[0], LIMITS
    assert result.limits == LIMITS
    read_s = bundles[0].path('decoder').stat().st_size / limits.bandwidth_bytes_per_s
    assert row.bandwidth_share == pytest.approx(read_s / row.step_s['1'])
    # Four square matrices of attention and three of the perceptron, for the start and 12 tokens;
    # the graph's last layer has keys and values for all of them, and the rest for one.
    whole = 4 * HIDDEN**2 + 3 * HIDDEN * INNER
    picked = 13 * (LAYERS - 1) * whole + 13 * 2 * HIDDEN**2 + whole - 2 * HIDDEN**2
    for one, products in ((row, picked), (result.rows[1], 13 * LAYERS * whole)):
        share = 2 * products / limits.arithmetic_per_s / one.prefix_s
        assert one.arithmetic_share == pytest.approx(share)
    assert row.tokens_per_s == {n: n / row.step_s[str(n)] for n in (1, 2, 4, 8)}
    assert row.answer_p95_s >= row.answer_s > 0
    reference = result.rows[-1]
    assert reference.encode_s is reference.bandwidth_share is reference.answers_8_s is None
    assert reference.step_s == {}


def test_ratios_are_those_of_the_times(result):
    table = bench_table(result)
    lines = table[table.index('ratios') :].splitlines()[1:]
    float32, int8, reference = result.rows[0], result.rows[2], result.rows[-1]
    read_s = float32.encode_s + float32.prefix_s
    assert [float(cell) for cell in lines[0].split()[-4:]] == pytest.approx(
        [
            reference.answer_s / float32.answer_s,
            1,
            float32.answers_8_s / float32.answer_s,
            (read_s + float32.answers_8_s) / (read_s + float32.answer_s),
        ],
        abs=0.006,
    )
    assert float(lines[2].split()[-3]) == pytest.approx(
        float32.step_s['1'] / int8.step_s['1'], abs=0.006
    )
    assert lines[3].split()[-4:] == ['1.00', '-', '-', '-']


def test_each_round_has_a_world_of_its_own(bundles):
    worlds = bench_worlds(bundles[0], 6)
    assert len({world.frame.rgb.tobytes() for world in worlds}) == 6
    assert all(world.records for world in worlds)


def test_a_turn_times_each_step_as_often_as_it_is_done(bundles):
    (world,) = bench_worlds(bundles[0], 1)
    samples = RunTime(bundles[0], 'onnx', 1).turn(world)
    counts = {name: len(seconds) for name, seconds in samples.items()}
    asked = min(QUESTIONS, len(world.records))
    assert counts == {
        'encode': 1, 'prefix': 1, 'question': 1, 'answer': asked, 'answers_8': 1,
        **{f'decode_{n}': WORDS for n in (1, 2, 4, 8)},
    }  # fmt: skip
    assert {name: len(s) for name, s in Generate(bundles[0], 1).turn(world).items()} == {
        'answer': asked
    }


def test_batches_that_have_no_room_are_left_out(bundles):
    decoder = bundles[0].manifest.decoder
    (world,) = bench_worlds(bundles[0], 1)
    contestant = RunTime(bundles[0], 'onnx', 1)
    small = replace(bundles[0].manifest, decoder=replace(decoder, context=100))
    contestant.bundle = replace(bundles[0], manifest=small)
    names = set(contestant.turn(world))
    assert 'decode_2' in names
    assert 'decode_8' not in names


def test_weights_beside_a_graph_count_as_its_own(bundles):
    manifest = bundles[0].manifest
    entry = manifest.files['decoder']
    files = {**manifest.files, 'decoder.onnx.data': replace(entry, path='decoder.onnx.data')}
    large = replace(bundles[0], manifest=replace(manifest, files=files))
    assert decoder_bytes(bundles[0]) == entry.bytes
    assert decoder_bytes(large) == 2 * entry.bytes


def test_limits_are_the_best_of_the_samples(monkeypatch):
    seconds = iter([4.0, 1.0, 2.0, 1.0, 8.0, 4.0])  # of copying, reading, multiplying; twice
    monkeypatch.setattr(machine_limits, '_seconds', lambda call: next(seconds))
    probe = LimitProbe(threads=1)
    limits = best_of([probe.sample(), probe.sample()])
    assert limits.bandwidth_bytes_per_s == 2 * 4 * BLOCK_FLOATS
    assert limits.arithmetic_per_s == 2 * 1024**3 / 2


def test_threads_share_one_block_of_memory():
    reads = [block[0].size for block in LimitProbe(threads=3)._blocks]
    assert sum(reads) == BLOCK_FLOATS
    assert max(reads) - min(reads) <= 1


def test_a_word_is_held_against_the_limit_of_its_own_turn():
    # 100 bytes take 1, 2 and 4 s at their moment's limit; words took twice, twice, and four times
    # that. Best limit against median word would be 1 s of 4.
    turns = [
        Turn({'decode_1': [2.0, 1.0, 9.0], 'prefix': [10.0]}, MachineLimits(2, 100.0, 10.0)),
        Turn({'decode_1': [4.0], 'prefix': [10.0]}, MachineLimits(2, 50.0, 5.0)),
        Turn({'decode_1': [16.0], 'prefix': [10.0]}, MachineLimits(2, 25.0, 20.0)),
    ]
    assert bandwidth_share(100, turns) == 0.5
    assert arithmetic_share(50, turns) == 0.5  # of 0.5, 1.0 and 0.25
    assert arithmetic_share(0, turns) is None
    assert bandwidth_share(100, [Turn({'answer': [1.0]}, MachineLimits(2, 1.0, None))]) is None


def test_command_prints_writes_and_draws(bundles, tmp_path, capsys):
    folder = str(bundles[0].folder)
    files = tmp_path / 'out' / 'bench.json', tmp_path / 'out' / 'bench.png'
    options = ['--rounds', '1', '--threads', '1', '--engine', 'onnx']
    assert main(['bench', folder, *options, '--json', str(files[0]), '--plot', str(files[1])]) == 0
    plain = json.loads(files[0].read_text())
    out = capsys.readouterr().out
    for row in plain['rows']:
        assert row['engine'] in out
        assert f'{1e3 * row["answer_s"]:.2f}' in out
    assert files[1].read_bytes()[:4] == b'\x89PNG'


@pytest.mark.parametrize('option', ['--json', '--plot'])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_timed(
    bundles, tmp_path, capsys, option
):
    (tmp_path / 'file').touch()
    with pytest.raises(SystemExit):
        main(['bench', str(bundles[0].folder), option, str(tmp_path / 'file' / 'x')])
    told = capsys.readouterr()
    assert 'expected to write' in told.err
    assert not told.out


def test_table_says_what_is_unknown(result):
    limits = replace(result.limits, arithmetic_per_s=None)
    row = replace(result.rows[0], arithmetic_share=None)
    table = bench_table(replace(result, limits=limits, rows=[row]))
    assert 'float32 products unknown' in table
    assert table.count('off: ') == len(result.off)


def test_without_torch_the_rest_is_timed_and_the_reason_told(bundles, tmp_path):
    """In an interpreter where torch, transformers and matplotlib cannot be imported."""
    program = (
        'import sys, importlib.machinery\n'
        "lost = {'torch', 'transformers', 'onnx', 'matplotlib'}\n"
        'class Gone:\n'
        '    def find_spec(self, name, path=None, target=None):\n'
        "        if name.split('.')[0] in lost:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        'sys.meta_path.insert(0, Gone())\n'
        'import importlib.util\n'
        'found = importlib.util.find_spec\n'
        'importlib.util.find_spec = lambda name, *rest: None if name in lost else found(name)\n'
        'from spatialllm_ros.runtime.cli import main\n'
        'sys.exit(main(sys.argv[1:]))'
    )
    plot = tmp_path / 'bench.png'
    arguments = [bundles[0].folder, '--rounds', '1', '--threads', '1', '--plot', plot]
    engines = ['--engine', 'onnx', 'torch']
    run = subprocess.run(
        [sys.executable, '-c', program, 'bench', *map(str, arguments), *engines],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert 'tiny (float32, static24), onnx on CPU, 1 threads' in run.stdout
    assert 'off: generate with the weights of tiny: expected the training env' in run.stdout
    assert 'off: tiny in torch: ' in run.stdout
    assert 'off: the plot: expected matplotlib' in run.stdout
    assert not plot.exists()


@pytest.mark.parametrize(
    ('rounds', 'engines', 'words'),
    [(0, ['onnx'], 'found 0 and 1'), (1, ['tensorrt'], 'found none: tiny-int8 in tensorrt')],
)
def test_nothing_to_time_is_refused(bundles, rounds, engines, words):
    with pytest.raises(ConfigError, match=words):
        run_bench(bundles[1:], engines, rounds, threads=1)


def test_resident_memory_is_that_of_this_process():
    before = resident_bytes()
    held = np.ones(2**24, np.float32)
    assert resident_bytes() - before == pytest.approx(held.nbytes, rel=0.1)


def test_memory_stays_the_same_over_hundreds_of_questions(bundles, capsys):
    folder = str(bundles[0].folder)
    command = ['bench', folder, '--engine', 'onnx', '--threads', '1', '--questions-memory']
    assert main([*command, '600']) == 0
    assert 'tiny in onnx on CPU, 1 threads: 600 questions about ' in capsys.readouterr().out
    assert main([*command, '10']) == 1
    assert 'so that all that is asked about comes within the first 20 %' in capsys.readouterr().err


class Forgetful(SpatialSession):
    """Keeps something of every frame."""

    kept: list[np.ndarray] = []  # noqa: RUF012

    def encode(self, frame):
        self.kept.append(np.ones(2**18))
        return super().encode(frame)


def test_memory_that_grows_is_noticed(bundles):
    session = Forgetful.load(bundles[0].folder, threads=1)
    found = measure_growth(session, bench_worlds(bundles[0], 4), 600)
    assert not found.is_flat
    kept = math.floor(0.7 * found.frames) * 2**21
    assert found.end_bytes - found.warm_bytes > kept > LARGEST_GROWTH_BYTES
    assert found.questions == 600
