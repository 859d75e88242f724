"""Replay of benchmark videos through the live engine. What needs the whole video lives here and says so."""
