"""Calibration error and temperature, by hand and against a grid."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spatialllm_ros.errors import BundleError, ConfigError
from spatialllm_ros.evaluation import bundle_calibration
from spatialllm_ros.evaluation.asked_worlds import AskedWorld
from spatialllm_ros.evaluation.calibration import (
    ClosedAnswer,
    calibration_error,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
)
from spatialllm_ros.runtime.bundle import (
    ROLES,
    Bundle,
    DecoderSpec,
    FileEntry,
    ImageSpec,
    Manifest,
    SpecialTokens,
    parse_manifest,
)
from spatialllm_ros.schema import QuestionRecord


def answers(gap: float, right: int, wrong: int) -> list[ClosedAnswer]:
    """Return answers between two options, all with one gap between their log-probabilities."""
    logs = np.array([0.0, -gap])
    return [ClosedAnswer(logs, 0)] * right + [ClosedAnswer(logs, 1)] * wrong


def test_calibration_error_by_hand():
    confidences = [0.95, 0.91, 0.55, 0.52, 1.0]
    right = [True, False, True, True, True]
    # Bins of a tenth: |(0.95 + 0.91 + 1.0) - 2| and |(0.55 + 0.52) - 2|, over five answers.
    assert expected_calibration_error(confidences, right, bins=10) == pytest.approx(
        (0.86 + 0.93) / 5
    )


def test_errors_within_a_bin_make_up_for_each_other():
    assert expected_calibration_error([0.5] * 4, [True, False] * 2) == pytest.approx(0)
    assert expected_calibration_error([1.0] * 4, [True, False] * 2) == pytest.approx(0.5)
    assert math.isnan(expected_calibration_error([], []))


def test_calibration_error_at_a_temperature_by_hand():
    share = 1 / (1 + math.exp(-1.5))  # a gap of 3 at temperature 2
    found = calibration_error(answers(3.0, right=6, wrong=2), 2.0)
    assert found == pytest.approx(abs(share - 0.75))


def test_temperature_of_one_gap_by_hand():
    # The likeliest share of the first option is 3/4, so gap / temperature = ln 3.
    assert fit_temperature(answers(2.0, right=6, wrong=2)) == pytest.approx(2 / math.log(3))


def test_likelihood_by_hand():
    found = negative_log_likelihood(answers(2.0, right=1, wrong=1), 2.0)
    assert found == pytest.approx(math.log(1 + math.exp(-1)) + 0.5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.3, 4))
def test_fitted_temperature_is_the_best_of_a_grid(seed, truth):
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(40):
        logs = rng.normal(size=rng.integers(2, 5))
        shares = np.exp(logs) / np.exp(logs).sum()
        made.append(ClosedAnswer(logs * truth, int(rng.choice(len(logs), p=shares))))
    grid = np.geomspace(0.06, 19, 120)
    losses = [negative_log_likelihood(made, temperature) for temperature in grid]
    best = int(np.argmin(losses))
    assume(0 < best < len(grid) - 1)
    fitted = fit_temperature(made)
    assert grid[best - 1] < fitted < grid[best + 1]
    assert negative_log_likelihood(made, fitted) <= losses[best] + 1e-9


@pytest.mark.parametrize('one_sided', [[], answers(2.0, 5, 0), answers(2.0, 0, 5)])
def test_answers_that_fit_no_temperature_are_refused(one_sided):
    with pytest.raises(ConfigError, match='take more worlds'):
        fit_temperature(one_sided)


def record(answer: str, *options: str) -> QuestionRecord:
    return QuestionRecord('s', 'exist', f'what of the {answer}?', options, answer)


WORLD = AskedWorld(
    SimpleNamespace(),
    [
        *[record('yes', 'yes', 'no')] * 5,
        record('no', 'yes', 'no'),
        record('3.1 m'),
        record('there is no mug', 'crate', 'mug'),
    ],
)
LOGS = {'yes': [0.0, -2.0, -9.0], 'crate': [-2.0, -9.0, 0.0]}


class ScriptedSession:
    """Scores yes, and absence where a crate is an option."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def encode(self, frame):
        return frame

    def option_logs(self, encoded, queries):
        return [np.array(LOGS[query.options[0]]) for query in queries]


@pytest.fixture
def bundle(tmp_path, monkeypatch) -> Bundle:
    manifest = Manifest(
        'tiny', 10, ImageSpec(64, 48, 3, 4, 12, 0.5, 0.5), SpecialTokens(0, 1, 2, 3, 4, 5),
        DecoderSpec('static24', 24, 'float32', 64, 64, 1, 1, 8, 8, 9),
        {role: FileEntry(role, 1, 'f') for role in ROLES},
        training={'recipe': 'nano'},
    )  # fmt: skip
    made = Bundle(tmp_path, manifest)
    (tmp_path / 'manifest.json').write_text(manifest.to_json())
    monkeypatch.setattr(
        bundle_calibration.SpatialSession, 'load', lambda folder, threads: ScriptedSession(made)
    )
    monkeypatch.setattr(
        bundle_calibration, 'asked_worlds', lambda seeds, size: [WORLD] * len(seeds)
    )
    return made


def test_calibrating_a_bundle_keeps_the_temperature_in_its_manifest(bundle):
    found = bundle_calibration.calibrate_bundle(bundle.folder, 800_000_000, 3)
    assert (found.worlds, found.questions) == (3, 21)
    # Six of seven are right at a gap of two; what lies nine below hardly matters.
    assert found.temperature == pytest.approx(2 / math.log(6), abs=0.02)
    assert found.nats_after < found.nats_before
    manifest = parse_manifest((bundle.folder / 'manifest.json').read_text())
    assert manifest.temperature == found.temperature
    assert manifest.training['recipe'] == 'nano'
    assert manifest.training['calibration']['first_seed'] == 800_000_000
    assert manifest.files == bundle.manifest.files


@pytest.mark.parametrize('seed', [0, 799_999_999, 900_000_000])
def test_only_validation_worlds_calibrate(bundle, seed):
    with pytest.raises(ConfigError, match='800000000'):
        bundle_calibration.calibrate_bundle(bundle.folder, seed, 3)
    assert parse_manifest((bundle.folder / 'manifest.json').read_text()) == bundle.manifest


def test_a_full_disk_leaves_the_manifest_that_was_there(bundle, monkeypatch):
    write = Path.write_text

    def fail(path, text, **_):
        write(path, text[:99])
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(Path, 'write_text', fail)
    with pytest.raises(ConfigError, match=r'manifest\.json, found .*No space left'):
        bundle_calibration.calibrate_bundle(bundle.folder, 800_000_000, 3)
    assert parse_manifest((bundle.folder / 'manifest.json').read_text()) == bundle.manifest
    assert [path.name for path in bundle.folder.iterdir()] == ['manifest.json']


def test_a_bundle_that_was_replaced_meanwhile_keeps_its_manifest(bundle):
    path = bundle.folder / 'manifest.json'
    path.write_text(replace(bundle.manifest, name='new').to_json())
    with pytest.raises(BundleError, match='replaced meanwhile'):
        bundle_calibration.calibrate_bundle(bundle.folder, 800_000_000, 3)
    assert parse_manifest(path.read_text()).name == 'new'


def test_a_link_to_a_manifest_stays(bundle, tmp_path_factory):
    path = bundle.folder / 'manifest.json'
    elsewhere = tmp_path_factory.mktemp('sources') / 'manifest.json'
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    found = bundle_calibration.calibrate_bundle(bundle.folder, 800_000_000, 3)
    assert path.is_symlink()
    assert parse_manifest(elsewhere.read_text()).temperature == found.temperature
