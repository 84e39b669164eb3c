"""Random warps of a minibatch: rotation, scale, shear, shift and elastic fields, drawn anew for every batch.

All images of a group share one random map of the plane. That is enough to learn from (docs/training.md has the
numbers), and it is what makes warps fast in numpy: in the transposed batch, pixels × images, bilinear interpolation
is a gather of whole rows, contiguous in memory, and one small matrix product per output pixel p:

    warped[p, :] = weights[p, 0…3] @ pixels[neighbours[p, 0…3], :]

Source coordinates are rounded to 1/64 pixel. Weights are then multiples of 1/4096 and pixels whole numbers up to 255,
so every product and sum is exact in float32 (255 · 4096 < 2²⁴): no warp is the identity to the bit, nothing leaves
0…255, and the result depends on no order of summation.

Elastic fields are those of Simard, Steinkraus & Platt 2003, "Best practices for convolutional neural networks
applied to visual document analysis".
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MARGIN = 2  # of background around the image: coordinates are clipped into it
BITS = 6
STEPS = 1 << BITS  # of a coordinate, per pixel


class Strengths(NamedTuple):
    """The strengths of warps; 0 is off. All but `elastic` are drawn uniformly from −strength to +strength.

    `rotation` in degrees; `scale` as a share of the size, for height and width apart; `shear` as a share of the
    height; `shift` in pixels, in each direction; `elastic`: standard deviation in pixels of a displacement field of
    white noise, smoothed by a Gaussian of σ = `smoothness` pixels.
    """

    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    elastic: float = 0.0
    smoothness: float = 4.0


class Draws(NamedTuple):
    """Random numbers for n maps: six for the affine one, (n, 6) from −1 to 1; and white noise of variance 1/12, from
    −½ to ½, for the elastic field, (n, 2, height, width)."""

    affine: NDArray[np.float64]
    noise: NDArray[np.float32]


class Map(NamedTuple):
    """A map of the plane: the indices of the four neighbours of each output pixel in the padded image, and their
    weights: (p, 4) and (p, 1, 4)."""

    neighbours: NDArray[np.intp]
    weights: NDArray[np.float32]


MapOf = tuple[Map, int, int]  # a map, the first of the images that it is for, and the first that it is not for
Rooms = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]


class Warp:
    """Warps minibatches of images of `shape` (height, width), each of `groups` parts of a batch by a map of its own.

    The pixels of its outputs come in the order `order` (p,), those of its inputs as they are.
    """

    def __init__(
        self, shape: tuple[int, int], strengths: Strengths, groups: int = 1, order: NDArray[np.intp] | None = None
    ) -> None:
        self.height, self.width = shape
        self.strengths, self.groups = strengths, groups
        self.order = np.arange(self.height * self.width) if order is None else order
        self._is_in_order = order is None
        self._padded_width = self.width + 2 * MARGIN
        rows = np.arange(self.height, dtype=np.float32) - (self.height - 1) / 2
        columns = np.arange(self.width, dtype=np.float32) - (self.width - 1) / 2
        homogeneous = np.broadcast_arrays(rows[:, None], columns, np.float32(1))
        # (3, p): y, x, 1 of every pixel, from the centre
        self._grid: NDArray[np.float32] = np.stack(homogeneous).reshape(3, -1)[:, self.order]
        self._smooth_rows = _smoother(self.height, strengths.smoothness)
        self._smooth_columns = _smoother(self.width, strengths.smoothness)

    def draw(self, rng: np.random.Generator, n: int) -> Draws:
        """Draw the random numbers of n maps."""
        affine = rng.uniform(-1, 1, (n, 6))
        shape = (n, 2, self.height, self.width) if self.strengths.elastic else (n, 2, 0, 0)
        noise: NDArray[np.float32] = rng.random(shape, np.float32)
        noise -= 0.5
        return Draws(affine, noise)

    def maps(self, draws: Draws, strengths: NDArray[np.float64], which: slice = slice(None)) -> list[Map]:
        """The maps of `which` of the draws, at these shares (n,) of the strengths, one for each draw."""
        shares = strengths[which]
        coordinates = self._affine(draws.affine[which], shares)
        if self.strengths.elastic:
            coordinates += self._elastic(draws.noise[which], shares)
        coordinates += MARGIN
        coordinates *= STEPS
        limits = np.array([self.height + 2 * MARGIN - 2, self.width + 2 * MARGIN - 2], np.float32)[:, None] * STEPS
        np.rint(coordinates, out=coordinates)
        steps = np.clip(coordinates, 0, limits, out=coordinates).astype(np.intp)  # (n, 2, p)
        y, x = (steps >> BITS).transpose(1, 0, 2)  # (n, p), the upper left neighbour
        fy, fx = (steps & (STEPS - 1)).astype(np.float32).transpose(1, 0, 2) / STEPS
        corner = y * self._padded_width + x
        below = corner + self._padded_width
        neighbours = np.stack([corner, corner + 1, below, below + 1], axis=-1)
        weights = np.stack([(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx], axis=-1)
        return [Map(*pair) for pair in zip(neighbours, weights[:, :, None, :], strict=True)]

    def reached(self, maps: list[MapOf], lit: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which output pixels can be lit, (p,), where no others than the `lit` (p,) are in any of the images."""
        padded = np.zeros((self.height + 2 * MARGIN, self._padded_width), np.bool_)
        padded[MARGIN:-MARGIN, MARGIN:-MARGIN] = lit.reshape(self.height, self.width)
        flat, reached = padded.ravel(), np.zeros(len(lit), np.bool_)
        for (neighbours, _), _, _ in maps:
            reached |= flat[neighbours].view(np.uint32)[:, 0] > 0  # any of the four, which together are one number
        return reached

    def apply(
        self,
        maps: list[MapOf],
        images: NDArray[np.uint8],
        out: NDArray[np.float32],
        rooms: dict[int, Rooms] | None = None,
    ) -> NDArray[np.float32]:
        """Warp images (m, p) of uint8 into the first k of the output pixels, out (k, m), still 0…255, transposed.

        Each map is for the images from its first to before its last. `rooms` are buffers, kept from call to call.
        """
        for (neighbours, weights), start, stop in maps:
            turned, padded, gathered = self._room(stop - start, {} if rooms is None else rooms)
            np.copyto(
                turned, images[start:stop].T
            )  # bytes first: takes half the time of transposing and casting at once
            inside = padded[MARGIN:-MARGIN, MARGIN:-MARGIN]
            np.copyto(inside, turned.reshape(inside.shape))
            pixels = padded.reshape(-1, stop - start)
            k = len(out)
            # mode="clip": with the default, "raise", take() would use a buffer of its own
            np.take(pixels, neighbours[:k], axis=0, out=gathered[:k], mode="clip")
            np.matmul(weights[:k], gathered[:k], out=out[:, None, start:stop])  # (k, 1, 4) @ (k, 4, n)
        return out

    def _affine(self, draws: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float32]:
        """Where each output pixel comes from under random affine maps: (n, 2, p), y and x in pixels."""
        s = self.strengths
        limits = [math.radians(s.rotation), s.scale, s.scale, s.shear, s.shift, s.shift]
        angle, scale_y, scale_x, shear, shift_y, shift_x = (draws * shares[:, None] * limits).T
        cos, sin = np.cos(angle), np.sin(angle)
        scale_y, scale_x = 1 + scale_y, 1 + scale_x
        # rotation · [[scale_y, shear], [0, scale_x]] · (y, x) + centre + shift
        matrix = [
            [cos * scale_y, cos * shear - sin * scale_x, shift_y + (self.height - 1) / 2],
            [sin * scale_y, sin * shear + cos * scale_x, shift_x + (self.width - 1) / 2],
        ]
        source: NDArray[np.float32] = np.array(matrix, np.float32).transpose(2, 0, 1) @ self._grid
        return source  # (n, 2, 3) @ (3, p)

    def _elastic(self, noise: NDArray[np.float32], shares: NDArray[np.float64]) -> NDArray[np.float32]:
        """Smooth random displacement fields: (n, 2, p), in pixels."""
        deviation = shares * self.strengths.elastic * math.sqrt(12)  # the noise has the variance 1/12
        field: NDArray[np.float32] = np.matmul(self._smooth_rows @ noise, self._smooth_columns.T)
        field *= deviation.astype(np.float32)[:, None, None, None]
        field = field.reshape(len(noise), 2, -1)
        return field if self._is_in_order else field[:, :, self.order]

    def _room(self, m: int, rooms: dict[int, Rooms]) -> Rooms:
        """Buffers for a group of m images, made once for each m."""
        if m not in rooms:
            rooms[m] = (
                np.empty((self.height * self.width, m), np.uint8),
                np.zeros((self.height + 2 * MARGIN, self._padded_width, m), np.float32),
                np.empty((self.height * self.width, 4, m), np.float32),
            )
        return rooms[m]


def _smoother(size: int, sigma: float) -> NDArray[np.float32]:
    """The (size, size) matrix that smooths by a Gaussian. Its rows have length 1, so smoothed white noise keeps its
    variance everywhere, at the edges too."""
    distance = np.arange(size)[:, None] - np.arange(size)
    kernel = np.exp(-0.5 * (distance / sigma) ** 2)
    smoother: NDArray[np.float32] = (kernel / np.linalg.norm(kernel, axis=1, keepdims=True)).astype(np.float32)
    return smoother
