"""How people and programs see the result of a backtest."""
