"""The simulated cluster: objects, the store, the API server and its time, watch streams."""
