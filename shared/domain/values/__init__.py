"""Values: amounts, prices, symbols, instruments, fees."""
