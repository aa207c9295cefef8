"""Simulated time, random streams, shared cores, and Go's scheduler."""
