"""Typed training recipes."""
