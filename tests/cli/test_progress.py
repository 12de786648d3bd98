import numpy as np
import pytest

from hizumi.cli import progress, train
from hizumi.data import open_source
from hizumi.models import DCGAN, RowLSTM, UnrolledGAN


@pytest.fixture
def clock(monkeypatch):
    """Seconds that the test decides on."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def record(phase, share, **losses):
    return {"phase": phase, "step": 1, "share": share, "losses": losses}


def test_lines_tell_the_phase_the_losses_and_the_time_left(capsys, clock):
    with progress.shown_progress("ganomaly") as observe:
        for second in range(41):
            clock[0] = float(second)
            observe(record("training", second / 40, generator=0.5, discriminator=1 / 3))
        observe(record("scoring", 1.0))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "ganomaly: training   0%  generator 0.5  discriminator 0.3333",
        "ganomaly: training  25%  generator 0.5  discriminator 0.3333  30 s left",
        "ganomaly: training  50%  generator 0.5  discriminator 0.3333  20 s left",
        "ganomaly: training  75%  generator 0.5  discriminator 0.3333  10 s left",
        "ganomaly: training 100%  generator 0.5  discriminator 0.3333",
        "ganomaly: scoring 100%",
    ]


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress.shown_progress() as observe:
        observe(record("DCGAN", 0.5, generator=0.25))
        observe(record("DCGAN", 1.0, generator=0.125))
        observe(record("scoring", 0.5))
    shown = capsys.readouterr().err
    assert "DCGAN" in shown
    assert "100%" in shown
    assert "generator 0.125" in shown
    assert "scoring" in shown


def test_nothing_is_shown_of_nothing(capsys):
    with progress.shown_progress():
        pass
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


FEW = "Note: about 72 steps fit in, and this model usually takes some 3000: give it longer"
LONG = "Note: this will take about 2.1 h; "


@pytest.mark.parametrize(
    ("seconds", "shares", "usual", "cheaper", "said"),
    [
        (2.5, 1 / 72, 3000, "--preset fast", f"{FEW}, or take --preset fast."),
        (2.5, 1 / 72, 3000, "a smaller --image-size", f"{FEW}, or take a smaller --image-size."),
        (2.5, 1 / 72, 3000, "", f"{FEW}."),
        (2.5, 1 / 3000, 3000, "--preset fast", f"{LONG}--preset fast ends it sooner."),
        (2.5, 1 / 3000, 3000, "", f"{LONG}--max-time MINUTES ends it sooner."),
        (0.01, 1 / 3000, 3000, "--preset fast", ""),
        (2.5, 1 / 72, None, "--preset fast", ""),
    ],
)
def test_who_trains_too_short_or_very_long_is_told_early(capsys, clock, seconds, shares, usual, cheaper, said):
    observe = progress.foretelling(lambda record: None, usual, cheaper)
    observe(record("reading", 0.5))
    for step in range(1, 20):
        clock[0] += seconds
        observe({"phase": "1 DCGAN", "step": step, "share": step * shares, "losses": {"generator": 1.0}})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == bool(said)
    assert all(line.startswith(said) for line in lines)


@pytest.mark.parametrize(
    ("model", "data", "cheaper"),
    [
        (DCGAN(), np.zeros((4, 8, 8)), "--preset fast"),
        (RowLSTM(), np.zeros((4, 8, 8)), "a smaller --image-size"),
        (UnrolledGAN(), np.zeros((4, 3)), ""),
    ],
)
def test_a_model_without_the_preset_is_cheaper_on_smaller_images(model, data, cheaper):
    assert train._cheaper(model, open_source(data)) == cheaper
