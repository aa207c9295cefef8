"""The report as one HTML file: ``requeue report``."""
