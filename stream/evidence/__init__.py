"""What is kept of an event: a snapshot with its boxes, a clip with what came before, and for how long."""
