"""Scenarios drafted from what a cluster says of itself: ``requeue init``."""
