import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hizumi.cli import main
from hizumi.data import decode, open_source
from hizumi.generation import Modeller, load

TRAIN = ["--steps", "20", "--batch-size", "8", "--set", "width=8"]


@pytest.fixture(scope="session")
def trained(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VAE of the good parts; never changed."""
    path = tmp_path_factory.mktemp("model") / "vae.hizumi"
    with pytest.raises(SystemExit) as left:
        main(["model", "train", "vae", str(parts), "-o", str(path), *TRAIN, "--set", "latent=4"])
    assert not left.value.code
    return path


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two columns and a class."""
    path = tmp_path_factory.mktemp("table") / "sizes.csv"
    rng = np.random.default_rng(0)
    rows = [f"{rng.normal(100, 5):.3f},{rng.normal(2, 0.1):.4f},{'ab'[number % 2]}" for number in range(60)]
    path.write_text("\n".join(["width,height,label", *rows]))
    return path


def test_train_writes_a_model_and_pictures_of_its_training(hizumi, parts, tmp_path):
    path = tmp_path / "new" / "gan.hizumi"
    outcome = hizumi("model", "train", "dcgan", parts, "-o", path, *TRAIN, "--json", "-")
    assert outcome.code == 0
    result = outcome.json
    assert (result["name"], result["training_images"]) == ("dcgan", 40)
    assert result["options"]["model"]["arguments"]["width"] == 8
    assert "hizumi model sample" in outcome.err
    modeller = load(path)
    assert modeller.model_.width == 8
    run = path.with_suffix(".run")
    assert sorted(file.name for file in run.iterdir()) == ["request.json", "step-000020.png"]
    assert np.asarray(Image.open(run / "step-000020.png")).shape[:2] == (8 * 66 + 2, 8 * 66 + 2)


def test_the_same_training_gives_the_same_samples(hizumi, parts, tmp_path):
    for name in "ab":
        assert hizumi("model", "train", "dcgan", parts, "-o", tmp_path / f"{name}.hizumi", *TRAIN).code == 0
    first, second = (load(tmp_path / f"{name}.hizumi").sample(5) for name in "ab")
    np.testing.assert_array_equal(first, second)


def test_dry_run_writes_nothing(hizumi, parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = hizumi("model", "train", "dcgan", parts, *TRAIN, "--dry-run", "--json", "plan.json")
    assert outcome.code == 0
    assert "The training would take about" in outcome.out
    assert json.loads((tmp_path / "plan.json").read_text())["estimate"]["steps"] == 20
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_an_interrupted_training_is_resumed_only_by_the_same_command(hizumi, parts, tmp_path, monkeypatch):
    command = ["model", "train", "dcgan", parts, "-o", tmp_path / "gan.hizumi", *TRAIN]

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Modeller, "fit", interrupted)
        outcome = hizumi(*command)
    assert outcome.code == 130
    assert "There was no checkpoint yet: to begin anew" in outcome.err
    outcome = hizumi(*command, "--resume", "--set", "latent=3")
    assert outcome.code == 2
    assert "begun with another model" in outcome.err
    assert hizumi(*command, "--resume").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dcgn"], "no model is called 'dcgn'; did you mean dcgan?"),
        (["dcgan", "--set", "lattent=2"], "dcgan has no setting 'lattent'"),
        (["dcgan", "--set", "latent"], "NAME=VALUE"),
        (["dcgan", "--set", "latent=0"], "dcgan: latent is 0; it must be a whole number of at least 1"),
        (["dcgan", "--set", "latent=abc"], "dcgan: latent is 'abc'; it must be a whole number of at least 1"),
        (["dcgan", "--set", "learning_rate=-1"], "dcgan: learning_rate is -1; it must be a number above 0"),
        (["vae", "--set", "bound=elbow"], "did you mean 'elbo'?"),
        (["dcgan", "--set", "pairing.noise=1"], "no pairing to set noise of"),
        (["dcgan", "--image-size", "large"], "is no size"),
        (["dcgan", "--steps", "0"], "--steps is '0'; give a whole number of at least 1"),
        (["dcgan", "--output", "."], "is no name for a model"),
        (["dcgan", "--resume"], "holds no run to resume"),
        (["pix2pix"], "two sets of images are needed"),
        (["pix2pix", "--pairing", "denois"], "no pairing is called 'denois'"),
        (["pix2pix", "--pairing", "denoise", "--set", "pairing.sigma=1"], "denoise has no setting 'sigma'"),
    ],
)
def test_wrong_arguments_are_named_before_the_training(arguments, said, hizumi, parts, tmp_path, monkeypatch):
    monkeypatch.setattr(Modeller, "fit", lambda *_, **__: pytest.fail("the training began"))
    monkeypatch.chdir(tmp_path)
    name, *others = arguments
    outcome = hizumi("model", "train", name, parts, *others)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith("Error: ")
    assert said in outcome.err
    assert not list(tmp_path.glob("*.hizumi"))


