"""Why a figure is short of what was asked, as the profiles show; the page prints the cause while it is short."""

CAUSES = {
    "train-ganomaly": (
        "Convolutions are nine tenths of a step. Those of the plain step reach some 60% of the ceiling, those of ours "
        "some 70 to 85%, the less the smaller their maps; the rest of the gain is a sixth of the arithmetic, which "
        "shared passes save."
    ),
    "score-batch": (
        "Convolutions are 95% of the time in either precision. Eager scoring reaches 60 to 70% of the fp32 ceiling "
        "by itself, so that little is left to gain above it without other arithmetic; where what was asked in bf16 is "
        "above the last column, no way of doing this arithmetic here is so fast."
    ),
    "score-agreement": (
        "Eight significant bits in every layer move a score by about a hundredth, and a few images lie as near as that "
        "to the threshold; with a threshold from scores in bf16 as many change sides, and with the last convolution of "
        "each network in fp32, too. Hence bf16 only where it is asked for, and its cost in verdicts in each export."
    ),
    "score-files": (
        "Decoding and the rest are hidden behind the arithmetic; in bf16 it is near its ceiling, which itself is less "
        "than what was asked. In 8 bits, which an export does on request and says the cost of, it is reached."
    ),
    "score-cold": (
        "Half of the time is the start, most of it reading, checking and unpacking 43 MB of weights, and half the "
        "arithmetic of the images, which alone takes as long as the tenth of anomalib's time that was asked."
    ),
    "score-one": (
        "A single image reads all weights, 33 MB, which no cache holds: in the graph's profile the convolutions from "
        "256 to 512 maps, which have most of them, take twice the time of those with as much arithmetic and few "
        "weights. In 8 bits they are a quarter of that. What was asked in fp32 is what the ceiling itself would give."
    ),
    "anogan-step": (
        "Nine tenths of a step are convolutions, and in both precisions they run at the ceiling or above it. What was "
        "asked is more than this arithmetic takes at that rate: it needs a machine whose bf16 is further from its fp32."
    ),
    "pixel-sampling": (
        "Sixteen samples: matrix products so small that their calls decide, from run to run above and below what was "
        "asked. Of a likelihood's convolutions, those of 1x1 have no dead half: cropping saves the arithmetic that the "
        "table shows, and no more time than that."
    ),
    "recurrent": (
        "Besides the recurrence a step has convolutions and logits of all pixels, which are the same in both ways."
    ),
    "start": (
        "With torch, three quarters are the import of torch. By the runtime, `hizumi inspect` takes some .15 s longer "
        "than `python -m hizumi.runtime`, for the parser and printer of its command line; the rest is NumPy, the "
        "engine, and 43 MB of weights, which are read, checked and unpacked."
    ),
    "station": (
        "By the kernel's count of each thread, a picture over HTTP takes some 2.2 ms in the loop (the request, its "
        "body, the answer), 2.6 in the worker (hash, measures for the drift watch, the map of an alarm), 1.8 in the "
        "keeper (the log, whose transaction is flushed to the disk before the answer), and 1.2 more than in the "
        "process in the engine, between whose pictures others use the caches and a second thread waits. Under 32 "
        "clients nine tenths of the time are the detector's arithmetic, and OpenVINO does that in about half of "
        "torch's time: the plain service has little else to lose."
    ),
    "archives": (
        "There are two cores for two workers, Ray's own processes, and the one that lists and writes down what is "
        "done; and a task of Ray costs as much as some twenty of these small images."
    ),
}
