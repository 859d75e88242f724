"""The pure core: windows, scorers, cleaning, smoothing, alert policy, batching. Knows no socket, file or clock."""
