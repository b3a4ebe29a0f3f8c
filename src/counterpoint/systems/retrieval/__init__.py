"""Systems of the family `retrieval`, one file each."""
