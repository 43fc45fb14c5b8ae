"""How far honest counts scatter: variance = phi mu + tau mu^2, learned from past residuals.

phi is the size of the clumps in which searches come, tau the squared day-to-day (week-to-week)
unrest of a member's rate. Both are fitted for every window length by weighted least squares of
squared residuals on (mu, mu^2), averaged in 16 bins of mu one octave wide. Days more surprising
than p = 1e-3 may be misuse: what they show is not believed, and what such days of honest use
would show is put in its place. Trimming alone would take away the very tail that must be known.
"""

from __future__ import annotations

import numpy as np

from models.statistics.negative_binomial import Floats, Ints, critical_count, tail_square

#: Values before there is data, and the number of residuals at which data weighs as much.
PHI, TAU, LEAN = 1.4, 0.1, 15.0
#: Residuals with a smaller p-value are not learned from: in a year with misuse by one in ten, phi of a
#: quarter would grow from 1.0 to 1.3 otherwise.
SURPRISING = 1e-3
BINS, LOWEST_OCTAVE = 16, -7
_KINDS = 4


class Dispersion:
    """phi and tau by pool (row) and window (column)."""

    def __init__(self, windows: Ints) -> None:
        self.windows = windows
        #: Sums by pool, window, bin: number, mu, mu^2, squared residual.
        self.sums: Floats = np.zeros((0, len(windows), BINS, _KINDS))
        self.phi: Floats = np.zeros((0, len(windows)))
        self.tau: Floats = np.zeros((0, len(windows)))

    def grow(self, pools: int) -> None:
        """Make room for pools up to this number."""
        more, windows = pools - len(self.sums), len(self.windows)
        if more > 0:
            self.sums = np.concatenate([self.sums, np.zeros((more, windows, BINS, _KINDS))])
            self.phi = np.concatenate([self.phi, np.full((more, windows), PHI)])
            self.tau = np.concatenate([self.tau, np.full((more, windows), TAU)])

    def learn(self, window: int, pool: Ints, mean: Floats, squared: Floats) -> None:
        """Take in residuals of one window (by its column).

        `squared` is (count - mean)^2 less the part that stems from not knowing the true rate.
        """
        octave = np.clip(np.floor(np.log2(mean)) - LOWEST_OCTAVE, 0, BINS - 1).astype(np.int64)
        cell = pool * BINS + octave
        for kind, values in enumerate((None, mean, mean * mean, squared)):
            added = np.bincount(cell, values, len(self.sums) * BINS)
            self.sums[:, window, :, kind] += added.reshape(-1, BINS)

    def fit(self, discount: float) -> None:
        """Work out phi >= 1 and tau >= 0 anew, then let the past fade by `discount`."""
        number = self.sums[..., 0]
        mu, mu2, y = (self.sums[..., kind] / np.maximum(number, 1e-12) for kind in (1, 2, 3))
        # A squared residual scatters with about v + 2 v^2; overlapping windows tell little anew.
        v = PHI * mu + TAU * mu2
        news = np.minimum(1.0, 4.0 / self.windows)[None, :, None]
        weight = number * news / np.maximum(v + 2 * v * v, 1e-12)
        lean_phi, lean_tau = LEAN / (2 * PHI**2), LEAN / (2 * TAU**2)
        aa = (weight * mu * mu).sum(-1) + lean_phi
        bb = (weight * mu2 * mu2).sum(-1) + lean_tau
        ab = (weight * mu * mu2).sum(-1)
        ay = (weight * mu * y).sum(-1) + lean_phi * PHI
        by = (weight * mu2 * y).sum(-1) + lean_tau * TAU
        determinant = aa * bb - ab * ab
        phi = (ay * bb - by * ab) / determinant
        tau = (by * aa - ay * ab) / determinant
        # Where one bound is hit, the other is fitted with the first held there.
        low = phi < 1.0
        tau = np.where(low, (by - ab) / bb, tau)
        phi = np.where(low, 1.0, phi)
        flat = tau < 0.0
        self.phi = np.where(flat, np.maximum(1.0, ay / aa), phi)
        self.tau = np.where(flat, 0.0, tau)
        self.sums *= discount


#: Cells of an octave in which means are taken for one another.
_FINE = 4


def unseen(pool: Ints, mean: Floats, variance: Floats) -> Floats:
    """The part of the expected squared residual that lies in counts more surprising than `SURPRISING`.

    One value a residual; means above 0 of one pool within a quarter of an octave share theirs.
    """
    octave = np.floor(_FINE * np.log2(mean)).astype(np.int64)
    _, cell = np.unique(pool << 32 | (octave - octave.min(initial=0)), return_inverse=True)
    number = np.maximum(np.bincount(cell), 1)
    mu, v = np.bincount(cell, mean) / number, np.bincount(cell, variance) / number
    return tail_square(critical_count(mu, v, SURPRISING), mu, v)[cell]
