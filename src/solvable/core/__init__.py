"""Mathematics without physics: Gaussian integrals, branches, thresholds, statuses."""