def test_samples_are_files_and_a_sheet(hizumi, trained, tmp_path):
    outcome = hizumi("model", "sample", trained, "-n", "5", "--seed", "3", "-o", tmp_path / "out")
    assert outcome.code == 0
    expected = load(trained).sample(5, seed=3)
    for number in range(5):
        np.testing.assert_array_equal(decode(tmp_path / "out" / f"sample-{number:05d}.png").pixels, expected[number])
    assert np.asarray(Image.open(tmp_path / "out" / "sheet.png")).shape == (68, 5 * 66 + 2, 3)
    fewer = hizumi("model", "sample", trained, "-n", "4", "-o", tmp_path / "out")
    assert fewer.code == 2
    assert "holds samples of another call, which would stay among these 4: sample-00004 and on" in fewer.err
    assert hizumi("model", "sample", trained, "-n", "5", "-o", tmp_path / "out").code == 0


def test_reconstructions_keep_names_and_sizes(hizumi, trained, parts, tmp_path):
    folder = tmp_path / "in"
    shutil.copytree(parts / "test" / "good", folder / "train" / "good")
    Image.new("L", (40, 20), 90).save(folder / "train" / "good" / "wide.png")
    outcome = hizumi("model", "reconstruct", trained, folder, tmp_path / "out")
    assert outcome.code == 0
    assert "understood as images, whatever their folders: 11 unlabelled" in outcome.out
    made = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png"))
    assert made == sorted(["sheet.png", "train/good/wide.png", *(f"train/good/{number}.png" for number in range(10))])
    assert decode(tmp_path / "out" / "train" / "good" / "wide.png").pixels.shape == (20, 40, 1)


def test_images_of_one_stem_do_not_overwrite_each_other(hizumi, trained, parts, tmp_path):
    image = Image.open(parts / "test" / "good" / "0.png")
    (tmp_path / "in").mkdir()
    image.save(tmp_path / "in" / "a.png")
    image.save(tmp_path / "in" / "a.bmp")
    image.save(tmp_path / "in" / "sheet.png")
    assert hizumi("model", "reconstruct", trained, tmp_path / "in", tmp_path / "out").code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.png", "a.png.png", "sheet.png.png", "sheet.png"}
    assert decode(tmp_path / "out" / "sheet.png.png").pixels.shape[:2] == image.size[::-1]


def test_rows_in_rows_out(hizumi, table, tmp_path):
    path = tmp_path / "rows.hizumi"
    assert hizumi("model", "train", "vae", table, "-o", path, *TRAIN).code == 0
    assert hizumi("model", "sample", path, "-n", "7", "-o", tmp_path / "out").code == 0
    made = open_source(tmp_path / "out" / "samples.csv")
    assert made.columns == ("width", "height")
    np.testing.assert_allclose(made.arrays, load(path).sample(7))
    assert hizumi("model", "reconstruct", path, table, tmp_path / "r.csv").code == 0
    np.testing.assert_allclose(open_source(tmp_path / "r.csv").arrays, np.stack(load(path).reconstruct(table)))
    outcome = hizumi("model", "walk", path)
    assert outcome.code == 2
    assert "walks cannot be drawn" in outcome.err


