"""What the simulator is held against: recorded answers, closed forms, recorded runs."""
