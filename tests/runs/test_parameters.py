"""Constructor arguments as plain data."""

import json

import numpy as np

from hizumi import Inspector
from hizumi.runs.parameters import plain_parameters


def test_numbers_of_numpy_are_those_of_python() -> None:
    plain, given = Inspector("pca", folds=3, image_size=(16, 32)), Inspector("pca")
    given.folds, given.image_size = np.int64(3), (np.int64(16), np.int16(32))  # in tests, constructors check types
    assert json.dumps(plain_parameters(given)) == json.dumps(plain_parameters(plain))