def test_made_rows_have_the_words_of_the_table_that_was_learned_from(hizumi, tmp_path):
    generator = np.random.default_rng(0)
    words, lengths = generator.choice(["red", "blue"], 60), generator.normal(5, 1, 60)
    lengths[::4] = np.nan
    rows = [f"{word},{'' if np.isnan(length) else length}" for word, length in zip(words, lengths, strict=True)]
    (tmp_path / "rows.csv").write_text("colour,length\n" + "\n".join(rows), encoding="utf-8")
    path = tmp_path / "vae.hizumi"
    assert hizumi("model", "train", "vae", tmp_path / "rows.csv", "-o", path, "--one-hot", "--impute", *TRAIN).code == 0
    assert hizumi("model", "sample", path, "-n", "30", "-o", tmp_path / "made.csv").code == 0
    assert hizumi("model", "reconstruct", path, tmp_path / "rows.csv", tmp_path / "rebuilt.csv").code == 0
    fitted = load(path)
    assert fitted.options_["columns"][:4] == ["colour=blue", "colour=red", "colour=other", "length"]
    numbers = {"made.csv": fitted.sample(30), "rebuilt.csv": np.stack(fitted.reconstruct(tmp_path / "rows.csv"))}
    for name, each in numbers.items():
        with (tmp_path / name).open(encoding="utf-8", newline="") as file:
            written = list(csv.DictReader(file))
        assert [row["colour"] for row in written] == [
            ("blue", "red", "other")[place] for place in each[:, :3].argmax(1)
        ]
        assert {row["colour"] for row in written} <= {"red", "blue"}
        assert [row["length"] == "" for row in written] == (each[:, 4] > 0.5).tolist()
        kept = [(float(row["length"]), value) for row, value in zip(written, each[:, 3], strict=True) if row["length"]]
        np.testing.assert_allclose(*zip(*kept, strict=True))
    assert hizumi("model", "evaluate", path, tmp_path / "made.csv").code == 0, "they are read as the table itself is"


def test_columns_of_new_rows_may_come_in_another_order(hizumi, table, tmp_path):
    path, turned = tmp_path / "vae.hizumi", tmp_path / "turned.csv"
    assert hizumi("model", "train", "vae", table, "-o", path, *TRAIN).code == 0
    rows = [line.split(",") for line in table.read_text(encoding="utf-8").splitlines()]
    turned.write_text("\n".join(f"{height},{width}" for width, height, _ in rows), encoding="utf-8")
    likely = [hizumi("model", "likelihood", path, data, "--json", "-").json["mean"] for data in (table, turned)]
    assert likely[0] == likely[1]
    for number, data in enumerate((table, turned)):
        assert hizumi("model", "reconstruct", path, data, tmp_path / f"{number}.csv").code == 0
    assert (tmp_path / "0.csv").read_bytes() == (tmp_path / "1.csv").read_bytes()


def test_samples_of_a_class(hizumi, table, tmp_path):
    path = tmp_path / "classes.hizumi"
    outcome = hizumi("model", "train", "conditional_gan", table, "-o", path, *TRAIN, "--json", "-")
    assert outcome.json["classes"] == ["a", "b"]
    assert hizumi("model", "sample", path, "-n", "4", "--kind", "b", "-o", tmp_path / "out").code == 0
    made = open_source(tmp_path / "out" / "samples.csv", normal_class="all")
    np.testing.assert_allclose(made.arrays, load(path).sample(4, kinds="b"))
    assert [record.kind for record in made.records] == ["b"] * 4
    assert hizumi("model", "sample", path, "-n", "3", "-o", tmp_path / "in-turn.csv").code == 0
    made = open_source(tmp_path / "in-turn.csv", normal_class="all")
    np.testing.assert_allclose(made.arrays, load(path).sample(3))
    assert [record.kind for record in made.records] == ["a", "b", "a"]
    outcome = hizumi("model", "sample", path, "--kind", "c")
    assert outcome.code == 2
    assert "there is no class 'c'; there are a, b" in outcome.err


