"""Evaluation of a detector in parts: panels, scores, tests T0 to T9, probes and the page that tells of them."""
