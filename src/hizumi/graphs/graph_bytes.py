"""What an ONNX graph may not hold, found in its bytes before an engine takes them: no package of ONNX is needed."""

from collections.abc import Iterator

# Fields of onnx.proto. None of the refused ones is in any export; each makes much out of few bytes, or reads files.
GRAPH, FUNCTIONS = 7, 25  # of a model
NODE, INITIALIZER, SPARSE = 1, 5, 15  # of a graph
ATTRIBUTE = 5  # of a node
TENSORS = 5, 10  # of an attribute
INNER = {6: "graphs within it", 11: "graphs within it", 22: "sparse tensors", 23: "sparse tensors"}  # of an attribute
EXTERNAL = 13  # of a tensor


def unusual_part(model: bytes) -> str | None:
    """What a model has that none needs: data in other files, functions, inner graphs or sparse tensors.

    Raises IndexError where it is cut short, or not written as protobuf.
    """
    return next(_unusual(memoryview(model)), None)


def _unusual(model: memoryview) -> Iterator[str]:
    for field, part in fields_of(model):
        if field == FUNCTIONS:
            yield "functions of its own"
        for inner, each in fields_of(part) if field == GRAPH else ():
            if inner == SPARSE:
                yield "sparse tensors"
            elif inner == INITIALIZER:
                yield from _external(each)
            elif inner == NODE:
                for number, attribute in fields_of(each):
                    yield from _unusual_value(attribute) if number == ATTRIBUTE else ()


def _unusual_value(attribute: memoryview) -> Iterator[str]:
    for number, content in fields_of(attribute):
        if number in INNER:
            yield INNER[number]
        elif number in TENSORS:
            yield from _external(content)


def _external(tensor: memoryview) -> Iterator[str]:
    yield from ("data in other files" for number, _ in fields_of(tensor) if number == EXTERNAL)


def fields_of(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and content of each field of a message of protobuf; raises IndexError where it is cut short."""
    place = 0
    while place < len(message):
        tag, place = _number(message, place)
        if tag >> 32:  # which engines read as the field that its lower bits name
            raise IndexError
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
