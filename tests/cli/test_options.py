"""Each command has its own options and those of its groups, and refuses wrong ones before it reads data."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from hizumi.cli import app as app_module, options
from hizumi.data import source
from hizumi.errors import UsageError

SIZING = {
    "--image-size": None,
    "--tiles": False,
    "--window": None,
    "--nodata": None,
    "--fill-nan": False,
    "--pixel-limit": None,
}
INSPECTOR = {
    "--false-alarm-rate": 0.01,
    "--rule": "conformal",
    "--calibration-share": None,
    "--folds": None,
    "--preset": None,
    "--motion": None,
    "--align": False,
}
TRAINING = dict.fromkeys(
    ["--steps", "--epochs", "--max-time", "--patience", "--batch-size", "--accumulation"], None
) | {"--precision": "32-true", "--accelerator": "cpu"}
RUN = {
    "--track": None,
    "--seed": 0,
    "--devices": 1,
    "--num-nodes": 1,
    "--resume": False,
    "--restart": False,
    "--strict": False,
    "--dry-run": False,
    "--json": None,
}
SOURCE = {
    "--normal-class": None,
    "--good": None,
    "--layout": "auto",
    "--recursive": True,
    "--channels": None,
    "--series": False,
    "--length": None,
    "--overlap": None,
    "--time-column": None,
    "--group-column": None,
    "--date-order": None,
    "--resample": None,
    "--missing": None,
    "--label-column": None,
    "--id-column": None,
    "--ignore": None,
    "--columns": None,
    "--one-hot": False,
    "--impute": False,
}
VARIATION = dict.fromkeys(["--shifts", "--turns", "--flips", "--brightness"])
REGION = dict.fromkeys(["--roi", "--ignore-region"])
WORKPLACE = dict.fromkeys(["--on", "--cores"])
COSTS = dict.fromkeys(["--known-defects", "--cost-miss", "--cost-alarm", "--defect-share"])
OPTIONS = {
    "fit": {"--detector": "standard", "--output": "parts.hizumi", "--set": None}
    | SOURCE
    | SIZING
    | INSPECTOR
    | COSTS
    | VARIATION
    | REGION
    | TRAINING
    | RUN
    | WORKPLACE
    | {"--seeds": 1},
    "train": {
        "--output": "model.hizumi",
        "--set": None,
        "--targets": None,
        "--pairing": None,
        "--preset": None,
    }
    | SOURCE
    | SIZING
    | TRAINING
    | RUN
    | {"--on": None},
    "compare": {
        "--detectors": "standard,reconstruction,ganomaly,mahalanobis",
        "--output": "hizumi-compare",
        "--seeds": 1,
        "--resume": False,
        "--strict": False,
        "--json": None,
    }
    | SOURCE
    | SIZING
    | INSPECTOR
    | VARIATION
    | REGION
    | TRAINING
    | WORKPLACE,
    "tune": {
        "--detector": None,
        "--output": "best.hizumi",
        "--trials": 30,
        "--rounds": 3,
        "--objective": "drawn",
        "--search": None,
        "--storage": None,
        "--study": None,
        "--set": None,
        "--seed": 0,
        "--json": None,
    }
    | SOURCE
    | SIZING
    | INSPECTOR
    | VARIATION
    | REGION
    | TRAINING
    | WORKPLACE,
    "reproduce": {
        "--list": False,
        "--data": None,
        "--detectors": None,
        "--protocol": "both",
        "--budget": "short",
        "--seeds": 3,
        "--classes": None,
        "--output": "benchmarks/results/ledger",
        "--page": None,
        "--accelerator": "cpu",
        "--json": None,
    }
    | WORKPLACE,
}


@pytest.mark.parametrize("name", OPTIONS)
def test_commands_have_their_options_with_their_defaults(name):
    root = get_command(app_module.app)
    command = (root.commands["model"] if name == "train" else root).commands[name]
    found = {each.opts[0]: each.default for each in command.params if each.opts[0].startswith("--")}
    assert {option: str(default) for option, default in found.items()} == {
        option: str(default) for option, default in OPTIONS[name].items()
    }


def test_a_group_is_taken_apart_for_typer_and_put_together_again():
    @dataclass(frozen=True)
    class Place:
        heading: ClassVar[str] = "Where"

        left: Annotated[int, typer.Option(help="Pixels from the left.")] = 0
        flipped: Annotated[bool, typer.Option("--flipped", help="Upside down.")] = False

    seen = []
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    @options.grouped
    def draw(name: str, *, place: Place, count: int = 1) -> None:
        """Draw."""
        seen.append((name, place, count))

    result = CliRunner().invoke(app, ["box", "--left", "3", "--flipped"])
    assert result.exit_code == 0, result.output
    assert CliRunner().invoke(app, ["box", "--count", "2"]).exit_code == 0
    assert seen == [("box", Place(3, True), 1), ("box", Place(), 2)]
    assert CliRunner().invoke(app, ["box", "--left", "x"]).exit_code == 2


def test_options_of_training():
    plain = options.TrainingArguments().options()
    assert plain.budget is None
    given = options.TrainingArguments(epochs=3, patience=2, batch_size=4).options(seed=5)
    assert (given.budget.epochs, given.budget.steps, given.budget.patience) == (3, None, 2)
    assert (given.batch_size, given.seed) == (4, 5)


@pytest.mark.parametrize(
    "command",
    [
        ["fit", "digits", "-d", "reconstructon"],
        ["fit", "digits", "-d", "reconstruction", "--set", "smothing=2"],
        ["fit", "digits", "--image-size", "large"],
        ["fit", "digits", "--window", "wide"],
        ["fit", "digits", "--steps", "0"],
        ["fit", "digits", "--rule", "conformel"],
        ["fit", "digits", "--rule", "best-f1"],
        ["fit", "digits", "-d", "pca", "--rule", "chi-square"],
        ["fit", "digits", "--folds", "0"],
        ["fit", "digits", "--calibration-share", "2"],
        ["fit", "digits", "-d", "pca", "--preset", "slow"],
        ["fit", "digits", "--output", "."],
        ["fit", "digits", "--resume"],
        ["model", "train", "dcgan", "digits", "--set", "lattent=2"],
        ["model", "train", "dcgan", "digits", "--window", "5"],
        ["model", "train", "dcgan", "digits", "--output", "."],
        ["model", "train", "dcgan", "digits", "--resume"],
        ["compare", "digits", "--image-size", "large"],
        ["compare", "digits", "--window", "wide"],
        ["compare", "digits", "--epochs", "-1"],
        ["compare", "digits", "-d", "reconstruction,mahalanobiss"],
        ["compare", "digits", "--false-alarm-rate", "2"],
        ["compare", "digits", "-d", "reconstruction", "--preset", "slow"],
    ],
)
def test_arguments_are_refused_before_data_are_read(command, hizumi, tmp_path, monkeypatch):
    monkeypatch.setattr(source, "_opened", lambda *_: pytest.fail("data were read"))
    monkeypatch.chdir(tmp_path)
    outcome = hizumi(*command)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith("Error: ")


def test_image_sizes():
    assert options.parsed_image_size(None) is None
    assert options.parsed_image_size("64") == 64
    assert options.parsed_image_size("48x96") == (48, 96)
    for text in ("0", "4x", "1x2x3", "-4"):
        with pytest.raises(UsageError, match="is no size"):
            options.parsed_image_size(text)
