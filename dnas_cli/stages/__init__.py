"""The steps of a run, one function each: encode, search, decode, retrain."""
