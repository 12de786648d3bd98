"""Why a figure is short of what was asked, as the profiles show; the page prints the cause while it is short."""

CAUSES = {
    "train-ganomaly": (
        "Convolutions are nine tenths of a step. Those of the plain step reach some 60 % of the ceiling, those of ours "
        "some 70 %; the rest of the gain is a sixth of the arithmetic, which shared passes save."
    ),
    "score-batch": (
        "Convolutions are 95 % of the time in either precision. Eager scoring reaches 55 to 70 % of the fp32 ceiling "
        "by itself, the more the larger the image: little is left to gain above it without other arithmetic."
    ),
    "anogan-step": (
        "Convolutions, at three quarters of the ceiling: what is left is mostly the machine's, whose bfloat16 is not "
        "twice as fast as its fp32."
    ),
    "pixel-sampling": (
        "A pixel of few samples is a hundred small operations of some microseconds each, whatever they compute: time "
        "hardly grows from 16 to 64 samples, and that of the naive way does. Of a likelihood's convolutions, those of "
        "1x1 have no dead half: cropping saves the arithmetic that the table shows, and no more time than that."
    ),
    "recurrent": (
        "Besides the recurrence a step has convolutions and logits of all pixels, which are the same in both ways."
    ),
    "epoch": "Images are found in the cache one by one, which takes longer than to bring them to [-1, 1].",
    "start": (
        "A third is the import of torch, a third that of scikit-learn and SciPy, and a third that of torch's compiler, "
        "which making an optimiser brings along, also for a detector that only scores."
    ),
}
