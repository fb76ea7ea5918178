"""How several runs' curves are joined, by hand."""

import pytest

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.learning.curves import History, plot_history, read_history

FIRST = """\
10,train,images_per_s,5
10,validation,above,0.25
10,validation,below,0.75
20,train,images_per_s,7
20,validation,above,0.5
20,validation,below,0.7
"""
SECOND = """\
30,train,images_per_s,2
30,validation,above,1
30,validation,below,0.5
"""


@pytest.fixture
def runs(tmp_path):
    paths = [tmp_path / 'first.csv', tmp_path / 'second.csv']
    for path, text in zip(paths, (FIRST, SECOND), strict=True):
        path.write_text(text)
    return paths


def test_later_runs_count_the_views_of_earlier_ones(runs):
    history = read_history(runs, ['above', 'below'], views_per_step=[8], processes=3)
    assert history.views == (80, 160, 400)
    assert history.scores == pytest.approx((0.5, 0.6, 0.75))
    assert history.views_per_hour == 2 * 3 * 3600


def test_a_curve_without_the_types_is_refused(runs):
    with pytest.raises(ConfigError, match=r'first\.csv.*found none of beside'):
        read_history(runs, ['above', 'beside'], views_per_step=[8], processes=1)
    with pytest.raises(ConfigError, match='at least one run'):
        read_history([], ['above'], views_per_step=[8], processes=1)


def test_runs_may_learn_from_different_numbers_of_views_a_step(runs):
    history = read_history(runs, ['above', 'below'], views_per_step=[8, 100], processes=1)
    assert history.views == (80, 160, 160 + 3000)
    with pytest.raises(ConfigError, match='each of 2, found 3'):
        read_history(runs, ['above'], views_per_step=[8, 8, 8], processes=1)


@pytest.mark.parametrize('text', [None, 'a,b\n', '10,train,images_per_s,fast\n', '\x00\n'])
def test_what_is_no_curve_is_named(text, tmp_path):
    path = tmp_path / 'none.csv'
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=r'none\.csv: expected a curve\.csv, found'):
        read_history([path], ['above'], views_per_step=[8], processes=1)


def test_a_history_is_drawn_into_a_new_folder(tmp_path):
    plot_history(History((10, 20), (0.5, 0.75), 100.0), tmp_path / 'out' / 'history.png')
    assert (tmp_path / 'out' / 'history.png').stat().st_size > 1000
