import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DataError
from core.project.runs.config import LossOptions, TrainConfig
from core.project.runs.config_io import (
    changed_options,
    config_hash,
    preset,
    preset_description,
    preset_names,
    read_config,
    refuse_contradictions,
    refuse_missing_paths,
    value_of,
    with_settings,
    with_values,
    write_config,
)
from core.project.runs.option_rows import OptionRow, option_table, section_summary, sections

CONSENSUS = replace(TrainConfig(), loss=LossOptions(weighting="consensus"))


def values_of(row: OptionRow):
    """Right values of an option."""
    low = -1e6 if row.info.low is None else row.info.low
    high = 1e6 if row.info.high is None else row.info.high
    if row.kind == "list":
        entry = st.sampled_from(row.choices) if row.choices else st.sampled_from(["ace_0", "b"])
        return st.lists(entry, max_size=3, unique=True).map(tuple)
    if row.choices:
        return st.sampled_from(row.choices)
    if row.info.path:
        return st.sampled_from(["", "/data/file.pth"]) if row.info.path == "path" else st.just("x")
    kinds = {
        "bool": st.booleans(),
        "int": st.integers(int(low), int(high)),
        "float": st.floats(low, high),
        "text": st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=8),
    }
    return kinds[row.kind]


@st.composite
def configs(draw):
    rows = draw(st.lists(st.sampled_from(option_table()), max_size=8, unique=True))
    return with_values(TrainConfig(), {row.key: draw(values_of(row)) for row in rows})


