"""A station at the line: pictures come in, verdicts go out, and each is remembered and can be corrected."""

from hizumi.station.entry import Entry as Entry
