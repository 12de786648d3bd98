"""A test of uniform p-values that may be looked at after every picture, for ever.

Wealth that starts at 1 is bet on each p-value before it is known: a stake with the bet e becomes 1 + e (p - 1/2)
times as large. Under independent uniform p-values no bet gains on average, so that wealth is a martingale, and by
Ville's inequality (1939) the probability that it ever reaches 1 / a is at most a, however long the watch lasts (Vovk,
Petej, Nouretdinov, Ahlberg, Carlsson and Gammerman, "Retrain or not retrain: conformal test martingales for
change-point detection", 2021).

Betting all from the first picture on would have lost nearly all when a late drift comes. So the stake of a bet comes
from a reserve: most of it early, some of it at any time, the share 1 / (1 + log2(1 + n)) being left after n pictures;
a drift after n good pictures has to be larger, or longer, by a factor of about n in wealth only. Bets are on low
p-values (higher scores) and on high ones, strong and weak.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from hizumi.shapes import Float

BETS = (-1.5, -0.5, 0.5, 1.5)


@dataclass
class Martingale:
    """Wealth in the account of each bet, and the p-values seen."""

    accounts: list[float] = field(default_factory=lambda: [0.0] * len(BETS))
    seen: int = 0

    @property
    def wealth(self) -> float:
        """Of all accounts and the reserve."""
        return sum(self.accounts) + reserve(self.seen)

    @property
    def way(self) -> int:
        """1 where bets on higher scores, which are low p-values, have won most; -1 where those on lower ones have."""
        return 1 if BETS[self.accounts.index(max(self.accounts))] < 0 else -1

    def bet(self, p_value: float) -> float:
        """The wealth after one more p-value."""
        self.accounts = after_bet(np.array(self.accounts), self.seen, np.array(p_value)).tolist()
        self.seen += 1
        return self.wealth


def after_bet(
    accounts: Float[np.ndarray, "bets *streams"], seen: int, p_values: Float[np.ndarray, "*streams"]
) -> Float[np.ndarray, "bets *streams"]:
    """The accounts of streams after one more p-value of each, with the new stake from the reserve."""
    stake = (reserve(seen) - reserve(seen + 1)) / len(BETS)
    return (accounts + stake) * (1 + np.multiply.outer(BETS, p_values - 0.5))


def reserve(seen: int) -> float:
    """The share of the first wealth that has not been bet yet."""
    return 1 / (1 + math.log2(1 + seen))
