"""What a recalibrated threshold promises and what it does not, in sentences."""

from hizumi.calibration import Calibration, Statement
from hizumi.calibration.threshold import percent
from hizumi.station.evidence import Evidence
from hizumi.station.joining import Joining


def promised(calibration: Calibration, noun: str, views: int) -> tuple[Statement, ...]:
    """What a calibration promises of single pictures, and what that comes to for parts of so many views.

    A part is flagged where any view is, so that the rates of its views add up at most.
    """
    said, rate = calibration.statements(noun), calibration.threshold.promised_rate
    if views < 2 or rate is None:
        return said
    of_parts = min(1.0, views * rate)
    words = (
        f"That is of single pictures: of good parts, which are flagged where any of their {views} views is, up to "
        f"{percent(of_parts)} are."
    )
    return (*said, Statement("of_views", {"views": views, "part_rate": of_parts}, words))


def guarantee(
    calibration: Calibration, joining: Joining, evidence: Evidence, noun: str, views: int = 1
) -> tuple[Statement, ...]:
    """The promise of the calibration for parts of so many views, then what speaks for and against it here."""
    said = list(promised(calibration, noun, views))
    drawn = len(joining.good) - joining.chosen
    if joining.chosen:
        words = (
            f"{joining.chosen} of the accepted pictures were chosen to be reviewed, not drawn: if those near the limit "
            "were looked at first, or those that were easy to tell, the threshold moves with that choice."
        )
        said.append(Statement("joined_chosen", {"chosen": joining.chosen}, words))
    elif drawn and calibration.threshold.promised_rate is not None:
        words = (
            f"All {drawn} accepted pictures were drawn by the audit sample, and all of it was reviewed: the promise "
            "holds for parts like those of that time, whatever the distribution of their scores."
        )
        said.append(Statement("joined_drawn", {"drawn": drawn}, words))
    if evidence.sample_waiting:
        words = (
            f"{evidence.sample_waiting} inspections of the audit sample wait for a review, or somebody was unsure: "
            "until all are reviewed, what is reviewed of it is no random sample, and nothing is promised from it."
        )
        said.append(Statement("sample_waiting", {"waiting": evidence.sample_waiting}, words))
    if joining.good and "folds" in calibration.options:
        words = "The first scores come from fits on folds, so that none is promised in any case."
        said.append(Statement("joined_folds", {}, words))
    if joining.seen:
        words = f"{joining.seen} accepted pictures were left out, as the detector was fitted on them."
        said.append(Statement("joined_seen", {"seen": joining.seen}, words))
    if joining.mapless:
        words = f"{joining.mapless} accepted pictures were left out, as nothing is known of their maps."
        said.append(Statement("joined_mapless", {"mapless": joining.mapless}, words))
    if joining.views:
        words = (
            f"{joining.views} accepted pictures were left out, as of each part one view joins, which chance has "
            "chosen: views of one part are alike."
        )
        said.append(Statement("joined_views", {"views": joining.views}, words))
    words = (
        "Shares among all reviewed pictures speak of these alone, as people chose them, and those that joined set this "
        "threshold; shares in the audit sample speak of the line."
    )
    return (*said, Statement("shares_meaning", {}, words))
