"""What must fail does so before torch is imported, which takes seconds."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hizumi.cli import app
from hizumi.errors import UsageError
from hizumi.registry import find_detectors, find_models
from hizumi.registry.names import Kind, names_of, refuse_unknown_preset
from hizumi.training.preset import made

RUN = """
import sys
from hizumi.cli import main
try:
    main(sys.argv[1:])
finally:
    print(sorted({"torch", "sklearn", "scipy"} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "missing.hizumi", "data"],
        ["inspect", "missing.hizumi", "data"],
        ["calibrate", "missing.hizumi", "--rule", "quantile"],
        ["export", "missing.hizumi"],
        ["info", "missing.hizumi"],
        ["model", "sample", "missing.hizumi"],
    ],
    ids=" ".join,
)
def test_a_missing_bundle_is_named_before_torch_is_imported(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "Error: missing.hizumi: cannot be read: No such file or directory\n"
    assert done.stdout == "[]\n"


WRONG = {
    "fit nowhere": "nowhere: there is no such file or folder",
    "fit digts": "did you mean 'digits'?",
    "fit digits -d vae": "'vae' is a model, and no detector",
    "fit digits -d gnomaly": "no detector is called 'gnomaly'; did you mean ganomaly",
    "fit digits -d ganomaly --preset fats": "GANomaly has no preset 'fats'; it has fast",
    "fit digits -d pca --preset papers": "PCA has no preset 'papers'; it has none",
    "fit digits --image-size big": "--image-size big is no size",
    "fit digits --window 3": "--window 3 is no window",
    "fit digits --rule conformall": "there is no threshold rule 'conformall'",
    "fit digits --false-alarm-rate 2": "--false-alarm-rate is '2'; give a number from 0 to 1",
    "fit digits --calibration-share 1.5": "--calibration-share is 1.5",
    "fit digits --folds 1": "--folds",
    "fit digits --steps 0": "--steps",
    "fit digits --batch-size 0": "--batch-size",
    "fit digits --seed -1": "--seed",
    "model sample {file} --seed 18446744073709551616": "--seed",
    "fit digits --set latent": "--set latent is no setting",
    "fit digits -o parts": "--output parts is no name for a detector",
    "fit digits --resume --restart": "exclude each other",
    "evaluate {file} nowhere": "nowhere: there is no such file or folder",
    "inspect {file} nowhere": "nowhere: there is no such file or folder",
    "inspect {file} ~nobody/parts": "~nobody/parts: there is no such file or folder",
    "inspect {file} no1 no2": "no1: there is no such file or folder",
    "compare nowhere": "nowhere: there is no such file or folder",
    "compare digits -d pca,gnomaly": "no detector is called 'gnomaly'",
    "compare digits --seeds 0": "--seeds",
    "compare digits -d ,": "--detectors is empty",
    "compare digits -d pca,padim": "no detector is called 'padim'",
    "compare digits -d ganomaly,pca --preset patchcore": "GANomaly has no preset 'patchcore'",
    "calibrate {file}": "nothing to change",
    "calibrate {file} --rule best": "there is no threshold rule 'best'",
    "calibrate {file} --labelled nowhere": "nowhere: there is no such file or folder",
    "export {file} --data nowhere": "nowhere: there is no such file or folder",
    "model train vea digits": "no model is called 'vea'; did you mean veegan or vae",
    "model train pca digits": "'pca' is a detector, and no model",
    "model train vae digits --preset big": "VAE has no preset 'big'; it has fast",
    "model train vae nowhere": "nowhere: there is no such file or folder",
    "model train vae digits --targets nowhere": "nowhere: there is no such file or folder",
    "model sample {file} -n 0": "--count",
    "model reconstruct {file} nowhere out": "nowhere: there is no such file or folder",
    "model likelihood {file} nowhere": "nowhere: there is no such file or folder",
    "model evaluate {file} nowhere": "nowhere: there is no such file or folder",
    "model walk {file} --data nowhere": "nowhere: there is no such file or folder",
    "figure ring": "there is no figure 'ring'; there are taxonomy",
    "figure --data nowhere": "nowhere: there is no such file or folder",
    "figure pairs --effort 0": "--effort is 0",
    "reproduce mnist": "--data, the folder with its files",
    "reproduce mnist --data nowhere": "--data nowhere: there is no such folder",
    "reproduce mnist --data . -d gnomaly": "no detector is called 'gnomaly'",
    "reproduce mnist --data .": "there is no protocol 'mnist'; there are",
    "reproduce kdd99 --data . --classes 11": "kdd99 has no class '11'",
    "reproduce kdd99 --data . --seeds 0": "--seeds",
    "fit digits -o file.hizumi/parts.hizumi": "cannot write",
    "fit digits --json file.hizumi/told.json": "cannot write",
    "inspect {file} digits --json file.hizumi/told.json": "cannot write",
    "inspect {file} digits --csv file.hizumi/told.csv": "cannot write",
    "inspect {file} digits --json folder": "cannot write folder: that is a folder; name a file in it",
    "inspect {file} digits --csv new/told.csv": "is not a hizumi bundle",
    "inspect {file} digits --maps file.hizumi/maps": "cannot write",
    "evaluate {file} digits -o file.hizumi": "cannot write",
    "evaluate {file} digits --json file.hizumi/a/b.json": "cannot write",
    "compare digits -o file.hizumi/report": "cannot write",
    "compare digits --json file.hizumi/told.json": "cannot write",
    "calibrate {file} --rule quantile -o file.hizumi/other.hizumi": "cannot write",
    "export {file} -o file.hizumi/other.hizumi": "cannot write",
    "info {file} --json file.hizumi/told.json": "cannot write",
    "demo -o file.hizumi": "cannot write",
    "model sample {file} -o file.hizumi/samples": "cannot write",
    "model reconstruct {file} digits file.hizumi/rows.csv": "cannot write",
    "model walk {file} -o file.hizumi": "cannot write",
    "model likelihood {file} digits --csv file.hizumi/told.csv": "cannot write",
    "figure pairs -o file.hizumi": "cannot write",
    "reproduce kdd99 --data . -o file.hizumi": "cannot write",
}

RUN_ALL = """
import json, sys
from hizumi.cli import main
for line in json.load(sys.stdin):
    try:
        main(line.split())
    except SystemExit as ended:
        sys.stderr.write(f"{ended.code} {line}\\n")
print(sorted({"torch", "sklearn", "scipy"} & set(sys.modules)))
"""


def test_wrong_paths_and_options_are_named_before_torch_is_imported(tmp_path: Path) -> None:
    (tmp_path / "file.hizumi").write_bytes(b"not read")
    (tmp_path / "folder").mkdir()
    lines = [line.format(file="file.hizumi") for line in WRONG]
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout == "[]\n"
    printed = done.stderr.splitlines()
    codes = [1 if words.startswith("cannot write") else 2 for words in WRONG.values()]
    assert printed[1::2] == [f"{code} {line}" for code, line in zip(codes, lines, strict=True)]
    for said, words in zip(printed[::2], WRONG.values(), strict=True):
        assert said.startswith("Error: ")
        assert words in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.hizumi", "folder"]


@pytest.mark.parametrize(("kind", "found"), [("detector", find_detectors()), ("model", find_models())])
def test_names_read_from_files_are_those_that_the_registry_finds(kind: Kind, found: dict[str, Any]) -> None:
    assert list(names_of(kind)) == list(found)
    for name, each in found.items():
        for preset in each.presets:
            refuse_unknown_preset(preset, name, kind)
        with pytest.raises(UsageError) as expected:
            made(each, "none such")
        with pytest.raises(UsageError) as read:
            refuse_unknown_preset("none such", name, kind)
        assert str(read.value) == str(expected.value)


def test_sigterm_ends_as_ctrl_c_does_with_a_status_of_its_own(hizumi, monkeypatch):
    monkeypatch.setattr(app, "app", lambda **_: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    outcome = hizumi("info", "any")
    assert (outcome.code, outcome.err) == (143, "Interrupted.\n")
    assert signal.getsignal(signal.SIGTERM) is before
