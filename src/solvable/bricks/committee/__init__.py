"""Two hidden units: what a label tells of their fields, and a prior of their weights."""
