"""The verbs: what one can ask of any model."""