def test_samples_of_classes_have_them_in_their_names(hizumi, parts, tmp_path):
    for kind, source in (("pale oak", "train/good"), ("pine", "test/hole")):
        shutil.copytree(parts / source, tmp_path / "data" / kind)
    path, out = tmp_path / "classes.hizumi", tmp_path / "out"
    assert hizumi("model", "train", "conditional_gan", tmp_path / "data", "-o", path, *TRAIN).code == 0
    assert load(path).classes_ == ("pale oak", "pine")
    sample = ["model", "sample", path, "-o", out, "-n"]
    assert hizumi(*sample, "3").code == 0
    assert {each.stem for each in out.iterdir()} == {
        *("sample-00000-pale_oak", "sample-00001-pine", "sample-00002-pale_oak"),
        "sheet",
    }
    np.testing.assert_array_equal(decode(out / "sample-00001-pine.png").pixels, load(path).sample(3)[1])
    assert hizumi(*sample, "3", "--seed", "1").code == 0
    for other in ([*sample, "2"], [*sample, "3", "--kind", "pine"]):
        outcome = hizumi(*other)
        assert outcome.code == 2
        assert "holds samples of another call" in outcome.err


def test_translate_noisy_images(hizumi, parts, tmp_path):
    path = tmp_path / "clean.hizumi"
    pairing = ["--pairing", "denoise", "--set", "pairing.noise=0.2", "--set", "width=4", "--steps", "4"]
    assert hizumi("model", "train", "pix2pix", parts, "-o", path, *pairing).code == 0
    assert load(path).pairing.noise == 0.2
    assert hizumi("model", "translate", path, parts / "test" / "good", tmp_path / "out").code == 0
    assert len(list((tmp_path / "out").glob("*.png"))) == 11
    outcome = hizumi("model", "evaluate", path, parts, "--json", "-")
    assert outcome.json["translation"]["psnr_db_of_inputs"] == pytest.approx(14.0, abs=0.3)


def test_likelihood_as_a_table(hizumi, trained, parts):
    outcome = hizumi("model", "likelihood", trained, parts / "test" / "good", "--csv", "-")
    assert outcome.code == 0
    heading, *rows = outcome.out.splitlines()
    assert heading == "name,nats,bits_per_dimension,term_reconstruction,term_divergence"
    nats = [float(row.split(",")[1]) for row in rows]
    np.testing.assert_allclose(nats, load(trained).log_likelihood(parts / "test" / "good"))
    assert "Least likely" in outcome.err


def test_walks_are_a_sheet_and_an_animation(hizumi, trained, tmp_path):
    assert hizumi("model", "walk", trained, "--axis", "1", "--rows", "2", "--steps", "5", "-o", tmp_path).code == 0
    assert np.asarray(Image.open(tmp_path / "walk.png")).shape == (2 * 66 + 2, 5 * 66 + 2, 3)
    with Image.open(tmp_path / "walk.gif") as animation:
        assert animation.n_frames == 8  # there and back
        assert animation.size == (2 * 66 + 2, 68)


