"""cert-manager: its controllers, one file each, and what differs between its releases."""
