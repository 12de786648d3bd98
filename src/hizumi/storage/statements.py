"""The one schema of all that bundles state, in today's format; earlier formats are brought to it before the check."""

from hizumi.storage.schema import (
    LARGEST_WHOLE,
    Rule,
    anything,
    boolean,
    choice,
    fields,
    items,
    long_text,
    mapping,
    number,
    optional,
    text,
    whole,
)

LARGEST_SIDE = 100_000  # pixels
LARGEST_AREA = 100_000_000  # pixels; images of more are not decoded either
LARGEST_CHANNELS = 10_000
LONGEST_WINDOW = 1_000_000  # steps
LARGEST_SEED = 2**64 - 1  # that torch takes
LARGEST_MEMORY = 2**34  # bytes: what a graph may state that it takes for a batch


def shape(value: object, where: str) -> None:
    """Channels, height and width, or the number of columns; no more values than an image may have."""
    items(whole(1), 1, 3)(value, where)
    assert isinstance(value, list | tuple)
    match value:
        case [_]:
            return
        case [channels, height, width] if channels <= LARGEST_CHANNELS and height * width <= LARGEST_AREA:
            return
    raise ValueError(f"{where}: {'x'.join(map(str, value))} is no shape of an image or a row that could be handled")


def normal_class(value: object, where: str) -> None:
    """The label of the normal class, "all", or None."""
    if value is not None and value != "all":
        whole(-LARGEST_WHOLE)(value, where)


