"""Bricks: priors, channels and spectra, each stating one local log-partition."""
