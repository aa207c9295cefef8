"""From YAML to a scenario: documents with positions, messages, overrides, and where the shipped files are."""
