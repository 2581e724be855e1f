"""Mathematics without physics: Gaussian integrals, special functions, branches, thresholds, statuses."""
