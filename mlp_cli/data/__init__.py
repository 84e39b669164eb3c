"""Arrays in: IDX files, labelled pictures, data sets, minibatches, warps, redrawn strokes, non-digits."""
