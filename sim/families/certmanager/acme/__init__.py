"""cert-manager's ACME issuer: Orders and Challenges, their controllers, the client, and the server that it talks to."""
