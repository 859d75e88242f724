"""Cameras and files: one interface (`base`), one file each."""
