"""Families of controllers: what runs on a simulated cluster, one folder each."""
