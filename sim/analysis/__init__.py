"""From recorded rows to figures with intervals."""
