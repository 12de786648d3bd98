"""Japanese has words for all that the station says, with the same figures; English says what it always said."""

import ast
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import jinja2
import numpy as np
import pytest
from jinja2.ext import extract_from_ast

from hizumi.calibration import Calibration, Costs, Statement
from hizumi.monitoring.words import LOOK_AT, WAYS, armed, learning, wandering
from hizumi.station.audit import audit_report
from hizumi.station.evidence import Evidence
from hizumi.station.guarantee import guarantee
from hizumi.station.joining import Joining
from hizumi.station.languages import WAYS as WAYS_OF_CHANGES, Wording, language_of
from hizumi.station.log import Alarm, AuditEvent, Log
from tests.station.entries import entry

JAPANESE = json.loads(files("hizumi.station").joinpath("words", "ja.json").read_text("utf-8"))
SCORES, DEFECTS = np.random.default_rng(7).gamma(2, 1, 400), np.linspace(3, 9, 30)


def calibrations() -> list[Calibration]:
    plain = Calibration.fit(
        SCORES, degrees_of_freedom=4.0, labelled=(np.r_[SCORES, DEFECTS], np.r_[SCORES < 0, DEFECTS > 0] * 1)
    )
    rules = ("quantile", "k-sigma", "chi-square", "peaks-over-threshold", "best-f1")
    few = Calibration.fit(np.zeros(9))
    costs = [Costs(100, 1, 0.01), Costs(1e-3, 1, 1e-6), Costs(1e6, 1, 0.9)]
    no_distances = Calibration.fit(SCORES, rule="chi-square", degrees_of_freedom=0.5)
    by_folds = Calibration.fit(SCORES, folds=5)
    return [
        plain, few, few.with_(rule="peaks-over-threshold"), plain.with_(threshold=2.5), by_folds,
        Calibration.fit(SCORES, rule="cross-conformal", folds=5),
        no_distances, plain.with_(rule="k-sigma", false_alarm_rate=0.6), plain.joined(SCORES, None, chosen=7),
        *(plain.with_(rule=rule) for rule in rules),
        *(plain.with_(costs=each, defect_scores=DEFECTS) for each in costs),
        by_folds.with_(costs=costs[0], defect_scores=DEFECTS),
        *(of_groups := [Calibration.fit(SCORES, groups=80)]), of_groups[0].with_(costs=costs[0], defect_scores=DEFECTS),
        plain.joined(SCORES, None, chosen=7).with_(costs=costs[0], defect_scores=DEFECTS),
        plain.with_(costs=costs[0], defect_scores=DEFECTS, defect_groups=3),
    ]  # fmt: skip


def guarantees() -> list[Statement]:
    good = {"a": [1.0], "b": [2.0]}
    joinings = [Joining(good, {}, 1, seen=2, mapless=3, views=4), Joining(good, {}, 0)]
    found: list[Statement] = []
    for calibration in (Calibration.fit(SCORES), Calibration.fit(SCORES, folds=5)):
        for joining in joinings:
            found += guarantee(calibration, joining, Evidence((), np.empty(0), (), 4), "image", views=2)
    return found


def everything_said() -> list[Statement]:
    promised = [each for calibration in calibrations() for each in calibration.statements()]
    watched = [armed(50_000.0, None), armed(50_000.0, 0.001), learning(3, 100), wandering(["noise"])]
    return [*promised, *guarantees(), *watched]


def test_sentences_are_those_of_the_promise_and_all_are_known_in_japanese() -> None:
    for calibration in calibrations():
        assert " ".join(each.words for each in calibration.statements("row")) == calibration.promise("row")
        again = Calibration.from_dict(*calibration.to_dict())
        assert again.statements() == calibration.statements(), "a bundle that was read says the same"
    assert {each.code for each in everything_said()} == JAPANESE["said"].keys()


