"""Plain clients that contend for objects of the simulated API server, instead of cert-manager's controllers."""