def test_arithmetic_on_mean_codes(hizumi, trained, parts, tmp_path):
    groups = ["--add", "kind:good", "--subtract", "kind:hole", "--add", "0,3"]
    assert hizumi("model", "walk", trained, "--data", parts, *groups, "-o", tmp_path).code == 0
    assert np.asarray(Image.open(tmp_path / "arithmetic.png")).shape == (4 * 66 + 2, 9 * 66 + 2, 3)
    assert hizumi("model", "walk", trained, "--add", "0,3", "--subtract", "5", "-o", tmp_path).code == 0
    for wrong, said in (
        (["--add", "x"], "x is no group"),
        (["--add", "-1"], "a number below 0"),
        (["--add", "kind:good"], "give --data"),
        (["--subtract", "1"], "at least one group to add"),
        (["--add", "1", "--axis", "2"], "two different walks"),
        (["--data", parts, "--add", "kind:dent"], "has no kind 'dent'; it has good, hole"),
        (["--data", parts, "--add", "999"], "there is no 999"),
        (["--axis", "4"], "no axis 4"),
    ):
        outcome = hizumi("model", "walk", trained, "-o", tmp_path, *wrong)
        assert outcome.code == 2
        assert said in outcome.err


def test_evaluate(hizumi, trained, parts):
    outcome = hizumi("model", "evaluate", trained, parts, "--json", "-")
    assert outcome.code == 0
    assert outcome.json["items"] == 10  # the good ones of the test split
    assert {"samples", "likelihood", "reconstruction"} <= outcome.json.keys()
    assert "frechet distance of two halves of the data" in outcome.err
    outcome = hizumi("model", "evaluate", trained, parts, "--features", "inception")
    assert outcome.code == 2
    assert "features 'inception' are not known" in outcome.err


def test_models_and_bundles_are_not_mistaken(hizumi, trained, bundle, parts):
    for arguments, said in (
        (["inspect", trained, parts], "holds a model, not a detector; use it with hizumi model"),
        (["evaluate", trained, parts], "holds a model"),
        (["calibrate", trained, "--rule", "quantile"], "holds a model"),
        (["model", "sample", bundle], "holds a detector, not a model; use it with hizumi inspect"),
    ):
        outcome = hizumi(*arguments)
        assert outcome.code == 2
        assert said in outcome.err


def test_info_shows_models_too(hizumi, trained):
    outcome = hizumi("info", trained, "--json", "-")
    assert outcome.code == 0
    assert outcome.json["name"] == "vae"
    assert outcome.json["options"] == load(trained).options_
    assert "explicit, approximate" in outcome.err


def test_what_a_model_cannot_do(hizumi, trained, parts, tmp_path):
    outcome = hizumi("model", "translate", trained, parts, tmp_path / "out")
    assert outcome.code == 2
    assert "VAE cannot translate; models that can: cycle_gan, pix2pix" in outcome.err
    assert not (tmp_path / "out").exists()
    outcome = hizumi("model", "reconstruct", trained, parts, tmp_path / "out.csv")
    assert outcome.code == 2
    assert "name a folder for images" in outcome.err


