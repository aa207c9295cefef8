"""Recordings of an operator made with controller-runtime: what was asked, what came out, what is predicted."""
