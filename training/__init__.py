"""Generators of fakes and the training, evaluation and calibration of the detector."""
