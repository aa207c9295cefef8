"""From recordings of a real cluster to a profile: how long things take there."""
