"""Forecasts of demand: rates of many series in equal windows, their intervals, their backtest."""