def test_list_shows_families_and_abilities(hizumi):
    outcome = hizumi("list", "--json", "-")
    models = {method["name"]: method for method in outcome.json["methods"] if method["kind"] == "model"}
    assert models["vae"]["family"] == "explicit, approximate"
    assert models["vae"]["can"] == ["sample", "reconstruct", "give likelihoods", "encode", "decode"]
    assert models["pix2pix"]["can"] == ["translate"]
    families = [model["family"] for model in models.values()]
    assert [*dict.fromkeys(families)] == [
        "explicit, tractable",
        "explicit, approximate",
        "implicit",
        "codes",
        "image to image",
    ]


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sensors, a measurement every ten seconds."""
    path = tmp_path_factory.mktemp("plant") / "plant.csv"
    phase = np.arange(600) / 3
    stamps = np.datetime_as_string(np.datetime64("2026-01-31T09:00:00") + np.arange(600) * np.timedelta64(10, "s"))
    rows = zip(stamps, 230 + 3 * np.sin(phase), 0.05 + 0.002 * np.cos(phase), strict=True)
    path.write_text("\n".join(["time,volts,bars", *(f"{time},{volts:.5f},{bars:.7f}" for time, volts, bars in rows)]))
    return path


def test_series_in_series_out(hizumi, plant, tmp_path):
    path = tmp_path / "made.hizumi"
    series = ["--series", "--length", "32", "--overlap", "0.5"]
    model = ["--steps", "3", "--batch-size", "8", "--set", "width=4", "--set", "layers=0", "--set", "levels=16"]
    outcome = hizumi("model", "train", "gated_pixel_cnn", plant, *series, *model, "-o", path)
    assert outcome.code == 0
    assert np.asarray(Image.open(path.with_suffix(".run") / "step-000003.png")).ndim == 3
    assert hizumi("model", "sample", path, "-n", "2", "--seed", "3", "-o", tmp_path / "out").code == 0
    assert sorted(each.name for each in (tmp_path / "out").glob("*")) == [
        "fan.png",
        "sample-00000.csv",
        "sample-00001.csv",
    ]
    # What is written reads back as recordings of that rate, in the form that was learned.
    expected, form = load(path).sample(2, seed=3), load(path).preprocessing_.series
    (tmp_path / "out" / "fan.png").unlink()
    made = open_source(tmp_path / "out", series_form=form)
    assert (made.series.step_seconds, made.series.columns) == (10.0, ("volts", "bars"))
    np.testing.assert_allclose([recording.values for recording in made.recordings], expected)
    assert hizumi("model", "sample", path, "-n", "1", "--steps", "50", "-o", tmp_path / "long").code == 0
    lines = (tmp_path / "long" / "sample-00000.csv").read_text().splitlines()
    assert (lines[0], len(lines), lines[-1].split(",")[0]) == ("time_s,volts,bars", 51, "490.0")
    outcome = hizumi("model", "evaluate", path, plant, "--json", "-")
    assert outcome.json["series"]["spectral_distance"]["worst_channel"] in ("volts", "bars")
    assert "classifier two sample test: of samples: accuracy" not in outcome.err  # too few windows for it
    assert "spectral distance: of other real windows" in outcome.err
    outcome = hizumi("model", "likelihood", path, plant, "--json", "-")
    assert outcome.json["items"][0]["name"] == "plant.csv 0:64"
    for wrong, said in (
        (["sample", path, "-o", tmp_path / "one.csv"], "name a folder for series, which are one table each"),
        (["sample", path, "--kind", "a", "--steps", "9"], "--kind is for models that know classes"),
        (["walk", path], "was trained on series, whose walks cannot be drawn"),
    ):
        outcome = hizumi("model", *wrong)
        assert outcome.code == 2
        assert said in outcome.err


def test_series_are_reconstructed_with_their_own_time_stamps(hizumi, plant, tmp_path):
    path = tmp_path / "vae.hizumi"
    series = ["--series", "--length", "32", "--overlap", "0.5", "--steps", "3", "--set", "width=4", "--set", "latent=2"]
    assert hizumi("model", "train", "vae", plant, *series, "-o", path).code == 0
    assert hizumi("model", "reconstruct", path, plant, tmp_path / "out").code == 0
    made, given = open_source(tmp_path / "out" / "plant.csv", series=True), open_source(plant, series=True)
    np.testing.assert_array_equal(made.recordings[0].times, given.recordings[0].times)
    np.testing.assert_allclose(made.recordings[0].values, np.concatenate(load(path).reconstruct(plant)))


def test_series_and_images_are_not_mistaken(hizumi, trained, plant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Modeller, "fit", lambda *_, **__: pytest.fail("the training began"))
    for arguments, said in (
        (["sample", trained, "--steps", "50"], "VAE was trained on images, which have no steps"),
        (["train", "pix2pix", plant, "--series"], "Pix2Pix does not work on series: it translates pictures"),
        (["train", "conditional_gan", plant, "--series"], "is to learn classes, of which series have none"),
        (["train", "vae", plant, "--length", "32"], "--length is for time series; say --series"),
        (["train", "vae", plant, "--series", "--length", "5000"], "5000"),
    ):
        outcome = hizumi("model", *arguments)
        assert outcome.code == 2
        assert said in outcome.err
        assert outcome.err.splitlines()[-1].startswith("Error: ")
