"""Inference runtimes behind one small protocol."""
