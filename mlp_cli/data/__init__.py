"""Arrays in: IDX files, data sets, minibatches."""
