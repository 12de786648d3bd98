"""Why a figure is short of what was asked, as the profiles show; the page prints the cause while it is short."""

CAUSES = {
    "train-ganomaly": (
        "Convolutions are nine tenths of a step. The plain step's own reach some 60 % of the ceiling, and those of ours "
        "some 70 %; the rest of the gain is a sixth of the arithmetic, which shared passes save."
    ),
    "score-batch": (
        "Convolutions are 95 % of the time in either precision. Eager scoring reaches 55 to 70 % of the fp32 ceiling by "
        "itself, the more the larger the image: little is left to gain above it without other arithmetic."
    ),
    "anogan-step": (
        "Convolutions again, at three quarters of the ceiling in bfloat16: on this machine one image at a time is not "
        "as slow as in the sketch, in which the factor was set."
    ),
    "pixel-sampling": (
        "A pixel of few samples is a hundred small operations of some microseconds each, whatever they compute: time "
        "hardly grows from 16 to 64 samples, that of the naive way does. Of a likelihood's convolutions, those of 1x1 "
        "have no dead half: cropping saves the arithmetic that the table shows, and no more time than that."
    ),
    "recurrent": (
        "A Row LSTM's lines are whole rows, for which gate by gate is not much worse than all at once; the rest of the "
        "step, convolutions and logits of all pixels, is the same in both."
    ),
    "epoch": "Batches are gathered image by image from the file; of the files themselves decoding is cheap at 64 pixels.",
    "score-files": "Reading, hashing and decoding each file takes longer than its score.",
    "start": "Importing torch is most of it.",
}
