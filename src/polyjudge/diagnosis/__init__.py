"""What went wrong in a run, and how sure that is: dilution, adherence, interference, and the texts themselves."""
