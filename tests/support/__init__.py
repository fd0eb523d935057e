"""What the tests share: running the program, small inputs, comparing bits, killing, mutating."""
