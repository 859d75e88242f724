"""Words for a model, and words that a model's are compared with. See `texts`, `questions` and `scenes`."""
