"""What a user asks to simulate: the data. How it is read: ``sim.scenario.reading``."""
