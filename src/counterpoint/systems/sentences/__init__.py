"""Systems of the family `sentences`, one file each."""
