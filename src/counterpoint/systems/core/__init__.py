"""Systems of the family `core`, one file each."""
