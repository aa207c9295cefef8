"""What ties the simulator to real clusters: conformance, logs, calibration, validation, benchmark."""
