"""Readers of labelled pictures."""
