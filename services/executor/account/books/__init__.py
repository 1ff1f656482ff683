"""What one account holds from copying, as recorded: its positions, their kind of money, and what happens when they are lost."""
