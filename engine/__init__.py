"""The pure core: windows, scorers, cleaning, smoothing, alert policy, micro-batching. Knows no socket, file or clock."""
