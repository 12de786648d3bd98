"""The command of the runtime: what `hizumi inspect` does, in few words and by the standard library."""

import argparse
import sys
from collections.abc import Sequence

from hizumi.calibration import Verdict
from hizumi.data.series.options import NO_SERIES_LEARNED, SeriesOptions
from hizumi.errors import HizumiError, ShortageError, amount_wanted
from hizumi.memory import keep_freed_memory
from hizumi.runs.results import inspection_rows
from hizumi.runtime.bundle import load
from hizumi.storage.files import printable, refuse_over_inputs, refuse_unwritable_text
from hizumi.storage.streams import leave_quietly, prepare_streams
from hizumi.storage.tables import write_csv

INTERRUPTED = 130  # what shells report after Ctrl-C
OF_SERIES = ("resample", "missing", "ignore", "time_column", "group_column", "date_order")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each input, or write them as CSV; 0 where any could be judged, whatever the verdicts.

    Otherwise, as the command line does: 2 for bad usage or input, 1 for a failed run, 130 where interrupted.
    """
    chosen = parser().parse_args(arguments)
    keep_freed_memory()
    prepare_streams()
    try:
        code = _inspect(chosen)
        sys.stdout.flush()
    except HizumiError as error:
        return leave_quietly() if isinstance(error.__cause__, BrokenPipeError) else _say(error, error.exit_code)
    except BrokenPipeError:
        return leave_quietly()
    except OSError as error:  # such as a full disk behind standard output
        leave_quietly()
        return _say(error.strerror or error, 1)
    except MemoryError as error:
        return _say(f"there is not enough memory{amount_wanted(error)}; free some", ShortageError.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return INTERRUPTED
    return code


def _say(what: object, code: int) -> int:
    sys.stderr.write(f"Error: {printable(' '.join(str(what).split()))}\n")
    return code


def parser() -> argparse.ArgumentParser:
    """How inputs are to be read is said by the options of `hizumi inspect`, which messages name."""
    found = argparse.ArgumentParser(
        prog="python -m hizumi.runtime", description="Verdicts by an exported bundle.", allow_abbrev=False
    )
    found.add_argument("bundle", help="a file that hizumi export has written")
    found.add_argument("paths", nargs="+", help="images, folders, or one file that holds arrays or a table")
    found.add_argument("-o", "--output", metavar="FILE", help="write the verdicts here as CSV; - is standard output")
    found.add_argument("--threads", type=int, metavar="N", help="how many compute one operation")
    found.add_argument("--no-recursive", action="store_true", help="leave out folders in folders")
    found.add_argument("--channels", choices=("first", "last"), help="axis of the channels of arrays in a file")
    series = found.add_argument_group("time series")
    series.add_argument("--resample", type=float, metavar="SECONDS", help="bring them to steps of so many seconds")
    series.add_argument(
        "--missing", choices=("refuse", "interpolate", "hold"), help="what stands for a value that they lack"
    )
    series.add_argument("--ignore", metavar="A,B", help="columns that are not read, such as times")
    series.add_argument("--time-column", metavar="NAME", help="column with time stamps")
    series.add_argument("--group-column", metavar="NAME", help="column that tells apart the recordings of a table")
    series.add_argument("--date-order", choices=("day", "month"), help="what comes first in dates such as 01/02/2026")
    return found


def _inspect(chosen: argparse.Namespace) -> int:
    if chosen.output is not None:
        refuse_unwritable_text(chosen.output)
        refuse_over_inputs([chosen.bundle, *chosen.paths], output=chosen.output)
    inspector = load(chosen.bundle, threads=chosen.threads)
    inputs = chosen.paths[0] if len(chosen.paths) == 1 else chosen.paths
    series = SeriesOptions.as_typed(
        is_series=inspector.preprocessing_.series is not None,
        remedy=NO_SERIES_LEARNED,
        **{name: getattr(chosen, name) for name in OF_SERIES},
    )
    manifest = inspector.compared(
        inspector.to_inspect(inputs, recursive=not chosen.no_recursive, channels=chosen.channels, series=series)
    )
    verdicts: list[Verdict] = []
    without = [(each.name, each.reason) for each in manifest.unopened]
    for note in manifest.notes:
        sys.stderr.write(f"Note: {printable(note)}.\n")
    for name, reason in without:
        sys.stderr.write(f"Not opened: {printable(name)}: {printable(reason)}\n")
    for item in inspector.inspect_each(manifest, pictures=False):
        if isinstance(item, Verdict):
            verdicts.append(item)
            if chosen.output is None:
                sys.stdout.write(
                    f"{'anomalous' if item.anomalous else 'normal':9}  {item.score:<12.6g}  {printable(item.name)}\n"
                )
        else:
            without.append((item.name, item.reason))
            sys.stderr.write(f"Not read: {printable(item.name)}: {printable(item.reason)}\n")
    if chosen.output is not None:
        write_csv(chosen.output, inspection_rows(verdicts, without))
    return 0 if verdicts else 2
