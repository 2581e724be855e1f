"""Laws of input vectors; one law a file."""
