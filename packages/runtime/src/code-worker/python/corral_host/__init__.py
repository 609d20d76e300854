"""Runs one Python model for a replica: the class of `model/model.py`, unmodified, as the Truss server calls it.

Pure standard library, Python 3.9 or newer: what else is importable is the author's environment, so nothing is imported
from it that the author's code has not imported already.
"""
