"""``python -m sim`` is ``requeue``."""

from sim.cli.main import main

main()
