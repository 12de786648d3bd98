"""Why a figure is short of what was asked, as the profiles show; the page prints the cause while it is short."""

CAUSES = {
    "train-ganomaly": (
        "Convolutions are nine tenths of a step. Those of the plain step reach some 60 % of the ceiling, those of ours "
        "some 70 to 85 %, the less the smaller their maps; the rest of the gain is a sixth of the arithmetic, which "
        "shared passes save."
    ),
    "score-batch": (
        "Convolutions are 95 % of the time in either precision. Eager scoring reaches 60 to 70 % of the fp32 ceiling "
        "by itself, the more the larger the image: little is left to gain above it without other arithmetic."
    ),
    "score-one": (
        "A single image reads all weights, 33 MB, which no cache holds: in the graph's profile the convolutions from "
        "256 to 512 maps, which have most of them, take twice the time of those with as much arithmetic and few "
        "weights. In 8 bits they are a quarter of that."
    ),
    "anogan-step": (
        "Convolutions, at three quarters of the ceiling: what is left is mostly the machine's, whose bfloat16 is not "
        "twice as fast as its fp32."
    ),
    "pixel-sampling": (
        "Of a likelihood's convolutions, those of 1x1 have no dead half: cropping saves the arithmetic that the table "
        "shows, and no more time than that."
    ),
    "recurrent": (
        "Besides the recurrence a step has convolutions and logits of all pixels, which are the same in both ways."
    ),
}
