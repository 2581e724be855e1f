"""Message passing and spectral algorithms: they take bricks and arrays, never models."""
