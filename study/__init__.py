"""setsum: how strongly should a regressor be regularised by learning from sets of scans?"""

__version__ = "0.1.0"
