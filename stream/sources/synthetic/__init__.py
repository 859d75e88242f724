"""A camera made of code: a small street where people walk and, now and then, something abnormal happens."""

from stream.sources.synthetic.source import SyntheticSource

__all__ = ["SyntheticSource"]