RATE = number(0, 1)
PART = fields({"name": text, "arguments": mapping(anything)})
CHANNELS = whole(1, LARGEST_CHANNELS)
WINDOW = fields(
    {"low": number(), "high": number(), "dtype": choice("uint8", "uint16", "float32")},
    later={"of_channels": items(items(number(), 2, 2), 0, LARGEST_CHANNELS)},
)
SIDE = whole(1, LARGEST_SIDE)
SIZING = fields({"height": SIDE, "width": SIDE, "mode": choice("resize", "tile"), "overlap": number(0, 0.9)})
MOTION = fields(
    {"window": WINDOW, "channels": CHANNELS, "largest": number(0), "side": optional(SIDE)},
    later={"frame_seconds": optional(number(1e-9))},
)
NUMBERS = items(number())
SCALER = fields({"mean": NUMBERS, "scale": NUMBERS}, later={"constant": items(boolean)})
FILLING = fields({"nodata": optional(number()), "nan": boolean})
TABLE = fields(
    {
        "names": items(text),
        "words": mapping(items(text)),
        "imputed": items(text),
        "has_names": boolean,
        "left_out": items(text),
        "label_column": optional(text),
        "id_column": optional(text),
        "good": items(text),
    }
)
SPREAD_OF_MEASURE = fields(
    {
        "centre": number(),
        "within": number(0),
        "slow": number(0),
        "groups": whole(2),
        "independent_groups": number(2),
        "excess": number(0),
    }
)
APPEARANCE = fields(
    {"ranges": mapping(items(number(), 2, 2)), "file_types": items(text)},
    later={"spreads": mapping(SPREAD_OF_MEASURE), "framed": boolean},
)
AREA = fields(
    {"kind": choice("mask", "rectangle", "foreground")},
    later={
        "height": number(0, LARGEST_SIDE),
        "width": number(0, LARGEST_SIDE),
        "bits": long_text,
        "left": number(0, 1),
        "top": number(0, 1),
        "shares": optional(items(RATE, 2, 2)),
        "contrast": number(0),
    },
)
ALIGNMENT = fields(
    {
        "height": SIDE,
        "width": SIDE,
        "typical": number(-1, 1),
        "least": number(-4, 1),
        "reference_height": whole(1, 1000),
        "reference_width": whole(1, 1000),
        "reference": text,
    },
    later={
        "inside": optional(AREA),
        "surroundings": optional(
            fields({"height": whole(1, 1000), "width": whole(1, 1000), "channels": CHANNELS, "values": long_text})
        ),
    },
)
REGION = fields(
    {
        "roi": optional(AREA),
        "ignored": optional(AREA),
        "colour": optional(items(number(), 1, LARGEST_CHANNELS)),
        "size": optional(items(SIDE, 2, 2)),
    }
)
SERIES = fields(
    {
        "columns": items(text, 1, LARGEST_CHANNELS),
        "step_seconds": optional(number(0)),
        "length": whole(2, LONGEST_WINDOW),
        "hop": whole(1, LONGEST_WINDOW),
    },
    later={
        "date_order": optional(choice("day", "month")),
        "group_column": optional(text),
        "time_column": optional(text),
    },
)
PREPROCESSING = fields(
    {
        "sizing": optional(SIZING),
        "window": optional(WINDOW),
        "channels": optional(CHANNELS),
        "motion": optional(MOTION),
        "scaler": optional(SCALER),
        "target": optional(fields({"window": WINDOW, "channels": CHANNELS})),
        "enlarge": whole(1, 64),
    },
    later={
        "table": optional(TABLE),
        "filling": optional(FILLING),
        "pixel_limit": whole(1),
        "appearance": optional(APPEARANCE),
        "alignment": optional(ALIGNMENT),
        "region": optional(REGION),
        "series": optional(SERIES),
        "steadying": optional(fields({"usual": number(), "factors": items(number(0, 1), 1)})),
    },
)
THRESHOLD = fields(
    {"value": number(), "rule": text, "asked_rate": RATE, "promised_rate": optional(RATE), "words": text}
)
CALIBRATION = fields(
    {
        "rule": text,
        "false_alarm_rate": RATE,
        "options": mapping(number()),
        "threshold": THRESHOLD,
        "pixel_threshold": optional(THRESHOLD),
        "map_range": optional(items(number(), 2, 2)),
    }
)
FINDING = fields({"name": text, "severity": choice("warning", "problem"), "message": text, "remedy": text})
SOURCE = fields(
    {"normal_class": normal_class},
    later={
        "place": text,  # left out where it is a folder of the machine that fitted
        "good": items(text),
        "layout": choice("auto", "flat", "kinds", "splits", "classes", "unlabelled"),
        "recursive": boolean,
    },
)
TRAINING = fields({"seed": whole(0, LARGEST_SEED)}, others=anything)
RECORD = {
    "hizumi": text,
    "shape": shape,
    "data": text,
    "data_sha256": text,
    "source": optional(SOURCE),
    "training_images": whole(),
    "training": TRAINING,
    "fit_seconds": number(0),
}
FITTED = {"detector": PART, "calibration_images": whole(), "folds": optional(whole(2))}
VARIATION = fields(
    {
        "shifts": RATE,
        "turns": number(0, 180),
        "flips": optional(choice("horizontal", "vertical", "both")),
        "brightness": RATE,
    }
)
JOINED = mapping(items(number(), 1, 2))  # by the beginning of a picture's SHA-256: its score, and its map's maximum
RECALIBRATED = fields(
    {"parent": text, "at": text, "chosen": whole(), "good": JOINED, "defects": JOINED}, later={"defect_parts": whole()}
)
TUNED = fields(
    {"objective": text, "trials": whole(1), "value": RATE, "begun": optional(RATE), "changed": mapping(anything)}
)
LATER_FITTED = {
    "calibration_marked": boolean,  # by fits that do not know `folds_offered`
    "folds_offered": optional(whole(2)),
    "asked_for": text,
    "tuned": TUNED,
    "variation": optional(VARIATION),
    "alignment": optional(fields({"typical": number(-1, 1), "least": number(-4, 1)})),
    "region": optional(fields({"looks_at": text, "key": text})),
    "series": optional(SERIES),
    "drawn_scratches": items(fields({"pixels": whole(1), "scores": items(number(), 1, 1000)}), most=10),
    "known_defects": fields({"data": text, "data_sha256": text, "count": whole(1)}),
    "recalibrated": RECALIBRATED,
}
PARITY = fields(
    {
        "differences": mapping(number(0), 1),
        "verdicts": whole(),
        "changed": whole(),
        "rank": number(-1.001, 1.001),
        "torch_auroc": optional(RATE),
        "graph_auroc": optional(RATE),
    },
    later={"rounding": mapping(number(0)), "borderline": whole(), "error": number(0), "as_fitted": boolean},
)
PORTS = items(fields({"name": text, "shape": items(anything, 0, 8), "dtype": text, "meaning": text}), 1, 100)
HEADER = {"format": whole(1), "hizumi": text, "members": mapping(text)}
FOUND = {"findings": items(FINDING, most=1000), "notes": items(text, most=10_000)}

DETECTOR: Rule = fields(
    {
        **HEADER,
        **FOUND,
        "detector": PART,
        "shape": shape,
        "degrees_of_freedom": optional(whole(1)),
        "preprocessing": PREPROCESSING,
        "calibration": CALIBRATION,
        "parameters": mapping(anything),
        "options": fields(RECORD | FITTED, others=anything, later=LATER_FITTED),
    }
)
MODEL: Rule = fields(
    {
        **HEADER,
        **FOUND,
        "model": PART,
        "shape": shape,
        "preprocessing": PREPROCESSING,
        "classes": items(text),
        "parameters": mapping(anything),
        "options": fields({**RECORD, "model": PART, "classes": items(text), "columns": items(text)}, others=anything),
    }
)
EXPORTED: Rule = fields(
    {
        **HEADER,
        "engine": choice("onnxruntime", "openvino"),
        "precision": choice("fp32", "bf16", "int8"),
        "detector": PART,
        "shape": shape,
        "preprocessing": PREPROCESSING,
        "inputs": PORTS,
        "outputs": PORTS,
        "options": fields(RECORD | FITTED, others=anything, later=LATER_FITTED),
        "calibration": CALIBRATION,
        "parity": PARITY,
    },
    later={"memory_bytes": whole(1, LARGEST_MEMORY)},
)
SCHEMAS = {"detector": DETECTOR, "model": MODEL, "exported": EXPORTED}
