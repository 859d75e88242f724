"""The live shell: sources, rings, sessions, evidence, the alert feed, the command line."""
