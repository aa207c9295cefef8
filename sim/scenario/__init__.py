"""What a user asks to simulate: the scenario's model, how it is read, and where the shipped ones are."""
