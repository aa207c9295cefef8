"""Running scenarios, and comparing them."""
