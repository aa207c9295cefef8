"""cert-manager's controllers, one file each, and the writers outside their process."""
