"""What an ONNX graph may not hold, found in its bytes before an engine takes them: no package of ONNX is needed."""

import re
from collections.abc import Iterator

LOCATION = b"location"  # the key of ONNX's external data
_WRITTEN = re.compile(rb"(?:\x0a|\x8a\x80*\x00)(?:\x08|\x88\x80*\x00)" + LOCATION)

# Fields of onnx.proto. None of the refused ones is in any export; each makes much out of few bytes.
GRAPH, FUNCTIONS = 7, 25  # of a model
NODE, SPARSE = 1, 15  # of a graph
ATTRIBUTE = 5  # of a node
INNER = {6: "graphs within it", 11: "graphs within it", 22: "sparse tensors", 23: "sparse tensors"}  # of an attribute


def reads_other_files(model: bytes) -> bool:
    """Whether it holds that key as protobuf writes it, in any of the ways in which tag and length can be written."""
    return LOCATION in model and _WRITTEN.search(model) is not None  # the first takes a tenth of the second's time


def unusual_part(model: bytes) -> str | None:
    """What a model has that none needs, functions, inner graphs or sparse tensors; IndexError where it is cut short."""
    return next(_unusual(memoryview(model)), None)


def _unusual(model: memoryview) -> Iterator[str]:
    for field, part in fields_of(model):
        if field == FUNCTIONS:
            yield "functions of its own"
        for inner, each in fields_of(part) if field == GRAPH else ():
            if inner == SPARSE:
                yield "sparse tensors"
            attributes = (
                (content for number, content in fields_of(each) if number == ATTRIBUTE) if inner == NODE else ()
            )
            for attribute in attributes:
                yield from (INNER[number] for number, _ in fields_of(attribute) if number in INNER)


def fields_of(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and content of each field of a message of protobuf; raises IndexError where it is cut short."""
    place = 0
    while place < len(message):
        tag, place = _number(message, place)
        match tag & 7:
            case 0:
                _, end = _number(message, place)
            case 1:
                end = place + 8
            case 2:
                length, place = _number(message, place)
                end = place + length
            case 5:
                end = place + 4
            case _:
                raise IndexError
        if end > len(message):
            raise IndexError
        yield tag >> 3, message[place:end]
        place = end


def _number(message: memoryview, place: int) -> tuple[int, int]:
    """The number that begins here, and where it ends."""
    value = shift = 0
    while shift < 70:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
    raise IndexError
