"""Files to write are refused when a command line is read, before anything is computed."""

from argparse import ArgumentParser, ArgumentTypeError

import pytest

from spatialllm_ros.output_files import output_file, output_folder


def test_the_folder_is_made_and_nothing_is_left_in_it(tmp_path):
    path = tmp_path / 'new' / 'scores.json'
    assert output_file(str(path)) == path
    assert list(path.parent.iterdir()) == []


def test_an_earlier_file_is_not_touched(tmp_path):
    path = tmp_path / 'scores.json'
    path.write_text('earlier')
    assert output_file(str(path)) == path
    assert path.read_text() == 'earlier'


def test_folders_and_files_below_files_are_refused(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(ArgumentTypeError, match='found the folder'):
        output_file(str(tmp_path))
    with pytest.raises(ArgumentTypeError, match=r'expected to write .*file.x, found .*; name'):
        output_file(str(tmp_path / 'file' / 'x'))


def test_a_folder_may_be_there_or_not_and_is_not_made_yet(tmp_path):
    new = tmp_path / 'new' / 'run'
    assert output_folder(str(new)) == new
    assert not new.exists()
    new.mkdir()
    assert output_folder(str(new)) == new
    assert list(new.iterdir()) == []


def test_files_and_folders_below_files_are_refused(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(ArgumentTypeError, match=r'found the file .*file$'):
        output_folder(str(tmp_path / 'file'))
    for below in ('x', 'x/y'):
        with pytest.raises(ArgumentTypeError, match=r'expected to write .*x.*, found .*; name'):
            output_folder(str(tmp_path / 'file' / below))


@pytest.mark.parametrize('check', [output_file, output_folder])
def test_names_that_no_disk_takes_are_refused(check, tmp_path):
    with pytest.raises(ArgumentTypeError, match=r'too long.*; name another'):
        check(str(tmp_path / ('x' * 300)))


def test_a_command_line_says_which_option_is_meant(tmp_path, capsys):
    parser = ArgumentParser()
    parser.add_argument('--json', type=output_file)
    with pytest.raises(SystemExit):
        parser.parse_args(['--json', str(tmp_path)])
    assert 'argument --json: expected a file to write' in capsys.readouterr().err
