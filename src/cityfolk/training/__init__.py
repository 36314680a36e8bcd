"""Preference training: pairs to tokens, tokens to packed rows, rows to log-probabilities, these to a loss."""
