"""Other programs that show runs: they are told what the journal holds, which stays the truth."""