@pytest.mark.parametrize("said", everything_said(), ids=lambda said: said.code)
def test_japanese_gives_the_figures_that_english_gives(said: Statement) -> None:
    words = Wording("ja").statement(said)
    assert words.endswith("。")
    assert not re.search("[{}]", words)

    def numbers(text: str) -> set[float]:
        return {float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?(?:e-?\d+)?", text)}

    known = {value * (100 if name.endswith("rate") else 1) for name, value in said.figures.items()}
    own = {5.0, 95.0, 1.0, 0.0}  # of the sentences themselves
    for number in numbers(re.sub("F1|1/", "", words)) - own:
        assert any(abs(number - abs(value)) <= 0.005 * abs(value) for value in known), (number, words)
    assert Wording().statement(said) == said.words


def test_alarms_have_words_for_every_measure_and_way() -> None:
    for measure in WAYS:
        assert {f"{measure}_{way}" for way in WAYS_OF_CHANGES.values()} <= JAPANESE["change"].keys()
    assert JAPANESE["look"].keys() == LOOK_AT.keys() | {"many_anomalous", "size_changed"}
    moved = [{"measure": "brightness", "way": -1, "before": 0.61, "now": 0.52, "sure": 9.0}]
    moved.append({"measure": "noise", "way": 1, "before": 1.0, "now": 2.0, "sure": 5.0})
    words = Wording("ja").alarm({"code": "many_anomalous", "moved": moved, "words": "Many"})
    assert words == (
        "一部ではなく、多くの画像が極端に外れています。画像の変化：暗くなった（61% → 52%）、"
        "ノイズが増えた（従来の2.00倍）。照明、レンズ、カメラ、次に部品を確認してください。"
    )
    assert Wording("en").alarm({"code": "many_anomalous", "moved": moved, "words": "Many"}) == "Many"


def test_the_report_is_japanese_through_and_through(lite: Log) -> None:
    ids = set()
    template = files("hizumi.station").joinpath("templates", "audit.html.jinja").read_text("utf-8")
    tree = jinja2.Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    tree.newstyle_gettext = True  # type: ignore[attr-defined]
    for _, _, message in extract_from_ast(tree.parse(template)):
        texts = [text for text in (message if isinstance(message, tuple) else (message,)) if text is not None]
        ids.add(texts[-1])
    assert ids - JAPANESE["report"].keys() == set()
    for english, japanese in JAPANESE["report"].items():
        assert sorted(re.findall(r"%\(\w+\)s", english)) == sorted(re.findall(r"%\(\w+\)s", japanese)), english
    lite.add([entry(number, anomalous=[False, True, None][number % 3], reason="") for number in range(9)])
    said = [vars(each) for each in Calibration.fit(SCORES).statements()]
    details = {"before": "b" * 64, "after": "c" * 64, "threshold_before": 1.0, "threshold_after": 0.5, "words": "In"}
    lite.note(AuditEvent("安藤", "bundle recalibrated", "誤報が多い", details | {"said": said}))
    moved = [{"measure": "brightness", "way": -1, "before": 0.61, "now": 0.52, "sure": 9.0}]
    lite.alarm(Alarm("bracket", "darker", {"code": "brightness_lower", "moved": moved}))
    lite.add([entry(20, anomalous=None, reason="is damaged or cut short (broken data stream); copy it again")])
    lite.note(
        AuditEvent("station", "delivery abandoned", "cannot be reached (All connection attempts failed)", {"sink": 7})
    )
    page = audit_report(lite, language="ja")
    assert "ファイルが壊れているか、途中で切れています。" in page
    assert "接続できません（接続を拒否）。" in page
    assert "出力先: 7" in page
    assert '<html lang="ja">' in page
    assert "10枚を検査、異常判定3枚、判定不能4枚。" in page
    assert "暗くなった（61% → 52%）" in page
    body = re.sub(r"<style>.*?</style>|<[^>]*>|&[a-z]+;", " ", page, flags=re.DOTALL)
    assert "しきい値設定用の良品400枚により" in body
    left = set(re.findall(r"[A-Za-z]{3,}", body)) - {"hizumi", "bracket", "UTC", 12 * "b", 12 * "c"}
    assert left <= {word for each in lite.every() for word in re.findall("[A-Za-z]+", f"{each}")}


def test_the_first_language_that_the_station_speaks() -> None:
    wished = {"ja-JP,ja;q=0.9,en;q=0.8": "ja", "de, en-GB;q=0.9, ja;q=0.1": "en", "": "en", "fr": "en", "*": "en"}
    assert {each: language_of(each) for each in wished} == wished


SOURCE = Path(str(files("hizumi")))
TOLD = {"BundleError", "BusyError", "DataError", "DeliveryError", "Failure", "HTTPException", "LogError", "UsageError"}
"""Whose texts come to a page, beside those of `refusal`."""
FROM = [
    *("data/decoding.py", "data/rasters.py", "data/tiff.py", "data/missing.py", "preprocessing/reading.py"),
    *("monitoring/watch.py", "storage/archive.py", "serving", "station"),
]
ON_A_TERMINAL = {
    *("serving/access.py", "serving/server.py", "station/settings.py", "station/station_file.py"),
    *("station/exporting.py", "station/labelled_set.py", "station/retention.py", "station/entry_record.py"),
    *("station/sinks/__init__.py", "station/sources/__init__.py", "station/sinks/opcua.py"),
    *("station/log/claiming.py", "station/log/migrating.py", "station/log/records.py", "station/log/filters.py"),
}
ELSEWHERE = re.compile(  # of tables and series, of what routes have checked before, and what the last test fills in
    "column|has 7 columns|the recording|is 7, unlike|7 is 7 at|the moment 7|a score is NaN|the state of this watch"
    "|is not a 7 file by its name|the log's URL|the log cannot lie|a log in PostgreSQL|a page of 7|pictures are kept"
    "|there is no such inspection in the log|a rule, a threshold|a bundle is named by|7$|7 for 7"
)
JAPANESE_LETTER = re.compile("[ぁ-ん]")


def texts_of(module: Path) -> Iterator[str]:
    """What errors of a module say, with "7" in every gap."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in TOLD | {"refusal"}:
            yield from filter(None, map(said_by, node.args))


def said_by(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def modules() -> Iterator[Path]:
    for each in FROM:
        place = SOURCE / each
        yield from sorted(place.rglob("*.py")) if place.is_dir() else [place]


def test_whatever_a_page_may_be_told_has_japanese_words() -> None:
    paths = [path for path in modules() if path.relative_to(SOURCE).as_posix() not in ON_A_TERMINAL]
    texts = [text for path in paths for text in texts_of(path)]
    wording, own = Wording("ja"), {text: text.removeprefix("7: ") for text in texts}  # without the picture's name
    untold = {
        text
        for text, short in own.items()
        if not ELSEWHERE.match(short)
        and not any(JAPANESE_LETTER.search(wording.message(each)) for each in (text, short))
    }
    assert len(texts) > 100
    assert untold == set()


def test_no_message_is_left_that_the_code_says_no_longer() -> None:
    strings = "\n".join(
        node.value
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    for english, japanese in JAPANESE["message"].items():
        # Some are put together from several strings.
        texts = sorted(re.split(r"\{\w+\}", english), key=len)[-2:]
        assert any(text.strip() in strings for text in texts), english
        gaps = [set(re.findall(r"\{(\w+)\}", each)) for each in (english, japanese)]
        assert gaps[1] <= gaps[0], english


@pytest.mark.parametrize(
    ("english", "japanese"),
    [
        (
            "is a grey image, 4-channel was expected; convert it, or leave it out",
            "グレースケール画像です。このレシピの対象は4チャンネル画像です。",
        ),
        ("is a HEIC image, whatever its name says; convert it to PNG or TIFF, or leave it out", "内容はHEIC画像です"),
        (
            "its score's term 'mean' is NaN, so that it cannot be judged; look for values far from those of the "
            "training data",
            "スコアの内訳'mean'がNaNのため判定できません。",
        ),
        (
            "the log could not be written: the disk is full; free some space",
            "記録を書き込むことができません。ディスクに空きがありません。",
        ),
        ("there is no recipe 'grey'; there are read, score", "レシピ'grey'はありません。あるのはread, scoreです。"),
        (
            "no recipe is for the part 'N1'; name one of nuts, bolts",
            "個体番号'N1'に対応するレシピがありません。nuts, boltsのいずれか",
        ),
        (
            "the camera sends nothing (camera.password: the secret cannot be read (No such file or directory))",
            "カメラから映像が届きません（camera.passwordからパスワードまたは鍵を読み取れません（ファイルまたはフォルダがない））。",
        ),
        (
            "not delivered within 10 s; last: the controller cannot be reached",
            "10秒以内に送信できませんでした。最後の理由：コントローラに接続できません。",
        ),
        ("body.cost_miss: Input should be greater than 0", "body.cost_missは0より大きくしてください。"),
        ("what nobody has said before", "what nobody has said before"),
    ],
)
def test_messages_keep_names_and_figures_and_translate_what_stands_in_them(english: str, japanese: str) -> None:
    said = Wording("ja").message(english)
    assert said.startswith(japanese) or japanese in said
    assert Wording("en").message(english) == english
