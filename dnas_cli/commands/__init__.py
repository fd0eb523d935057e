"""One module per subcommand: parse, call one function of a room, print its result."""