@settings(deadline=None, max_examples=40)
@given(config=configs())
def test_any_configuration_comes_back_from_its_file(config, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "config.toml"
    write_config(path, config)
    assert read_config(path) == config


@settings(deadline=None, max_examples=40)
@given(config=configs())
def test_any_configuration_can_be_typed(config):
    def typed(value):
        return ",".join(value) if isinstance(value, tuple) else str(value)

    texts = [f"{row.key}={typed(value)}" for row, value in changed_options(config)]
    assert with_settings(TrainConfig(), texts) == config


def test_every_option_has_a_help_and_a_default_that_it_would_accept():
    for row in option_table():
        assert len(row.info.help) > 6, row.key
        default = list(row.default) if isinstance(row.default, tuple) else row.default
        assert row.from_toml(default, "defaults") == row.default
        assert type(value_of(TrainConfig(), row)) is type(row.default)


def test_every_section_says_what_it_is_about():
    assert all(section_summary(section) for section in sections())


def test_presets_differ_and_describe_themselves():
    names = preset_names()
    assert {"quick", "normal", "paper", "cpu"} <= set(names)
    assert len({config_hash(preset(name)) for name in names}) == len(names)
    assert all(preset_description(name).endswith(".") for name in names)


def test_the_papers_preset_says_what_the_paper_says():
    config = preset("paper")
    assert (config.loss.sigma_mm, config.loss.wss_threshold_mm) == (10.0, 20.0)
    assert (config.loss.weighting, config.loss.gradient) == ("pairwise", "full")
    assert (config.pretrain.learning_rate, config.finetune.learning_rate) == (1e-4, 1e-5)
    assert (config.finetune.labelled_groups, config.finetune.unlabelled_groups) == (8, 16)
    assert (config.model.input_height, config.model.input_width) == (320, 256)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("loss.weigthing=none", "loss.weighting"),
        ("los.weighting=none", "loss.weighting"),
        ("sigma_mm=3", "loss.sigma_mm"),
        ("loss.weighting=consensu", "consensus"),
        ("steps=3", "pretrain.steps or finetune.steps or lift.steps"),
        ("optimiser.learning_rat=3", "pretrain.learning_rate"),
        ("run.stages=pretrain,lft", "some of pretrain, finetune, lift, predict"),
        ("model.depth=52", "one of 50, 101"),
        ("run.amp=perhaps", "true or false"),
        ("run.amp=2.0", "true or false"),
        ("run.seed=1.5", "a whole number"),
        ("run.seed=-1", "0 or more"),
        ("augment.flip=1.1", "from 0 to 1"),
        ("augment.flip=nan", "from 0 to 1"),
        ("finetune.learning_rate=inf", "a number"),
        ("loss.sigma_mm", "section.key=value"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_was_meant(setting, told):
    with pytest.raises(DataError) as refused:
        with_settings(TrainConfig(), [setting])
    assert told in str(refused.value)
    assert "--set" in str(refused.value)


def test_the_last_setting_of_an_option_counts():
    config = with_settings(TrainConfig(), ["run.seed=1", " run.seed = 2 ", "run.amp=OFF"])
    assert (config.run.seed, config.run.amp) == (2, False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[los]\nweighting = 'none'", "Did you mean loss"),
        ("[loss]\nsigma = 3", "loss.sigma_mm"),
        ("[loss]\nsigma_mm = '3'", "a number"),
        ("[loss]\nsigma_mm = true", "a number"),
        ("[loss]\nsigma_mm = 1" + "0" * 400, "a number"),
        ("[run]\nseed = 1.0", "a whole number"),
        ("[run]\nstages = 'pretrain'", "some of"),
        ("[data]\ncameras = [1]", "a list of names"),
        ("loss = 3", "a table"),
        ("schema = 99", "newer trilabel"),
        ("[loss", "TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path, text, told):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(DataError) as refused:
        read_config(path)
    assert told in str(refused.value)
    assert "mine.toml" in str(refused.value)


@settings(deadline=None, max_examples=60)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_configuration_or_refused(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "config.toml"
    path.write_bytes(data)
    try:
        config = read_config(path)
    except DataError as error:
        told = str(error)
    else:
        told = str(path) if isinstance(config, TrainConfig) else ""
    assert str(path) in told


def test_a_file_changes_only_what_it_names(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("description = 'mine'\n[finetune]\nsteps = 7\n")
    config = read_config(path, CONSENSUS)
    assert config == replace(CONSENSUS, finetune=replace(CONSENSUS.finetune, steps=7))


def test_paths_of_a_file_are_taken_from_its_folder_and_names_stay_names(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        "[model]\nweights = 'nets/fast.pth'\nimage_weights = 'resnet'\n"
        "[data]\nprotocol = 'sportcenter'\nsource = '../set'\n"
    )
    config = read_config(path)
    assert config.model.weights == str(tmp_path / "nets" / "fast.pth")
    assert config.model.image_weights == str(tmp_path / "resnet")
    assert config.data.source == str(tmp_path.parent / "set")
    assert config.data.protocol == "sportcenter"


def test_typed_paths_are_taken_from_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = with_settings(TrainConfig(), ["model.weights=fast.pth"])
    assert config.model.weights == str(tmp_path / "fast.pth")
    run = with_settings(TrainConfig(), ["model.weights=20261123-014500-quick"])
    assert run.model.weights == "20261123-014500-quick"


def test_missing_files_are_refused_before_anything_starts(tmp_path):
    config = with_settings(TrainConfig(), [f"model.weights={tmp_path / 'absent.pth'}"])
    with pytest.raises(DataError, match=r"absent\.pth"):
        refuse_missing_paths(config)
    (tmp_path / "absent.pth").touch()
    refuse_missing_paths(config)


def test_an_unknown_preset_names_those_there_are():
    with pytest.raises(DataError, match="Did you mean quick"):
        preset("quik")


def test_the_hash_tells_configurations_apart_and_is_the_same_in_every_process():
    assert config_hash(CONSENSUS) != config_hash(TrainConfig())
    script = (
        "from core.project.runs.config import TrainConfig\n"
        "from core.project.runs.config_io import config_hash\nprint(config_hash(TrainConfig()))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == config_hash(TrainConfig())


def test_the_written_file_holds_every_option(tmp_path):
    write_config(tmp_path / "config.toml", TrainConfig())
    text = (tmp_path / "config.toml").read_text()
    for section, options in asdict(TrainConfig()).items():
        assert f"[{section}]" in text
        assert all(f"{name} = " in text for name in options)


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("loss.gradient", ("loss.teacher=true", "loss.gradient=frozen")),
        ("predict.weighting", ("predict.weighting=learned",)),
        ("model.image_weights", ("model.image_weights=x.pth", "model.image_branch=small")),
        ("finetune.labelled_groups", ("finetune.labelled_groups=0", "loss.unlabelled_weight=0")),
    ],
)
def test_options_that_cannot_go_together_are_refused(key, changes):
    refuse_contradictions(TrainConfig())
    with pytest.raises(DataError, match=key):
        refuse_contradictions(with_settings(TrainConfig(), changes))


def test_options_that_need_each_other_are_let_through():
    for changes in (
        ("predict.weighting=learned", "loss.weighting=learned"),
        ("finetune.labelled_groups=0",),
        ("finetune.labelled_groups=0", "loss.unlabelled_weight=0", "run.stages=pretrain"),
    ):
        refuse_contradictions(with_settings(TrainConfig(), changes))


@pytest.mark.parametrize("name", preset_names())
def test_no_preset_contradicts_itself(name):
    refuse_contradictions(preset(name))
