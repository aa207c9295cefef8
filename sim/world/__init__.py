"""A simulated cluster, built from a scenario for any family of controllers, and run to its end."""
