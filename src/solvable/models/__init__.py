"""Solvable models, one a file; `base.py` holds what one can ask of them."""
