"""What the simulator itself costs, and the tables of the docs that take minutes to compute."""
